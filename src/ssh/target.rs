//! Everything that has to be known to connect to a host, decided before anything is contacted.

use super::algorithms::Algorithms;
use super::config::tokens::Tokens;
use super::config::{Config, Found, Query, Setting, Values, keywords};
use super::known_hosts::HostIdentity;
use crate::model::failure::{Failure, Result};
pub use crate::model::host::Via;
use crate::model::host::{HostKeyPolicy, OneOrMany, SshSettings};
use std::path::PathBuf;
use std::time::Duration;

mod inventory;
mod jump;
mod secret;

pub use secret::SecretFrom;

/// How long a connection may take by default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long without a byte a sign of life is asked for; russh itself would wait for ever.
pub const KEEPALIVE: Duration = Duration::from_secs(15);
/// So many unanswered signs of life end a connection.
pub const KEEPALIVE_MAX: usize = 3;
/// A write is given up when nothing of it is taken for this long: russh's keepalive cannot run while a write is stuck.
/// Slightly more than the default keepalive needs.
const WRITE_LIMIT: Duration = Duration::from_secs(75);
/// So many hosts are looked up at once.
const RESOLVED_AT_ONCE: usize = 16;
/// The keys OpenSSH tries by default.
const DEFAULT_KEYS: &[&str] = &["id_rsa", "id_ecdsa", "id_ed25519"];

/// A host and how to log in to it: plain data.
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
    /// Ways to log in, tried in order.
    pub methods: Vec<Method>,
    /// Private key files, tried in order.
    pub identities: Vec<PathBuf>,
    /// Whether `identities` were named; otherwise they are the usual files, which may be absent.
    pub identities_named: bool,
    pub identities_only: bool,
    /// Certificates besides the `-cert.pub` next to each key.
    pub certificates: Vec<PathBuf>,
    /// The socket of the agent.
    pub agent: Option<PathBuf>,
    pub password: Option<SecretFrom>,
    /// Where the passphrase of encrypted keys is.
    pub passphrase: SecretFrom,
    /// Read in order; new keys are written to the first.
    pub known_hosts: Vec<PathBuf>,
    /// A command that prints lines of known_hosts, its tokens not yet replaced.
    pub known_hosts_command: Option<String>,
    /// Keys that are never trusted.
    pub revoked: Option<PathBuf>,
    /// Whether new keys are written down: not where no file of the user's is named.
    pub writes_known_hosts: bool,
    /// Whether names of new hosts are written as hashes.
    pub hash_known_hosts: bool,
    /// The name that stands for this host in `known_hosts`, when it is not its address.
    pub host_key_alias: Option<String>,
    /// Whether a host on loopback is trusted whatever key it shows.
    pub trusts_loopback: bool,
    pub policy: HostKeyPolicy,
    pub algorithms: Algorithms,
    /// What the `%` tokens stand for.
    pub tokens: Tokens,
    /// Which addresses of the host are tried, and from where.
    pub socket: Socket,
    pub connect_timeout: Duration,
    /// How often an address that does not answer is tried.
    pub attempts: u32,
    /// `None`: never asked for a sign of life.
    pub keepalive: Option<Duration>,
    pub keepalive_max: usize,
    /// What carries the connection.
    pub via: Via,
    /// The user of a container, where one is named.
    pub container_user: Option<String>,
    /// The hosts to go through, first hop first.
    pub jump: Vec<Target>,
    /// The address that the inventory gives a host of this name, where ssh looks elsewhere for it.
    pub elsewhere: Option<String>,
    /// The command whose input and output are the connection.
    pub proxy: Option<String>,
    /// Variables that each command is given, if sshd accepts them.
    pub environment: Vec<(String, String)>,
    /// Options of the ssh configuration that are not used, each with where it is set.
    pub unused: Vec<String>,
    /// What commands of the ssh configuration decided, each with its answer.
    pub asked: Vec<String>,
    /// Why this host cannot be reached at all.
    pub unusable: Option<Failure>,
}

/// Which addresses of a host are tried, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    pub family: Family,
    /// The address here that the connection comes from.
    pub bind_address: Option<String>,
    /// The network interface that the connection leaves by.
    pub bind_interface: Option<String>,
}

/// Which kind of addresses is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    PublicKey,
    Password,
    KeyboardInteractive,
}

