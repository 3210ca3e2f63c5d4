//! Tells a value that nobody has filled in. It runs where the value is, and its answer says nothing of the value that
//! the rule does not say of all such values.

/// Words that stand for a value, alone.
const WORDS: &[&str] = &[
    "todo",
    "fixme",
    "tbd",
    "example",
    "sample",
    "dummy",
    "secret",
    "password",
    "value",
    "string",
    "none-yet",
    "...",
    "…",
    "foo",
    "foobar",
    "bar",
    "replace",
    "null",
    "undefined",
    "test-key",
    "my-secret",
    "supersecret",
    "sk-...",
];

/// What says so wherever it stands.
const MARKS: &[(&str, &str)] = &[
    ("changeme", "it says changeme"),
    ("change-me", "it says change-me"),
    ("change_me", "it says change_me"),
    ("change this", "it says change this"),
    ("replaceme", "it says replaceme"),
    ("replace-me", "it says replace-me"),
    ("replace_me", "it says replace_me"),
    ("replace with", "it says replace with"),
    ("placeholder", "it says placeholder"),
    ("fill-me", "it says fill-me"),
    ("fill_me", "it says fill_me"),
    ("insert-", "it says insert-"),
    ("insert_your", "it says insert_your"),
    ("xxxx", "it has a row of x"),
    ("user:password@", "it has the user and password of an example"),
    ("username:password@", "it has the user and password of an example"),
];

/// Domains that belong to nobody (RFC 2606).
const DOMAINS: &[&str] = &["example.com", "example.org", "example.net"];

/// Why the value of the variable `name` looks like one that nobody has filled in; `None` when it does not.
pub fn why(name: &str, value: &str) -> Option<&'static str> {
    let lower = value.trim().to_lowercase();
    if lower.is_empty() {
        return None;
    }
    let bare = lower.trim_matches(|letter: char| "<>[]{}()*_- ".contains(letter));
    let begins_with_your =
        ["your-", "your_", "your ", "my-secret-"].iter().any(|start| bare.starts_with(start));
    let ends_with_here = ["-here", "_here", " here"].iter().any(|end| bare.ends_with(end));
    match () {
        _ if begins_with_your => Some("it begins with your-"),
        _ if ends_with_here => Some("it ends with -here"),
        _ if lower.contains("your-") || lower.contains("your_") => Some("it has your- in it"),
        _ if lower.starts_with('<') && lower.ends_with('>') => Some("it is in angle brackets"),
        _ if WORDS.contains(&lower.as_str()) => Some("it is a word that examples have"),
        _ if lower.len() >= 3 && lower.bytes().all(|byte| byte == b'x') => Some("it is nothing but x"),
        _ if lower.len() >= 3 && lower.bytes().all(|byte| byte == b'*') => Some("it is nothing but *"),
        _ if lower.replace('-', "_") == name.to_lowercase() => Some("it is the variable's own name"),
        _ if DOMAINS.iter().any(|domain| names_domain(&lower, domain)) => {
            Some("it names a domain for examples")
        }
        _ => MARKS.iter().find(|(mark, _)| lower.contains(mark)).map(|(_, why)| *why),
    }
}

/// Whether the domain stands in the text, whole or with names before it.
fn names_domain(text: &str, domain: &str) -> bool {
    text.match_indices(domain).any(|(at, _)| {
        let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '-';
        let before = text[..at].chars().next_back().is_some_and(part_of_name);
        let after = text[at + domain.len()..]
            .chars()
            .next()
            .is_some_and(|letter| part_of_name(letter) || letter == '.');
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_filled_in_is_found() {
        let placeholders = [
            "your-api-key-here",
            "YOUR_SECRET",
            "<your key>",
            "<api-key>",
            "changeme",
            "ChangeMe123",
            "sk-xxxxxxxx",
            "xxx",
            "***",
            "TODO",
            "put-key-here",
            "https://example.com/hook",
            "me@example.org",
            "postgres://user:password@db/app",
            "api_key",
            "replace-me",
            "...",
            "secret",
            "postgres://app:your-password@db/app",
            "https://api.example.com",
        ];
        for value in placeholders {
            assert!(why("API_KEY", value).is_some(), "{value}");
        }
    }

    #[test]
    fn real_values_are_not() {
        let real = [
            "",
            " ",
            "3000",
            "true",
            "sk-9f8a7c6b5d",
            "postgres://app:s3cr3t@db:5432/app",
            "https://myexample.com",
            "https://example.com.evil.io",
            "production",
            "redis://127.0.0.1:6379",
            "x",
            "xx",
            "Hx8xxP0q",
            "hereford",
            "yours",
            "/srv/app/data",
            "noreply@studio.test",
            "a-password-of-somebody",
            "-----BEGIN KEY-----",
        ];
        for value in real {
            assert_eq!(why("API_KEY", value), None, "{value}");
        }
    }
}
