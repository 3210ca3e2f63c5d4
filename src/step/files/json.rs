//! Some values of a JSON file; everything else in it stays byte for byte.

mod document;
mod edit;
mod path;
#[cfg(all(test, feature = "controller"))]
mod proofs;
mod render;
#[cfg(all(test, feature = "controller"))]
mod tests;

use crate::model::mode::Mode;
use crate::model::op::{Content, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use document::Document;
use path::ValuePath;
use serde::Deserialize;

/// Sets some values of a JSON file whose top level is an object. Order, formatting, comments and every other value
/// stay as they are; new keys are indented like those beside them.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Json {
    /// The file on the host.
    path: HostPath,
    /// Keys that it is to have; maps are merged into those that are there.
    #[serde(default)]
    merge: Values,
    /// What merging does with a list that is there already.
    #[serde(default)]
    lists: Lists,
    /// Values by their path, each exactly as given: `a.b.c`, or a JSON pointer `/a/b.c/0` for keys with a dot and for
    /// elements of lists. Missing objects on the way are created.
    #[serde(default)]
    set: Values,
    /// Paths of keys that are to be gone.
    #[serde(default)]
    remove: Vec<ValuePath>,
    /// Creates the file when it is missing; true by default. An empty file counts as missing.
    #[serde(default = "yes")]
    create: bool,
    /// Permission bits: `"0644"`, which is also what a new file gets by default.
    mode: Option<Mode>,
    /// User name or id.
    owner: Option<String>,
    /// Group name or id.
    group: Option<String>,
}

/// What merging does with a list that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Lists {
    /// The new list takes its place.
    #[default]
    Replace,
    /// Elements that it lacks are added behind the others.
    Append,
}

impl Kind for Json {
    const NAME: &'static str = "json";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "dockerd rotates logs and hands out resolvers"
notify = "restart docker"
[steps.json]
path = "/etc/docker/daemon.json"
merge = { dns = ["8.8.8.8", "8.8.4.4"], log-opts = { max-size = "10m" } }
lists = "replace"                       # or "append": keep the elements there are
set = { "log-driver" = "json-file", "/builder/gc/enabled" = true }
remove = ["debug", "/log-opts/mode"]
create = true
mode = "0644"
owner = "root"
group = "root"
"#;
}

fn yes() -> bool {
    true
}

impl Step for Json {
    /// A step that asks for nothing, or for what contradicts itself, would never settle.
    fn check(&self) -> Result<(), WrongKey> {
        if self.merge.is_empty() && self.set.is_empty() && self.remove.is_empty() {
            return Err(WrongKey::new("", "no merge, set or remove is given"));
        }
        let sets = self.sets().map_err(|why| WrongKey::new("set", why))?;
        let merged = Value::Object(self.merge.clone());
        let contradicted = |gone: &ValuePath| {
            gone.is_in(&merged) || sets.iter().any(|(path, value)| path.makes(value, gone))
        };
        match self.remove.iter().position(contradicted) {
            None => Ok(()),
            Some(index) => Err(WrongKey::new(&format!("remove[{index}]"), "merge or set puts it there")),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let Some(old) = wanted::text(host, &self.path)? else {
            return self.plan_new(host, &meta);
        };
        let content = Content::Bytes(self.edited(&old)?.into_bytes());
        Ok(Plan::of(wanted::file(host, &self.path, content, &meta)?))
    }
}

impl Json {
    fn plan_new(&self, host: &dyn Probe, meta: &crate::model::op::Meta) -> Result<Plan> {
        if !self.create {
            return Err(Failure::new(format!("edit {}", self.path), "there is no such file")
                .hint("leave create = false out to create it"));
        }
        match self.edited("")? {
            new if new.is_empty() => Ok(Plan::nothing()),
            new => Ok(Plan::of(wanted::file(host, &self.path, Content::Bytes(new.into_bytes()), meta)?)),
        }
    }

    /// The file's text with what is wanted in it: the old text itself when nothing is missing.
    fn edited(&self, old: &str) -> Result<String> {
        let document = Document::read(&self.path, old)?;
        let before = document.value()?;
        let after = self.wanted(before.clone().unwrap_or_else(|| Value::Object(Values::new())))?;
        document.rewritten(before.as_ref(), &after)
    }

    /// What the document is to hold, given what it holds.
    fn wanted(&self, mut value: Value) -> Result<Value> {
        merge(&mut value, &Value::Object(self.merge.clone()), self.lists);
        let sets = self.sets().map_err(|why| Failure::new(format!("edit {}", self.path), why))?;
        for (path, wanted) in sets {
            path.set(&mut value, wanted).map_err(|why| self.cannot("set", &path, why))?;
        }
        for path in &self.remove {
            path.remove(&mut value).map_err(|why| self.cannot("remove", path, why))?;
        }
        Ok(value)
    }

    fn sets(&self) -> Result<Vec<(ValuePath, &Value)>, String> {
        self.set.iter().map(|(path, value)| Ok((ValuePath::try_from(path.clone())?, value))).collect()
    }

    fn cannot(&self, verb: &str, path: &ValuePath, why: String) -> Failure {
        Failure::new(format!("{verb} {path} in {}", self.path), why)
    }
}

/// Merges maps key by key; anything else is replaced, lists as `lists` says.
fn merge(into: &mut Value, from: &Value, lists: Lists) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(key) {
                    Some(there) => merge(there, value, lists),
                    None => drop(into.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) if lists == Lists::Append => {
            for value in from {
                if !into.contains(value) {
                    into.push(value.clone());
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}
