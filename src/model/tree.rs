//! A tree of files as it should be on a host: what is in it, and none of its bytes. The controller reads it once for
//! all hosts, from a directory or an archive.

use super::digest::Digest;
use super::op::Asset;
use super::path::HostPath;
use super::{Doing, Failure, Result};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

pub mod pattern;

/// More entries than this are no tree that someone copies over another: it has to fit into one frame and one manifest.
pub const ENTRIES_LIMIT: usize = 100_000;

/// Linux refuses longer paths, in bytes. Room is left for the directory that the tree is copied over.
const PATH_LIMIT: usize = 3072;

/// Linux refuses longer names, in bytes.
const NAME_LIMIT: usize = 255;

/// A directory that a tree has only because something is in it.
const IMPLIED_DIR_MODE: u32 = 0o755;

/// What a tree holds, sorted by path: a directory stands before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    entries: Vec<Entry>,
}

/// One file, directory or link of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where in the tree.
    pub path: Inside,
    /// What it is.
    pub what: TreeNode,
    /// Permission bits, at most 0o777: a tree gives no one the rights of another user. Of no meaning for links.
    pub mode: u32,
}

/// What stands at a path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeNode {
    /// A regular file with these bytes.
    File(Asset),
    /// A directory.
    Dir,
    /// A symbolic link that points there.
    Link(HostPath),
}

/// A path below the top of a tree that cannot lead out of it: relative, every part a plain name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Inside(HostPath);

impl Tree {
    /// A tree of these entries. Directories that are missing above them are added. Fails when two entries have the same
    /// path, when something stands below what is no directory, and when there are too many.
    pub fn new(mut entries: Vec<Entry>) -> Result<Tree> {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(Failure::new(format!("put {} into the tree", pair[0].path), "it is there twice"));
        }
        let mut all: BTreeMap<Inside, Entry> =
            entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        for path in all.keys().cloned().collect::<Vec<_>>() {
            add_parents(&mut all, &path)?;
        }
        if all.len() > ENTRIES_LIMIT {
            let why = format!("it has {} entries, and {ENTRIES_LIMIT} is the limit", all.len());
            return Err(
                Failure::new("read the tree", why).hint("use exclude to leave out what hosts do not need")
            );
        }
        Ok(Tree { entries: all.into_values().collect() })
    }

    /// In order: a directory before what is in it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What stands at a path.
    pub fn find(&self, path: &Inside) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok().map(|at| &self.entries[at])
    }

    /// Names the tree: trees that hold the same have the same name.
    pub fn name(&self) -> Result<Digest> {
        serde_json::to_vec(self).map(|bytes| Digest::of(&bytes)).doing("name a tree")
    }

    /// What its files have in bytes, together.
    pub fn size(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| if let TreeNode::File(asset) = &entry.what { asset.size } else { 0 })
            .sum()
    }
}

fn add_parents(all: &mut BTreeMap<Inside, Entry>, path: &Inside) -> Result<()> {
    for parent in path.parents() {
        match all.get(&parent).map(|entry| &entry.what) {
            Some(TreeNode::Dir) => return Ok(()),
            Some(TreeNode::File(_)) => return Err(below(path, &parent, "file")),
            Some(TreeNode::Link(_)) => return Err(below(path, &parent, "link")),
            None => {}
        }
        let entry = Entry { path: parent.clone(), what: TreeNode::Dir, mode: IMPLIED_DIR_MODE };
        all.insert(parent, entry);
    }
    Ok(())
}

fn below(path: &Inside, parent: &Inside, what: &str) -> Failure {
    Failure::new(format!("put {path} into the tree"), format!("{parent} above it is a {what}"))
}

impl TreeNode {
    /// What a person calls it.
    pub fn as_str(&self) -> &'static str {
        match self {
            TreeNode::File(_) => "file",
            TreeNode::Dir => "directory",
            TreeNode::Link(_) => "symbolic link",
        }
    }
}

impl Inside {
    /// Refuses what is absolute, empty, too long, or has `.` or `..` in it.
    pub fn new(path: impl Into<HostPath>) -> Result<Inside, String> {
        let path = path.into();
        let bytes = path.as_os_str().as_bytes();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let parts: Vec<_> = bytes.split(|byte| *byte == b'/').collect();
        if !plain || parts.iter().any(|part| part.is_empty() || *part == b".") || bytes.contains(&0) {
            return Err(format!(
                "{:?} does not stay inside: it is absolute, empty, or has . or .. in it",
                path.display()
            ));
        }
        if bytes.len() > PATH_LIMIT || parts.iter().any(|part| part.len() > NAME_LIMIT) {
            return Err("its path or a name in it is longer than Linux allows".to_string());
        }
        Ok(Inside(path))
    }

    /// As a path, to be joined to the directory that the tree is copied over.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Its parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.components().map(|part| part.as_os_str().as_bytes())
    }

    /// The directories above it, innermost first.
    pub fn parents(&self) -> impl Iterator<Item = Inside> {
        let above = self.0.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        above.map(|path| Inside(HostPath::from(path)))
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

impl AsRef<Path> for Inside {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Inside {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Inside::new(HostPath::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A step's key that names a directory or archive of the controller: the words that were written, and the tree that the
/// controller read there. In a playbook it is the words alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
pub struct Named {
    /// As written.
    pub source: String,
    /// Names the tree; the job brings it along.
    pub tree: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str) -> Inside {
        Inside::new(path).unwrap()
    }

    fn entry(path: &str, what: TreeNode) -> Entry {
        Entry { path: inside(path), what, mode: 0o644 }
    }

    fn file(path: &str) -> Entry {
        entry(path, TreeNode::File(Asset { digest: Digest::of(b""), size: 0 }))
    }

    #[test]
    fn a_directory_stands_before_what_is_in_it_and_is_added_where_it_is_missing() {
        let tree = Tree::new(vec![file("a.b"), file("a/z/f"), file("a/b")]).unwrap();
        let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["a", "a/b", "a/z", "a/z/f", "a.b"]);
        assert_eq!(tree.find(&inside("a/z")).unwrap().what, TreeNode::Dir);
        assert_eq!(tree.find(&inside("a/y")), None);
    }

    #[test]
    fn what_cannot_be_a_tree_is_refused() {
        let refused = |entries| Tree::new(entries).unwrap_err().to_string();
        assert_eq!(refused(vec![file("a"), file("a")]), "put a into the tree: it is there twice");
        assert_eq!(refused(vec![file("a"), file("a/b/c")]), "put a/b/c into the tree: a above it is a file");
        let link = entry("a", TreeNode::Link("/etc".into()));
        assert_eq!(refused(vec![link, file("a/b")]), "put a/b into the tree: a above it is a link");
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["", "/", "/a", "a/../b", "..", "a/..", ".", "./a", "a/./b", "a//b", "a/", "a\0b"] {
            assert!(Inside::new(path).is_err(), "{path:?}");
        }
        assert!(Inside::new("x".repeat(256)).is_err());
        assert!(Inside::new("x/".repeat(2000) + "x").is_err());
        for path in ["a", "a/b", "..a", "a b", ".env", "…"] {
            assert!(Inside::new(path).is_ok(), "{path:?}");
        }
        assert!(serde_json::from_str::<Inside>("\"../a\"").is_err());
    }

    #[test]
    fn the_same_tree_has_the_same_name() {
        let name = |entries| Tree::new(entries).unwrap().name().unwrap();
        assert_eq!(name(vec![file("a"), file("b")]), name(vec![file("b"), file("a")]));
        assert_ne!(name(vec![file("a")]), name(vec![file("b")]));
    }
}
