//! The names that a playbook's expressions can refer to, and what is wrong with those that they do refer to: checked
//! before any host is contacted, also in what waits for facts and results.

mod foreign;
mod results;
mod shapes;

use super::grouping::must_be_known;
use super::sequence::order_of;
use super::step::unknown_list;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::facts;
use crate::inventory::Inventory;
use crate::model::nearest::did_you_mean;
use crate::playbook::check::{self, Text};
use crate::playbook::grouping;
use crate::playbook::plays::Play;
use crate::playbook::{Playbook, Step};
use crate::project::Project;
use crate::setting::{RESERVED, Setting};
use crate::source::Place;
use crate::template::{Form, Scanned, Use, functions, is_function, is_plain};
use results::{Fields, fields, of_element, of_item};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shows what is wrong with the names of a playbook. Without an inventory, names that nothing in the playbook sets may be
/// variables of hosts, and are not looked at.
pub fn check(
    project: &Project,
    inventory: Option<&Inventory>,
    playbook: &Playbook,
    command_line: &[Setting],
) -> Diagnostics {
    let mut checker = Checker {
        project,
        playbook,
        steps: in_running_order(playbook),
        known_from: known_from(playbook),
        names: names(inventory, playbook, command_line),
        meets: meets(project, inventory, playbook),
        inventory,
        mentioned: BTreeSet::new(),
        templates_open: false,
        problems: Diagnostics::default(),
    };
    checker.settings(inventory);
    for at in 0..checker.steps.len() {
        checker.step(at);
    }
    checker.command_line(command_line);
    checker.problems
}

/// Values that do not fit the params they are given for.
pub fn unfit(playbook: &Playbook, given: &[Setting]) -> Diagnostics {
    let mut problems = Diagnostics::default();
    for setting in given {
        let is_literal = setting.value.as_str().is_none_or(is_plain);
        let param = playbook.params.iter().find(|param| param.name == setting.name).filter(|_| is_literal);
        if let Some(Err(why)) = param.map(|param| param.fitted(&setting.value, setting.typed.as_deref())) {
            problems
                .push(Diagnostic::error(why, &setting.place).label(format!("a param of {}", playbook.name)));
        }
    }
    problems
}

/// Everything that is set somewhere, results left aside.
fn names(inventory: Option<&Inventory>, playbook: &Playbook, command_line: &[Setting]) -> BTreeSet<String> {
    let hosts = inventory.into_iter().flat_map(|inventory| &inventory.hosts).flat_map(|host| &host.vars);
    let settings = hosts.chain(&playbook.vars).chain(command_line).map(|setting| setting.name.as_str());
    let params = playbook.params.iter().filter(|param| !param.included).map(|param| param.name.as_str());
    let own = RESERVED.iter().copied().chain(["name", "hosts"]);
    settings.chain(params).chain(own).map(str::to_string).collect()
}

/// What a template, or the step's `when`, says is done when something is undefined.
#[derive(Clone, Copy)]
struct Guarded {
    /// The name itself.
    name: bool,
    /// The field of it.
    field: bool,
}

/// Which plays have hosts in common, where that can be known.
fn meets(
    project: &Project,
    inventory: Option<&Inventory>,
    playbook: &Playbook,
) -> BTreeMap<(u32, u32), bool> {
    let Some(inventory) = inventory else { return BTreeMap::new() };
    let names = |play: &Play| -> Option<BTreeSet<String>> {
        let selected = inventory.select(&play.hosts.text, project).ok()?;
        Some(selected.into_iter().map(|host| host.name.to_string()).collect())
    };
    let all: Vec<Option<BTreeSet<String>>> = playbook.plays.iter().map(names).collect();
    let mut meets = BTreeMap::new();
    for (second, hosts) in all.iter().enumerate() {
        for (first, others) in all[..second].iter().enumerate() {
            let common = hosts.as_ref().zip(others.as_ref()).map(|(one, other)| !one.is_disjoint(other));
            meets.insert((first as u32, second as u32), common.unwrap_or(true));
        }
    }
    meets
}

