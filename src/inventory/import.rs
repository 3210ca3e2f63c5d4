//! An inventory of Ansible's as one file in TOML: hosts, groups, variables of files beside it, and how hosts are reached.
//! What is written is read back and compared with what was read, before anything is on disk.

mod compare;
mod draft;
mod write;

use super::Inventory;
use super::name::HostName;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::run::Source as Recorded;
use crate::project::Project;
use draft::Draft;
use std::path::Path;

/// What an import comes to.
pub struct Imported {
    /// The text of the file.
    pub text: String,
    /// Its name without extension, which is also a group's.
    pub stem: String,
    /// How many hosts and groups there are.
    pub counts: (usize, usize),
    /// What differs from the source all the same.
    pub differences: Vec<String>,
    /// What is odd in the source.
    pub warnings: Diagnostics,
}

/// Reads the inventory at `path` and makes TOML of it, in a file called `stem`, or as the path is called.
pub fn import(project: &Project, path: &Path, stem: Option<&str>) -> Result<Imported, Diagnostics> {
    let paths = [path.to_path_buf()];
    let source = Inventory::load(project, &paths)?;
    let stem = match stem {
        Some(stem) => HostName::parse(stem)
            .map_err(|why| Diagnostic::elsewhere(format!("name the new inventory: {why}")))?
            .to_string(),
        None => stem_of(path),
    };
    let mut draft = Draft::of(project.name_of(path), &source, &stem);
    let mut text = write::text(&draft);
    let read_back = |text: &str| {
        let recorded = Recorded { path: format!("inventories/{stem}.toml"), text: text.to_string() };
        Inventory::recorded(project, &[recorded])
    };
    let again = read_back(&text)?;
    if draft.repair(&source, &again) {
        text = write::text(&draft);
    }
    let differences = compare::differences(&source, &read_back(&text)?, draft.mentioned());
    let counts = (source.hosts.len(), draft.groups.len());
    Ok(Imported { text, stem, counts, differences, warnings: source.warnings })
}

/// What the file is called that comes of a path.
fn stem_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let stem = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    let stem = stem.unwrap_or_default().to_string_lossy();
    HostName::parse(&stem).map_or_else(|_| "imported".to_string(), |stem| stem.to_string())
}

#[cfg(test)]
mod tests;
