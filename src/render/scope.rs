//! The variables of one host, or of one step on it: which are known here, and which wait for the host.

use super::Renderer;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Host;
use crate::model::arg::Arg;
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Result, Value, Values};
use crate::playbook::params::{Param, ParamKind};
use crate::schema::Schema;
use crate::source::{Data, Node, Place};
use crate::template::{Templates, is_guarded, is_plain};
use crate::variables::{Origin, Setting};
use minijinja::value::Serde;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// All groups with the names of their hosts.
const GROUPS: &str = "groups";

/// A name's state.
#[derive(Clone, Debug)]
pub enum State {
    /// It has this value.
    Known(Value),
    /// It is a fact, a result or an item, or refers to one.
    Waiting,
    /// Nothing sets it.
    Unset,
}

/// The variables that one step on one host can refer to.
#[derive(Clone)]
pub struct Scope<'a> {
    renderer: &'a Renderer<'a>,
    templates: &'a Templates,
    slots: Rc<BTreeMap<String, Slot>>,
    /// Names that only the host knows.
    roots: BTreeSet<String>,
    /// The loop's item among them.
    item: Option<String>,
    memo: Rc<RefCell<BTreeMap<String, Result<State>>>>,
    shared: Rc<Shared>,
}

/// What all steps of a host put together.
#[derive(Default)]
struct Shared {
    secrets: RefCell<BTreeSet<String>>,
    waited_for: RefCell<Values>,
}

#[derive(Clone)]
struct Slot {
    setting: Setting,
    of_step: bool,
}

/// What a step's waiting templates refer to, dependencies first.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Resolved before the step.
    pub vars: Vec<(String, Arg)>,
    /// Resolved for each item of the loop.
    pub item_vars: Vec<(String, Arg)>,
}

