//! `--output jsonl`: a line for each event, as it comes. Every line has `time` (RFC 3339), `run` and `event`; those of
//! a host have `host`. The other fields, by `event`:
//!
//! - `run_started`: `version kind name of who pattern check hosts`
//! - `connecting`: `attempt` · `retrying`: `attempt failure wait_secs` · `connected` · `uploading`: `bytes` · `sent`
//! - `hello`: `system pid boot_id`
//! - `step_started`: `step item name` · `progress`: `step text`
//! - `output`: `step stream text left_out`: what a command of the step prints, while it runs and in whole lines; `left_out`
//!   bytes before it are missing
//! - `step_ended`: the fields of [`json::Step`]
//! - `settled`: `settled_run outcome` (null: nothing had been started) · `need`: `files` · `fetched`: `to bytes last`
//! - `note`: `text`
//! - `verdict`: `outcome failure`, as the host's agent says it
//! - `host_ended`: `outcome failure`, which is what counts
//! - `interrupted` · `run_ended`: `exit`

use super::json::{self, Step};
use crate::model::Value;
use crate::model::event::Event;
use crate::model::job::RunId;
use crate::model::run::{HostEvent, RunEvent, RunEventKind};
use serde_json::json;

/// The line, without its line break.
pub fn line(run: &RunId, event: &RunEvent) -> String {
    let (name, host, fields) = match &event.what {
        RunEventKind::Started { intent, .. } => {
            let fields = json!({
                "version": json::VERSION, "kind": intent.kind, "name": intent.name, "of": intent.of,
                "who": intent.who, "pattern": intent.pattern, "check": intent.check, "hosts": intent.hosts,
            });
            ("run_started", None, fields)
        }
        RunEventKind::Host { host, event } => {
            let (name, fields) = of_host(event);
            (name, Some(host), fields)
        }
        RunEventKind::Interrupted => ("interrupted", None, json!({})),
        RunEventKind::Note(text) => ("note", None, json!({ "text": text })),
        RunEventKind::Ended { exit } => ("run_ended", None, json!({ "exit": exit })),
    };
    let mut line = json!({ "time": event.at, "run": run, "event": name });
    if let Some(host) = host {
        line["host"] = Value::from(host.as_str());
    }
    if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
        line.extend(fields);
    }
    super::escape::json(line.to_string())
}

fn of_host(event: &HostEvent) -> (&'static str, Value) {
    match event {
        HostEvent::Connecting { attempt } => ("connecting", json!({ "attempt": attempt })),
        HostEvent::Retrying { attempt, failure, wait } => {
            ("retrying", json!({ "attempt": attempt, "failure": failure, "wait_secs": wait.as_secs_f64() }))
        }
        HostEvent::Connected => ("connected", json!({})),
        HostEvent::Uploading { bytes } => ("uploading", json!({ "bytes": bytes })),
        HostEvent::Sent => ("sent", json!({})),
        HostEvent::Said(event) => said(event),
        HostEvent::Ended { outcome, failure } => {
            ("host_ended", json!({ "outcome": outcome, "failure": failure }))
        }
    }
}

fn said(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Hello(hello) => {
            ("hello", json!({ "system": hello.system, "pid": hello.pid, "boot_id": hello.boot_id }))
        }
        Event::Settled { run, outcome, .. } => ("settled", json!({ "settled_run": run, "outcome": outcome })),
        Event::StepStarted { step, item, name } => {
            ("step_started", json!({ "step": step, "item": item, "name": name }))
        }
        Event::StepBackground { step, name } => ("step_background", json!({ "step": step, "name": name })),
        Event::Progress { step, text } => ("progress", json!({ "step": step, "text": text })),
        Event::Printed(printed) => {
            let text = String::from_utf8_lossy(&printed.chunk);
            let fields = json!({
                "step": printed.step, "stream": printed.stream, "text": text, "left_out": printed.left_out,
            });
            ("output", fields)
        }
        Event::StepEnded(step) => ("step_ended", json!(Step::of(step))),
        Event::Need { digests, .. } => ("need", json!({ "files": digests.len() })),
        Event::Fetched { to, chunk, last, .. } => {
            ("fetched", json!({ "to": to, "bytes": chunk.len(), "last": last }))
        }
        Event::Backup { step, .. } => ("backup", json!({ "step": step })),
        Event::AwaitsPlay { play, .. } => ("play", json!({ "play": play })),
        Event::Gave(_) => ("gave", json!({})),
        Event::RanOnce { step, .. }
        | Event::AwaitsOnce { step }
        | Event::AwaitsOthers { step }
        | Event::Delegates { step, .. } => ("once", json!({ "step": step })),
        Event::AwaitsConsent { step, name } => ("asks", json!({ "step": step, "name": name })),
        Event::Alive | Event::At(_) | Event::RanDelegated { .. } => ("alive", json!({})),
        Event::Booting(resume) => ("booting", json!({ "within": resume.within.as_secs() })),
        Event::Confirm { ports, .. } => ("confirm", json!({ "ports": ports })),
        Event::Note(text) => ("note", json!({ "text": text })),
        // The nonce is left out: it is what distinguishes the agent's verdict from a forged one.
        Event::Finished { outcome, failure, .. } => {
            ("verdict", json!({ "outcome": outcome, "failure": failure }))
        }
    }
}
