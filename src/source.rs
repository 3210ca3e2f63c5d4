//! Project files with positions: what a message needs to point at the line, and TOML as a tree in which every key and
//! value knows where it stands.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Value, Values};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

mod depth;
mod syntax;

/// A file's name as people should read it, and its text.
#[derive(PartialEq, Eq)]
pub struct Source {
    /// Relative to the project where it is inside it.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// A piece of a file, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// From and to, on character boundaries.
    pub span: Range<usize>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of the value, not of its key.
    pub place: Place,
    /// The value.
    pub data: Data,
}

/// What TOML can hold. Dates are strings here.
#[derive(Clone, Debug)]
pub enum Data {
    /// A string, a number or a boolean.
    Scalar(Value),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, unquoted.
    pub key: String,
    /// Of the key.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Source {
    /// A file's text under the name that messages give it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Source({})", self.name)
    }
}

impl Place {
    /// All of a file; messages show its first line.
    pub fn whole(source: &Arc<Source>) -> Place {
        Place { source: Arc::clone(source), span: 0..0 }
    }

    /// Something that was not read from a file, for example `--var`.
    pub fn outside(name: &str) -> Place {
        Place::whole(&Source::new(name, ""))
    }

    /// Line and column, both counted from 1; the column in characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    /// `playbooks/fix-dns.toml:14`, or the name alone for what is no file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.text.is_empty() {
            true => write!(out, "{}", self.source.name),
            false => write!(out, "{}:{}", self.source.name, self.line_and_column().0),
        }
    }
}

impl Node {
    /// Reads a TOML file. Every syntax error in it is reported.
    pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
        let mut problems = Diagnostics::default();
        if let Some(span) = depth::too_deep(&source.text) {
            let place = Place { source: Arc::clone(source), span };
            problems.push(Diagnostic::error("it is nested too deeply: 64 levels are the limit", &place));
            return Err(problems);
        }
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty()
            && let Some((span, [message, hint])) = syntax::whole(&source.text)
        {
            let place = Place { source: Arc::clone(source), span };
            return Err(Diagnostic::error(message, &place).hint(hint).into());
        }
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let hint = syntax::hint(&source.text, span.start, error.message());
            let place = Place { source: Arc::clone(source), span };
            problems.push(Diagnostic { hint, ..Diagnostic::error(error.message(), &place) });
        }
        let span = table.span();
        let node = problems
            .is_empty()
            .then(|| node_of(source, span, &DeValue::Table(table.into_inner()), &mut problems));
        node.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// The value without its positions.
    pub fn value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(list) => list.iter().map(Node::value).collect(),
            Data::Table(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect::<Values>(),
            ),
        }
    }

    /// The string, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries, when it is a table.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, when it is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The place of what `path` names inside it (`merge.dns[0]`), or of as much of the path as there is.
    pub fn place_of(&self, path: &str) -> &Place {
        let (head, rest) = split_path(path);
        let inner = match &self.data {
            _ if head.is_empty() => None,
            Data::List(list) => head.parse().ok().and_then(|at: usize| list.get(at)),
            _ => self.get(head),
        };
        inner.map_or(&self.place, |node| node.place_of(rest))
    }

    /// `a string`, `an integer` …
    pub fn what(&self) -> &'static str {
        what(&self.value())
    }
}

/// What a value is, with its article.
pub fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn split_path(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches(['.', '[']);
    let end = path.find(['.', '[', ']']).unwrap_or(path.len());
    (&path[..end], path[end..].trim_start_matches(']'))
}

fn node_of(
    source: &Arc<Source>,
    span: Range<usize>,
    value: &DeValue<'_>,
    problems: &mut Diagnostics,
) -> Node {
    let place = Place { source: Arc::clone(source), span };
    let data = match value {
        DeValue::String(text) => Data::Scalar(text.to_string().into()),
        DeValue::Boolean(boolean) => Data::Scalar((*boolean).into()),
        DeValue::Datetime(date) => Data::Scalar(date.to_string().into()),
        DeValue::Integer(integer) => Data::Scalar(number(
            i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            &place,
            problems,
        )),
        DeValue::Float(float) => Data::Scalar(number(finite(float.as_str()), &place, problems)),
        DeValue::Array(list) => Data::List(
            list.iter().map(|item| node_of(source, item.span(), item.get_ref(), problems)).collect(),
        ),
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                entry_of(source, key, value, problems)
            };
            Data::Table(table.iter().map(entry).collect())
        }
    };
    Node { place, data }
}

fn entry_of(
    source: &Arc<Source>,
    key: &toml::Spanned<std::borrow::Cow<'_, str>>,
    value: &toml::Spanned<DeValue<'_>>,
    problems: &mut Diagnostics,
) -> Entry {
    let place = Place { source: Arc::clone(source), span: key.span() };
    Entry {
        key: key.get_ref().to_string(),
        place,
        node: node_of(source, value.span(), value.get_ref(), problems),
    }
}

/// JSON, in which jobs travel, has neither infinity nor not-a-number.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn number<N: Into<Value>>(number: Option<N>, place: &Place, problems: &mut Diagnostics) -> Value {
    match number {
        Some(number) => number.into(),
        None => {
            problems.push(Diagnostic::error("this number is out of range", place));
            Value::Null
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn knows_where_things_stand() {
        let source = Source::new("x.toml", "a = 1\n[t]\nlist = [{ b = \"x\" }]\n");
        let node = Node::parse(&source).unwrap();
        let text = |path| &source.text[node.place_of(path).span.clone()];
        assert_eq!(text("a"), "1");
        assert_eq!(text("t.list[0].b"), "\"x\"");
        assert_eq!(text("t.list[0].nope"), "{ b = \"x\" }");
        assert_eq!(node.place_of("t.list[0].b").line_and_column(), (3, 15));
        assert_eq!(node.place_of("t.list").to_string(), "x.toml:3");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}=\"'.,#a0-9\n x_é]{0,80}") {
            if let Err(problems) = Node::parse(&Source::new("x", text)) {
                prop_assert!(!problems.plain().is_empty());
            }
        }

        #[test]
        fn no_path_panics(path in ".{0,20}") {
            let node = Node::parse(&Source::new("x", "a = [1, { b = 2 }]")).unwrap();
            node.place_of(&path);
        }
    }
}
