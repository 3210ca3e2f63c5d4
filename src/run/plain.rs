//! One command on one host through its login shell: no agent, no journal, its output passed on as it comes.

use super::Interrupt;
use super::printed::Flood;
use super::tools::{Tools, asked_for};
use crate::engine::pace::Pace;
use crate::model::Failure;
use crate::model::event::{Event, Output, StepEnded, Stream};
use crate::model::job::Streaming;
use crate::model::outcome::{HostEnd, HostOutcome, StepOutcome};
use crate::model::refusal::signal;
use crate::model::run::HostEvent;
use crate::ssh::ship::{self, Become};
use crate::ssh::{Chunk, Connection, Exit};
use crate::system::output::Kept;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked whether something is to be passed on.
const TICK: Duration = Duration::from_millis(50);

/// A command is not waited for longer, however the host keeps the connection alive.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A line of shell text and who runs it.
pub struct Line {
    pub text: String,
    pub becoming: Option<Become>,
    pub password: Option<String>,
}

impl Line {
    fn command(&self) -> String {
        ship::watched_line(&self.text, self.becoming.as_ref())
    }
}

/// Runs the command and reports it as one step.
pub async fn run(
    connection: &Connection,
    host: &str,
    line: &Line,
    tools: &Tools,
    mut hurry: watch::Receiver<Interrupt>,
) -> HostEnd {
    let began = Instant::now();
    let (becoming, password) = (line.becoming.as_ref(), line.password.as_deref());
    let started = connection.exec_as(becoming, password, &line.command(), Bytes::new()).await;
    let mut channel = match started {
        Ok(channel) => channel,
        Err(failure) => return HostEnd::because(HostOutcome::Unreachable, failure),
    };
    tools.events.send(host, HostEvent::Sent).await;
    let mut output = Output { status: -1, ..Output::default() };
    let end = tools.output.kept_of_each_end();
    let (mut stdout, mut stderr) = (Kept::at_most(end), Kept::at_most(end));
    let mut pace = Pace::new(0, tools.output, Instant::now());
    let mut flood = Flood::new(tools.output.streaming, Instant::now());
    let mut tick = tokio::time::interval(TICK);
    let (mut lost, mut killed) = (None, None);
    loop {
        let chunk = tokio::select! {
            chunk = channel.next() => chunk,
            () = asked_for(&mut hurry, Interrupt::Kill), if killed.is_none() => {
                killed = Some(tools.why_killed(*hurry.borrow()));
                // The host ends the command with all that it started when its input ends.
                let _gone = channel.eof().await;
                continue;
            }
            () = tokio::time::sleep_until((began + LONGEST).into()) => {
                let why = format!("it goes on after {} hours", LONGEST.as_secs() / 3600);
                lost = Some(Failure::new(format!("run {}", line.text), why));
                break;
            }
            _ = tick.tick(), if tools.output.streaming > Streaming::Nothing => {
                tools.said(host, flood.admit_all(pace.due(Instant::now()))).await;
                continue;
            }
        };
        match chunk {
            None => break,
            Some(Chunk::Stdout(bytes)) => {
                stdout.push(&bytes);
                tools.said(host, flood.admit_all(pace.hear(Stream::Stdout, &bytes))).await;
            }
            Some(Chunk::Stderr(bytes)) => {
                stderr.push(&bytes);
                tools.said(host, flood.admit_all(pace.hear(Stream::Stderr, &bytes))).await;
            }
            Some(Chunk::Exit(Exit::Status(status))) => output.status = status as i32,
            Some(Chunk::Exit(Exit::Signal(name))) => {
                lost = Some(Failure::new(format!("run {}", line.text), format!("SIG{name} ended it")))
            }
            Some(Chunk::Lost(failure)) => lost = Some(failure),
        }
    }
    tools.said(host, flood.admit_all(pace.rest())).await;
    output.total = stdout.total() + stderr.total();
    (output.stdout, output.stderr) = (stdout.into_bytes(), stderr.into_bytes());
    let end = match killed {
        Some(why) => HostEnd::because(HostOutcome::Failed, Failure::new(format!("run {}", line.text), why)),
        None => verdict(line, &output, lost),
    };
    let step = step_ended(line, output, &end, began);
    tools.events.send(host, HostEvent::Said(Event::StepEnded(step))).await;
    end
}

fn verdict(line: &Line, output: &Output, lost: Option<Failure>) -> HostEnd {
    let doing = format!("run {}", line.text);
    match (output.status, lost) {
        (0, _) => HostEnd::of(HostOutcome::Changed),
        (-1, Some(failure)) => HostEnd::because(HostOutcome::Unknown, failure),
        (-1, None) => {
            HostEnd::because(HostOutcome::Unknown, Failure::new(doing, "it ended without telling its status"))
        }
        (127, _) => HostEnd::because(
            HostOutcome::Failed,
            Failure::new(doing, "exit status 127: there is no such program there"),
        ),
        (status, _) => {
            let ended = signal(status).map(|name| format!("SIG{name} ended it"));
            let why = ended.unwrap_or_else(|| format!("exit status {status}"));
            HostEnd::because(HostOutcome::Failed, Failure::new(doing, why))
        }
    }
}

fn step_ended(line: &Line, output: Output, end: &HostEnd, began: Instant) -> StepEnded {
    let outcome = match end.outcome {
        HostOutcome::Changed => StepOutcome::Changed,
        HostOutcome::Unknown => StepOutcome::Unknown,
        _ => StepOutcome::Failed,
    };
    StepEnded {
        took: began.elapsed(),
        output: Some(output),
        failure: end.failure.clone(),
        ..StepEnded::new(0, line.text.clone(), outcome)
    }
}
