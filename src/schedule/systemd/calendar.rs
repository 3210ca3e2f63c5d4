//! Cron expressions as `OnCalendar=` lines of systemd (`systemd.time(7)`): together they elapse at exactly the same moments.
//!
//! Where a clock changes, systemd differs: a time that is left out does not elapse at all, and of an hour that comes twice
//! only the first counts. What would be missing is written out, moment by moment in UTC, for some years ahead.

use crate::model::{Failure, Result};
use crate::schedule::Slots;
use crate::schedule::cron::Follows;
use croner::{CronComponent, CronPattern};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use std::collections::BTreeMap;

/// So far ahead changes of the clock are made up for: units are written again long before.
const AHEAD: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Croner's marks in a field: bits 1 to 5 are the first to the fifth of a weekday in its month.
const NTH: [u8; 5] = [1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5];

/// The last day of the month, the last such weekday.
const LAST: u8 = 1 << 6;

/// The weekday nearest to a day.
const NEAREST: u8 = 1 << 7;

/// Which days: weekdays (empty: all) and a part of a date such as `-*`, `-01,15` or `~07/1`.
#[derive(Clone, Debug)]
struct Days {
    weekdays: Vec<u16>,
    days: Part,
}

/// Days of a month.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    All,
    These(Vec<u16>),
    /// The last day.
    LastDay,
    /// The last seven days.
    LastWeek,
}

/// The lines, without `OnCalendar=`. `timezone` is as it was written; without it the machine's own holds. Fails when an
/// expression has no counterpart.
pub fn lines(slots: &Slots, timezone: Option<&str>, now: Timestamp) -> Result<Vec<String>> {
    let pattern = slots.cron.pattern();
    let zone = timezone.map(|zone| format!(" {zone}")).unwrap_or_default();
    let time = format!(
        "{}:{}:{}",
        values(&pattern.hours, 0..=23),
        values(&pattern.minutes, 0..=59),
        values(&pattern.seconds, 0..=59)
    );
    let months = values(&pattern.months, 1..=12);
    let days = days(pattern).map_err(|why| {
        let doing = format!("write {:?} as a systemd calendar", slots.cron.text());
        Failure::new(doing, why).hint("use `windlass schedule install --serve`, which knows it")
    })?;
    let line = |days: &Days| {
        let weekdays: Vec<&str> = days.weekdays.iter().map(|day| WEEKDAYS[usize::from(*day) % 7]).collect();
        let weekdays = if weekdays.is_empty() { String::new() } else { weekdays.join(",") + " " };
        format!("{weekdays}*-{months}{} {time}{zone}", days.days.written())
    };
    Ok(days.iter().map(line).chain(made_up(slots, now)).collect())
}

impl Part {
    fn written(&self) -> String {
        match self {
            Part::All => "-*".into(),
            Part::These(days) => format!("-{}", list(days)),
            Part::LastDay => "~01".into(),
            Part::LastWeek => "~07/1".into(),
        }
    }
}

fn values(field: &CronComponent, all: std::ops::RangeInclusive<u16>) -> String {
    let values = field.values();
    if values.len() == all.count() { "*".into() } else { list(&values) }
}

fn list(values: &[u16]) -> String {
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

fn days(pattern: &CronPattern) -> Result<Vec<Days>, &'static str> {
    if pattern.days.is_feature_enabled(NEAREST) || !pattern.days.get_set_values(NEAREST).is_empty() {
        return Err("`W`, the nearest weekday, has no counterpart");
    }
    let (of_month, of_week) = (of_month(pattern), of_week(pattern));
    match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
        (true, true) => Ok(vec![Days { weekdays: Vec::new(), days: Part::All }]),
        (false, true) => Ok(of_month),
        (true, false) => Ok(of_week),
        // Cron runs on days that either field names, unless `+` asks for both.
        (false, false) if !pattern.matches_dom_and_dow() => Ok([of_month, of_week].concat()),
        (false, false) => both(&of_month, &of_week),
    }
}

