//! What tests start from: hosts of the lab with a lock each, a project, and windlass run as a person runs it.
//!
//! A test on a host of the lab starts with `Stage::on("full")`. Then it says what is there before, what is asked and
//! what is expected.

pub mod backups;
pub mod contained;
pub mod host;
pub mod lab;
pub mod markdown;
pub mod project;
pub mod report;
pub mod s3;
pub mod store;

pub use host::Host;
pub use lab::{Fresh, Lab};
pub use project::{Finished, Project, finish};
pub use report::Report;

/// A host of the lab for this test alone, and a project that knows every host of the lab.
#[derive(Debug)]
pub struct Stage {
    pub host: Host,
    pub project: Project,
}

impl Stage {
    pub fn on(name: &str) -> Stage {
        let lab = Lab::get();
        Stage { host: lab.host(name), project: Project::new(&lab) }
    }

    /// What is there before: a shell script that root runs on the host. It must succeed.
    pub fn with(self, script: &str) -> Stage {
        self.host.must(script);
        self
    }

    /// Runs a playbook on the host; `options` are more words for windlass.
    pub fn play(&self, playbook: &str, options: &str) -> Report {
        self.project.play(playbook, &self.host.name, options)
    }

    /// How the steps of a playbook end on the host. Afterwards a second run finds nothing to change.
    #[track_caller]
    pub fn converges(&self, playbook: &str) -> Report {
        let first = self.play(playbook, "").exits(0);
        let second = self.play(playbook, "").exits(0);
        let changed = second.outcomes(&self.host.name).contains(&"changed");
        assert!(!changed, "a second run changes something: {second:#?}");
        first
    }
}
