//! Writes YAML as PyYAML does: which style a text has, where lines break, how lists stand below their keys.

use super::fault::{Fault, Result};
use super::filters::{plain_yaml, resolved_yaml};
use super::value::Datum;

/// A YAML text that grows.
pub struct Writer {
    out: String,
    indent: usize,
    width: usize,
    /// Collections in one line: all, none, or those without others in them.
    flow: Option<bool>,
    column: usize,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    AfterKey,
    InList,
}

impl Writer {
    /// An empty one.
    pub fn new(indent: usize, width: usize, flow: Option<bool>) -> Writer {
        Writer { out: String::new(), indent, width, flow, column: 0 }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        match text.rfind('\n') {
            Some(at) => self.column = text[at + 1..].chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    fn line(&mut self, indent: usize) {
        self.push("\n");
        self.push(&" ".repeat(indent));
    }

    /// Writes a whole document.
    pub fn document(&mut self, value: &Datum, starts: bool) -> Result<()> {
        let is_scalar = !is_collection(value);
        if starts {
            self.push("---");
            self.push(if is_scalar || self.is_flow(value) { " " } else { "\n" });
        }
        self.value(value, 0, Place::Root)?;
        self.push("\n");
        Ok(())
    }

    fn is_flow(&self, value: &Datum) -> bool {
        let entries = |value: &Datum| {
            value
                .as_list()
                .map(<[Datum]>::to_vec)
                .or_else(|| value.as_map().map(|map| map.into_values().collect()))
                .unwrap_or_default()
        };
        let inside = entries(value);
        match self.flow {
            _ if inside.is_empty() => true,
            Some(flow) => flow,
            None => !inside.iter().any(is_collection),
        }
    }

    fn value(&mut self, value: &Datum, indent: usize, place: Place) -> Result<()> {
        if !is_collection(value) {
            return self.scalar(value, indent, false, false);
        }
        if self.is_flow(value) {
            return self.flow(value, indent);
        }
        match value.as_list() {
            Some(items) => self.block_list(items, indent, place),
            None => self.block_map(value, indent, place),
        }
    }

    fn block_list(&mut self, items: &[Datum], indent: usize, place: Place) -> Result<()> {
        for (at, item) in items.iter().enumerate() {
            if at > 0 || place == Place::AfterKey {
                self.line(indent);
            }
            self.push("-");
            self.push(&" ".repeat(if is_collection(item) && !self.is_flow(item) {
                self.indent - 1
            } else {
                1
            }));
            self.value(item, indent + self.indent, Place::InList)?;
        }
        Ok(())
    }

    fn block_map(&mut self, value: &Datum, indent: usize, place: Place) -> Result<()> {
        for (at, (key, value)) in value.as_map().unwrap_or_default().iter().enumerate() {
            if at > 0 || place == Place::AfterKey {
                self.line(indent);
            }
            self.scalar(key, indent, true, false)?;
            self.push(":");
            let block = is_collection(value) && !self.is_flow(value);
            if !block {
                self.push(" ");
            }
            // A list stands directly below its key.
            let deeper = if block && value.as_list().is_some() { indent } else { indent + self.indent };
            self.value(value, deeper, Place::AfterKey)?;
        }
        Ok(())
    }

    fn flow(&mut self, value: &Datum, indent: usize) -> Result<()> {
        let indent = indent.max(self.indent);
        if let Some(items) = value.as_list() {
            self.push("[");
            for (at, item) in items.iter().enumerate() {
                self.part(at, indent);
                self.flow_value(item, indent)?;
            }
            self.push("]");
            return Ok(());
        }
        self.push("{");
        for (at, (key, value)) in value.as_map().unwrap_or_default().iter().enumerate() {
            self.part(at, indent);
            self.scalar(key, indent, true, true)?;
            self.push(": ");
            self.flow_value(value, indent)?;
        }
        self.push("}");
        Ok(())
    }

    fn part(&mut self, at: usize, indent: usize) {
        if at > 0 {
            self.push(",");
            if self.column > self.width {
                self.line(indent);
            } else {
                self.push(" ");
            }
        }
    }

    fn flow_value(&mut self, value: &Datum, indent: usize) -> Result<()> {
        match is_collection(value) {
            true => self.flow(value, indent + self.indent),
            false => self.scalar(value, indent, false, true),
        }
    }

    fn scalar(&mut self, value: &Datum, indent: usize, is_key: bool, in_flow: bool) -> Result<()> {
        if let Some(text) = plain_yaml(value) {
            self.push(&text);
            return Ok(());
        }
        let text = match value {
            Datum::Text(text) => text.to_string(),
            Datum::Moment(_) | Datum::Length(_) => value.to_text()?,
            Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
            other => return Err(Fault::new(format!("{} cannot be YAML", other.what()))),
        };
        let style = Style::of(&text, in_flow);
        let breaks = !is_key;
        match style {
            Style::Plain => self.words(&text, indent.max(self.indent), breaks),
            Style::Single => {
                self.push("'");
                self.single(&text, indent.max(self.indent), breaks);
                self.push("'");
            }
            Style::Double => self.double(&text, indent.max(self.indent), breaks),
        }
        Ok(())
    }

    /// Words with a line break instead of the space that is beyond the width.
    fn words(&mut self, text: &str, indent: usize, breaks: bool) {
        let mut rest = text;
        while let Some(at) = rest.find(' ') {
            self.push(&rest[..at]);
            let spaces = rest[at..].len() - rest[at..].trim_start_matches(' ').len();
            let next = &rest[at + spaces..];
            if breaks && spaces == 1 && self.column > self.width && at > 0 && !next.is_empty() {
                self.line(indent);
            } else {
                self.push(&rest[at..at + spaces]);
            }
            rest = next;
        }
        self.push(rest);
    }

    fn single(&mut self, text: &str, indent: usize, breaks: bool) {
        let text = text.replace('\'', "''");
        let mut lines = text.split('\n').peekable();
        let mut first = true;
        while let Some(line) = lines.next() {
            if !first {
                // A newline is an empty line; further ones are one more each.
                self.push("\n");
                if line.is_empty() && lines.peek().is_some() {
                    first = false;
                    continue;
                }
                self.line(indent);
            }
            self.words(line, indent, breaks);
            first = false;
        }
    }

    fn double(&mut self, text: &str, indent: usize, breaks: bool) {
        self.push("\"");
        for letter in text.chars() {
            match letter {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\n' => self.push("\\n"),
                '\t' => self.push("\\t"),
                '\r' => self.push("\\r"),
                '\0' => self.push("\\0"),
                '\x07' => self.push("\\a"),
                '\x08' => self.push("\\b"),
                '\x0b' => self.push("\\v"),
                '\x0c' => self.push("\\f"),
                '\x1b' => self.push("\\e"),
                '\u{85}' => self.push("\\N"),
                '\u{a0}' => self.push("\\_"),
                letter if is_printable(letter) => self.push(letter.encode_utf8(&mut [0; 4])),
                letter if (letter as u32) < 0x100 => self.push(&format!("\\x{:02X}", letter as u32)),
                letter => self.push(&format!("\\u{:04X}", letter as u32)),
            }
            if breaks && letter == ' ' && self.column > self.width {
                self.push("\\");
                self.line(indent);
                self.push("\\");
            }
        }
        self.push("\"");
    }
}

fn is_collection(value: &Datum) -> bool {
    matches!(value, Datum::List(_) | Datum::Tuple(_) | Datum::Map(_) | Datum::Object(_) | Datum::Namespace(_))
}

fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && letter != '\u{feff}'
}

/// How a text is quoted.
enum Style {
    Plain,
    Single,
    Double,
}

impl Style {
    fn of(text: &str, in_flow: bool) -> Style {
        let special = text.chars().any(|letter| !is_printable(letter));
        let space_break = text.contains(" \n");
        if special || space_break {
            return Style::Double;
        }
        match plain_allowed(text, in_flow) {
            true => Style::Plain,
            false => Style::Single,
        }
    }
}

/// Whether a text can stand without quotes and still be read as this text.
fn plain_allowed(text: &str, in_flow: bool) -> bool {
    if text.is_empty()
        || !resolved_yaml(text).is_ok_and(|read| read.as_text().is_some())
        || matches!(text, "=" | "<<")
        || is_date(text)
    {
        return false;
    }
    if text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']) || text.contains('\n') {
        return false;
    }
    if text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    let letters: Vec<char> = text.chars().collect();
    let follows_blank = |at: usize| letters.get(at + 1).is_none_or(|letter| *letter == ' ');
    for (at, letter) in letters.iter().enumerate() {
        let first = at == 0;
        let wrong = match letter {
            '#' => first || letters[at - 1] == ' ',
            ':' => (first && follows_blank(at)) || follows_blank(at) || in_flow,
            '?' => first && follows_blank(at) || in_flow,
            '-' => first && follows_blank(at),
            ',' | '[' | ']' | '{' | '}' => first || in_flow,
            '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
            _ => false,
        };
        if wrong {
            return false;
        }
    }
    true
}

/// YAML 1.1 would read it as a date.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, count: std::ops::RangeInclusive<usize>| {
        count.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let date = text.split(['T', 't', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = date.split('-').collect();
    let is_date = matches!(parts.as_slice(), [year, month, day] if digits(year, 4..=4) && digits(month, 1..=2) && digits(day, 1..=2));
    is_date && (date.len() == text.len() || text[date.len() + 1..].contains(':'))
}
