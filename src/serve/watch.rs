//! The project's schedules, read again when `windlass.toml` changes.

use crate::project::Project;
use crate::schedule::{Channel, Schedule};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A project whose file is watched.
pub struct Watched {
    project: Project,
    seen: Seen,
}

/// What distinguishes one version of the file from another: modification time in nanoseconds, size, inode.
type Seen = Option<(i64, i64, u64, u64)>;

impl Watched {
    /// As it is now.
    pub fn new(project: Project) -> Watched {
        Watched { seen: seen(&project.root), project }
    }

    /// Reads the file again when it has changed; what is wrong then is reported, and what was right before stays.
    pub fn look(&mut self) -> Vec<String> {
        let seen = seen(&self.project.root);
        if seen == self.seen {
            return Vec::new();
        }
        self.seen = seen;
        match Project::find(Some(&self.project.root), Path::new("/")) {
            Ok(project) => {
                self.project = project;
                vec![format!("windlass.toml was read again: {} schedules", self.schedules().len())]
            }
            Err(problems) => {
                let first = "windlass.toml has changed and is wrong; what it said before stays:".to_string();
                std::iter::once(first).chain(problems.plain().lines().map(str::to_string)).collect()
            }
        }
    }

    /// The schedules.
    pub fn schedules(&self) -> &[Schedule] {
        &self.project.config.schedules
    }

    /// Where it can be reported.
    pub fn channels(&self) -> &[Channel] {
        &self.project.config.channels
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.project.root
    }
}

fn seen(root: &Path) -> Seen {
    let file = fs::metadata(root.join("windlass.toml")).ok()?;
    Some((file.mtime(), file.mtime_nsec(), file.size(), file.ino()))
}
