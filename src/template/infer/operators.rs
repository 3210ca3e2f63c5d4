//! Operators: tried with samples of both sides.

use super::super::arithmetic::{apply, compare};
use super::super::fault::Fault;
use super::super::machine::path_of;
use super::super::shape::Shape;
use super::super::tree::{Comparison, Expr, Kind, Operator};
use super::super::value::Datum;
use super::{Inferrer, on_all};

impl Inferrer<'_> {
    pub(super) fn signed(&mut self, of: &Expr) -> Shape {
        let shape = self.infer(of);
        if matches!(shape, Shape::Text | Shape::List(_) | Shape::Record(_) | Shape::Table(_)) {
            let fault = Fault::wrong_type(format!("{} has no sign", shape.what()));
            self.fault(fault.hint("make a number of text with `| int`"), &of.range);
        }
        Shape::Number
    }

    pub(super) fn binary(&mut self, expr: &Expr, operator: Operator, left: &Expr, right: &Expr) -> Shape {
        let shapes = (self.unguarded(left), self.unguarded(right));
        if shapes.0.is_unknown() && shapes.1.is_unknown() {
            return Shape::Any;
        }
        let (ones, others) = (self.values(left, &shapes.0), self.values(right, &shapes.1));
        let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
        if let Some(fault) = on_all(pairs.map(|(one, other)| apply(operator, one, other).map(drop))) {
            self.fault(fault, &expr.range);
            return Shape::Any;
        }
        match (operator, shapes) {
            (Operator::Modulo, (Shape::Text, _)) => Shape::Text,
            (Operator::Add, (Shape::Text, Shape::Text)) => Shape::Text,
            (_, (Shape::Number, Shape::Number)) => Shape::Number,
            _ => Shape::Any,
        }
    }

    /// Samples of an expression's value; the value itself where it is known.
    pub(super) fn values(&self, expr: &Expr, shape: &Shape) -> Vec<Datum> {
        self.constant(expr).map_or_else(|| shape.samples(), |value| vec![value])
    }

    pub(super) fn comparisons(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) -> Shape {
        let mut left = (first, self.unguarded(first));
        for (comparison, right) in rest {
            let right = (right, self.unguarded(right));
            self.comparison(*comparison, &left, &right);
            left = right;
        }
        Shape::Bool
    }

    fn comparison(&mut self, comparison: Comparison, left: &(&Expr, Shape), right: &(&Expr, Shape)) {
        if left.1.is_unknown() && right.1.is_unknown() {
            return;
        }
        if !matches!(comparison, Comparison::In | Comparison::NotIn) && self.unequal(left, right) {
            return;
        }
        let (ones, others) = (self.values(left.0, &left.1), self.values(right.0, &right.1));
        let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
        if let Some(fault) = on_all(pairs.map(|(one, other)| compare(comparison, one, other).map(drop))) {
            self.fault(fault, &(left.0.range.start..right.0.range.end));
        }
    }

    /// Values of different types are never equal; one of them was meant otherwise.
    fn unequal(&mut self, left: &(&Expr, Shape), right: &(&Expr, Shape)) -> bool {
        let (text, other) = match (&left.1, &right.1) {
            (Shape::Text, Shape::Number | Shape::Bool) => (left, right),
            (Shape::Number | Shape::Bool, Shape::Text) => (right, left),
            _ => return false,
        };
        let about = if matches!(text.0.kind, Kind::Constant(_)) { other } else { text };
        let path = path_of(about.0);
        let is = if path.is_empty() { String::new() } else { format!(": `{path}` is {}", about.1.what()) };
        let kind = if other.1 == Shape::Bool { "true or false" } else { "a number" };
        let fault = Fault::wrong_type(format!("text is compared with {kind}{is}"));
        let hint = match &text.0.kind {
            Kind::Constant(Datum::Text(written)) => match written.parse::<f64>() {
                Ok(_) => Some(format!("write {written} without quotes")),
                Err(_) if other.1 == Shape::Bool => Some("write true or false without quotes".to_string()),
                Err(_) => None,
            },
            _ if other.1 == Shape::Bool => None,
            _ if path.is_empty() => Some("make a number of the text with `| int`".to_string()),
            _ => Some(format!("write `{path} | int`")),
        };
        let fault = match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
        self.fault(fault, &about.0.range);
        true
    }
}
