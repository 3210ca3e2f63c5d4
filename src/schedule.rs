//! Schedules: playbooks that run at times of the day, without anybody at the keyboard.
//!
//! What is due, missed or late is decided by pure code ([`decide`]) from the file, the state and the time; [`attempt`]
//! does one run of one schedule and keeps the state. A person, a systemd timer and `windlass serve` all go through it.

use crate::model::Values;
use crate::setting::Setting;
use crate::source::Place;
use jiff::Timestamp;
use std::time::Duration;

pub mod attempt;
pub mod config;
pub mod cron;
pub mod decide;
pub mod files;
pub mod log;
pub mod notice;
pub mod notify;
pub mod outcome;
pub mod slots;
pub mod state;
pub mod systemd;
pub mod view;

pub use cron::Cron;
pub use notify::Channel;
pub use slots::Slots;

/// A table `[schedule.NAME]` of `windlass.toml`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The playbook's name.
    pub playbook: String,
    /// Where that stands in the file.
    pub playbook_place: Place,
    /// The host pattern, when it is not the playbook's own.
    pub hosts: Option<String>,
    /// Where that stands in the file.
    pub hosts_place: Place,
    /// Variables of the run, as `--var` gives them.
    pub vars: Values,
    /// The same with where each stands in the file.
    pub settings: Vec<Setting>,
    /// When it comes due.
    pub slots: Slots,
    /// The time zone as it was written; none when it is the system's.
    pub timezone: Option<String>,
    /// It runs later than its time by a share of this, always the same one on one machine.
    pub jitter: Duration,
    /// Whether a time that passed while nobody was there is made up for, once.
    pub catch_up: bool,
    /// What becomes of a time that comes while the run before still goes on.
    pub overlap: Overlap,
    /// A run that takes longer is interrupted, then killed.
    pub timeout: Duration,
    /// Without a success so long after its time, it is late.
    pub late_after: Duration,
    /// Where it is reported: names of `[notify.NAME]` tables.
    pub notify: Vec<String>,
}

/// What becomes of a time that comes while the run before still goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It runs as soon as the other has ended; of several only the last.
    Wait,
}

impl Schedule {
    /// What its times follow from. When that changes, they are counted again from then on.
    pub fn definition(&self) -> String {
        format!("{} {}", self.slots.cron.text(), self.timezone.as_deref().unwrap_or("system"))
    }

    /// How much later than its times it runs here: a share of `jitter` that is made from its name, the project's folder
    /// and the machine, so that it is the same tomorrow and another one elsewhere.
    pub fn delay(&self, here: &str) -> Duration {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("{here}\n{}", self.name));
        let share = digest.iter().take(6).fold(0u64, |share, byte| share << 8 | u64::from(*byte));
        let millis = self.jitter.as_millis() as u64;
        // Whole seconds, so that times stay readable.
        Duration::from_secs(share.checked_rem(millis.max(1)).unwrap_or(0) / 1000)
    }
}

/// What the delays on this machine are made from, besides names.
pub fn here(root: &std::path::Path) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    format!("{}\n{}\n{}", machine.trim(), node_name(), root.display())
}

/// This machine's name.
pub fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A time as people read it, in the schedule's own zone.
pub fn shown(time: Timestamp, schedule: &Schedule) -> String {
    time.to_zoned(schedule.slots.zone.clone()).strftime("%F %T %Z").to_string()
}

#[cfg(test)]
pub mod examples;
