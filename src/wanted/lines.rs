//! A text as its lines, each with the ending it has, so that an edit touches no line but its own.

use crate::model::path::HostPath;
use crate::model::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::system::Probe;
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;
use std::ops::Range;

/// The lines of a text. New ones get the ending of the first; a text without any gets `\n`.
pub struct Lines<'a> {
    lines: Vec<Cow<'a, str>>,
    ending: &'static str,
}

/// Whether something is to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is to be there.
    #[default]
    Present,
    /// It is not to be there.
    Absent,
}

/// A place in a text: `start`, `end`, or the last line that a regular expression matches.
#[derive(Clone, Debug)]
pub enum Place {
    /// Before the first line.
    Start,
    /// After the last line.
    End,
    /// Beside the last line that matches; the end when none does.
    Beside(Pattern),
}

impl<'a> Lines<'a> {
    /// The lines of `text`; a last one without an ending stays so.
    pub fn of(text: &'a str) -> Self {
        let lines: Vec<_> = text.split_inclusive('\n').map(Cow::Borrowed).collect();
        let crlf = lines.first().is_some_and(|line| line.ends_with("\r\n"));
        Lines { lines, ending: if crlf { "\r\n" } else { "\n" } }
    }

    /// Each line without its ending, first to last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(|line| body(line))
    }

    /// The index at which something that goes after or before a place is inserted; the end when no place is given.
    pub fn index(&self, after: Option<&Place>, before: Option<&Place>) -> usize {
        let (place, beyond) = match (after, before) {
            (Some(place), _) => (place, 1),
            (None, Some(place)) => (place, 0),
            (None, None) => (&Place::End, 0),
        };
        match place {
            Place::Start => 0,
            Place::End => self.lines.len(),
            Place::Beside(pattern) => {
                let found = self.iter().rposition(|line| pattern.matches(line));
                found.map_or(self.lines.len(), |index| index + beyond)
            }
        }
    }

    /// Puts lines before the one at `index`. Each gets an ending, and so does a last line that had none when they
    /// come behind it.
    pub fn insert<'b>(&mut self, index: usize, new: impl IntoIterator<Item = &'b str>) {
        let above = index.checked_sub(1).and_then(|above| self.lines.get_mut(above));
        if let Some(line) = above.filter(|line| !line.ends_with('\n')) {
            line.to_mut().push_str(self.ending);
        }
        let new: Vec<_> = new.into_iter().map(|line| Cow::Owned(format!("{line}{}", self.ending))).collect();
        self.lines.splice(index..index, new);
    }

    /// Puts a line behind the last one.
    pub fn push(&mut self, new: &str) {
        self.insert(self.lines.len(), [new]);
    }

    /// The index of the first line of which `is_it` is true.
    pub fn position(&self, is_it: impl Fn(&str) -> bool) -> Option<usize> {
        self.lines.iter().position(|line| is_it(body(line)))
    }

    /// The index of the last line of which `is_it` is true.
    pub fn last_position(&self, is_it: impl Fn(&str) -> bool) -> Option<usize> {
        self.lines.iter().rposition(|line| is_it(body(line)))
    }

    /// The line at `index`, without its ending.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(|line| body(line))
    }

    /// Gives the line at `index` another text; it keeps its ending, or that it has none.
    pub fn replace(&mut self, index: usize, new: &str) {
        let line = &self.lines[index];
        let ending = &line[body(line).len()..];
        self.lines[index] = Cow::Owned(format!("{new}{ending}"));
    }

    /// Takes lines out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.lines.drain(range);
    }

    /// Takes every line out of which `goes` is true.
    pub fn remove_if(&mut self, goes: impl Fn(&str) -> bool) {
        self.lines.retain(|line| !goes(body(line)));
    }

    /// The whole text again.
    pub fn text(&self) -> String {
        self.lines.concat()
    }
}

/// The text of a file that a step edits, empty when it is to be made; `None` when there is nothing to do.
pub fn to_edit(host: &dyn Probe, path: &HostPath, state: State, create: bool) -> Result<Option<String>> {
    match (super::text(host, path)?, state) {
        (Some(text), _) => Ok(Some(text)),
        (None, State::Absent) => Ok(None),
        (None, State::Present) if create => Ok(Some(String::new())),
        (None, State::Present) => Err(Failure::new(format!("edit {path}"), "there is no such file")
            .hint("give create = true to create it")),
    }
}

fn body(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "start" => Ok(Place::Start),
            "end" => Ok(Place::End),
            text => Pattern::parse(text).map(Place::Beside).map_err(de::Error::custom),
        }
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "place".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "`start`, `end` or a regular expression" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_lines_come_back_as_they_were() {
        for text in ["", "\n", "a", "a\nb", "a\r\nb\n\n", "\r", "ü\n\u{feff}x\r\r\n"] {
            assert_eq!(Lines::of(text).text(), text);
        }
    }

    #[test]
    fn a_new_line_takes_the_ending_of_the_file() {
        let mut lines = Lines::of("a\r\nb");
        lines.insert(2, ["c"]);
        lines.replace(0, "A");
        assert_eq!(lines.text(), "A\r\nb\r\nc\r\n");
    }
}
