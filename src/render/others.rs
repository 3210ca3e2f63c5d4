//! `hosts['NAME']` in templates: name, address, groups, variables and facts of other hosts. Everything in it is known before
//! the jobs are made, or it is an error.

use super::scope::{Needs, Scope, State};
use crate::diagnostic::Diagnostic;
use crate::engine::facts;
use crate::inventory::{Host, Inventory};
use crate::model::arg::Arg;
use crate::model::{Failure, Result, Value, Values};
use crate::playbook::{Playbook, Step, check};
use crate::project::Project;
use crate::setting::Setting;
use crate::template::{Form, Use};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What the name in templates is.
const HOSTS: &str = "hosts";

/// The variables of hosts as others see them: a variable is rendered once, however many hosts want it.
#[derive(Default)]
pub struct Others {
    rendered: RefCell<BTreeMap<(String, String), Result<Seen>>>,
    /// All hosts, as a template that names one by a variable sees them, with all their variables.
    all: RefCell<Option<(Value, Hidden)>>,
    /// How many variables are being rendered, one for the other.
    depth: Cell<usize>,
    /// Those facts that were read before, or why a host could not be asked.
    pub facts: BTreeMap<String, Result<Value>>,
}

/// Variables of other hosts that hold secrets, by their names, with these secrets.
type Hidden = BTreeMap<String, BTreeSet<String>>;

/// A variable of another host.
#[derive(Clone)]
struct Seen {
    /// None: nothing sets it.
    value: Option<Value>,
    /// What of it output and record must not show.
    secrets: Vec<String>,
}

