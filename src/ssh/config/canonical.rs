//! `CanonicalizeHostname`: from a short name to the full one that the rules of OpenSSH give.

use super::Values;
use crate::model::failure::{Failure, Result};
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
    follows_no_aliases(values)?;
    match full_name(&name, values)? {
        Some(full) => Ok(full),
        None => unresolved(&name, values),
    }
}

/// The full name, or `None` where no domain has it. A name with more dots than `CanonicalizeMaxDots` is full already.
fn full_name(name: &str, values: &Values) -> Result<Option<String>> {
    if let Some(anchored) = name.strip_suffix('.') {
        return Ok(resolves(name).then(|| anchored.to_string()));
    }
    let dots = name.matches('.').count();
    if dots > values.number("canonicalizemaxdots", 0..=u32::MAX)?.unwrap_or(1) as usize {
        return Ok(Some(name.to_string()));
    }
    let domains = values.words("canonicaldomains").unwrap_or_default();
    let domains = domains.iter().take_while(|domain| !domain.eq_ignore_ascii_case("none"));
    let mut full = domains.map(|domain| format!("{name}.{}", domain.trim_end_matches('.')));
    Ok(full.find(|full| resolves(&format!("{full}."))))
}

fn unresolved(name: &str, values: &Values) -> Result<String> {
    if values.flag("canonicalizefallbacklocal")?.unwrap_or(true) {
        return Ok(name.to_string());
    }
    let why = format!("`{name}` is in none of the domains of CanonicalDomains");
    Err(values.wrong("canonicalizefallbacklocal", why))
}

/// Following aliases takes answers of the name server that the system's resolver does not pass on.
fn follows_no_aliases(values: &Values) -> Result<()> {
    let rules = values.words("canonicalizepermittedcnames").unwrap_or_default();
    if rules.is_empty() || rules[0].eq_ignore_ascii_case("none") {
        return Ok(());
    }
    Err(Failure::hint(
        values.wrong("canonicalizepermittedcnames", "windlass does not follow aliases (CNAME)"),
        "give the host its full name with HostName, or an address in the inventory",
    ))
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

fn resolves(name: &str) -> bool {
    let (sender, receiver) = channel();
    let name = name.to_string();
    std::thread::spawn(move || sender.send((name.as_str(), 0).to_socket_addrs().is_ok()));
    receiver.recv_timeout(DEADLINE).unwrap_or(false)
}
