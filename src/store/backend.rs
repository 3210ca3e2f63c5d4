//! Where the objects of backups lie: what a store needs of a directory or of S3. Everything here waits; callers in async
//! code go through a thread of their own.

use super::id::BackupPath;
use crate::model::Result;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// The objects of all backups of a store.
pub trait Backend: Send + Sync {
    /// What people call it: a path or an URL.
    fn describe(&self) -> String;

    /// Every backup that is in the catalogue, damaged ones too.
    fn places(&self) -> Result<Vec<BackupPath>>;

    /// Whether this backup is in the catalogue.
    fn holds(&self, place: &BackupPath) -> Result<bool>;

    /// Everything that lies in a backup's folder.
    fn objects(&self, place: &BackupPath) -> Result<Vec<Object>>;

    /// The bytes of one object.
    fn read(&self, place: &BackupPath, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Begins a backup, which is in no catalogue before it is committed.
    fn begin(&self, place: &BackupPath) -> Result<Arc<dyn Taking>>;

    /// Removes a backup: from the catalogue first, so that a crash leaves nothing that looks whole.
    fn remove(&self, place: &BackupPath) -> Result<()>;

    /// Removes what takings left behind whose process is gone. Returns what that was.
    fn sweep(&self) -> Result<Vec<String>>;

    /// What was last noted about a host's backups of one name; empty when nothing was.
    fn note(&self, host: &str, name: &str) -> Result<String>;

    /// Replaces that note.
    fn set_note(&self, host: &str, name: &str, text: &str) -> Result<()>;

    /// Makes the store where it is missing, with this text beside the backups for the people who find it.
    fn prepare(&self, readme: &str) -> Result<()>;
}

/// An object of a backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its name in the backup's folder.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

/// A backup that is being taken. Dropped before it is committed, it leaves nothing behind.
pub trait Taking: Send + Sync {
    /// Begins an object. Its name is ours, never a host's.
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>>;

    /// Adds `SHA256SUMS` with this text: the backup is in the catalogue once this returns, and not before everything in
    /// it is durable.
    fn commit(&self, sums: &str) -> io::Result<()>;
}

/// An object that is being written.
pub trait Sink: Write + Send {
    /// Ends it. It is durable once the backup is committed.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
