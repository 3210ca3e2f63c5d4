//! `group_by`: which groups hosts join, worked out before the jobs are made.

use super::Renderer;
use super::scope::{Needs, Scope};
use super::step::Maker;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Host;
use crate::inventory::grouped::{Member, group_name};
use crate::inventory::pattern::matcher::Matcher;
use crate::model::Value;
use crate::playbook::{Playbook, Step, check};
use crate::setting::Setting;
use crate::source::{Node, Place};
use crate::step::KeyUse;
use crate::template::Form;
use std::collections::{BTreeSet, HashSet};

/// The steps that put hosts into groups, with their indices, in their order.
pub fn steps(playbook: &Playbook) -> impl Iterator<Item = (usize, &Step)> {
    playbook.all_steps().enumerate().filter(|(_, step)| is_grouping(step))
}

pub(super) fn is_grouping(step: &Step) -> bool {
    keys(step, KeyUse::Group).next().is_some()
}

/// What a step's keys of one use are set to.
fn keys(step: &Step, wanted: KeyUse) -> impl Iterator<Item = &Node> {
    let names = step.kind.keys.iter().filter(move |(_, key_use)| *key_use == wanted);
    names.filter_map(move |(name, _)| step.keys.get(name))
}

/// The names of the facts that these steps refer to, themselves or by variables.
pub fn facts(playbook: &Playbook, hosts: &[&Host], command_line: &[Setting]) -> BTreeSet<String> {
    let of_hosts = hosts.iter().flat_map(|host| &host.vars);
    let params: Vec<Setting> = playbook.params.iter().filter_map(|param| param.setting()).collect();
    let of_steps = steps(playbook).flat_map(|(_, step)| step.weakest()).collect::<Vec<_>>();
    let settings = of_hosts.chain(&playbook.vars).chain(command_line).chain(&params).chain(&of_steps);
    let settings: Vec<&Setting> = settings.filter(|setting| !setting.literal).collect();
    let mut found = Found::default();
    for text in steps(playbook).flat_map(|(_, step)| check::texts(step)) {
        found.look(&text.text, text.form);
    }
    while let Some(name) = found.waiting.pop() {
        for setting in settings.iter().filter(|setting| setting.name == name) {
            check::strings_of(&setting.value, &mut |text| found.look(text, Form::Text));
        }
    }
    found.facts
}

/// What texts refer to, directly and through variables.
#[derive(Default)]
struct Found {
    facts: BTreeSet<String>,
    waiting: Vec<String>,
    seen: HashSet<(String, Form)>,
}

impl Found {
    fn look(&mut self, text: &str, form: Form) {
        if !self.seen.insert((text.to_string(), form)) {
            return;
        }
        for used in check::scanned(text, form).iter().flat_map(|scanned| &scanned.uses) {
            match (used.name.as_str(), used.path.first()) {
                ("facts", Some(fact)) => drop(self.facts.insert(fact.clone())),
                // Which one is meant is known only when the facts are.
                ("facts", None) => {
                    self.facts.extend(crate::engine::facts::names().iter().map(|name| name.to_string()));
                }
                (name, _) => self.waiting.push(name.to_string()),
            }
        }
    }
}

