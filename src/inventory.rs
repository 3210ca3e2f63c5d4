//! The inventory: which hosts there are, in which groups, how they are reached, and their variables.

pub(crate) mod ansible;
pub mod file;
pub mod fold;
pub mod grouped;
pub mod import;
pub mod name;
pub mod pattern;
mod recorded;
mod resolve;
mod script;
mod sources;

pub use name::HostName;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::host::{SshSettings, Via};
use crate::model::run::Source as Recorded;
use crate::project::Project;
use crate::setting::Setting;
use crate::source::Source;
use file::File;
use grouped::{Beside, Origin};
use sources::Programs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// All hosts and groups, resolved.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// In Ansible's order: those of no group first, then group by group, each before its children. Those of a file in TOML as
    /// it names them; files in alphabetical order.
    pub hosts: Vec<Host>,
    /// By name; the group of each file among them.
    pub groups: BTreeMap<String, Group>,
    /// What is odd in the files, though they can be read: warnings.
    pub warnings: Diagnostics,
    /// What was read, in order.
    sources: Vec<Arc<Source>>,
    /// In which order hosts and groups are first named.
    named: Named,
    /// What it was made of.
    origin: Origin,
}

/// What `on` and patterns call this machine, unless the inventory has a host of that name.
pub const CONTROLLER: &str = "controller";

/// A host as everything that is said of it makes it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where to connect: a name or an IP address. The host's name when the inventory gives none.
    pub address: String,
    /// Whether the inventory gives the address. Otherwise the ssh configuration may give another (`HostName`).
    pub address_given: bool,
    /// How to connect; what is open is `~/.ssh/config`'s to say.
    pub ssh: SshSettings,
    /// The groups it is in, weakest first: parents before children.
    pub groups: Vec<String>,
    /// What files, groups and the host itself set, weakest first.
    pub vars: Vec<Setting>,
    /// Why it cannot be reached as the inventory says; empty for most.
    pub refused: Diagnostics,
}

impl Host {
    /// This machine, worked without SSH.
    pub fn controller() -> Host {
        Host {
            name: HostName::parse(CONTROLLER).expect("it is a name"),
            address: "localhost".to_string(),
            address_given: true,
            ssh: SshSettings { via: Some(Via::Local), ..SshSettings::default() },
            groups: Vec::new(),
            vars: Vec::new(),
            refused: Diagnostics::default(),
        }
    }

    /// The address that the inventory gives.
    pub fn given_address(&self) -> Option<&str> {
        self.address_given.then_some(self.address.as_str())
    }
}

/// Names in the order in which the files have them.
#[derive(Clone, Debug, Default)]
struct Named {
    hosts: Vec<HostName>,
    groups: Vec<String>,
}

/// A group as everything that is said of it makes it.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its hosts as it names them, then those of its children.
    pub hosts: Vec<HostName>,
    /// The groups whose hosts are in it too.
    pub children: Vec<String>,
}

impl Inventory {
    /// Reads the inventories: `paths` when some are given, else those `windlass.toml` names, else all of `inventories/`.
    /// A relative path of `paths` is relative to the current directory.
    pub fn load(project: &Project, paths: &[PathBuf]) -> Result<Inventory, Diagnostics> {
        Inventory::read(project, paths, Programs::Run)
    }

    /// The same from the files alone: no program is run.
    pub fn load_files(project: &Project, paths: &[PathBuf]) -> Result<Inventory, Diagnostics> {
        Inventory::read(project, paths, Programs::LeaveOut)
    }

    fn read(project: &Project, paths: &[PathBuf], programs: Programs) -> Result<Inventory, Diagnostics> {
        let mut problems = Diagnostics::default();
        let read = sources::read(project, paths, programs, &mut problems)?;
        let beside = Beside::Directories(read.directories);
        let mut inventory = Inventory::of(project, read.files, beside, &mut problems);
        inventory.sources.splice(0..0, read.sources);
        inventory.unless_errors(problems)
    }

