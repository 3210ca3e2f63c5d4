//! How many logins are under way at once: as TCP does with packets, it grows while logins are quick and halves when they
//! slow down. So a crowd of hosts behind one busy sshd, or a busy machine here, is worked through instead of timed out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Logins under way at first: the default of `--forks`, so that a usual run is never held up.
const AT_FIRST: f64 = 64.0;
/// One login at a time would let one slow host hold up all others.
const LEAST: f64 = 8.0;
/// More than this is more than one machine's sockets and key exchanges are good for.
const MOST: f64 = 1024.0;
/// A key exchange that takes this many times as long as the quickest one is slow,
const SLOW_FACTOR: u32 = 5;
/// unless it is quicker than this: far hosts and slow ones are not a crowd.
const NEVER_SLOW: Duration = Duration::from_secs(1);
/// After slow logins, silence of a server counts as a sign of a crowd for so long.
const REMEMBERED: Duration = Duration::from_secs(30);
/// So many logins that have used half of their time make a crowd too.
const MANY: usize = 8;
/// The kernel sends the first packet of a connection again after a second. A socket that took this long was accepted only
/// then: a listener whose queue is full drops packets without a word.
const SENT_AGAIN: Duration = Duration::from_millis(900);

/// The logins of one run.
#[derive(Default)]
pub struct Crowd {
    state: Mutex<State>,
    left: Notify,
}

struct State {
    limit: f64,
    /// Since when each login is under way.
    under_way: HashMap<u64, Instant>,
    next: u64,
    /// Until the first slow login each quick one allows one more, afterwards each round does.
    slow_start: bool,
    quickest: Option<Duration>,
    halved: Option<Instant>,
    sent_again: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        State {
            limit: AT_FIRST,
            under_way: HashMap::new(),
            next: 0,
            slow_start: true,
            quickest: None,
            halved: None,
            sent_again: None,
        }
    }
}

/// A login that may be under way.
pub struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    since: Instant,
}

impl Crowd {
    /// Waits until one more login may be under way.
    pub async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // It counts from here, so that a place which is freed meanwhile is not missed.
            left.as_mut().enable();
            let since = Instant::now();
            if let Some(number) = self.state().admit(since) {
                return Place { crowd: self.clone(), number, since };
            }
            left.await;
        }
    }

    /// Whether logins were slow a short while ago, or many are now, of which each may take `allowed`.
    pub fn is_dense(&self, allowed: Duration) -> bool {
        let state = self.state();
        let slow = state.under_way.values().filter(|since| since.elapsed() * 2 > allowed);
        state.halved.is_some_and(|halved| halved.elapsed() < REMEMBERED) || slow.count() > MANY
    }

    /// Whether first packets of connections were lost a short while ago: then a host that does not answer may be one
    /// that drops them too.
    pub fn is_overrun(&self) -> bool {
        self.state().sent_again.is_some_and(|when| when.elapsed() < REMEMBERED)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, since: Instant) -> Option<u64> {
        if self.under_way.len() as f64 >= self.limit {
            return None;
        }
        self.next += 1;
        self.under_way.insert(self.next, since);
        Some(self.next)
    }

    fn quick(&mut self) {
        let more = if self.slow_start { 1.0 } else { 1.0 / self.limit };
        self.limit = (self.limit + more).min(MOST);
    }

    /// Halves at most once for the logins that were under way together.
    fn slow(&mut self, took: Duration, now: Instant) {
        self.slow_start = false;
        if self.halved.is_none_or(|halved| now.duration_since(halved) > took) {
            self.limit = (self.limit / 2.0).max(LEAST);
            self.halved = Some(now);
        }
    }

    fn exchanged(&mut self, took: Duration, allowed: Duration, now: Instant) {
        let quickest = self.quickest.map_or(took, |quickest| quickest.min(took));
        self.quickest = Some(quickest);
        match took > NEVER_SLOW.max(quickest * SLOW_FACTOR) || took * 2 > allowed {
            true => self.slow(took, now),
            false => self.quick(),
        }
    }
}

impl Place {
    /// A socket was accepted after this time.
    pub fn accepted(&self, took: Duration) {
        if took > SENT_AGAIN {
            self.crowd.state().sent_again = Some(Instant::now());
        }
    }

    /// Keys were exchanged, for which the login had `allowed`.
    pub fn exchanged(&self, allowed: Duration) {
        self.crowd.state().exchanged(self.since.elapsed(), allowed, Instant::now());
    }

    /// The server closed before its banner, or said nothing for the whole time that it had.
    pub fn cut(&self) {
        self.crowd.state().slow(self.since.elapsed(), Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.state().under_way.remove(&self.number);
        // The limit may have grown by more than this one.
        self.crowd.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);
    const SLOW: Duration = Duration::from_secs(4);
    const ALLOWED: Duration = Duration::from_secs(10);

    #[test]
    fn it_grows_while_logins_are_quick_and_halves_when_they_slow_down() {
        let (mut state, start) = (State::default(), Instant::now());
        (0..64).for_each(|_| state.exchanged(QUICK, ALLOWED, start));
        assert_eq!(state.limit, 128.0);
        // Those that were under way together halve it once.
        (0..64).for_each(|_| state.exchanged(SLOW, ALLOWED, start));
        assert_eq!(state.limit, 64.0);
        state.exchanged(SLOW, ALLOWED, start + SLOW * 2);
        assert_eq!(state.limit, 32.0);
        (0..64).for_each(|_| state.exchanged(QUICK, ALLOWED, start + SLOW * 2));
        assert!(state.limit > 33.0 && state.limit < 34.0, "{}", state.limit);
        (0..99).for_each(|round| state.slow(SLOW, start + SLOW * 2 * (3 + round)));
        assert_eq!(state.limit, LEAST);
    }

    #[test]
    fn far_hosts_are_no_crowd() {
        let mut state = State::default();
        state.exchanged(Duration::from_millis(1), ALLOWED, Instant::now());
        state.exchanged(Duration::from_millis(900), ALLOWED, Instant::now());
        assert!(state.limit > AT_FIRST && state.halved.is_none());
    }

    #[tokio::test]
    async fn a_first_packet_that_was_sent_again_shows_that_some_are_dropped() {
        let crowd = Arc::new(Crowd::default());
        let place = crowd.enter().await;
        place.accepted(QUICK);
        assert!(!crowd.is_overrun());
        place.accepted(Duration::from_millis(1010));
        assert!(crowd.is_overrun());
    }

    #[tokio::test]
    async fn one_more_is_admitted_when_one_leaves() {
        let crowd = Arc::new(Crowd::default());
        let mut places = Vec::new();
        for _ in 0..AT_FIRST as usize {
            places.push(crowd.enter().await);
        }
        let waiting = tokio::spawn({
            let crowd = crowd.clone();
            async move { crowd.enter().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        places.pop();
        drop(waiting.await.unwrap());
        assert!(!crowd.is_dense(ALLOWED));
        // Of those that have used half of their time many make a crowd.
        assert!(crowd.is_dense(Duration::ZERO));
    }
}
