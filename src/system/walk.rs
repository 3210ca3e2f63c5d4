//! The rule by which paths are followed on a host, as systemd's tmpfiles has it: a link that an unprivileged user
//! controls must not point to anything of another owner. Links of root, and of the user whom windlass runs as, may point
//! anywhere, as long as they do not stand in a directory that belongs to another user.
//!
//! The walk goes from the root, one name at a time. What a directory is, and how one is entered, is the system's: the
//! agent holds descriptors, the others name directories by paths that hold no link.

use super::{FileKind, Probe, Stat};
use crate::model::{Failure, Result};
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// A path with more links than this, one behind another, is a loop; the kernel's own bound.
pub const LINK_LIMIT: usize = 40;

/// What to try when a link is not followed.
const HINT: &str = "a user's link may only point to what that user owns: name the real path instead, or let root make \
                    the link in a directory of root's";

/// What a walk needs of a host.
pub trait Ground {
    /// A directory that has been reached.
    type Directory: Clone;
    /// Why something could not be looked at.
    type Error: From<Stop>;

    /// Whom windlass runs as there.
    fn runs_as(&self) -> u32;

    /// The root directory and its owner.
    fn top(&self) -> Result<(Self::Directory, u32), Self::Error>;

    /// What stands under a name; `None` when there is nothing.
    fn look(&self, directory: &Self::Directory, name: &OsStr) -> Result<Option<Node>, Self::Error>;

    /// Enters a directory, following no link, and says whose it is; `None` when it is none by now.
    fn enter(
        &self,
        directory: &Self::Directory,
        name: &OsStr,
    ) -> Result<Option<(Self::Directory, u32)>, Self::Error>;

    /// The name of a user, for messages.
    fn user_name(&self, uid: u32) -> Option<String>;
}

/// What stands under a name.
#[derive(Clone, Debug)]
pub struct Node {
    /// File, directory, link or something else.
    pub kind: FileKind,
    /// User id.
    pub owner: u32,
    /// Where a link points.
    pub target: Option<PathBuf>,
}

/// Whether a link in the last part of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// The path names the link itself.
    Kept,
    /// The path names what the link points to.
    Followed,
}

/// Why a walk stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There are too many links, one behind another.
    Loop,
    /// A user controls what is on the way; the words name link, owner and target.
    Unsafe(String),
    /// A user may have given a file of another owner one more name; the words name path, owner and user.
    HardLink(String),
}

/// Where a path ends.
#[derive(Debug)]
pub struct Reached<D> {
    /// The directory that holds it.
    pub directory: D,
    /// Its path, without a link in it.
    pub path: PathBuf,
    /// Its name there; `.` for the directory itself.
    pub name: OsString,
    /// The user who controls a directory on the way, and so what stands at that path.
    pub ruler: Option<u32>,
    /// Whether a directory on the way is missing, or is none. Then `directory` is the last one that is there.
    pub is_cut_off: bool,
}

/// A user's directory on the way.
#[derive(Clone, Debug)]
struct Ruler {
    uid: u32,
    top: PathBuf,
}

struct Frame<D> {
    directory: D,
    name: OsString,
    owner: u32,
    ruler: Option<Ruler>,
}

/// How a walk ended, in the directory that is then on top.
enum End {
    Entry(OsString, Option<Node>),
    Here,
    /// What is left of the path.
    CutOff(PathBuf),
}

struct Walk<'a, G: Ground> {
    ground: &'a G,
    frames: Vec<Frame<G::Directory>>,
    links: usize,
}

/// Follows `path`, which begins at the root.
pub fn reach<G: Ground>(ground: &G, path: &Path, last: Last) -> Result<Reached<G::Directory>, G::Error> {
    let (directory, owner) = ground.top()?;
    let top = Frame { directory, name: OsString::from("/"), owner, ruler: None };
    let mut walk = Walk { ground, frames: vec![top], links: 0 };
    let end = walk.follow(path, last)?;
    Ok(walk.reached(end))
}

