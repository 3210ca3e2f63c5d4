//! A pattern as its terms: they are joined by commas, or by `:` as Ansible's older patterns are. In a regular expression a `:`
//! outside of brackets joins terms only where the pattern has no comma, as in Ansible.

use crate::inventory::ansible::names_and_port;
use std::net::Ipv6Addr;

/// The terms of a pattern. `is_known` says which names have a `:` in them.
pub fn terms(pattern: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let has_commas = split(pattern, ',').len() > 1;
    let whole = |term: &str| {
        let bare = term.trim_start_matches(['&', '!']);
        let place = bare.rsplit_once('@').map_or(bare, |(_, place)| place);
        let keeps_colons = bare.starts_with('@') || bare.starts_with('~') && has_commas;
        let keeps_colons = keeps_colons || bare.parse::<Ipv6Addr>().is_ok();
        keeps_colons || is_known(bare) || names_and_port(place).is_ok_and(|(_, port)| port.is_some())
    };
    let mut terms = Vec::new();
    for term in split(pattern, ',') {
        match whole(term) {
            true => terms.push(term.to_string()),
            false => terms.extend(split(term, ':').into_iter().map(str::to_string)),
        }
    }
    terms
}

/// Splits at a letter that is in no brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut depth = 0;
    let split = text.split(|letter: char| {
        depth += i32::from("[({".contains(letter)) - i32::from("])}".contains(letter));
        letter == at && depth <= 0
    });
    split.map(str::trim).filter(|term| !term.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_joined_by_commas_or_colons() {
        let list = |pattern: &str| terms(pattern, |name| name == "odd:name").join(" ");
        assert_eq!(list("web,db[1,3]"), "web db[1,3]");
        assert_eq!(list("web:&eu:!web03"), "web &eu !web03");
        assert_eq!(list("web[0:2]:db"), "web[0:2] db");
        assert_eq!(list("2001:db8::1,!fe80::2"), "2001:db8::1 !fe80::2");
        assert_eq!(list("~web[12]:x,web1:22,odd:name"), "~web[12]:x web1:22 odd:name");
        assert_eq!(list("~web[12]:!~d(?:b|c):x"), "~web[12] !~d(?:b|c) x");
    }
}
