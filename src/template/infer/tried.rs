//! Filters, tests, functions and methods: tried with samples of the values that they are given. No table says what each
//! takes; their own code does.

use super::super::call::{Arguments, surplus};
use super::super::fault::{Fault, Result};
use super::super::machine::{Machine, named_fault, path_of, unknown};
use super::super::shape::Shape;
use super::super::tree::{Expr, Kind, Macro, Named, Passed};
use super::super::value::Datum;
use super::super::{filters, functions, methods, tests_of_values};
use super::expressions::guards;
use super::gives::{last_part, text};
use super::{Inferrer, Local, gives, on_all};
use crate::model::Values;
use std::sync::Arc;

/// With more combinations of samples, nothing is tried.
const TRIES_LIMIT: usize = 2_000;

/// Filters that take long: only their arguments are checked.
const UNTRIED: &[&str] = &["password_hash"];

/// What is passed: each with samples of its values.
struct Given {
    positional: Vec<Vec<Datum>>,
    named: Vec<(Arc<str>, Vec<Datum>)>,
}

impl Given {
    fn count(&self) -> usize {
        let named = self.named.iter().map(|(_, samples)| samples.len());
        let counts = self.positional.iter().map(Vec::len).chain(named);
        counts.fold(1, usize::saturating_mul)
    }

    /// The combination of this number.
    fn arguments(&self, mut at: usize) -> Arguments {
        let mut pick = |samples: &Vec<Datum>| {
            let picked = samples[at % samples.len()].clone();
            at /= samples.len();
            picked
        };
        let positional = self.positional.iter().map(&mut pick).collect();
        let named = self.named.iter().map(|(name, samples)| (Arc::clone(name), pick(samples))).collect();
        Arguments::new(positional, named)
    }
}

