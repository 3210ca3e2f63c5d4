//! Files of a tree that someone edited on the host since an earlier run wrote them.

use crate::model::Result;
use crate::model::op::{Content, Meta, Op};
use crate::model::path::HostPath;
use crate::model::tree::Inside;
use crate::system::{Brought, Probe, READ_LIMIT, Stat};
use crate::wanted;
use serde::Deserialize;
use std::path::Path;

/// What becomes of a file that was edited on the host since an earlier run wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Edited {
    /// The source's takes its place, and a copy is kept on the host.
    #[default]
    Replace,
    /// It stays as it is.
    Keep,
    /// The step fails before anything is written.
    Fail,
}

/// The copies of edited files.
#[derive(Default)]
pub struct Copies {
    /// Directories and files of the copies.
    pub ops: Vec<Op>,
    /// Where each copy is.
    pub notes: Vec<String>,
}

impl Copies {
    /// Keeps a copy of a file that is about to be replaced, below windlass's own directory on the host.
    pub fn add(&mut self, host: &dyn Probe, brought: &Brought, path: &HostPath, stat: &Stat) -> Result<()> {
        if stat.size > READ_LIMIT {
            self.notes.push(format!("{path} was edited since an earlier run and is replaced; it is too large for a copy, and undo restores it"));
            return Ok(());
        }
        let copy = place(brought, path);
        let bytes = host.read(path)?.unwrap_or_default();
        for op in wanted::parents(host, &copy)? {
            if !self.ops.contains(&op) {
                self.ops.push(private(op));
            }
        }
        let meta = Meta { mode: Some(0o600), ..Meta::default() };
        self.ops.push(Op::Write { path: copy.clone(), content: Content::Bytes(bytes), meta });
        self.notes.push(format!(
            "{path} was edited since an earlier run and is replaced; what it was is kept in {copy}"
        ));
        Ok(())
    }
}

/// Where copies of edited files are kept.
pub fn directory(brought: &Brought) -> HostPath {
    brought.memory.join("edited")
}

/// Where the copy of a file is kept: each run has a directory of its own.
fn place(brought: &Brought, path: &HostPath) -> HostPath {
    let below = path.strip_prefix("/").unwrap_or(path);
    directory(brought).join(brought.run.as_str()).join(below)
}

fn private(op: Op) -> Op {
    match op {
        Op::Dir { path, meta } => Op::Dir { path, meta: Meta { mode: Some(0o700), ..meta } },
        other => other,
    }
}

/// Says that a file stays as it was edited.
pub fn kept(dest: &HostPath, path: &Inside) -> String {
    format!("{} was edited since an earlier run and stays so (edited = \"keep\")", dest.join(path))
}

/// Says that a file stands in the way.
pub fn refused(path: &Path) -> String {
    format!("{} was edited on the host since an earlier run", path.display())
}
