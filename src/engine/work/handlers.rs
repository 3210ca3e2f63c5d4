//! Handlers: which of them run, in which order, and what is owed to the host when they do not.

use super::Worker;
use crate::model::Failure;
use crate::model::job::JobStep;
use crate::model::outcome::StepOutcome;
use std::time::Instant;

impl Worker<'_, '_, '_> {
    /// Handlers run also when a step failed, each once, in the order of the playbook, until one fails. That one, and those
    /// that a failure or a stop left out, are owed to the host until a later run finishes them. A handler may notify one
    /// that stands before it, which runs after the others then; those that notify each other in a circle end with the last.
    pub(super) fn run_handlers(&mut self) -> Option<Failure> {
        let play = self.play;
        let handlers = || self.job.work.handlers.iter().filter(|handler| handler.play == play);
        for _ in 0..handlers().count() {
            if let Some(failure) = self.run_notified() {
                return Some(failure);
            }
            let is_left = |handler: &JobStep| self.notified.contains(&handler.key());
            if self.link.stopping() || !handlers().any(is_left) {
                break;
            }
        }
        None
    }

    fn run_notified(&mut self) -> Option<Failure> {
        let play = self.play;
        for handler in self.job.work.handlers.iter().filter(|handler| handler.play == play) {
            let name = handler.key();
            if !self.notified.contains(&name) && self.maybe.contains(&name) {
                let why =
                    "it runs when a step above changes something, which is unknown until applied".to_string();
                self.end_without_running(handler, StepOutcome::Unknown, why, Instant::now());
                self.maybe.retain(|other| *other != name);
            }
            if self.link.stopping() || !self.notified.contains(&name) {
                continue;
            }
            let Some(ended) = self.run_unless_done(handler) else { continue };
            if ended.outcome == StepOutcome::Failed && !handler.ignore_errors {
                return ended.failure;
            }
            self.notified.retain(|other| *other != name);
            if let Err(failure) = self.remember_owed() {
                return Some(failure);
            }
        }
        None
    }
}