impl Scope<'_> {
    /// Whether a name gives other hosts: nothing else is called so.
    pub fn is_of_others(&self, name: &str) -> bool {
        name == HOSTS && !self.slots.contains_key(HOSTS) && !self.roots.contains(HOSTS)
    }

    /// What is known of a name in one template, which says which hosts it means.
    pub fn state_in(&self, name: &str, source: &str, form: Form) -> Result<State> {
        if !self.is_of_others(name) {
            return self.state(name);
        }
        let (value, waits) = self.others(source, form)?;
        Ok(if waits { State::Waiting } else { State::Known(value) })
    }

    /// Puts a value among what the host gets for one step.
    pub(super) fn need_value(&self, name: &str, value: Value, needs: &mut Needs) {
        match needs.vars.iter_mut().find(|(known, _)| known == name) {
            Some((_, Arg::Value(known))) => merge(known, value),
            Some(_) => {}
            None => needs.vars.push((name.to_string(), Arg::Value(value))),
        }
    }

    /// What is known of other hosts, and whether the template looks at what they give only in earlier plays.
    pub(super) fn others(&self, source: &str, form: Form) -> Result<(Value, bool)> {
        let scanned = self.templates.scanned(source, form).ok();
        let uses = scanned.iter().flat_map(|scanned| &scanned.uses).filter(|used| used.name == HOSTS);
        let uses: Vec<&Use> = uses.collect();
        let is_open = |used: &Use| used.path.first().is_none_or(|name| crate::template::is_method(name));
        let mut hosts = Value::Object(Values::new());
        let includes =
            scanned.as_ref().is_none_or(|scanned| !scanned.includes.is_empty() || scanned.includes_any);
        if uses.is_empty() || includes || uses.iter().any(|used| is_open(used)) {
            let named = |name: &str| includes || may_name(source, name);
            hosts = self.all_hosts(&named);
        }
        let mut waits = self.renderer.shares.iter().any(|name| is_open_for(source, name))
            && (includes || uses.iter().any(|used| is_open(used)));
        for used in uses.into_iter().filter(|used| !is_open(used)) {
            let name = &used.path[0];
            let host = match self.renderer.inventory.host(name) {
                Some(host) => host,
                // The template says itself what happens then.
                None if used.guarded => continue,
                None => return Err(self.no_host(name)),
            };
            let given = match &used.path[1..] {
                [vars, name, ..] if vars == "vars" => {
                    self.renderer.gives_before(host.name.as_str(), name, self.play)
                }
                _ => false,
            };
            waits |= given;
            let value = match given {
                true => with_vars(host, Value::Object(Values::new())),
                false => self.part(host, &used.path[1..], source)?,
            };
            merge(&mut hosts, json!({ host.name.as_str(): value }));
        }
        Ok((hosts, waits))
    }

    /// All hosts, with those variables that hold secrets of which `named` says that the template may look at them. They are
    /// worked out once, since there may be thousands. What is seen while a variable is being rendered lacks that variable, so
    /// it is not kept.
    fn all_hosts(&self, named: &dyn Fn(&str) -> bool) -> Value {
        let others = &self.renderer.others;
        let kept = others.all.borrow().clone();
        let (hosts, hidden) = kept.unwrap_or_else(|| {
            let mut hidden = Hidden::new();
            let all = self.renderer.inventory.hosts.iter();
            let hosts: Values =
                all.map(|host| (host.name.to_string(), self.whole(host, &mut hidden))).collect();
            let made = (Value::Object(hosts), hidden);
            if others.depth.get() == 0 {
                *others.all.borrow_mut() = Some(made.clone());
            }
            made
        });
        let Value::Object(hosts) = hosts else { return hosts };
        let with_named = hosts.into_iter().map(|(name, host)| (name, self.with_named(host, &hidden, named)));
        Value::Object(with_named.collect())
    }

    /// A host without those variables that hold secrets and are not named; the secrets of the others are hidden.
    fn with_named(&self, mut host: Value, hidden: &Hidden, named: &dyn Fn(&str) -> bool) -> Value {
        let Some(vars) = host.get_mut("vars").and_then(Value::as_object_mut) else { return host };
        for (name, secrets) in hidden {
            match named(name) {
                true => self.hide(secrets.iter().cloned()),
                false => drop(vars.shift_remove(name)),
            }
        }
        host
    }

    fn no_host(&self, name: &str) -> Failure {
        let names = self.renderer.inventory.hosts.iter().map(|host| host.name.as_str());
        let problem = Diagnostic::elsewhere(String::new()).nearest(name, names);
        let failure = Failure::new(format!("look at the host `{name}`"), "no host is called so");
        Failure { hint: problem.hint, ..failure }
    }

    /// What a template can see of a host that it names by a variable. What cannot be rendered before a host is contacted, and
    /// secrets, are not among its variables.
    fn whole(&self, host: &Host, hidden: &mut Hidden) -> Value {
        let names = host.vars.iter().filter(|setting| !setting.secret).map(|setting| setting.name.as_str());
        let seen = names.filter_map(|name| Some((name, self.of_other(host, name).ok()?)));
        let known = seen.filter_map(|(name, seen)| {
            if !seen.secrets.is_empty() {
                hidden.entry(name.to_string()).or_default().extend(seen.secrets);
            }
            Some((name.to_string(), seen.value?))
        });
        let vars: Values = known.collect();
        let mut value = with_vars(host, vars.into());
        if let Some(Ok(facts)) = self.renderer.others.facts.get(host.name.as_str()) {
            value["facts"] = facts.clone();
        }
        value
    }

    /// What a template names of a host.
    fn part(&self, host: &Host, path: &[String], source: &str) -> Result<Value> {
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["facts", ref rest @ ..] => {
                let facts = self.facts_of(host, rest.first().copied())?;
                let mut value = with_vars(host, Value::Object(Values::new()));
                value["facts"] = facts;
                Ok(value)
            }
            ["vars", name, ..]
                if !crate::template::is_method(name) || host.vars.iter().any(|var| var.name == name) =>
            {
                let seen = self.of_other(host, name)?;
                self.hide(seen.secrets);
                let vars: Values = seen.value.into_iter().map(|value| (name.to_string(), value)).collect();
                Ok(with_vars(host, vars.into()))
            }
            ["name" | "address" | "groups", ..] => Ok(with_vars(host, Value::Object(Values::new()))),
            _ => {
                let mut hidden = Hidden::new();
                let value = self.whole(host, &mut hidden);
                Ok(self.with_named(value, &hidden, &|name| may_name(source, name)))
            }
        }
    }

    /// The facts of another host, which were read before the jobs are made.
    fn facts_of(&self, host: &Host, name: Option<&str>) -> Result<Value> {
        let doing = || format!("look at hosts['{}'].facts", host.name);
        if let Some(name) = name.filter(|name| !facts::names().contains(name)) {
            let problem = Diagnostic::elsewhere(String::new()).nearest(name, facts::names().iter().copied());
            let failure = Failure::new(doing(), format!("there is no fact `{name}`"));
            return Err(Failure { hint: problem.hint, ..failure });
        }
        let known = self.renderer.others.facts.get(host.name.as_str());
        known.cloned().unwrap_or_else(|| {
            Err(Failure::new(doing(), "they were not read before this run")
                .hint("name the fact where it is used: hosts['NAME'].facts.addresses"))
        })
    }

    /// A variable of another host.
    fn of_other(&self, host: &Host, name: &str) -> Result<Seen> {
        let others = &self.renderer.others.rendered;
        let key = (host.name.to_string(), name.to_string());
        let known = others.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let doing = format!("render hosts['{}'].vars.{name}", host.name);
            // Another question for it while this is worked out is part of a circle.
            let circle = Failure::new(&doing, "it refers to itself");
            others.borrow_mut().insert(key.clone(), Err(circle));
            let depth = &self.renderer.others.depth;
            depth.set(depth.get() + 1);
            let seen = self.rendered_there(host, name, &doing);
            depth.set(depth.get() - 1);
            others.borrow_mut().insert(key, seen.clone());
            seen
        })
    }

    fn rendered_there(&self, host: &Host, name: &str, doing: &str) -> Result<Seen> {
        let there = Scope::new(self.renderer, host).map_err(|problems| {
            let message = problems.iter().next().map_or(String::new(), |problem| problem.message.clone());
            Failure::new(doing, message)
        })?;
        let value = match there.state(name)? {
            State::Known(value) => Some(value),
            State::Unset => None,
            State::Waiting => {
                let failure = Failure::new(doing, "it is not known before that host is contacted");
                return Err(failure.hint("it refers to facts or results; set it to a value that does not"));
            }
        };
        Ok(Seen { value, secrets: there.secrets() })
    }
}

