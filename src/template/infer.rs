//! What is wrong in a template whatever its values turn out to be, where their types are known: fields that a result or a
//! fact does not have, also behind filters; filters, tests, functions and methods that fail with every value of that type.
//! What cannot be decided is accepted.

mod expressions;
mod gives;
mod operators;
mod tried;

use super::fault::{Fault, Result};
use super::machine::Machine;
use super::shape::Shape;
use super::tree::{Expr, Kind, Macro, Node, Target};
use super::{Templates, tree};
use crate::model::Values;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// What is known of the names that a template refers to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What their values are like. Of a name that is not here nothing is known.
    pub shapes: BTreeMap<String, Shape>,
    /// Names whose own fields are looked at here; those of others are checked with the names.
    pub unchecked: BTreeSet<String>,
    /// Fields that may be undefined: the step's `when` says what happens then.
    pub guarded: BTreeSet<String>,
    /// What the value is needed for.
    pub wanted: Wanted,
}

/// What the value of an expression is needed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Anything.
    #[default]
    Value,
    /// It is a condition.
    Condition,
    /// It is the list of a loop.
    List,
}

/// What is wrong in a template.
pub fn template(templates: &Templates, nodes: &[Node], known: &Known) -> Vec<Fault> {
    let sole = match nodes {
        [Node::Output(expr)] => Some(expr),
        _ => None,
    };
    faults(templates, known, |inferrer| {
        inferrer.nodes(nodes);
        sole.iter().for_each(|expr| inferrer.wanted(expr));
    })
}

/// What is wrong in an expression.
pub fn expression(templates: &Templates, expr: &Expr, known: &Known) -> Vec<Fault> {
    faults(templates, known, |inferrer| {
        inferrer.infer(expr);
        inferrer.wanted(expr);
    })
}

/// What is known of the value that a template which is one expression gives.
pub fn shape(templates: &Templates, expr: &Expr, known: &Known) -> Shape {
    Inferrer::new(templates, known).infer(expr)
}

