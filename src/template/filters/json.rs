//! JSON as Python reads it: whole numbers keep all their digits, and other numbers are the nearest that there are.

use super::super::arithmetic::too_large;
use super::super::fault::{Fault, Result};
use super::super::value::{Datum, Map};
use serde::de::IgnoredAny;

/// Lists and maps may be nested this deep.
const DEPTH_LIMIT: usize = 128;

/// What the error for a text that is not JSON begins with.
pub const NOT_JSON: &str = "this is not JSON: ";

fn not_json(error: serde_json::Error) -> Fault {
    Fault::new(format!("{NOT_JSON}{error}"))
}

/// The value of a JSON text. Fails for what is not JSON, and for numbers that would become others.
pub fn read(text: &str) -> Result<Datum> {
    serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
    Reader { text, at: 0, depth: 0 }.value()
}

/// Reads a text that is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Datum> {
        Ok(match self.peek() {
            Some('{') => self.nested(Self::map)?,
            Some('[') => self.nested(Self::list)?,
            Some('"') => Datum::text(self.string()?),
            _ => match self.word() {
                "null" => Datum::None,
                "true" => Datum::Bool(true),
                "false" => Datum::Bool(false),
                number => self::number(number)?,
            },
        })
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Datum>) -> Result<Datum> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Fault::new("it is nested too deeply"));
        }
        let value = inside(self);
        self.at += 1;
        self.depth -= 1;
        value
    }

    fn map(&mut self) -> Result<Datum> {
        let mut map = Map::new();
        while self.peek() != Some('}') {
            let key = Datum::text(self.string()?);
            self.peek();
            self.at += 1;
            map.insert(key, self.value()?);
            self.skip_comma();
        }
        Ok(Datum::map(map))
    }

    fn list(&mut self) -> Result<Datum> {
        let mut items = Vec::new();
        while self.peek() != Some(']') {
            items.push(self.value()?);
            self.skip_comma();
        }
        Ok(Datum::list(items))
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn skip_comma(&mut self) {
        if self.peek() == Some(',') {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String> {
        self.peek();
        let rest = &self.text[self.at..];
        let mut bytes = rest.bytes().enumerate().skip(1);
        let mut end = rest.len();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => {
                    end = at + 1;
                    break;
                }
                _ => {}
            }
        }
        self.at += end;
        serde_json::from_str(&rest[..end]).map_err(not_json)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

fn number(text: &str) -> Result<Datum> {
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().map(Datum::Int).map_err(|_| too_large());
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Datum::Float).ok_or_else(|| Fault::new(format!("{text} is too large a number")))
}
