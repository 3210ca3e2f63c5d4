//! How far the files are that travel to and from each host. It is no event: it is looked at when the progress is drawn, so
//! that it costs nothing where there is none.

use super::style::time;
use crate::model::size::decimal;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A transfer that is over before this is not shown: what flickers cannot be read.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// The rate is that of the time since the oldest mark: about so long.
const RATE_OVER: Duration = Duration::from_secs(5);

/// A mark is set this often at most.
const MARK_EVERY: Duration = Duration::from_millis(500);

/// How wide a bar is at most and at least, with its brackets.
const BAR: (usize, usize) = (22, 10);

/// A transfer that would take longer than this has no time left worth showing.
const LONGEST_LEFT: Duration = Duration::from_secs(99 * 3600);

/// The transfers of all hosts of a run.
#[derive(Clone, Debug, Default)]
pub struct Transfers(Arc<Mutex<HashMap<String, Transfer>>>);

/// What travels to or from a host.
#[derive(Debug)]
struct Transfer {
    number: u64,
    total: Option<u64>,
    done: u64,
    started: Instant,
    /// How far it was, the oldest first.
    marks: VecDeque<(Instant, u64)>,
}

/// One transfer under way. It is over when this is dropped.
#[derive(Debug)]
pub struct Ongoing {
    transfers: Transfers,
    host: String,
    number: u64,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HowFar {
    /// Bytes that have travelled.
    pub done: u64,
    /// All of them, where that is known.
    pub total: Option<u64>,
    /// Bytes in a second.
    pub rate: u64,
}

impl Transfers {
    /// A transfer starts, of so many bytes where that is known. One of the same host that has not ended is not shown any more.
    pub fn start(&self, host: &str, total: Option<u64>) -> Ongoing {
        let mut all = self.lock();
        let number = all.get(host).map_or(0, |before| before.number + 1);
        all.insert(host.to_string(), Transfer::new(number, total, Instant::now()));
        Ongoing { transfers: self.clone(), host: host.to_string(), number }
    }

    /// How far the transfer of each host is that has one for a while.
    pub fn now(&self) -> HashMap<String, HowFar> {
        let now = Instant::now();
        let all = self.lock();
        let shown = all.iter().filter(|(_, transfer)| now - transfer.started >= SHOWN_AFTER);
        shown.map(|(host, transfer)| (host.clone(), transfer.how_far(now))).collect()
    }

    /// Plain data that is never left half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Transfer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ongoing {
    /// So many bytes more have travelled.
    pub fn add(&self, bytes: usize) {
        if let Some(transfer) = self.transfers.lock().get_mut(&self.host)
            && transfer.number == self.number
        {
            transfer.add(bytes as u64, Instant::now());
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let mut all = self.transfers.lock();
        if all.get(&self.host).is_some_and(|transfer| transfer.number == self.number) {
            all.remove(&self.host);
        }
    }
}

impl Transfer {
    fn new(number: u64, total: Option<u64>, now: Instant) -> Self {
        Transfer { number, total, done: 0, started: now, marks: VecDeque::from([(now, 0)]) }
    }

    fn add(&mut self, bytes: u64, now: Instant) {
        self.done = self.done.saturating_add(bytes);
        if self.marks.back().is_none_or(|(last, _)| now - *last >= MARK_EVERY) {
            self.marks.push_back((now, self.done));
        }
        // The last of those that are old enough is the one that the rate is measured from.
        while self.marks.get(1).is_some_and(|(second, _)| now - *second >= RATE_OVER) {
            self.marks.pop_front();
        }
    }

