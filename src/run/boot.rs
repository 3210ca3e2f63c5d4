//! Waits for a host that boots, and logs in again.

use super::confirm::Route;
use crate::model::job::Resume;
use crate::model::{Failure, Result};
use crate::ssh::{self, Connection, Shared};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A host is not waited for longer than this, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What distinguishes one boot from another.
const ASK: &str = "cat /proc/sys/kernel/random/boot_id";

/// A connection to the host once it has booted.
pub async fn come_back(route: &Route, shared: &Shared, resume: &Resume) -> Result<Connection> {
    let within = resume.within.min(LONGEST);
    let until = Instant::now() + within;
    let mut last = Failure::new("log in", "it was not tried");
    while Instant::now() < until {
        match timeout_at(until, booted(route, shared, &resume.boot_id)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(failure)) => last = failure,
            Err(_) => break,
        }
        sleep(PAUSE).await;
    }
    let why = format!("not within {} s; last: {}: {}", within.as_secs(), last.doing, last.why);
    Err(Failure::new("wait for the host to boot", why))
}

/// A login at a host that is up again. Before it goes down it still lets people in.
async fn booted(route: &Route, shared: &Shared, before: &str) -> Result<Connection> {
    let connection =
        ssh::connect(&route.target_at(shared, &[]), shared).await.map_err(|error| error.failure)?;
    let now = super::output::of(&connection, ASK).await?;
    let now = now.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    if !now.is_empty() && now != before {
        return Ok(connection);
    }
    connection.disconnect().await;
    Err(Failure::new("look whether it has booted", "it has not gone down yet"))
}
