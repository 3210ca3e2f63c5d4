//! What one term of a pattern matches: a name, a glob, ranges, a regular expression.

use crate::inventory::name::expand;
use regex_lite::Regex;

/// A term as what it matches.
pub enum Matcher {
    /// Every name.
    All,
    /// `~…`.
    Regex(Regex),
    /// With `*` and `?`; a range stands for several.
    Globs(Vec<String>),
}

impl Matcher {
    /// Reads a term without `&` and `!`.
    pub fn of(term: &str) -> Result<Matcher, String> {
        match term.strip_prefix('~') {
            _ if term == "all" || term == "*" => Ok(Matcher::All),
            // Anchored at the beginning, as in Ansible.
            Some(regex) => Regex::new(&format!("^(?:{regex})"))
                .map(Matcher::Regex)
                .map_err(|error| format!("`{regex}` is not a regular expression: {error}")),
            None => expand(&listed(term)).map(Matcher::Globs),
        }
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::All => true,
            Matcher::Regex(regex) => regex.is_match(name),
            Matcher::Globs(globs) => globs.iter().any(|glob| glob_matches(glob.as_bytes(), name.as_bytes())),
        }
    }
}

/// A class of letters, `db[abc]`, as the list that it stands for: `db[a,b,c]`.
fn listed(term: &str) -> String {
    let mut text = String::new();
    let mut rest = term;
    while let Some((before, range, after)) = rest
        .split_once('[')
        .and_then(|(before, rest)| rest.split_once(']').map(|(range, after)| (before, range, after)))
    {
        let is_class = range.len() > 1 && range.bytes().all(|byte| byte.is_ascii_alphabetic());
        let letters = || range.chars().map(String::from).collect::<Vec<_>>().join(",");
        let inside = if is_class { letters() } else { range.to_string() };
        text += &format!("{before}[{inside}]");
        rest = after;
    }
    text + rest
}

/// `*` is anything, `?` one character. Linear: it goes back only to the last star.
fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut pos, mut star) = (0, 0, None);
    while pos < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(b'?') => (at, pos) = (at + 1, pos + length(name[pos])),
            Some(letter) if *letter == name[pos] => (at, pos) = (at + 1, pos + 1),
            _ => match star {
                None => return false,
                Some((star_at, star_pos)) => {
                    let next = star_pos + length(name[star_pos]);
                    star = Some((star_at, next));
                    (at, pos) = (star_at + 1, next);
                }
            },
        }
    }
    glob[at..].iter().all(|letter| *letter == b'*')
}

/// How many bytes the letter has that starts with this one, in UTF-8.
fn length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_ranges_match() {
        let matches = |term: &str, name: &str| Matcher::of(term).unwrap().matches(name);
        assert!(matches("d[ab]*", "db1") && matches("[dw]?", "w1") && matches("web[01-03]", "web02"));
        assert!(
            matches("h?1", "hä1") && matches("h*1", "hä1") && matches("*?1", "hä1") && matches("?", "ホ")
        );
        assert!(!matches("h??1", "hä1") && !matches("??", "ホ"));
        assert!(!matches("d[ab]*", "dc1") && !matches("[we]x", "wex"));
        assert!(matches("web[1,3]", "web3") && matches("h[ab]-[xy]", "hb-x"));
    }
}
