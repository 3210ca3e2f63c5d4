//! The moments at which a schedule comes due: its cron expression in a time zone.
//!
//! A time zone is a row of stretches with one offset each. Inside a stretch the wall clock runs straight, so that an
//! expression is looked up there without any thought of daylight saving; all that is special happens where two
//! stretches meet.

use super::cron::{Cron, Follows};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// When the moments of an expression come, in a time zone.
#[derive(Clone, Debug)]
pub struct Slots {
    /// By the clock on the wall.
    pub cron: Cron,
    /// Of that wall.
    pub zone: TimeZone,
}

/// More stretches than this without a moment are not looked through: two a year for as long as a leap day can be away,
/// and some for zones that changed their minds.
const STRETCHES: usize = 64;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A time during which the zone's offset stays the same.
struct Stretch {
    /// Its first moment; none when it has always been.
    start: Option<Timestamp>,
    /// The first moment after it; none when it lasts.
    end: Option<Timestamp>,
    offset: Offset,
    /// The offset before it.
    before: Offset,
}

impl Slots {
    /// The first moment after `time`.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut from = whole_second(time).checked_add(SECOND).ok()?;
        for _ in 0..STRETCHES {
            let stretch = self.stretch(from);
            if stretch.start == Some(from) && self.something_left_out(&stretch) {
                return Some(from);
            }
            let wall = stretch.offset.to_datetime(from).max(self.first_wall(&stretch));
            let found = self.cron.at_or_after(wall)?;
            let moment = stretch.offset.to_timestamp(found).ok()?;
            let Some(end) = stretch.end.filter(|end| moment >= *end) else { return Some(moment) };
            from = end;
        }
        None
    }

    /// The last moment at or before `time`.
    pub fn at_or_before(&self, time: Timestamp) -> Option<Timestamp> {
        let mut until = whole_second(time);
        for _ in 0..STRETCHES {
            let stretch = self.stretch(until);
            let found = self.cron.at_or_before(stretch.offset.to_datetime(until))?;
            if found >= self.first_wall(&stretch) {
                return stretch.offset.to_timestamp(found).ok();
            }
            let start = stretch.start?;
            if self.something_left_out(&stretch) {
                return Some(start);
            }
            until = start.checked_sub(SECOND).ok()?;
        }
        None
    }

    /// How many moments are after `from` and before `until`; counting stops at `most`.
    pub fn between(&self, from: Timestamp, until: Timestamp, most: u64) -> u64 {
        let mut count = 0;
        let mut at = from;
        while count < most {
            match self.after(at).filter(|moment| *moment < until) {
                Some(moment) => at = moment,
                None => break,
            }
            count += 1;
        }
        count
    }

    fn stretch(&self, time: Timestamp) -> Stretch {
        let next = time.checked_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let start = self.zone.preceding(next).next().map(|change| change.timestamp());
        let end = self.zone.following(time).next().map(|change| change.timestamp());
        let offset = self.zone.to_offset(time);
        let earlier = start.and_then(|start| start.checked_sub(SignedDuration::from_nanos(1)).ok());
        Stretch { start, end, offset, before: earlier.map_or(offset, |earlier| self.zone.to_offset(earlier)) }
    }

    /// The first time on the wall clock of a stretch that counts: after the clock was put back, what the wall showed
    /// before counts again only for expressions that follow the clock.
    fn first_wall(&self, stretch: &Stretch) -> DateTime {
        let Some(start) = stretch.start else { return DateTime::MIN };
        match self.cron.follows() {
            Follows::Clock => stretch.offset.to_datetime(start),
            Follows::Day => stretch.offset.to_datetime(start).max(stretch.before.to_datetime(start)),
        }
    }

    /// Whether a time of day was left out when this stretch began, because the clock was put forward over it.
    fn something_left_out(&self, stretch: &Stretch) -> bool {
        let Some(start) = stretch.start else { return false };
        let (from, to) = (stretch.before.to_datetime(start), stretch.offset.to_datetime(start));
        let left_out = || self.cron.at_or_after(from).is_some_and(|found| found < to);
        self.cron.follows() == Follows::Day && from < to && left_out()
    }
}

fn whole_second(time: Timestamp) -> Timestamp {
    let second = time.as_nanosecond().div_euclid(1_000_000_000) as i64;
    Timestamp::from_second(second).unwrap_or(time)
}

#[cfg(test)]
mod tests;
