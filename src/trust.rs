//! Which files of this machine are believed: those that no one can have written but root and the user who runs windlass.
//!
//! A file or directory must belong to root, to us, or under sudo to who called it (as git has it), and no one else may write
//! to it. A group may, when no one else is in it: the private groups that go with umask 002 (as sshd's StrictModes
//! has it on Debian). Below a directory that was trusted, its owner counts as well.

use crate::accounts::Accounts;
use crate::model::op::Command;
use crate::model::{Doing, Failure, Result};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

pub mod directories;
pub mod program;

/// Everyone may write.
const EVERYONE: u32 = 0o002;
/// The group may write.
const GROUP: u32 = 0o020;
/// In such a directory only an owner can rename or remove.
const STICKY: u32 = 0o1000;
/// A secret is larger by mistake only, in bytes.
const SECRET_BYTES: u64 = 1 << 20;
/// Where Linux keeps an access list, which names more users than the mode does.
const ACCESS_LIST: &str = "system.posix_acl_access";

/// Whose files are believed.
#[derive(Debug)]
pub struct Trust {
    users: BTreeSet<u32>,
    accounts: Accounts,
    /// Directories that were trusted, with their owners; or why what was trusted cannot be read.
    directories: Result<Vec<(PathBuf, u32)>>,
}

/// For this process: root, its user, and who called sudo.
static HERE: LazyLock<Trust> = LazyLock::new(|| {
    let own = Trust::of(ourselves(), Ok(Vec::new()));
    let directories = directories::all(&own);
    Trust { directories, ..own }
});

/// Opens a file that is believed. `root`: the project's directory, where there is one; every directory from there to
/// the file is looked at too.
pub fn open(path: &Path, root: Option<&Path>, doing: impl Display) -> Result<File> {
    let file = File::open(path).doing(&doing)?;
    opened(&file, path, root, doing)?;
    Ok(file)
}

/// The text of a file that is believed.
pub fn text(path: &Path, root: Option<&Path>, doing: impl Display) -> Result<String> {
    let mut text = String::new();
    open(path, root, &doing)?.read_to_string(&mut text).doing(doing)?;
    Ok(text)
}

/// Refuses a file that was opened unless it is believed.
pub fn opened(file: &File, path: &Path, root: Option<&Path>, doing: impl Display) -> Result<()> {
    HERE.check(path, &file.metadata().doing(&doing)?, root, &doing)
}

/// Refuses a directory or a program that is not believed.
pub fn check(path: &Path, root: Option<&Path>, doing: impl Display) -> Result<()> {
    let meta = fs::metadata(path).doing(&doing)?;
    HERE.check(path, &meta, root, &doing)
}

/// Refuses an entry of a tree, whose top was checked, unless it is believed.
pub fn entry(path: &Path, meta: &Metadata, top: &Path, doing: impl Display) -> Result<()> {
    HERE.entry(path, meta, top, &doing)
}

/// Refuses a project's directory unless it is believed.
pub fn project(root: &Path, doing: impl Display) -> Result<()> {
    let meta = fs::metadata(root).doing(&doing)?;
    HERE.project(root, &meta, &doing)
}

/// The text of a file that holds a secret, which only its owner may read.
pub fn secret(path: &Path, root: Option<&Path>, doing: impl Display) -> Result<String> {
    let file = open(path, root, &doing)?;
    let meta = file.metadata().doing(&doing)?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        let why = format!("others may read {}", path.display());
        return Err(Failure::new(doing, why).hint(Command::new(["chmod", "600", &shown(path)]).shown()));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES).read_to_string(&mut text).doing(doing)?;
    Ok(text)
}

/// Root, our user, and who called sudo.
fn ourselves() -> Vec<u32> {
    let own = rustix::process::geteuid().as_raw();
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| own == 0);
    [0, own].into_iter().chain(caller).collect()
}

