//! Evaluates expressions.

use super::arithmetic::{apply, compare};
use super::call::{Arguments, Callable};
use super::fault::{Fault, Missing, Result};
use super::tree::{Expr, For, Kind, Named, Operator, Passed};
use super::value::{Datum, Map, locked};
use super::{Names, Templates, filters, functions, methods, tests_of_values};
use crate::model::nearest::did_you_mean;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A template may take this many steps: well under a second of work.
const FUEL: u64 = 5_000_000;

/// Expressions may be nested this deep, so that the stack is enough.
const DEPTH_LIMIT: usize = 200;

/// Loops, macros and includes may be nested this deep; each takes more of the stack than an expression.
const NESTING_LIMIT: usize = 40;

/// Variables that a part of a template sets.
pub type Frame = Arc<Mutex<BTreeMap<Arc<str>, Datum>>>;

/// Evaluates one template or expression.
pub struct Machine<'a> {
    /// The templates that can be included.
    pub templates: &'a Templates,
    pub(super) names: &'a dyn Names,
    pub(super) frames: Vec<Frame>,
    /// What was rendered so far.
    pub(super) out: Vec<Datum>,
    /// The file that is rendered just now, for messages.
    pub(super) template: Option<Arc<str>>,
    pub(super) blocks: super::render::Blocks,
    pub(super) loops: Vec<Arc<For>>,
    fuel: u64,
    depth: usize,
    nesting: usize,
}

