//! Everything that has to be known to connect to a host, decided before anything is contacted.

use super::config::{Config, Found, Query, tokens::tilde};
use super::known_hosts::Who;
use crate::model::failure::{Failure, Result};
use crate::model::host::{HostKeyPolicy, OneOrMany, SshSettings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection may take when nobody says otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long without a byte a sign of life is asked for; russh itself would wait for ever.
pub const KEEPALIVE: Duration = Duration::from_secs(15);
/// So many unanswered signs of life end a connection.
pub const KEEPALIVE_MAX: usize = 3;
/// More hops than this are a mistake, most likely a loop.
const MAX_JUMPS: usize = 8;
/// The keys OpenSSH tries when nobody names one.
const DEFAULT_KEYS: &[&str] = &["id_rsa", "id_ecdsa", "id_ed25519"];

/// A host and how to get in: plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The name in messages.
    pub name: String,
    pub address: String,
    pub port: u16,
    /// The port under which its key is known, when sshd has moved since.
    pub known_port: Option<u16>,
    /// Login names, tried in order. Never empty.
    pub users: Vec<String>,
    /// Private key files, tried in order.
    pub identities: Vec<PathBuf>,
    /// Whether somebody named `identities`; otherwise they are the usual files, which may be absent.
    pub identities_named: bool,
    pub identities_only: bool,
    /// Certificates besides the `-cert.pub` next to each key.
    pub certificates: Vec<PathBuf>,
    /// The socket of the agent.
    pub agent: Option<PathBuf>,
    /// Read in order; new keys are written to the first.
    pub known_hosts: Vec<PathBuf>,
    /// The name that stands for this host in `known_hosts`, when it is not its address.
    pub host_key_alias: Option<String>,
    pub policy: HostKeyPolicy,
    pub connect_timeout: Duration,
    /// `None`: never asked for a sign of life.
    pub keepalive: Option<Duration>,
    pub keepalive_max: usize,
    pub password: Option<PasswordFrom>,
    /// The hosts to go through, first hop first.
    pub jump: Vec<Target>,
    /// What in the ssh configuration was skipped and why.
    pub notes: Vec<String>,
}

/// Where a login password is read from, at the moment it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordFrom {
    /// The environment variable of this name.
    Environment(String),
    /// The first line of this file, which only we may read.
    File(PathBuf),
    /// Whoever started the run, asked by a callback.
    Prompt,
}

impl Target {
    /// Decides how to reach `name`: the inventory's settings first, then the ssh configuration, then defaults.
    pub fn resolve(
        name: &str,
        address: Option<&str>,
        settings: &SshSettings,
        config: &Config,
    ) -> Result<Target> {
        resolve(name, address, settings, config, 0)
    }

    /// The host as `known_hosts` sees it.
    pub fn who(&self) -> Who {
        let address = self.host_key_alias.as_ref().unwrap_or(&self.address).clone();
        let port = self.known_port.unwrap_or(self.port);
        Who { name: self.name.clone(), address, port, alias: self.host_key_alias.is_some() }
    }
}

fn resolve(
    name: &str,
    address: Option<&str>,
    settings: &SshSettings,
    config: &Config,
    depth: usize,
) -> Result<Target> {
    let doing = format!("find out how to reach {name}");
    let users = settings.user.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
    let query = Query { name, address, user: users.first().map(String::as_str), port: settings.port };
    let found = config.lookup(&query)?;
    check_host(&found.hostname, &doing)?;
    if let Some(command) = found.proxy_command.as_ref().filter(|command| *command != "none") {
        let why = format!("the ssh configuration says `ProxyCommand {command}`, which windlass does not run");
        return Err(Failure::new(doing, why).hint("use ProxyJump there, or `jump` in the inventory"));
    }
    let jump = jump(settings, &found, config, depth, &doing)?;
    let (identities, identities_named) = identities(settings, &found, config);
    Ok(Target {
        name: name.to_string(),
        address: found.hostname.clone(),
        port: found.port.unwrap_or(22),
        known_port: None,
        users: if users.is_empty() {
            vec![found.user.clone().unwrap_or(config.paths.user.clone())]
        } else {
            users.to_vec()
        },
        identities,
        identities_named,
        identities_only: settings.identities_only.or(found.identities_only).unwrap_or(false),
        certificates: found.certificate_files.clone(),
        agent: agent(settings, &found, config),
        known_hosts: known_hosts(settings, &found, config),
        host_key_alias: found.host_key_alias.clone(),
        policy: settings.host_key.unwrap_or_else(|| policy(&found)),
        connect_timeout: settings
            .connect_timeout
            .map(|span| span.0)
            .or(found.connect_timeout)
            .unwrap_or(CONNECT_TIMEOUT),
        keepalive: keepalive(settings, &found),
        keepalive_max: found.server_alive_count_max.unwrap_or(KEEPALIVE_MAX),
        password: settings.password_from.as_deref().map(|from| password(from, config, &doing)).transpose()?,
        jump,
        notes: found.notes,
    })
}