fn in_running_order(playbook: &Playbook) -> Vec<&Step> {
    let steps: Vec<&Step> = playbook.all_steps().collect();
    playbook.running_order().map(|index| steps[index]).collect()
}

/// Of each step, in the order in which they run, the place of the one with whose end its result is known.
fn known_from(playbook: &Playbook) -> Vec<usize> {
    let (waits, order) = (playbook.waits(), order_of(playbook));
    playbook.running_order().map(|index| order[playbook.known_with(&waits, index)]).collect()
}

struct Checker<'a> {
    project: &'a Project,
    playbook: &'a Playbook,
    /// In the order in which they run.
    steps: Vec<&'a Step>,
    /// Of each of them the place of the one with whose end its result is known.
    known_from: Vec<usize>,
    names: BTreeSet<String>,
    /// Which plays have hosts in common.
    meets: BTreeMap<(u32, u32), bool>,
    inventory: Option<&'a Inventory>,
    /// Every name that some expression refers to.
    mentioned: BTreeSet<String>,
    /// A step computes the name of a template, which may refer to any name.
    templates_open: bool,
    problems: Diagnostics,
}

impl Checker<'_> {
    /// Templates in variables: only what is wrong whatever else is set.
    fn settings(&mut self, inventory: Option<&Inventory>) {
        let hosts = inventory.into_iter().flat_map(|inventory| &inventory.hosts).flat_map(|host| &host.vars);
        let defaults = self.playbook.params.iter().filter_map(|param| param.setting());
        let all =
            hosts.chain(&self.playbook.vars).filter(|setting| !setting.literal).cloned().chain(defaults);
        for setting in all.collect::<Vec<_>>() {
            check::strings_of(&setting.value, &mut |text| {
                check::source(text, Form::Text, &setting.place, &mut self.problems);
                self.mention(text, Form::Text);
                self.results_in(text, &setting.place);
            });
        }
    }

    /// Fields of results that a variable refers to, whichever step uses it.
    fn results_in(&mut self, text: &str, place: &Place) {
        let Ok(scanned) = check::scanned(text, Form::Text) else { return };
        let set = |name: &str| self.steps.iter().any(|step| sets(step, name));
        for used in scanned.uses.iter().filter(|used| !self.names.contains(&used.name) && !set(&used.name)) {
            let by = self.steps.iter().filter(|step| registers(step, &used.name));
            let of: Vec<Fields> = by.map(|step| fields(step)).collect();
            let place = check::part(text, used.range.clone(), place);
            let guarded = scanned.guards_field(used);
            self.problems.extend(results::wrong(&of, used, &place, guarded));
        }
    }

    fn mention(&mut self, text: &str, form: Form) {
        self.mentioned.extend(check::mentioned(text, form));
    }

    fn step(&mut self, at: usize) {
        self.templates_open |= check::named_templates(self.steps[at]).any(|name| !is_plain(name));
        self.rounds(at);
        let texts = check::texts(self.steps[at]);
        for text in &texts {
            self.text(at, text);
        }
        for template in check::template_files(self.project, self.steps[at]) {
            self.text(at, &template);
        }
    }

    /// The lists of loops around several steps are needed before a host is contacted.
    fn rounds(&mut self, at: usize) {
        let given = |name: &str| self.steps.iter().any(|step| step.gives().any(|given| given == name));
        let waits = |name: &str| name == "facts" || (given(name) && !self.names.contains(name));
        let mut problems = Vec::new();
        for (_, round) in self.steps[at].rounds() {
            let items = &round.of.items;
            let form = if items.as_str().is_some_and(is_plain) { Form::Expression } else { Form::Text };
            check::strings_of(&items.value(), &mut |text| {
                let Ok(scanned) = check::scanned(text, form) else { return };
                if scanned.uses.iter().any(|used| waits(&used.name)) {
                    problems.push(unknown_list(&items.place));
                }
            });
        }
        problems.into_iter().for_each(|problem| self.problems.push(problem));
    }

    fn text(&mut self, at: usize, text: &Text) {
        // What cannot be parsed was shown when the playbook was read.
        let Ok(scanned) = check::scanned(&text.text, text.form) else {
            if text.form == Form::File {
                check::source(&text.text, text.form, &text.place, &mut self.problems);
            }
            return;
        };
        if text.form == Form::File {
            check::source(&text.text, text.form, &text.place, &mut self.problems);
        }
        let known = self.known(at, text, &scanned);
        check::misused(text, &known, &mut self.problems);
        for used in scanned.uses.iter().filter(|used| !text.handed_on.contains(&used.name)) {
            self.mentioned.insert(used.name.clone());
            let when = self.when(at);
            let in_when = |guards: &dyn Fn(&Scanned) -> bool| when.as_ref().is_some_and(|when| guards(when));
            let guarded = Guarded {
                name: scanned.guards(&used.name) || in_when(&|when| when.guards(&used.name)),
                field: scanned.guards_field(used) || in_when(&|when| when.guards_field(used)),
            };
            if let Some(problem) = self.wrong(at, used, text, guarded) {
                self.problems.push(problem);
            }
        }
    }

    fn when(&self, at: usize) -> Option<Arc<Scanned>> {
        check::scanned(&self.steps[at].when.as_ref()?.text, Form::Expression).ok()
    }

    /// What is wrong with a reference to a name.
    fn wrong(&self, at: usize, used: &Use, text: &Text, guarded: Guarded) -> Option<Diagnostic> {
        let place = check::part(&text.text, used.range.clone(), &text.place);
        let step = self.steps[at];
        let name = used.name.as_str();
        // An expression about a step's own result sees that of one item.
        let own_result = text.about_result && (name == "result" || registers(step, name));
        if own_result {
            return results::wrong(&[of_item(step)], used, &place, guarded.field);
        }
        let in_round = step.rounds().any(|(_, round)| round.of.loop_var.text == name);
        let is_item = step.items.is_some() && step.loop_var == name;
        if is_item {
            return results::wrong(&self.of_items(at)?, used, &place, guarded.field);
        }
        let set = in_round || step.vars.iter().any(|setting| setting.name == name);
        let by: Vec<usize> = (0..self.steps.len())
            .filter(|other| self.steps[*other].gives().any(|given| given == name))
            .collect();
        if !by.is_empty() && !set && grouping::is_grouping(step) && !self.names.contains(name) {
            return Some(must_be_known(&place));
        }
        let (by, elsewhere): (Vec<usize>, Vec<usize>) =
            by.into_iter().partition(|other| self.meets(step.play, self.steps[*other].play));
        if by.iter().any(|other| *other < at && sets(self.steps[*other], name)) {
            return None;
        }
        let earlier: Vec<Fields> = by
            .iter()
            .filter(|other| self.known_from[**other] < at)
            .map(|other| fields(self.steps[*other]))
            .collect();
        if !earlier.is_empty() {
            return results::wrong(&earlier, used, &place, guarded.field);
        }
        if name == "facts" {
            return self.fact(used, &place);
        }
        let own = set
            || step.params.iter().any(|param| param.name == name)
            || step.defaults.iter().any(|setting| setting.name == name);
        if !own && let Some(problem) = self.other(used, &place, guarded.field) {
            return Some(problem);
        }
        if own || self.names.contains(name) || is_function(name) {
            return None;
        }
        // What can never be defined is a mistake also where the playbook says what it is then.
        let never = foreign::of_ansible(name, &used.path).filter(|_| by.is_empty() && elsewhere.is_empty());
        if let Some(hint) = never.filter(|_| self.knows_all()) {
            return Some(Diagnostic::error(format!("`{name}` is undefined"), &place).hint(hint));
        }
        if guarded.name {
            return None;
        }
        match by.first() {
            Some(own) if *own == at && sets(step, name) => Some(before_itself(name, &place)),
            Some(by) if *by < at => Some(self.not_waited_for(name, *by, &place)),
            Some(later) => Some(self.later(name, *later, &place)),
            None if !elsewhere.is_empty() => Some(self.on_others(name, elsewhere[0], &place)),
            None if !self.knows_all() => None,
            None => Some(self.undefined(at, used, text, &place)),
        }
    }

    /// Whether every variable of a host is known. The groups that are made bring some that no host has yet.
    fn knows_all(&self) -> bool {
        self.inventory.is_some() && grouping::steps(self.playbook).next().is_none()
    }

    /// The fields of a loop's elements, where these are the results of an earlier loop.
    fn of_items(&self, at: usize) -> Option<Vec<Fields<'_>>> {
        let name = results::looped_over(self.steps[at])?;
        let earlier = self.steps[..at].iter().filter(|other| registers(other, name) && other.items.is_some());
        Some(earlier.map(|other| of_element(other)).collect())
    }

    /// Whether a host may be in both plays.
    fn meets(&self, one: u32, other: u32) -> bool {
        one == other || self.meets.get(&(one.min(other), one.max(other))).copied().unwrap_or(true)
    }

    fn on_others(&self, name: &str, by: usize, place: &Place) -> Diagnostic {
        let step = self.steps[by];
        let play = self.playbook.plays.get(step.play as usize).map(|play| play.title.as_str());
        let problem = Diagnostic::error(format!("`{name}` is not known here"), place);
        problem
            .label(format!("only `{}` gives it, on the hosts of {}", step.title(), play.unwrap_or_default()))
            .hint(format!("name the host: hosts['NAME'].vars.{name}"))
    }

    /// The step that gives it runs in the background.
    fn not_waited_for(&self, name: &str, by: usize, place: &Place) -> Diagnostic {
        let step = self.steps[by];
        let problem = Diagnostic::error(format!("`{name}` is not known here"), place);
        problem
            .label(format!("`{}` runs in the background, and nothing has waited for it yet", step.title()))
            .hint(format!("put a step with wait = \"{}\" before this one", step.title()))
    }

    fn later(&self, name: &str, later: usize, place: &Place) -> Diagnostic {
        let step = self.steps[later];
        let problem = Diagnostic::error(format!("`{name}` is not known here"), place);
        problem
            .label(format!(
                "a later step {} it: `{}`, {}",
                if sets(step, name) { "sets" } else { "registers" },
                step.title(),
                step.place
            ))
            .hint("move that step in front of this one")
    }

    fn undefined(&self, at: usize, used: &Use, text: &Text, place: &Place) -> Diagnostic {
        let (step, name) = (self.steps[at], used.name.as_str());
        let problem = Diagnostic::error(format!("`{name}` is undefined"), place);
        if let Some(hint) = of_place(step, name, text).or(foreign::elsewhere(name).map(str::to_string)) {
            return problem.hint(hint);
        }
        let is_called = text.text.get(used.range.end..).is_some_and(|behind| behind.starts_with('('));
        let functions: Vec<&str> = if is_called { functions().collect() } else { Vec::new() };
        let registered = self.steps.iter().flat_map(|step| step.gives());
        let own = step.vars.iter().map(|setting| setting.name.as_str());
        let params = step.params.iter().map(|param| param.name.as_str());
        let defaults = step.defaults.iter().map(|setting| setting.name.as_str());
        let params = params.chain(defaults);
        let known: BTreeSet<&str> =
            self.names.iter().map(String::as_str).chain(registered).chain(own).chain(params).collect();
        // What is called is a function.
        let nearest = did_you_mean(name, functions.iter().copied()).or_else(|| did_you_mean(name, known));
        match nearest {
            Some(hint) => problem.hint(hint),
            None if is_called => {
                problem.hint("there is no function of this name; `windlass filters` lists them")
            }
            None => problem.hint(format!("set it in [vars], or declare it as [params.{name}]")),
        }
    }

    /// A fact that does not exist is never defined on any host.
    fn fact(&self, used: &Use, place: &Place) -> Option<Diagnostic> {
        let fact = used.path.first()?;
        let known = facts::names();
        if known.contains(&fact.as_str()) || crate::template::is_method(fact) {
            return None;
        }
        let problem = Diagnostic::error(format!("there is no fact `{fact}`"), place);
        Some(problem.nearest(fact, known.iter().copied()))
    }

    /// A host or group that is named and does not exist: `hosts['db1']`, `groups['web']`.
    fn other(&self, used: &Use, place: &Place, guarded: bool) -> Option<Diagnostic> {
        let (inventory, wanted) = (self.inventory?, used.path.first().filter(|_| !guarded)?);
        let is_set = self.playbook.params.iter().any(|param| param.name == used.name);
        if used.name == "groups" && grouping::may_make(self.playbook, wanted) {
            return None;
        }
        let (what, names): (&str, Vec<&str>) = match used.name.as_str() {
            "hosts" => ("host", inventory.hosts.iter().map(|host| host.name.as_str()).collect()),
            "groups" => ("group", inventory.groups.keys().map(String::as_str).collect()),
            _ => return None,
        };
        if is_set || names.contains(&wanted.as_str()) || wanted == "all" || crate::template::is_method(wanted)
        {
            return None;
        }
        let problem = Diagnostic::error(format!("there is no {what} called `{wanted}`"), place);
        Some(problem.nearest(wanted, names))
    }

    /// `-e 'port=80 user=app'` sets two variables in Ansible.
    fn several_in_one(&mut self, command_line: &[Setting], known: &BTreeSet<String>) {
        for setting in command_line {
            let text = setting.typed.as_deref().filter(|typed| setting.value.as_str() == Some(typed));
            let words = text.unwrap_or_default().split_whitespace().skip(1);
            let named = words.filter_map(|word| word.split_once('=')).map(|(name, _)| name);
            let Some(other) = named.into_iter().find(|name| known.contains(*name)) else { continue };
            let name = &setting.name;
            let message =
                format!("one `--var` sets one variable, and `{other}=` stands in the text of `{name}`");
            let problem = Diagnostic { place: Some(setting.place.clone()), ..Diagnostic::elsewhere(message) };
            self.problems.push(problem.hint(format!(
                "write --var {name}=… --var {other}=…; a text that holds it is in quotes: --var '{name}=\"…\"'"
            )));
        }
    }

    /// Variables of the command line that nothing in the playbook refers to.
    fn command_line(&mut self, command_line: &[Setting]) {
        if self.templates_open {
            return;
        }
        let known: BTreeSet<String> =
            check::names(self.playbook).into_iter().chain(self.mentioned.clone()).collect();
        self.several_in_one(command_line, &known);
        for setting in command_line.iter().filter(|setting| !known.contains(&setting.name)) {
            let message = format!("the playbook {} has no variable `{}`", self.playbook.name, setting.name);
            let problem = Diagnostic { place: Some(setting.place.clone()), ..Diagnostic::elsewhere(message) };
            let names = known
                .iter()
                .map(String::as_str)
                .filter(|name| !is_function(name) && !RESERVED.contains(name));
            self.problems.push(problem.nearest(&setting.name, names));
        }
    }
}

/// What is meant by a name at the place where it stands.
fn of_place(step: &Step, name: &str, text: &Text) -> Option<String> {
    let around = step.rounds().next_back().map(|(_, round)| round.of.loop_var.text.as_str());
    let element = step.items.as_ref().map(|_| step.loop_var.as_str()).or(around);
    match (name, element) {
        ("item", Some(element)) => Some(format!("the element of the loop is called `{element}`")),
        ("item", None) => Some("give the step a `loop`".to_string()),
        ("never", _) if text.about_result => Some("write false".to_string()),
        ("always", _) if text.about_result => Some("write true".to_string()),
        _ => None,
    }
}

fn sets(step: &Step, name: &str) -> bool {
    step.sets().any(|entry| entry.key == name)
}

/// A step that sets a variable looks at it, and nothing has set it before.
fn before_itself(name: &str, place: &Place) -> Diagnostic {
    let problem = Diagnostic::error(format!("`{name}` is not known here"), place);
    problem
        .label("this step is the first that sets it")
        .hint(format!("write what it is before: `{name} | default(…)`, or set it in [vars]"))
}

fn registers(step: &Step, name: &str) -> bool {
    step.register.as_ref().is_some_and(|register| register.text == name)
}
