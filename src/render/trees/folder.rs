//! A tree from a folder.

use super::Choice;
use crate::model::digest::Digest;
use crate::model::op::Asset;
use crate::model::tree::{ENTRIES_LIMIT, Entry, Inside, Tree, TreeNode};
use crate::model::{Doing, Failure, Result};
use crate::render::contents::{Held, TreeContents};
use crate::trust;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Reads the folder. Links are kept as they are and not followed.
pub fn read(root: &Path, choice: &Choice) -> Result<(Tree, TreeContents)> {
    let mut walk = Walk { root, choice, entries: Vec::new(), contents: TreeContents::new() };
    walk.folder(root, Path::new(""))?;
    Ok((Tree::new(walk.entries)?, walk.contents))
}

struct Walk<'a> {
    root: &'a Path,
    choice: &'a Choice,
    entries: Vec<Entry>,
    contents: TreeContents,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, inside: &Path) -> Result<()> {
        let doing = || format!("read {}", path.display());
        let found = fs::read_dir(path).doing(doing())?;
        for entry in found {
            let name = entry.doing(doing())?.file_name();
            self.entry(&path.join(&name), inside.join(&name))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, inside: PathBuf) -> Result<()> {
        let doing = || format!("read {}", path.display());
        let inside = Inside::new(inside).doing(doing())?;
        if self.choice.leaves_out(&inside) {
            return Ok(());
        }
        if self.entries.len() >= ENTRIES_LIMIT {
            let why = format!("it holds more than {ENTRIES_LIMIT} files");
            return Err(Failure::new(format!("read {}", self.root.display()), why)
                .hint("use exclude to leave out what hosts do not need"));
        }
        let metadata = fs::symlink_metadata(path).doing(doing())?;
        trust::entry(path, &metadata, self.root, doing())?;
        let what = self.what(path, &metadata)?;
        let is_dir = what == TreeNode::Dir;
        self.entries.push(Entry { path: inside.clone(), what, mode: metadata.permissions().mode() & 0o777 });
        if is_dir { self.folder(path, inside.as_path()) } else { Ok(()) }
    }

    fn what(&mut self, path: &Path, metadata: &Metadata) -> Result<TreeNode> {
        let doing = || format!("read {}", path.display());
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(TreeNode::Dir);
        }
        if kind.is_symlink() {
            return Ok(TreeNode::Link(fs::read_link(path).doing(doing())?.into()));
        }
        if !kind.is_file() {
            return Err(
                Failure::new(doing(), "it is a device, socket or pipe").hint("leave it out with exclude")
            );
        }
        let mut file = File::open(path).doing(doing())?;
        let (digest, size) = Digest::of_reader(&mut file).doing(doing())?;
        self.contents.insert(digest.clone(), Held::File(path.to_path_buf()));
        Ok(TreeNode::File(Asset { digest, size }))
    }
}