/// Host names end up in messages, in `known_hosts` and in jump requests, so odd ones are refused early.
fn check_host(hostname: &str, doing: &str) -> Result<()> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "'\"`$\\;&|<>(){},*?!".contains(c);
    if hostname.is_empty() || hostname.starts_with('-') || hostname.contains(odd) {
        return Err(Failure::new(doing, format!("`{}` is not a host name", hostname.escape_debug())));
    }
    Ok(())
}

/// The hops before a host. As with OpenSSH the first hop of a chain may have hops of its own; the later ones not.
/// A hop takes keys, known hosts and times from the host's settings, but never its user, port or password.
fn jump(
    settings: &SshSettings,
    found: &Found,
    config: &Config,
    depth: usize,
    doing: &str,
) -> Result<Vec<Target>> {
    let Some(chain) = settings.jump.as_ref().or(found.proxy_jump.as_ref()) else { return Ok(Vec::new()) };
    if chain.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    if depth >= MAX_JUMPS {
        let why = format!("more than {MAX_JUMPS} jump hosts follow each other, the last is `{chain}`");
        return Err(Failure::new(doing, why)
            .hint("look for a jump host that jumps through itself; `ProxyJump none` ends a chain"));
    }
    let mut hops = Vec::new();
    for (index, hop) in chain.split(',').enumerate() {
        let hop = hop.trim();
        let (user, host, port) = split_hop(hop)
            .ok_or_else(|| Failure::new(doing, format!("`{hop}` is not a jump host like user@host:22")))?;
        let settings = SshSettings {
            user: user.map(OneOrMany::One),
            port,
            jump: (index > 0).then(|| "none".to_string()),
            password_from: None,
            ..settings.clone()
        };
        let mut target = resolve(&host, None, &settings, config, depth + 1)?;
        hops.append(&mut target.jump);
        hops.push(target);
    }
    Ok(hops)
}

/// Splits `user@host:port`, `[::1]:22` and `ssh://user@host:port`.
fn split_hop(hop: &str) -> Option<(Option<String>, String, Option<u16>)> {
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

fn identities(settings: &SshSettings, found: &Found, config: &Config) -> (Vec<PathBuf>, bool) {
    let home = &config.paths.home;
    match (&settings.identity, &found.identity_files) {
        (Some(named), _) => (expand(named.as_slice(), home), true),
        (None, Some(named)) => (named.clone(), true),
        (None, None) => (DEFAULT_KEYS.iter().map(|key| home.join(".ssh").join(key)).collect(), false),
    }
}

fn expand(written: &[String], home: &Path) -> Vec<PathBuf> {
    written.iter().map(|path| tilde(path, home)).collect()
}

fn agent(settings: &SshSettings, found: &Found, config: &Config) -> Option<PathBuf> {
    let environment = || std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
    match (settings.agent.as_deref(), &found.identity_agent) {
        (Some("none"), _) => None,
        (Some("SSH_AUTH_SOCK"), _) => environment(),
        (Some(path), _) => Some(tilde(path, &config.paths.home)),
        (None, Some(path)) => path.clone(),
        (None, None) => environment(),
    }
}

fn known_hosts(settings: &SshSettings, found: &Found, config: &Config) -> Vec<PathBuf> {
    let home = &config.paths.home;
    if let Some(named) = &settings.known_hosts {
        return expand(named.as_slice(), home);
    }
    let own = || vec![home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")];
    let global = || vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()];
    let mut files = found.user_known_hosts.clone().unwrap_or_else(own);
    files.extend(found.global_known_hosts.clone().unwrap_or_else(global));
    files
}

/// `StrictHostKeyChecking no` becomes accept-new: a changed key is refused whatever the configuration says.
/// `ask` becomes strict, since nobody is there to answer in a batch.
fn policy(found: &Found) -> HostKeyPolicy {
    match found.strict_host_key_checking.as_deref() {
        Some("accept-new" | "no" | "off" | "false") => HostKeyPolicy::AcceptNew,
        _ => HostKeyPolicy::Strict,
    }
}

fn keepalive(settings: &SshSettings, found: &Found) -> Option<Duration> {
    // `ServerAliveInterval 0` is OpenSSH's default and says nothing about a fleet, so only the inventory can turn it off.
    let configured = found.server_alive_interval.filter(|interval| !interval.is_zero());
    let interval = settings.keepalive.map(|span| span.0).or(configured).unwrap_or(KEEPALIVE);
    (!interval.is_zero()).then_some(interval)
}

fn password(from: &str, config: &Config, doing: &str) -> Result<PasswordFrom> {
    match from.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(PasswordFrom::Environment(name.to_string())),
        None if from == "prompt" => Ok(PasswordFrom::Prompt),
        Some(("file", path)) if !path.is_empty() => Ok(PasswordFrom::File(tilde(path, &config.paths.home))),
        _ => Err(Failure::new(doing, format!("`password_from = \"{from}\"` is not a place for a password"))
            .hint("use \"env:NAME\", \"file:PATH\" or \"prompt\"")),
    }
}

#[cfg(test)]
mod tests;
