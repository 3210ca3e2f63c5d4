//! What one inventory file says, before the files are put together. The TOML form is read here.

use super::name::{HostName, expand};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{Keys, strings, wrong_type};
use crate::model::host::SshSettings;
use crate::schema;
use crate::setting::{Origin, Setting};
use crate::source::{Data, Entry, Node, Place};
use crate::template::Templates;
use std::collections::BTreeMap;

/// Whose form a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// windlass's own, in TOML.
    #[default]
    Toml,
    /// One of Ansible's.
    Ansible,
}

/// One file, whatever its form.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its form.
    pub form: Form,
    /// The name of the file without extension: every host of it is also in the group of this name.
    pub stem: String,
    /// `[vars]`.
    pub vars: Vec<Setting>,
    /// `[ssh]`.
    pub ssh: SshSettings,
    /// In order.
    pub hosts: Vec<FileHost>,
    /// In order.
    pub groups: Vec<FileGroup>,
}

/// A host as one file describes it.
#[derive(Clone, Debug)]
pub struct FileHost {
    /// Its name, checked.
    pub name: HostName,
    /// Where it stands.
    pub place: Place,
    /// A template over `name`, and where it stands.
    pub address: Option<(String, Place)>,
    /// Its own variables.
    pub vars: Vec<Setting>,
    /// How it is reached.
    pub ssh: SshSettings,
}

/// A group as one file describes it.
#[derive(Clone, Debug)]
pub struct FileGroup {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Names of its hosts.
    pub hosts: Vec<(String, Place)>,
    /// Names of the groups whose hosts are in it too.
    pub children: Vec<(String, Place)>,
    /// Its variables.
    pub vars: Vec<Setting>,
    /// How its hosts are reached.
    pub ssh: SshSettings,
    /// Of two groups of one depth the one with the higher number is stronger; 1 where nothing is said.
    pub priority: i64,
    /// An expression over a host's variables: hosts for which it holds are in the group too. And where it stands.
    pub when: Option<(String, Place)>,
}

impl FileHost {
    /// A host of which nothing but the name is known.
    pub fn named(name: HostName, place: Place) -> FileHost {
        FileHost { name, place, address: None, vars: Vec::new(), ssh: SshSettings::default() }
    }
}

impl FileGroup {
    /// A group of which nothing but the name is known.
    pub fn named(name: &str, place: Place) -> FileGroup {
        let name = name.to_string();
        FileGroup {
            name,
            place,
            hosts: Vec::new(),
            children: Vec::new(),
            vars: Vec::new(),
            ssh: SshSettings::default(),
            priority: 1,
            when: None,
        }
    }
}

/// Reads an inventory in TOML.
pub fn read(stem: &str, node: &Node, problems: &mut Diagnostics) -> File {
    let mut keys = Keys::of(node, "an inventory", problems);
    let (vars, settings) = (keys.node("vars"), keys.node("ssh"));
    let (hosts, groups) = (keys.entries("hosts"), keys.entries("groups"));
    let secrets = keys.node("secrets");
    keys.finish();
    let origin = Origin::File(stem.to_string());
    File {
        form: Form::Toml,
        stem: stem.to_string(),
        vars: variables(vars, secrets, &origin, problems),
        ssh: settings.map(|node| ssh(node, problems)).unwrap_or_default(),
        hosts: hosts.iter().flat_map(|entry| hosts_of(entry, problems)).collect(),
        groups: groups.iter().filter_map(|entry| group(entry, problems)).collect(),
    }
}

/// What `vars` and `secrets` set.
fn variables(
    vars: Option<&Node>,
    secrets: Option<&Node>,
    origin: &Origin,
    problems: &mut Diagnostics,
) -> Vec<Setting> {
    let mut settings = vars.map(|node| Setting::table(node, origin, problems)).unwrap_or_default();
    settings.extend(secrets.into_iter().flat_map(|node| Setting::secrets(node, origin, problems)));
    settings
}

