//! The stores of a project: tables `[store.NAME]` of `windlass.toml`, and the directory that is there without any.

use super::Project;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{Keys, wrong_type};
use crate::model::keep::Keep;
use crate::model::nearest::did_you_mean;
use crate::model::size::Size;
use crate::model::{Failure, Result};
use crate::source::Node;
use crate::store::{BackupStore, MAX_SIZE, Manifest, Settings};
use std::collections::BTreeMap;
use std::path::Path;

/// The store that is there without a table; a table of this name replaces it.
pub const DEFAULT: &str = "default";

/// Where it is.
const DEFAULT_FOLDER: &str = ".windlass/backups";

/// The stores of `windlass.toml` by name.
pub type Stores = BTreeMap<String, Settings>;

/// Reads the tables below `store`.
pub fn read(tables: &Node, root: &Path, problems: &mut Diagnostics) -> Stores {
    let Some(entries) = tables.entries() else {
        problems.push(wrong_type(tables, "a table"));
        return Stores::new();
    };
    let store = |entry: &crate::source::Entry, problems: &mut Diagnostics| {
        Some((entry.key.clone(), settings(&entry.node, root, problems)?))
    };
    entries.iter().filter_map(|entry| store(entry, problems)).collect()
}

fn settings(node: &Node, root: &Path, problems: &mut Diagnostics) -> Option<Settings> {
    let mut keys = Keys::of(node, "a store", problems);
    let url = keys.string("url");
    if url.is_none() {
        keys.missing("url");
    }
    let (region, endpoint) = (keys.string("region"), keys.string("endpoint"));
    let (access_key, secret_key) = (secret(&mut keys, "access_key"), secret(&mut keys, "secret_key"));
    let (encrypt_to, identity) = (keys.strings("encrypt_to"), keys.string("identity").map(Into::into));
    let max_size = keys
        .read("max_size", "a size like \"500 GiB\"", |node| Size::parse(node.as_str()?).ok())
        .unwrap_or(MAX_SIZE);
    let keep = keys.node("keep");
    keys.finish();
    let keep = keep.map(|node| self::keep(node, problems)).unwrap_or_default();
    let root = root.to_path_buf();
    let url = url?;
    Some(Settings {
        root,
        url,
        region,
        endpoint,
        access_key,
        secret_key,
        encrypt_to,
        keep,
        identity,
        max_size,
    })
}

/// Where a key is: never the key itself, since this file is read by many.
fn secret(keys: &mut Keys, key: &'static str) -> Option<String> {
    let text = keys.read(key, "a string", |node| Some((node.as_str()?.to_string(), node.place.clone())));
    let (text, place) = text?;
    if !text.starts_with("env:") && !text.starts_with("file:") {
        let problem = Diagnostic::error(format!("`{key}` must say where the key is"), &place);
        keys.problem(problem.hint("write env:NAME or file:PATH"));
    }
    Some(text)
}

/// A table of what is kept.
fn keep(node: &Node, problems: &mut Diagnostics) -> Keep {
    let mut keys = Keys::of(node, "`keep`", problems);
    let mut count = |key| keys.count(key).unwrap_or(0);
    let (last, hourly, daily) = (count("last"), count("hourly"), count("daily"));
    let (weekly, monthly, yearly) = (count("weekly"), count("monthly"), count("yearly"));
    let timezone = keys.string("timezone");
    keys.finish();
    Keep { last, hourly, daily, weekly, monthly, yearly, timezone }
}

impl Project {
    /// The store that `to` of a backup names: one of `windlass.toml`, or a path, or an URL. The default without a name.
    pub fn store(&self, to: Option<&str>) -> Result<BackupStore> {
        let name = to.unwrap_or(DEFAULT);
        let settings = self.config.stores.get(name).cloned();
        let is_place = name.contains('/') || name.starts_with('.');
        match settings {
            Some(settings) => BackupStore::open(settings),
            None if name == DEFAULT && !self.is_one() => BackupStore::open(Settings::of(
                &self.root,
                &self.state().join("backups").display().to_string(),
            )),
            None if name == DEFAULT => BackupStore::open(Settings::of(&self.root, DEFAULT_FOLDER)),
            None if is_place => BackupStore::open(Settings::of(&self.root, name)),
            None => Err(self.no_store(name)),
        }
    }

    /// The names of all stores: those of `windlass.toml`, and the default.
    pub fn store_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.config.stores.keys().cloned().collect();
        if !self.config.stores.contains_key(DEFAULT) {
            names.insert(0, DEFAULT.to_string());
        }
        names
    }

    /// The backup that `text` names: an id, or `HOST/NAME` for the newest whole one. In the store called `to`, or in any.
    pub fn backup(&self, text: &str, to: Option<&str>) -> Result<(BackupStore, Manifest)> {
        let names = to.map_or_else(|| self.store_names(), |name| vec![name.to_string()]);
        let mut newest: Option<(BackupStore, Manifest)> = None;
        for name in &names {
            let store = self.store(Some(name))?;
            let Some(found) = store.find(text)? else { continue };
            if newest.as_ref().is_none_or(|(_, other)| other.id.taken() < found.id.taken()) {
                newest = Some((store, found));
            }
        }
        newest.ok_or_else(|| {
            let failure = Failure::new(format!("find backup {text}"), format!("there is none in {}", names.join(", ")));
            failure.hint("name it by its id, or as HOST/NAME for the newest; `windlass backups list` shows what there is")
        })
    }

    fn no_store(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("find the store `{name}`"), "windlass.toml has no such table");
        let names = self.store_names();
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        failure.hint(hint.unwrap_or_else(|| format!("add [store.{name}], or write a path with a `/`")))
    }
}
