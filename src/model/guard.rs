//! Changes that can lock everybody out: what they are armed with, and what is asked of the controller.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long may an armed change wait for its confirmation unless its step says otherwise. A connection that such a change
/// cuts is given up after 45 s, so that this is short enough for the verdict to arrive over it.
pub const WITHIN: Duration = Duration::from_secs(40);

/// Says that a plan's changes can cut windlass off: they are armed before they are made, and stay only when the
/// controller can log in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// When this has passed since the host was armed, what was not confirmed is rolled back.
    pub within: Duration,
    /// The ports that sshd will listen on, where the change moves it; empty: as before.
    pub ports: Vec<u16>,
    /// Those it listened on before, where the change moves it.
    pub ports_before: Vec<u16>,
}

impl Default for Guard {
    fn default() -> Self {
        Guard { within: WITHIN, ports: Vec::new(), ports_before: Vec::new() }
    }
}

impl Guard {
    /// How long the engine itself waits for the confirmation. It rolls back at once what was not confirmed by then, and
    /// leaves what watches over it nothing to do.
    pub fn patience(&self) -> Duration {
        self.within * 3 / 4
    }
}