impl<G: Ground> Walk<'_, G> {
    fn follow(&mut self, path: &Path, last: Last) -> Result<End, G::Error> {
        let parts: Vec<Component> = path.components().collect();
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            let name = match part {
                Component::Normal(name) => *name,
                Component::ParentDir if self.frames.len() > 1 => {
                    self.frames.pop();
                    continue;
                }
                Component::RootDir => {
                    self.frames.truncate(1);
                    continue;
                }
                _ => continue,
            };
            let node = self.ground.look(&self.top().directory, name)?;
            let rest = || parts[index..].iter().collect::<PathBuf>();
            match node {
                Some(Node { kind: FileKind::Link, owner, target: Some(target) })
                    if !is_last || last == Last::Followed =>
                {
                    let end = self.through(name, owner, &target)?;
                    if is_last {
                        return Ok(end);
                    }
                    let is_entered = match &end {
                        End::Entry(name, Some(_)) => self.enter(name)?,
                        End::Here => true,
                        End::Entry(_, None) | End::CutOff(_) => false,
                    };
                    if !is_entered {
                        return Ok(End::CutOff(rest()));
                    }
                }
                node if is_last => return Ok(End::Entry(name.to_owned(), node)),
                Some(Node { kind: FileKind::Dir, .. }) if self.enter(name)? => {}
                _ => return Ok(End::CutOff(rest())),
            }
        }
        Ok(End::Here)
    }

    /// Follows a link and holds what it points to against the rule.
    fn through(&mut self, name: &OsStr, owner: u32, target: &Path) -> Result<End, G::Error> {
        self.links += 1;
        if self.links > LINK_LIMIT {
            return Err(Stop::Loop.into());
        }
        let link = self.here().join(name);
        let ruler = self.top().ruler.clone();
        let end = self.follow(target, Last::Followed)?;
        let (to, to_owner, is_there) = match &end {
            End::Entry(name, Some(node)) => (self.here().join(name), node.owner, true),
            End::Here => (self.here(), self.top().owner, true),
            End::Entry(name, None) => (self.here().join(name), self.top().owner, false),
            End::CutOff(rest) => (self.here().join(rest), self.top().owner, false),
        };
        let is_anothers = !self.is_trusted(owner) && to_owner != owner;
        let leaves = ruler.as_ref().filter(|ruler| to_owner != ruler.uid && !to.starts_with(&ruler.top));
        let whose = match (is_anothers, leaves) {
            (true, _) => format!("that belongs to {}", self.called(owner)),
            (false, Some(ruler)) => {
                format!("in {}, which belongs to {},", ruler.top.display(), self.called(ruler.uid))
            }
            (false, None) => return Ok(end),
        };
        let end = if is_there { "which belongs" } else { "in a directory that belongs" };
        let (link, to, to_owner) = (link.display(), to.display(), self.called(to_owner));
        let words = format!("{link} is a symbolic link {whose} and points to {to}, {end} to {to_owner}");
        Err(Stop::Unsafe(words).into())
    }

    fn enter(&mut self, name: &OsStr) -> Result<bool, G::Error> {
        let Some((directory, owner)) = self.ground.enter(&self.top().directory, name)? else {
            return Ok(false);
        };
        let ruler = match &self.top().ruler {
            Some(ruler) => Some(ruler.clone()),
            None if self.is_trusted(owner) => None,
            None => Some(Ruler { uid: owner, top: self.here().join(name) }),
        };
        self.frames.push(Frame { directory, name: name.to_owned(), owner, ruler });
        Ok(true)
    }

    fn reached(mut self, end: End) -> Reached<G::Directory> {
        let above = self.here();
        let ruler = self.top().ruler.as_ref().map(|ruler| ruler.uid);
        let is_cut_off = matches!(end, End::CutOff(_));
        let (path, name) = match end {
            End::Entry(name, _) => (above.join(&name), name),
            End::CutOff(rest) => (above.join(&rest), rest.into_os_string()),
            End::Here if self.frames.len() == 1 => (above, OsString::from(".")),
            End::Here => {
                let name = self.frames.pop().map(|frame| frame.name).unwrap_or_default();
                (above, name)
            }
        };
        Reached { directory: self.top().directory.clone(), path, name, ruler, is_cut_off }
    }

    /// Where the walk is, without a link.
    fn here(&self) -> PathBuf {
        self.frames.iter().map(|frame| Path::new(&frame.name)).collect()
    }

    fn top(&self) -> &Frame<G::Directory> {
        // The frame of the root is never popped.
        &self.frames[self.frames.len() - 1]
    }

    fn is_trusted(&self, owner: u32) -> bool {
        owner == 0 || owner == self.ground.runs_as()
    }

    fn called(&self, uid: u32) -> String {
        called(uid, self.ground.user_name(uid))
    }
}

