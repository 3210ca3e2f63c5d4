//! What goes into the file: each host and group with what is said of it, and what cannot be said in TOML.

use super::compare::{self, Encoded, encoded};
use crate::diagnostic::Diagnostics;
use crate::inventory::ansible::values::Values;
use crate::inventory::ansible::{ALL, UNGROUPED, connection};
use crate::inventory::file::{File, FileGroup};
use crate::inventory::{Host, HostName, Inventory};
use crate::model::Value;
use crate::model::host::SshSettings;
use crate::setting::{Setting, check_name};
use crate::source::Place;
use crate::template::{Templates, is_plain};
use std::collections::{BTreeMap, BTreeSet};

/// The whole file.
pub struct Draft {
    /// Where it comes from.
    pub origin: String,
    /// For all hosts.
    pub all: Said,
    /// In the order of the source.
    pub hosts: Vec<(String, Option<String>, Said)>,
    /// In the order of the source.
    pub groups: Vec<(String, Members, Said)>,
    /// Connection variables that templates refer to, so that they stay variables too.
    mentioned: BTreeSet<String>,
}

/// Who is in a group.
#[derive(Clone, Default)]
pub struct Members {
    /// Its own hosts.
    pub hosts: Vec<String>,
    /// The groups whose hosts are in it too.
    pub children: Vec<String>,
}

/// What is said of all hosts, of a group or of a host.
#[derive(Default)]
pub struct Said {
    /// Values as TOML has them.
    pub vars: BTreeMap<String, Value>,
    /// How hosts are reached.
    pub ssh: SshSettings,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

impl Draft {
    /// Gathers what the files say; `stem` is what the new file is called.
    pub fn of(origin: String, source: &Inventory, stem: &str) -> Draft {
        let (files, vars_files) = (&source.origin.files, &source.origin.vars_files);
        let mut groups: Vec<(String, Members, Vec<Setting>)> = Vec::new();
        for file in files.iter() {
            file.groups.iter().for_each(|group| add_group(&mut groups, group));
            add_implicit(&mut groups, file, files, stem);
        }
        let mut draft = Draft {
            origin,
            all: Said::default(),
            hosts: Vec::new(),
            groups: Vec::new(),
            mentioned: mentioned(source),
        };
        let with_files = |name: &str, own: Vec<Setting>| {
            let of_files = vars_files.iter().flat_map(|files| files.of_group(name)).cloned();
            own.into_iter().chain(of_files).collect::<Vec<_>>()
        };
        let of_all = groups.iter().position(|(name, ..)| name == ALL).map(|at| groups.remove(at));
        draft.all = draft.said(&with_files(ALL, of_all.map(|(_, _, vars)| vars).unwrap_or_default()));
        for (name, members, vars) in groups {
            let said = draft.said(&with_files(&name, vars));
            if name != UNGROUPED || !said.vars.is_empty() {
                draft.groups.push((name, members, said));
            }
        }
        for host in &source.hosts {
            let own = host
                .vars
                .iter()
                .filter(|setting| setting.origin == crate::setting::Origin::Host(host.name.to_string()));
            let said = draft.said(&own.cloned().collect::<Vec<_>>());
            let address = host.given_address().map(str::to_string);
            // How a host is reached is compared later; what groups say of it need not be said again.
            draft.hosts.push((host.name.to_string(), address, Said { ssh: SshSettings::default(), ..said }));
        }
        draft
    }

    /// What settings of one place come to.
    fn said(&self, settings: &[Setting]) -> Said {
        let mut said = Said::default();
        for setting in settings {
            let is_connection = connection::is_one(&setting.name);
            if is_connection && !self.mentioned.contains(&setting.name) {
                said.vars.remove(&setting.name);
                continue;
            }
            match (name_fits(setting), encoded(setting)) {
                (Err(why), _) | (_, Encoded::Impossible(why)) => {
                    said.left_out.push(format!("{}: {why}", setting.name));
                }
                (Ok(()), Encoded::Value(value)) => drop(said.vars.insert(setting.name.clone(), value)),
            }
        }
        let plain: Vec<Setting> =
            settings.iter().filter(|setting| is_literal(&setting.value)).cloned().collect();
        let templates = Templates::new(&BTreeMap::new());
        let connection =
            connection::of(&plain, &Values::new(&plain, crate::model::Values::new(), &templates));
        said.ssh = connection.ssh;
        for problem in connection.refused.iter().chain(&connection.unused) {
            let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
            said.left_out.push(format!("{}{hint}", problem.message));
        }
        said
    }