impl Renderer<'_> {
    /// The hosts that join groups by the step with this index.
    pub fn members_by(&self, index: usize) -> Result<Vec<Member>, Diagnostics> {
        let members = self.of_each_host(|host| match self.own_facts.get(host.name.as_str()) {
            Some(Err(_)) => Ok(Vec::new()),
            _ => self.members_of(host, index),
        })?;
        Ok(members.into_iter().flatten().collect())
    }

    fn members_of(&self, host: &Host, index: usize) -> Result<Vec<Member>, Diagnostics> {
        let Some(step) = self.playbook.all_steps().nth(index) else { return Ok(Vec::new()) };
        let started = self.playbook.all_steps().take(index + 1).any(|step| self.selection.starts(step));
        let elsewhere = self.once(step, host).is_some_and(|once| once.is_elsewhere());
        if elsewhere || self.selection.skip(step, started).is_some() {
            return Ok(Vec::new());
        }
        let scope = self.grouping_scope(&Scope::new(self, host)?.of_step(step, index as u32), host, step);
        let mut rendered = super::Rendered::default();
        let mut maker = Maker {
            renderer: self,
            step,
            needs: Needs::default(),
            rendered: &mut rendered,
            problems: Diagnostics::default(),
        };
        let mut members = Vec::new();
        for scope in maker.scopes(&scope) {
            members.extend(maker.member(&scope, host));
        }
        maker.problems.redact(&scope.secrets()).unless_errors(members)
    }

    /// The scope of a step that puts hosts into groups has the host's facts, once they have been read.
    pub(super) fn grouping_scope<'a>(&self, scope: &Scope<'a>, host: &Host, step: &Step) -> Scope<'a> {
        match self.own_facts.get(host.name.as_str()) {
            Some(Ok(facts)) if is_grouping(step) => scope.with_item("facts", facts, &step.place),
            _ => scope.clone(),
        }
    }
}

impl Maker<'_> {
    /// The scope of the step; of a loop one for each element.
    fn scopes<'a>(&mut self, scope: &Scope<'a>) -> Vec<Scope<'a>> {
        let Some(node) = &self.step.items else { return vec![scope.clone()] };
        match self.items(scope, node).map(|items| items.known()) {
            Some(Some(Value::Array(items))) => {
                let of_item = |item| scope.with_item(&self.step.loop_var, item, &node.place);
                items.iter().map(of_item).collect()
            }
            Some(_) => {
                self.problems.push(must_be_known(&node.place));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn member(&mut self, scope: &Scope, host: &Host) -> Option<Member> {
        if let Some(when) = &self.step.when {
            let truth = scope.truth(&when.text, &mut self.needs);
            match self.keep(truth, &when.place)? {
                Some(true) => {}
                Some(false) => return None,
                None => {
                    self.problems.push(must_be_known(&when.place));
                    return None;
                }
            }
        }
        let key = keys(self.step, KeyUse::Group).next()?;
        let group = self.names(scope, key)?.pop()?;
        let mut parents = Vec::new();
        for node in keys(self.step, KeyUse::Parents) {
            parents.extend(self.names(scope, node)?);
        }
        Some(Member { host: host.name.clone(), group, parents, place: key.place.clone() })
    }

    /// The groups that a key names.
    fn names(&mut self, scope: &Scope, node: &Node) -> Option<Vec<String>> {
        let arg = scope.node(node, None, &mut self.needs);
        let Some(value) = self.problems.keep(arg)?.known() else {
            self.problems.push(must_be_known(&node.place));
            return None;
        };
        let values = match value {
            Value::Array(list) => list,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let mut names = Vec::new();
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            let name = group_name(&text, &node.place).map_err(Diagnostics::from);
            names.push(self.problems.keep(name)?);
        }
        Some(names)
    }
}

pub(super) fn must_be_known(place: &Place) -> Diagnostic {
    Diagnostic::error("this must be known before the first step", place).hint(
        "groups are made beforehand; it can depend on variables and facts, and not on registered results",
    )
}

/// Whether a step of the playbook may make a group of this name.
pub(super) fn may_make(playbook: &Playbook, name: &str) -> bool {
    let mut may = false;
    for (_, step) in steps(playbook) {
        for node in keys(step, KeyUse::Group).chain(keys(step, KeyUse::Parents)) {
            check::strings_of(&node.value(), &mut |text| {
                may |= Matcher::Globs(vec![pattern(text)]).matches(name);
            });
        }
    }
    may
}

/// The names that a template may give: `*` stands for what is known only for a host.
fn pattern(template: &str) -> String {
    if template.contains("{%") {
        return "*".to_string();
    }
    let mut pattern = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        pattern.push_str(before);
        pattern.push('*');
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    (pattern + rest).trim().replace(' ', "-")
}
