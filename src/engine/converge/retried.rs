//! What the run that is retried did of a step here, when its controller died and its result was lost: a command that ended
//! well is not run again, and one whose end is not known is not repeated unasked.

use super::StepTry;
use crate::engine::entry::{Entry, Reversal};
use crate::engine::perform;
use crate::engine::progress::StepProgress;
use crate::engine::start;
use crate::engine::target::Target;
use crate::model::event::{Event, StepEnded};
use crate::model::job::RunId;
use crate::model::op::{Op, Plan};
use crate::model::outcome::StepOutcome;
use crate::model::{Failure, Result};

/// The same step in an earlier run.
#[derive(Clone, Copy)]
pub struct Retried<'a> {
    /// The run whose result was lost.
    pub run: &'a RunId,
    /// Which element of a loop.
    pub item: Option<u32>,
    /// Whether something depends on what the command printed, which no journal keeps.
    pub needs_output: bool,
}

/// How the step ended there.
#[derive(Debug, PartialEq)]
enum End {
    Never,
    Well,
    Unknown,
}

impl StepTry<'_, '_, '_> {
    /// The host's lock is taken before the first change only, so that looking needs no right to write. What was planned
    /// without the lock is planned again with it.
    pub(super) fn take_lock_first(&mut self) -> Result<bool> {
        match self.target {
            Target::Real(_, journal) if !journal.is_open() => {
                start::start(journal, self.link)?
                    .into_iter()
                    .for_each(|line| self.link.send(Event::Note(line)));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether the run that is retried has done what is planned. The lock must be ours: then that run does nothing more.
    pub(super) fn was_done(&self, plan: &Plan, done: &mut StepProgress) -> Result<bool> {
        let (Target::Real(_, journal), Some(retried), true) = (&*self.target, self.retried, plan.once) else {
            return Ok(false);
        };
        let run = retried.run;
        let entries = journal.earlier(run)?;
        // As the journal names a command.
        let hidden = |op: &Op| journal.secrets().what(self.index, &perform::describe(op), &Reversal::Nothing);
        let wanted: Vec<String> = plan.ops.iter().filter(|op| op.changes_host()).map(hidden).collect();
        if wanted.is_empty() {
            return Ok(false);
        }
        let failed = |why: String| Failure::new(format!("retry what run {run} did here"), why);
        match end_of(entries, self.index, retried.item, &wanted) {
            End::Never => Ok(false),
            End::Well if retried.needs_output => {
                let why =
                    "it ended well there, and what it printed, which is needed here, is not on this host";
                Err(failed(why.into()).hint(AGAIN))
            }
            End::Well => {
                done.notes
                    .push(format!("it ended well in run {run}, whose result was lost, and is not run again"));
                done.done_in = Some(run.clone());
                Ok(true)
            }
            End::Unknown => {
                let why = "it was started there and cut off: whether it came to its end is not known";
                Err(failed(why.into()).hint(AGAIN))
            }
        }
    }
}

const AGAIN: &str = "look at the host; `windlass run playbook` runs the playbook from its start, and a command with `creates` or \
                     `unless` can be retried at any time";

/// What a journal says of the step. `wanted` are the descriptions of its changes as they would be now: a step that is
/// another one today was never run.
fn end_of(entries: &[Entry], index: u32, item: Option<u32>, wanted: &[String]) -> End {
    let (mut started, mut items, mut end): (Vec<&str>, u32, End) = (Vec::new(), 0, End::Never);
    let is_it = |started: &[&str]| {
        !started.is_empty() && started.ends_with(&wanted.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for entry in entries {
        match entry {
            Entry::Intent { step, what, .. } if *step == index => started.push(what),
            Entry::Step(ended) if ended.step == index => {
                let done = is_it(&started) || ended.done_in.is_some();
                if ended.item == item && done {
                    end = if is_well(ended) { End::Well } else { End::Never };
                }
                items += u32::from(ended.item.is_some());
                started.clear();
            }
            _ => {}
        }
    }
    // Elements of a loop come one after the other.
    let is_next = item.is_none_or(|item| item == items);
    let cut_off = started.last().is_some_and(|last| wanted.iter().any(|wanted| wanted == last));
    if is_next && cut_off { End::Unknown } else { end }
}

fn is_well(ended: &StepEnded) -> bool {
    matches!(ended.outcome, StepOutcome::Ok | StepOutcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::journal::Journal;
    use crate::engine::state_dir::StateDir;
    use crate::model::job::Job;
    use crate::system::System;
    use std::path::Path;

    fn intent(step: u32, what: &str) -> Entry {
        let reversal = Reversal::Impossible { why: "a command".into() };
        Entry::Intent {
            change: 1,
            step,
            what: what.into(),
            reversal,
            within: None,
            forward: None,
            leaves: None,
        }
    }

    fn ended(step: u32, item: Option<u32>, outcome: StepOutcome) -> Entry {
        Entry::Step(StepEnded { item, ..StepEnded::new(step, "a step".into(), outcome) })
    }

    fn end(entries: &[Entry], item: Option<u32>) -> End {
        end_of(entries, 4, item, &["run `deploy`".to_string()])
    }

    #[test]
    fn a_command_that_ended_well_is_done() {
        let well = [intent(4, "run `deploy`"), ended(4, None, StepOutcome::Changed), intent(5, "run `x`")];
        assert_eq!(end(&well, None), End::Well);
        let failed = [intent(4, "run `deploy`"), ended(4, None, StepOutcome::Failed)];
        assert_eq!(end(&failed, None), End::Never);
        let skipped = StepEnded {
            done_in: Some("20261121-084500-kxqz".to_string().try_into().unwrap()),
            ..StepEnded::new(4, "a step".into(), StepOutcome::Ok)
        };
        assert_eq!(end(&[Entry::Step(skipped)], None), End::Well);
    }

    #[test]
    fn another_command_in_its_place_was_never_run() {
        let other = [intent(4, "run `build`"), ended(4, None, StepOutcome::Changed)];
        assert_eq!(end(&other, None), End::Never);
        assert_eq!(end(&[intent(3, "run `deploy`"), ended(3, None, StepOutcome::Changed)], None), End::Never);
        assert_eq!(end(&[ended(4, None, StepOutcome::Ok)], None), End::Never);
    }

    #[test]
    fn a_command_that_was_cut_off_has_no_known_end() {
        assert_eq!(end(&[intent(4, "run `deploy`")], None), End::Unknown);
        assert_eq!(end(&[intent(4, "run `build`")], None), End::Never);
    }

    #[test]
    fn elements_of_a_loop_are_known_by_their_order() {
        let entries =
            [intent(4, "run `deploy`"), ended(4, Some(0), StepOutcome::Changed), intent(4, "run `deploy`")];
        assert_eq!([0, 1, 2].map(|item| end(&entries, Some(item))), [End::Well, End::Unknown, End::Never]);
    }

    #[test]
    fn the_journal_of_the_earlier_run_is_read_once() {
        let journal_file = "/var/lib/windlass/runs/1-a/journal";
        let line = serde_json::to_string(&intent(4, "run `deploy`")).unwrap();
        let host = crate::testing::host(&[(journal_file, &line)]);
        let (run, job) = (RunId::try_from("1-a".to_string()).unwrap(), Job::default());
        let journal = Journal::new(&host, StateDir::at("/var/lib/windlass".into()), &job);
        assert_eq!(end(journal.earlier(&run).unwrap(), None), End::Unknown);
        host.remove(Path::new(journal_file)).unwrap();
        assert_eq!(end(journal.earlier(&run).unwrap(), None), End::Unknown);
    }
}
