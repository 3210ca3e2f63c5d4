//! What is reported of a schedule, and the letters that carry it.

use super::outcome::FinishedRun;
use super::state::State;
use super::{Schedule, shown};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run failed, and the one before had not.
    Failed,
    /// No run has succeeded so long after its time.
    Late,
    /// A run succeeded after one had failed or was late.
    Recovered,
    /// A run succeeded.
    Succeeded,
}

/// The JSON that a webhook's body and a command's standard input is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The version of this form.
    pub version: u32,
    /// The same for the same thing, however often it arrives.
    pub id: String,
    /// What happened.
    pub event: Event,
    /// A sentence for people; chat programs take it from this name.
    pub text: String,
    /// The schedule.
    pub schedule: String,
    /// Its playbook.
    pub playbook: String,
    /// The project's folder.
    pub project: String,
    /// The machine that windlass runs on.
    pub controller: String,
    /// The time that was run, or that is late.
    pub slot: Timestamp,
    /// When it happened.
    pub at: Timestamp,
    /// The run, when there was one.
    pub run: Option<FinishedRun>,
}

/// A notice on its way to one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The name of the channel.
    pub to: String,
    /// How many times it was tried.
    pub tries: u32,
    /// Not tried again before.
    pub next: Option<Timestamp>,
    /// What it says.
    pub notice: Notice,
}

/// A letter is tried so many times: over about two hours.
pub const TRIES: u32 = 8;

/// Between the first tries; it doubles each time.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

impl Event {
    /// What is reported when a channel does not say.
    pub const USUAL: [Event; 3] = [Event::Failed, Event::Late, Event::Recovered];

    const ALL: [Event; 4] = [Event::Failed, Event::Late, Event::Recovered, Event::Succeeded];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Failed => "failed",
            Event::Late => "late",
            Event::Recovered => "recovered",
            Event::Succeeded => "succeeded",
        }
    }

    /// From its word.
    pub fn read(word: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

impl Notice {
    /// Of a run that ended.
    pub fn of_end(event: Event, schedule: &Schedule, ended: &FinishedRun, project: &str) -> Notice {
        let text = format!("schedule {} {}", schedule.name, of_run(event, ended));
        Notice {
            run: Some(ended.clone()),
            ..Notice::new(event, schedule, text, ended.slot, ended.ended, project)
        }
    }

    /// Of a time that is late.
    pub fn of_late(
        schedule: &Schedule,
        slot: Timestamp,
        now: Timestamp,
        state: &State,
        project: &str,
    ) -> Notice {
        let last = match &state.success {
            Some(success) => format!("it last succeeded at {}", shown(success.ended, schedule)),
            None => "it has never succeeded".to_string(),
        };
        let text = format!("schedule {} is late: due at {}, {last}", schedule.name, shown(slot, schedule));
        Notice::new(Event::Late, schedule, text, slot, now, project)
    }

    fn new(
        event: Event,
        schedule: &Schedule,
        text: String,
        slot: Timestamp,
        at: Timestamp,
        project: &str,
    ) -> Notice {
        Notice {
            version: 1,
            id: format!("{}-{}-{}", schedule.name, event.as_str(), slot.strftime("%Y%m%dT%H%M%SZ")),
            event,
            text,
            schedule: schedule.name.clone(),
            playbook: schedule.playbook.clone(),
            project: project.to_string(),
            controller: super::node_name(),
            slot,
            at,
            run: None,
        }
    }
}

fn of_run(event: Event, ended: &FinishedRun) -> String {
    let word = match event {
        Event::Recovered => "recovered",
        _ => ended.outcome.shown(),
    };
    let why = ended.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let run = ended.run.as_ref().map(|run| format!(" (run {run})")).unwrap_or_default();
    format!("{word}{why}{run}")
}

impl Letter {
    /// One that has not been tried.
    pub fn new(to: &str, notice: Notice) -> Letter {
        Letter { to: to.into(), tries: 0, next: None, notice }
    }

    /// Whether it may be tried now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| next <= now || next.duration_since(now) > PAUSE * (1 << TRIES))
    }

    /// It could not be delivered. `None` when it has been tried often enough.
    pub fn put_off(mut self, now: Timestamp) -> Option<Letter> {
        self.tries += 1;
        self.next = now.checked_add(PAUSE * (1 << (self.tries - 1).min(TRIES))).ok();
        (self.tries < TRIES).then_some(self)
    }
}
