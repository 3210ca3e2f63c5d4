//! Names with `*`, `?`, `[abc]` and `[!a-c]`.

/// A glob, read.
#[derive(Debug)]
pub struct Glob(Vec<Token>);

#[derive(Debug)]
enum Token {
    /// Any text.
    Star,
    /// Any character.
    Any,
    /// This character.
    One(char),
    /// A character of these ranges, or one of no such range.
    Class { ranges: Vec<(char, char)>, is_negated: bool },
}

impl Glob {
    /// Reads a glob as `fnmatch` of Python does. A `[` without a `]` is itself.
    pub fn new(text: &str) -> Glob {
        Glob::read(text, false)
    }

    /// Reads a glob as a shell does: `\x` is `x`, and `[^a]` is `[!a]`.
    pub fn of_shell(text: &str) -> Glob {
        Glob::read(text, true)
    }

    fn read(text: &str, is_shell: bool) -> Glob {
        let letters: Vec<char> = text.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(letter) = letters.get(at) {
            let class = (*letter == '[').then(|| class(&letters[at + 1..], is_shell)).flatten();
            let escaped = letters.get(at + 1).filter(|_| is_shell && *letter == '\\');
            let (token, length) = match (class, escaped, letter) {
                (Some((class, length)), _, _) => (class, length + 1),
                (None, Some(escaped), _) => (Token::One(*escaped), 2),
                (None, None, '*') => (Token::Star, 1),
                (None, None, '?') => (Token::Any, 1),
                (None, None, letter) => (Token::One(*letter), 1),
            };
            tokens.push(token);
            at += length;
        }
        Glob(tokens)
    }

    /// A name in which nothing but `*` and `?` has a meaning.
    pub fn without_classes(text: &str) -> Glob {
        let token = |letter| match letter {
            '*' => Token::Star,
            '?' => Token::Any,
            letter => Token::One(letter),
        };
        Glob(text.chars().map(token).collect())
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_letters(&name.chars().collect::<Vec<_>>())
    }

    /// Whether a name of these letters matches. Linear: it goes back only to the last star.
    pub fn matches_letters(&self, name: &[char]) -> bool {
        let (mut at, mut pos, mut star) = (0, 0, None);
        while pos < name.len() {
            match self.0.get(at) {
                Some(Token::Star) => {
                    star = Some((at, pos));
                    at += 1;
                }
                Some(token) if token.takes(name[pos]) => (at, pos) = (at + 1, pos + 1),
                _ => match star {
                    None => return false,
                    Some((star_at, star_pos)) => {
                        star = Some((star_at, star_pos + 1));
                        (at, pos) = (star_at + 1, star_pos + 1);
                    }
                },
            }
        }
        self.0[at..].iter().all(|token| matches!(token, Token::Star))
    }
}

impl Token {
    fn takes(&self, letter: char) -> bool {
        match self {
            Token::Star => false,
            Token::Any => true,
            Token::One(own) => *own == letter,
            Token::Class { ranges, is_negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter)) != *is_negated
            }
        }
    }
}

/// The class behind a `[`, and how many characters it has with its `]`. A `]` at its beginning is one of its characters.
fn class(letters: &[char], is_shell: bool) -> Option<(Token, usize)> {
    let is_negated = match letters.first()? {
        '!' => true,
        '^' => is_shell,
        _ => false,
    };
    let start = usize::from(is_negated);
    let end = start + 1 + letters.get(start + 1..)?.iter().position(|letter| *letter == ']')?;
    let (mut ranges, mut at) = (Vec::new(), start);
    while at < end {
        let is_range = at + 2 < end && letters[at + 1] == '-';
        let last = if is_range { at + 2 } else { at };
        ranges.push((letters[at], letters[last]));
        at = last + 1;
    }
    Some((Token::Class { ranges, is_negated }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_fnmatch_does() {
        let matches = |glob: &str, name: &str| Glob::new(glob).matches(name);
        for (glob, name) in [
            ("d[ab]*", "db1"),
            ("[dw]?", "w1"),
            ("h?1", "hä1"),
            ("h*1", "hä1"),
            ("*?1", "hä1"),
            ("?", "ホ"),
            ("web[!1]", "web2"),
            ("web[10-12]*", "web01"),
            ("[]a]", "a"),
            ("[a-]x", "-x"),
            ("w[!a-c]b*", "web"),
            ("a[", "a["),
            ("*a*b", "xaab"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("h??1", "hä1"),
            ("??", "ホ"),
            ("d[ab]*", "dc1"),
            ("[we]x", "wex"),
            ("web[!1]", "web1"),
            ("[c-a]", "b"),
            ("web[10-12]", "web10"),
            ("", "a"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
        assert!(Glob::new("[^a]").matches("^") && !Glob::of_shell("[^a]").matches("a"));
        assert!(Glob::without_classes("a[1]*").matches("a[1]2"));
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
            assert_eq!(Glob::of_shell(pattern).matches(name), expected, "{pattern:?} {name:?}");
        }
    }
}
