//! Expressions: what is known of their values, and the fields that they name.

use super::super::fault::Fault;
use super::super::machine::path_of;
use super::super::shape::{Record, Shape};
use super::super::tree::{Expr, Kind};
use super::super::value::Datum;
use super::super::{filters, functions, methods};
use super::{Inferrer, Local};
use crate::model::nearest::did_you_mean;
use std::ops::Range;

/// So many fields are listed where none is near.
const FEW: usize = 6;

impl Inferrer<'_> {
    /// What is known of an expression's value. What is wrong inside is noted.
    pub(super) fn infer(&mut self, expr: &Expr) -> Shape {
        match &expr.kind {
            Kind::Constant(value) => Shape::of(value),
            Kind::Name(name) => self.name(name),
            Kind::List(items) => {
                let shapes = items.iter().map(|item| self.unguarded(item)).collect::<Vec<_>>();
                Shape::list(shapes.into_iter().reduce(Shape::or).unwrap_or_default())
            }
            Kind::Tuple(items) => {
                items.iter().for_each(|item| drop(self.unguarded(item)));
                Shape::Any
            }
            Kind::Concat(items) => {
                items.iter().for_each(|item| drop(self.unguarded(item)));
                Shape::Text
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.unguarded(key);
                    self.unguarded(value);
                }
                Shape::Any
            }
            Kind::Attribute(of, name) => self.attribute(of, name, &expr.range),
            Kind::Index(of, index) => self.index(expr, of, index),
            Kind::Slice(of, parts) => {
                let shape = self.infer(of);
                parts.iter().flatten().for_each(|part| drop(self.unguarded(part)));
                self.sliced(shape, of)
            }
            Kind::Call(callee, passed) => self.call(callee, passed),
            Kind::Filter(of, named, passed) => self.filter(of.as_deref(), named, passed),
            Kind::Test(of, named, passed, _) => self.test(of, named, passed),
            Kind::Not(of) => {
                self.infer(of);
                Shape::Bool
            }
            Kind::Negative(of) | Kind::Positive(of) => self.signed(of),
            Kind::Binary(operator, left, right) => self.binary(expr, *operator, left, right),
            Kind::Compare(first, rest) => self.comparisons(first, rest),
            Kind::And(left, right) | Kind::Or(left, right) => {
                let left = self.unguarded(left);
                left.or(self.unguarded(right))
            }
            Kind::Conditional(condition, then, otherwise) => {
                self.unguarded(condition);
                let then = self.infer(then);
                match otherwise {
                    Some(otherwise) => then.or(self.infer(otherwise)),
                    None => Shape::Any,
                }
            }
        }
    }

    /// An expression inside of which nothing is said to be undefined by what stands around it.
    pub(super) fn unguarded(&mut self, expr: &Expr) -> Shape {
        let guarded = std::mem::take(&mut self.guarded);
        let shape = self.infer(expr);
        self.guarded = guarded;
        shape
    }

    fn name(&self, name: &str) -> Shape {
        match self.local(name) {
            Some(Local::Value(shape)) => shape.clone(),
            Some(Local::Macro(_)) => Shape::Opaque,
            None => match self.known.shapes.get(name) {
                Some(shape) => shape.clone(),
                None if name == "self" || functions::find(name).is_some() => Shape::Opaque,
                None => Shape::Any,
            },
        }
    }

    /// What is wrong with the own fields of a name of the context is shown where names are checked.
    pub(super) fn is_checked_elsewhere(&self, of: &Expr) -> bool {
        matches!(&of.kind, Kind::Name(name) if self.local(name).is_none() && !self.known.unchecked.contains(name.as_ref()))
    }

    fn attribute(&mut self, of: &Expr, name: &str, range: &Range<usize>) -> Shape {
        let shape = self.infer(of);
        let is_checked = self.is_checked_elsewhere(of) && matches!(shape, Shape::Record(_));
        self.field(&shape, name, &path_of(of), range, is_checked)
    }

    /// A field of a value. The name is at the end of the range.
    pub(super) fn field(
        &mut self,
        shape: &Shape,
        name: &str,
        path: &str,
        range: &Range<usize>,
        is_checked: bool,
    ) -> Shape {
        if self.guarded {
            self.said.insert(name.to_string());
        }
        let is_method = || methods::exists(&shape.samples()[0], name);
        match shape {
            Shape::Any | Shape::Opaque => return Shape::Any,
            Shape::Record(record) => match record.field(name) {
                Some(field) => return named(field, &join(path, name)),
                None if record.open || is_method() => return Shape::Any,
                None => {}
            },
            Shape::Table(of) if !is_method() => return of.as_ref().clone(),
            Shape::List(of) if name.parse::<i128>().is_ok() => return of.as_ref().clone(),
            Shape::Pair(one, _) if name == "grouper" => return one.as_ref().clone(),
            Shape::Pair(_, other) if name == "list" => return other.as_ref().clone(),
            Shape::Pair(..) => return Shape::Any,
            _ if is_method() => return Shape::Any,
            _ => {}
        }
        if !is_checked && !self.said.contains(name) {
            self.fault(missing(shape, name), range);
        }
        Shape::Any
    }

    fn index(&mut self, expr: &Expr, of: &Expr, index: &Expr) -> Shape {
        let shape = self.infer(of);
        if let Kind::Constant(Datum::Text(name)) = &index.kind {
            let is_checked = self.is_checked_elsewhere(of) && matches!(shape, Shape::Record(_));
            return self.field(&shape, name, &path_of(of), &expr.range, is_checked);
        }
        let by = self.unguarded(index);
        match (shape, by) {
            (Shape::List(_), Shape::Text) => {
                let fault = Fault::wrong_type("an item of a list is named by a number, not by text");
                self.fault(fault, &index.range);
                Shape::Any
            }
            (Shape::List(of) | Shape::Table(of), _) => *of,
            (Shape::Text, _) => Shape::Text,
            (Shape::Pair(one, other), _) => match index.kind {
                Kind::Constant(Datum::Int(0)) => *one,
                Kind::Constant(Datum::Int(1)) => *other,
                _ => Shape::Any,
            },
            (shape @ (Shape::Number | Shape::Bool), _) => {
                self.fault(Fault::wrong_type(format!("{} has no items", shape.what())), &expr.range);
                Shape::Any
            }
            _ => Shape::Any,
        }
    }

    fn sliced(&mut self, shape: Shape, of: &Expr) -> Shape {
        match shape {
            Shape::Text | Shape::List(_) => shape,
            Shape::Number | Shape::Bool | Shape::Record(_) | Shape::Table(_) => {
                self.fault(Fault::wrong_type(format!("{} cannot be sliced", shape.what())), &of.range);
                Shape::Any
            }
            _ => Shape::Any,
        }
    }

    /// The part of each element that a filter looks at: `map(attribute='size')`.
    pub(super) fn part(&mut self, element: &Shape, path: &str, range: &Range<usize>) -> Shape {
        let mut shape = element.clone();
        let mut walked = String::new();
        for name in path.split('.') {
            shape = self.field(&shape, name, &walked, range, false);
            walked = join(&walked, name);
        }
        shape
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// A record that has no name of its own is called by where it stands.
fn named(shape: &Shape, path: &str) -> Shape {
    let element = |of: &Shape| Box::new(called(of, format!("an element of `{path}`")));
    match shape {
        _ if path.is_empty() => shape.clone(),
        Shape::List(of) => Shape::List(element(of)),
        Shape::Table(of) => Shape::Table(element(of)),
        other => called(other, format!("`{path}`")),
    }
}

fn called(shape: &Shape, what: String) -> Shape {
    match shape {
        Shape::Record(record) if record.what.is_empty() => Shape::Record(Record { what, ..record.clone() }),
        other => other.clone(),
    }
}

/// A field that a value of this shape never has.
fn missing(shape: &Shape, name: &str) -> Fault {
    let what = match shape {
        Shape::Record(record) if !record.what.is_empty() => record.what.as_str(),
        other => other.what(),
    };
    let fault = Fault::new(format!("{what} has no `{name}`"));
    let hint = match shape {
        Shape::Record(record) => {
            let instead = record.instead.iter().find(|(known, _)| known == name);
            let names = record.fields.iter().map(|(known, _)| known.as_str());
            let few = (1..=FEW).contains(&record.fields.len()) && !record.open;
            let all = || few.then(|| format!("there are: {}", names.clone().collect::<Vec<_>>().join(", ")));
            let near = || did_you_mean(name, names.clone());
            instead.map(|(_, write)| format!("use {write}")).or_else(near).or_else(all)
        }
        Shape::List(of) => match of.as_ref() {
            Shape::Record(record) if record.field(name).is_some() => {
                Some(format!("each element has its own: `| map(attribute='{name}')`"))
            }
            _ => None,
        },
        Shape::Text => Some("make a map of text with `| from_json`".to_string()),
        _ => None,
    };
    // The methods that it has are near only where nothing better is known.
    let is_plain = !matches!(shape, Shape::Record(_)) && (hint.is_none() || *shape == Shape::Text);
    let known = if is_plain { methods::keys(&shape.samples()[0]) } else { Vec::new() };
    match did_you_mean(name, known.iter().map(String::as_str)).or(hint) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// Filters that have a meaning for values that are not there.
pub(super) fn guards(filter: &str) -> bool {
    filters::ACCEPT_UNDEFINED.contains(&filter)
}