/// Reads an `ssh` table.
fn ssh(node: &Node, problems: &mut Diagnostics) -> SshSettings {
    schema::read(node, "`ssh`", problems)
}

/// The hosts of `[hosts.web1]` or `[hosts."web[01-20]"]`.
fn hosts_of(entry: &Entry, problems: &mut Diagnostics) -> Vec<FileHost> {
    let mut keys = Keys::of(&entry.node, "a host", problems);
    let address =
        keys.read("address", "a string", |node| Some((node.as_str()?.to_string(), node.place.clone())));
    let (vars, settings) = (keys.node("vars"), keys.node("ssh"));
    let secrets = keys.node("secrets");
    keys.finish();
    let ssh = settings.map(|node| ssh(node, problems)).unwrap_or_default();
    let mut hosts = Vec::new();
    for name in names(&entry.key, &entry.place, problems) {
        let origin = Origin::Host(name.to_string());
        let vars = variables(vars, secrets, &origin, problems);
        hosts.push(FileHost {
            name,
            place: entry.place.clone(),
            address: address.clone(),
            vars,
            ssh: ssh.clone(),
        });
    }
    hosts
}

/// The checked names that a text with ranges stands for.
fn names(text: &str, place: &Place, problems: &mut Diagnostics) -> Vec<HostName> {
    let parsed = expand(text).and_then(|names| names.iter().map(|name| HostName::parse(name)).collect());
    parsed.unwrap_or_else(|why| {
        problems.push(Diagnostic::error(why, place));
        Vec::new()
    })
}

fn group(entry: &Entry, problems: &mut Diagnostics) -> Option<FileGroup> {
    if let Err(why) = HostName::parse(&entry.key) {
        problems.push(Diagnostic::error(why, &entry.place));
        return None;
    }
    let mut keys = Keys::of(&entry.node, "a group", problems);
    let (hosts, children) = (keys.node("hosts"), keys.node("children").or(keys.node("groups")));
    let (vars, settings) = (keys.node("vars"), keys.node("ssh"));
    let secrets = keys.node("secrets");
    let when =
        keys.read("when", "an expression", |node| Some((node.as_str()?.to_string(), node.place.clone())));
    keys.finish();
    let origin = Origin::Group(entry.key.clone());
    let when = when.filter(|(text, place)| is_expression(text, place, problems));
    Some(FileGroup {
        when,
        hosts: hosts.map(|node| members(node, problems)).unwrap_or_default(),
        children: children.map(|node| members(node, problems)).unwrap_or_default(),
        vars: variables(vars, secrets, &origin, problems),
        ssh: settings.map(|node| ssh(node, problems)).unwrap_or_default(),
        ..FileGroup::named(&entry.key, entry.place.clone())
    })
}

/// Whether `when` can be read; what is wrong in it is reported.
fn is_expression(text: &str, place: &Place, problems: &mut Diagnostics) -> bool {
    let scanned = Templates::new(&BTreeMap::new()).scanned(text, crate::template::Form::Expression);
    let faults = scanned.map_or_else(|fault| vec![fault], |scanned| scanned.faults.clone());
    for fault in &faults {
        let problem = Diagnostic::error(format!("`when` cannot be read: {}", fault.why), place);
        problems.push(Diagnostic { hint: fault.hint.clone(), ..problem });
    }
    faults.is_empty()
}

/// The names in a list, ranges expanded, each with the place of its element.
fn members(node: &Node, problems: &mut Diagnostics) -> Vec<(String, Place)> {
    if strings(node).is_none() {
        problems.push(wrong_type(node, "a list of names"));
        return Vec::new();
    }
    let elements = match &node.data {
        Data::List(list) => list.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let expanded = |element: &Node| {
        let names = names(element.as_str().unwrap_or_default(), &element.place, problems);
        names.into_iter().map(|name| (name.to_string(), element.place.clone())).collect::<Vec<_>>()
    };
    elements.iter().flat_map(expanded).collect()
}
