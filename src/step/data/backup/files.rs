//! Files and directories as tar writes them.

use super::{Planned, label, whole_path};
use crate::model::backup::PartKind;
use crate::model::op::{Accept, Command};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::tree::enter;
use serde::Deserialize;
use serde_json::json;

const TREE: &str = include_str!("tree.sh");

/// What GNU tar ends with when something changed while it was read: what was read is whole all the same.
const CHANGED: i32 = 1;

/// A file, or a directory with all that is in it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Where it is.
    path: HostPath,
    /// What is left out of it: patterns of names as tar has them.
    #[serde(default)]
    exclude: Vec<String>,
}

impl From<String> for Tree {
    fn from(path: String) -> Self {
        Tree { path: path.into(), exclude: Vec::new() }
    }
}

impl Tree {
    pub fn check(&self) -> Result<(), String> {
        whole_path(&self.path).map(drop)
    }

    pub fn planned(&self) -> Planned {
        let from = json!({ "path": self.path, "exclude": self.exclude });
        Planned { label: label(PartKind::Tar, "files", &self.path.to_string()), from }
    }

    pub fn command(&self, host: &dyn Probe) -> Result<(Command, Accept)> {
        let doing = || format!("back up {}", self.path);
        let (folder, name) = whole_path(&self.path).map_err(|why| Failure::new(doing(), why))?;
        if host.stat(&self.path)?.is_none() {
            return Err(Failure::new(doing(), "there is no such file or directory"));
        }
        let folder = host.follow(&folder)?.into();
        Ok(command(&folder, &name, &self.exclude, format!("tar of {}", self.path)))
    }
}

/// The command that writes the tar of `name` in `folder`, whose path holds no link.
pub fn command(folder: &HostPath, name: &str, exclude: &[String], title: String) -> (Command, Accept) {
    let mut argv: Vec<String> = ["/bin/sh", "-s", "--"].map(str::to_string).to_vec();
    argv.extend([folder.to_string(), name.to_string()]);
    argv.extend(exclude.iter().map(|pattern| format!("--exclude={pattern}")));
    let command =
        Command { argv, stdin: enter::script(TREE).into_bytes(), title: Some(title), ..Command::default() };
    (command, Accept::Of(vec![0, CHANGED]))
}
