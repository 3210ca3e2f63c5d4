//! A role: a directory `roles/NAME/` with `steps.toml`, and what belongs to these steps: `handlers.toml`, `defaults.toml`,
//! `templates/` and `files/`.

use super::{Step, Written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Data, Entry, Node, Source};
use crate::step::KeyUse;
use crate::template::is_plain;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where roles are, below the project.
pub const ROLES: &str = "roles";

/// A role's own templates.
pub const TEMPLATES: &str = "templates";

/// A role's files.
pub struct Role {
    /// `roles/NAME`.
    folder: PathBuf,
    /// Its steps.
    pub steps: Arc<Source>,
    /// Its handlers, where it has some.
    pub handlers: Option<Arc<Source>>,
    /// Values that everything else is stronger than.
    pub defaults: Vec<Setting>,
}

/// Finds the role of a name.
pub fn find(project: &Project, name: &Written, problems: &mut Diagnostics) -> Option<Role> {
    let folder = Path::new(ROLES).join(&name.text);
    if name.text.contains("..") || !project.root.join(&folder).is_dir() {
        let problem = Diagnostic::error(format!("there is no role called `{}`", name.text), &name.place);
        let names = names(project);
        problems.push(match names.is_empty() {
            true => problem.hint(format!(
                "a role is a directory with steps.toml: {}",
                folder.join("steps.toml").display()
            )),
            false => problem.nearest(&name.text, names.iter().map(String::as_str)),
        });
        return None;
    }
    let steps = project.read(&folder.join("steps.toml")).map_err(|failure| {
        problems.push(Diagnostic::failure(&failure.hint("a role has its [[steps]] there"), &name.place));
    });
    let mut optional = |file: &str| {
        let path = folder.join(file);
        let read = project.root.join(&path).exists().then(|| project.read(&path))?;
        read.map_err(|failure| problems.push(Diagnostic::failure(&failure, &name.place))).ok()
    };
    let (handlers, defaults) = (optional("handlers.toml"), optional("defaults.toml"));
    let defaults = defaults.and_then(|source| problems.keep(Node::parse(&source)));
    let defaults = defaults.map(|node| Setting::table(&node, &Origin::Default, problems)).unwrap_or_default();
    Some(Role { folder, steps: steps.ok()?, handlers, defaults })
}

fn names(project: &Project) -> Vec<String> {
    let entries = project.root.join(ROLES).read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

impl Role {
    /// A step of it: its defaults below everything, and its own templates and files before those of the project.
    pub fn step(&self, mut step: Step, project: &Project) -> Step {
        step.defaults.splice(0..0, self.defaults.iter().cloned());
        let kind = step.kind;
        if let Data::Table(entries) = &mut step.keys.data {
            for entry in entries {
                let key_use =
                    kind.keys.iter().find(|(key, _)| *key == entry.key).map(|(_, key_use)| *key_use);
                if let Some(folder) = key_use.and_then(folder_of) {
                    self.look_here(entry, folder, project);
                }
            }
        }
        step
    }

    fn look_here(&self, entry: &mut Entry, folder: &str, project: &Project) {
        let Data::Scalar(Value::String(name)) = &mut entry.node.data else { return };
        let own = self.folder.join(folder);
        let own = if is_plain(name) { own.join(&*name) } else { own };
        if !project.root.join(&own).exists() {
            return;
        }
        let own = own.display();
        *name = if is_plain(name) { own.to_string() } else { format!("{own}/{name}") };
    }
}

/// The directory of a role in which a key's file is.
fn folder_of(key_use: KeyUse) -> Option<&'static str> {
    match key_use {
        KeyUse::Template => Some(TEMPLATES),
        KeyUse::Asset | KeyUse::Image | KeyUse::Text | KeyUse::Texts | KeyUse::Tree => Some("files"),
        _ => None,
    }
}