impl<'a> Machine<'a> {
    /// Over these variables.
    pub fn new(templates: &'a Templates, names: &'a dyn Names) -> Machine<'a> {
        Machine {
            templates,
            names,
            frames: vec![Frame::default()],
            out: Vec::new(),
            template: None,
            blocks: super::render::Blocks::default(),
            loops: Vec::new(),
            fuel: FUEL,
            depth: 0,
            nesting: 0,
        }
    }

    /// Counts a step.
    pub fn step(&mut self) -> Result<()> {
        self.fuel = self.fuel.checked_sub(1).ok_or_else(|| {
            Fault::new(format!("it takes more than {FUEL} steps"))
                .hint("is there a loop over too many items?")
        })?;
        Ok(())
    }

    /// Renders something inside, within bounds.
    pub(super) fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_LIMIT {
            return Err(
                Fault::new("it is nested too deep").hint("does a macro or a template include itself?")
            );
        }
        self.nesting += 1;
        let result = run(self);
        self.nesting -= 1;
        result
    }

    /// The value of an expression.
    pub fn eval(&mut self, expr: &Expr) -> Result<Datum> {
        self.step()?;
        if self.depth >= DEPTH_LIMIT {
            return Err(Fault::new("it is nested too deep").at(self.template.as_ref(), expr.range.clone()));
        }
        self.depth += 1;
        let result = self.kind(expr);
        self.depth -= 1;
        result.map_err(|fault| fault.at(self.template.as_ref(), expr.range.clone()))
    }

    /// Whether an expression counts as true.
    pub fn holds(&mut self, expr: &Expr) -> Result<bool> {
        let truth = self.eval(expr)?.truth();
        truth.map_err(|fault| fault.at(self.template.as_ref(), expr.range.clone()))
    }

    fn kind(&mut self, expr: &Expr) -> Result<Datum> {
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Name(name) => Ok(self.name(name)),
            Kind::List(items) => self.all(items).map(Datum::list),
            Kind::Tuple(items) => self.all(items).map(Datum::tuple),
            Kind::Map(entries) => self.map(entries),
            Kind::Attribute(of, name) => {
                let value = self.eval(of)?;
                Ok(self.attribute(&value, name, || path_of(expr)))
            }
            Kind::Index(of, index) => {
                let (value, index) = (self.eval(of)?, self.eval(index)?);
                self.index(&value, &index, || path_of(expr))
            }
            Kind::Slice(of, parts) => self.slice(of, parts),
            Kind::Call(callee, passed) => self.call(callee, passed),
            Kind::Filter(of, named, passed) => {
                let of = of.as_ref().ok_or_else(|| Fault::new("a filter needs a value"))?;
                let value = self.eval(of)?;
                self.filter(value, named, passed)
            }
            Kind::Test(of, named, passed, negated) => {
                let value = self.eval(of)?;
                let arguments = self.arguments(passed)?;
                let holds = tests_of_values::apply(self, &named.name, arguments.with_value(value));
                let holds = holds.map_err(|fault| named_fault(fault, "test", named))?;
                Ok(Datum::Bool(holds != *negated))
            }
            Kind::Not(of) => self.holds(of).map(|holds| Datum::Bool(!holds)),
            Kind::Negative(of) => self.sign(of, -1),
            Kind::Positive(of) => self.sign(of, 1),
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                apply(*operator, &left, &right)
            }
            Kind::Compare(first, rest) => self.comparisons(first, rest),
            Kind::And(left, right) => self.either(left, right, false),
            Kind::Or(left, right) => self.either(left, right, true),
            Kind::Concat(parts) => self.concat(parts),
            Kind::Conditional(condition, then, otherwise) => match (self.holds(condition)?, otherwise) {
                (true, _) => self.eval(then),
                (false, Some(otherwise)) => self.eval(otherwise),
                (false, None) => Ok(Datum::left_out()),
            },
        }
    }

    /// The value of a name: a variable of the template, one of the context, else a function.
    pub fn name(&self, name: &str) -> Datum {
        self.variable(name)
            .or_else(|| functions::find(name))
            .unwrap_or_else(|| undefined(name, self.names.names()))
    }

    /// A variable of the template or of the context.
    pub(super) fn variable(&self, name: &str) -> Option<Datum> {
        let local = self.frames.iter().rev().find_map(|frame| locked(frame).get(name).cloned());
        local.or_else(|| self.names.get(name))
    }

    /// Gives a variable of the innermost frame a value.
    pub(super) fn set(&mut self, name: &Arc<str>, value: Datum) {
        if let Some(frame) = self.frames.last() {
            locked(frame).insert(Arc::clone(name), value);
        }
    }

    fn all(&mut self, items: &[Expr]) -> Result<Vec<Datum>> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Result<Datum> {
        let mut map = Map::new();
        for (key, value) in entries {
            let key = self.eval(key)?.defined()?;
            map.insert(key, self.eval(value)?);
        }
        Ok(Datum::map(map))
    }

    fn sign(&mut self, of: &Expr, sign: i128) -> Result<Datum> {
        let value = self.eval(of)?;
        match value.is_blank() {
            true => Ok(value),
            false => apply(Operator::Multiply, &Datum::Int(sign), &value.defined()?.number()?),
        }
    }

    fn comparisons(&mut self, first: &Expr, rest: &[(super::tree::Comparison, Expr)]) -> Result<Datum> {
        let mut left = self.eval(first)?;
        for (comparison, right) in rest {
            let right = self.eval(right)?;
            if !compare(*comparison, &left, &right)? {
                return Ok(Datum::Bool(false));
            }
            left = right;
        }
        Ok(Datum::Bool(true))
    }

    /// `and` and `or` give one of their values, as in Python.
    fn either(&mut self, left: &Expr, right: &Expr, stops_at: bool) -> Result<Datum> {
        let value = self.eval(left)?;
        let truth = value.truth().map_err(|fault| fault.at(self.template.as_ref(), left.range.clone()))?;
        if truth == stops_at { Ok(value) } else { self.eval(right) }
    }

    fn concat(&mut self, parts: &[Expr]) -> Result<Datum> {
        let mut whole = String::new();
        for part in parts {
            let value = self.eval(part)?;
            if value.is_left_out() {
                continue;
            }
            let text = value.to_text();
            whole += &text.map_err(|fault| fault.at(self.template.as_ref(), part.range.clone()))?;
        }
        Ok(Datum::text(whole))
    }

    /// `value.name`: a key of a map, a property, a method.
    pub fn attribute(&self, value: &Datum, name: &str, path: impl Fn() -> String) -> Datum {
        if let Datum::Undefined(_) = value {
            return value.clone();
        }
        let key = Datum::text(name);
        let found = match value {
            Datum::Map(map) => map.get(&key).cloned(),
            Datum::Namespace(map) => locked(map).get(&key).cloned(),
            Datum::Object(object) => object.get(name),
            other => methods::property(other, name),
        };
        let method = || {
            let method = Callable::Method(value.clone(), name.into());
            methods::exists(value, name).then(|| Datum::Callable(Arc::new(method)))
        };
        found.or_else(method).unwrap_or_else(|| undefined(path(), methods::keys(value)))
    }

    /// `value[index]`.
    pub fn index(&self, value: &Datum, index: &Datum, path: impl Fn() -> String) -> Result<Datum> {
        if let Datum::Undefined(_) = value {
            return Ok(value.clone());
        }
        let index = index.clone().defined()?;
        if let (Some(at), Some(length)) = (index.as_int(), sequence_length(value)) {
            let at = if at < 0 { at + length as i128 } else { at };
            let item = usize::try_from(at).ok().and_then(|at| match value {
                Datum::Text(text) => text.chars().nth(at).map(|letter| Datum::text(letter.to_string())),
                other => other.as_list().and_then(|items| items.get(at)).cloned(),
            });
            return Ok(item.unwrap_or_else(|| undefined(path(), Vec::new())));
        }
        Ok(match (value, &index) {
            (Datum::Map(map), _) if map.contains_key(&index) => map[&index].clone(),
            (_, Datum::Text(name)) => self.attribute(value, name, path),
            (other, _) if other.is_blank() => other.clone(),
            _ => undefined(path(), methods::keys(value)),
        })
    }

    fn slice(&mut self, of: &Expr, parts: &[Option<Expr>; 3]) -> Result<Datum> {
        let value = self.eval(of)?;
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                let given = self.eval(part)?.defined()?;
                *bound = match given {
                    Datum::None => None,
                    other => Some(other.as_int().ok_or_else(|| {
                        let fault = Fault::new(format!("a slice needs whole numbers, not {}", other.what()));
                        fault.at(self.template.as_ref(), part.range.clone())
                    })?),
                };
            }
        }
        sliced(&value, bounds)
    }

    /// What is passed to something, evaluated.
    pub fn arguments(&mut self, passed: &Passed) -> Result<Arguments> {
        let mut positional = self.all(&passed.positional)?;
        let mut named = Vec::new();
        for (name, expr) in &passed.named {
            named.push((Arc::clone(name), self.eval(expr)?));
        }
        if let Some(spread) = &passed.spread {
            positional.extend(self.eval(spread)?.items()?);
        }
        if let Some(spread) = &passed.spread_named {
            for (key, value) in self.eval(spread)?.as_map().unwrap_or_default() {
                named.push((key.to_text()?.into(), value));
            }
        }
        Ok(Arguments::new(positional, named))
    }

    fn filter(&mut self, value: Datum, named: &Named, passed: &Passed) -> Result<Datum> {
        let arguments = self.arguments(passed)?;
        self.apply_filter(&named.name, arguments.with_value(value))
            .map_err(|fault| named_fault(fault, "filter", named))
            .map_err(|fault| fault.at(self.template.as_ref(), named.range.clone()))
    }

    /// Applies a filter; the value before `|` is the first argument.
    pub fn apply_filter(&mut self, name: &str, arguments: Arguments) -> Result<Datum> {
        filters::apply(self, name, arguments)
    }

    fn call(&mut self, callee: &Expr, passed: &Passed) -> Result<Datum> {
        if let Kind::Attribute(of, name) = &callee.kind {
            if let Kind::Name(variable) = &of.kind {
                if variable.as_ref() == "self" && self.variable("self").is_none() {
                    return self.render_block_value(name);
                }
                if let Some(result) = self.mutation(variable, name, passed)? {
                    return Ok(result);
                }
            }
            let value = self.eval(of)?.defined()?;
            let arguments = self.arguments(passed)?;
            return self.call_method(&value, name, arguments);
        }
        if let Kind::Name(name) = &callee.kind {
            return self.call_name(name, callee, passed);
        }
        let function = self.eval(callee)?.defined()?;
        let arguments = self.arguments(passed)?;
        self.call_value(&function, arguments)
    }

    fn call_name(&mut self, name: &Arc<str>, callee: &Expr, passed: &Passed) -> Result<Datum> {
        let function = match self.variable(name) {
            Some(function) => function,
            None if name.as_ref() == "super" => return self.render_super(),
            None => functions::find(name).ok_or_else(|| unknown("function", name, functions::names()))?,
        };
        let arguments = self.arguments(passed)?;
        if let (Datum::Object(_), "loop") = (&function, name.as_ref()) {
            return self.recurse(arguments);
        }
        self.call_value(&function, arguments)
            .map_err(|fault| match fault.spot {
                None => Fault { why: format!("`{name}`: {}", fault.why), ..fault },
                Some(_) => fault,
            })
            .map_err(|fault| fault.at(self.template.as_ref(), callee.range.clone()))
    }

    /// Calls a function, a macro or a method.
    pub fn call_value(&mut self, function: &Datum, mut arguments: Arguments) -> Result<Datum> {
        match function {
            Datum::Callable(callable) => match callable.as_ref() {
                Callable::Function(function) => function(self, &mut arguments),
                Callable::Method(value, name) => self.call_method(value, name, arguments),
                Callable::Joiner(separator, used) => {
                    let again = std::mem::replace(&mut *locked(used), true);
                    Ok(Datum::text(if again { separator.as_str() } else { "" }))
                }
                Callable::Macro(called) => self.nested(|machine| machine.call_macro(called, arguments)),
            },
            blank if blank.is_blank() => Ok(blank.clone()),
            other => Err(Fault::wrong_type(format!("{} cannot be called", other.what()))),
        }
    }

    /// Calls a method of a value, or a function that the value holds under that name.
    pub fn call_method(&mut self, value: &Datum, name: &Arc<str>, mut arguments: Arguments) -> Result<Datum> {
        let held = match value {
            Datum::Map(map) => map.get(&Datum::text(name)).cloned(),
            Datum::Namespace(map) => locked(map).get(&Datum::text(name)).cloned(),
            Datum::Object(object) if object.is_blank() => return Ok(value.clone()),
            Datum::Object(object) => {
                if let Some(result) = object.call(name, &arguments.rest()) {
                    return result;
                }
                None
            }
            _ => None,
        };
        match held {
            Some(function @ Datum::Callable(_)) => self.call_value(&function, arguments),
            _ => methods::call(value, name, &mut arguments),
        }
    }

    /// `list.append(x)` and its like change the variable that holds the list.
    fn mutation(&mut self, variable: &Arc<str>, name: &str, passed: &Passed) -> Result<Option<Datum>> {
        let Some(value) = self.variable(variable).filter(|value| methods::changes(value, name)) else {
            return Ok(None);
        };
        let mut arguments = self.arguments(passed)?;
        let (changed, result) = methods::change(&value, name, &mut arguments)?;
        let holder = self.frames.iter().rev().find(|frame| locked(frame).contains_key(variable));
        if let Some(frame) = holder.or(self.frames.first()) {
            locked(frame).insert(Arc::clone(variable), changed);
        }
        Ok(Some(result))
    }
}

