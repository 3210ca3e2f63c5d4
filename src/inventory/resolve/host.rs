//! One host: its variables, weakest first, and how it is reached.

use super::Whole;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::ansible::values::Values;
use crate::inventory::ansible::{ALL, connection};
use crate::inventory::file::FileGroup;
use crate::inventory::sources::{PRINTED, TYPED};
use crate::inventory::{Host, HostName};
use crate::model::Value;
use crate::model::Values as Map;
use crate::model::host::SshSettings;
use crate::setting::Setting;
use crate::source::Place;
use std::net::IpAddr;
use std::path::Path;

impl<'a> Whole<'a> {
    pub(super) fn host(
        &self,
        name: &HostName,
        order: &[&'a str],
        weakest: &SshSettings,
        problems: &mut Diagnostics,
    ) -> Host {
        let groups = self.groups_of(name, order);
        let vars = self.settings(name, &groups);
        let values = self.with_others(self.values(name, &groups, &vars), &vars, order);
        let connection = connection::of(&vars, &values);
        connection.unused.into_iter().for_each(|problem| problems.push(problem));
        let given = self.address(name, &values, problems);
        let ssh = self.ssh(name, &groups, connection.ssh, weakest);
        let given = given.or(connection.address);
        let (address_given, address) = (given.is_some(), given.unwrap_or_else(|| name.to_string()));
        let mut refused = Diagnostics::default();
        connection.refused.into_iter().for_each(|problem| refused.push(problem));
        let groups = groups.iter().map(|group| group.to_string()).collect();
        Host { name: name.clone(), address, address_given, ssh, groups, vars, refused }
    }

    /// What sets variables for a host, weakest first: its files, `all`, its groups, the files beside the inventory for
    /// `all` and for its groups, the host, the files for the host.
    pub(super) fn settings(&self, name: &HostName, groups: &[&'a str]) -> Vec<Setting> {
        let described = &self.hosts[name];
        let of_files = described.files.iter().flat_map(|file| &file.vars);
        let of_groups =
            [ALL].iter().chain(groups).flat_map(|group| self.said_of(group)).flat_map(|group| &group.vars);
        let beside = |group: &'a str| self.vars_files.iter().flat_map(move |files| files.of_group(group));
        let of_all_files = beside(ALL);
        let of_group_files = self
            .vars_files
            .iter()
            .flat_map(|files| groups.iter().flat_map(move |group| files.of_group(group)));
        let of_host = described.said.iter().flat_map(|host| &host.vars);
        let of_host_files = self.vars_files.iter().flat_map(|files| files.of_host(name.as_str()));
        of_files
            .chain(of_groups)
            .chain(of_all_files)
            .chain(of_group_files)
            .chain(of_host)
            .chain(of_host_files)
            .cloned()
            .collect()
    }

    /// The variables as templates see them before anything is contacted.
    pub(super) fn values<'b>(
        &'b self,
        name: &HostName,
        groups: &[&str],
        settings: &'b [Setting],
    ) -> Values<'b> {
        let text = |text: &str| Value::String(text.to_string());
        let short = match name.as_str().parse::<IpAddr>() {
            Ok(_) => name.as_str(),
            Err(_) => name.as_str().split('.').next().unwrap_or_default(),
        };
        let mut own = Map::from_iter([
            ("inventory_hostname".to_string(), text(name.as_str())),
            ("inventory_hostname_short".to_string(), text(short)),
            ("name".to_string(), text(name.as_str())),
            ("group_names".to_string(), groups.iter().map(|group| text(group)).collect()),
        ]);
        // As under Ansible, a variable that is called so is stronger.
        let is_set = |known: &str| settings.iter().any(|setting| setting.name == known);
        own.extend(self.named_first(name).into_iter().filter(|(known, _)| !is_set(known)));
        Values::new(settings, own, &self.templates)
    }

    /// The file that names the host first, and its directory; none for a host that was typed.
    fn named_first(&self, name: &HostName) -> [(String, Value); 2] {
        let first = self.hosts[name].said.first().map(|host| host.place.source.name.as_str());
        let file = first.map(|first| first.strip_suffix(PRINTED).unwrap_or(first));
        let file = file.filter(|file| *file != TYPED).map(|file| self.root.join(file));
        let text = |path: Option<&Path>| path.map_or(Value::Null, |path| path.display().to_string().into());
        let directory = file.as_deref().and_then(Path::parent);
        [("inventory_file".into(), text(file.as_deref())), ("inventory_dir".into(), text(directory))]
    }

    fn said_of(&self, group: &str) -> impl Iterator<Item = &&'a FileGroup> {
        self.groups.get(group).into_iter().flatten()
    }

    /// An `ssh` table of the host is stronger than Ansible's variables, and these than tables of groups and files.
    fn ssh(
        &self,
        name: &HostName,
        groups: &[&'a str],
        of_variables: SshSettings,
        weakest: &SshSettings,
    ) -> SshSettings {
        let described = &self.hosts[name];
        let files = described.files.iter().map(|file| &file.ssh);
        let groups = groups.iter().flat_map(|group| self.said_of(group)).map(|group| &group.ssh);
        let weaker = files.chain(groups).fold(weakest.clone(), |weaker, ssh| ssh.clone().or(weaker));
        let hosts = described.said.iter().map(|host| &host.ssh);
        hosts.fold(of_variables.or(weaker), |weaker, ssh| ssh.clone().or(weaker))
    }

    /// The one address that the files give by `address`, rendered.
    fn address(&self, name: &HostName, values: &Values<'_>, problems: &mut Diagnostics) -> Option<String> {
        let mut found: Option<(String, &Place)> = None;
        for (source, place) in self.hosts[name].said.iter().filter_map(|host| host.address.as_ref()) {
            let rendered = values.text(source);
            let Ok(address) = rendered.map_err(|failure| problems.push(Diagnostic::failure(&failure, place)))
            else {
                continue;
            };
            if let Err(why) = HostName::parse(&address) {
                problems.push(Diagnostic::error(format!("not an address: {why}"), place));
            }
            match &found {
                Some((first, at)) if *first != address => {
                    let problem = Diagnostic::error(format!("`{name}` has two addresses"), place);
                    problems.push(problem.label(format!("`{first}` at {at}")));
                }
                _ => found = Some((address, place)),
            }
        }
        found.map(|(address, _)| address)
    }
}