/// A user by name and number.
pub fn called(uid: u32, name: Option<String>) -> String {
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

/// The name of a user in the text of `/etc/passwd`.
pub fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let fields = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_string(), fields.nth(1)?.parse::<u32>().ok()?))
    };
    passwd.lines().filter_map(fields).find(|(_, number)| *number == uid).map(|(name, _)| name)
}

impl Stop {
    /// A path that is a hard link to a file of `owner`, in a directory of `user`.
    pub fn hard_link(path: &Path, owner: &str, user: &str) -> Self {
        Stop::HardLink(format!(
            "{} is a hard link to a file that belongs to {owner}, in a directory that {user} controls",
            path.display()
        ))
    }

    /// As a failure to do something.
    pub fn while_doing(self, doing: impl std::fmt::Display) -> Failure {
        match self {
            Stop::Loop => Failure::new(doing, "there are too many links, one behind another"),
            Stop::Unsafe(words) => Failure::new(doing, words).hint(HINT),
            Stop::HardLink(words) => Failure::new(doing, words)
                .hint("remove that name there, or put a copy of the file in its place"),
        }
    }
}

/// A host that is only looked at: directories are named by paths that hold no link.
pub struct ByPath<'a, F: Fn(&Path) -> Result<Option<Stat>>> {
    look: F,
    runs_as: u32,
    host: &'a dyn Probe,
    doing: String,
    /// What was looked at last: a directory is looked at and then entered.
    seen: RefCell<Option<(PathBuf, Option<Stat>)>>,
}

/// Why a path could not be followed by looking.
pub enum NotReached {
    /// The rule forbids it.
    Stopped(Stop),
    /// Looking failed.
    Failed(Failure),
}

impl From<Stop> for NotReached {
    fn from(stop: Stop) -> Self {
        NotReached::Stopped(stop)
    }
}

impl NotReached {
    /// As a failure to do something.
    pub fn while_doing(self, doing: &str) -> Failure {
        match self {
            NotReached::Stopped(stop) => stop.while_doing(doing),
            NotReached::Failed(failure) => failure,
        }
    }
}

impl<'a, F: Fn(&Path) -> Result<Option<Stat>>> ByPath<'a, F> {
    /// `look` says what stands at a path whose directories hold no link; `host` names users; `doing` is for messages.
    pub fn new(look: F, runs_as: u32, host: &'a dyn Probe, doing: String) -> Self {
        ByPath { look, runs_as, host, doing, seen: RefCell::default() }
    }

    /// Follows a path.
    pub fn reach(&self, path: &Path, last: Last) -> Result<Reached<PathBuf>> {
        reach(self, path, last).map_err(|stopped| stopped.while_doing(&self.doing))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>, NotReached> {
        if let Some((_, stat)) = self.seen.borrow().as_ref().filter(|(seen, _)| seen == path) {
            return Ok(stat.clone());
        }
        let stat = (self.look)(path).map_err(NotReached::Failed)?;
        *self.seen.borrow_mut() = Some((path.to_path_buf(), stat.clone()));
        Ok(stat)
    }
}

impl<F: Fn(&Path) -> Result<Option<Stat>>> Ground for ByPath<'_, F> {
    type Directory = PathBuf;
    type Error = NotReached;

    fn runs_as(&self) -> u32 {
        self.runs_as
    }

    fn top(&self) -> Result<(PathBuf, u32), NotReached> {
        let stat = self.stat(Path::new("/"))?;
        Ok((PathBuf::from("/"), stat.map_or(0, |stat| stat.owner)))
    }

    fn look(&self, directory: &PathBuf, name: &OsStr) -> Result<Option<Node>, NotReached> {
        let stat = self.stat(&directory.join(name))?;
        Ok(stat.map(|stat| Node { kind: stat.kind, owner: stat.owner, target: stat.target }))
    }

    fn enter(&self, directory: &PathBuf, name: &OsStr) -> Result<Option<(PathBuf, u32)>, NotReached> {
        let path = directory.join(name);
        let stat = self.stat(&path)?.filter(|stat| stat.kind == FileKind::Dir);
        Ok(stat.map(|stat| (path, stat.owner)))
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        let text = self.host.read(Path::new("/etc/passwd")).ok()??;
        name_in(&String::from_utf8_lossy(&text), uid)
    }
}
