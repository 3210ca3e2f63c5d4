//! The names that a playbook's expressions can refer to, and what is wrong with those that they do refer to: checked
//! before any host is contacted, also in what waits for facts and results.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::facts;
use crate::inventory::Inventory;
use crate::playbook::check::{self, Text};
use crate::playbook::{Playbook, Step};
use crate::project::Project;
use crate::setting::{RESERVED, Setting};
use crate::source::Place;
use crate::step::KeyUse;
use crate::template::{Form, Use, is_function, is_plain};
use std::collections::BTreeSet;
use std::path::Path;

/// What every result has.
const COMMON: &[&str] = &["changed", "failed", "skipped", "findings"];

/// What the result of a command has beside that.
const OF_COMMANDS: &[&str] = &["status", "stdout", "stdout_lines", "stderr", "stderr_lines"];

/// What Ansible's results have and ours never do, with what to use.
const ANSIBLES: &[(&str, &str)] = &[
    ("rc", "`status`"),
    ("msg", "`stdout`, `stderr` or the step's own fields"),
    ("cmd", "the step's own keys"),
];

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
        steps: playbook.all_steps().collect(),
        names: names(inventory, playbook, command_line),
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

/// Everything that is set somewhere, results left aside.
fn names(inventory: Option<&Inventory>, playbook: &Playbook, command_line: &[Setting]) -> BTreeSet<String> {
    let hosts = inventory.into_iter().flat_map(|inventory| &inventory.hosts).flat_map(|host| &host.vars);
    let settings = hosts.chain(&playbook.vars).chain(command_line).map(|setting| setting.name.as_str());
    let params = playbook.params.iter().map(|param| param.name.as_str());
    let own = RESERVED.iter().copied().chain(["name", "hosts"]);
    settings.chain(params).chain(own).map(str::to_string).collect()
}

