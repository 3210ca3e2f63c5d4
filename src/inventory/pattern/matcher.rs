//! What one term of a pattern matches: a name, a glob, ranges, a regular expression.

use crate::inventory::name::expand;
use crate::model::glob::Glob;
use regex_lite::Regex;
use std::collections::BTreeSet;

/// A term as what it matches.
pub enum Matcher {
    /// `all`: every host.
    All,
    /// `*`: every host, every group, and every host by its name.
    Star,
    /// `~…`.
    Regex(Regex),
    /// One of these names, or a name that one of these globs matches.
    Names {
        /// Of many thousand hosts at most, so that each is looked up.
        exact: BTreeSet<String>,
        /// Those with a `*`, `?` or class.
        globs: Vec<Glob>,
    },
}

impl Matcher {
    /// Reads a term without `&`, `!` and places as Ansible does: what stands in brackets is one character.
    pub fn of(term: &str) -> Result<Matcher, String> {
        match term.strip_prefix('~') {
            _ if term == "all" => Ok(Matcher::All),
            _ if term == "*" => Ok(Matcher::Star),
            // Anchored at the beginning, as in Ansible.
            Some(regex) => Regex::new(&format!("^(?:{regex})"))
                .map(Matcher::Regex)
                .map_err(|error| format!("`{regex}` is not a regular expression: {error}")),
            None if term.contains('[') => {
                Ok(Matcher::Names { exact: BTreeSet::new(), globs: vec![Glob::new(term)] })
            }
            None => Ok(Matcher::of_names([term])),
        }
    }

    /// The names that a term with ranges stands for, `web[01-14,17]`, in which `*` and `?` have their meaning.
    pub fn of_ranges(term: &str) -> Result<Matcher, String> {
        names_in(term).map(Matcher::of_names)
    }

    /// These names, in which nothing but `*` and `?` has a meaning.
    pub fn of_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Matcher {
        let (mut exact, mut globs) = (BTreeSet::new(), Vec::new());
        for name in names {
            match name.as_ref() {
                name if name.contains(['*', '?']) => globs.push(Glob::without_classes(name)),
                name => drop(exact.insert(name.to_string())),
            }
        }
        Matcher::Names { exact, globs }
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::All | Matcher::Star => true,
            Matcher::Regex(regex) => regex.is_match(name),
            Matcher::Names { exact, globs } => {
                exact.contains(name)
                    || !globs.is_empty() && {
                        let letters: Vec<char> = name.chars().collect();
                        globs.iter().any(|glob| glob.matches_letters(&letters))
                    }
            }
        }
    }
}

/// The names of a term with ranges. A list of letters, `db[abc]`, is no range.
pub fn names_in(term: &str) -> Result<Vec<String>, String> {
    let inside = term.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    for inside in inside {
        if inside.len() > 1 && inside.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(format!("`[{inside}]` is no range; write it like [01-20] or [1,3,5-7]"));
        }
    }
    expand(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_ranges_match() {
        let class = |term: &str, name: &str| Matcher::of(term).unwrap().matches(name);
        let ranges = |term: &str, name: &str| Matcher::of_ranges(term).is_ok_and(|own| own.matches(name));
        assert!(class("d[ab]*", "db1") && class("[dw]?", "w1"));
        assert!(!ranges("d[ab]*", "db1") && !ranges("d[ab]*", "dab1"));
        assert!(ranges("web[01-03]", "web02") && ranges("web[1,3]", "web3") && ranges("w[10-12]*", "w11x"));
        assert!(ranges("h[a-b]-[x-y]", "hb-x"));
    }
}
