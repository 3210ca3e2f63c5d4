//! `CanonicalizeHostname`: from a short name to the full one that the rules of OpenSSH give.

use super::Values;
use crate::model::failure::Result;
use crate::ssh::pattern::{ListMatch, match_list};
use dns_lookup::{AddrInfoHints, getaddrinfo};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A question for a name may take this long; then the name counts as unknown.
const DEADLINE: Duration = Duration::from_secs(10);

/// Whether names are made canonical.
pub fn enabled(values: &Values) -> Result<bool> {
    Ok(mode(values)? != "no")
}

fn mode(values: &Values) -> Result<&'static str> {
    let words = &["yes", "true", "no", "false", "always"];
    Ok(match values.choice("canonicalizehostname", words)? {
        None | Some("no" | "false") => "no",
        Some("always") => "always",
        Some(_) => "yes",
    })
}

/// The name to connect to: in lower case, addresses in their usual form, and made canonical where that is asked for.
pub fn name(written: &str, values: &Values) -> Result<String> {
    if let Some(address) = address(written) {
        return Ok(address);
    }
    let name = written.to_ascii_lowercase();
    let mode = mode(values)?;
    let direct = values.proxy().is_none_or(|proxy| proxy.text.trim().eq_ignore_ascii_case("none"));
    if mode == "no" || (!direct && mode != "always") {
        return Ok(name);
    }
    let rules = alias_rules(values)?;
    let follow = |full: &str, alias_of: &str| followed(full, alias_of, &rules);
    let has_all_dots = !name.ends_with('.') && has_more_dots(&name, values)?;
    if !has_all_dots && let Some(full) = full_name(&name, values, &follow)? {
        return Ok(full);
    }
    let local = if has_all_dots { name } else { unresolved(&name, values)? };
    let alias_of = if rules.is_empty() { None } else { ask(&local) };
    Ok(match alias_of {
        Some(alias_of) => follow(&local, &alias_of),
        None => local,
    })
}

/// Whether a name has more dots than `CanonicalizeMaxDots`: then it is full already.
fn has_more_dots(name: &str, values: &Values) -> Result<bool> {
    let most = values.number("canonicalizemaxdots", 0..=u32::MAX)?.unwrap_or(1);
    Ok(name.matches('.').count() > most as usize)
}

/// The full name, or `None` where no domain has it. `follow` follows an alias.
fn full_name(name: &str, values: &Values, follow: &dyn Fn(&str, &str) -> String) -> Result<Option<String>> {
    if let Some(anchored) = name.strip_suffix('.') {
        return Ok(ask(name).map(|alias_of| follow(anchored, &alias_of)));
    }
    let domains = values.words("canonicaldomains").unwrap_or_default();
    let domains = domains.iter().take_while(|domain| !domain.eq_ignore_ascii_case("none"));
    let mut full = domains.map(|domain| format!("{name}.{}", domain.trim_end_matches('.')));
    Ok(full.find_map(|full| Some(follow(&full, &ask(&format!("{full}."))?))))
}

fn unresolved(name: &str, values: &Values) -> Result<String> {
    if values.flag("canonicalizefallbacklocal")?.unwrap_or(true) {
        return Ok(name.to_string());
    }
    let why = format!("`{name}` is in none of the domains of CanonicalDomains");
    Err(values.wrong("canonicalizefallbacklocal", why))
}

/// An address in its usual form. Names of digits and dots, such as `127.1`, are addresses too.
fn address(written: &str) -> Option<String> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let numeric = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let mut found = numeric.then(|| (written, 0).to_socket_addrs().ok())??;
    found.next().map(|address| address.ip().to_string())
}

/// The flag of getaddrinfo(3) for the name that a name is an alias of; the same number on Linux, macOS and the BSDs.
const AI_CANONNAME: i32 = 0x2;

/// The name that the system's resolver gives for a name that it knows: another one where the name is an alias (CNAME).
fn ask(name: &str) -> Option<String> {
    let (sender, receiver) = channel();
    let name = name.to_string();
    std::thread::spawn(move || {
        let hints = AddrInfoHints { flags: AI_CANONNAME, ..AddrInfoHints::default() };
        let first = getaddrinfo(Some(&name), None, Some(hints)).ok().and_then(|mut found| found.next());
        let canonical = first.and_then(Result::ok).map(|found| found.canonname.unwrap_or(name));
        sender.send(canonical.map(|name| name.trim_end_matches('.').to_ascii_lowercase()))
    });
    receiver.recv_timeout(DEADLINE).ok().flatten()
}

/// A rule of `CanonicalizePermittedCNAMEs`: which names, and which names they may be aliases of.
struct AliasRule<'a> {
    names: &'a str,
    targets: &'a str,
}

impl<'a> AliasRule<'a> {
    /// `NAMES:TARGETS`, lists of patterns, or `*` for every name.
    fn read(word: &'a str) -> Option<AliasRule<'a>> {
        let (names, targets) = if word == "*" { ("*", "*") } else { word.split_once(':')? };
        (!targets.is_empty()).then_some(AliasRule { names, targets })
    }
}

/// The rules; none where aliases are not followed.
fn alias_rules(values: &Values) -> Result<Vec<AliasRule<'_>>> {
    let words = values.words("canonicalizepermittedcnames").unwrap_or_default();
    if words.first().is_some_and(|word| word.eq_ignore_ascii_case("none")) {
        return Ok(Vec::new());
    }
    let read = words.iter().map(|word| {
        AliasRule::read(word).ok_or_else(|| {
            let why = format!("`{word}` is not NAMES:NAMES, as `*.example.com:*.cdn.example.com`");
            values.wrong("canonicalizepermittedcnames", why)
        })
    });
    read.collect()
}

/// The name itself, or the one that it is an alias of where a rule permits that.
fn followed(name: &str, alias_of: &str, rules: &[AliasRule<'_>]) -> String {
    let has = |patterns: &str, name: &str| {
        match_list(patterns.to_ascii_lowercase().split(','), &[name]) == ListMatch::Included
    };
    let permits = |rule: &AliasRule<'_>| has(rule.names, name) && has(rule.targets, alias_of);
    if rules.iter().any(permits) { alias_of.to_string() } else { name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_followed_where_a_rule_permits() {
        let rules = [
            AliasRule { names: "*.Example.com,!db.example.com", targets: "*.cdn.example.net" },
            AliasRule { names: "db.example.com", targets: "db1.example.com,db2.example.com" },
        ];
        for (name, alias_of, expected) in [
            ("www.example.com", "a1.cdn.example.net", "a1.cdn.example.net"),
            ("www.example.com", "a1.example.org", "www.example.com"),
            ("db.example.com", "db2.example.com", "db2.example.com"),
            ("db.example.com", "a1.cdn.example.net", "db.example.com"),
            ("www.example.com", "www.example.com", "www.example.com"),
        ] {
            assert_eq!(followed(name, alias_of, &rules), expected, "{name} {alias_of}");
        }
    }
}
