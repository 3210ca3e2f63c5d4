//! Counts down a rule over times, newest first, as restic's `forget` does.

use super::Keep;
use crate::model::{Doing, Failure, Result};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// What a rule still has room for.
pub struct Counters {
    zone: TimeZone,
    counters: Vec<Counter>,
}

/// Counts down one of the rule's numbers over periods.
struct Counter {
    what: &'static str,
    left: u32,
    period: fn(&Zoned) -> String,
    last: Option<String>,
}

impl Counters {
    /// Fails on a time zone that does not exist.
    pub fn of(keep: &Keep) -> Result<Counters> {
        Ok(Counters { zone: zone(keep)?, counters: counters(keep) })
    }

    /// Why what is of this time is kept; empty when no number keeps it. To be asked newest first. `is_oldest`: nothing older
    /// follows.
    pub fn keep(&mut self, time: Timestamp, is_oldest: bool) -> Vec<String> {
        let time = time.to_zoned(self.zone.clone());
        self.counters.iter_mut().filter_map(|counter| counter.keeps(&time, is_oldest)).collect()
    }
}

fn zone(keep: &Keep) -> Result<TimeZone> {
    match &keep.timezone {
        None => Ok(TimeZone::system()),
        Some(name) => {
            let zone = TimeZone::get(name).doing("read the rule of what is kept");
            zone.map_err(|failure: Failure| failure.hint("a time zone is called, for example, Europe/Lisbon"))
        }
    }
}

fn counters(keep: &Keep) -> Vec<Counter> {
    let counter = |what, left, period: fn(&Zoned) -> String| Counter { what, left, period, last: None };
    vec![
        counter("last", keep.last, |taken| taken.timestamp().to_string()),
        // The offset is in it, so that the hour that comes twice in autumn is two hours.
        counter("hourly", keep.hourly, |taken| taken.strftime("%Y-%m-%d %H:00 %:z").to_string()),
        counter("daily", keep.daily, |taken| taken.strftime("%Y-%m-%d").to_string()),
        counter("weekly", keep.weekly, |taken| taken.strftime("%G-W%V").to_string()),
        counter("monthly", keep.monthly, |taken| taken.strftime("%Y-%m").to_string()),
        counter("yearly", keep.yearly, |taken| taken.strftime("%Y").to_string()),
    ]
}

impl Counter {
    /// Why this one is kept: it is the newest of its period, or the oldest of all while there is room, so that the history
    /// is as long as it can be.
    fn keeps(&mut self, taken: &Zoned, is_oldest: bool) -> Option<String> {
        if self.left == 0 {
            return None;
        }
        let period = (self.period)(taken);
        // Two may be of one second, and are two all the same.
        let is_new = self.what == "last" || self.last.as_ref() != Some(&period);
        if !is_new && !is_oldest {
            return None;
        }
        self.left -= 1;
        self.last = Some(period.clone());
        Some(match (self.what, is_new) {
            ("last", _) => "last".to_string(),
            (what, true) => format!("{what} {period}"),
            (what, false) => format!("{what}, the oldest there is"),
        })
    }
}
