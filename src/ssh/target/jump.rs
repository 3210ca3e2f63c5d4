//! The hosts that a connection goes through.

use super::{Target, resolve};
use crate::model::failure::{Failure, Result};
use crate::model::host::{HostKeyPolicy, OneOrMany, SshSettings};
use crate::ssh::config::{Config, Found};

/// More hops than this are a mistake, most likely a loop.
const MAX_JUMPS: usize = 8;

/// The hops before a host. As with OpenSSH the first hop of a chain may have hops of its own; the later ones not.
/// A hop takes keys, known hosts and times from the host's settings, but never its user, port, password or options.
pub fn hops(
    settings: &SshSettings,
    found: &Found,
    config: &Config,
    depth: usize,
    doing: &str,
) -> Result<Vec<Target>> {
    let Some(setting) = found.values.proxy().filter(|proxy| proxy.key == "proxyjump") else {
        return Ok(Vec::new());
    };
    let chain = setting.words.join(" ");
    if chain.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let chain = found.tokens.expand(&chain).map_err(|why| setting.wrong(why.why))?;
    if depth >= MAX_JUMPS {
        let why = format!("more than {MAX_JUMPS} jump hosts follow each other, the last is `{chain}`");
        return Err(Failure::new(doing, why)
            .hint("look for a jump host that jumps through itself; `ProxyJump none` ends a chain"));
    }
    let config = config.for_jump_hosts();
    let mut hops = Vec::new();
    for (index, hop) in chain.split(',').enumerate() {
        let hop = hop.trim();
        let (user, host, port) = split(hop)
            .ok_or_else(|| Failure::new(doing, format!("`{hop}` is not a jump host like user@host:22")))?;
        let settings = of_hop(settings, user, port, index > 0);
        let mut target = resolve(&host, None, &settings, &config, depth + 1)?;
        hops.append(&mut target.jump);
        hops.push(target);
    }
    Ok(hops)
}

fn of_hop(settings: &SshSettings, user: Option<String>, port: Option<u16>, behind: bool) -> SshSettings {
    SshSettings {
        user: user.map(OneOrMany::One),
        port,
        jump: None,
        // A hop behind another one is reached through it, whatever the configuration says about it alone.
        proxy_command: behind.then(|| "none".to_string()),
        options: Vec::new(),
        via: None,
        password_from: None,
        host_key: settings.host_key.clone().filter(|key| !matches!(key, HostKeyPolicy::Fingerprint(_))),
        ..settings.clone()
    }
}

/// Splits `user@host:port`, `[::1]:22` and `ssh://user@host:port`.
pub(super) fn split(hop: &str) -> Option<(Option<String>, String, Option<u16>)> {
    let hop = hop.strip_prefix("ssh://").map(|uri| uri.trim_end_matches('/')).unwrap_or(hop);
    let (user, place) = match hop.rsplit_once('@') {
        Some((user, place)) if !user.is_empty() => (Some(user.to_string()), place),
        Some(_) => return None,
        None => (None, hop),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        // More than one colon without brackets is an IPv6 address without a port.
        None if place.matches(':').count() == 1 => {
            place.split_once(':').map(|(host, port)| (host, Some(port)))?
        }
        None => (place, None),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then(|| (user, host.to_string(), port))
}
