//! Judges a try: the outcome, and what the playbook itself says of it (`failed_when`, `changed_when`).

use super::Worker;
use crate::engine::context::{Known, Registered};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::progress::StepProgress;
use crate::engine::summary::thousands;
use crate::engine::target::Target;
use crate::engine::undo;
use crate::model::event::{Event, Output, StepEnded};
use crate::model::job::JobStep;
use crate::model::op::registered;
use crate::model::outcome::StepOutcome;
use crate::model::{Failure, Result, Value, Values};
use crate::system::{OUTPUT_KEPT, output};
use serde_json::json;

/// The name under which `until`, `failed_when` and `changed_when` know the step's own result.
const RESULT: &str = "result";

/// What the tries of a step, or of one element of its loop, have left on the host although they failed.
pub(super) struct Left {
    /// The number of the last change before the first try.
    pub before: u32,
    /// What nothing has undone.
    pub changes: Vec<undo::Left>,
}

impl Worker<'_, '_, '_> {
    /// The outcome of a try, with what the playbook says of it (`failed_when`, `changed_when`).
    pub(super) fn judge(
        &mut self,
        step: &JobStep,
        locals: &Values,
        tried: Result<()>,
        mut done: StepProgress,
        left: &Left,
        report: &mut StepEnded,
    ) -> Registered {
        let check = self.target.is_pretended();
        report.outcome = outcome_of(&tried, &done, check);
        report.failure = tried.err();
        report.notes = done.notes.iter().chain(&done.unknown).cloned().collect();
        report.done_in = done.done_in;
        report.diff = done.diffs.told();
        report.fingerprint = done.fingerprint.map(Fingerprint::digest);
        let mut known = fields(report.outcome, done.output.as_ref(), &done.result);
        known.insert("findings".to_string(), json!(done.findings));
        let partial = done.unknown.is_some() || (check && done.unpredicted);
        left.changes.iter().for_each(|left| done.changes.push_left(&left.what, &left.why, left.broke));
        report.undo = done.changes.undo();
        report.changes = done.changes.told();
        report.findings = done.findings;
        report.failure = report.failure.take().or_else(|| cut_off(step, report, done.output.as_ref()));
        if report.failure.is_some() {
            report.outcome = StepOutcome::Failed;
        }
        report.output = done.output.map(|output| self.shown(output));
        let mut result = Registered { known, partial };
        if let Err(failure) = self.apply_opinions(step, locals, report, &mut result) {
            report.outcome = StepOutcome::Failed;
            report.failure = Some(failure);
            result.known.insert("failed".to_string(), Value::Bool(true));
        }
        if report.outcome == StepOutcome::Ok || self.changes_nothing(step, locals, report, &result) {
            self.declare_unchanged(step, left.before, report);
        }
        result
    }

    /// Before the next try: what commands did in this one stays, unless that try runs them again. Then they count once.
    pub(super) fn keep_left(&self, left: &mut Left) {
        let Target::Real(_, journal) = &*self.target else { return };
        left.changes.retain(|one| !one.impossible);
        left.changes.extend(undo::left_by_commands(journal.entries(), left.before));
    }

    /// Whether the playbook says of a failed step that it changes nothing.
    fn changes_nothing(
        &mut self,
        step: &JobStep,
        locals: &Values,
        report: &StepEnded,
        result: &Registered,
    ) -> bool {
        let failed = report.outcome == StepOutcome::Failed;
        let Some(changed_when) = step.changed_when.as_ref().filter(|_| failed) else { return false };
        // What cannot be evaluated after a failure declares nothing.
        matches!(self.truth_of(step, locals, changed_when, result), Ok(Known::Yes(false)))
    }

    /// Nothing of what the step did has to be undone, but for what windlass itself can undo.
    fn declare_unchanged(&mut self, step: &JobStep, before: u32, report: &mut StepEnded) {
        report.undo.keep_undoable();
        if let Target::Real(_, journal) = self.target
            && let Err(failure) = journal.declare_unchanged(step.index, before)
        {
            self.link.send(Event::Note(failure.to_string()));
        }
    }

    fn apply_opinions(
        &mut self,
        step: &JobStep,
        locals: &Values,
        report: &mut StepEnded,
        result: &mut Registered,
    ) -> Result<()> {
        let ran = !matches!(report.outcome, StepOutcome::Unknown);
        if let Some(failed_when) = step.failed_when.as_ref().filter(|_| ran) {
            match self.truth_of(step, locals, failed_when, result)? {
                Known::Yes(true) => {
                    return Err(Failure::new(&report.name, format!("failed_when {failed_when} is true")));
                }
                Known::Yes(false) => {}
                Known::No(what) => {
                    unknown(report, format!("failed_when depends on {what}, unknown until applied"))
                }
            }
        }
        let fine = !matches!(report.outcome, StepOutcome::Unknown | StepOutcome::Failed);
        if let Some(changed_when) = step.changed_when.as_ref().filter(|_| fine) {
            match self.truth_of(step, locals, changed_when, result)? {
                Known::Yes(changed) => report.outcome = self.outcome_when(changed),
                Known::No(what) => {
                    unknown(report, format!("changed_when depends on {what}, unknown until applied"))
                }
            }
        }
        if report.outcome == StepOutcome::Unknown {
            result.known.shift_remove("changed");
        } else {
            let changed = matches!(report.outcome, StepOutcome::Changed | StepOutcome::WouldChange);
            result.known.insert("changed".to_string(), Value::Bool(changed));
        }
        Ok(())
    }

    /// As much of the output as is shown and recorded of a step.
    fn shown(&self, output: Output) -> Output {
        let end = self.job.envelope.output.kept_of_each_end();
        let stdout = output::shortened(&output.stdout, end, end);
        Output { stdout, stderr: output::shortened(&output.stderr, end, end), ..output }
    }

    fn outcome_when(&self, changed: bool) -> StepOutcome {
        match (changed, &self.target) {
            (false, _) => StepOutcome::Ok,
            (true, Target::Real(..)) => StepOutcome::Changed,
            (true, Target::Pretended(_)) => StepOutcome::WouldChange,
        }
    }

    /// An expression that may look at the step's own result, as `result` and under its registered name.
    pub(super) fn truth_of(
        &mut self,
        step: &JobStep,
        locals: &Values,
        source: &str,
        result: &Registered,
    ) -> Result<Known<bool>> {
        let names: Vec<&str> = [Some(RESULT), step.register.as_deref()].into_iter().flatten().collect();
        names.iter().for_each(|name| self.context.register(name, result.clone()));
        let truth = self.context.truth(self.host, locals, source);
        self.context.forget(RESULT);
        truth
    }
}

