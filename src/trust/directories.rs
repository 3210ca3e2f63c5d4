//! The directories of other users that were trusted: by `windlass trust DIR`, or by `WINDLASS_TRUST=DIR[:DIR]`. Whatever
//! belongs to a directory's owner is believed below it, as with git's `safe.directory`.

use super::Trust;
use crate::model::{Doing, Failure, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names directories, separated by `:`. Only absolute ones count: what a relative one means is up to who chooses the
/// current directory.
pub const VARIABLE: &str = "WINDLASS_TRUST";

/// The file with one directory on each line, in our own state.
const FILE: &str = "windlass/trusted";

/// No one trusts more, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The trusted directories that are there, with their owners.
pub(super) fn all(own: &Trust) -> Result<Vec<(PathBuf, u32)>> {
    let named = std::env::var_os(VARIABLE).unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| path.is_absolute());
    let kept = match file() {
        Ok(path) => kept(&path, own)?,
        Err(_) => Vec::new(),
    };
    let found = |path: PathBuf| {
        let path = path.canonicalize().ok()?;
        let owner = fs::metadata(&path).ok()?.uid();
        Some((path, owner))
    };
    Ok(named.chain(kept).filter_map(found).collect())
}

/// Those that `windlass trust` keeps for us.
pub fn list() -> Result<Vec<PathBuf>> {
    kept(&file()?, &Trust::of(super::ourselves(), Ok(Vec::new())))
}

/// Keeps a directory. Returns it without links, and the name of its owner.
pub fn add(directory: &Path) -> Result<(PathBuf, String)> {
    let doing = format!("trust {}", directory.display());
    let real = directory.canonicalize().doing(&doing)?;
    let meta = fs::metadata(&real).doing(&doing)?;
    if !meta.is_dir() {
        return Err(Failure::new(doing, "it is a file").hint("name the project's directory"));
    }
    if real.to_str().is_none_or(|text| text.contains('\n')) {
        return Err(Failure::new(doing, "its name is no line of UTF-8 text"));
    }
    let mut all = list()?;
    if !all.contains(&real) {
        all.push(real.clone());
        write(&all).doing(doing)?;
    }
    Ok((real, super::HERE.user(meta.uid())))
}

/// Forgets a directory, which need not exist any more. `false`: it was not trusted.
pub fn remove(directory: &Path) -> Result<bool> {
    let absolute = directory.canonicalize().or_else(|_| std::path::absolute(directory));
    let absolute = absolute.doing(format!("find {}", directory.display()))?;
    let all = list()?;
    let left: Vec<PathBuf> = all.iter().filter(|known| **known != absolute).cloned().collect();
    if left.len() == all.len() {
        return Ok(false);
    }
    write(&left).doing(format!("forget {}", absolute.display()))?;
    Ok(true)
}

fn kept(path: &Path, own: &Trust) -> Result<Vec<PathBuf>> {
    let doing = format!("read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.doing(&doing)?,
    };
    own.check(path, &file.metadata().doing(&doing)?, path.parent(), &doing)?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).doing(doing)?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect())
}

fn write(directories: &[PathBuf]) -> Result<()> {
    let path = file()?;
    let doing = format!("write {}", path.display());
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).doing(&doing)?;
    let mut text = tempfile::NamedTempFile::new_in(directory).doing(&doing)?;
    for directory in directories {
        writeln!(text, "{}", directory.display()).doing(&doing)?;
    }
    text.persist(&path).doing(doing)?;
    Ok(())
}

fn file() -> Result<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let none = || Failure::new("find our own state", "neither HOME nor XDG_STATE_HOME is an absolute path");
    Ok(state.ok_or_else(none)?.join(FILE))
}
