//! Paths as the script takes them: a directory it can enter, and a name in it. The script follows no link; where there is one,
//! the path is walked here, by the same rule as everywhere.

use super::Shell;
use super::listing;
use super::told::{is_absent, refused};
use super::wire::{Reply, Request};
use crate::model::{Failure, Result};
use crate::system::walk::{self, ByPath, Last, Reached, Stop};
use crate::system::{FileKind, Probe, Stat, temporary_stem};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A directory and a name in it.
pub struct Location {
    /// What the script enters.
    pub folder: PathBuf,
    /// What it then changes; `.` for the directory itself.
    pub name: Vec<u8>,
}

impl Location {
    /// The place of a path.
    pub fn of(path: &Path, doing: &str) -> Result<Self> {
        whole(path, doing)?;
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => {
                Ok(Location { folder: folder.into(), name: name.as_bytes().to_vec() })
            }
            _ => Ok(Location { folder: path.into(), name: b".".to_vec() }),
        }
    }

    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.folder.join(OsStr::from_bytes(&self.name))
    }

    /// A request about it.
    pub fn request(&self, verb: &str) -> Request {
        Request::new(verb).word(self.folder.as_os_str().as_bytes()).word(&self.name)
    }

    /// `.NAME.windlass-XXXXXXXX`, hidden and next to the file it becomes.
    pub fn temporary(&self) -> Vec<u8> {
        let random = format!("{:08x}", rand::random::<u32>());
        [temporary_stem(OsStr::from_bytes(&self.name)), random.into_bytes()].concat()
    }
}

/// The script found a link on the way, or at the end.
pub const HAS_LINKS: i32 = 94;

/// The kernel's link to whatever process looks: it leads elsewhere at each look, so it is walked as the directory that it
/// leads to. No user can change it.
const PROC_SELF: &str = "/proc/self";

/// Why an answer about a path cannot be read.
pub const UNKNOWN_LISTING: &str = "its ls prints something else than POSIX says";

/// The script found a file that has more than one name.
const IS_LINKED: i32 = 95;

fn as_directory(stat: Stat) -> Stat {
    Stat { kind: FileKind::Dir, target: None, ..stat }
}

impl Shell {
    /// Where a path really ends, which must be nothing or of this kind.
    pub(super) fn location(
        &self,
        path: &Path,
        kind: FileKind,
        doing: &str,
    ) -> Result<(Location, Option<Stat>)> {
        let (mut path, mut stat) = self.look_at(path)?;
        if stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Link) {
            path = self.reach(&path, Last::Followed)?.path;
            stat = self.look_at(&path)?.1;
        }
        match &stat {
            Some(stat) if stat.kind != kind => Err(Failure::new(
                doing,
                format!("a {} is there, not a {}", stat.kind.as_str(), kind.as_str()),
            )),
            _ => Ok((Location::of(&path, doing)?, stat)),
        }
    }

    /// What stands at a path, and the path without links in its directories.
    pub(super) fn look_at(&self, path: &Path) -> Result<(PathBuf, Option<Stat>)> {
        let doing = format!("look at {}", path.display());
        let mut path: PathBuf = path.components().collect();
        let mut reply = self.stat_reply(&path, &doing)?;
        if reply.status == HAS_LINKS {
            path = self.reach(&path, Last::Kept)?.path;
            reply = self.stat_reply(&path, &doing)?;
        }
        match reply.status {
            0 => Ok((path, Some(stat_in(&reply, &doing)?))),
            _ if is_absent(&reply) => Ok((path, None)),
            _ => Err(refused(&doing, &reply)),
        }
    }

    fn stat_reply(&self, path: &Path, doing: &str) -> Result<Reply> {
        self.ask_script(&Location::of(path, doing)?.request("stat"), b"", doing)
    }

    /// Walks a path, a name at a time.
    pub(super) fn reach(&self, path: &Path, last: Last) -> Result<Reached<PathBuf>> {
        let look = |path: &Path| -> Result<Option<Stat>> {
            let doing = format!("look at {}", path.display());
            let reply = self.stat_reply(path, &doing)?;
            match reply.status {
                0 if path == Path::new(PROC_SELF) => Ok(Some(as_directory(stat_in(&reply, &doing)?))),
                0 => stat_in(&reply, &doing).map(Some),
                _ if is_absent(&reply) => Ok(None),
                _ => Err(refused(&doing, &reply)),
            }
        };
        let doing = format!("follow {}", path.display());
        ByPath::new(look, self.runs_as(), self, doing).reach(path, last)
    }

    /// Asks about, or changes, what a path names. Links are followed as `last` says.
    pub(super) fn at(
        &self,
        path: &Path,
        last: Last,
        doing: &str,
        content: &[u8],
        request: &dyn Fn(&Location, &str) -> Request,
    ) -> Result<Reply> {
        let mut path: PathBuf = path.components().collect();
        let mut reply = self.ask_script(&request(&Location::of(&path, doing)?, ""), content, doing)?;
        if reply.status == HAS_LINKS {
            path = self.reach(&path, last)?.path;
            reply = self.ask_script(&request(&Location::of(&path, doing)?, ""), content, doing)?;
        }
        if is_linked(&reply) {
            self.refuse_hard_link(&path, doing)?;
            reply = self.ask_script(&request(&Location::of(&path, doing)?, "_linked"), content, doing)?;
        }
        Ok(reply)
    }

    /// A file that has more than one name is only worked where no user could have given it this one.
    pub(super) fn refuse_hard_link(&self, path: &Path, doing: &str) -> Result<()> {
        let reached = self.reach(path, Last::Kept)?;
        let Some(stat) = self.look_at(&reached.path)?.1 else { return Ok(()) };
        let above = self.look_at(&reached.directory)?.1;
        let name = |uid| walk::called(uid, self.user_name(uid));
        let by = match reached.ruler.filter(|uid| *uid != stat.owner) {
            Some(uid) => name(uid),
            None if above.is_some_and(|above| above.is_shared()) => "more than one user".to_string(),
            None => return Ok(()),
        };
        Err(Stop::hard_link(path, &name(stat.owner), &by).while_doing(doing))
    }

    /// The same for a file that may have one name only, which the listing says.
    pub(super) fn refuse_hard_link_there(&self, path: &Path, doing: &str) -> Result<()> {
        let reply =
            self.at(path, Last::Kept, doing, b"", &|at, suffix| at.request(&format!("names{suffix}")))?;
        if reply.status == 0 || is_absent(&reply) { Ok(()) } else { Err(refused(doing, &reply)) }
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        let text = self.read(Path::new("/etc/passwd")).ok()??;
        walk::name_in(&String::from_utf8_lossy(&text), uid)
    }
}

/// Whether the script stopped because a file has more than one name.
pub fn is_linked(reply: &Reply) -> bool {
    reply.status == IS_LINKED
}

fn stat_in(reply: &Reply, doing: &str) -> Result<Stat> {
    let part = |index: usize| reply.parts.get(index).map(Vec::as_slice).unwrap_or_default();
    let stat = listing::parse(part(0), part(1));
    stat.ok_or_else(|| Failure::new(doing, UNKNOWN_LISTING))
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
