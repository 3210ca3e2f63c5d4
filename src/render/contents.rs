//! Where the bytes are that travel beside a job: in files of the project, or in archives that were unpacked for it.

use crate::model::digest::Digest;
use crate::model::{Doing, Failure, Result};
use crate::store::{BackupStore, Id, Identities};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes that a job's host may ask for. Those of trees are shared by the jobs of all hosts.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Files of the project.
    pub files: BTreeMap<Digest, PathBuf>,
    /// What the job's trees hold.
    pub trees: Vec<Arc<TreeContents>>,
    /// Parts of backups, by the digest of their plain bytes.
    pub backups: BTreeMap<Digest, Stored>,
}

/// A part of a backup in its store.
#[derive(Clone)]
pub struct Stored {
    /// The store.
    pub store: BackupStore,
    /// The backup.
    pub id: Id,
    /// The part's name.
    pub part: String,
    /// What opens it where it is encrypted.
    pub identities: Identities,
    /// Its plain bytes.
    pub size: u64,
}

impl fmt::Debug for Stored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {}", self.part, self.id)
    }
}

/// The bytes of a tree's files.
pub type TreeContents = BTreeMap<Digest, Held>;

/// Where some bytes are.
#[derive(Clone, Debug)]
pub enum Held {
    /// They are a file.
    File(PathBuf),
    /// They are this part of a file that has no name and goes with this process.
    Spooled {
        /// The file.
        spool: Arc<File>,
        /// Where in it.
        offset: u64,
        /// In bytes.
        size: u64,
    },
}

impl Contents {
    /// The bytes that `digest` names.
    pub fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        if let Some(path) = self.files.get(digest) {
            return Held::File(path.clone()).open();
        }
        if let Some(Stored { store, id, part, identities, .. }) = self.backups.get(digest) {
            return Ok(Box::new(store.open_part(id, part, identities)?));
        }
        let missing =
            || Failure::new("send a file", format!("the host asks for {digest}, which is not in its job"));
        self.held(digest).ok_or_else(missing)?.open()
    }

    /// Adds what another job's host may ask for.
    pub fn add(&mut self, other: &Contents) {
        self.files.extend(other.files.clone());
        self.trees.extend(other.trees.iter().cloned());
        self.backups.extend(other.backups.clone());
    }

    /// How many bytes `digest` names, as far as that can be known without reading them.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        if let Some(path) = self.files.get(digest) {
            return Held::File(path.clone()).size();
        }
        match self.backups.get(digest) {
            Some(stored) => Some(stored.size),
            None => self.held(digest)?.size(),
        }
    }

    fn held(&self, digest: &Digest) -> Option<&Held> {
        self.trees.iter().find_map(|tree| tree.get(digest))
    }
}

impl Held {
    /// Opens them.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Held::File(path) => {
                let file = File::open(path).doing(format!("open {}", path.display()))?;
                Ok(Box::new(file))
            }
            Held::Spooled { spool, offset, size } => {
                Ok(Box::new(Part { spool: spool.clone(), offset: *offset, left: *size }))
            }
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Held::File(path) => std::fs::metadata(path).ok().map(|file| file.len()),
            Held::Spooled { size, .. } => Some(*size),
        }
    }
}

/// Reads a part of a file.
struct Part {
    spool: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.spool.read_at(&mut buffer[..most], self.offset)?;
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
