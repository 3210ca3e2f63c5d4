//! One host from connecting to its verdict.

use super::confirm::Route;
use super::tools::{JobTask, Tools, asked_for};
use super::{Interrupt, Task, Work, job, plain};
use crate::model::Failure;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::run::HostEvent;
use crate::ssh::{self, Connection};
use std::time::Duration;
use tokio::sync::watch;

/// Agents and commands get so long to end after they were killed.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Does the work of one host and says how it ended. Never panics on what a host says.
pub async fn work(work: Work, tools: &Tools) -> HostEnd {
    let name = work.host.clone();
    tools.events.send(&name, HostEvent::Connecting { attempt: 1 }).await;
    let mut interrupt = tools.interrupt.clone();
    let target = tools.shared.latest(&work.target);
    let connected = tokio::select! {
        connected = ssh::connect(&target, &tools.shared) => connected,
        () = asked_for(&mut interrupt, Interrupt::Stop) => return HostEnd::of(HostOutcome::Cancelled),
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return HostEnd::because(HostOutcome::Unreachable, error.failure),
    };
    tools.events.send(&name, HostEvent::Connected).await;
    let ended = on(&connection, work, tools).await;
    connection.disconnect().await;
    ended
}

/// Works a host that is logged in to, within the time that one host may take. When that is over, or someone is in a
/// hurry, the host is asked to kill what runs; what then says nothing more ends as unknown.
async fn on(connection: &Connection, work: Work, tools: &Tools) -> HostEnd {
    let (hurry, hurried) = watch::channel(Interrupt::None);
    let name = work.host.clone();
    // A host that runs steps for others stays as long as they do; each of its steps has a time of its own.
    let timeout = tools.timeout.filter(|_| !work.serves());
    let ended = async {
        match work.task {
            Task::Job(job, contents) => {
                let task = JobTask {
                    name: name.clone(),
                    target: work.target,
                    job: *job,
                    contents,
                    becoming: work.becoming,
                    password: work.password,
                };
                job::run(connection, task, tools, hurried).await
            }
            Task::Command(line) => {
                // A login as that user already needs no sudo, which the host may not even have.
                let route = Route::to(work.target, work.becoming, work.password);
                let (becoming, password) = route.becoming(connection);
                let line = plain::Line { text: line, becoming, password };
                plain::run(connection, &name, &line, tools, hurried).await
            }
        }
    };
    tokio::pin!(ended);
    let mut interrupt = tools.interrupt.clone();
    let time_is_up = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_is_up);
    let why = loop {
        tokio::select! {
            ended = &mut ended => return ended,
            () = asked_for_more(&mut interrupt, *hurry.borrow()) => {
                let level = *interrupt.borrow();
                hurry.send_replace(level);
                if level >= Interrupt::Kill { break tools.why_killed(level); }
            }
            () = &mut time_is_up => {
                hurry.send_replace(Interrupt::TimedOut);
                break tools.why_killed(Interrupt::TimedOut);
            }
        }
    };
    match tokio::time::timeout(KILL_GRACE, ended).await {
        Ok(HostEnd { outcome, failure }) => {
            let failure = failure.unwrap_or_else(|| Failure::new(format!("work {name}"), &why));
            HostEnd::because(outcome, failure)
        }
        Err(_) => {
            let why = format!("{why}, and nothing came back within {} s", KILL_GRACE.as_secs());
            let hint = "windlass resolves it from the host's own journal at the next contact";
            HostEnd::because(HostOutcome::Unknown, Failure::new(format!("work {name}"), why).hint(hint))
        }
    }
}

async fn asked_for_more(interrupt: &mut watch::Receiver<Interrupt>, than: Interrupt) {
    if interrupt.wait_for(|now| *now > than).await.is_err() {
        std::future::pending::<()>().await;
    }
}
