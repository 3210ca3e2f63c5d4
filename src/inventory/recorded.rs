//! The inventory of an earlier run, from what it recorded: files and what programs printed. Nothing is run for it.

use super::ansible::VarsFiles;
use super::file::File;
use super::sources::parse;
use crate::diagnostic::Diagnostics;
use crate::model::run::Source as Recorded;
use crate::source::Source;
use std::path::{Component, Path};

/// The endings of files of variables.
const ENDINGS: &[&str] = &[".yml", ".yaml", ".json"];

/// The inventory files among the sources.
pub fn files(recorded: &[Recorded], problems: &mut Diagnostics) -> Vec<File> {
    let of_vars = |source: &&Recorded| variables_of(&source.path).is_none();
    let mut files = Vec::new();
    for source in recorded.iter().filter(of_vars) {
        let file = parse(&Source::new(source.path.clone(), source.text.clone()), problems);
        files.extend(problems.keep(file));
    }
    files
}

/// The files of `group_vars` and `host_vars` among them.
pub fn vars_files(recorded: &[Recorded], problems: &mut Diagnostics) -> Vec<VarsFiles> {
    let of_vars = recorded.iter().filter_map(|source| {
        let (of_groups, name) = variables_of(&source.path)?;
        Some((of_groups, name, Source::new(source.path.clone(), source.text.clone())))
    });
    vec![VarsFiles::recorded(&of_vars.collect::<Vec<_>>(), problems)]
}

/// Whether a file sets variables of a group or of a host, and its name.
fn variables_of(path: &str) -> Option<(bool, &str)> {
    let parts: Vec<&str> = Path::new(path)
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let at = parts.iter().rposition(|part| ["group_vars", "host_vars"].contains(part))?;
    let name = parts.get(at + 1)?;
    let is_file = at + 2 == parts.len();
    let bare = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|_| is_file);
    Some((parts[at] == "group_vars", bare.unwrap_or(name)))
}