/// Infers twice: what is said to be undefined somewhere is known only at the end.
fn faults(templates: &Templates, known: &Known, infer: impl Fn(&mut Inferrer)) -> Vec<Fault> {
    let mut first = Inferrer::new(templates, known);
    infer(&mut first);
    let mut second = Inferrer { said: first.said, ..Inferrer::new(templates, known) };
    infer(&mut second);
    let mut faults: Vec<Fault> = Vec::new();
    for fault in second.faults {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// A name that the template sets itself.
#[derive(Clone)]
enum Local {
    Value(Shape),
    Macro(Arc<Macro>),
}

struct Inferrer<'a> {
    templates: &'a Templates,
    known: &'a Known,
    /// The names that are set around here.
    locals: Vec<BTreeMap<Arc<str>, Local>>,
    /// The template says what happens when this is undefined.
    guarded: bool,
    /// Fields of which the template says somewhere what happens when they are undefined.
    said: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl<'a> Inferrer<'a> {
    fn new(templates: &'a Templates, known: &'a Known) -> Inferrer<'a> {
        Inferrer {
            templates,
            known,
            locals: vec![BTreeMap::new()],
            guarded: false,
            said: known.guarded.clone(),
            faults: Vec::new(),
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find_map(|frame| frame.get(name))
    }

    /// A name that is set twice has either value: which one is not looked at.
    fn declare(&mut self, name: &Arc<str>, shape: Shape) {
        let before = match self.local(name) {
            Some(Local::Value(before)) => Some(before.clone()),
            Some(Local::Macro(_)) => Some(Shape::Opaque),
            None => None,
        };
        let shape = before.map_or(shape.clone(), |before| before.or(shape));
        self.put(name, Local::Value(shape));
    }

    fn put(&mut self, name: &Arc<str>, local: Local) {
        if let Some(frame) = self.locals.last_mut() {
            frame.insert(Arc::clone(name), local);
        }
    }

    fn framed(&mut self, infer: impl FnOnce(&mut Self)) {
        self.locals.push(BTreeMap::new());
        infer(self);
        self.locals.pop();
    }

    fn fault(&mut self, fault: Fault, range: &Range<usize>) {
        self.faults.push(fault.at(None, range.clone()));
    }

    /// The value, where it depends on no name.
    fn constant(&self, expr: &Expr) -> Option<super::Datum> {
        if !is_constant(expr) {
            return None;
        }
        Machine::new(self.templates, &Values::new()).eval(expr).ok()
    }

    fn nodes(&mut self, nodes: &[Node]) {
        nodes.iter().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Text(_) | Node::Break | Node::Continue | Node::Include(_) | Node::Extends(_) => {}
            Node::Output(expr) | Node::Do(expr) => drop(self.infer(expr)),
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    self.infer(condition);
                    self.nodes(body);
                }
                self.nodes(otherwise);
            }
            Node::For(repeat) => self.repeat(repeat),
            Node::Set(target, expr) => {
                let shape = self.infer(expr);
                self.target(target, shape);
            }
            Node::SetText(target, _, body) => {
                self.framed(|inferrer| inferrer.nodes(body));
                self.target(target, Shape::Any);
            }
            Node::With(values, body) => {
                let shapes: Vec<Shape> = values.iter().map(|(_, expr)| self.infer(expr)).collect();
                self.framed(|inferrer| {
                    values.iter().zip(shapes).for_each(|((target, _), shape)| inferrer.bind(target, shape));
                    inferrer.nodes(body);
                });
            }
            Node::Macro(definition) => {
                self.put(&definition.name, Local::Macro(Arc::clone(definition)));
                self.macro_body(definition);
            }
            Node::CallBlock(called, body) => {
                self.infer(called);
                self.macro_body(body);
            }
            Node::FilterBlock(_, body) => self.framed(|inferrer| inferrer.nodes(body)),
            Node::Import(_, alias) => self.declare(alias, Shape::Opaque),
            Node::From(_, names) => names.iter().for_each(|(_, alias)| self.declare(alias, Shape::Opaque)),
            Node::Block(block) => self.framed(|inferrer| inferrer.nodes(&block.body)),
        }
    }

    fn repeat(&mut self, repeat: &tree::For) {
        let items = self.infer(&repeat.items);
        self.must_be_iterable(&repeat.items, &items);
        self.framed(|inferrer| {
            // What a loop calls its item hides the same name around it.
            inferrer.bind(&repeat.target, if repeat.recursive { Shape::Opaque } else { items.element() });
            inferrer.put(&"loop".into(), Local::Value(Shape::Opaque));
            repeat.filter.iter().for_each(|filter| drop(inferrer.infer(filter)));
            inferrer.nodes(&repeat.body);
        });
        self.framed(|inferrer| inferrer.nodes(&repeat.otherwise));
    }

    fn macro_body(&mut self, definition: &Macro) {
        self.framed(|inferrer| {
            for (name, default) in &definition.params {
                default.iter().for_each(|default| drop(inferrer.infer(default)));
                inferrer.put(name, Local::Value(Shape::Opaque));
            }
            for name in ["caller", "varargs", "kwargs"] {
                inferrer.put(&name.into(), Local::Value(Shape::Opaque));
            }
            inferrer.nodes(&definition.body);
        });
    }

    fn target(&mut self, target: &Target, shape: Shape) {
        match target {
            Target::Name(name) => self.declare(name, shape),
            _ => target.names().iter().for_each(|name| self.declare(name, Shape::Any)),
        }
    }

    fn bind(&mut self, target: &Target, shape: Shape) {
        match (target, shape) {
            (Target::Name(name), shape) => self.put(name, Local::Value(shape)),
            (Target::Tuple(targets), Shape::Pair(one, other)) if targets.len() == 2 => {
                self.bind(&targets[0], *one);
                self.bind(&targets[1], *other);
            }
            _ => target.names().iter().for_each(|name| self.put(name, Local::Value(Shape::Any))),
        }
    }

    fn must_be_iterable(&mut self, expr: &Expr, shape: &Shape) {
        if matches!(shape, Shape::Number | Shape::Bool)
            && let Err(fault) = shape.samples()[0].items()
        {
            self.fault(fault, &expr.range);
        }
    }

    /// Whether the whole value is what it is needed for.
    fn wanted(&mut self, expr: &Expr) {
        let before = self.faults.len();
        let shape = self.infer(expr);
        self.faults.truncate(before);
        match (self.known.wanted, &shape) {
            (Wanted::List, Shape::Number | Shape::Bool | Shape::Text) => {
                let fault = Fault::wrong_type(format!("a loop needs a list, not {}", shape.what()));
                let fault = match shape {
                    Shape::Text => fault.hint("make a list of text with `| split` or `.splitlines()`"),
                    _ => fault,
                };
                self.fault(fault, &expr.range);
            }
            (Wanted::Condition, Shape::Number | Shape::Text) if is_of_result(expr) => {
                let path = super::machine::path_of(expr);
                let write = if shape == Shape::Text { "| length > 0" } else { "== 0" };
                let fault = Fault::wrong_type(format!("a condition is true or false, not {}", shape.what()));
                let path = if path.is_empty() { "…" } else { path.as_str() };
                self.fault(fault.hint(format!("compare it: `{path} {write}`")), &expr.range);
            }
            _ => {}
        }
    }
}

/// Facts may be null, and are asked for whether they are there.
fn is_of_result(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Name(name) => name.as_ref() != "facts",
        Kind::Attribute(of, _) | Kind::Index(of, _) | Kind::Slice(of, _) => is_of_result(of),
        Kind::Filter(Some(of), ..) | Kind::Call(of, _) => is_of_result(of),
        _ => false,
    }
}

/// Whether the value depends on no name.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Constant(_) => true,
        Kind::List(items) | Kind::Tuple(items) => items.iter().all(is_constant),
        Kind::Map(entries) => entries.iter().all(|(key, value)| is_constant(key) && is_constant(value)),
        Kind::Negative(of) | Kind::Positive(of) => is_constant(of),
        _ => false,
    }
}

/// The first fault of a try on every value, unless one of them is fine or it depends on the value.
fn on_all(tries: impl Iterator<Item = Result<()>>) -> Option<Fault> {
    use super::fault::Cause;
    let (mut by_type, mut by_arguments, mut by_value) = (None, None, false);
    for tried in tries {
        let fault = tried.err()?;
        if fault.undefined.is_some() {
            return None;
        }
        match fault.cause {
            Cause::Arguments => drop(by_arguments.get_or_insert(fault)),
            Cause::Type => drop(by_type.get_or_insert(fault)),
            Cause::Value => by_value = true,
        }
    }
    by_arguments.or(by_type.filter(|_| !by_value))
}
