//! Reads `~/.ssh/config` and `/etc/ssh/ssh_config` as OpenSSH does; `ssh -G HOST` is the reference.
//!
//! Files are read once per run into a tree; a lookup walks it, and the first value of a key wins. Two things differ
//! on purpose. `Match exec` is not run: its block is skipped and a note says so, since host names never pass through
//! a shell. And where an inventory gives a host an address, `Host` patterns see both the name and the address.

use super::pattern::{Verdict, verdict};
use crate::model::failure::{Doing, Failure, Result};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod read;
pub mod tokens;

/// How deep `Include` may nest; OpenSSH's own bound.
const INCLUDE_DEPTH: usize = 16;

/// Where configuration is read from and who reads it.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The home folder, for `~` and for the default files.
    pub home: PathBuf,
    /// The login name here.
    pub user: String,
    /// The user's own file, if it exists.
    pub own: Option<PathBuf>,
    /// The machine's file, if it exists.
    pub system: Option<PathBuf>,
}

impl Paths {
    /// The places OpenSSH reads. `$HOME` and `$USER` are believed first, then `/etc/passwd`.
    pub fn standard() -> Paths {
        let (passwd_user, passwd_home) = passwd_entry(rustix::process::getuid().as_raw());
        let home =
            std::env::var_os("HOME").filter(|home| !home.is_empty()).map_or(passwd_home, PathBuf::from);
        let user =
            if passwd_user.is_empty() { std::env::var("USER").unwrap_or_default() } else { passwd_user };
        let own = home.join(".ssh/config");
        Paths { own: Some(own), system: Some("/etc/ssh/ssh_config".into()), home, user }
    }
}

fn passwd_entry(uid: u32) -> (String, PathBuf) {
    let uid = uid.to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let ours = line.into_iter().find(|fields| fields.len() >= 6 && fields[2] == uid);
    ours.map_or_else(|| (String::new(), "/".into()), |fields| (fields[0].to_string(), fields[5].into()))
}

/// Both files, read and parsed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who reads it, for tokens and defaults.
    pub paths: Paths,
    files: Vec<Vec<Line>>,
}

/// One line that means something to us.
#[derive(Clone, Debug)]
struct Line {
    what: What,
    /// The file and line, for messages.
    place: String,
}

#[derive(Clone, Debug)]
enum What {
    Host(Vec<String>),
    Match(Vec<Condition>),
    Include(Vec<Vec<Line>>),
    Set { key: String, values: Vec<String> },
}

#[derive(Clone, Debug)]
struct Condition {
    negated: bool,
    kind: String,
    argument: String,
}

/// What is asked of the configuration: the host as it was named, and what is already decided about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The name that was given.
    pub name: &'a str,
    /// The address the inventory gives, which outweighs `HostName`.
    pub address: Option<&'a str>,
    /// The login name the inventory gives, which outweighs `User`.
    pub user: Option<&'a str>,
    /// The port the inventory gives, which outweighs `Port`.
    pub port: Option<u16>,
}

/// What the configuration says of one host. Tokens and `~` are already expanded, except in `proxy_jump`, which
/// is expanded too but still in its written form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub hostname: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub host_key_alias: Option<String>,
    /// `None`: nothing was said, so the defaults apply.
    pub identity_files: Option<Vec<PathBuf>>,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: Option<bool>,
    /// `Some(None)`: `IdentityAgent none`.
    pub identity_agent: Option<Option<PathBuf>>,
    pub proxy_jump: Option<String>,
    pub proxy_command: Option<String>,
    pub user_known_hosts: Option<Vec<PathBuf>>,
    pub global_known_hosts: Option<Vec<PathBuf>>,
    pub strict_host_key_checking: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub server_alive_interval: Option<Duration>,
    pub server_alive_count_max: Option<usize>,
    /// What was skipped and why, for `-v`.
    pub notes: Vec<String>,
}

impl Config {
    /// Reads both files. A file that does not exist is empty; one that others may write is refused.
    pub fn load(paths: &Paths) -> Result<Config> {
        let own_folder = paths.home.join(".ssh");
        let mut files = Vec::new();
        if let Some(own) = &paths.own {
            files.push(read::file(own, true, &own_folder, &paths.home, 0)?.unwrap_or_default());
        }
        if let Some(system) = &paths.system {
            files.push(read::file(system, false, Path::new("/etc/ssh"), &paths.home, 0)?.unwrap_or_default());
        }
        Ok(Config { paths: paths.clone(), files })
    }

    /// A configuration that says nothing.
    pub fn empty(paths: &Paths) -> Config {
        Config { paths: paths.clone(), files: Vec::new() }
    }

    /// What the configuration says of a host.
    pub fn lookup(&self, query: &Query) -> Result<Found> {
        let mut walk = Walk { config: self, query, raw: Raw::default(), again: false, last_pass: false };
        walk.files()?;
        if walk.again {
            walk.last_pass = true;
            walk.files()?;
        }
        walk.found()
    }
}

