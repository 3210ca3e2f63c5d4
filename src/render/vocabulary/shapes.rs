//! What is known of the values that an expression refers to before they are there: results of steps, and facts.

use super::results::{looped_over, of_element, of_item};
use super::{Checker, Fields, fields, registers, sets};
use crate::playbook::Step;
use crate::playbook::check::{self, Text};
use crate::template::{Known, Record, Scanned, Shape, Wanted, is_function};
use std::collections::BTreeSet;

impl Checker<'_> {
    /// What is known of the names that a text of a step refers to.
    pub(super) fn known(&self, at: usize, text: &Text, scanned: &Scanned) -> Known {
        let names: BTreeSet<&str> = scanned.uses.iter().map(|used| used.name.as_str()).collect();
        let names = names.into_iter().filter(|name| !text.handed_on.contains(*name));
        let shapes = names.map(|name| match is_function(name) && self.names.contains(name) {
            true => (name.to_string(), Shape::Opaque),
            false => (name.to_string(), self.shape(at, name, text.about_result)),
        });
        let shapes = shapes.filter(|(_, shape)| *shape != Shape::Any).collect();
        let guarded = self.when(at).into_iter().flat_map(|when| {
            let guarded = when.uses.iter().filter(|used| used.guarded);
            guarded.flat_map(|used| used.path.clone()).collect::<Vec<_>>()
        });
        let step = self.steps[at];
        let item = (step.items.is_some() && looped_over(step).is_none()).then(|| step.loop_var.clone());
        Known {
            shapes,
            unchecked: item.into_iter().collect(),
            guarded: guarded.collect(),
            wanted: wanted(step, text),
        }
    }

    /// What is known of the value of a name, as a step sees it.
    fn shape(&self, at: usize, name: &str, about_result: bool) -> Shape {
        let step = self.steps[at];
        if about_result && (name == "result" || registers(step, name)) {
            return of_item(step).shape(None);
        }
        if step.items.is_some() && step.loop_var == name {
            return self.element(at);
        }
        let is_round = step.rounds().any(|(_, round)| round.of.loop_var.text == name);
        let own = step.vars.iter().chain(&step.defaults).any(|setting| setting.name == name)
            || step.params.iter().any(|param| param.name == name);
        if is_round || own {
            return Shape::Any;
        }
        let earlier = || self.steps[..at].iter().filter(|other| self.meets(step.play, other.play));
        if self.steps.iter().any(|other| sets(other, name)) {
            return Shape::Any;
        }
        let results = earlier().filter(|other| registers(other, name)).map(|other| of_result(other));
        match results.reduce(Shape::or) {
            Some(shape) => shape,
            None if name == "facts" && !self.names_set(name) => facts(),
            None => Shape::Any,
        }
    }

    fn names_set(&self, name: &str) -> bool {
        self.playbook.vars.iter().any(|setting| setting.name == name)
    }

    /// An element of a step's loop.
    fn element(&self, at: usize) -> Shape {
        let Some(source) = self.steps[at].items.as_ref().and_then(|items| items.as_str()) else {
            return Shape::Any;
        };
        let form = crate::template::Form::Text;
        let written =
            if crate::template::is_plain(source) { format!("{{{{ {source} }}}}") } else { source.into() };
        let Ok(scanned) = check::scanned(&written, form) else { return Shape::Any };
        let loop_var = self.steps[at].loop_var.as_str();
        let names: BTreeSet<&str> = scanned.uses.iter().map(|used| used.name.as_str()).collect();
        let names = names.into_iter().filter(|name| *name != loop_var);
        let shapes = names.map(|name| (name.to_string(), self.shape(at, name, false))).collect();
        match check::shape(source, &Known { shapes, ..Known::default() }) {
            Shape::List(of) => *of,
            _ => Shape::Any,
        }
    }
}

/// What is known of what a step registers.
fn of_result(step: &Step) -> Shape {
    let of: Fields<'_> = fields(step);
    of.shape(step.items.as_ref().map(|_| of_element(step).shape(None)))
}

/// What the value of a text is needed for.
fn wanted(step: &Step, text: &Text) -> Wanted {
    let is_when = step.when.as_ref().is_some_and(|when| when.place == text.place);
    let is_list =
        step.items.as_ref().is_some_and(|items| items.place == text.place && items.as_str().is_some());
    match () {
        () if text.about_result || is_when => Wanted::Condition,
        () if is_list => Wanted::List,
        () => Wanted::Value,
    }
}

fn record<const N: usize>(fields: [(&str, Shape); N]) -> Shape {
    let fields = fields.into_iter().map(|(name, shape)| (name.to_string(), shape)).collect();
    Shape::Record(Record { fields, ..Record::default() })
}

/// What is known of the facts. What the host does not say is null, so that nothing is known of it.
fn facts() -> Shape {
    let (text, number) = (Shape::Text, Shape::Number);
    let os = ["id", "version", "codename", "name", "family"].map(|name| (name, Shape::Text));
    let disk = record([("size", number.clone()), ("free", number.clone()), ("device", text.clone())]);
    let mount = record([
        ("path", text.clone()),
        ("device", text.clone()),
        ("type", text.clone()),
        ("options", Shape::list(text.clone())),
    ]);
    record([
        ("os", record(os)),
        ("hostname", text.clone()),
        ("kernel", text.clone()),
        ("arch", text.clone()),
        ("boot_id", text.clone()),
        ("time_zone", text.clone()),
        ("user", record([("name", text.clone()), ("id", number.clone())])),
        ("cpus", number.clone()),
        ("memory", record([("total", number.clone()), ("available", number)])),
        ("disk", Shape::Table(Box::new(disk))),
        ("mounts", Shape::list(mount)),
        ("addresses", Shape::list(text)),
        ("systemd", Shape::Bool),
        ("docker", record([("installed", Shape::Bool), ("running", Shape::Bool), ("version", Shape::Any)])),
        ("nginx", record([("installed", Shape::Bool), ("running", Shape::Bool)])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_a_shape_and_no_other_has() {
        let Shape::Record(record) = facts() else { panic!("a record") };
        let names: Vec<&str> = record.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, crate::engine::facts::names());
    }
}
