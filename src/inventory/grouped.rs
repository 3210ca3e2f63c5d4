//! Groups that a playbook makes of hosts: the inventory is put together again with them, so that a host gets the variables of
//! the groups that it joins.

use super::ansible::VarsFiles;
use super::file::{File, FileGroup, FileHost};
use super::{HostName, Inventory, recorded};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::run::Source as Recorded;
use crate::project::Project;
use crate::source::{Place, Source};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What an inventory was made of.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// What its files say.
    pub files: Arc<[File]>,
    /// Where the variables of groups and hosts are that stand beside the files.
    pub beside: Beside,
    /// Those variables, one element for each directory.
    pub vars_files: Arc<[VarsFiles]>,
}

/// Where `group_vars` and `host_vars` are read from.
#[derive(Clone, Debug)]
pub enum Beside {
    /// From these directories.
    Directories(Vec<PathBuf>),
    /// From what an earlier run recorded.
    Recorded(Arc<[Recorded]>),
}

impl Default for Beside {
    fn default() -> Self {
        Beside::Directories(Vec::new())
    }
}

impl Beside {
    /// Reads the variables of these groups and hosts.
    pub fn read(
        &self,
        project: &Project,
        groups: &BTreeSet<&str>,
        hosts: &BTreeSet<&str>,
        problems: &mut Diagnostics,
    ) -> Vec<VarsFiles> {
        match self {
            Beside::Directories(directories) => {
                let read = |directory: &PathBuf| VarsFiles::read(project, directory, groups, hosts, problems);
                directories.iter().map(read).collect()
            }
            Beside::Recorded(recorded) => recorded::vars_files(recorded, problems),
        }
    }
}

/// A host that joins a group while a playbook is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The host.
    pub host: HostName,
    /// The group; it is made where it does not exist.
    pub group: String,
    /// The groups above it; each is made where it does not exist.
    pub parents: Vec<String>,
    /// Where the playbook says so.
    pub place: Place,
}

impl Inventory {
    /// The same inventory in which these hosts are in more groups.
    pub fn with_members(&self, project: &Project, members: &[Member]) -> Result<Inventory, Diagnostics> {
        let mut files = self.origin.files.to_vec();
        let mut made = self.typed();
        for member in members {
            self.join(member, &mut made);
        }
        files.push(made);
        let mut problems = Diagnostics::default();
        let inventory = Inventory::of(project, files, self.origin.beside.clone(), &mut problems);
        // What programs printed and files said is on record already; files of variables may have come.
        let is_new = |source: &&Arc<Source>| self.sources.iter().all(|known| known.name != source.name);
        let new = inventory.sources.iter().filter(is_new);
        let sources = self.sources.iter().chain(new).cloned().collect();
        Inventory { sources, ..inventory }.unless_errors(problems)
    }

    /// The hosts that were typed by their addresses: no file has them.
    fn typed(&self) -> File {
        let named: BTreeSet<&HostName> =
            self.origin.files.iter().flat_map(|file| &file.hosts).map(|host| &host.name).collect();
        let place = Place::outside("--hosts");
        let typed = self.hosts.iter().filter(|host| !named.contains(&host.name));
        let hosts = typed.map(|host| FileHost {
            address: host.given_address().map(|address| (address.to_string(), place.clone())),
            ssh: host.ssh.clone(),
            ..FileHost::named(host.name.clone(), place.clone())
        });
        File { hosts: hosts.collect(), ..File::default() }
    }

    fn join(&self, member: &Member, made: &mut File) {
        let Member { host, group, parents, place } = member;
        self.group_of(made, group, place).hosts.push((host.to_string(), place.clone()));
        for parent in parents {
            let above = self.group_of(made, parent, place);
            if above.children.iter().all(|(child, _)| child != group) {
                above.children.push((group.clone(), place.clone()));
            }
        }
    }