impl<'a> Scope<'a> {
    /// The scope of a host before any step.
    pub fn new(renderer: &'a Renderer<'a>, host: &Host) -> Result<Scope<'a>, Diagnostics> {
        let mut slots = BTreeMap::new();
        // The weakest of all: many playbooks have a param `name`.
        let own = [("name", json!(host.name.as_str()))];
        let about = [
            ("inventory_hostname", json!(host.name.as_str())),
            ("host", json!({ "name": host.name.as_str(), "address": host.address, "groups": host.groups })),
            ("group_names", json!(host.groups)),
            // Its value is large and rarely asked for; see `state`.
            (GROUPS, Value::Null),
        ];
        let magic = |(name, value): (&str, Value)| Setting {
            literal: true,
            ..Setting::new(name, value, &Place::outside("windlass"), Origin::Default)
        };
        let all = own.map(magic).into_iter().chain(renderer.settings(host)).chain(about.map(magic));
        slots.extend(all.map(|setting| (setting.name.clone(), Slot { setting, of_step: false })));
        let mut roots = renderer.registered();
        roots.insert("facts".to_string());
        Ok(Scope {
            renderer,
            templates: &renderer.templates,
            slots: Rc::new(slots),
            roots,
            item: None,
            memo: Rc::default(),
            shared: Rc::default(),
        })
    }

    /// The scope of a step: its `vars` on top, what `--var` sets excepted.
    pub fn with_vars(&self, vars: &[Setting]) -> Scope<'a> {
        let weaker = |setting: &&Setting| !self.renderer.is_set_by_var(&setting.name);
        match vars.is_empty() {
            true => self.clone(),
            false => self.with(vars.iter().filter(weaker).cloned(), |_| false),
        }
    }

    /// The scope inside a loop: the item's name waits.
    pub fn with_item_waiting(&self, name: &str) -> Scope<'a> {
        let mut scope = self.with([], |roots| roots.insert(name.to_string()));
        scope.item = Some(name.to_string());
        scope
    }

    /// The scope for one known item of a loop.
    pub fn with_item(&self, name: &str, item: &Value, place: &Place) -> Scope<'a> {
        let setting = Setting { literal: true, ..Setting::new(name, item.clone(), place, Origin::Default) };
        self.with([setting], |roots| roots.remove(name))
    }

    /// The scope of an expression over the step's own result.
    pub fn with_result(&self) -> Scope<'a> {
        self.with([], |roots| roots.insert("result".to_string()))
    }

    /// The scope with other settings and roots, in which nothing has been rendered yet.
    fn with(
        &self,
        settings: impl IntoIterator<Item = Setting>,
        change: impl FnOnce(&mut BTreeSet<String>) -> bool,
    ) -> Scope<'a> {
        let mut scope = Scope { memo: Rc::default(), ..self.clone() };
        for setting in settings {
            Rc::make_mut(&mut scope.slots).insert(setting.name.clone(), Slot { setting, of_step: true });
        }
        change(&mut scope.roots);
        scope
    }

    /// Everything in a node, rendered where that is possible. Where the schema wants text, numbers become text.
    pub fn node(&self, node: &Node, schema: Option<Schema>, needs: &mut Needs) -> Result<Arg, Diagnostics> {
        let mut problems = Diagnostics::default();
        let inside = |key: Option<&str>| schema.and_then(|schema| schema.inside(key));
        let arg = match &node.data {
            Data::Scalar(Value::String(source)) if schema.is_some_and(Schema::is_text) => {
                let arg = self.text(source, needs);
                problems.keep(arg.map_err(|failure| Diagnostic::failure(&failure, &node.place).into()))
            }
            Data::Scalar(value) => {
                let arg = self
                    .arg(value, needs)
                    .map_err(|failure| Diagnostic::failure(&failure, &node.place).into());
                problems.keep(arg)
            }
            Data::List(list) => {
                let args: Vec<_> =
                    list.iter().map(|item| problems.keep(self.node(item, inside(None), needs))).collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(list_of)
            }
            Data::Table(entries) => {
                let pair = |entry: &crate::source::Entry| {
                    Some((
                        entry.key.clone(),
                        problems.keep(self.node(&entry.node, inside(Some(&entry.key)), needs))?,
                    ))
                };
                let args: Vec<_> = entries.iter().map(pair).collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(map_of)
            }
        };
        arg.ok_or(problems)
    }

    /// A value whose strings are templates, rendered where that is possible.
    pub fn arg(&self, value: &Value, needs: &mut Needs) -> Result<Arg> {
        match value {
            Value::String(source) => self.template(source, needs),
            Value::Array(list) => {
                list.iter().map(|item| self.arg(item, needs)).collect::<Result<_>>().map(list_of)
            }
            Value::Object(map) => {
                let pair = |(key, value): (&String, &Value)| Ok((key.clone(), self.arg(value, needs)?));
                map.iter().map(pair).collect::<Result<_>>().map(map_of)
            }
            other => Ok(Arg::Value(other.clone())),
        }
    }

    fn template(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        if is_plain(source) {
            return Ok(Arg::Value(source.into()));
        }
        match self.context(source, false, needs)? {
            Some(context) => self.hinted(self.templates.value(source, &context)).map(Arg::Value),
            None => Ok(Arg::Template(source.to_string())),
        }
    }

    /// A string whose result is text where it would be a number or a boolean, on the host too.
    fn text(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        Ok(match self.template(source, needs)? {
            Arg::Value(value) if value.is_number() || value.is_boolean() => {
                Arg::Value(value.to_string().into())
            }
            Arg::Template(source) => Arg::Template(self.templates.giving_text(&source)),
            arg => arg,
        })
    }

    /// The text of a template file, which stays text even when it is one expression.
    pub fn file(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        match self.context(source, false, needs)? {
            Some(context) => {
                self.hinted(self.templates.text(source, &context)).map(|text| Arg::Value(text.into()))
            }
            // Something in front makes it more than one expression, so it gives text there too.
            None => Ok(Arg::Template(format!("{{{{ '' }}}}{source}"))),
        }
    }

    /// An expression's value, or `None` when it waits.
    pub fn expression(&self, source: &str, needs: &mut Needs) -> Result<Option<Value>> {
        let context = self.context(source, true, needs)?;
        context.map(|context| self.hinted(self.templates.expression(source, &context))).transpose()
    }

    /// Whether an expression holds, or `None` when it waits.
    pub fn truth(&self, source: &str, needs: &mut Needs) -> Result<Option<bool>> {
        let context = self.context(source, true, needs)?;
        context.map(|context| self.hinted(self.templates.truth(source, &context))).transpose()
    }

    /// The values that a template refers to; `None` when one of them waits, and then they are needed there.
    fn context(
        &self,
        source: &str,
        as_expression: bool,
        needs: &mut Needs,
    ) -> Result<Option<minijinja::Value>> {
        let names = self.renderer.names.of(self.templates, source, as_expression)?;
        let mut known = Values::new();
        let mut waits = false;
        for name in names.iter() {
            match self.state(name)? {
                State::Known(value) => drop(known.insert(name.clone(), value)),
                State::Waiting => waits = true,
                State::Unset => {}
            }
        }
        if !waits {
            return Ok(Some(minijinja::Value::from(Serde(known))));
        }
        for name in names.iter() {
            self.check_set(name, source)?;
            self.need(name, needs)?;
        }
        Ok(None)
    }

    /// What the host would find undefined is told here already.
    fn check_set(&self, name: &str, source: &str) -> Result<()> {
        match self.state(name)? {
            State::Unset if !is_guarded(name, source) => {
                let doing = format!("render `{}`", source.trim());
                Err(self.with_nearest(Failure::new(doing, format!("`{name}` is undefined")), name))
            }
            _ => Ok(()),
        }
    }

    fn hinted<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|failure| {
            let name = failure.why.strip_prefix('`').and_then(|rest| rest.strip_suffix("` is undefined"));
            match name.map(str::to_string) {
                Some(name) if failure.hint.is_none() => self.with_nearest(failure, &name),
                _ => failure,
            }
        })
    }

    fn with_nearest(&self, failure: Failure, name: &str) -> Failure {
        let known = self.slots.keys().chain(&self.roots).map(String::as_str);
        match did_you_mean(name, known) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// What is known of a name.
    pub fn state(&self, name: &str) -> Result<State> {
        if self.roots.contains(name) {
            return Ok(State::Waiting);
        }
        if let Some(state) = self.memo.borrow().get(name) {
            return state.clone();
        }
        if name == GROUPS {
            return Ok(State::Known(self.renderer.groups.clone()));
        }
        let Some(slot) = self.slots.get(name) else { return Ok(State::Unset) };
        // Whoever asks again while this is worked out is part of a circle.
        let circle = Failure::new(format!("render the variable `{name}`"), "it refers to itself");
        self.memo.borrow_mut().insert(name.to_string(), Err(circle));
        let state = self.state_of(slot);
        self.memo.borrow_mut().insert(name.to_string(), state.clone());
        state
    }

    fn state_of(&self, slot: &Slot) -> Result<State> {
        let Setting { name, value, literal, typed, place, .. } = &slot.setting;
        let value = match *literal {
            true => value.clone(),
            false => match self
                .arg(value, &mut Needs::default())
                .map_err(|failure| located(failure, name, place))?
                .known()
            {
                Some(value) => value,
                None => return Ok(State::Waiting),
            },
        };
        let param = self.renderer.playbook.params.iter().find(|param| param.name == *name);
        match param.filter(|_| !matches!(slot.setting.origin, Origin::Step(_))) {
            None => Ok(State::Known(value)),
            Some(param) => self.fitted(param, &value, typed.as_deref(), place).map(State::Known),
        }
    }

    fn fitted(&self, param: &Param, value: &Value, typed: Option<&str>, place: &Place) -> Result<Value> {
        let doing = format!("set the param `{}` from {place}", param.name);
        let value = param.fitted(value, typed).map_err(|why| Failure::new(doing, why))?;
        if param.kind != ParamKind::Secret {
            return Ok(value);
        }
        let Some(text) = value.as_str() else { return Ok(value) };
        let secret = param.revealed(text, self.renderer.project)?;
        if !secret.is_empty() {
            self.shared.secrets.borrow_mut().insert(secret.clone());
        }
        Ok(secret.into())
    }

    /// Puts a name, and what it refers to, among what the host gets.
    fn need(&self, name: &str, needs: &mut Needs) -> Result<()> {
        let Some(slot) = self.slots.get(name).filter(|_| !self.roots.contains(name)) else { return Ok(()) };
        if needs.vars.iter().chain(&needs.item_vars).any(|(known, _)| known == name) {
            return Ok(());
        }
        match self.state(name)? {
            State::Known(value) if slot.of_step => needs.vars.push((name.to_string(), Arg::Value(value))),
            State::Known(value) => drop(self.shared.waited_for.borrow_mut().insert(name.to_string(), value)),
            State::Unset => {}
            State::Waiting => {
                let arg = self.arg(&slot.setting.value, needs)?;
                let of_item = self.refers_to_item(&slot.setting.value)?;
                let list = if of_item { &mut needs.item_vars } else { &mut needs.vars };
                list.push((name.to_string(), arg));
            }
        }
        Ok(())
    }

    /// Whether a value refers to the loop's item, directly or through other variables.
    fn refers_to_item(&self, value: &Value) -> Result<bool> {
        let Some(item) = &self.item else { return Ok(false) };
        let mut waiting = names_in(value, self.templates)?;
        let mut seen = BTreeSet::new();
        while let Some(name) = waiting.pop_first() {
            if name == *item {
                return Ok(true);
            }
            if let Some(slot) = self.slots.get(&name).filter(|slot| !slot.setting.literal)
                && seen.insert(name)
            {
                waiting.append(&mut names_in(&slot.setting.value, self.templates)?);
            }
        }
        Ok(false)
    }

    /// Tells required params that nothing sets, and values that do not fit their param's type.
    pub fn check_params(&self) -> Diagnostics {
        let mut problems = Diagnostics::default();
        for param in &self.renderer.playbook.params {
            match self.slots.get(&param.name).filter(|slot| slot.setting.place != Place::outside("windlass"))
            {
                Some(slot) => {
                    if let Err(failure) = self.state(&param.name) {
                        problems.push(Diagnostic::failure(&failure, &slot.setting.place));
                    }
                }
                None if param.required => problems.push(
                    Diagnostic::error(format!("the param `{}` is required", param.name), &param.place)
                        .hint(format!("give it with --var {}=…, or in the inventory", param.name)),
                ),
                None => {}
            }
        }
        problems
    }

    /// What the waiting templates of all steps refer to.
    pub fn waited_for(&self) -> Values {
        self.shared.waited_for.borrow().clone()
    }

    /// The texts that must not leave the host.
    pub fn secrets(&self) -> Vec<String> {
        self.shared.secrets.borrow().iter().cloned().collect()
    }
}

