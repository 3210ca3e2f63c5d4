//! The folder `.windlass` of a project, where its state is: ours alone, unknown to git.

use crate::model::{Doing, Result};
use crate::trust;
use jiff::Timestamp;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes the folder where it is missing, with its `.gitignore`, and closes it to others.
pub fn make(folder: &Path) -> Result<()> {
    let doing = format!("make {}", folder.display());
    match DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).doing(doing),
        _ => {}
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700)).doing(&doing)?;
    trust::check(folder, None, &doing)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").doing(format!("write {}", ignore.display()))?;
    }
    Ok(())
}

/// Makes the file where it is missing, and closes it to others. SQLite gives its side files the same mode.
pub fn make_file(path: &Path) -> Result<()> {
    let doing = format!("open {}", path.display());
    let file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).doing(&doing)?;
    file.set_permissions(Permissions::from_mode(0o600)).doing(&doing)?;
    trust::opened(&file, path, None, doing)
}

/// Whether runs can be recorded there.
pub fn is_writable(folder: &Path) -> bool {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    may(folder) && may(&folder.join("state.db"))
}

/// Copies the database with what was written to it last.
pub fn copy(folder: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(folder.join("state.db"), to.join("state.db"))?;
    match fs::copy(folder.join("state.db-wal"), to.join("state.db-wal")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Which file it is: file system and number; `None` when it is not there.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// Renames a damaged database, and the side files without which it cannot be looked into. Returns its new name.
pub fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf> {
    let aside = with_ending(path, &format!(".corrupt-{}", now.strftime("%Y%m%d-%H%M%S")));
    fs::rename(path, &aside).doing(format!("set {} aside", path.display()))?;
    for ending in ["-wal", "-shm"] {
        match fs::rename(with_ending(path, ending), with_ending(&aside, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).doing(format!("set {}{ending} aside", path.display()));
            }
            _ => {}
        }
    }
    Ok(aside)
}

/// Shows other controllers that a run's controller is alive: the kernel lets go of the lock when it dies.
pub struct Alive {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Alive {
    /// Takes the lock of `run`.
    pub fn hold(folder: &Path, run: &str) -> Result<Alive> {
        let path = path_of(folder, run);
        let doing = format!("lock {}", path.display());
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.doing(&doing)?;
        file.lock().doing(doing)?;
        Ok(Alive { path, _file: file })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // A file that stays behind is not locked, which is what counts.
        let _unlocked_anyway = fs::remove_file(&self.path);
    }
}

/// Whether some controller holds the lock of `run`.
pub fn is_alive(folder: &Path, run: &str) -> bool {
    match File::open(path_of(folder, run)) {
        Ok(file) => matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

fn path_of(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.running"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