impl Inferrer<'_> {
    /// What is passed, unless a part of it is spread out of a value.
    fn given(&mut self, passed: &Passed) -> Option<Given> {
        self.given_with_shapes(passed).1
    }

    fn given_with_shapes(&mut self, passed: &Passed) -> (Vec<Shape>, Option<Given>) {
        let shapes: Vec<Shape> = passed.all().map(|expr| self.unguarded(expr)).collect();
        let samples: Vec<Vec<Datum>> =
            passed.all().zip(&shapes).map(|(expr, shape)| self.values(expr, shape)).collect();
        if passed.spread.is_some() || passed.spread_named.is_some() {
            return (shapes, None);
        }
        let (positional, named) = samples.split_at(passed.positional.len());
        let names = passed.named.iter().map(|(name, _)| Arc::clone(name));
        let given = Given { positional: positional.to_vec(), named: names.zip(named.to_vec()).collect() };
        (shapes, Some(given))
    }

    /// What goes wrong with every sample.
    fn tried(&self, given: &Given, run: impl Fn(&mut Machine, Arguments) -> Result<()>) -> Option<Fault> {
        let count = given.count();
        if count > TRIES_LIMIT {
            return None;
        }
        let names = Values::new();
        on_all((0..count).map(|at| run(&mut Machine::new(self.templates, &names), given.arguments(at))))
    }

    pub(super) fn filter(&mut self, of: Option<&Expr>, named: &Named, passed: &Passed) -> Shape {
        let name = named.name.as_ref();
        let shape = match of {
            Some(of) => {
                let outer = std::mem::replace(&mut self.guarded, guards(name));
                let shape = self.infer(of);
                self.guarded = outer;
                shape
            }
            None => Shape::Text,
        };
        let (shapes, given) = self.given_with_shapes(passed);
        let is_known = filters::names().any(|known| known == name);
        let is_tried = is_known && !filters::LOOKUPS.contains(&name);
        if let (Some(mut given), true, Some(of)) = (given, is_tried && !self.looks(name, passed), of) {
            given.positional.insert(0, self.values(of, &shape));
            let run = |machine: &mut Machine, mut arguments: Arguments| match UNTRIED.contains(&name) {
                true => filters::check_password_hash(&mut arguments),
                false => machine.apply_filter(name, arguments).map(drop),
            };
            if let Some(fault) = self.tried(&given, run) {
                self.fault(named_fault(fault, "filter", named), &named.range);
                return Shape::Any;
            }
        }
        let part = self.part_of(name, &shape, passed);
        gives::by_filter(name, shape, part, &shapes, passed)
    }

    /// `map('realpath')` looks at the controller's files.
    fn looks(&self, name: &str, passed: &Passed) -> bool {
        let inner = passed.positional.iter().filter_map(text);
        matches!(name, "map" | "select" | "reject" | "selectattr" | "rejectattr")
            && inner.map(last_part).any(|inner| {
                [filters::LOOKUPS, tests_of_values::LOOKUPS, UNTRIED].iter().any(|list| list.contains(&inner))
            })
    }

    /// What a filter takes of each element, where that is named.
    fn part_of(&mut self, name: &str, shape: &Shape, passed: &Passed) -> Option<Shape> {
        let place = match name {
            "selectattr" | "rejectattr" | "groupby" => Some(0),
            "sort" => Some(2),
            "join" | "unique" | "min" | "max" => Some(1),
            "sum" => Some(0),
            "map" => None,
            _ => return None,
        };
        let by_name =
            passed.named.iter().find(|(known, _)| known.as_ref() == "attribute").map(|(_, expr)| expr);
        let by_place = || place.and_then(|place| passed.positional.get(place));
        let path = by_name.or_else(by_place)?;
        let asks = passed.positional.get(1).and_then(text).map(last_part);
        let is_guarded = matches!(asks, Some("defined" | "undefined"))
            || passed.named.iter().any(|(known, _)| known.as_ref() == "default");
        let outer = std::mem::replace(&mut self.guarded, is_guarded);
        let element = shape.element();
        let parts: Vec<Shape> =
            text(path)?.split(',').map(|part| self.part(&element, part.trim(), &path.range)).collect();
        self.guarded = outer;
        parts.into_iter().next()
    }

    pub(super) fn test(&mut self, of: &Expr, named: &Named, passed: &Passed) -> Shape {
        let name = named.name.as_ref();
        let outer = std::mem::replace(&mut self.guarded, matches!(name, "defined" | "undefined"));
        let shape = self.infer(of);
        self.guarded = outer;
        let given = self.given(passed);
        let is_tried = tests_of_values::is_test(name) && !tests_of_values::LOOKUPS.contains(&name);
        if let (Some(mut given), true) = (given, is_tried) {
            given.positional.insert(0, self.values(of, &shape));
            let run = |machine: &mut Machine, arguments: Arguments| {
                tests_of_values::apply(machine, name, arguments).map(drop)
            };
            if let Some(fault) = self.tried(&given, run) {
                self.fault(named_fault(fault, "test", named), &named.range);
            }
        }
        Shape::Bool
    }

    pub(super) fn call(&mut self, callee: &Expr, passed: &Passed) -> Shape {
        match &callee.kind {
            Kind::Attribute(of, name) => self.method(callee, of, name, passed),
            Kind::Name(name) => match self.local(name).cloned() {
                Some(Local::Macro(definition)) => {
                    self.given(passed);
                    self.call_macro(&definition, callee, passed);
                    Shape::Any
                }
                Some(Local::Value(_)) => {
                    self.given(passed);
                    Shape::Any
                }
                None => self.function(name, callee, passed),
            },
            _ => {
                self.infer(callee);
                self.given(passed);
                Shape::Any
            }
        }
    }

    fn function(&mut self, name: &str, callee: &Expr, passed: &Passed) -> Shape {
        let given = self.given(passed);
        let is_tried = !functions::LOOKUPS.contains(&name) && !self.known.shapes.contains_key(name);
        if let (Some(given), Some(function), true) =
            (given, functions::find(name), is_tried && name != "undef")
        {
            let run = |machine: &mut Machine, arguments: Arguments| {
                machine.call_value(&function, arguments).map(drop)
            };
            if let Some(fault) = self.tried(&given, run) {
                self.fault(Fault { why: format!("`{name}`: {}", fault.why), ..fault }, &callee.range);
            }
        }
        gives::by_function(name, passed)
    }

    fn call_macro(&mut self, definition: &Macro, callee: &Expr, passed: &Passed) {
        let is_open = passed.spread.is_some() || passed.spread_named.is_some();
        let names: Vec<&str> = passed.named.iter().map(|(name, _)| name.as_ref()).collect();
        if let Some(fault) = surplus(definition, passed.positional.len(), &names)
            && !is_open
        {
            self.fault(fault, &callee.range);
        }
    }

    fn method(&mut self, callee: &Expr, of: &Expr, name: &str, passed: &Passed) -> Shape {
        let shape = self.infer(of);
        let given = self.given(passed);
        if shape == Shape::Opaque {
            return Shape::Any;
        }
        let with_it: Vec<Datum> =
            self.values(of, &shape).into_iter().filter(|value| methods::exists(value, name)).collect();
        if with_it.is_empty() {
            self.no_method(callee, of, &shape, name);
            return Shape::Any;
        }
        let is_change = with_it.iter().any(|value| methods::changes(value, name));
        if let (Some(mut given), false) = (given, is_change) {
            given.positional.insert(0, with_it);
            let run = |_: &mut Machine, mut arguments: Arguments| {
                let value = arguments.value()?;
                methods::call(&value, name, &mut arguments).map(drop)
            };
            if let Some(fault) = self.tried(&given, run) {
                self.fault(fault, &callee.range);
                return Shape::Any;
            }
        }
        gives::by_method(name, &shape)
    }

    /// Nothing can be called by this name. A map may hold what can be called.
    fn no_method(&mut self, callee: &Expr, of: &Expr, shape: &Shape, name: &str) {
        let is_checked = self.is_checked_elsewhere(of);
        match shape {
            Shape::Any | Shape::Opaque | Shape::Table(_) | Shape::Pair(..) => {}
            Shape::Record(_) => {
                self.field(shape, name, &path_of(of), &callee.range, is_checked);
            }
            // A method that no value has is shown where names are checked.
            other if methods::all().any(|known| known == name) => {
                let sample = &other.samples()[0];
                let known = methods::keys(sample);
                let fault = unknown("method", name, known.iter().map(String::as_str));
                let why = format!("{} has no method `{name}`", sample.what());
                self.fault(Fault { why, ..fault }, &callee.range);
            }
            _ => {}
        }
    }
}