/// What is wrong with a file or directory.
enum Fault {
    /// It belongs to another user.
    Owner,
    /// These may write to it: "everyone", "the group ops".
    Writers { who: String, mode: &'static str },
}

impl Trust {
    /// These users' files, and what is below these directories.
    pub fn of(users: impl IntoIterator<Item = u32>, directories: Result<Vec<(PathBuf, u32)>>) -> Trust {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let accounts =
            Accounts { passwd: text(crate::accounts::PASSWD), group: text(crate::accounts::GROUP) };
        Trust { users: users.into_iter().collect(), accounts, directories }
    }

    /// Refuses what is at `path`, of which `meta` was read, and the directories that lead to it.
    fn check(&self, path: &Path, meta: &Metadata, root: Option<&Path>, doing: &dyn Display) -> Result<()> {
        if is_descriptor(path) {
            return Ok(());
        }
        // A file that was removed meanwhile has no name.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if let Some(fault) = self.fault(&real, meta) {
            return Err(self.refused(fault, "it", path, meta, doing));
        }
        if !meta.is_file() && !meta.is_dir() {
            return Ok(());
        }
        ways(path, &real, root).iter().try_for_each(|directory| self.way(directory, root, doing))
    }

    /// A directory on the way: of the project, as strictly as what is in it; elsewhere no one may exchange what is in it.
    fn way(&self, directory: &Path, root: Option<&Path>, doing: &dyn Display) -> Result<()> {
        let meta = fs::metadata(directory).doing(doing)?;
        let fault = match root.is_some_and(|root| directory.starts_with(root)) {
            true => self.fault(directory, &meta),
            false if meta.mode() & STICKY != 0 => None,
            false => self.everyone(&meta),
        };
        match fault {
            Some(fault) => {
                let name = format!("the directory {}", directory.display());
                Err(self.refused(fault, &name, directory, &meta, doing))
            }
            None => Ok(()),
        }
    }

    fn entry(&self, path: &Path, meta: &Metadata, top: &Path, doing: &dyn Display) -> Result<()> {
        match self.fault(path, meta) {
            // The mode of a link means nothing.
            Some(Fault::Writers { .. }) if meta.is_symlink() => Ok(()),
            // Most likely it is so of many files.
            Some(fault) => Err(self.refused(fault, "it", top, meta, doing)),
            None => Ok(()),
        }
    }

    fn project(&self, root: &Path, meta: &Metadata, doing: &dyn Display) -> Result<()> {
        let Some(fault) = self.fault(root, meta) else { return Ok(()) };
        if let (Fault::Owner, Err(why)) = (&fault, &self.directories) {
            return Err(why.clone());
        }
        let failure = self.refused(fault, "it", root, meta, doing);
        if self.is_ours(root, meta) {
            return Err(failure);
        }
        let root = shown(root);
        let trust = Command::new(["windlass", "trust", &root]).shown();
        let owner = self.user(meta.uid());
        let hint =
            format!("if you trust {owner}, run {trust}, or set WINDLASS_TRUST={root} in CI and containers");
        Err(failure.hint(hint))
    }

    fn is_ours(&self, path: &Path, meta: &Metadata) -> bool {
        let is_below =
            |(directory, owner): &(PathBuf, u32)| path.starts_with(directory) && *owner == meta.uid();
        self.users.contains(&meta.uid())
            || self.directories.as_ref().is_ok_and(|trusted| trusted.iter().any(is_below))
    }

    /// What is wrong with it. `path` is without links.
    fn fault(&self, path: &Path, meta: &Metadata) -> Option<Fault> {
        if !self.is_ours(path, meta) {
            return Some(Fault::Owner);
        }
        if meta.is_symlink() || !meta.is_file() && !meta.is_dir() {
            return None;
        }
        let by_group = meta.mode() & GROUP != 0 && !self.is_private(path, meta);
        match (self.everyone(meta), by_group) {
            (Some(Fault::Writers { who, .. }), true) => Some(Fault::Writers { who, mode: "go-w" }),
            (None, true) => {
                let group = self.accounts.group(&meta.gid().to_string());
                let name = group.map_or_else(|| meta.gid().to_string(), |group| group.name);
                Some(Fault::Writers { who: format!("the group {name}"), mode: "g-w" })
            }
            (fault, _) => fault,
        }
    }

