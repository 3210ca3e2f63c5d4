//! The host underneath what unit tests pretend: nothing is there.

use super::fresh;
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, Observed};
use crate::model::{Failure, Result, Values};
use crate::system::{FileKind, Probe, Stat};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A host with an empty root directory, on which every program is missing. Unit tests begin with it.
pub struct Empty;

impl Probe for Empty {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok((path == Path::new("/")).then(|| fresh(FileKind::Dir, 0o755)))
    }

    fn read(&self, _: &Path) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn read_at(&self, path: &Path, _: u64, _: usize) -> Result<Vec<u8>> {
        Err(Failure::new(format!("read {}", path.display()), "there is no such file"))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        match path == Path::new("/") {
            true => Ok(Vec::new()),
            false => Err(Failure::new(format!("list {}", path.display()), "there is no such directory")),
        }
    }

    fn digest(&self, _: &Path) -> Result<Option<Digest>> {
        Ok(None)
    }

    fn ask(&self, _: &Command) -> Result<Answer> {
        Ok(Answer::said(127, ""))
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn observe(&self, _: &Condition) -> Result<Observed> {
        Ok(Observed { holds: false, seen: "nothing is there".to_string(), details: Values::new() })
    }
}
