//! Reads the keys of a TOML table strictly: a key of the wrong type or one that does not exist is reported with its line.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::model::duration::TimeSpan;
use crate::source::{Data, Entry, Node, Place};
use std::time::Duration;

/// A table whose keys are taken one by one.
pub struct Keys<'a, 'p> {
    /// What the table is, for messages: `a step`.
    what: &'a str,
    place: &'a Place,
    entries: &'a [Entry],
    known: Vec<&'static str>,
    problems: &'p mut Diagnostics,
}

/// A number of hosts, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// That many.
    Count(u32),
    /// 1 to 100 of a hundred.
    Percent(u32),
}

impl<'a, 'p> Keys<'a, 'p> {
    /// The keys of `node`, which should be a table; when it is none, that is reported and there are no keys.
    pub fn of(node: &'a Node, what: &'a str, problems: &'p mut Diagnostics) -> Keys<'a, 'p> {
        let entries = node.entries().unwrap_or_else(|| {
            problems.push(wrong_type(node, "a table"));
            &[]
        });
        Keys { what, place: &node.place, entries, known: Vec::new(), problems }
    }

    /// The value of a key, whatever it is.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value of a key that `read` understands; `expected` says what that is.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&'a Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        let value = read(node);
        if value.is_none() {
            self.problems.push(wrong_type(node, expected));
        }
        value
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "a string", |node| node.as_str().map(str::to_string))
    }

    /// A boolean.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "a boolean", |node| node.value().as_bool())
    }

    /// An integer from 0 on.
    pub fn count(&mut self, key: &'static str) -> Option<u32> {
        self.read(key, "an integer from 0 on", |node| node.value().as_u64()?.try_into().ok())
    }

    /// A length of time: seconds, or text with units as `"1m30s"`.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.read(key, "a number of seconds or a string like \"30s\" or \"5m\"", |node| {
            duration(&node.value())
        })
    }

    /// A string, or a list of strings.
    pub fn strings(&mut self, key: &'static str) -> Vec<String> {
        self.read(key, "a string or a list of strings", strings).unwrap_or_default()
    }

    /// A number of hosts, or a percentage.
    pub fn share(&mut self, key: &'static str) -> Option<Share> {
        self.read(key, "a number of hosts or a string like \"20%\"", |node| Share::read(&node.value()))
    }

    /// The entries of a table.
    pub fn entries(&mut self, key: &'static str) -> &'a [Entry] {
        self.read(key, "a table", Node::entries).unwrap_or_default()
    }

    /// The elements of a list.
    pub fn list(&mut self, key: &'static str) -> &'a [Node] {
        let list = self.read(key, "a list", |node| match &node.data {
            Data::List(list) => Some(list.as_slice()),
            _ => None,
        });
        list.unwrap_or_default()
    }

    /// The entries whose keys nobody asked for.
    pub fn rest(&self) -> Vec<&'a Entry> {
        self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())).collect()
    }

    /// Tells a problem with the table.
    pub fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// Tells that a key is missing.
    pub fn missing(&mut self, key: &str) {
        let message = format!("`{key}` is missing");
        self.problems.push(Diagnostic::error(message, self.place).label(format!("{} needs it", self.what)));
    }

    /// Tells every key that nobody asked for.
    pub fn finish(self) {
        self.finish_with(|_| None);
    }

    /// The same, with a hint of its own for some of them.
    pub fn finish_with(self, hint: impl Fn(&str) -> Option<&'static str>) {
        for entry in self.rest() {
            let problem = unknown_key(entry, self.what, self.known.iter().copied());
            self.problems.push(match hint(&entry.key) {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        }
    }
}

impl Share {
    /// From an integer, or text such as `"3"` and `"20%"`.
    pub fn read(value: &Value) -> Option<Share> {
        match value {
            Value::Number(number) => number.as_u64()?.try_into().ok().map(Share::Count),
            Value::String(text) => match text.strip_suffix('%') {
                Some(percent) => {
                    percent.trim().parse().ok().filter(|p| (1..=100).contains(p)).map(Share::Percent)
                }
                None => text.trim().parse().ok().map(Share::Count),
            },
            _ => None,
        }
    }

    /// How many of `all` that is, rounded down.
    pub fn of(self, all: usize) -> usize {
        match self {
            Share::Count(count) => count as usize,
            Share::Percent(percent) => all * percent as usize / 100,
        }
    }
}

/// Seconds, or text with units.
pub fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => Duration::try_from_secs_f64(number.as_f64()?).ok(),
        },
        Value::String(text) => crate::model::host::Span::parse(text).map(|span| span.0),
        _ => None,
    }
}

/// A string, or a list of strings.
pub fn strings(node: &Node) -> Option<Vec<String>> {
    match &node.data {
        Data::List(list) => list.iter().map(|item| item.as_str().map(str::to_string)).collect(),
        _ => node.as_str().map(|one| vec![one.to_string()]),
    }
}

/// A value of the wrong type.
pub fn wrong_type(node: &Node, expected: &str) -> Diagnostic {
    // Where only some words fit, it helps to see which one is there.
    let value = node.value();
    let found = match node.as_str().filter(|_| expected.contains('"')) {
        Some(text) => format!("{text:?}"),
        // Of a number that does not fit, its kind says nothing.
        None if value.is_number() && (expected.contains("integer") || expected.contains("number")) => {
            value.to_string()
        }
        None => node.what().to_string(),
    };
    let message = format!("expected {expected}, found {found}");
    Diagnostic { hint: as_expected(&value, expected), ..Diagnostic::error(message, &node.place) }
}