/// The values of one lookup as they were written, gathered on the way through the files.
#[derive(Default)]
struct Raw {
    values: Vec<(String, Vec<String>)>,
    notes: Vec<String>,
}

impl Raw {
    fn first(&self, key: &str) -> Option<&str> {
        self.all(key)?.first().map(String::as_str)
    }

    fn all(&self, key: &str) -> Option<&[String]> {
        self.values.iter().find(|(known, _)| known == key).map(|(_, values)| values.as_slice())
    }

    /// The first value wins, except for lists that add up.
    fn set(&mut self, key: &str, values: &[String]) {
        let adds_up = matches!(key, "identityfile" | "certificatefile");
        match self.values.iter_mut().find(|(known, _)| known == key) {
            None => self.values.push((key.to_string(), values.to_vec())),
            Some((_, known)) if adds_up && !known.contains(&values[0]) => known.push(values[0].clone()),
            Some(_) => {}
        }
    }
}

struct Walk<'a> {
    config: &'a Config,
    query: &'a Query<'a>,
    raw: Raw,
    /// `Match final` was seen, so the files are walked a second time, as OpenSSH does.
    again: bool,
    last_pass: bool,
}

impl Walk<'_> {
    fn files(&mut self) -> Result<()> {
        for file in &self.config.files {
            self.lines(file, true)?;
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[Line], may_apply: bool) -> Result<()> {
        let mut active = may_apply;
        for line in lines {
            match &line.what {
                What::Host(patterns) => active = may_apply && self.host_matches(patterns),
                What::Match(conditions) => {
                    let matched = self.all_match(conditions, &line.place)?;
                    active = may_apply && matched;
                }
                What::Include(files) => {
                    for file in files {
                        self.lines(file, active)?;
                    }
                }
                What::Set { key, values } if active => self.raw.set(key, values),
                What::Set { .. } => {}
            }
        }
        Ok(())
    }

    /// The names `Host` is held against: what was typed, the inventory's address, and on the last pass `HostName`.
    fn host_matches(&self, patterns: &[String]) -> bool {
        let hostname = self.hostname();
        let mut names = vec![self.query.name];
        names.extend(self.query.address);
        if self.last_pass {
            names = vec![&hostname];
        }
        verdict(patterns.iter().map(String::as_str), &names) == Verdict::Included
    }

    fn all_match(&mut self, conditions: &[Condition], place: &str) -> Result<bool> {
        let mut all = true;
        for condition in conditions {
            let holds = match condition.kind.as_str() {
                "exec" => {
                    let note = format!("{place}: `Match exec` is not run, so its block does not apply");
                    if all && !self.raw.notes.contains(&note) {
                        self.raw.notes.push(note);
                    }
                    // Neither the command nor its opposite is known to hold.
                    return Ok(false);
                }
                _ => self.holds(condition, place)?,
            };
            all &= holds != condition.negated;
        }
        Ok(all)
    }

    fn holds(&mut self, condition: &Condition, place: &str) -> Result<bool> {
        let listed =
            |text: &str| verdict(condition.argument.split(',').map(str::trim), &[text]) == Verdict::Included;
        Ok(match condition.kind.as_str() {
            "all" => true,
            "canonical" => self.last_pass,
            "final" => {
                self.again = true;
                self.last_pass
            }
            "host" => listed(&self.hostname()),
            "originalhost" => listed(self.query.name),
            "user" => listed(&self.remote_user()),
            "localuser" => listed(&self.config.paths.user),
            "tagged" | "localnetwork" | "command" | "sessiontype" | "version" => false,
            other => {
                let why = format!("`Match {other}` is not a condition that OpenSSH knows");
                return Err(Failure::new(format!("read {place}"), why));
            }
        })
    }

    fn hostname(&self) -> String {
        let written = self.query.address.or(self.raw.first("hostname")).unwrap_or(self.query.name);
        // Only these two tokens mean something here; the rest of the name is taken as it stands.
        written.replace("%%", "\0").replace("%h", self.query.name).replace('\0', "%")
    }

    fn remote_user(&self) -> String {
        let user = self.query.user.or(self.raw.first("user"));
        user.unwrap_or(&self.config.paths.user).to_string()
    }

    fn found(self) -> Result<Found> {
        let hostname = self.hostname();
        let port = self.query.port.or(number(&self.raw, "port")?);
        let tokens = tokens::Tokens {
            hostname: &hostname,
            name: self.query.name,
            port: port.unwrap_or(22),
            user: &self.remote_user(),
            local_user: &self.config.paths.user,
            home: &self.config.paths.home,
            jump: self.raw.first("proxyjump").unwrap_or(""),
        };
        let path = |written: &str| tokens.path(written);
        let files = |key: &str| self.raw.all(key).map(|written| paths(written, &tokens)).transpose();
        let agent =
            self.raw.first("identityagent").map(|written| agent_path(written, &tokens)).transpose()?;
        let certificates = self.raw.all("certificatefile").unwrap_or_default();
        let words = |key: &str| self.raw.all(key).map(|words| words.join(" "));
        let jump = words("proxyjump").map(|jump| tokens.expand(&jump)).transpose()?;
        Ok(Found {
            user: self.query.user.or(self.raw.first("user")).map(str::to_string),
            port,
            host_key_alias: self.raw.first("hostkeyalias").map(|alias| tokens.expand(alias)).transpose()?,
            identity_files: files("identityfile")?,
            certificate_files: certificates.iter().map(|file| path(file)).collect::<Result<_>>()?,
            identities_only: yes_no(&self.raw, "identitiesonly")?,
            identity_agent: agent.flatten_default(),
            proxy_command: self.proxy_first("proxycommand").then(|| words("proxycommand")).flatten(),
            proxy_jump: self.proxy_first("proxyjump").then_some(jump).flatten(),
            user_known_hosts: files("userknownhostsfile")?,
            global_known_hosts: files("globalknownhostsfile")?,
            strict_host_key_checking: self.raw.first("stricthostkeychecking").map(str::to_ascii_lowercase),
            connect_timeout: time(&self.raw, "connecttimeout")?,
            server_alive_interval: time(&self.raw, "serveraliveinterval")?,
            server_alive_count_max: number(&self.raw, "serveralivecountmax")?,
            notes: self.raw.notes.clone(),
            hostname,
        })
    }

    /// Of `ProxyJump` and `ProxyCommand` the one that was said first applies.
    fn proxy_first(&self, key: &str) -> bool {
        let mut proxies = self.raw.values.iter().filter(|(known, _)| known.starts_with("proxy"));
        proxies.next().is_some_and(|(known, _)| known == key)
    }
}

