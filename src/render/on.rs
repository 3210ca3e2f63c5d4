//! `on`: the host that runs a step for another one.

use super::scope::{Needs, Scope};
use super::step::Maker;
use crate::diagnostic::Diagnostic;
use crate::inventory::{CONTROLLER, Inventory};
use crate::model::Value;
use crate::model::on::On;
use crate::playbook::{Step, Written};
use crate::template::is_plain;

impl Maker<'_> {
    /// The host that runs the step, when that is another one; of a loop with these elements the host of each, where they
    /// differ.
    pub(super) fn on(&mut self, scope: &Scope, elements: Option<&Vec<Value>>) -> Option<On> {
        let written = self.step.on.as_ref()?;
        let of_all = scope.arg(&written.text.as_str().into(), &mut Needs::default());
        let is_for_all = of_all.is_ok_and(|arg| arg.known().is_some());
        let hosts: Vec<Option<String>> = match elements {
            Some(elements) if !is_for_all => {
                let (name, place) = (&self.step.loop_var, &self.step.place);
                let scopes = elements.iter().map(|element| scope.with_item(name, element, place));
                scopes.map(|scope| self.on_of_element(&scope, written)).collect()
            }
            _ => return self.on_host(scope, written).map(On::Host),
        };
        let first = hosts.first()?;
        match hosts.iter().all(|host| host == first) {
            true => first.clone().map(On::Host),
            false => Some(On::Elements(hosts)),
        }
    }

    /// What an element that is left out names does not count.
    fn on_of_element(&mut self, scope: &Scope, written: &Written) -> Option<String> {
        let when = self.step.when.as_ref().map(|when| scope.truth(&when.text, &mut Needs::default()));
        match when {
            Some(Ok(Some(false))) => None,
            _ => self.on_host(scope, written),
        }
    }

    fn on_host(&mut self, scope: &Scope, written: &Written) -> Option<String> {
        let name = self.known_text(scope, written)?;
        if *name == *scope.host {
            return None;
        }
        match unknown(self.renderer.inventory, &name, written) {
            Some(problem) => self.problems.push(problem),
            None => return Some(name),
        }
        None
    }
}

/// What is wrong with the `on` of a step whatever its host is.
pub fn check(inventory: &Inventory, step: &Step) -> Option<Diagnostic> {
    let written = step.on.as_ref().filter(|written| is_plain(&written.text))?;
    unknown(inventory, &written.text, written)
}

fn unknown(inventory: &Inventory, name: &str, written: &Written) -> Option<Diagnostic> {
    if name == CONTROLLER || inventory.host(name).is_some() {
        return None;
    }
    let problem = Diagnostic::error(format!("`on`: no host is called `{name}`"), &written.place);
    if inventory.groups.contains_key(name) {
        return Some(
            problem.hint(format!("it is a group; one of its hosts is \"{{{{ groups['{name}'][0] }}}}\"")),
        );
    }
    if matches!(name, "localhost" | "127.0.0.1" | "::1") {
        let hint = format!("write on = \"{CONTROLLER}\" for the machine that windlass runs on");
        return Some(problem.hint(hint));
    }
    let names = inventory.hosts.iter().map(|host| host.name.as_str()).chain([CONTROLLER]);
    Some(problem.nearest(name, names))
}
