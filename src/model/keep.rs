//! What is kept of backups and of the record of runs: how many of the newest, and of how many hours, days, weeks, months and
//! years the newest each.

#[cfg(feature = "controller")]
pub use counters::Counters;

use serde::{Deserialize, Serialize};

/// A rule for one host's backups of one name, or for the runs of a project. With no count at all everything is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// The newest, so many.
    pub last: u32,
    /// The newest of each of so many hours in which there is one.
    pub hourly: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks, which begin on Monday.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
    /// The time zone in which days begin, for example `Europe/Lisbon`; the controller's when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

impl Keep {
    /// Whether it keeps everything, since it counts nothing.
    pub fn is_empty(&self) -> bool {
        [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly].iter().all(|n| *n == 0)
    }
}

/// What becomes of one of those that a rule was asked about.
#[cfg(feature = "controller")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention<T> {
    /// Which one.
    pub of: T,
    /// Why it is kept; empty when it is not.
    pub kept: Vec<String>,
}

#[cfg(feature = "controller")]
impl<T> Retention<T> {
    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        !self.kept.is_empty()
    }
}

#[cfg(feature = "controller")]
mod counters;
