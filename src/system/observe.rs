//! Looks whether a condition holds. What differs between systems is only how they reach the network.

use super::http;
use super::{FileKind, Probe};
use crate::model::op::{Command, Condition, HttpCheck, Observed};
use crate::model::path::HostPath;
use crate::model::{Doing, Result, Values};

/// How a host's own network is reached. The inner result is what was seen there: `Err` holds words for people, such
/// as `127.0.0.1:80 refused the connection`; the outer one fails when the host has no means to look.
pub trait Network {
    /// Opens a TCP connection and closes it.
    fn port(&self, host: &str, port: u16) -> Result<Result<(), String>>;

    /// Asks once; redirects are not followed.
    fn http(&self, check: &HttpCheck, url: &http::Url) -> Result<Result<http::Response, String>>;
}

/// Looks once whether `condition` holds on `host`.
pub fn observe(host: &dyn Probe, network: &dyn Network, condition: &Condition) -> Result<Observed> {
    match condition {
        Condition::Port { host, port, open } => port_is(network, host, *port, *open),
        Condition::Path { path, exists } => path_is(host, path, *exists),
        Condition::Matches { path, pattern } => file_matches(host, path, pattern),
        Condition::Succeeds { command } => succeeds(host, command),
        Condition::Http(check) => {
            let url = http::Url::parse(&check.url)?;
            Ok(http::judge(check, network.http(check, &url)?)?)
        }
    }
}

fn port_is(network: &dyn Network, host: &str, port: u16, open: bool) -> Result<Observed> {
    let seen = network.port(host, port)?;
    let accepts = format!("{} accepts connections", http::authority(host, port));
    Ok(seen_as(seen.is_ok() == open, seen.err().unwrap_or(accepts)))
}

fn path_is(host: &dyn Probe, path: &HostPath, exists: bool) -> Result<Observed> {
    let there = match host.stat(path)? {
        Some(stat) if stat.kind == FileKind::Link => host.stat(&host.follow(path)?)?,
        there => there,
    };
    Ok(match there {
        Some(stat) => seen_as(exists, format!("{path} is a {}", stat.kind.as_str())),
        None => seen_as(!exists, format!("there is no {path}")),
    })
}

fn file_matches(host: &dyn Probe, path: &HostPath, pattern: &str) -> Result<Observed> {
    let regex = regex_lite::Regex::new(pattern).doing(format!("read the pattern {pattern:?}"))?;
    let Some(bytes) = host.read(path)? else { return Ok(seen_as(false, format!("there is no {path}"))) };
    Ok(match regex.find(&String::from_utf8_lossy(&bytes)) {
        Some(found) => seen_as(true, format!("{path} holds {:?}", shortened(found.as_str()))),
        None => seen_as(false, format!("{path} has no match of {pattern:?}")),
    })
}

fn succeeds(host: &dyn Probe, command: &Command) -> Result<Observed> {
    let answer = host.ask(command)?;
    let said = answer.last_words().map(|words| format!(": {words}")).unwrap_or_default();
    let mut observed = seen_as(answer.ok(), format!("{} exited {}{said}", command.shown(), answer.status));
    observed.details.insert("status".into(), answer.status.into());
    observed.details.insert("stdout".into(), String::from_utf8_lossy(&answer.stdout).into());
    observed.details.insert("stderr".into(), String::from_utf8_lossy(&answer.stderr).into());
    Ok(observed)
}

fn seen_as(holds: bool, seen: String) -> Observed {
    Observed { holds, seen, details: Values::new() }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
