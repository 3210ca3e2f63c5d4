//! Whether a path may be changed: as the user who runs, which check mode must know beforehand, and though users may have
//! given a file of another owner that name.

use super::root::{DirectoryEntry, Reachable, Root, Ruler, kind_of, missing_is_none};
use super::{Local, refused, stat_of};
use crate::model::Result;
use crate::system::FileKind;
use crate::system::walk::{self, Ground, Last, Stop};
use rustix::fs::{self, Access, AtFlags, CWD};
use rustix::io::Errno;
use std::path::Path;

impl Local {
    /// Fails where mode and owner must not be changed of what stands there.
    pub(super) fn check_change(&self, path: &Path) -> Reachable<()> {
        let Some(entry) = missing_is_none(self.find(path, Last::Kept))? else { return Ok(()) };
        let Some(stat) = entry.stat()? else { return Ok(()) };
        self.refuse_hard_link(path, &entry, &stat)
    }

    /// Another name of a file that belongs to another is not read or changed where a user could have made it.
    pub(super) fn refuse_hard_link(
        &self,
        path: &Path,
        entry: &DirectoryEntry,
        stat: &fs::Stat,
    ) -> Reachable<()> {
        if stat.st_nlink < 2 || kind_of(stat) == FileKind::Dir {
            return Ok(());
        }
        let ruler = match entry.ruler {
            Ruler::Known(ruler) => ruler,
            Ruler::NotAsked => self.root.ruler(path)?,
        };
        let name = |uid| walk::called(uid, self.root.user_name(uid));
        let by = match ruler.filter(|uid| *uid != stat.st_uid) {
            Some(uid) => name(uid),
            None if stat_of(&fs::fstat(&entry.folder)?, None).is_shared() => "more than one user".to_string(),
            None => return Ok(()),
        };
        Err(Stop::hard_link(path, &name(stat.st_uid), &by).into())
    }
}

/// Fails where what stands at `path` could not be changed, or, where it `replaces` what is there, not be made: for lack of a
/// permission, on a read-only file system, because of an immutable flag.
pub fn refuse(root: &Root, path: &Path, replaces: bool) -> Result<()> {
    // The kernel's own files are written in place, each with rights of its own.
    let is_kernels = ["/proc", "/sys"].iter().any(|above| path.starts_with(above));
    if !matches!(root, Root::Host) || is_kernels {
        return Ok(());
    }
    let doing = format!("change {}", path.display());
    let parent = path.parent().filter(|_| replaces);
    if let Some(parent) = parent {
        match fs::accessat(CWD, parent, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            // A directory that is still to be made is another question.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(refused(&doing, errno)),
        }
    }
    // Who may not write into a file may replace it all the same.
    match fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW) {
        Err(errno @ (Errno::PERM | Errno::ROFS)) => Err(refused(&doing, errno)),
        _ => Ok(()),
    }
}
