//! The encrypted files of a project: which there are, and how one is replaced.

use super::identities::MAX_BYTES;
use crate::model::{Doing, Failure, Result};
use crate::system::reason;
use crate::trust;
use rustix::fs::FlockOperation;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where they are, below the project.
pub const FOLDER: &str = "secrets";

/// The name of the file that new secrets go to.
pub const MAIN: &str = "main";

const ENDING: &str = ".toml.age";

/// An encrypted file as it is.
pub struct Sealed {
    /// Without directory and ending: `main`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// As they are on disk.
    pub bytes: Vec<u8>,
}

/// The path of a file.
pub fn path_of(root: &Path, name: &str) -> PathBuf {
    root.join(FOLDER).join(format!("{name}{ENDING}"))
}

/// Who holds it is alone in changing the files. It ends with its value.
pub struct Lock {
    _held: Option<fs::File>,
}

/// Waits until no one else changes the files, which takes them an instant.
pub fn lock(root: &Path) -> Result<Lock> {
    let folder = root.join(FOLDER);
    let doing = format!("lock {}", folder.display());
    fs::create_dir_all(&folder).doing(&doing)?;
    let file = fs::File::open(&folder).doing(&doing)?;
    // Some network file systems lock no directories. The comparison before each change is what is left there.
    let held = rustix::fs::flock(&file, FlockOperation::LockExclusive).is_ok();
    Ok(Lock { _held: held.then_some(file) })
}

/// All files, by name.
pub fn all(root: &Path) -> Result<Vec<Sealed>> {
    let folder = root.join(FOLDER);
    let doing = format!("list {}", folder.display());
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).doing(&doing)? {
        let name = entry.doing(&doing)?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(ENDING).filter(|name| !name.starts_with('.')).map(str::to_string));
    }
    names.sort();
    let read = |name: String| {
        let path = path_of(root, &name);
        Ok(Sealed { bytes: read(&path)?, name, path })
    };
    names.into_iter().map(read).collect()
}

/// A file's bytes.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = format!("read {}", path.display());
    let file = trust::open(path, path.parent().and_then(Path::parent), &doing)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).doing(&doing)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(Failure::new(doing, format!("it is larger than {} MiB", MAX_BYTES >> 20))),
        false => Ok(bytes),
    }
}

impl Lock {
    /// Replaces a file as a whole, or creates it: its mode stays, and a reader sees the old bytes or the new ones.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        replace(path, bytes)
    }
}

/// The same for a file of which there is only one writer.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = format!("write {}", path.display());
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).doing(&doing)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).doing(&doing)?;
    file.write_all(bytes).doing(&doing)?;
    if let Ok(before) = fs::metadata(path) {
        let mode = fs::Permissions::from_mode(before.permissions().mode() & 0o777);
        file.as_file().set_permissions(mode).doing(&doing)?;
    }
    file.as_file().sync_all().doing(&doing)?;
    file.persist(path).map_err(|error| reason::plain(&error.error)).doing(&doing)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).doing(doing)
}