/// An error in a variable is told where it is used, with where it is set.
fn located(failure: Failure, name: &str, place: &Place) -> Failure {
    let doing = match failure.doing.starts_with("render the variable") {
        true => failure.doing,
        false => format!("render the variable `{name}` of {place}"),
    };
    Failure { doing, ..failure }
}

fn names_in(value: &Value, templates: &Templates) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    match value {
        Value::String(source) => names.append(&mut templates.all_names(source, false)?),
        Value::Array(list) => {
            for item in list {
                names.append(&mut names_in(item, templates)?);
            }
        }
        Value::Object(map) => {
            for item in map.values() {
                names.append(&mut names_in(item, templates)?);
            }
        }
        _ => {}
    }
    Ok(names)
}

/// The names that templates refer to: the same ones are asked for again and again, host by host.
#[derive(Default)]
pub struct Names(RefCell<HashMap<(String, bool), Rc<BTreeSet<String>>>>);

impl Names {
    fn of(&self, templates: &Templates, source: &str, as_expression: bool) -> Result<Rc<BTreeSet<String>>> {
        let key = (source.to_string(), as_expression);
        if let Some(names) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(names));
        }
        let names = Rc::new(templates.all_names(source, as_expression)?);
        self.0.borrow_mut().insert(key, Rc::clone(&names));
        Ok(names)
    }
}

fn list_of(args: Vec<Arg>) -> Arg {
    let list = Arg::List(args);
    list.known().map_or(list, Arg::Value)
}

/// A map of arguments, a plain value when nothing in it waits.
pub fn map_of(args: Vec<(String, Arg)>) -> Arg {
    let map = Arg::Map(args);
    map.known().map_or(map, Arg::Value)
}
