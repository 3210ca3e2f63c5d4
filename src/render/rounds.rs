//! Loops around several steps: their lists, host by host, and the playbook with the steps of each element.

use super::scope::Needs;
use super::step::unknown_list;
use super::{Renderer, Scope, Sequence};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Host;
use crate::model::arg::Arg;
use crate::model::{Value, label};
use crate::playbook::Step;
use crate::playbook::rounds::{Round, RoundKey};
use crate::setting::{Origin, Setting};
use crate::source::what;
use crate::template::is_plain;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A loop has at most so many elements: each has its steps on every host.
const MOST: usize = 10_000;

/// The lists of all loops.
#[derive(Default)]
pub struct Rounds {
    /// By host and place.
    lists: RefCell<HashMap<OnHost, Rc<Vec<Value>>>>,
    /// What of them output and record must not show, by host.
    secrets: RefCell<HashMap<String, BTreeSet<String>>>,
}

/// A loop on a host.
type OnHost = (String, RoundKey);

impl Renderer<'_> {
    /// Gives each element of the loops around several steps its own steps. Hosts with shorter lists have fewer of them.
    pub(super) fn unroll(&mut self) -> Result<(), Diagnostics> {
        if !self.playbook.has_rounds() {
            return Ok(());
        }
        self.unroll_where(&|_, _| true)
    }

    /// The same for the loops around one step. Other loops have no elements then: their lists may look at groups that are
    /// still to be made.
    pub(super) fn unroll_around(&mut self, step: &Step) -> Result<(), Diagnostics> {
        if step.rounds().next().is_none() {
            return Ok(());
        }
        self.unroll_where(&|other, depth| {
            let numbers = |step: &Step| -> Vec<u32> {
                step.within.iter().take(depth + 1).map(|within| within.number).collect()
            };
            numbers(other) == numbers(step)
        })
    }

    /// Gives the loops their steps for which `wanted` holds; the others have none.
    fn unroll_where(&mut self, wanted: &dyn Fn(&Step, usize) -> bool) -> Result<(), Diagnostics> {
        let mut problems = Diagnostics::default();
        let unrolled = self.playbook.unrolled(&mut |step, depth| match wanted(step, depth) {
            true => self.longest(step, depth, &mut problems),
            false => 0,
        });
        problems.unless_errors(())?;
        self.sequence = Sequence::of(&unrolled);
        self.playbook = Cow::Owned(unrolled);
        Ok(())
    }

    /// How many elements the longest list has among all hosts.
    fn longest(&self, step: &Step, depth: usize, problems: &mut Diagnostics) -> u32 {
        let mut longest = 0;
        for host in self.hosts.iter().filter(|host| self.reaches(host.name.as_str(), step)) {
            let list = problems.keep(self.list(host, step, depth)).unwrap_or_default();
            let name = host.name.to_string();
            longest = longest.max(list.len());
            self.rounds.lists.borrow_mut().insert((name, step.round_key(depth)), Rc::new(list));
        }
        longest as u32
    }

    /// The list of a loop on a host.
    fn list(&self, host: &Host, step: &Step, depth: usize) -> Result<Vec<Value>, Diagnostics> {
        let Some(Round { of, .. }) = &step.within[depth].round else { return Ok(Vec::new()) };
        let scope = Scope::new(self, host)?.of_round(step, depth);
        let value = match of.items.as_str().filter(|text| is_plain(text)) {
            Some(expression) => scope
                .expression(expression, &mut Needs::default())
                .map_err(|failure| Diagnostic::failure(&failure, &of.items.place))?,
            None => scope.node(&of.items, None, &mut Needs::default())?.known(),
        };
        let mut secrets = self.rounds.secrets.borrow_mut();
        secrets.entry(host.name.to_string()).or_default().extend(scope.secrets());
        match value {
            Some(Value::Array(list)) if list.len() <= MOST => Ok(list),
            Some(Value::Array(list)) => {
                let message = format!(
                    "a loop around several steps has at most {MOST} elements, this has {}",
                    list.len()
                );
                Err(Diagnostic::error(message, &of.items.place).into())
            }
            Some(other) => {
                let problem = Diagnostic::error(
                    format!("a loop needs a list, this is {}", what(&other)),
                    &of.items.place,
                );
                Err(match other.is_object() {
                    true => problem.hint("make a list of the map with `| dict2items`"),
                    false => problem,
                }
                .into())
            }
            None => Err(unknown_list(&of.items.place).into()),
        }
    }

    /// Whether a step is done on a host: its play is, and the lists of the loops around it reach to it.
    pub(super) fn reaches(&self, host: &str, step: &Step) -> bool {
        self.is_in(host, step.play)
            && step
                .rounds()
                .all(|(depth, round)| round.at.is_none() || self.element(host, step, depth).is_some())
    }

    /// What of the lists of a host output and record must not show.
    pub(super) fn secrets_of_rounds(&self, host: &Host) -> BTreeSet<String> {
        self.rounds.secrets.borrow().get(host.name.as_str()).cloned().unwrap_or_default()
    }

    /// The element of a loop that a step is for.
    fn element(&self, host: &str, step: &Step, depth: usize) -> Option<Value> {
        let at = step.within[depth].round.as_ref()?.at?;
        let rounds = self.rounds.lists.borrow();
        rounds.get(&(host.to_string(), step.round_key(depth)))?.get(at as usize).cloned()
    }

    /// The variables of a step on a host that it has from itself and what it is in, the elements of the loops among them;
    /// of a loop at a depth only those from further outside.
    pub(super) fn variables(&self, host: &str, step: &Step, depth: usize) -> Vec<Setting> {
        let most = step.within.get(depth).and_then(|within| within.round.as_ref());
        let most = most.map_or(step.vars.len(), |round| round.outer_vars);
        let weaker = |setting: &&Setting| !self.is_set_by_var(&setting.name);
        let mut settings = Vec::new();
        let mut done = 0;
        for (at, round) in step.rounds().filter(|(at, _)| *at < depth) {
            settings.extend(step.vars[done..round.outer_vars].iter().filter(weaker).cloned());
            done = round.outer_vars;
            let name = &round.of.loop_var;
            let element = self.element(host, step, at);
            settings.extend(element.map(|value| Setting {
                literal: true,
                ..Setting::new(&name.text, value, &name.place, Origin::Step(step.title()))
            }));
        }
        settings.extend(step.vars[done..most].iter().filter(weaker).cloned());
        settings
    }
}

impl Scope<'_> {
    /// How the elements are named that a step is for.
    pub(super) fn labels(&self, step: &Step) -> Vec<String> {
        let own = |(depth, round): (usize, &Round)| {
            let label = round
                .of
                .label
                .as_ref()
                .map(|label| self.arg(&label.text.as_str().into(), &mut Needs::default()));
            match label {
                Some(Ok(Arg::Value(value))) => Some(label::label(&value)),
                _ => self.renderer.element(&self.host, step, depth).map(|value| label::label(&value)),
            }
        };
        step.rounds().filter_map(own).collect()
    }
}
