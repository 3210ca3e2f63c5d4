//! The options that every kind of run has: which hosts, as which user, how.

use super::Stop;
use super::printed::PrintedOptions;
use crate::model::run::Scheduled;
use crate::ssh::{Config, Paths};
use std::path::PathBuf;

/// Which hosts.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Hosts {
    /// Hosts and groups: `prod`, `web*`, `web[01-14]`, `~regex`, `@file`, `all`; joined by `,`; `&x` intersects, `!x`
    /// excludes
    ///
    /// A playbook that names its own `hosts` does not need it; given, it replaces them
    #[arg(long = "hosts", value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Only those of the hosts that match this pattern too
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// The inventories to read, instead of every file in inventories/
    #[arg(short, long, value_name = "PATH")]
    pub inventory: Vec<PathBuf>,
    /// Print the hosts and stop
    #[arg(long)]
    pub list_hosts: bool,
}

/// How it is run.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Change nothing; show what would change (also --dry-run)
    #[arg(short = 'C', long, alias = "dry-run")]
    pub check: bool,
    /// With --check: end with exit code 3 when something would change, or may change
    #[arg(long, requires = "check")]
    pub exit_code: bool,
    /// Show how files change
    #[arg(short = 'D', long)]
    pub diff: bool,
    /// Set a variable; a value is TOML or JSON where it can be read as one, else text. Or a JSON object, or a file of TOML,
    /// YAML or JSON
    #[arg(short = 'e', long = "var", value_name = "K=V|JSON|@FILE")]
    pub vars: Vec<String>,
    /// The user to work as, and how fast.
    #[command(flatten)]
    pub reach: Reach,
    /// What is shown and kept of the output of commands.
    #[command(flatten)]
    pub printed: PrintedOptions,
    /// The schedule that starts it, said by the scheduler alone
    #[arg(long, hide = true, value_name = "NAME@TIME")]
    pub scheduled: Option<Scheduled>,
}

/// As whom hosts are worked, and how fast.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    /// How many hosts to work on at once [default: 64]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub forks: Option<u32>,
    /// The login name
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,
    /// A private key file to log in with, as after `ssh -i`; can be given several times
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Ask for the password to log in with
    #[arg(long)]
    pub ask_pass: bool,
    /// An option of ssh_config, as after `ssh -o`: `ConnectTimeout=5`; can be given several times
    #[arg(short = 'o', long = "ssh-option", value_name = "OPTION=VALUE")]
    pub ssh_options: Vec<String>,
    /// Become root (or the inventory's `become_user`) once logged in
    #[arg(short, long = "become")]
    pub becomes: bool,
    /// Ask for the password to become root with
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// The deadline of each host's run: `30s`, `5m`, `1h`
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// How long to wait for a host that another run is changing; 0 refuses at once [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub wait: Option<String>,
}

impl Reach {
    /// The ssh configuration, with the options of the command line over it.
    pub fn ssh_config(&self) -> Result<Config, Stop> {
        let identity = |path: &PathBuf| format!("IdentityFile={}", quoted(&path.display().to_string()));
        let options: Vec<String> =
            self.identity.iter().map(identity).chain(self.ssh_options.iter().cloned()).collect();
        let config = Config::load(&Paths::standard()).map_err(Stop::misused)?;
        config.with_options(&options).map_err(Stop::Refused)
    }
}

/// A path as one word of ssh_config, without tokens.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}