    /// Says of single hosts what comes out differently; whether anything did.
    pub fn repair(&mut self, source: &Inventory, again: &Inventory) -> bool {
        let mut repaired = false;
        for (at, (wanted, got)) in source.hosts.iter().zip(&again.hosts).enumerate() {
            let said = &mut self.hosts[at].2;
            for name in compare::differing_vars(wanted, got, &self.mentioned) {
                let setting = compare::effective(wanted, &name).filter(|setting| name_fits(setting).is_ok());
                if let Some(Encoded::Value(value)) = setting.map(encoded) {
                    said.vars.insert(name, value);
                    repaired = true;
                }
            }
            repaired |= repair_ssh(said, wanted, got);
        }
        repaired
    }

    /// Connection variables that templates refer to.
    pub fn mentioned(&self) -> &BTreeSet<String> {
        &self.mentioned
    }
}

fn repair_ssh(said: &mut Said, wanted: &Host, got: &Host) -> bool {
    if wanted.ssh == got.ssh {
        return false;
    }
    let settings = |ssh: &SshSettings| serde_json::to_value(ssh).unwrap_or_default();
    let (wanted, got) = (settings(&wanted.ssh), settings(&got.ssh));
    let differs = |key: &str, value: &Value| got.get(key) != Some(value);
    let own = wanted.as_object().into_iter().flatten().filter(|(key, value)| differs(key, value));
    let own: crate::model::Values = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    said.ssh = serde_json::from_value(Value::Object(own)).unwrap_or_default();
    true
}

/// A group of a file, added to what other files say of it.
fn add_group(groups: &mut Vec<(String, Members, Vec<Setting>)>, group: &FileGroup) {
    let at = groups.iter().position(|(name, ..)| *name == group.name).unwrap_or_else(|| {
        groups.push((group.name.clone(), Members::default(), Vec::new()));
        groups.len() - 1
    });
    let (_, members, vars) = &mut groups[at];
    for (host, _) in &group.hosts {
        if !members.hosts.contains(host) {
            members.hosts.push(host.clone());
        }
    }
    for (child, _) in &group.children {
        if !members.children.contains(child) {
            members.children.push(child.clone());
        }
    }
    vars.extend(group.vars.iter().cloned());
}

/// The group that a file's name makes, where the new file does not make the same.
fn add_implicit(groups: &mut Vec<(String, Members, Vec<Setting>)>, file: &File, files: &[File], stem: &str) {
    let is_explicit = files.iter().flat_map(|file| &file.groups).any(|group| group.name == file.stem);
    if is_explicit || file.stem.is_empty() || file.stem == ALL || file.stem == stem && files.len() == 1 {
        return;
    }
    let place = file.hosts.first().map(|host| host.place.clone());
    let place = place.unwrap_or_else(|| Place::outside(&file.stem));
    let mut group = FileGroup::named(&file.stem, place.clone());
    group.hosts = file.hosts.iter().map(|host| (host.name.to_string(), place.clone())).collect();
    add_group(groups, &group);
}

/// The connection variables that other variables refer to.
fn mentioned(source: &Inventory) -> BTreeSet<String> {
    let templates = Templates::new(&BTreeMap::new());
    let texts = source
        .hosts
        .iter()
        .flat_map(|host| &host.vars)
        .flat_map(|setting| crate::secrets::texts_in(&setting.value));
    let names = texts
        .filter(|text| !is_plain(text))
        .filter_map(|text| templates.all_names(&text, crate::template::Form::Text).ok());
    names.flatten().filter(|name| connection::is_one(name)).collect()
}

fn name_fits(setting: &Setting) -> Result<(), String> {
    let mut problems = Diagnostics::default();
    check_name(&setting.name, &setting.place, &mut problems);
    problems.iter().next().map_or(Ok(()), |problem| Err(problem.message.clone()))
}

fn is_literal(value: &Value) -> bool {
    crate::secrets::texts_in(value).iter().all(|text| is_plain(text))
}

/// Whether a name can be a group's in TOML.
pub fn is_group_name(name: &str) -> bool {
    HostName::parse(name).is_ok()
}
