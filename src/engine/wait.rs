//! Waits on a host, each with a deadline. The only place that sleeps.

use crate::model::Result;
use crate::model::op::{Condition, Observed};
use crate::system::Probe;
use std::time::{Duration, Instant};

/// A stop is noticed at least this often.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// How a wait ended.
pub enum Waited {
    /// The condition held.
    Held(Observed),
    /// It did not hold in time; what was seen last.
    TimedOut(Observed),
    /// Somebody stopped the run.
    Stopped,
}

/// Looks at `condition` until it holds, at least once.
pub fn until(
    host: &dyn Probe,
    condition: &Condition,
    deadline: Instant,
    every: Duration,
    stopping: &dyn Fn() -> bool,
) -> Result<Waited> {
    loop {
        let observed = host.observe(condition)?;
        if observed.holds {
            return Ok(Waited::Held(observed));
        }
        if Instant::now() + every >= deadline {
            return Ok(Waited::TimedOut(observed));
        }
        if !pause(every, stopping) {
            return Ok(Waited::Stopped);
        }
    }
}

/// Sleeps for `length` unless stopped; false when it was.
pub fn pause(length: Duration, stopping: &dyn Fn() -> bool) -> bool {
    let end = Instant::now() + length;
    loop {
        if stopping() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "every wait of the engine ends here, bounded and stoppable"
        )]
        std::thread::sleep(left.min(STOP_CHECK));
    }
}