impl Target {
    /// A host that is reached by OpenSSH's defaults, with no key and no file.
    pub fn new(name: &str, address: &str, port: u16, user: &str) -> Target {
        Target {
            name: name.to_string(),
            address: address.to_string(),
            port,
            known_port: None,
            users: vec![user.to_string()],
            methods: METHODS.iter().map(|(_, method)| *method).collect(),
            identities: Vec::new(),
            identities_named: true,
            identities_only: false,
            certificates: Vec::new(),
            agent: None,
            password: None,
            passphrase: SecretFrom::Prompt,
            known_hosts: Vec::new(),
            known_hosts_command: None,
            revoked: None,
            writes_known_hosts: true,
            hash_known_hosts: false,
            host_key_alias: None,
            trusts_loopback: false,
            policy: HostKeyPolicy::Strict,
            algorithms: Algorithms::default(),
            tokens: Tokens::default(),
            socket: Socket::default(),
            connect_timeout: CONNECT_TIMEOUT,
            attempts: 1,
            keepalive: Some(KEEPALIVE),
            keepalive_max: KEEPALIVE_MAX,
            via: Via::Ssh,
            container_user: None,
            jump: Vec::new(),
            elsewhere: None,
            proxy: None,
            environment: Vec::new(),
            unused: Vec::new(),
            asked: Vec::new(),
            unusable: None,
        }
    }

    /// Decides how to reach `name`: the command line first, the inventory's settings, the ssh configuration, defaults.
    pub fn resolve(
        name: &str,
        address: Option<&str>,
        settings: &SshSettings,
        config: &Config,
    ) -> Result<Target> {
        resolve(name, address, settings, config, 0)
    }

    /// The same, where a host that cannot be reached fails when it is contacted, and alone.
    pub fn or_unusable(name: &str, address: Option<&str>, settings: &SshSettings, config: &Config) -> Target {
        Target::resolve(name, address, settings, config).unwrap_or_else(|failure| Target {
            unusable: Some(failure),
            ..Target::new(name, address.unwrap_or(name), 22, &config.paths.user)
        })
    }

