//! The events and intents of a run without secrets: readers and stores accept nothing else.

use crate::model::run::{HostEvent, RunEvent, RunEventKind, RunIntent, Source};
use crate::redact::Redactor;

/// Something out of which a [`Redactor`] has taken the secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Clean<T>(T);

impl Redactor {
    /// The event without secrets.
    pub fn event(&self, event: RunEvent) -> Clean<RunEvent> {
        let what = match event.what {
            RunEventKind::Started { intent, epoch } => {
                RunEventKind::Started { intent: Box::new(self.intent(*intent).0), epoch }
            }
            RunEventKind::Host { host, event } => RunEventKind::Host { host, event: self.host_event(event) },
            RunEventKind::Note(note) => RunEventKind::Note(self.text(&note)),
            what @ (RunEventKind::Interrupted | RunEventKind::Ended { .. }) => what,
        };
        Clean(RunEvent { at: event.at, what })
    }

    /// The intent without secrets.
    pub fn intent(&self, intent: RunIntent) -> Clean<RunIntent> {
        let sources = |list: Vec<Source>| -> Vec<Source> {
            list.into_iter().map(|Source { path, text }| Source { path, text: self.text(&text) }).collect()
        };
        Clean(RunIntent {
            name: self.text(&intent.name),
            params: self.values(intent.params),
            playbook: sources(intent.playbook),
            inventory: sources(intent.inventory),
            ..intent
        })
    }

    fn host_event(&self, event: HostEvent) -> HostEvent {
        match event {
            HostEvent::Said(event) => HostEvent::Said(self.said(event)),
            HostEvent::Retrying { attempt, failure, wait } => {
                HostEvent::Retrying { attempt, failure: self.failure(failure), wait }
            }
            HostEvent::Ended { outcome, failure } => {
                HostEvent::Ended { outcome, failure: failure.map(|failure| self.failure(failure)) }
            }
            event @ (HostEvent::Connecting { .. }
            | HostEvent::Connected
            | HostEvent::Uploading { .. }
            | HostEvent::Sent) => event,
        }
    }
}

impl<T> std::ops::Deref for Clean<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
