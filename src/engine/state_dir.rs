//! The directory in which windlass keeps its state on a host: `/var/lib/windlass`, or a user's own. Files here are 0600
//! and directories 0700, since replaced files may hold secrets. A run that changes nothing writes nothing here.

use crate::model::Result;
use crate::model::job::RunId;
use crate::model::op::Meta;
use crate::model::path::HostPath;
use crate::system::{Probe, System};
use std::path::Path;

/// Where everything of the state is.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: HostPath,
}

impl StateDir {
    /// The state in `path`, which is created when it is first needed.
    pub fn at(path: HostPath) -> Self {
        StateDir { path }
    }

    /// The directory itself.
    pub fn path(&self) -> &HostPath {
        &self.path
    }

    /// Only the process that holds this lock may change the host.
    pub fn lock(&self) -> HostPath {
        self.path.join("lock")
    }

    /// The lock of a host without flock that is worked through its shell.
    pub fn lock_of_shell(&self) -> HostPath {
        self.path.join("lock.sh")
    }

    /// The highest epoch that was seen of each controller.
    pub fn epochs(&self) -> HostPath {
        self.path.join("epochs")
    }

    /// The runs that were started and may have left something to sweep.
    pub fn unfinished(&self) -> HostPath {
        self.path.join("unfinished")
    }

    /// The handlers that runs still owe.
    pub fn handlers(&self) -> HostPath {
        self.path.join("handlers")
    }

    /// One file for each change that is armed.
    pub fn armed(&self) -> HostPath {
        self.path.join("armed")
    }

    /// One directory for each run.
    pub fn runs(&self) -> HostPath {
        self.path.join("runs")
    }

    /// A run's directory.
    pub fn run(&self, run: &RunId) -> HostPath {
        self.runs().join(run.as_str())
    }

    /// A run's journal.
    pub fn journal(&self, run: &RunId) -> HostPath {
        self.run(run).join("journal")
    }

    /// The directory with the bytes that a run replaced.
    pub fn saved(&self, run: &RunId) -> HostPath {
        self.run(run).join("undo")
    }

    /// Creates the directories that a run needs.
    pub fn create_for(&self, host: &dyn System, run: &RunId) -> Result<()> {
        [self.path.clone(), self.runs(), self.run(run), self.saved(run)]
            .iter()
            .try_for_each(|path| create(host, path))
    }
}

fn create(host: &dyn System, path: &HostPath) -> Result<()> {
    for parent in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        if host.stat(parent)?.is_some() {
            continue;
        }
        let created = host.make_dir(parent, &Meta { mode: Some(0o700), ..Meta::default() });
        // A run that starts at the same moment may have been quicker.
        if created.is_err() && host.stat(parent)?.is_none() {
            return created;
        }
    }
    Ok(())
}

/// Mode of the files in it.
pub fn private_file() -> Meta {
    Meta { mode: Some(0o600), ..Meta::default() }
}

/// Changes when the host is rebooted; empty where the kernel does not say.
pub fn boot_id(host: &dyn Probe) -> String {
    let bytes = host.read(Path::new("/proc/sys/kernel/random/boot_id")).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_string()
}