/// A name or key that is not there.
pub fn undefined(path: impl Into<String>, known: Vec<String>) -> Datum {
    Datum::Undefined(Arc::new(Missing { path: path.into(), known, left_out: false }))
}

/// The error for a filter, test or function that does not exist.
pub fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Fault {
    let fault = Fault::new(format!("there is no {what} `{name}`"));
    match did_you_mean(name, known) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// What went wrong in a filter or a test, with its name.
pub fn named_fault(fault: Fault, what: &str, named: &Named) -> Fault {
    if fault.undefined.is_some() || fault.spot.is_some() || fault.why.starts_with("there is no") {
        return fault;
    }
    Fault { why: format!("the {what} `{}`: {}", named.name, fault.why), ..fault }
}

/// The expression as a dotted path; empty when it is none.
pub fn path_of(expr: &Expr) -> String {
    let joined = |of: &Expr, part: String| match path_of(of) {
        path if path.is_empty() => String::new(),
        path => path + &part,
    };
    match &expr.kind {
        Kind::Name(name) => name.to_string(),
        Kind::Attribute(of, name) => joined(of, format!(".{name}")),
        Kind::Index(of, index) => match &index.kind {
            Kind::Constant(Datum::Text(key)) => joined(of, format!(".{key}")),
            Kind::Constant(Datum::Int(at)) => joined(of, format!("[{at}]")),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn sequence_length(value: &Datum) -> Option<usize> {
    match value {
        Datum::Text(text) => Some(text.chars().count()),
        other => other.as_list().map(<[Datum]>::len),
    }
}

/// A part of a list or a text, as in Python.
fn sliced(value: &Datum, [start, stop, step]: [Option<i128>; 3]) -> Result<Datum> {
    if value.is_blank() {
        return Ok(value.clone());
    }
    let items = match value {
        Datum::Text(_) | Datum::List(_) | Datum::Tuple(_) | Datum::Undefined(_) => value.items()?,
        other => return Err(Fault::wrong_type(format!("{} cannot be sliced", other.what()))),
    };
    let length = items.len() as i128;
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Fault::new("the step of a slice cannot be 0"));
    }
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |bound: Option<i128>, usual: i128| match bound {
        Some(at) => (if at < 0 { at + length } else { at }).clamp(lowest, highest),
        None => usual,
    };
    let (mut at, stop) = match step > 0 {
        true => (bound(start, lowest), bound(stop, highest)),
        false => (bound(start, highest), bound(stop, lowest)),
    };
    let mut chosen = Vec::new();
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        chosen.push(items[at as usize].clone());
        at += step;
    }
    match value {
        Datum::Text(_) => {
            let letters: Result<String> = chosen.iter().map(Datum::to_text).collect();
            letters.map(Datum::text)
        }
        Datum::Tuple(_) => Ok(Datum::tuple(chosen)),
        _ => Ok(Datum::list(chosen)),
    }
}

impl Datum {
    /// The value, when it is a number.
    fn number(self) -> Result<Datum> {
        match self.as_float() {
            Some(_) => Ok(self),
            None => Err(Fault::wrong_type(format!("{} has no sign", self.what()))
                .hint("make a number of text with `| int`")),
        }
    }
}