    fn how_far(&self, now: Instant) -> HowFar {
        let (since, before) = self.marks.front().copied().unwrap_or((self.started, 0));
        let milliseconds = (now - since).as_millis().max(1);
        let rate = u128::from(self.done - before) * 1000 / milliseconds;
        HowFar { done: self.done, total: self.total, rate: u64::try_from(rate).unwrap_or(u64::MAX) }
    }
}

impl HowFar {
    /// What fits into so many columns: with a bar, without, or only how much.
    pub fn shown(&self, columns: usize) -> String {
        let figures = [Some(self.share()), self.per_second(), self.left()].into_iter().flatten();
        let figures = figures.collect::<Vec<_>>().join(", ");
        let room = columns.saturating_sub(figures.len() + 1).min(BAR.0);
        match self.total {
            Some(total) if room >= BAR.1 => format!("{} {figures}", self.bar(total, room)),
            _ if figures.len() <= columns => figures,
            _ => self.share(),
        }
    }

    /// `45.2 of 120.0 MB`, or `45.2 MB` where the end is not known.
    fn share(&self) -> String {
        let Some(total) = self.total else { return decimal(self.done) };
        let (done, total) = (decimal(self.done.min(total)), decimal(total));
        match (done.split_once(' '), total.split_once(' ')) {
            (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {total}"),
            _ => format!("{done} of {total}"),
        }
    }

    fn per_second(&self) -> Option<String> {
        (self.rate > 0).then(|| format!("{}/s", decimal(self.rate)))
    }

    /// `7.0s left`; none while nothing moves.
    fn left(&self) -> Option<String> {
        let seconds = self.total?.checked_sub(self.done)?.checked_div(self.rate)?;
        let left = Duration::from_secs(seconds);
        (seconds > 0 && left <= LONGEST_LEFT).then(|| format!("{} left", time(left)))
    }

    /// `[=======>    ]`, as cargo draws it.
    fn bar(&self, total: u64, columns: usize) -> String {
        let inner = columns - 2;
        let filled = (u128::from(self.done.min(total)) * inner as u128)
            .checked_div(u128::from(total))
            .map_or(inner, |filled| filled as usize);
        let (head, rest) = if filled < inner { (">", inner - filled - 1) } else { ("", 0) };
        format!("[{}{head}{}]", "=".repeat(filled), " ".repeat(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn a_transfer_shows_bytes_rate_and_time_left_as_far_as_they_fit() {
        let far = HowFar { done: 45 * MB, total: Some(120 * MB), rate: 10 * MB };
        let shown = [80, 50, 40, 20].map(|columns| far.shown(columns));
        assert_eq!(
            shown,
            [
                "[=======>            ] 45.0 of 120.0 MB, 10.0 MB/s, 7.0s left",
                "[===>     ] 45.0 of 120.0 MB, 10.0 MB/s, 7.0s left",
                "45.0 of 120.0 MB, 10.0 MB/s, 7.0s left",
                "45.0 of 120.0 MB",
            ]
        );
    }

    #[test]
    fn without_an_end_there_is_no_bar_and_no_time_left() {
        let far = HowFar { done: 45 * MB, total: None, rate: 1500 };
        assert_eq!(far.shown(80), "45.0 MB, 1.5 kB/s");
        assert_eq!(HowFar { rate: 0, ..far }.shown(80), "45.0 MB");
        let more_than_all = HowFar { done: 7 * MB, total: Some(5 * MB), rate: 0 };
        assert_eq!(more_than_all.shown(80), "[====================] 5.0 of 5.0 MB");
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_falls_when_nothing_moves() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut transfer = Transfer::new(0, None, start);
        (1..=10).for_each(|second| transfer.add(100 * MB, after(second)));
        (11..=20).for_each(|second| transfer.add(MB, after(second)));
        assert_eq!(transfer.how_far(after(20)).rate, MB);
        assert!(transfer.how_far(after(60)).rate < MB / 5);
    }

    #[test]
    fn a_transfer_that_is_over_is_not_shown_and_does_not_end_the_next() {
        let transfers = Transfers::default();
        let first = transfers.start("web01", Some(10));
        let second = transfers.start("web01", Some(20));
        first.add(5);
        drop(first);
        assert_eq!(transfers.lock()["web01"].done, 0);
        drop(second);
        assert!(transfers.lock().is_empty());
    }
}