/// What `IdentityAgent` says: nothing to add, no agent, or a socket.
enum Agent {
    Environment,
    Off,
    Socket(PathBuf),
}

trait FlattenDefault {
    fn flatten_default(self) -> Option<Option<PathBuf>>;
}

impl FlattenDefault for Option<Agent> {
    fn flatten_default(self) -> Option<Option<PathBuf>> {
        match self {
            None | Some(Agent::Environment) => None,
            Some(Agent::Off) => Some(None),
            Some(Agent::Socket(path)) => Some(Some(path)),
        }
    }
}

fn agent_path(written: &str, tokens: &tokens::Tokens) -> Result<Agent> {
    Ok(match written {
        "none" => Agent::Off,
        "SSH_AUTH_SOCK" => Agent::Environment,
        _ => match written.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(name) => std::env::var_os(name).map_or(Agent::Off, |path| Agent::Socket(path.into())),
            None => Agent::Socket(tokens.path(written)?),
        },
    })
}

fn paths(written: &[String], tokens: &tokens::Tokens) -> Result<Vec<PathBuf>> {
    let real = written.iter().filter(|file| !file.eq_ignore_ascii_case("none"));
    real.map(|file| tokens.path(file)).collect()
}

fn number<T: std::str::FromStr>(raw: &Raw, key: &str) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    let doing = || format!("read `{key}` of the ssh configuration");
    raw.first(key).map(|text| text.parse().doing(doing())).transpose()
}

fn yes_no(raw: &Raw, key: &str) -> Result<Option<bool>> {
    match raw.first(key).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("yes" | "true") => Ok(Some(true)),
        Some("no" | "false") => Ok(Some(false)),
        Some(other) => Err(Failure::new(
            format!("read `{key}` of the ssh configuration"),
            format!("`{other}` is neither yes nor no"),
        )),
    }
}

fn time(raw: &Raw, key: &str) -> Result<Option<Duration>> {
    let Some(text) = raw.first(key).filter(|text| !text.eq_ignore_ascii_case("none")) else {
        return Ok(None);
    };
    let wrong = || {
        Failure::new(
            format!("read `{key}` of the ssh configuration"),
            format!("`{text}` is not a time like 10 or 10s"),
        )
    };
    crate::model::host::Span::parse(text).map(|span| Some(span.0)).ok_or_else(wrong)
}

/// Refuses a file that others may write, since whoever writes it decides where we connect and with which keys.
fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<()> {
    let ours = meta.uid() == 0 || meta.uid() == rustix::process::getuid().as_raw();
    if ours && meta.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = if ours { "others may write it" } else { "it belongs to another user" };
    Err(Failure::new(format!("read {}", path.display()), why)
        .hint(format!("chmod 600 {0}, or chown it to the user who runs this", path.display())))
}

#[cfg(test)]
mod tests;