struct Checker<'a> {
    project: &'a Project,
    playbook: &'a Playbook,
    /// In the order in which they run, as far as that is known.
    steps: Vec<&'a Step>,
    names: BTreeSet<String>,
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
            });
        }
    }

    fn mention(&mut self, text: &str, form: Form) {
        let scanned = check::scanned(text, form);
        self.mentioned.extend(scanned.iter().flat_map(|scanned| &scanned.uses).map(|used| used.name.clone()));
    }

    fn step(&mut self, at: usize) {
        self.templates_open |= named_templates(self.steps[at]).any(|name| !is_plain(name));
        let texts = check::texts(self.steps[at]);
        for text in &texts {
            self.text(at, text);
        }
        for template in self.templates(at) {
            self.text(at, &template);
        }
    }

    /// The files that a step names by themselves, with what they include.
    fn templates(&self, at: usize) -> Vec<Text> {
        let mut waiting: Vec<String> = named_templates(self.steps[at]).map(str::to_string).collect();
        let (mut seen, mut texts) = (BTreeSet::new(), Vec::new());
        while let Some(name) = waiting.pop().filter(|_| seen.len() < 1000) {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Ok(source) = self.project.read(&Path::new("templates").join(&name)) else { continue };
            if let Ok(scanned) = check::scanned(&source.text, Form::File) {
                waiting.extend(scanned.includes.iter().map(|(name, _)| name.clone()));
            }
            let place = Place { source: source.clone(), span: 0..source.text.len() };
            texts.push(Text { text: source.text.clone(), form: Form::File, place, about_result: false });
        }
        texts
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
        for used in &scanned.uses {
            self.mentioned.insert(used.name.clone());
            let guarded = used.guarded || scanned.guards(&used.name) || self.when_guards(at, &used.name);
            if let Some(problem) = self.wrong(at, used, text, guarded) {
                self.problems.push(problem);
            }
        }
    }

    fn when_guards(&self, at: usize, name: &str) -> bool {
        let when = self.steps[at].when.as_ref();
        when.is_some_and(|when| {
            check::scanned(&when.text, Form::Expression).is_ok_and(|scanned| scanned.guards(name))
        })
    }

    /// What is wrong with a reference to a name.
    fn wrong(&self, at: usize, used: &Use, text: &Text, guarded: bool) -> Option<Diagnostic> {
        let place = check::part(&text.text, used.range.clone(), &text.place);
        let step = self.steps[at];
        let name = used.name.as_str();
        // An expression about a step's own result sees that of one item.
        let own_result = text.about_result && (name == "result" || registers(step, name));
        if own_result {
            return self.field(&[of_item(step)], used, &place, guarded);
        }
        let by: Vec<usize> =
            (0..self.steps.len()).filter(|other| registers(self.steps[*other], name)).collect();
        let earlier: Vec<Option<Vec<&str>>> =
            by.iter().filter(|other| **other < at).map(|other| fields(self.steps[*other])).collect();
        if !earlier.is_empty() {
            return self.field(&earlier, used, &place, guarded);
        }
        if name == "facts" {
            return self.fact(used, &place, guarded);
        }
        let own = step.vars.iter().any(|setting| setting.name == name)
            || (step.items.is_some() && step.loop_var == name);
        if !own && let Some(problem) = self.other(used, &place, guarded) {
            return Some(problem);
        }
        if own || guarded || self.names.contains(name) || is_function(name) {
            return None;
        }
        match by.first() {
            Some(later) => Some(self.later(name, *later, &place)),
            None if self.inventory.is_none() => None,
            None => Some(self.undefined(at, name, &place)),
        }
    }

    fn later(&self, name: &str, later: usize, place: &Place) -> Diagnostic {
        let step = self.steps[later];
        let problem = Diagnostic::error(format!("`{name}` is not known here"), place);
        problem
            .label(format!("a later step registers it: `{}`, {}", step.title(), step.place))
            .hint("move that step in front of this one")
    }

    fn undefined(&self, at: usize, name: &str, place: &Place) -> Diagnostic {
        let registered = self.steps.iter().filter_map(|step| Some(step.register.as_ref()?.text.as_str()));
        let own = self.steps[at].vars.iter().map(|setting| setting.name.as_str());
        let known: BTreeSet<&str> =
            self.names.iter().map(String::as_str).chain(registered).chain(own).collect();
        let problem = Diagnostic::error(format!("`{name}` is undefined"), place);
        match crate::model::nearest::did_you_mean(name, known) {
            Some(hint) => problem.hint(hint),
            None => problem.hint(format!("set it in [vars], or declare it as [params.{name}]")),
        }
    }

    /// A field that no result of these steps has.
    fn field(
        &self,
        known: &[Option<Vec<&str>>],
        used: &Use,
        place: &Place,
        guarded: bool,
    ) -> Option<Diagnostic> {
        let field = used.path.first()?.as_str();
        if used.compared_with_number && matches!(field, "stdout" | "stderr") && used.path.len() == 1 {
            let problem = Diagnostic::error(
                format!("text is compared with a number: `{}.{field}` is text", used.name),
                place,
            );
            return Some(problem.hint(format!("write `{}.{field} | int`", used.name)));
        }
        if guarded {
            return None;
        }
        if known.iter().flatten().flatten().any(|known| *known == field) {
            return None;
        }
        let ansibles = ANSIBLES.iter().find(|(known, _)| *known == field);
        if known.iter().any(Option::is_none) && ansibles.is_none() {
            return None;
        }
        let names: BTreeSet<&str> = known.iter().flatten().flatten().copied().collect();
        let problem = Diagnostic::error(format!("a result has no `{field}`"), place);
        Some(match ansibles {
            Some((_, instead)) => problem.hint(format!("use {instead}")),
            None => problem.nearest(field, names),
        })
    }

    fn fact(&self, used: &Use, place: &Place, guarded: bool) -> Option<Diagnostic> {
        let fact = used.path.first().filter(|_| !guarded)?;
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

    /// Variables of the command line that nothing in the playbook refers to.
    fn command_line(&mut self, command_line: &[Setting]) {
        if self.templates_open {
            return;
        }
        let known: BTreeSet<String> =
            check::names(self.playbook).into_iter().chain(self.mentioned.clone()).collect();
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

/// What a step's keys for templates are set to.
fn named_templates(step: &Step) -> impl Iterator<Item = &str> {
    let entries = step.keys.entries().unwrap_or_default().iter();
    let named = entries.filter(move |entry| step.kind.keys.contains(&(entry.key.as_str(), KeyUse::Template)));
    named.filter_map(|entry| entry.node.as_str())
}

fn registers(step: &Step, name: &str) -> bool {
    step.register.as_ref().is_some_and(|register| register.text == name)
}

/// The fields of a step's result, where they are all known.
fn fields(step: &Step) -> Option<Vec<&'static str>> {
    match step.items.is_some() {
        true => Some(COMMON.iter().copied().chain(["results"]).collect()),
        false => of_item(step),
    }
}

/// The fields of the result of a step without a loop, or of one item.
fn of_item(step: &Step) -> Option<Vec<&'static str>> {
    (step.kind.name == "command").then(|| COMMON.iter().chain(OF_COMMANDS).copied().collect())
}
