//! What is known of a value before it is there: its type, its fields. Samples of it are what filters are tried with.

use super::moment::Moment;
use super::value::{Datum, Map};

/// What is known of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    #[default]
    Any,
    /// Something that is not looked at: a function, a namespace, an imported template.
    Opaque,
    /// Text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A list of these.
    List(Box<Shape>),
    /// Two values: what `groupby` and `items()` give.
    Pair(Box<Shape>, Box<Shape>),
    /// A map whose keys are not known.
    Table(Box<Shape>),
    /// A map whose keys are known.
    Record(Record),
}

/// A map whose keys are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it is, for messages: `the result of `command``.
    pub what: String,
    /// Its keys.
    pub fields: Vec<(String, Shape)>,
    /// It may have other keys.
    pub open: bool,
    /// Names that others give its fields, with what to write.
    pub instead: Vec<(String, String)>,
}

/// Texts of the sorts that filters ask for.
const TEXTS: &[&str] = &[
    "a",
    "1",
    "",
    "1.5",
    "{}",
    "[1]",
    "a: 1",
    "2024-02-29 13:05:09",
    "2024-02-29",
    "10.0.0.1/24",
    "10.0.0.1",
    "2001:db8::1/64",
    "52:54:00:12:34:56",
    "/etc/x.conf",
    "https://user@example.com:80/a?b=c",
    "aGk=",
    "1 GB",
    "a,b=c",
    "true",
    "<a></a>",
];

/// A value whose type is not known is one of these.
const ANY: usize = TEXTS.len() + 12;

impl Shape {
    /// What is known of a value that is there. A map or a list may get more entries.
    pub fn of(value: &Datum) -> Shape {
        match value {
            Datum::Bool(_) => Shape::Bool,
            Datum::Int(_) | Datum::Float(_) => Shape::Number,
            Datum::Text(_) => Shape::Text,
            Datum::List(_) => Shape::list(Shape::Any),
            Datum::Callable(_) | Datum::Namespace(_) | Datum::Object(_) => Shape::Opaque,
            _ => Shape::Any,
        }
    }

    /// A list of these.
    pub fn list(of: Shape) -> Shape {
        Shape::List(Box::new(of))
    }

    /// What is known of a value that is one or the other.
    pub fn or(self, other: Shape) -> Shape {
        match (self, other) {
            (one, other) if one == other => one,
            (Shape::Opaque, _) | (_, Shape::Opaque) => Shape::Opaque,
            (Shape::List(one), Shape::List(other)) => Shape::list(one.or(*other)),
            (Shape::Table(one), Shape::Table(other)) => Shape::Table(Box::new(one.or(*other))),
            (Shape::Record(one), Shape::Record(other)) => Shape::Record(one.or(other)),
            _ => Shape::Any,
        }
    }

    /// What one gets when one iterates over it.
    pub fn element(&self) -> Shape {
        match self {
            Shape::List(of) => of.as_ref().clone(),
            Shape::Text | Shape::Table(_) | Shape::Record(_) => Shape::Text,
            Shape::Opaque => Shape::Opaque,
            _ => Shape::Any,
        }
    }

    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        self.sample(0).what()
    }

    /// Whether nothing can be said of it.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Shape::Any | Shape::Opaque)
    }

    /// Values of this shape, of all sorts that a filter may distinguish.
    pub fn samples(&self) -> Vec<Datum> {
        (0..self.sorts()).map(|at| self.sample(at)).collect()
    }

    fn sorts(&self) -> usize {
        match self {
            Shape::Any | Shape::Opaque => ANY,
            Shape::Text => TEXTS.len(),
            Shape::Number => NUMBERS.len(),
            Shape::Bool => 2,
            Shape::List(of) | Shape::Table(of) => of.sorts(),
            Shape::Pair(one, other) => one.sorts().max(other.sorts()),
            Shape::Record(record) => record.fields.iter().map(|(_, shape)| shape.sorts()).max().unwrap_or(1),
        }
    }

    fn sample(&self, at: usize) -> Datum {
        match self {
            Shape::Any | Shape::Opaque => any(at % ANY),
            Shape::Text => Datum::text(TEXTS[at % TEXTS.len()]),
            Shape::Number => Datum::Int(NUMBERS[at % NUMBERS.len()]),
            Shape::Bool => Datum::Bool(at.is_multiple_of(2)),
            Shape::List(of) => Datum::list(vec![of.sample(at), of.sample(at)]),
            Shape::Pair(one, other) => Datum::tuple(vec![one.sample(at), other.sample(at)]),
            Shape::Table(of) => Datum::record([("a", of.sample(at))]),
            Shape::Record(record) => {
                Datum::record(record.fields.iter().map(|(name, shape)| (name.as_str(), shape.sample(at))))
            }
        }
    }
}

const NUMBERS: &[i128] = &[1, 0, 2, 7, 100];

fn any(at: usize) -> Datum {
    let text = || Datum::text("a");
    let Some(at) = at.checked_sub(TEXTS.len()) else { return Datum::text(TEXTS[at]) };
    match at {
        0 => Datum::Int(1),
        1 => Datum::Float(2.5),
        2 => Datum::Bool(true),
        3 => Datum::None,
        4 => Datum::list(vec![text(), Datum::text("b")]),
        5 => Datum::list(vec![Datum::Int(1), Datum::Int(2)]),
        6 => Datum::list(vec![Datum::record([("key", text()), ("value", text())])]),
        7 => Datum::list(vec![Datum::list(vec![Datum::Int(1), Datum::Int(2)])]),
        8 => Datum::list(vec![Datum::text("10.0.0.0/24"), Datum::text("10.0.1.0/24")]),
        9 => Datum::record([("a", Datum::Int(1)), ("b", text())]),
        10 => Datum::map(Map::new()),
        _ => Datum::Moment(Moment::of_seconds(0.0)),
    }
}

impl Record {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Shape> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, shape)| shape)
    }

    fn or(self, other: Record) -> Record {
        let mut both = Record { open: self.open || other.open, ..self.clone() };
        if self.what != other.what {
            both.what = format!("{} or {}", self.what, other.what);
        }
        for (name, shape) in &mut both.fields {
            let there = other.field(name).cloned();
            *shape = there.map_or(shape.clone(), |there| shape.clone().or(there));
        }
        let new = other.fields.iter().filter(|(name, _)| self.field(name).is_none());
        both.fields.extend(new.cloned());
        both.instead.retain(|entry| other.instead.contains(entry));
        both
    }
}
