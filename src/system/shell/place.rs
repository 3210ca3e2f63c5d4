//! Paths as the script takes them: a folder it can enter, and a name in it.

use super::Shell;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Stat, followed, temporary_stem};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A folder and a name in it.
pub struct Place {
    /// What the script enters.
    pub folder: PathBuf,
    /// What it then changes; `.` for the folder itself.
    pub name: Vec<u8>,
}

impl Place {
    /// The place of a path.
    pub fn of(path: &Path, doing: &str) -> Result<Self> {
        whole(path, doing)?;
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Ok(Place { folder: folder.into(), name: name.as_bytes().to_vec() }),
            _ => Ok(Place { folder: path.into(), name: b".".to_vec() }),
        }
    }

    /// `.NAME.windlass-XXXXXXXX`, hidden and next to the file it becomes.
    pub fn temporary(&self) -> Vec<u8> {
        let random = format!("{:08x}", rand::random::<u32>());
        [temporary_stem(OsStr::from_bytes(&self.name)), random.into_bytes()].concat()
    }
}

impl Shell {
    /// Where a path really ends, which must be nothing or of this kind.
    pub(super) fn place(&self, path: &Path, kind: FileKind, doing: &str) -> Result<(Place, Option<Stat>)> {
        let (path, stat) = followed(self, path)?;
        match &stat {
            Some(stat) if stat.kind != kind => Err(Failure::new(
                doing,
                format!("a {} is there, not a {}", stat.kind.as_str(), kind.as_str()),
            )),
            _ => Ok((Place::of(&path, doing)?, stat)),
        }
    }
}

/// The path's bytes without a slash or dot at their end, which would follow a link.
pub fn whole(path: &Path, doing: &str) -> Result<Vec<u8>> {
    if !path.is_absolute() {
        return Err(Failure::new(doing, "a path on a host must begin with /"));
    }
    let path: PathBuf = path.components().collect();
    let bytes = path.into_os_string().into_vec();
    refuse_nul(&bytes, doing)?;
    Ok(bytes)
}

/// A NUL cannot be in a path or an argument.
pub fn refuse_nul(bytes: &[u8], doing: &str) -> Result<()> {
    if bytes.contains(&0) {
        return Err(Failure::new(doing, "a path or word holds a NUL byte"));
    }
    Ok(())
}
