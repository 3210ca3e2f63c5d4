//! A step with a loop: its elements one after the other, and what they come to together.

use super::judge::fields;
use super::one::blank;
use super::{StepEnd, Worker};
use crate::engine::context::Registered;
use crate::model::job::JobStep;
use crate::model::outcome::StepOutcome;
use crate::model::{Value, Values};
use std::time::Instant;

impl<'a> Worker<'a, '_, '_> {
    /// Runs the step for each element, here or on the host that the element names.
    pub(super) fn run_items(&mut self, step: &'a JobStep, locals: &Values, items: Vec<Value>) -> StepEnd {
        let began = Instant::now();
        let mut all = StepEnd { outcome: StepOutcome::Skipped, failure: None, result: Registered::default() };
        let mut results = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let mut locals = locals.clone();
            locals.insert(step.loop_var.clone(), item.clone());
            let mut ended = match self.add_vars(&step.item_vars, &mut locals) {
                Ok(None) => self.run_element(step, index as u32, &locals),
                Ok(Some(why)) => {
                    let report = blank(step, Some(index as u32), StepOutcome::Unknown, began);
                    self.end_gated(step, report, StepOutcome::Unknown, why)
                }
                Err(failure) => {
                    let mut report = blank(step, Some(index as u32), StepOutcome::Failed, began);
                    report.failure = Some(failure);
                    self.finish(step, report, Registered::default())
                }
            };
            all.outcome = worse(all.outcome, ended.outcome);
            all.result.partial |= ended.result.partial;
            ended.result.known.insert(step.loop_var.clone(), item);
            results.push(Value::Object(ended.result.known));
            if ended.outcome == StepOutcome::Failed {
                all.failure = all.failure.or(ended.failure);
                if !self.goes_on() && !step.ignore_errors {
                    break;
                }
            }
        }
        all.result.known = fields(all.outcome, None, &Values::new());
        // What changed another host changed nothing here, and is a change for those that ask.
        let is_changed = |result: &Value| result.get("changed") == Some(&Value::Bool(true));
        if step.on.is_some() && results.iter().any(is_changed) {
            all.result.known.insert("changed".to_string(), Value::Bool(true));
        }
        all.result.known.insert("results".to_string(), Value::Array(results));
        let mut report = blank(step, None, all.outcome, began);
        report.failure = all.failure.clone();
        report.ignored = step.ignore_errors && all.outcome == StepOutcome::Failed;
        self.report_end(step, report);
        all
    }

    fn run_element(&mut self, step: &'a JobStep, item: u32, locals: &Values) -> StepEnd {
        match step.on.as_ref().and_then(|on| on.host(Some(item))) {
            Some(host) => self.delegate(step, Some(item), host, locals),
            None => self.run_item(step, Some(item), locals),
        }
    }
}

/// The outcome of a loop from those of its items.
fn worse(one: StepOutcome, other: StepOutcome) -> StepOutcome {
    let rank = |outcome| match outcome {
        StepOutcome::Skipped => 0,
        StepOutcome::Ok => 1,
        StepOutcome::Changed | StepOutcome::WouldChange => 2,
        StepOutcome::Unknown => 3,
        StepOutcome::Failed => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}
