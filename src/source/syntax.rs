//! What helps with text that is not TOML.

use std::ops::Range;

/// What to say of a file that is YAML.
pub const YAML: [&str; 2] = [
    "this is YAML, and must be TOML",
    "`key: value` is key = \"value\" here, and each task is [[steps]] with a table for its kind",
];

/// The first line of a file that is YAML: that is said once, instead of an error for each line.
pub fn yaml(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let text = line.trim_end();
        if !text.is_empty() && !text.starts_with('#') {
            return is_yaml(text).then_some(at..at + text.len());
        }
        at += line.len();
    }
    None
}

fn is_yaml(line: &str) -> bool {
    let key = line.split_once(':').map(|(key, rest)| (key, rest.is_empty() || rest.starts_with(' ')));
    let letters = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    line == "---" || line.starts_with("- ") || key.is_some_and(|(key, ends)| ends && letters(key))
}

/// What to write where the parser found something else.
pub fn hint(text: &str, at: usize, message: &str) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next().unwrap_or_default();
    let value = line.split_once('=').map(|(_, value)| value.trim());
    if message.contains("duplicate key") {
        let line = line.trim();
        let list = line.strip_prefix("[[").and_then(|rest| rest.split(']').next());
        return Some(match list {
            Some(name) => format!("the first [{name}.…] of the file has no [[{name}]] before it"),
            None if line.starts_with('[') => format!("{line} stands above: each step begins with [[steps]]"),
            None => "write a key once in its table".to_string(),
        });
    }
    match value {
        None if line.contains(": ") || line.trim_end().ends_with(':') => {
            Some("write `key = value`: this is TOML".to_string())
        }
        None => None,
        Some("") => Some("write a value behind `=`: text goes in quotes".to_string()),
        Some(value) => of_value(value, message),
    }
}

fn of_value(value: &str, message: &str) -> Option<String> {
    let word: String = value.chars().take_while(|letter| !" \t,]}#".contains(*letter)).collect();
    let digits = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    match word.as_str() {
        "yes" | "on" | "True" | "Yes" | "TRUE" => Some("write true".to_string()),
        "no" | "off" | "False" | "No" | "FALSE" => Some("write false".to_string()),
        "null" | "None" | "none" | "~" => Some("leave the key out: TOML has no null".to_string()),
        word if word.starts_with('0') && digits(word) => Some(format!("put it in quotes: \"{word}\"")),
        word if word.starts_with("{{") => Some("put the expression in quotes: \"{{ … }}\"".to_string()),
        word if word.starts_with(['"', '\'']) => Some(quotes(value, message)),
        word if word.starts_with('[') => {
            Some("close the list with ]; its elements are separated by commas".to_string())
        }
        word if word.starts_with('{') => {
            Some("close the table with }; its keys are separated by commas: { a = 1, b = \"x\" }".to_string())
        }
        word if word.starts_with(|first: char| first.is_alphabetic() || "/~.$%@".contains(first)) => {
            Some(format!("put text in quotes: \"{}\"", value.trim_matches(['"', '\''])))
        }
        _ => None,
    }
}

fn quotes(value: &str, message: &str) -> String {
    if message.contains("escape") {
        return "write \\\\ for a backslash, or put the text in single quotes".to_string();
    }
    let quote = &value[..1];
    match value.matches(quote).count() {
        1 => format!("close the text with {quote}; text of several lines goes between {}", quote.repeat(3)),
        _ => format!("a {quote} inside the text needs the other kind of quotes around it"),
    }
}

#[cfg(test)]
mod tests {
    use crate::source::{Node, Source};

    fn hints(text: &str) -> String {
        let problems = Node::parse(&Source::new("x.toml", text)).unwrap_err();
        problems.iter().map(|problem| problem.hint.clone().unwrap_or_default()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_nearly_toml_gets_the_right_form() {
        for (text, hint) in [
            ("become = yes\n", "write true"),
            ("a = False\n", "write false"),
            ("mode = 0644\n", "put it in quotes: \"0644\""),
            ("path = /etc/motd\n", "put text in quotes: \"/etc/motd\""),
            ("a = {{ x }}\n", "put the expression in quotes: \"{{ … }}\""),
            ("a = null\n", "leave the key out: TOML has no null"),
            ("a = \n", "write a value behind `=`: text goes in quotes"),
            ("[a]\nb = 1\nb = 2\n", "write a key once in its table"),
        ] {
            let found = hints(text);
            assert!(found.contains(hint), "{text}: {found}");
        }
    }

    #[test]
    fn yaml_is_called_yaml() {
        for text in ["---\n- hosts: all\n", "# c\n\n- name: x\n", "hosts: all\n", "tasks:\n  - x\n"] {
            let problems = Node::parse(&Source::new("x.toml", text)).unwrap_err();
            let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(messages, ["this is YAML, and must be TOML"], "{text}");
        }
    }
}