fn of_month(pattern: &CronPattern) -> Vec<Days> {
    let days = pattern.days.values();
    let these = (!days.is_empty()).then_some(Part::These(days));
    let last = pattern.days.is_feature_enabled(LAST).then_some(Part::LastDay);
    let parts = these.into_iter().chain(last);
    parts.map(|days| Days { weekdays: Vec::new(), days }).collect()
}

fn of_week(pattern: &CronPattern) -> Vec<Days> {
    let field = &pattern.days_of_week;
    let mut all = vec![(field.values(), Part::All)];
    for (nth, mark) in (0u16..).zip(NTH) {
        let first = nth * 7 + 1;
        all.push((field.get_set_values(mark), Part::These((first..=(first + 6).min(31)).collect())));
    }
    all.push((field.get_set_values(LAST), Part::LastWeek));
    let some = all.into_iter().filter(|(weekdays, _)| !weekdays.is_empty());
    some.map(|(weekdays, days)| Days { weekdays, days }).collect()
}

/// Days that are in one of each.
fn both(of_month: &[Days], of_week: &[Days]) -> Result<Vec<Days>, &'static str> {
    let mut all = Vec::new();
    for (month, week) in of_month.iter().flat_map(|month| of_week.iter().map(move |week| (month, week))) {
        let days = match (&month.days, &week.days) {
            (days, Part::All) => days.clone(),
            (Part::These(days), Part::These(week)) => {
                Part::These(days.iter().copied().filter(|day| week.contains(day)).collect())
            }
            // The last day is in the last week.
            (Part::LastDay, Part::LastWeek) => Part::LastDay,
            _ => return Err("the days of month and week that `+` asks for together have no counterpart"),
        };
        if days != Part::These(Vec::new()) {
            all.push(Days { weekdays: week.weekdays.clone(), days });
        }
    }
    Ok(all)
}

/// The moments that systemd would leave out.
fn made_up(slots: &Slots, now: Timestamp) -> Vec<String> {
    let until = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let changes = slots.zone.following(now).map(|change| change.timestamp()).take_while(|at| *at < until);
    let mut missing = Vec::new();
    for change in changes {
        let before =
            slots.zone.to_offset(change.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(change));
        let forward = slots.zone.to_offset(change).duration_since(before);
        match slots.cron.follows() {
            // What was left out comes right after it, which no calendar of the wall clock says.
            Follows::Day if forward.is_positive() => {
                let wall = slots.zone.to_datetime(change);
                let is_new = !slots.cron.is_at(wall);
                missing.extend(slots.at_or_before(change).filter(|slot| *slot == change && is_new));
            }
            Follows::Clock if forward.is_negative() => missing.extend(within(slots, change, forward.abs())),
            _ => {}
        }
    }
    written_out(&missing)
}

fn within(slots: &Slots, from: Timestamp, long: SignedDuration) -> Vec<Timestamp> {
    let Ok(until) = from.checked_add(long) else { return Vec::new() };
    let before = from.checked_sub(SignedDuration::from_secs(1)).unwrap_or(from);
    let next = |at: &Timestamp| slots.after(*at).filter(|slot| *slot < until);
    std::iter::successors(next(&before), next).collect()
}

/// Moments in UTC; those of one hour that form a grid of minutes and seconds share a line.
fn written_out(moments: &[Timestamp]) -> Vec<String> {
    let mut minutes: BTreeMap<(String, u16), Vec<u16>> = BTreeMap::new();
    for moment in moments {
        let utc: Zoned = moment.to_zoned(TimeZone::UTC);
        let hour = utc.strftime("%F %H").to_string();
        minutes.entry((hour, utc.minute() as u16)).or_default().push(utc.second() as u16);
    }
    let mut grids: BTreeMap<(String, Vec<u16>), Vec<u16>> = BTreeMap::new();
    for ((hour, minute), seconds) in minutes {
        grids.entry((hour, seconds)).or_default().push(minute);
    }
    let line = |((hour, seconds), minutes): (&(String, Vec<u16>), &Vec<u16>)| {
        format!("{hour}:{}:{} UTC", list(minutes), list(seconds))
    };
    grids.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
