//! What a backup holds, put back: to where it came from, or elsewhere.

use crate::model::backup::{Label, PartKind};
use crate::model::op::{Asset, Content, Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value};
use crate::sql::url::Database;
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use serde_json::json;

mod databases;
mod mysql;
mod postgres;
#[cfg(all(test, feature = "controller"))]
mod tests;
mod trees;
mod trial;

/// Restores what a backup of the controller's store holds. Files are unpacked beside their place and take it when all of
/// them are there; a database is loaded under another name and renamed when it is whole. Nothing is put over something that
/// is there unless `replace` says so, and then the old one is kept under another name, which the step shows. Each time it is
/// run it restores again. Undone, the old one is back in its place; of a database that asks for a password only where the
/// URL of `database` is not needed, since no password is kept on a host.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The backup's id, or `HOST/NAME` for the newest of those.
    #[cfg_attr(feature = "controller", schemars(with = "String"))]
    backup: Chosen,
    /// The store: a name from `windlass.toml` or a directory here; `.windlass/backups` when not given.
    #[serde(rename = "store")]
    _store: Option<String>,
    /// The file here of an age identity, for a backup that is encrypted; the store's when not given.
    #[serde(rename = "identity")]
    _identity: Option<String>,
    /// Only these parts. All that can be put back when not given.
    #[serde(default)]
    parts: Vec<String>,
    /// Elsewhere: a path, or a database's name. For one part only.
    to: Option<String>,
    /// The database that is restored, as a URL: where it takes a password, or another server than the one it came from.
    database: Option<Database>,
    /// The container in which the database's client is run, when it is another than the one it came from.
    container: Option<String>,
    /// What is there already is replaced, and kept under another name.
    #[serde(default)]
    replace: bool,
    /// Whether tables belong to the roles they belonged to, which must be there; else all belongs to the user who
    /// restores it.
    #[serde(default = "yes")]
    owners: bool,
    /// Nothing is restored: everything is loaded into a throw-away database or directory, compared, asked, and removed.
    #[serde(default)]
    test: bool,
}

impl Kind for Restore {
    const NAME: &'static str = "restore";
    const STAYS: Option<&'static str> = Some("a backup is restored on the host that it is restored for");
    const RESULT: &'static [&'static str] = &["id", "parts"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("backup", KeyUse::Backup)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the shop is as it was last night"
[steps.restore]
backup = "web1/nightly"                         # the newest; or an id of `windlass backups list`
store = "offsite"
identity = "/root/age.key"
replace = true

[[steps]]
name = "a copy of its database to look at"
[steps.restore]
backup = "20261121T084500Z-web1-nightly-kxqz"
parts = ["postgres-shop.dump"]
to = "shop_copy"
database = "postgres://admin@127.0.0.1/shop"    # one with a password: a param of type secret
container = "shop-db"
owners = false

[[steps]]
name = "last night's backup can be restored"
[steps.restore]
backup = "web1/nightly"
test = true
"#;
}

fn yes() -> bool {
    true
}

/// A backup, as the controller found it.
#[derive(Clone, Debug, Deserialize)]
struct Chosen {
    id: String,
    parts: Vec<Part>,
}

/// A part of it.
#[derive(Clone, Debug, Deserialize)]
struct Part {
    label: Label,
    asset: Asset,
    /// What it was taken from.
    from: Value,
    /// What only its host knew of it.
    about: Option<Value>,
    /// Of a tar that is tested: how many files, and one digest for all of theirs.
    files: Option<Files>,
}

/// What is in a tar.
#[derive(Clone, Debug, Deserialize)]
struct Files {
    count: u64,
    digest: crate::model::digest::Digest,
}

/// What one part comes to.
#[derive(Default)]
struct PartPlan {
    ops: Vec<Op>,
    notes: Vec<String>,
}

impl Step for Restore {
    fn check(&self) -> Result<(), WrongKey> {
        let places = self.backup.parts.iter().filter(|part| self.is_put_back(part)).count();
        if self.to.is_some() && places > 1 {
            let names: Vec<&str> = self.backup.parts.iter().map(|part| part.label.name.as_str()).collect();
            let why = format!(
                "it is one place, and these are several parts: choose one with parts: {}",
                names.join(", ")
            );
            return Err(WrongKey::new("to", why));
        }
        if self.test && (self.replace || self.to.is_some()) {
            return Err(WrongKey::new("test", "a test restores nothing: leave to and replace out"));
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut plan = Plan { once: true, ..Plan::default() };
        for part in &self.backup.parts {
            let put = match self.test {
                true => trial::plan(self, host, part)?,
                false => self.put_back(host, part)?,
            };
            plan.ops.extend(put.ops);
            plan.notes.extend(put.notes);
        }
        if plan.ops.is_empty() {
            let doing = format!("restore backup {}", self.backup.id);
            let why = plan.notes.first().cloned().unwrap_or_else(|| "it has no such part".to_string());
            return Err(Failure::new(doing, why));
        }
        let parts: Vec<&str> = self.backup.parts.iter().map(|part| part.label.name.as_str()).collect();
        plan.result.insert("id".to_string(), self.backup.id.clone().into());
        plan.result.insert("parts".to_string(), json!(parts));
        Ok(plan)
    }
}

impl Restore {
    /// Whether a part has a place that it goes back to by itself.
    fn is_put_back(&self, part: &Part) -> bool {
        let has = |key: &str| part.from.get(key).is_some_and(|value| !value.is_null());
        has("path") || has("volume") || has("database") || self.parts.contains(&part.label.name)
    }

    fn put_back(&self, host: &dyn Probe, part: &Part) -> Result<PartPlan> {
        match part.label.kind {
            PartKind::PgDump | PartKind::Sql => databases::plan(self, host, part),
            _ if !self.is_put_back(part) => {
                let note = format!(
                    "{} is restored only when it is named: name it in parts, and a path with to",
                    part.label.name
                );
                Ok(PartPlan { notes: vec![note], ..PartPlan::default() })
            }
            PartKind::Tar => trees::plan(self, host, part),
            PartKind::Rdb | PartKind::Json => self.file(host, part),
        }
    }

    /// A part that is a file by itself.
    fn file(&self, host: &dyn Probe, part: &Part) -> Result<PartPlan> {
        let doing = || format!("restore {}", part.label.name);
        let Some(to) = &self.to else {
            return Err(Failure::new(doing(), "no place to restore it to is given")
                .hint("name the file: to = \"/srv/file\" (--to /srv/file)"));
        };
        let path = HostPath::from(to.as_str());
        if host.stat(&path)?.is_some() && !self.replace {
            return Err(is_there(&doing(), to));
        }
        let mode = if host.stat(&path)?.is_some() { None } else { Some(0o600) };
        let content = Content::Asset(part.asset.clone());
        let write = Op::Write { path, content, meta: Meta { mode, ..Meta::default() } };
        Ok(PartPlan { ops: vec![write], notes: Vec::new() })
    }
}

fn is_there(doing: &str, what: &str) -> Failure {
    Failure::new(doing, format!("{what} is there already"))
        .hint(
            "to replace it and keep the old one: replace = true (--replace); to restore beside it: to = \"…\" (--to …)",
        )
}

/// A few letters that tell this backup's names from others'.
fn letters(id: &str) -> String {
    crate::model::digest::Digest::of(id.as_bytes()).as_str()[..8].to_string()
}