fn outcome_of(tried: &Result<()>, done: &StepProgress, check: bool) -> StepOutcome {
    match (tried, &done.unknown, done.changes.is_empty(), check) {
        (Err(_), ..) => StepOutcome::Failed,
        (Ok(()), Some(_), ..) => StepOutcome::Unknown,
        (Ok(()), None, true, _) => StepOutcome::Ok,
        (Ok(()), None, false, true) => StepOutcome::WouldChange,
        (Ok(()), None, false, false) => StepOutcome::Changed,
    }
}

/// Why a result cannot be registered: some of its output is left out, and no expression could know that.
fn cut_off(step: &JobStep, report: &StepEnded, output: Option<&Output>) -> Option<Failure> {
    let (register, output) = (step.register.as_ref()?, output?);
    let kept = (output.stdout.len() + output.stderr.len()) as u64;
    let why = format!(
        "it wrote {} bytes, and register keeps {} MiB of them",
        thousands(output.total as usize),
        (2 * OUTPUT_KEPT) >> 20
    );
    (output.total > kept).then(|| {
        Failure::new(format!("register {register} of {}", report.name), why)
            .hint("let the command print less, or write to a file and look there for what is needed")
    })
}

/// What a registered result holds beside what the kind gives. What check mode cannot know is left out.
pub(super) fn fields(outcome: StepOutcome, output: Option<&Output>, result: &Values) -> Values {
    let mut known = result.clone();
    if outcome != StepOutcome::Unknown {
        let changed = matches!(outcome, StepOutcome::Changed | StepOutcome::WouldChange);
        known.insert("changed".to_string(), Value::Bool(changed));
        known.insert("failed".to_string(), Value::Bool(outcome == StepOutcome::Failed));
        known.insert("skipped".to_string(), Value::Bool(outcome == StepOutcome::Skipped));
    }
    if let Some(output) = output {
        known.extend(registered(output.status, &output.stdout, &output.stderr));
    }
    known
}

fn unknown(report: &mut StepEnded, why: String) {
    report.outcome = StepOutcome::Unknown;
    report.notes.push(why);
}
