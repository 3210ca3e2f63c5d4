//! What a repeated command must bring about, as on the way forward: nginx answers again, a service is up.

use crate::engine::confirm;
use crate::engine::wait::{self, Waited};
use crate::model::op::{Answer, Op, Run, Wait};
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::time::Instant;

/// Waits for everything that `run` is to bring about soon.
pub fn await_effects(host: &dyn Probe, run: &Run, answer: &Answer) -> Result<()> {
    run.waits.iter().try_for_each(|wait| {
        one(host, wait).map_err(|failure| confirm::advised(host, &run.advice, failure, answer))
    })
}

fn one(host: &dyn Probe, wait: &Wait) -> Result<()> {
    let doing = crate::engine::perform::describe(&Op::from(wait.clone()));
    match wait::until(host, &wait.condition, Instant::now() + wait.within, wait.every, &|| false)? {
        Waited::Held(_) => Ok(()),
        Waited::Stopped => Err(Failure::new(doing, "it was stopped")),
        Waited::TimedOut(seen) => {
            Err(Failure::new(doing, format!("not within {} s: {}", wait.within.as_secs(), seen.seen)))
        }
    }
}
