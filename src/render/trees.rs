//! Folders and archives of the controller that steps lay over a host's: each is read once for all hosts.

mod archive;
mod folder;
mod links;
mod spool;
#[cfg(test)]
mod tests;

use super::contents::TreeContents;
use crate::model::digest::Digest;
use crate::model::tree::Tree;
use crate::model::tree::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::project::Project;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is never part of a tree: a project's own record, which holds what playbooks did on every host.
const OWN_STATE: &str = ".windlass";

/// Where a tree is, and what was chosen of it.
type Key = (PathBuf, String);

/// The trees that were asked for.
pub struct Trees<'a> {
    project: &'a Project,
    read: RefCell<BTreeMap<Key, Result<Arc<Read>>>>,
}

/// A tree that was read.
#[derive(Debug)]
pub struct Read {
    /// Names it.
    pub name: Digest,
    /// What it holds.
    pub tree: Arc<Tree>,
    /// Where its bytes are.
    pub contents: Arc<TreeContents>,
}

/// What a step wants of a folder or archive.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// These are left out.
    pub exclude: Vec<Pattern>,
    /// So many names are taken off the beginning of every path of an archive.
    pub strip: usize,
}

impl<'a> Trees<'a> {
    /// None yet.
    pub fn new(project: &'a Project) -> Trees<'a> {
        Trees { project, read: RefCell::default() }
    }

    /// The tree that `name` names, without what `choice` leaves out.
    pub fn tree(&self, name: &str, choice: &Choice) -> Result<Arc<Read>> {
        let key = (self.find(name)?, format!("{choice:?}"));
        let known = self.read.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let read = self.read(&key.0, choice).map(Arc::new);
            self.read.borrow_mut().insert(key, read.clone());
            read
        })
    }

    fn read(&self, path: &Path, choice: &Choice) -> Result<Read> {
        let called = self.project.name_of(path);
        self.project.check(path, &format!("read {called}"))?;
        let (tree, contents) = match path.is_dir() {
            true if choice.strip > 0 => {
                let failure =
                    Failure::new(format!("read {called}"), "strip is for archives, and it is a directory");
                return Err(failure.hint("name the directory that is wanted"));
            }
            true => folder::read(path, choice)?,
            false => archive::read(path, &called, choice, &self.project.root.join(OWN_STATE))?,
        };
        if tree.entries().is_empty() {
            // Most likely something failed to fill it; copied over a folder it would take away all that was put there.
            let failure =
                Failure::new(format!("read {called}"), "it holds nothing, or all of it is left out");
            return Err(failure.hint("to take away what was put there, undo the run that did it"));
        }
        Ok(Read { name: tree.name()?, tree: Arc::new(tree), contents: Arc::new(contents) })
    }

    /// A name is looked for below `files/`, then in the project itself; `/…` and `~/…` are anywhere.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let places = match name.strip_prefix("~/") {
            Some(rest) => vec![home().join(rest)],
            None if name.is_empty() => Vec::new(),
            None => vec![self.project.root.join("files").join(name), self.project.root.join(name)],
        };
        let found = places.into_iter().find(|path| path.exists());
        found.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Failure {
        let failure = Failure::new(
            format!("find the directory or archive {name}"),
            "neither files/ nor the project has it",
        );
        let names = |folder: &str| {
            let entries = self.project.root.join(folder).read_dir().into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let there: Vec<String> = ["files", ""].into_iter().flat_map(names).collect();
        match crate::model::nearest::did_you_mean(name, there.iter().map(String::as_str)) {
            Some(hint) => failure.hint(hint),
            None => failure.hint("a path elsewhere begins with / or ~/"),
        }
    }
}

impl Choice {
    fn leaves_out(&self, path: &crate::model::tree::Inside) -> bool {
        path.parts().any(|part| part == OWN_STATE.as_bytes())
            || self.exclude.iter().any(|pattern| pattern.matches(path))
    }
}
