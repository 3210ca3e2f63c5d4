//! The variables of one host, or of one step on it: which are known here, and which wait for the host.

use super::Renderer;
use super::names::names_in;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Host;
use crate::model::arg::Arg;
use crate::model::{Failure, Result, Value, Values};
use crate::playbook::Step;
use crate::playbook::params::{Param, ParamKind};
use crate::secrets::{SecretOrigin, texts_in};
use crate::setting::{Origin, Setting};
use crate::source::Place;
use crate::template::{OMITTED, Templates};
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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
    pub(super) renderer: &'a Renderer<'a>,
    pub(super) templates: &'a Templates,
    /// The name of its host.
    pub(super) host: Rc<str>,
    pub(super) slots: Rc<BTreeMap<String, Slot>>,
    /// Names in `[secrets]`: whatever sets them, their values are never shown.
    secret_names: Rc<BTreeSet<String>>,
    /// Names that only the host knows.
    pub(super) roots: BTreeSet<String>,
    /// The loop's item among them.
    item: Option<String>,
    /// What the loop's item is called, with all elements, where they are known.
    pub(super) elements: Option<(Rc<str>, Rc<Vec<Value>>)>,
    /// The play of its step.
    pub(super) play: u32,
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
pub(super) struct Slot {
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
        let settings = renderer.settings(host);
        let secret_names =
            settings.iter().filter(|setting| setting.secret).map(|setting| setting.name.clone());
        let secret_names = Rc::new(secret_names.collect());
        let all = own.map(magic).into_iter().chain(settings).chain(about.map(magic));
        slots.extend(all.map(|setting| (setting.name.clone(), Slot { setting, of_step: false })));
        let mut roots = renderer.given(host.name.as_str());
        roots.insert("facts".to_string());
        Ok(Scope {
            renderer,
            templates: &renderer.templates,
            host: host.name.as_str().into(),
            slots: Rc::new(slots),
            secret_names,
            roots,
            item: None,
            elements: None,
            play: 0,
            memo: Rc::default(),
            shared: Rc::default(),
        })
    }

    /// The scope of a step: its `vars` on top, what `--var` sets excepted, and below all the defaults of the playbooks that
    /// include it. The result of a step that is still to come does not hide the variable of its name.
    pub fn of_step(&self, step: &Step, index: u32) -> Scope<'a> {
        self.of_part(step, step.within.len(), index)
    }

    /// The scope of the list of a loop around a step.
    pub fn of_round(&self, step: &Step, depth: usize) -> Scope<'a> {
        let same =
            |other: &Step| other.place == step.place && other.round_key(depth) == step.round_key(depth);
        let index = self.renderer.playbook.all_steps().position(same);
        self.of_part(step, depth, index.map_or(u32::MAX, |index| index as u32))
    }

    fn of_part(&self, step: &Step, depth: usize, index: u32) -> Scope<'a> {
        let unset = |setting: &Setting| !self.slots.contains_key(&setting.name);
        let defaults = step.weakest().filter(unset);
        let own = self.renderer.variables(&self.host, step, depth);
        let settings: Vec<Setting> = defaults.chain(own).collect();
        let is_set =
            |name: &str| self.slots.contains_key(name) || settings.iter().any(|setting| setting.name == name);
        let later: Vec<&String> = self.renderer.later_than(index).filter(|name| is_set(name)).collect();
        let scope = match settings.is_empty() && later.is_empty() {
            true => self.clone(),
            false => self
                .with(settings, |roots| later.into_iter().fold(false, |any, name| roots.remove(name) | any)),
        };
        Scope { play: step.play, ..scope }
    }

    /// The scope inside a loop: the item's name waits. `elements`: those of the list, where they are known.
    pub fn with_item_waiting(&self, name: &str, elements: Option<&Vec<Value>>) -> Scope<'a> {
        let mut scope = self.with([], |roots| roots.insert(name.to_string()));
        scope.item = Some(name.to_string());
        scope.elements = elements.map(|elements| (name.into(), Rc::new(elements.clone())));
        scope
    }

    /// The scope for one known item of a loop.
    pub fn with_item(&self, name: &str, item: &Value, place: &Place) -> Scope<'a> {
        let setting = Setting { literal: true, ..Setting::new(name, item.clone(), place, Origin::Default) };
        Scope { elements: None, ..self.with([setting], |roots| roots.remove(name)) }
    }

    /// The scope of an expression over the step's own result, which it knows by the registered name too.
    pub fn with_result(&self, registered: Option<&str>) -> Scope<'a> {
        self.with([], |roots| {
            roots.extend(registered.map(str::to_string));
            roots.insert("result".to_string())
        })
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
        let is_secret = slot.setting.secret || self.secret_names.contains(name);
        if is_secret && (slot.setting.secret || SecretOrigin::of_value(value).is_some()) {
            return self.revealed(&slot.setting).map(State::Known);
        }
        // An optional param without a default: nothing sets it.
        if value.is_null() && slot.setting.origin == Origin::Default {
            return Ok(State::Known(OMITTED.into()));
        }
        let value = match *literal {
            true => value.clone(),
            false => match self
                .arg_or_omitted(value, &mut Needs::default())
                .map_err(|failure| located(failure, name, place))?
                .known()
            {
                Some(value) => value,
                None => return Ok(State::Waiting),
            },
        };
        if is_secret {
            self.hide(texts_in(&value).into_iter().filter(|text| !text.is_empty()));
        }
        let params = || self.renderer.playbook.params.iter().filter(|param| param.name == *name);
        let declares = |param: &&Param| param.setting().is_some_and(|default| default.place == *place);
        let param = params().find(declares).or_else(|| params().next());
        match param.filter(|_| !matches!(slot.setting.origin, Origin::Step(_))) {
            None => Ok(State::Known(value)),
            Some(param) => self.fitted(param, &value, typed.as_deref(), place).map(State::Known),
        }
    }

    /// The value of a secret, which is read here, at its first use.
    fn revealed(&self, setting: &Setting) -> Result<Value> {
        let origin = SecretOrigin::of_value(&setting.value);
        let origin = origin.ok_or_else(|| {
            Failure::new(format!("read the secret `{}`", setting.name), "it names no place to read it from")
        })?;
        let value = self.renderer.project.vault.reveal(&origin, &setting.name)?;
        self.hide(texts_in(&value).into_iter().filter(|text| !text.is_empty()));
        Ok(value)
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

    /// Texts that output and record must not show.
    pub(super) fn hide(&self, secrets: impl IntoIterator<Item = String>) {
        self.shared.secrets.borrow_mut().extend(secrets);
    }

    /// Puts a name, and what it refers to, among what the host gets.
    pub(super) fn need(&self, name: &str, needs: &mut Needs) -> Result<()> {
        let Some(slot) = self.slots.get(name) else { return Ok(()) };
        if self.roots.contains(name) {
            // Where no step has given the name anything there, it is still the variable.
            return match self.renderer.is_given(&self.host, name) {
                true => self.with([], |roots| roots.remove(name)).need(name, needs),
                false => Ok(()),
            };
        }
        if needs.vars.iter().chain(&needs.item_vars).any(|(known, _)| known == name) {
            return Ok(());
        }
        match self.state(name)? {
            State::Known(value) if slot.of_step => needs.vars.push((name.to_string(), Arg::Value(value))),
            State::Known(value) => drop(self.shared.waited_for.borrow_mut().insert(name.to_string(), value)),
            State::Unset => {}
            State::Waiting => {
                let arg = self.arg_or_omitted(&slot.setting.value, needs)?;
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

/// An error in a variable is reported where it is used, with where it is set.
fn located(failure: Failure, name: &str, place: &Place) -> Failure {
    let doing = match failure.doing.starts_with("render the variable") {
        true => failure.doing,
        false => format!("render the variable `{name}` of {place}"),
    };
    Failure { doing, ..failure }
}
