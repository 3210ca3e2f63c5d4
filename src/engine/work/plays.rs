//! The plays of a job, one after the other: between two of them the host waits for the others, and may run steps for them.

use super::Worker;
use crate::engine::target::Target;
use crate::model::cut::is_too_deep;
use crate::model::delegation::{Awaited, Reply};
use crate::model::event::Event;
use crate::model::job::OnFailure;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::play::{self, Given, LARGEST};
use crate::model::{Failure, Result};

impl Worker<'_, '_, '_> {
    /// The plays that are still to be done: after a reboot from the one that rebooted the host.
    pub(super) fn plays(&self) -> Vec<u32> {
        let of_step =
            |index: u32| self.job.work.all_steps().find(|step| step.index == index).map(|step| step.play);
        let first = self.resume.as_ref().and_then(|resume| of_step(resume.step));
        self.job.work.plays().into_iter().filter(|play| first.is_none_or(|first| *play >= first)).collect()
    }

    /// Waits for the play's turn. An error is how the host ends when it does not come.
    pub(super) fn await_play(&mut self, play: u32) -> Result<(), HostEnd> {
        let failed = |failure| HostEnd::because(HostOutcome::Failed, failure);
        let given = self.given().map_err(failed)?;
        self.link.send(Event::AwaitsPlay { play, given });
        let Some(Reply::Play(start)) = self.hear(Awaited::Play(play)).map_err(failed)? else {
            return Err(HostEnd::of(HostOutcome::Cancelled));
        };
        self.context.hear(start.others);
        self.learn(start.secrets).map_err(failed)?;
        start.refusal.map_or(Ok(()), |why| Err(self.refused(why)))
    }

    /// The host has got these secrets of other hosts, in values: its journal hides them as well from now on.
    pub(super) fn learn(&mut self, secrets: Vec<String>) -> Result<()> {
        match self.target {
            Target::Real(_, journal) if !secrets.is_empty() => journal.learn(secrets),
            _ => Ok(()),
        }
    }

    /// Reports what other hosts look at, after the last play.
    pub(super) fn hand_on(&self) {
        if self.job.work.shares.is_empty() {
            return;
        }
        self.link.send(match self.given() {
            Ok(given) => Event::Gave(given),
            Err(failure) => Event::Note(failure.to_string()),
        });
    }

    fn refused(&self, why: String) -> HostEnd {
        let outcome = match self.job.work.on_failure {
            // What it has changed is undone, as on the hosts that failed.
            OnFailure::Undo if self.has_changed() => HostOutcome::Failed,
            _ => HostOutcome::Cancelled,
        };
        HostEnd::because(outcome, Failure::new("start the next play", why))
    }

    fn has_changed(&self) -> bool {
        matches!(&self.target, Target::Real(_, journal) if journal.is_open())
    }

    /// The values that other hosts look at.
    fn given(&self) -> Result<Given> {
        let held = |name: &String| Some((name.clone(), self.context.held_as(name)?));
        let given: Given = self.job.work.shares.iter().filter_map(held).collect();
        if let Some((name, _)) = given.iter().find(|(_, value)| value.as_ref().is_some_and(is_too_deep)) {
            let why = format!("{name} is nested too deeply");
            return Err(Failure::new("pass results to other hosts", why));
        }
        let size = play::size(&given);
        if size <= LARGEST {
            return Ok(given);
        }
        let names = given.keys().cloned().collect::<Vec<_>>().join(", ");
        let why = format!("{names} have {size} bytes, and other hosts get at most {LARGEST}");
        Err(Failure::new("pass results to other hosts", why)
            .hint("set a variable to the part that they need"))
    }
}