/// Whether a template that names a host by a variable may look at this name there.
pub(super) fn is_open_for(source: &str, name: &str) -> bool {
    source.contains("vars") && source.contains(name)
}

/// Whether a template may look at the variable of this name of some host: it stands there, or names stand in variables.
fn may_name(source: &str, name: &str) -> bool {
    let is_open = |rest: &str| {
        let rest = rest.trim_start();
        let names = |rest: &str| rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        match rest.strip_prefix('.') {
            Some(rest) => !names(rest) || methods_of_maps(rest),
            None => !rest.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(['\'', '"'])),
        }
    };
    source.contains(name)
        || source.match_indices("vars").any(|(at, vars)| is_open(&source[at + vars.len()..]))
}

/// Whether a method stands at the beginning: `items()`.
fn methods_of_maps(rest: &str) -> bool {
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    crate::template::is_method(&rest[..end])
}

/// The names that steps give and that other hosts look at in later plays.
pub fn shares(
    project: &Project,
    inventory: &Inventory,
    playbook: &Playbook,
    command_line: &[Setting],
) -> Vec<String> {
    if playbook.plays.is_empty() {
        return Vec::new();
    }
    let given: BTreeSet<&str> = playbook.all_steps().flat_map(Step::gives).collect();
    let mut texts: Vec<String> = Vec::new();
    for step in playbook.all_steps() {
        let templates = check::template_files(project, step);
        texts.extend(check::texts(step).into_iter().chain(templates).map(|text| text.text));
    }
    let of_hosts = inventory.hosts.iter().flat_map(|host| &host.vars);
    for setting in of_hosts.chain(&playbook.vars).chain(command_line) {
        check::strings_of(&setting.value, &mut |text| texts.push(text.to_string()));
    }
    texts.retain(|text| text.contains(HOSTS));
    let looked_at = |name: &&&str| texts.iter().any(|text| is_open_for(text, name));
    given.iter().filter(looked_at).map(|name| name.to_string()).collect()
}

fn with_vars(host: &Host, vars: Value) -> Value {
    json!({ "name": host.name.as_str(), "address": host.address, "groups": host.groups, "vars": vars })
}

/// Adds what is only in `other`.
pub fn merge(value: &mut Value, other: Value) {
    if let (Value::Object(map), Value::Object(other)) = (value, other) {
        for (key, item) in other {
            match map.get_mut(&key) {
                Some(known) => merge(known, item),
                None => drop(map.insert(key, item)),
            }
        }
    }
}