/// The same value as it would be right.
fn as_expected(value: &Value, expected: &str) -> Option<String> {
    let wants = |what: &str| expected.contains(what);
    match value {
        _ if wants("a number of hosts") => {
            Some("write a number from 1 on, or a share: \"1%\" to \"100%\"".to_string())
        }
        Value::String(text) if wants("a number of seconds") && TimeSpan::meant(text).is_some() => {
            TimeSpan::meant(text).map(|meant| format!("write \"{meant}\""))
        }
        Value::String(text) if wants("a boolean") => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" => Some("write true, without quotes".to_string()),
            "no" | "false" | "off" => Some("write false, without quotes".to_string()),
            _ => Some("write true or false".to_string()),
        },
        Value::String(text) if (wants("integer") || wants("number")) && text.parse::<f64>().is_ok() => {
            Some(format!("write {text}, without quotes"))
        }
        Value::Number(number)
            if (wants("from 0 on") || wants("a number of seconds"))
                && number.as_f64().is_some_and(|number| number < 0.0) =>
        {
            Some("write 0 or more".to_string())
        }
        Value::Number(_) | Value::Bool(_) if wants("a string") => {
            Some(format!("put it in quotes: \"{value}\""))
        }
        Value::Number(_) | Value::Bool(_) if wants("boolean") => Some("write true or false".to_string()),
        Value::String(text) if wants("a list") => Some(format!("put it in brackets: {}", listed(text))),
        Value::Number(_) if wants("a list") => Some(format!("put it in brackets: [{value}]")),
        Value::String(_) | Value::Number(_) | Value::Bool(_) if wants("a table") || wants("a map") => {
            Some("write a table: { key = value }".to_string())
        }
        Value::Object(_) if wants("a list") => {
            Some("write [[…]] for each element, or put it in brackets: [{ … }]".to_string())
        }
        Value::Array(list) if wants("list of strings") => {
            Some(format!("put each element in quotes: {}", all_quoted(list)?))
        }
        Value::Array(list) if wants(PATTERN) => {
            let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            Some(format!("write \"{}\"", names?.join(",")))
        }
        Value::Array(list) if wants("a string") && list.len() == 1 => {
            Some(format!("write it alone: {}", list[0]))
        }
        _ => None,
    }
}

/// A pattern of hosts, for messages.
pub const PATTERN: &str = "a string like \"web,db\"";

/// A text with commas as the list of its parts: `["nginx", "curl"]`.
fn listed(text: &str) -> String {
    let parts = text.split(',').map(|part| Value::from(part.trim()).to_string());
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// The elements as texts, unless one of them is a list or a table.
fn all_quoted(list: &[Value]) -> Option<String> {
    let quoted = |item: &Value| match item {
        Value::String(_) => Some(item.to_string()),
        Value::Number(_) | Value::Bool(_) => Some(format!("\"{item}\"")),
        _ => None,
    };
    list.iter().map(quoted).collect::<Option<Vec<_>>>().map(|all| format!("[{}]", all.join(", ")))
}

/// A key that does not exist, with the nearest that does.
pub fn unknown_key<'a>(entry: &Entry, what: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    Diagnostic::error(format!("unknown key `{}`", entry.key), &entry.place)
        .label(format!("not a key of {what}"))
        .nearest(&entry.key, known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use expect_test::{Expect, expect};

    /// What is said of each `key = value`, one a line.
    fn check(text: &str, expected: Expect) {
        let node = Node::parse(&Source::new("x", text)).unwrap();
        let mut problems = Diagnostics::default();
        let mut keys = Keys::of(&node, "a table", &mut problems);
        for key in ["share1", "share2", "share3", "share4"] {
            keys.share(key);
        }
        keys.duration("time1");
        keys.duration("time2");
        keys.duration("time3");
        keys.strings("strings1");
        keys.strings("strings2");
        keys.list("list1");
        keys.list("list2");
        keys.read("hosts", PATTERN, |node| node.as_str());
        let line = |problem: &Diagnostic| {
            format!("{} => {}\n", problem.message, problem.hint.as_deref().unwrap_or("-"))
        };
        expected.assert_eq(&problems.iter().map(line).collect::<String>());
    }

    #[test]
    fn a_value_of_the_wrong_type_gets_the_right_form() {
        check(
            "share1 = -1\nshare2 = 1.5\nshare3 = \"0%\"\nshare4 = \"half\"\n",
            expect![[r#"
                expected a number of hosts or a string like "20%", found -1 => write a number from 1 on, or a share: "1%" to "100%"
                expected a number of hosts or a string like "20%", found 1.5 => write a number from 1 on, or a share: "1%" to "100%"
                expected a number of hosts or a string like "20%", found "0%" => write a number from 1 on, or a share: "1%" to "100%"
                expected a number of hosts or a string like "20%", found "half" => write a number from 1 on, or a share: "1%" to "100%"
            "#]],
        );
        check(
            "time1 = \"5 sec\"\ntime2 = \"10 minutes\"\ntime3 = \"soon\"\n",
            expect![[r#"
                expected a number of seconds or a string like "30s" or "5m", found "5 sec" => write "5s"
                expected a number of seconds or a string like "30s" or "5m", found "10 minutes" => write "10m"
                expected a number of seconds or a string like "30s" or "5m", found "soon" => -
            "#]],
        );
        check(
            "strings1 = [1]\nstrings2 = [[]]\nlist1 = \"nginx,curl\"\nlist2 = \"x\"\nhosts = [\"web\", \"db\"]\n",
            expect![[r#"
                expected a string or a list of strings, found a list => put each element in quotes: ["1"]
                expected a string or a list of strings, found a list => -
                expected a list, found a string => put it in brackets: ["nginx", "curl"]
                expected a list, found a string => put it in brackets: ["x"]
                expected a string like "web,db", found a list => write "web,db"
            "#]],
        );
    }
}
