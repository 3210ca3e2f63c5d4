//! The options of `prune`: what is kept, and whether the rest is removed.

use super::{Stop, prompt};
use crate::model::Failure;
use crate::model::keep::Keep;

/// What is kept, and whether the rest is removed.
#[derive(Clone, Debug, clap::Args)]
pub struct PruneOptions {
    /// The newest N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_last: u32,
    /// The newest of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_hourly: u32,
    /// The newest of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_daily: u32,
    /// The newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_weekly: u32,
    /// The newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_monthly: u32,
    /// The newest of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_yearly: u32,
    /// The time zone in which days are counted, for example Europe/Lisbon [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Remove nothing; show what would be removed, and why the rest stays
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl PruneOptions {
    /// `None` when none of the counts was given.
    pub fn rule(&self) -> Option<Keep> {
        let keep = Keep {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            timezone: self.timezone.clone(),
        };
        (!keep.is_empty()).then_some(keep)
    }

    /// Whether what `going` counts is removed: where there is something, `question` is asked first. `doing` is for the failure
    /// without a terminal.
    pub fn removes(&self, going: usize, question: &str, doing: &str) -> Result<bool, Stop> {
        if self.dry_run || going == 0 || self.yes {
            return Ok(!self.dry_run);
        }
        prompt::confirm(question).ok_or_else(|| {
            let failure = Failure::new(doing, "there is no terminal to ask on");
            Stop::misused(failure.hint("--dry-run shows what would go; --yes does it without asking"))
        })
    }
}
