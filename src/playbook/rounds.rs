//! Loops around several steps: those of an include or a block. Their lists are known only with the hosts of a run; then each
//! element has the steps for itself.

use super::{Playbook, Step, Written};
use crate::model::job::InBlock;
use crate::source::Node;
use std::collections::HashMap;
use std::sync::Arc;

/// An include, a role or a block that a step is in.
#[derive(Clone, Debug)]
pub struct Within {
    /// Names it in its playbook.
    pub number: u32,
    /// Where in its loop the step is, when it has one.
    pub round: Option<Round>,
}

impl Within {
    /// Which element of its loop, when it has one whose list is known.
    fn element(&self) -> Option<u32> {
        self.round.as_ref().and_then(|round| round.at)
    }

    /// What distinguishes it from the others, and from itself for another element.
    fn key(&self) -> (u32, Option<u32>) {
        (self.number, self.element())
    }
}

/// One element of the loop of an include or a block.
#[derive(Clone, Debug)]
pub struct Round {
    /// The loop.
    pub of: Arc<GroupLoop>,
    /// So many of the step's variables come from further outside: the list may refer to them.
    pub outer_vars: usize,
    /// Which element, counted from 0; none while the list is not known.
    pub at: Option<u32>,
}

/// The loop of an include or a block.
#[derive(Debug)]
pub struct GroupLoop {
    /// A list, or an expression that gives one.
    pub items: Node,
    /// What an element is called.
    pub loop_var: Written,
    /// How an element is named in output: a template. The element itself when not given.
    pub label: Option<Written>,
}

/// Where an element stands: the loops around it with the elements there, then the loop itself.
pub type RoundKey = (Vec<(u32, Option<u32>)>, u32);

impl Step {
    /// The loops around it, the outermost first, each with its place among what it is within.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = (usize, &Round)> {
        self.within.iter().enumerate().filter_map(|(depth, within)| Some((depth, within.round.as_ref()?)))
    }

    /// The loops around it, to be changed.
    pub fn rounds_mut(&mut self) -> impl Iterator<Item = &mut Round> {
        self.within.iter_mut().filter_map(|within| within.round.as_mut())
    }

    /// What names the list of the loop at `depth`.
    pub fn round_key(&self, depth: usize) -> RoundKey {
        (self.within[..depth].iter().map(Within::key).collect(), self.within[depth].number)
    }

    /// Whether it is that step, or that step for one element of the loops around it.
    pub fn is_in_rounds_of(&self, step: &Step) -> bool {
        let numbers = |step: &Step| step.within.iter().map(|within| within.number).collect::<Vec<_>>();
        self.place == step.place && self.play == step.play && numbers(self) == numbers(step)
    }

    /// How many includes and blocks it has in common with another step, the outermost first.
    fn shares(&self, other: &Step) -> usize {
        let pairs = self.within.iter().zip(&other.within);
        pairs.take_while(|(one, other)| one.key() == other.key()).count()
    }
}

impl Playbook {
    /// The handlers that a step notifies, by their places in `handlers`. A topic is for all that listen to it. Of a handler
    /// that is there several times, since its file is included several times, it is the one that is nearest to the step.
    pub fn notified(&self, step: &Step) -> Vec<usize> {
        let hears = |handler: &Step, name: &str| {
            handler.play == step.play
                && (handler.title() == name || handler.listen.iter().any(|topic| topic.text == name))
        };
        let of_step = |at: &usize| step.notify.iter().any(|name| hears(&self.handlers[*at], &name.text));
        let heard: Vec<usize> = (0..self.handlers.len()).filter(of_step).collect();
        let nearest = |at: &usize| {
            let handler = &self.handlers[*at];
            let twins =
                heard.iter().map(|twin| &self.handlers[*twin]).filter(|twin| twin.place == handler.place);
            twins.map(|twin| twin.shares(step)).max() == Some(handler.shares(step))
        };
        heard.iter().copied().filter(nearest).collect()
    }

    /// Each handler's name among all: its own, and where several have that, with what distinguishes them.
    pub fn handler_keys(&self) -> Vec<String> {
        let titles: Vec<String> = self.handlers.iter().map(Step::title).collect();
        let mut keys: Vec<String> = Vec::new();
        for (handler, title) in self.handlers.iter().zip(&titles) {
            let mut key = title.clone();
            let twins = self
                .handlers
                .iter()
                .zip(&titles)
                .filter(|(other, name)| other.play == handler.play && *name == title);
            if twins.count() > 1 {
                let vars = handler.vars.iter().map(|setting| format!("{} = {}", setting.name, setting.value));
                let elements =
                    handler.rounds().filter_map(|(_, round)| Some(format!("element {}", round.at? + 1)));
                key = format!("{title} ({})", vars.chain(elements).collect::<Vec<_>>().join(", "));
            }
            let taken = |key: &String| {
                keys.iter().zip(&self.handlers).any(|(other, twin)| twin.play == handler.play && other == key)
            };
            while taken(&key) {
                key.push('\'');
            }
            keys.push(key);
        }
        keys
    }

    /// Whether there are loops around several steps whose lists are not known yet.
    pub fn has_rounds(&self) -> bool {
        self.all_steps().any(|step| step.rounds().any(|(_, round)| round.at.is_none()))
    }

    /// The playbook with the steps of each loop as often as the loop has elements; `length` says how many those are of the
    /// loop at a depth of a step.
    pub fn unrolled(&self, length: &mut dyn FnMut(&Step, usize) -> u32) -> Playbook {
        let mut playbook = self.clone();
        let lists = [&mut playbook.steps, &mut playbook.handlers, &mut playbook.rescue, &mut playbook.always];
        let mut blocks = HashMap::new();
        for list in lists {
            *list = unrolled(std::mem::take(list), 0, length);
            list.iter_mut().for_each(|step| number_blocks(step, &mut blocks));
        }
        playbook
    }
}

fn unrolled(steps: Vec<Step>, depth: usize, length: &mut dyn FnMut(&Step, usize) -> u32) -> Vec<Step> {
    let number = |step: &Step| step.within.get(depth).map(|within| within.number);
    let mut done = Vec::new();
    for group in steps.chunk_by(|one, other| number(one) == number(other)) {
        let within = group.first().and_then(|first| first.within.get(depth));
        match within.map(|within| within.round.is_some()) {
            None => done.extend(group.iter().cloned()),
            Some(false) => done.extend(unrolled(group.to_vec(), depth + 1, length)),
            Some(true) => {
                for at in 0..length(&group[0], depth) {
                    let mut copy = group.to_vec();
                    for round in copy.iter_mut().filter_map(|step| step.within[depth].round.as_mut()) {
                        round.at = Some(at);
                    }
                    done.extend(unrolled(copy, depth + 1, length));
                }
            }
        }
    }
    done
}

/// A block in a loop is another one for each element.
fn number_blocks(step: &mut Step, known: &mut HashMap<BlockKey, u32>) {
    let Step { within, blocks, .. } = step;
    for InBlock { block, .. } in blocks {
        let Some(depth) = within.iter().position(|within| within.number == *block) else { continue };
        let path = within[..=depth].iter().map(Within::element);
        let next = known.len() as u32;
        *block = *known.entry((*block, path.collect())).or_insert(next);
    }
}

/// A block, and the elements of the loops around it.
type BlockKey = (u32, Vec<Option<u32>>);
