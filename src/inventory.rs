//! The inventory: which hosts there are, in which groups, how they are reached, and their variables.

mod ansible;
pub mod file;
pub mod fold;
mod ini;
pub mod name;
pub mod pattern;
mod resolve;
mod script;

pub use name::HostName;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::host::SshSettings;
use crate::project::Project;
use crate::setting::Setting;
use crate::source::Node;
use file::File;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// All hosts and groups, resolved.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// In the order in which the files name them; files in alphabetical order.
    pub hosts: Vec<Host>,
    /// By name; the group of each file among them.
    pub groups: BTreeMap<String, Group>,
}

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
}

impl Host {
    /// The address that the inventory gives.
    pub fn given_address(&self) -> Option<&str> {
        self.address_given.then_some(self.address.as_str())
    }
}

/// A group as everything that is said of it makes it.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its hosts, those of its children included, in the inventory's order.
    pub hosts: Vec<HostName>,
    /// The groups whose hosts are in it too.
    pub children: Vec<String>,
}

impl Inventory {
    /// Reads the inventories: `paths` when some are given, else those `windlass.toml` names, else all of `inventories/`.
    pub fn load(project: &Project, paths: &[PathBuf]) -> Result<Inventory, Diagnostics> {
        let mut problems = Diagnostics::default();
        let mut files = Vec::new();
        for path in sources(project, paths)? {
            files.extend(problems.keep(read(project, &path)).flatten());
        }
        let inventory = resolve::resolve(&files, &project.config.ssh, &mut problems);
        problems.unless_errors(inventory)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name.as_str() == name)
    }

    /// The hosts that a pattern chooses, in the inventory's order. `@file` in it is relative to the project.
    pub fn select(&self, pattern: &str, project: &Project) -> Result<Vec<&Host>, Diagnostics> {
        pattern::select(self, pattern, project)
    }
}

/// The files to read. A folder stands for the files in it.
fn sources(project: &Project, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostics> {
    let configured: Vec<PathBuf> = project.config.inventory.iter().map(PathBuf::from).collect();
    let named = if paths.is_empty() { &configured } else { paths };
    if named.is_empty() {
        return Ok(project.files("inventories", false)?);
    }
    let mut found = Vec::new();
    for path in named {
        let path = project.root.join(path);
        match path.is_dir() {
            true => found.extend(project.files(&path.display().to_string(), false)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// Reads one file in the form its name and mode tell; a file that is no inventory is nothing.
fn read(project: &Project, path: &Path) -> Result<Option<File>, Diagnostics> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = HostName::parse(&stem)
        .map_err(|why| Diagnostic::elsewhere(format!("read {}: {why}", project.name_of(path))))?;
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let mut problems = Diagnostics::default();
    let file = match extension.as_ref() {
        "toml" => {
            let node = Node::parse(&project.read(path)?)?;
            file::read(stem.as_str(), &node, &mut problems)
        }
        _ if is_executable(path) => ansible::run(path, &project.name_of(path), stem.as_str())?,
        "ini" | "" => ini::read(stem.as_str(), &project.read(path)?, &mut problems),
        "yml" | "yaml" => {
            let problem = Diagnostic::elsewhere(format!("read {}: YAML is not read", project.name_of(path)));
            return Err(problem
                .hint("write it as TOML, or make it a program that prints Ansible's inventory JSON")
                .into());
        }
        _ => return Ok(None),
    };
    problems.unless_errors(Some(file))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