    fn everyone(&self, meta: &Metadata) -> Option<Fault> {
        let writable = meta.mode() & EVERYONE != 0;
        writable.then(|| Fault::Writers { who: "everyone".to_string(), mode: "o-w" })
    }

    /// Whether no one else is in its group, nor in an access list.
    fn is_private(&self, path: &Path, meta: &Metadata) -> bool {
        let all = self.accounts.everyone_in(meta.gid());
        let known: Vec<String> = self.users.iter().chain([&meta.uid()]).map(|uid| self.user(*uid)).collect();
        !all.is_empty() && all.iter().all(|name| known.contains(name)) && !has_access_list(path)
    }

    /// The name of a user, or its number.
    fn user(&self, uid: u32) -> String {
        self.accounts.user_of(uid).map_or_else(|| format!("uid {uid}"), |user| user.name)
    }

    /// A user as chown takes it.
    fn account(&self, uid: u32) -> String {
        self.accounts.user_of(uid).map_or_else(|| uid.to_string(), |user| user.name)
    }

    fn refused(
        &self,
        fault: Fault,
        what: &str,
        path: &Path,
        meta: &Metadata,
        doing: &dyn Display,
    ) -> Failure {
        let (owner, mode) = (self.user(meta.uid()), meta.mode() & 0o7777);
        let path = shown(path);
        let (why, words) = match &fault {
            Fault::Owner => {
                let ours: Vec<String> = self.users.iter().map(|uid| self.user(*uid)).collect();
                let why = format!(
                    "{what} belongs to {owner} (mode {mode:04o}), and only files of {} are read",
                    ours.join(" and ")
                );
                (why, ["chown".to_string(), self.account(self.users.last().copied().unwrap_or(0))])
            }
            Fault::Writers { who, mode: change } => {
                let why = format!("{who} may write to {what} (owner {owner}, mode {mode:04o})");
                (why, ["chmod", change].map(str::to_string))
            }
        };
        let deep = fs::metadata(&path).is_ok_and(|meta| meta.is_dir()).then(|| "-R".to_string());
        let [program, change] = words;
        let root = rustix::process::geteuid().is_root() || program == "chmod" && self.is_own(meta);
        let sudo = (!root).then(|| "sudo".to_string());
        let command = sudo.into_iter().chain([program]).chain(deep).chain([change, path]);
        let hint = format!("look whether it is as you left it, then run {}", Command::new(command).shown());
        Failure::new(doing, why).hint(hint)
    }

    fn is_own(&self, meta: &Metadata) -> bool {
        meta.uid() == rustix::process::geteuid().as_raw()
    }
}

/// The directories that lead to a file: those of the project, from its own on, and elsewhere the one that it is in. Both as
/// the path is written and where it ends.
fn ways(path: &Path, real: &Path, root: Option<&Path>) -> BTreeSet<PathBuf> {
    let plain =
        |path: &&Path| path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    let of = |path: &Path| -> Vec<PathBuf> {
        let above = path.ancestors().skip(1).map(Path::to_path_buf);
        match root {
            Some(root) if path == root => Vec::new(),
            Some(root) if path.starts_with(root) => above.take_while(|path| path.starts_with(root)).collect(),
            _ => above.take(1).collect(),
        }
    };
    [path, real].iter().filter(|path| plain(path)).flat_map(|path| of(path)).collect()
}

/// Whether a path names what this process was given open: `/dev/stdin`, or `/dev/fd/63` for a shell's `<(…)`.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || ["/dev/fd", "/proc/self/fd"].iter().any(|fds| path.starts_with(fds))
}

fn has_access_list(path: &Path) -> bool {
    let mut list = [0; 1024];
    // One that is too large to be read is there all the same.
    match rustix::fs::getxattr(path, ACCESS_LIST, &mut list) {
        Ok(_) | Err(rustix::io::Errno::RANGE) => true,
        Err(_) => false,
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests;
