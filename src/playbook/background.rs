//! Steps in the background (`async`) and the steps that wait for them (`wait`): which waits for which, and what is wrong with
//! them whatever the values are.

use super::{Playbook, Step, Written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::Value;
use crate::model::job::{BlockPart, MOST_IN_BACKGROUND};
use crate::source::{Data, Node, Place};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A step in the background.
#[derive(Clone, Debug)]
pub struct Background {
    /// How long it may run.
    pub within: Duration,
    /// Where that is written.
    pub place: Place,
}

/// Which steps wait for which, by their indices.
#[derive(Debug, Default)]
pub struct Waits {
    /// Of a step that waits: those that it waits for.
    pub of: BTreeMap<usize, Vec<usize>>,
    /// Of a step in the background: the one that waits for it.
    pub by: BTreeMap<usize, usize>,
}

/// Reads `async`.
pub fn read(keys: &mut Keys) -> Option<Background> {
    let node = keys.node("async")?;
    if let Data::Scalar(Value::Bool(_)) = node.data {
        let problem = Diagnostic::error("expected a length of time, found a boolean", &node.place);
        keys.problem(problem.hint("write how long it may run: async = \"10m\""));
        return None;
    }
    let within = keys.duration("async")?;
    if within.is_zero() {
        let problem = Diagnostic::error("a step needs more time than none", &node.place);
        keys.problem(problem.hint("leave `async` out: then the step is waited for where it is"));
    }
    Some(Background { within, place: node.place.clone() })
}

impl Step {
    /// The names of the steps that it waits for.
    pub fn waits(&self) -> Vec<Written> {
        let written =
            |node: &Node| Some(Written { text: node.as_str()?.to_string(), place: node.place.clone() });
        match &self.keys.data {
            _ if !self.kind.waits => Vec::new(),
            Data::List(list) => list.iter().filter_map(written).collect(),
            _ => written(&self.keys).into_iter().collect(),
        }
    }
}

impl Playbook {
    /// Which steps wait for which.
    pub fn waits(&self) -> Waits {
        Walk::through(self).waits
    }

    /// The index of the step with whose end the result of a step is known: for one in the background the step that waits for
    /// it, else the last one of its play.
    pub fn known_with(&self, waits: &Waits, index: usize) -> usize {
        let Some(step) = self.steps.get(index).filter(|step| step.background.is_some()) else { return index };
        let last = || self.steps.iter().rposition(|other| other.play == step.play);
        waits.by.get(&index).copied().or_else(last).unwrap_or(index)
    }
}

/// Shows what is wrong with steps in the background and those that wait for them.
pub fn check(playbook: &Playbook, problems: &mut Diagnostics) {
    for (list, what) in [
        (&playbook.handlers, "a handler"),
        (&playbook.rescue, "a step of `rescue`"),
        (&playbook.always, "a step of `always`"),
    ] {
        list.iter().for_each(|step| refuse_in(step, what, problems));
    }
    for step in &playbook.steps {
        match step.blocks.iter().find(|at| at.part != BlockPart::Body) {
            Some(at) if at.part == BlockPart::Rescue => refuse_in(step, "a step of `rescue`", problems),
            Some(_) => refuse_in(step, "a step of `always`", problems),
            None => {}
        }
        match &step.background {
            _ if step.kind.waits => check_wait(step, problems),
            Some(background) => check_background(step, background, problems),
            None => {}
        }
    }
    problems.append(Walk::through(playbook).problems);
}

/// Where nothing is left to be done meanwhile.
fn refuse_in(step: &Step, what: &str, problems: &mut Diagnostics) {
    if let Some(Background { place, .. }) = &step.background {
        let problem = Diagnostic::error(format!("{what} cannot run in the background"), place);
        problems.push(problem.hint("leave `async` out; `timeout` limits its time"));
    }
    if step.kind.waits {
        let problem =
            Diagnostic::error(format!("{what} cannot wait for a step in the background"), &step.place);
        problems.push(problem.hint("before it starts, all that runs in the background is waited for"));
    }
}

/// What cannot mean anything beside `async`.
fn check_background(step: &Step, background: &Background, problems: &mut Diagnostics) {
    let place = &background.place;
    if !step.kind.background {
        let message = format!("`{}` cannot run in the background", step.kind.name);
        problems.push(
            Diagnostic::error(message, place)
                .hint("`command` and `script` can; leave `async` out: `timeout` limits the step's time"),
        );
        return;
    }
    let of_step = |written: &Option<Written>| written.as_ref().map(|written| written.place.clone());
    let tries = (step.retries > 0).then(|| step.place.clone());
    let clashes = [
        (
            "loop",
            step.items.as_ref().map(|node| node.place.clone()),
            "a step runs once in the background: write one for each element",
        ),
        (
            "until",
            of_step(&step.until),
            "leave `until` out, or `async`: only a step that is waited for at once is retried",
        ),
        (
            "retries",
            tries,
            "leave `retries` out, or `async`: only a step that is waited for at once is retried",
        ),
        (
            "timeout",
            step.timeout.map(|_| place.clone()),
            "leave `timeout` out: `async` is the step's deadline",
        ),
        ("on", of_step(&step.on), "leave `async` out, or give the other host a play of its own"),
        (
            "run_once",
            step.run_once.then(|| step.place.clone()),
            "leave `async` out: the other hosts wait for the step anyway",
        ),
    ];
    for (key, at, hint) in clashes {
        if let Some(at) = at.filter(|_| key != "retries" || step.until.is_none()) {
            problems.push(Diagnostic::error(format!("`{key}` beside `async`"), &at).hint(hint));
        }
    }
    if let Some(node) = step.keys.get("read_only").filter(|node| node.value() == true) {
        let problem = Diagnostic::error("`read_only` beside `async`", &node.place);
        problems
            .push(problem.hint("leave `read_only` out, and write changed_when = \"false\" beside `async`"));
    }
}

/// What cannot mean anything in a step that waits.
fn check_wait(step: &Step, problems: &mut Diagnostics) {
    let of = |written: &Option<Written>| written.as_ref().map(|written| written.place.clone());
    let own = |there: bool| there.then(|| step.place.clone());
    let keys = [
        ("async", step.background.as_ref().map(|background| background.place.clone())),
        ("loop", step.items.as_ref().map(|node| node.place.clone())),
        ("register", of(&step.register)),
        ("notify", step.notify.first().map(|name| name.place.clone())),
        ("until", of(&step.until)),
        ("changed_when", of(&step.changed_when)),
        ("failed_when", of(&step.failed_when)),
        ("retries", own(step.retries > 0 && step.until.is_none())),
        ("timeout", own(step.timeout.is_some())),
        ("run_once", own(step.run_once)),
    ];
    for (key, at) in keys {
        if let Some(at) = at {
            let problem = Diagnostic::error(format!("`{key}` in a step that waits"), &at);
            problems.push(match key {
                "async" | "loop" | "run_once" => {
                    problem.hint(format!("leave `{key}` out; `wait` takes a list of names"))
                }
                "timeout" => {
                    problem.hint("leave it out: it waits until the deadline of the step, its `async`")
                }
                _ => problem
                    .hint(format!("give `{key}` to the step that it waits for: that one is judged here")),
            });
        }
    }
}

/// Goes through the steps in their order.
#[derive(Default)]
struct Walk {
    waits: Waits,
    problems: Diagnostics,
    /// What runs in the background by now, by name.
    running: HashMap<String, usize>,
    /// What was waited for, by name.
    ended: HashMap<String, usize>,
}

impl Walk {
    fn through(playbook: &Playbook) -> Walk {
        let mut walk = Walk::default();
        let mut play = 0;
        for (index, step) in playbook.steps.iter().enumerate() {
            if step.play != play {
                play = step.play;
                walk.running.clear();
                walk.ended.clear();
            }
            walk.leave_blocks(playbook, step);
            if step.kind.waits {
                step.waits().iter().for_each(|name| walk.wait(playbook, index, name));
            } else if let Some(background) = &step.background {
                walk.start(playbook, index, background);
            }
        }
        walk.check_rounds(playbook);
        walk
    }

    /// What was started in a block has ended when the block does.
    fn leave_blocks(&mut self, playbook: &Playbook, next: &Step) {
        let is_left = |index: usize| !next.blocks.starts_with(&playbook.steps[index].blocks);
        let left: Vec<String> =
            self.running.iter().filter(|(_, index)| is_left(**index)).map(|(name, _)| name.clone()).collect();
        for name in left {
            if let Some(index) = self.running.remove(&name) {
                self.ended.insert(name, index);
            }
        }
    }

    fn start(&mut self, playbook: &Playbook, index: usize, background: &Background) {
        let step = &playbook.steps[index];
        // Steps without a name may be about the same: nothing waits for the second one.
        let is_second = step.name.is_none() && self.running.contains_key(&step.title());
        let name = if is_second { format!("{} {index}", step.title()) } else { step.title() };
        self.ended.remove(&name);
        if let Some(other) = self.running.insert(name.clone(), index) {
            let problem = Diagnostic::error(
                format!("two steps called `{name}` run in the background"),
                &background.place,
            );
            let first = format!("the first one, {}, is not waited for before", playbook.steps[other].place);
            self.problems
                .push(problem.label(first).hint("give it another name, or wait for the first one before"));
        } else if self.running.len() > MOST_IN_BACKGROUND {
            let message = format!("more than {MOST_IN_BACKGROUND} steps run in the background at once");
            let problem = Diagnostic::error(message, &background.place);
            self.problems.push(problem.hint("wait for one of them before: a step with wait = \"NAME\""));
        }
    }

    fn wait(&mut self, playbook: &Playbook, index: usize, name: &Written) {
        if let Some(started) = self.running.remove(&name.text) {
            self.waits.by.insert(started, index);
            self.waits.of.entry(index).or_default().push(started);
            self.ended.insert(name.text.clone(), started);
            return;
        }
        let problem = self.unknown(playbook, index, name);
        self.problems.push(problem);
    }

    /// Why there is nothing of this name to wait for.
    fn unknown(&self, playbook: &Playbook, index: usize, name: &Written) -> Diagnostic {
        let (text, place) = (&name.text, &name.place);
        let called = |step: &&Step| step.title() == *text;
        let play = playbook.steps[index].play;
        let is_it = |step: &&Step| step.play == play && called(step);
        if let Some(started) = self.ended.get(text) {
            let by = self.waits.by.get(started).map(|by| playbook.steps[*by].place.to_string());
            let problem = match by {
                Some(by) => Diagnostic::error(format!("`{text}` is waited for twice"), place)
                    .label(format!("it is waited for before: {by}")),
                None => Diagnostic::error(format!("`{text}` does not run any more"), place)
                    .label("its block ends before, and waits for it there"),
            };
            return problem.hint("leave this step out, or move it");
        }
        if let Some(later) =
            playbook.steps[index..].iter().filter(is_it).find(|step| step.background.is_some())
        {
            return Diagnostic::error(format!("`{text}` is not started yet"), place)
                .label(format!("it is a later step: {}", later.place))
                .hint("move this step behind it");
        }
        if let Some(step) = playbook.steps.iter().find(is_it) {
            return Diagnostic::error(format!("`{text}` does not run in the background"), place)
                .label(format!("it is waited for where it is: {}", step.place))
                .hint("give it async = \"10m\", or leave this step out");
        }
        if playbook.all_steps().filter(called).any(|step| step.background.is_some()) {
            return Diagnostic::error(format!("`{text}` is a step of another play"), place)
                .hint("a play ends when all that it has started in the background has ended");
        }
        let names: Vec<String> = self.running.keys().cloned().collect();
        let problem = Diagnostic::error(format!("no step called `{text}` runs in the background"), place);
        match names.is_empty() {
            true => problem.hint("give an earlier step this name and async = \"10m\""),
            false => problem.nearest(text, names.iter().map(String::as_str)),
        }
    }

    /// In a loop around several steps each element waits for its own.
    fn check_rounds(&mut self, playbook: &Playbook) {
        for (index, step) in playbook.steps.iter().enumerate() {
            let Some(background) = &step.background else { continue };
            let rounds: Vec<usize> = step.rounds().map(|(depth, _)| depth).collect();
            let Some(depth) = rounds.last() else { continue };
            let loop_of = |step: &Step| step.within.get(*depth).map(|within| within.number);
            let by = self.waits.by.get(&index).map(|by| &playbook.steps[*by]);
            if by.is_none_or(|by| loop_of(by) != loop_of(step)) {
                let message = "a step of a loop around several steps is waited for in that loop";
                let problem = Diagnostic::error(message, &background.place);
                self.problems
                    .push(problem.hint(format!("add a step with wait = \"{}\" to the loop", step.title())));
            }
        }
    }
}

#[cfg(test)]
mod tests;
