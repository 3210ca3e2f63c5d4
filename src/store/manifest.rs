//! `manifest.json` of a backup: what it is of, when and how it was taken, and what each part is.

use super::id::{BackupPath, Id, check_name};
use super::sums::{SUMS, Sums};
use crate::model::digest::Digest;
use crate::model::job::RunId;
use crate::model::{Failure, Result, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the file.
pub const MANIFEST: &str = "manifest.json";

/// A manifest of more bytes is none of ours.
pub const MANIFEST_LIMIT: u64 = 16 << 20;

/// Changes when a reader of today could not read it any more.
const VERSION: u32 = 1;

/// More parts than that are a mistake.
const PARTS_LIMIT: usize = 1_000;

/// A part's name is the beginning of a file's name.
const PART_LIMIT: usize = 150;

/// What is reported before a backup is taken. All of it is the controller's word, none the host's.
#[derive(Clone, Debug)]
pub struct BackupAbout {
    /// The host's name in the inventory.
    pub host: String,
    /// What the playbook calls the backup.
    pub name: String,
    /// The playbook's name.
    pub playbook: String,
    /// The run that takes it.
    pub run: RunId,
    /// When it was begun; the id's time.
    pub started: Timestamp,
    /// Age recipients. None: those of the store, and where it has none either nothing is encrypted.
    pub recipients: Vec<String>,
    /// SQL that a restore test must answer with true.
    pub assertion: Option<String>,
    /// What it will be made of; it is whole only with all of them.
    pub parts: Vec<PartAbout>,
}

/// What is said of a part before it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartAbout {
    /// Its name, for example `files-etc-nginx.tar`: letters, digits and `.-_`.
    pub name: String,
    /// What its bytes are.
    pub kind: PartKind,
    /// What it was taken from, for the user who restores it: a path, a database; whatever the step kind writes.
    #[serde(default)]
    pub from: Value,
}

/// What the bytes of a part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A tar archive; its files are listed in an index.
    Tar,
    /// What `pg_dump --format=custom` writes.
    Pgdump,
    /// SQL text.
    Sql,
    /// A snapshot of Redis.
    Rdb,
    /// JSON text.
    Json,
    /// Anything else.
    Raw,
}

/// How the bytes of a part arrive from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are; they are compressed here.
    Plain,
    /// As zstd frames, which are stored as they came.
    Zstd,
}

/// A backup that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of this form.
    pub version: u32,
    /// Names the backup.
    pub id: Id,
    /// The host's name in the inventory it came from.
    pub host: String,
    /// What the playbook calls the backup.
    pub name: String,
    /// The playbook's name.
    pub playbook: String,
    /// The run that took it.
    pub run: RunId,
    /// When it was begun.
    pub started: Timestamp,
    /// When its last byte had arrived.
    pub finished: Timestamp,
    /// The windlass that took it.
    pub windlass: String,
    /// Whom it is encrypted to; empty when it is not.
    pub recipients: Vec<String>,
    /// SQL that a restore test must answer with true.
    pub assertion: Option<String>,
    /// In the order in which they were taken.
    pub parts: Vec<Part>,
}

/// A part of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What its bytes are.
    pub kind: PartKind,
    /// What it was taken from.
    pub from: Value,
    /// The bytes as the host gave them.
    pub plain_bytes: u64,
    /// Their digest.
    pub plain_sha256: Digest,
    /// Compressed, and encrypted where the backup is.
    pub stored: Stored,
    /// Of a tar: the list of what is in it.
    pub index: Option<Index>,
}

/// An object of the store that belongs to a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its name in the backup's folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// The list of what is in a tar: JSON lines, compressed and encrypted as the tar is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// How many entries the tar has.
    pub entries: u64,
    /// The object that holds it.
    pub stored: Stored,
}