    /// The group of this name among those that are made. The group of a file keeps the hosts that it has.
    fn group_of<'a>(&self, made: &'a mut File, name: &str, place: &Place) -> &'a mut FileGroup {
        if let Some(at) = made.groups.iter().position(|group| group.name == name) {
            return &mut made.groups[at];
        }
        let mut group = FileGroup::named(name, place.clone());
        let in_files = self.origin.files.iter().flat_map(|file| &file.groups);
        if !in_files.map(|group| &group.name).any(|known| known == name) {
            let hosts = self.groups.get(name).map_or(&[][..], |group| &group.hosts);
            group.hosts = hosts.iter().map(|host| (host.to_string(), place.clone())).collect();
        }
        made.groups.push(group);
        let last = made.groups.len() - 1;
        &mut made.groups[last]
    }
}

/// The name of a group as a playbook computes it, as Ansible has it: spaces become dashes.
pub fn group_name(text: &str, place: &Place) -> Result<String, Diagnostic> {
    let name = text.trim().replace(' ', "-");
    match HostName::parse(&name) {
        Ok(_) => Ok(name),
        Err(why) => Err(Diagnostic::error(format!("not the name of a group: {why}"), place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::tests::project;

    fn shown(inventory: &Inventory) -> String {
        let host = |host: &crate::inventory::Host| {
            let vars = host.vars.iter().map(|var| format!("{}={}", var.name, var.value));
            format!("{} {} {}\n", host.name, host.groups.join(","), vars.collect::<Vec<_>>().join(" "))
        };
        inventory.hosts.iter().map(host).collect()
    }

    fn member(host: &str, group: &str, parents: &[&str]) -> Member {
        let parents = parents.iter().map(|parent| parent.to_string()).collect();
        let host = HostName::parse(host).unwrap();
        Member { host, group: group.to_string(), parents, place: Place::outside("a test") }
    }

    #[test]
    fn a_host_that_joins_a_group_gets_its_variables_and_those_above_it() {
        let (project, _folder) = project(&[
            (
                "inventories/prod.toml",
                "[hosts.a]\nvars = { x = 1 }\n[hosts.b]\n[groups.os_debian]\nvars = { pm = 'apt' }\n",
            ),
            ("inventories/group_vars/linux.yml", "kernel: linux\n"),
        ]);
        let mut inventory = Inventory::load(&project, &[]).unwrap();
        inventory.add_addresses("203.0.113.7,", &project).unwrap();
        let before = shown(&inventory);
        let members = [
            member("a", "os_debian", &["linux"]),
            member("203.0.113.7", "os_debian", &["linux"]),
            member("b", "prod", &[]),
        ];
        let grouped = inventory.with_members(&project, &members).unwrap();
        expect_test::expect![[r#"
            a linux,prod,os_debian pm="apt" kernel="linux" x=1
            b prod 
            203.0.113.7 linux,os_debian pm="apt" kernel="linux"
        "#]]
        .assert_eq(&shown(&grouped));
        assert_eq!(grouped.groups["linux"].hosts.len(), 2);
        assert_eq!(grouped.groups["linux"].children, ["os_debian"]);
        assert_eq!(grouped.groups["prod"].hosts.len(), 2);
        assert_eq!(shown(&inventory), before);
        assert!(grouped.to_record().iter().any(|source| source.path.ends_with("linux.yml")));
        let again = Inventory::recorded(&project, &grouped.to_record()).unwrap();
        let again = again.with_members(&project, &members[..1]).unwrap();
        assert!(shown(&again).starts_with("a linux,prod,os_debian pm=\"apt\" kernel=\"linux\" x=1\n"));
    }

    #[test]
    fn groups_that_would_be_above_each_other_are_an_error() {
        let (project, _folder) = project(&[("inventories/prod.toml", "[hosts.a]\n")]);
        let inventory = Inventory::load(&project, &[]).unwrap();
        let members = [member("a", "x", &["y"]), member("a", "y", &["x"])];
        let problems = inventory.with_members(&project, &members).map(drop).unwrap_err().plain();
        assert!(problems.contains("these groups are children of each other: x, y"), "{problems}");
    }

    #[test]
    fn names_of_groups_have_no_spaces() {
        let place = Place::outside("a test");
        assert_eq!(group_name("Red Hat", &place).unwrap(), "Red-Hat");
        assert!(group_name(" ", &place).is_err());
        assert!(group_name("a,b", &place).is_err());
    }
}
