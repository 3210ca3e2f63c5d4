//! Reads `~/.ssh/config` and `/etc/ssh/ssh_config` as OpenSSH does; `ssh -G HOST` is the reference.
//!
//! Files are read once per run into a tree; a lookup walks it, and the first value of an option wins. Options of the
//! command line and of the inventory are options like those of the files, and are stronger. One thing differs on
//! purpose: where an inventory gives a host an address, `Host` and `Match originalhost` see the name and the address.

use crate::model::failure::Result;
use crate::ssh::local::Commands;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod canonical;
pub mod keywords;
mod network;
mod read;
pub mod tokens;
mod values;
mod walk;

#[cfg(any(test, fuzzing))]
pub use read::lines_any;
pub use read::words;
pub use values::{Setting, Values};

/// How deep `Include` may nest; OpenSSH's own bound.
const INCLUDE_DEPTH: usize = 16;

/// Where an option was set, for messages: `/home/ann/.ssh/config:3`, `the inventory`, `the command line`.
pub type Origin = Arc<str>;

/// Where configuration is read from and who reads it.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The home directory, for `~` and for the default files.
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
    passwd_where(|fields| fields[2] == uid).unwrap_or_else(|| (String::new(), "/".into()))
}

/// The home directory of a user of this machine.
fn home_of(user: &str) -> Option<PathBuf> {
    passwd_where(|fields| fields[0] == user).map(|(_, home)| home)
}

/// Name and home directory of the first user who fits.
fn passwd_where(fits: impl Fn(&[&str]) -> bool) -> Option<(String, PathBuf)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.into_iter().find(|fields| fields.len() >= 6 && fits(fields))?;
    Some((found[0].to_string(), found[5].into()))
}

/// Both files, read and parsed, and the options of the command line.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who reads it, for tokens and defaults.
    pub paths: Paths,
    command_line: Vec<Setting>,
    files: Vec<Vec<Line>>,
    commands: Arc<Commands>,
}

/// One line of a file.
#[derive(Clone, Debug)]
struct Line {
    statement: Statement,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Statement {
    Host(Vec<String>),
    Match(Vec<Condition>),
    Include(Vec<Vec<Line>>),
    Set(Setting),
}

#[derive(Clone, Debug)]
struct Condition {
    negated: bool,
    kind: String,
    argument: String,
}

/// What is asked of the configuration: the host as it was named, and what the inventory says about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The name that was given.
    pub name: &'a str,
    /// The address the inventory gives, which is stronger than `HostName`.
    pub address: Option<&'a str>,
    /// The options the inventory gives, which are stronger than those of the files.
    pub inventory: &'a [Setting],
}

/// What the configuration says of one host.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where to connect: a name or an address.
    pub hostname: String,
    /// Every option that was set.
    pub values: Values,
    /// What the `%` tokens stand for.
    pub tokens: tokens::Tokens,
    /// The commands of `Match exec` that decided, each with its answer.
    pub asked: Vec<String>,
}

impl Config {
    /// Reads both files. A file that does not exist is empty; one that others may write is refused.
    pub fn load(paths: &Paths) -> Result<Config> {
        let mut config = Config::empty(paths);
        let own = read::Directory { include: &paths.home.join(".ssh"), home: Some(&paths.home) };
        let system = read::Directory { include: Path::new("/etc/ssh"), home: None };
        if let Some(file) = &paths.own {
            config.files.push(read::file(file, &own, 0)?.unwrap_or_default());
        }
        if let Some(file) = &paths.system {
            config.files.push(read::file(file, &system, 0)?.unwrap_or_default());
        }
        Ok(config)
    }

    /// A configuration that says nothing.
    pub fn empty(paths: &Paths) -> Config {
        Config {
            paths: paths.clone(),
            command_line: Vec::new(),
            files: Vec::new(),
            commands: Arc::new(Commands::default()),
        }
    }

    /// The same with options such as `Port=2222`, which are stronger than all others.
    pub fn with_options(mut self, options: &[String]) -> Result<Config> {
        for option in options {
            self.command_line.push(Setting::parse(option, &"the command line".into())?);
        }
        // What is typed wrong is no fault of any host.
        let mut typed = Values::default();
        self.command_line.iter().for_each(|setting| typed.add(setting));
        keywords::check(&typed)?;
        Ok(self)
    }

    /// The same without the options of the command line: `ssh` does not pass them on to jump hosts.
    pub fn for_jump_hosts(&self) -> Config {
        Config { command_line: Vec::new(), ..self.clone() }
    }

    /// What the configuration says of a host. It may run commands (`Match exec`) and ask for names, so it may block.
    pub fn lookup(&self, query: &Query) -> Result<Found> {
        walk::lookup(self, query)
    }
}

#[cfg(test)]
mod tests;
