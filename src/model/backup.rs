//! A backup as host and controller speak of it: what the host streams, what is said meanwhile, and the answer.
//!
//! The controller knows from the job which backup of which parts comes; nothing that a host says names anything.

use super::Value;
use super::digest::Digest;
use super::failure::Failure;
use super::keep::Keep;
use super::op::{Accept, Command};
use serde::{Deserialize, Serialize};

/// A backup: streams that are kept together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// What people call it, beside its host.
    pub name: String,
    /// In the order in which they are sent.
    pub parts: Vec<Part>,
}

/// The part that holds what only the host knows of the other parts, as JSON.
pub const ABOUT: &str = "about.json";

/// What a step's keys say of a backup: what the controller must know before the host sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What people call it.
    pub name: String,
    /// The store; the project's own when not given.
    pub store: Option<String>,
    /// Which older ones are kept; all when not given.
    pub keep: Option<Keep>,
    /// Whom it is encrypted to, when not as the store says.
    pub recipients: Vec<String>,
    /// What a restore test asks of each database that has no question of its own.
    pub assertion: Option<String>,
    /// Its parts, in the order in which they are sent. Two never have one name.
    pub parts: Vec<Planned>,
}

/// A part as the keys have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its name and kind.
    pub label: Label,
    /// What it is taken from, for whom it is restored by. No secret is in it.
    pub from: Value,
}

/// One stream of a backup: what a command writes to its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Names it in the backup, and says what it is.
    pub label: Label,
    /// Writes it.
    pub command: Command,
    /// Exit statuses that are fine. One that is not 0 is reported, with the command's last words.
    pub accept: Accept,
}

/// A part's name and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// A plain file's name: `postgres-shop.dump`.
    pub name: String,
    /// What the bytes are.
    pub kind: PartKind,
}

/// What the bytes of a part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A tree of files, as tar writes it.
    Tar,
    /// PostgreSQL's custom format, for `pg_restore`.
    PgDump,
    /// SQL text.
    Sql,
    /// What Redis keeps on disk.
    Rdb,
    /// JSON text.
    Json,
}

impl PartKind {
    /// The word that programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            PartKind::Tar => "tar",
            PartKind::PgDump => "pgdump",
            PartKind::Sql => "sql",
            PartKind::Rdb => "rdb",
            PartKind::Json => "json",
        }
    }

    /// How the name of such a part ends.
    pub fn ending(self) -> &'static str {
        match self {
            PartKind::PgDump => "dump",
            other => other.as_str(),
        }
    }
}

/// What a host says of a backup, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It begins.
    Begin,
    /// The part of this name begins.
    Part { name: String },
    /// A piece of the part, compressed by zstd.
    Piece {
        #[serde(with = "serde_bytes")]
        chunk: Vec<u8>,
    },
    /// The part has ended. So many bytes went into the compression, and this is their digest.
    PartEnd { bytes: u64, digest: Digest },
    /// All parts were sent. The host waits for the answer.
    Commit,
    /// Something failed there: nothing of it is to be kept.
    GivenUp,
}

/// What the controller answers once the backup is in its store, or cannot be any more.
pub type Answered = Result<Kept, Failure>;

/// A backup that is in the store, whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name in the store.
    pub id: String,
    /// What it takes there, in bytes.
    pub stored: u64,
    /// What the reader should know, for example which older ones were dropped.
    pub notes: Vec<String>,
}
