//! Modes and owners of what an overlay puts there.

use super::Wish;
use crate::model::Result;
use crate::model::op::Meta;
use crate::model::tree::{Entry, TreeNode};
use crate::system::{Probe, Stat};
use crate::wanted;
use std::path::Path;

/// Modes and owners that everything gets.
pub struct Dress {
    /// What was asked for.
    files: Meta,
    dirs: Meta,
    /// Whose something new is, when nothing is asked for: the directory's owner and group, so that an application's files stay
    /// the application's. `None` where only root could give it away.
    owner: Option<u32>,
    group: Option<u32>,
    is_root: bool,
}

impl Dress {
    /// `top`: the directory, when it is there.
    pub fn of(host: &dyn Probe, wish: &Wish, top: Option<&Stat>) -> Result<Dress> {
        let files = wanted::meta(host, wish.file_mode, wish.owner, wish.group)?;
        let dirs = wanted::meta(host, wish.dir_mode, wish.owner, wish.group)?;
        let is_root = is_root(host)?;
        let top = top.filter(|_| is_root);
        Ok(Dress {
            owner: files.owner.or(top.map(|top| top.owner)),
            group: files.group.or(top.map(|top| top.group)),
            files,
            dirs,
            is_root,
        })
    }

    /// Of something new.
    pub fn new_meta(&self, entry: &Entry) -> Meta {
        let mode = match entry.what {
            TreeNode::File(_) => Some(self.file_mode(entry)),
            TreeNode::Dir => return self.new_dir(entry.mode),
            TreeNode::Link(_) => None,
        };
        Meta { mode, owner: self.owner, group: self.group }
    }

    /// Of a new directory whose mode in the source is `mode`.
    pub fn new_dir(&self, mode: u32) -> Meta {
        Meta { mode: self.dirs.mode.or(Some(mode)), owner: self.owner, group: self.group }
    }

    /// Of something that is there. A directory that windlass did not make keeps its mode: production may well have given
    /// a group the right to write there.
    pub fn meta_of(&self, entry: &Entry, made: bool) -> Meta {
        match entry.what {
            TreeNode::File(_) => Meta { mode: Some(self.file_mode(entry)), ..self.files.clone() },
            TreeNode::Dir => {
                Meta { mode: self.dirs.mode.or(made.then_some(entry.mode)), ..self.dirs.clone() }
            }
            TreeNode::Link(_) => Meta { mode: None, ..self.files.clone() },
        }
    }

    /// Whether something can be given to another.
    pub fn may_give_away(&self) -> bool {
        self.is_root
    }

    /// What may be run in the source may be run there, by anyone who may read it.
    fn file_mode(&self, entry: &Entry) -> u32 {
        match self.files.mode {
            Some(mode) if entry.mode & 0o100 != 0 => mode | ((mode & 0o444) >> 2),
            Some(mode) => mode,
            None => entry.mode,
        }
    }
}

/// Whether the work is done as root, as the kernel says of the process that reads it.
fn is_root(host: &dyn Probe) -> Result<bool> {
    let status = host.read(Path::new("/proc/self/status"))?.unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    Ok(effective == Some("0"))
}
