//! The options that say what `prune` keeps.

use crate::model::keep::Keep;

/// How many are kept.
#[derive(Clone, Debug, clap::Args)]
pub struct KeepOptions {
    /// The newest N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_last: u32,
    /// The newest of each of N hours
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_hourly: u32,
    /// The newest of each of N days
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_daily: u32,
    /// The newest of each of N weeks
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_weekly: u32,
    /// The newest of each of N months
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_monthly: u32,
    /// The newest of each of N years
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_yearly: u32,
    /// Where days begin, for example Europe/Lisbon [default: here]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

impl KeepOptions {
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
}