    /// The inventory of an earlier run, from the sources that it recorded.
    pub fn recorded(project: &Project, recorded: &[Recorded]) -> Result<Inventory, Diagnostics> {
        let mut problems = Diagnostics::default();
        let files = recorded::files(recorded, &mut problems);
        let beside = Beside::Recorded(Arc::from(recorded));
        let mut inventory = Inventory::of(project, files, beside, &mut problems);
        // A run that is made of it is to be undone and retried as well.
        let source = |source: &Recorded| Source::new(source.path.clone(), source.text.clone());
        inventory.sources = recorded.iter().map(source).collect();
        inventory.unless_errors(problems)
    }

    /// Puts files together. Its sources are the files of variables that stand beside them.
    fn of(project: &Project, files: Vec<File>, beside: Beside, problems: &mut Diagnostics) -> Inventory {
        let mut vars_files = Vec::new();
        let read_beside = |groups: &BTreeSet<&str>, hosts: &BTreeSet<&str>, problems: &mut Diagnostics| {
            vars_files = beside.read(project, groups, hosts, problems);
            vars_files.clone()
        };
        let inventory = resolve::resolve(&files, project, read_beside, problems);
        let sources = vars_files.iter().flat_map(|files| files.sources.iter().cloned()).collect();
        let origin = Origin { files: files.into(), beside, vars_files: vars_files.into() };
        Inventory { sources, origin, ..inventory }
    }

    fn unless_errors(mut self, mut problems: Diagnostics) -> Result<Inventory, Diagnostics> {
        match problems.errors() {
            0 => self.warnings = std::mem::take(&mut problems),
            // All that is wrong is shown at once.
            _ => self.hosts.iter().for_each(|host| problems.append(host.refused.clone())),
        }
        problems.unless_errors(self)
    }

    /// Adds the hosts that a pattern names by their addresses: one that ends in a comma, such as `203.0.113.7,`.
    pub fn add_addresses(&mut self, pattern: &str, project: &Project) -> Result<(), Diagnostics> {
        let hosts = pattern::addresses(pattern, self, &project.config.ssh)?;
        self.named.hosts.extend(hosts.iter().map(|host| host.name.clone()));
        self.hosts.extend(hosts);
        Ok(())
    }

    /// Adds this machine when a pattern names it and no file does.
    pub fn add_controller(&mut self, pattern: &str) {
        let is_named = pattern.split([',', ':']).any(|term| term.trim() == CONTROLLER);
        if is_named && self.host(CONTROLLER).is_none() && !self.groups.contains_key(CONTROLLER) {
            let host = Host::controller();
            self.named.hosts.push(host.name.clone());
            self.hosts.push(host);
        }
    }

    /// Everything that was read, for the record: files, and what programs printed.
    pub fn to_record(&self) -> Vec<Recorded> {
        let recorded =
            |source: &Arc<Source>| Recorded { path: source.name.clone(), text: source.text.clone() };
        self.sources.iter().map(recorded).collect()
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name.as_str() == name)
    }

    /// The hosts that a pattern chooses, in the order of its terms. `@file` in it is relative to the project.
    pub fn select(&self, pattern: &str, project: &Project) -> Result<Vec<&Host>, Diagnostics> {
        pattern::select(self, pattern, project)
    }

    /// The same where hosts may still join the groups for which `comes` holds: these may have no hosts, and the pattern too.
    pub fn select_with(
        &self,
        pattern: &str,
        project: &Project,
        comes: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<&Host>, Diagnostics> {
        pattern::select_with(self, pattern, project, comes)
    }

    /// The warnings, and why hosts cannot be reached as the inventory says.
    pub fn problems(&self) -> Diagnostics {
        let mut problems = self.warnings.clone();
        self.hosts.iter().for_each(|host| problems.append(host.refused.clone()));
        problems
    }

    /// Reports those of these hosts that cannot be reached as the inventory says.
    pub fn check_reachable<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Diagnostics> {
        let mut problems = Diagnostics::default();
        let mut refused = Vec::new();
        for host in names.into_iter().filter_map(|name| self.host(name)) {
            if !host.refused.is_empty() {
                refused.push(host.name.as_str());
                problems.append(host.refused.clone());
            }
        }
        if !refused.is_empty() {
            let message = format!("{} cannot be reached as the inventory says", fold::fold(&refused));
            let problem = Diagnostic::elsewhere(message);
            problems.push(problem.hint(format!("leave it out for now: --hosts …,!{}", refused[0])));
        }
        problems.unless_errors(())
    }
}

#[cfg(test)]
mod tests;
