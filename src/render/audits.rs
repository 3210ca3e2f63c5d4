//! Folders of the controller that audits look through: each once for all hosts.

use crate::audit::{environment, imports};
use crate::model::tree::pattern::Pattern;
use crate::model::{Doing, Failure, Result, Value};
use crate::step::KeyUse;
use crate::system::local::Local;
use crate::trust;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// The audits that were asked for.
#[derive(Default)]
pub struct Audits {
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
    pub exclude: Vec<Pattern>,
    /// The example among its files, when one is named.
    pub example: Option<String>,
}

impl Audits {
    /// What the step gets instead of the folder's name.
    pub fn of(&self, folder: &Path, subject: Subject) -> Result<Value> {
        let key = format!("{subject:?}");
        let known = self.done.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let answer = look(folder, &subject);
            self.done.borrow_mut().insert(key, answer.clone());
            answer
        })
    }
}

fn look(folder: &Path, subject: &Subject) -> Result<Value> {
    trust::check(folder, None, format!("read {}", subject.source))?;
    match subject.key_use {
        KeyUse::Imports => {
            let findings = imports::of(&Local::new(), folder, &subject.exclude)?;
            Ok(json!({ "findings": findings }))
        }
        _ => variables(folder, subject),
    }
}

fn variables(folder: &Path, subject: &Subject) -> Result<Value> {
    let example = subject.example.as_deref();
    if let Some(example) = example.filter(|example| !folder.join(example).is_file()) {
        let why = format!("{} does not have it", subject.source);
        return Err(Failure::new(format!("find the example {example}"), why));
    }
    let mut needs = environment::of(&Local::new(), folder, &subject.exclude, example)?;
    needs.source.clone_from(&subject.source);
    serde_json::to_value(needs).map(|needs| json!({ "needs": needs })).doing("find out what a tree needs")
}