impl BackupAbout {
    /// Refuses names that cannot be a file's, and two parts of one name.
    pub fn check(&self) -> Result<()> {
        let doing = || format!("take backup {} of {}", self.name, self.host);
        let refused = |why: String| Failure::new(doing(), why);
        if self.parts.is_empty() || self.parts.len() > PARTS_LIMIT {
            return Err(refused(format!("it has {} parts; 1 to {PARTS_LIMIT} will do", self.parts.len())));
        }
        check_name(&self.name).map_err(refused)?;
        for (at, part) in self.parts.iter().enumerate() {
            check_part(&part.name).map_err(refused)?;
            if self.parts[..at].iter().any(|other| other.name == part.name) {
                return Err(refused(format!("two of its parts are called {}", part.name)));
            }
        }
        Ok(())
    }
}

fn check_part(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let first = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    // The index of a tar is called NAME.index, so that no part may be.
    match first && name.len() <= PART_LIMIT && name.bytes().all(fits) && !name.ends_with(".index") {
        true => Ok(()),
        false => Err(format!(
            "a part's name has at most {PART_LIMIT} letters, digits and `.-_`, a letter or digit first, and does not \
             end in .index; found {name:?}"
        )),
    }
}

impl PartAbout {
    /// The name of the object that holds the part.
    pub fn file(&self, encrypted: bool) -> String {
        format!("{}.zst{}", self.name, if encrypted { ".age" } else { "" })
    }

    /// The name of the object that lists what is in the part.
    pub fn index_file(&self, encrypted: bool) -> String {
        format!("{}.index.zst{}", self.name, if encrypted { ".age" } else { "" })
    }
}

impl Part {
    /// The objects that hold it: itself, and its index.
    pub fn objects(&self) -> impl Iterator<Item = &Stored> {
        std::iter::once(&self.stored).chain(self.index.as_ref().map(|index| &index.stored))
    }
}

impl Manifest {
    /// The manifest of a backup whose parts have arrived.
    pub fn new(
        place: &BackupPath,
        about: BackupAbout,
        recipients: Vec<String>,
        parts: Vec<Part>,
    ) -> Manifest {
        Manifest {
            version: VERSION,
            id: place.id.clone(),
            host: about.host,
            name: about.name,
            playbook: about.playbook,
            run: about.run,
            started: about.started,
            finished: Timestamp::now(),
            windlass: env!("CARGO_PKG_VERSION").to_string(),
            recipients,
            assertion: about.assertion,
            parts,
        }
    }

    /// The text of the file.
    pub fn text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(|error| Failure::new("write a backup's manifest", error))? + "\n")
    }

    /// Reads the text of the manifest at `place`; it must be what [`Manifest::text`] would write.
    pub fn parse(text: &str, place: &BackupPath) -> Result<Manifest, String> {
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if manifest.version != VERSION {
            return Err(format!("it is of version {}, and this windlass reads {VERSION}", manifest.version));
        }
        let here = (&manifest.host, &manifest.name, &manifest.id) == (&place.host, &place.name, &place.id);
        if !here || manifest.text().ok().as_deref() != Some(text) {
            return Err("it is not what was written there".to_string());
        }
        Ok(manifest)
    }

    /// The part of this name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Whether it takes an identity to read it.
    pub fn is_encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// The bytes of all parts as the hosts gave them.
    pub fn plain_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.plain_bytes).sum()
    }

    /// The bytes of all parts as they are stored, without manifest and sums.
    pub fn stored_bytes(&self) -> u64 {
        self.stored().map(|stored| stored.bytes).sum()
    }

    /// The objects of its parts.
    pub fn stored(&self) -> impl Iterator<Item = &Stored> {
        self.parts.iter().flat_map(Part::objects)
    }

    /// What `SHA256SUMS` must hold; `text` is the manifest's own.
    pub fn sums(&self, text: &str) -> Sums {
        let mut sums: BTreeMap<String, Digest> =
            self.stored().map(|stored| (stored.file.clone(), stored.sha256.clone())).collect();
        sums.insert(MANIFEST.to_string(), Digest::of(text.as_bytes()));
        Sums(sums)
    }

    /// Every object of the backup with its size.
    pub fn objects(&self, text: &str) -> BTreeMap<String, u64> {
        let mut objects: BTreeMap<String, u64> =
            self.stored().map(|stored| (stored.file.clone(), stored.bytes)).collect();
        objects.insert(MANIFEST.to_string(), text.len() as u64);
        objects.insert(SUMS.to_string(), self.sums(text).text().len() as u64);
        objects
    }
}
