//! Runs to test with, built from one line per step.

use super::{RunRecord, *};
use crate::model::event::Output;
use crate::model::run::RunKind;

/// A moment, in milliseconds after the run's start.
pub fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_773_500_966_000 + milliseconds).unwrap()
}

/// The name that all examples have.
pub fn run_id() -> RunId {
    RunId::try_from("20260314-150926-kxqz".to_string()).unwrap()
}

/// The intent to run fix-dns on these hosts.
pub fn intent(hosts: &[&str]) -> RunIntent {
    RunIntent {
        run: run_id(),
        kind: RunKind::Playbook,
        name: "fix-dns".into(),
        of: None,
        who: "alice@laptop".into(),
        started: at(0),
        pattern: "prod".into(),
        check: false,
        params: Default::default(),
        playbook: vec![],
        inventory: vec![],
        hosts: hosts.iter().map(|host| host.to_string()).collect(),
        scheduled: None,
    }
}

/// Something that happened to `host`.
pub fn event(milliseconds: i64, host: &str, event: HostEvent) -> RunEvent {
    RunEvent { at: at(milliseconds), what: RunEventKind::Host { host: host.into(), event } }
}

/// A step that ended; its name is `step INDEX`.
pub fn step(index: u32, outcome: StepOutcome) -> StepEnded {
    StepEnded { took: Duration::from_millis(400), ..StepEnded::new(index, format!("step {index}"), outcome) }
}

/// A step that changed a file, with its diff.
pub fn changed(index: u32) -> StepEnded {
    StepEnded {
        name: "dockerd hands out resolvers".into(),
        changes: vec!["write /etc/docker/daemon.json".into()],
        undo: UndoScope { changes: 1, undoable: 1, ..UndoScope::default() },
        diff: Some(
            "--- /etc/docker/daemon.json\n+++ /etc/docker/daemon.json\n@@ -1 +1 @@\n-{}\n+{\"dns\": []}\n"
                .into(),
        ),
        ..step(index, StepOutcome::Changed)
    }
}

/// A step whose command failed.
pub fn failed(index: u32) -> StepEnded {
    let failure = Failure::new("run systemctl restart docker", "it exited with status 1");
    StepEnded {
        name: "restart docker".into(),
        failure: Some(failure.hint("journalctl -u docker says more")),
        output: Some(Output {
            status: 1,
            stdout: vec![],
            stderr: b"Job for docker.service failed.\n\x1b[31mSee the journal.\n".to_vec(),
            total: 50,
        }),
        ..step(index, StepOutcome::Failed)
    }
}

/// All events of a host that is connected to, does these steps and ends.
pub fn host(name: &str, steps: &[StepEnded], outcome: HostOutcome) -> Vec<RunEvent> {
    let mut events = vec![
        event(0, name, HostEvent::Connecting { attempt: 1 }),
        event(80, name, HostEvent::Connected),
        event(90, name, HostEvent::Sent),
    ];
    events.extend(steps.iter().map(|step| event(500, name, HostEvent::Said(Event::StepEnded(step.clone())))));
    let failure = steps.iter().find_map(|step| step.failure.clone());
    events.push(event(2100, name, HostEvent::Ended { outcome, failure }));
    events
}

/// All events of a host that cannot be reached.
pub fn unreachable(name: &str) -> Vec<RunEvent> {
    let failure = Failure::new("connect to 203.0.113.9:22", "connection refused");
    vec![
        event(0, name, HostEvent::Connecting { attempt: 1 }),
        event(5000, name, HostEvent::Ended { outcome: HostOutcome::Unreachable, failure: Some(failure) }),
    ]
}

/// The record of these events.
pub fn record(intent: RunIntent, events: &[RunEvent]) -> RunRecord {
    let mut record = RunRecord::new(intent, 7);
    events.iter().for_each(|event| record.fold(event));
    record
}
