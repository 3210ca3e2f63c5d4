//! A backup that a step restores: found in its store, what is in it given to the step, its bytes made ready for the host.

use super::contents::Stored;
use super::scope::Scope;
use super::step::Maker;
use crate::model::arg::Arg;
use crate::model::backup::ABOUT;
use crate::model::digest::Digest;
use crate::model::{Doing, Failure, Result, Value};
use crate::source::Entry;
use crate::store::{BackupStore, EntryKind, Identities, Manifest, Part};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Read;

/// What describes the other parts is at most this large, in bytes.
const ABOUT_LIMIT: u64 = 1 << 20;

/// What a step wants of the store.
struct Wanted {
    /// An id, or `HOST/NAME` for the newest.
    name: String,
    /// Which store.
    store: Option<String>,
    /// A file of age identities here.
    identity: Option<String>,
    /// Which parts; all of them when empty.
    parts: Vec<String>,
    /// Whether it is only tested: then each file's digest matters.
    test: bool,
}

impl Maker<'_> {
    /// The backup that a step names.
    pub(super) fn backup(&mut self, scope: &Scope, name: &str, entry: &Entry) -> Option<Arg> {
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_string);
        // A value of the wrong type is reported when the keys are read.
        let wanted = Wanted {
            name: name.to_string(),
            store: text(self.choosing(scope, "store")?),
            identity: text(self.choosing(scope, "identity")?),
            parts: self
                .choosing(scope, "parts")?
                .and_then(|value| serde_json::from_value(value).ok())
                .unwrap_or_default(),
            test: self.choosing(scope, "test")?.is_some_and(|value| value == true),
        };
        let found = self.find_backup(&wanted);
        let (value, parts) = self.keep(found, &entry.node.place)?;
        self.rendered.contents.backups.extend(parts);
        Some(Arg::Value(value))
    }

    fn find_backup(&self, wanted: &Wanted) -> Result<(Value, BTreeMap<Digest, Stored>)> {
        let project = self.renderer.project;
        let name = wanted.name.strip_prefix("latest:").unwrap_or(&wanted.name);
        let (store, manifest) = project.backup(name, wanted.store.as_deref())?;
        let id = &manifest.id;
        let identities = match &wanted.identity {
            Some(file) => Identities::read(&[project.root.join(file)])?,
            None => store.identities()?,
        };
        if manifest.is_encrypted() && identities.is_empty() {
            let failure =
                Failure::new(format!("read backup {id}"), "it is encrypted, and no identity is given");
            return Err(failure.hint(
                "name the file of an age identity: identity = \"FILE\" (--age-identity FILE), or in [store.NAME]",
            ));
        }
        let reader = Reader { store, manifest, identities };
        reader.describe(wanted)
    }
}

/// A backup that is read.
struct Reader {
    store: BackupStore,
    manifest: Manifest,
    identities: Identities,
}

impl Reader {
    fn describe(&self, wanted: &Wanted) -> Result<(Value, BTreeMap<Digest, Stored>)> {
        let manifest = &self.manifest;
        for name in &wanted.parts {
            self.known(name)?;
        }
        let about = self.about()?;
        let chosen = |part: &&Part| {
            part.name != ABOUT && (wanted.parts.is_empty() || wanted.parts.contains(&part.name))
        };
        let (mut parts, mut stored) = (Vec::new(), BTreeMap::new());
        for part in manifest.parts.iter().filter(chosen) {
            let files = if wanted.test { self.files(part)? } else { None };
            parts.push(json!({
                "label": { "name": part.name, "kind": kind(part) },
                "asset": { "digest": part.plain_sha256, "size": part.plain_bytes },
                "from": part.from,
                "about": about.get(&part.name),
                "files": files,
            }));
            stored.insert(part.plain_sha256.clone(), self.stored(part));
        }
        Ok((
            json!({ "id": manifest.id, "host": manifest.host, "name": manifest.name, "parts": parts }),
            stored,
        ))
    }

    fn known(&self, name: &str) -> Result<&Part> {
        let names: Vec<&str> = self.manifest.parts.iter().map(|part| part.name.as_str()).collect();
        self.manifest.part(name).ok_or_else(|| {
            Failure::new(format!("find {name} in backup {}", self.manifest.id), "it has no such part")
                .hint(format!("its parts are: {}", names.join(", ")))
        })
    }

    fn stored(&self, part: &Part) -> Stored {
        let (store, id) = (self.store.clone(), self.manifest.id.clone());
        let identities = self.identities.clone();
        Stored { store, id, part: part.name.clone(), identities, size: part.plain_bytes }
    }

    /// What the host said of databases that their dumps do not say.
    fn about(&self) -> Result<Value> {
        let Some(part) = self.manifest.part(ABOUT) else { return Ok(Value::Null) };
        let doing = || format!("read {ABOUT} of backup {}", self.manifest.id);
        let mut text = String::new();
        let reader = self.store.open_part(&self.manifest.id, &part.name, &self.identities)?;
        reader.take(ABOUT_LIMIT).read_to_string(&mut text).doing(doing())?;
        serde_json::from_str(&text).doing(doing())
    }

    /// One digest for the digests of all files of a tar, in the order of their names, as `test.sh` makes it; how many.
    fn files(&self, part: &Part) -> Result<Option<Value>> {
        let Some(entries) = self.store.index(&self.manifest.id, &part.name, &self.identities)? else {
            return Ok(None);
        };
        let mut digests: BTreeMap<Vec<u8>, Digest> = BTreeMap::new();
        for entry in entries {
            let entry = entry.doing(format!("read the index of {}", part.name))?;
            let digest = match (entry.kind, &entry.target) {
                (EntryKind::HardLink, Some(target)) => digests.get(&plain(target)).cloned(),
                _ => entry.sha256.clone(),
            };
            if let Some(digest) = digest {
                digests.insert(plain(&entry.path), digest);
            }
        }
        // By digest alone: names are bytes that no two programs write in the same way.
        let mut sorted: Vec<&Digest> = digests.values().collect();
        sorted.sort();
        let mut hasher = Sha256::new();
        sorted.iter().for_each(|digest| hasher.update(format!("{digest}\n")));
        let digest = Digest::from_hash(hasher.finalize().as_slice());
        Ok(Some(json!({ "count": sorted.len(), "digest": digest })))
    }
}

/// A path in a tar without what may stand before it.
fn plain(path: &std::path::Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
    bytes.strip_suffix(b"/").unwrap_or(bytes).to_vec()
}

/// As the step knows it.
fn kind(part: &Part) -> &'static str {
    use crate::store::PartKind;
    match part.kind {
        PartKind::Tar => "tar",
        PartKind::Pgdump => "pg_dump",
        PartKind::Sql => "sql",
        PartKind::Rdb => "rdb",
        PartKind::Json | PartKind::Raw => "json",
    }
}