    /// Decides how to reach many hosts, by name, address and settings: several at a time, since the configuration may
    /// run commands and ask for names.
    pub fn resolve_all(hosts: &[(&str, Option<&str>, &SshSettings)], config: &Config) -> Vec<Target> {
        let share = hosts.len().div_ceil(RESOLVED_AT_ONCE).max(1);
        let resolve = |share: &[(&str, Option<&str>, &SshSettings)]| -> Vec<Target> {
            let each = share.iter();
            each.map(|(name, address, settings)| Target::or_unusable(name, *address, settings, config))
                .collect()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                hosts.chunks(share).map(|share| scope.spawn(move || resolve(share))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .flat_map(|targets| targets.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    /// Notes which jump hosts are named as hosts of the inventory are: a jump host is found as ssh finds it, and an
    /// address of the inventory is not used for it.
    pub fn note_jumps<'a>(&mut self, address_of: impl Fn(&str) -> Option<&'a str>) {
        for hop in self.jump.iter_mut().filter(|hop| hop.name == hop.address) {
            hop.elsewhere =
                address_of(&hop.name).filter(|address| *address != hop.address).map(str::to_string);
        }
    }

    /// How long a write may wait: slightly longer than the keepalive of this host needs to end a connection.
    pub fn write_limit(&self) -> Duration {
        let asked = u32::try_from(self.keepalive_max).unwrap_or(u32::MAX).saturating_add(2);
        self.keepalive.map_or(WRITE_LIMIT, |interval| interval.saturating_mul(asked).min(WRITE_LIMIT))
    }

    /// Secrets of the project that it is logged in with.
    pub fn known_secrets(&self) -> Vec<String> {
        let known = self.password.iter().chain([&self.passphrase]).filter_map(|from| match from {
            SecretFrom::Known(text) => Some(text.0.clone()),
            _ => None,
        });
        known.collect()
    }

    /// The host as `known_hosts` sees it.
    pub fn identity(&self) -> HostIdentity {
        let address = self.host_key_alias.as_ref().unwrap_or(&self.address).clone();
        let port = self.known_port.unwrap_or(self.port);
        HostIdentity { name: self.name.clone(), address, port, alias: self.host_key_alias.is_some() }
    }
}

/// Every option of a host, with where it was set.
pub fn values(name: &str, address: Option<&str>, settings: &SshSettings, config: &Config) -> Result<Values> {
    let options = inventory::options(settings)?;
    Ok(config.lookup(&Query { name, address, inventory: &options })?.values)
}

fn resolve(
    name: &str,
    address: Option<&str>,
    settings: &SshSettings,
    config: &Config,
    depth: usize,
) -> Result<Target> {
    let doing = format!("find out how to reach {name}");
    let options = inventory::options(settings)?;
    let found = config.lookup(&Query { name, address, inventory: &options })?;
    let values = &found.values;
    let unused = keywords::check(values)?;
    check_host(&found.hostname, &doing)?;
    if let Some(refusal) = values.setting("refuseconnection") {
        return Err(refusal.wrong(format!("it refuses this host: {}", refusal.words.join(" "))));
    }
    let path = |written: &str| found.tokens.path(written);
    let secret = |from: &str| SecretFrom::parse(from, &config.paths.home, &doing);
    let (identities, identities_named) = identities(&found)?;
    Ok(Target {
        users: users(settings, &found),
        methods: methods(&found)?,
        identities,
        identities_named,
        identities_only: values.flag("identitiesonly")?.unwrap_or(false),
        certificates: paths(&found, "certificatefile")?,
        agent: agent(&found)?,
        password: settings.password_from.as_deref().map(secret).transpose()?,
        passphrase: settings.passphrase_from.as_deref().map_or(Ok(SecretFrom::Prompt), secret)?,
        known_hosts: known_hosts(&found)?,
        known_hosts_command: values.command("knownhostscommand").map(str::to_string),
        revoked: values.word_or_none("revokedhostkeys")?.map(path).transpose()?,
        writes_known_hosts: values.setting("userknownhostsfile").is_none_or(is_file),
        hash_known_hosts: values.flag("hashknownhosts")?.unwrap_or(false),
        // In lower case, as ssh looks it up.
        host_key_alias: values.word("hostkeyalias")?.map(str::to_ascii_lowercase),
        trusts_loopback: values.flag("nohostauthenticationforlocalhost")?.unwrap_or(false),
        policy: policy(settings, &found)?,
        algorithms: Algorithms::of(values)?,
        socket: socket(&found)?,
        connect_timeout: connect_timeout(values)?,
        attempts: values.number("connectionattempts", 1..=u32::MAX)?.unwrap_or(1),
        keepalive: keepalive(settings, &found)?,
        keepalive_max: values
            .number("serveralivecountmax", 0..=u32::MAX)?
            .map_or(KEEPALIVE_MAX, |count| count as usize),
        via: settings.via.unwrap_or_default(),
        container_user: settings.user.as_ref().and_then(|users| users.as_slice().first()).cloned(),
        jump: jump::hops(settings, &found, config, depth, &doing)?,
        proxy: proxy_command(&found)?,
        environment: environment(&found)?,
        unused,
        asked: found.asked.clone(),
        tokens: found.tokens.clone(),
        ..Target::new(name, &found.hostname, found.tokens.port, &config.paths.user)
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

/// The login names: several only where the inventory gives several and no stronger place gives one.
fn users(settings: &SshSettings, found: &Found) -> Vec<String> {
    let several = settings.user.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
    if several.first() == Some(&found.tokens.user) {
        return several.to_vec();
    }
    vec![found.tokens.user.clone()]
}

/// The ways to log in that windlass has, by OpenSSH's names.
const METHODS: &[(&str, Method)] = &[
    ("publickey", Method::PublicKey),
    ("password", Method::Password),
    ("keyboard-interactive", Method::KeyboardInteractive),
];

fn methods(found: &Found) -> Result<Vec<Method>> {
    let values = &found.values;
    // `unbound` and `host-bound` are kinds of yes.
    let public_keys = &["yes", "true", "no", "false", "unbound", "host-bound"];
    let public_keys = !matches!(values.choice("pubkeyauthentication", public_keys)?, Some("no" | "false"));
    let passwords = values.flag("passwordauthentication")?.unwrap_or(true);
    let questions = values.flag("kbdinteractiveauthentication")?.unwrap_or(true);
    let mut methods: Vec<Method> = match values.word("preferredauthentications")? {
        None => METHODS.iter().map(|(_, method)| *method).collect(),
        Some(names) => {
            let known =
                |name: &str| METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method);
            names.split(',').filter_map(known).collect()
        }
    };
    methods.retain(|method| match method {
        Method::PublicKey => public_keys,
        Method::Password => passwords,
        Method::KeyboardInteractive => questions,
    });
    match methods.is_empty() {
        false => Ok(methods),
        true => {
            Err(Failure::new("choose how to log in", "the ssh configuration leaves no way that windlass has")
                .hint("look at PreferredAuthentications, PubkeyAuthentication and PasswordAuthentication"))
        }
    }
}

fn identities(found: &Found) -> Result<(Vec<PathBuf>, bool)> {
    let named = found.values.list("identityfile").next().is_some();
    let home = &found.tokens.home;
    match named {
        true => Ok((paths(found, "identityfile")?, true)),
        false => Ok((DEFAULT_KEYS.iter().map(|key| home.join(".ssh").join(key)).collect(), false)),
    }
}

/// The paths of a list of which each line gives one.
fn paths(found: &Found, key: &str) -> Result<Vec<PathBuf>> {
    let real = found.values.list(key).filter(|setting| !setting.words[0].eq_ignore_ascii_case("none"));
    real.map(|setting| found.tokens.path(&setting.words[0]).map_err(|why| setting.wrong(why.why))).collect()
}

fn agent(found: &Found) -> Result<Option<PathBuf>> {
    let variable = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(match found.values.word("identityagent")? {
        None | Some("SSH_AUTH_SOCK") => variable("SSH_AUTH_SOCK"),
        Some("none") => None,
        Some(path) => match path.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(name) => variable(name),
            None => {
                let path = found.tokens.path(path);
                Some(path.map_err(|why| found.values.wrong("identityagent", why.why))?)
            }
        },
    })
}

fn known_hosts(found: &Found) -> Result<Vec<PathBuf>> {
    let home = &found.tokens.home;
    let own = || vec![home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")];
    let global = || vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()];
    let named = |key: &str| -> Result<Option<Vec<PathBuf>>> {
        let Some(setting) = found.values.setting(key) else { return Ok(None) };
        let real = setting.words.iter().filter(|word| !word.eq_ignore_ascii_case("none"));
        let path = |word: &String| found.tokens.path(word).map_err(|why| setting.wrong(why.why));
        real.map(path).collect::<Result<_>>().map(Some)
    };
    let mut files = named("userknownhostsfile")?.unwrap_or_else(own);
    files.extend(named("globalknownhostsfile")?.unwrap_or_else(global));
    Ok(files)
}

/// Whether a list of files names one.
fn is_file(setting: &Setting) -> bool {
    setting.words.iter().any(|word| !word.eq_ignore_ascii_case("none"))
}

/// `StrictHostKeyChecking no` becomes accept-new: a changed key is refused whatever the configuration says.
/// `ask` becomes strict, since no one can answer in a batch.
fn policy(settings: &SshSettings, found: &Found) -> Result<HostKeyPolicy> {
    if let Some(pinned @ HostKeyPolicy::Fingerprint(_)) = &settings.host_key {
        return Ok(pinned.clone());
    }
    let words = &["yes", "true", "no", "false", "off", "ask", "accept-new"];
    Ok(match found.values.choice("stricthostkeychecking", words)? {
        Some("accept-new" | "no" | "off" | "false") => HostKeyPolicy::AcceptNew,
        _ => HostKeyPolicy::Strict,
    })
}

fn socket(found: &Found) -> Result<Socket> {
    let family = match found.values.choice("addressfamily", &["any", "inet", "inet6"])? {
        Some("inet") => Family::V4,
        Some("inet6") => Family::V6,
        _ => Family::Any,
    };
    Ok(Socket {
        family,
        bind_address: found.values.word("bindaddress")?.map(str::to_string),
        bind_interface: found.values.word("bindinterface")?.map(str::to_string),
    })
}

/// `ConnectTimeout 0` leaves it to the system for ssh; here there is always a limit.
fn connect_timeout(values: &Values) -> Result<Duration> {
    Ok(values.time("connecttimeout")?.filter(|time| !time.is_zero()).unwrap_or(CONNECT_TIMEOUT))
}

fn keepalive(settings: &SshSettings, found: &Found) -> Result<Option<Duration>> {
    // `ServerAliveInterval 0` is OpenSSH's default and says nothing about a fleet, so only the inventory can turn it off.
    let configured = found.values.time("serveraliveinterval")?.filter(|interval| !interval.is_zero());
    let interval = settings.keepalive.map(|span| span.0).or(configured).unwrap_or(KEEPALIVE);
    Ok((!interval.is_zero()).then_some(interval))
}

/// The command that is the connection, with its tokens replaced; a jump host that was set first replaces it.
fn proxy_command(found: &Found) -> Result<Option<String>> {
    let Some(setting) = found.values.proxy().filter(|proxy| proxy.key == "proxycommand") else {
        return Ok(None);
    };
    let Some(command) = found.values.command("proxycommand") else { return Ok(None) };
    found.tokens.command(command).map(Some).map_err(|why| setting.wrong(why.why))
}

/// The variables of `SetEnv`: of several values for one name the first counts.
fn environment(found: &Found) -> Result<Vec<(String, String)>> {
    let Some(setting) = found.values.setting("setenv") else { return Ok(Vec::new()) };
    let mut variables: Vec<(String, String)> = Vec::new();
    for word in &setting.words {
        let (name, value) =
            word.split_once('=').ok_or_else(|| setting.wrong(format!("`{word}` is not NAME=VALUE")))?;
        if variables.iter().all(|(known, _)| known != name) {
            variables.push((name.to_string(), value.to_string()));
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests;
