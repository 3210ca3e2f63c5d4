//! `group_vars/` and `host_vars/` beside an inventory: a file, or a directory of files, for each group and host.

use super::at;
use super::own_names::OwnNames;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::wrong_type;
use crate::model::Value;
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Node, Place, Source};
use crate::{template, yaml};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The endings of files with variables, in the order in which Ansible looks for them; the first one that is there counts.
const ENDINGS: &[&str] = &["", ".yml", ".yaml", ".json"];

/// What these files set in one directory, by the name of group or host.
#[derive(Clone, Debug, Default)]
pub struct VarsFiles {
    groups: BTreeMap<String, Vec<Setting>>,
    hosts: BTreeMap<String, Vec<Setting>>,
    /// The sources, in the order in which they were read.
    pub sources: Vec<Arc<Source>>,
}

impl VarsFiles {
    /// Reads `group_vars` and `host_vars` in a directory for these groups and hosts. Files for others are a warning.
    pub fn read(
        project: &Project,
        beside: &Path,
        groups: &BTreeSet<&str>,
        hosts: &BTreeSet<&str>,
        problems: &mut Diagnostics,
    ) -> VarsFiles {
        let mut files = VarsFiles::default();
        let mut reader = Reader { project, sources: &mut files.sources, problems };
        files.groups = reader.all(&beside.join("group_vars"), groups, Origin::Group, "group");
        files.hosts = reader.all(&beside.join("host_vars"), hosts, Origin::Host, "host");
        files
    }

    /// From sources that were recorded: each with the directory's name and that of the group or host.
    pub fn recorded(sources: &[(bool, &str, Arc<Source>)], problems: &mut Diagnostics) -> VarsFiles {
        let mut files = VarsFiles::default();
        for (of_groups, name, source) in sources {
            let (map, origin) = match of_groups {
                true => (&mut files.groups, Origin::Group(name.to_string())),
                false => (&mut files.hosts, Origin::Host(name.to_string())),
            };
            map.entry(name.to_string()).or_default().extend(settings(source, &origin, problems));
        }
        files
    }

    /// What they set for a group.
    pub fn of_group(&self, name: &str) -> &[Setting] {
        self.groups.get(name).map_or(&[], Vec::as_slice)
    }

    /// What they set for a host.
    pub fn of_host(&self, name: &str) -> &[Setting] {
        self.hosts.get(name).map_or(&[], Vec::as_slice)
    }
}

struct Reader<'a> {
    project: &'a Project,
    sources: &'a mut Vec<Arc<Source>>,
    problems: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn all(
        &mut self,
        directory: &Path,
        names: &BTreeSet<&str>,
        origin: fn(String) -> Origin,
        kind: &str,
    ) -> BTreeMap<String, Vec<Setting>> {
        let mut entries = self.entries(directory);
        if !entries.is_empty() {
            let doing = format!("list {}", self.project.name_of(directory));
            let checked = self.project.check(directory, &doing).map_err(Diagnostics::from);
            self.problems.keep(checked);
        }
        let mut found = BTreeMap::new();
        for name in names {
            let candidates = ENDINGS.iter().map(|ending| format!("{name}{ending}"));
            let Some(entry) = candidates.into_iter().find(|entry| entries.contains(entry)) else { continue };
            let mut settings = Vec::new();
            for path in self.files(&directory.join(&entry)) {
                settings.extend(self.settings(&path, &origin(name.to_string())));
            }
            entries.retain(|entry| ENDINGS.iter().all(|ending| *entry != format!("{name}{ending}")));
            found.insert(name.to_string(), settings);
        }
        for left in entries {
            self.unused(&directory.join(&left), &left, names, kind);
        }
        found
    }

    /// The names in a directory without hidden ones and backups; none when there is no such directory.
    fn entries(&mut self, directory: &Path) -> BTreeSet<String> {
        let Ok(entries) = directory.read_dir() else { return BTreeSet::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| !name.starts_with('.') && !name.ends_with('~')).collect()
    }

    /// A file is itself; of a directory all files with these endings, by name, those of directories in it included.
    fn files(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_path_buf()];
        }
        let mut files = Vec::new();
        for name in self.entries(path) {
            let inner = path.join(&name);
            let ending =
                inner.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
            match inner.is_dir() {
                true if ending.is_empty() => files.extend(self.files(&inner)),
                false if ENDINGS.contains(&ending.as_str()) => files.push(inner),
                _ => {}
            }
        }
        files
    }

    fn settings(&mut self, path: &Path, origin: &Origin) -> Vec<Setting> {
        let read = self.project.read(path).map_err(Diagnostics::from);
        let Some(source) = self.problems.keep(read) else { return Vec::new() };
        self.sources.push(Arc::clone(&source));
        let mut settings = settings(&source, origin, self.problems);
        let mut own_names = OwnNames::default();
        settings.retain(|setting| own_names.keep(setting, self.problems));
        settings
    }

    fn unused(&mut self, path: &Path, name: &str, names: &BTreeSet<&str>, kind: &str) {
        let bare = ENDINGS.iter().rev().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        let problem = Diagnostic::elsewhere(format!(
            "{} is not read: no {kind} is called `{bare}`",
            self.project.name_of(path)
        ));
        self.problems.push(problem.nearest(bare, names.iter().copied()).warning());
    }
}

/// The variables of one file. It is JSON where it can be read as JSON, and YAML otherwise.
fn settings(source: &Arc<Source>, origin: &Origin, problems: &mut Diagnostics) -> Vec<Setting> {
    if source.text.starts_with("$ANSIBLE_VAULT;") {
        let problem = at("ansible-vault encrypted this file, so it is not read", &Place::whole(source));
        problems.push(
            problem.hint("decrypt it with `ansible-vault decrypt`, or show it with `ansible-vault view`"),
        );
        return Vec::new();
    }
    if let Ok(values) = template::json_values(&source.text) {
        let place = Place::whole(source);
        return values
            .into_iter()
            .map(|(name, value)| Setting::new(&name, value, &place, origin.clone()))
            .collect();
    }
    match yaml::parse(source, problems) {
        Some(Node { data: crate::source::Data::Table(entries), .. }) => {
            let setting = |entry: &crate::source::Entry| {
                Setting::new(&entry.key, entry.node.value(), &entry.place, origin.clone())
            };
            entries.iter().map(setting).collect()
        }
        None => Vec::new(),
        Some(node) if node.value() == Value::Null => Vec::new(),
        Some(node) => {
            problems.push(wrong_type(&node, "a map of variables"));
            Vec::new()
        }
    }
}
