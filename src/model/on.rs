//! The hosts that run a step for another one.

use serde::{Deserialize, Serialize};

/// Where a step runs that other hosts run for its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The whole step, with its loop, on the host of this name.
    Host(String),
    /// Each element of its loop on the host of this name; none: on its own host.
    Elements(Vec<Option<String>>),
}

impl On {
    /// The host that runs an element, or the whole step.
    pub fn host(&self, item: Option<u32>) -> Option<&str> {
        match (self, item) {
            (On::Host(host), None) => Some(host),
            (On::Elements(hosts), Some(item)) => hosts.get(item as usize)?.as_deref(),
            (On::Host(_), Some(_)) | (On::Elements(_), None) => None,
        }
    }

    /// All hosts that it names.
    pub fn hosts(&self) -> impl Iterator<Item = &String> {
        let (one, each) = match self {
            On::Host(host) => (Some(host), None),
            On::Elements(hosts) => (None, Some(hosts)),
        };
        one.into_iter().chain(each.into_iter().flatten().flatten())
    }
}
