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
}
