//! The project as hosts see it, and the envelopes in which it sends jobs to them.

use super::who;
use crate::inventory::Host;
use crate::model::Failure;
use crate::model::job::{Envelope, RunId};
use crate::project::Project;
use crate::record::JournalKey;
use std::time::Duration;

/// The project as hosts see it.
pub struct Controller {
    /// All who work with it fence each other by this name. A project without one is known by its place here.
    name: String,
    key: JournalKey,
}

impl Controller {
    /// Makes the project's key where it has none.
    pub fn of(project: &Project) -> Result<Self, Failure> {
        let here = || format!("{}:{}", who(), project.root.display());
        let name = project.identity().unwrap_or_else(here);
        Ok(Controller { name, key: JournalKey::of(&project.state())? })
    }

    /// Makes a host's work this run's job. Its epoch, and the runs to settle, are known once the intent is on record.
    pub fn envelope(&self, host: &Host, run: &RunId, wait: Duration) -> Envelope {
        Envelope {
            wait,
            run: run.clone(),
            host: host.name.to_string(),
            nonce: nonce(),
            controller: self.name.clone(),
            journal_key: self.key.of_host(host.name.as_str()),
            who: who(),
            ..Envelope::default()
        }
    }
}

/// 128 random bits, in hexadecimal.
fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}
