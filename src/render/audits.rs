//! Folders of the controller that audits look through: each once for all hosts.

use crate::audit::skip::Skip;
use crate::audit::{environment, imports};
use crate::model::{Doing, Failure, Result, Value};
use crate::project::Project;
use crate::step::KeyUse;
use crate::system::local::Local;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The audits that were asked for.
pub struct Audits<'a> {
    project: &'a Project,
    done: RefCell<BTreeMap<String, Result<Value>>>,
}

/// What is wanted of a folder.
#[derive(Clone, Debug)]
pub struct Subject {
    /// [`KeyUse::Imports`] or [`KeyUse::Variables`].
    pub key_use: KeyUse,
    /// As written.
    pub source: String,
    /// What is left out.
    pub exclude: Skip,
    /// The example among its files, when one is named.
    pub example: Option<String>,
}

impl<'a> Audits<'a> {
    /// None yet.
    pub fn new(project: &'a Project) -> Audits<'a> {
        Audits { project, done: RefCell::default() }
    }

    /// What the step gets instead of the folder's name.
    pub fn of(&self, subject: &Subject) -> Result<Value> {
        let key = format!("{subject:?}");
        let known = self.done.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let answer = self.look(subject);
            self.done.borrow_mut().insert(key, answer.clone());
            answer
        })
    }

    fn look(&self, subject: &Subject) -> Result<Value> {
        let root = self.find(&subject.source)?;
        let (host, skip) = (Local::new(), &subject.exclude);
        if subject.key_use == KeyUse::Imports {
            let findings = imports::of(&host, &root, &|path| skip.skips(path))?;
            return Ok(json!({ "findings": findings }));
        }
        let example = subject.example.as_deref();
        if let Some(example) = example.filter(|example| !root.join(example).is_file()) {
            let why = format!("{} does not have it", subject.source);
            return Err(Failure::new(format!("find the example {example}"), why));
        }
        let mut needs = environment::of(&host, &root, skip, example)?;
        needs.source.clone_from(&subject.source);
        serde_json::to_value(needs).map(|needs| json!({ "needs": needs })).doing("tell what a tree needs")
    }

    /// A name is looked for below `files/`, then in the project itself; `/…` is anywhere.
    fn find(&self, name: &str) -> Result<PathBuf> {
        let paths = [self.project.root.join("files").join(name), self.project.root.join(name)];
        let found = paths.into_iter().find(|path| path.is_dir());
        found.ok_or_else(|| {
            Failure::new(format!("find the folder {name}"), "neither files/ nor the project has it")
                .hint("a folder elsewhere is named with its whole path")
        })
    }
}
