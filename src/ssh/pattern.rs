//! The wildcard patterns of OpenSSH: `*`, `?`, and lists in which `!` excludes.

/// What a list of patterns says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListMatch {
    /// A pattern without `!` matched, and none with it.
    Included,
    /// A pattern with `!` matched, which outweighs all others.
    Excluded,
    /// No pattern matched.
    Unmentioned,
}

/// Whether `pattern` matches the whole of `text`. Linear in practice: only the last `*` is ever retried.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                retry = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match retry {
                Some((after_star, swallowed)) => {
                    retry = Some((after_star, swallowed + 1));
                    (at_pattern, at_text) = (after_star, swallowed + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

/// Whether a file name matches a shell's pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `\x`.
pub fn matches_file(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at_pattern, mut at_name) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_name < name.len() {
        if pattern.get(at_pattern) == Some(&'*') {
            at_pattern += 1;
            retry = Some((at_pattern, at_name));
            continue;
        }
        match pattern.get(at_pattern..).and_then(|rest| one_letter(rest, name[at_name])) {
            Some(width) => (at_pattern, at_name) = (at_pattern + width, at_name + 1),
            None => match retry {
                Some((after_star, swallowed)) => {
                    retry = Some((after_star, swallowed + 1));
                    (at_pattern, at_name) = (after_star, swallowed + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&letter| letter == '*')
}

/// How many letters of the pattern stand for `letter`; `None` when they do not.
fn one_letter(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == letter).then_some(2),
        '[' => match class(&pattern[1..], letter) {
            Some((holds, width)) => holds.then_some(width + 1),
            None => (letter == '[').then_some(1),
        },
        same => (*same == letter).then_some(1),
    }
}

/// Whether a class such as `a-z]` has `letter`, and how many letters it takes; `None` when it is not closed.
fn class(inside: &[char], letter: char) -> Option<(bool, usize)> {
    let negated = matches!(inside.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A bracket that comes first is a member.
    let end = (start + 1..inside.len()).find(|&index| inside[index] == ']')?;
    let (mut at, mut found) = (start, false);
    while at < end {
        let range = at + 2 < end && inside[at + 1] == '-';
        let last = if range { inside[at + 2] } else { inside[at] };
        found |= (inside[at]..=last).contains(&letter);
        at += if range { 3 } else { 1 };
    }
    Some((found != negated, end + 1))
}

/// What `patterns` say of a host that is known under any of `names`.
pub fn match_list<'a>(patterns: impl IntoIterator<Item = &'a str>, names: &[&str]) -> ListMatch {
    let mut match_list = ListMatch::Unmentioned;
    for pattern in patterns {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if names.iter().any(|name| matches(pattern, name)) {
            if negated {
                return ListMatch::Excluded;
            }
            match_list = ListMatch::Included;
        }
    }
    match_list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_ssh_config() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("web*.example.com", "web12.example.com", true),
            ("*.example.com", "example.com", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn an_exclusion_wins_wherever_it_stands() {
        assert_eq!(match_list(["*", "!web1"], &["web1"]), ListMatch::Excluded);
        assert_eq!(match_list(["!web1", "*"], &["web1"]), ListMatch::Excluded);
        assert_eq!(match_list(["!web1"], &["web2"]), ListMatch::Unmentioned);
        assert_eq!(match_list(["10.*"], &["web1", "10.0.0.1"]), ListMatch::Included);
    }

    #[test]
    fn a_hostile_pattern_does_not_take_for_ever() {
        let (pattern, text) = ("*a".repeat(200), "a".repeat(2000) + "b");
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn file_names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("[0-9][0-9]-*", "10-web", true),
            ("[0-9][0-9]-*", "1x-web", false),
            ("[!a]b", "cb", true),
            ("[!a]b", "ab", false),
            ("[]x]", "]", true),
            ("[a-", "[a-", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("[ab]*[yz]", "a-z-y", true),
            ("", "", true),
        ] {
            assert_eq!(matches_file(pattern, name), expected, "{pattern:?} {name:?}");
        }
    }
}
