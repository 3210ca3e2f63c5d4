//! New JSON text in the manner of the text around it.

use super::document::Document;
use crate::model::Value;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;

/// A list of plain values is written on one line up to this many characters.
const ONE_LINE: usize = 80;

/// How a document is written.
pub struct Style {
    /// Between lines.
    pub newline: &'static str,
    /// One step of indentation.
    pub unit: String,
    /// Between key and value.
    colon: String,
    /// Between the parts of what is on one line.
    pub comma: &'static str,
}

impl Style {
    /// The manner of a document; two blanks a step when it shows none.
    pub fn of(document: &Document<'_>) -> Self {
        let first = match &document.tree {
            Some(ast::Value::Object(object)) => object.properties.first(),
            _ => None,
        };
        let unit = first.and_then(|first| own_line(document.text, first.start())).unwrap_or("  ");
        let colon = first.map(|first| &document.text[first.name.end()..first.value.start()]);
        let colon =
            colon.filter(|colon| colon.trim() == ":" && !colon.contains(['\n', '\r'])).unwrap_or(": ");
        Style {
            newline: if document.text.contains("\r\n") { "\r\n" } else { "\n" },
            unit: unit.to_string(),
            colon: colon.to_string(),
            comma: if colon == ":" { "," } else { ", " },
        }
    }
}

/// A value as text. With an indentation, that of the line on which it begins, it may take several lines.
pub fn value(style: &Style, value: &Value, indent: Option<&str>) -> String {
    match value {
        Value::Object(map) => {
            let parts = |inner: Option<&str>| {
                map.iter().map(|(key, value)| property(style, key, value, inner)).collect()
            };
            enclosed(style, '{', parts, '}', indent.filter(|_| !map.is_empty()))
        }
        Value::Array(list) => {
            let parts =
                |inner: Option<&str>| list.iter().map(|element| self::value(style, element, inner)).collect();
            let short = || enclosed(style, '[', parts, ']', None);
            match indent {
                Some(_) if !list.iter().all(is_plain) => enclosed(style, '[', parts, ']', indent),
                Some(_) if short().chars().count() > ONE_LINE => enclosed(style, '[', parts, ']', indent),
                _ => short(),
            }
        }
        plain => plain.to_string(),
    }
}

/// A key with its value as text.
pub fn property(style: &Style, key: &str, value: &Value, indent: Option<&str>) -> String {
    format!("{}{}{}", Value::from(key), style.colon, self::value(style, value, indent))
}

/// The blanks before a byte of the text, when nothing else is before it on its line.
pub fn own_line(text: &str, at: usize) -> Option<&str> {
    let before = text[..at].trim_end_matches([' ', '\t']);
    before.ends_with(['\n', '\r']).then(|| &text[before.len()..at])
}

fn enclosed(
    style: &Style,
    open: char,
    parts: impl Fn(Option<&str>) -> Vec<String>,
    close: char,
    indent: Option<&str>,
) -> String {
    match indent {
        None => format!("{open}{}{close}", parts(None).join(style.comma)),
        Some(indent) => {
            let inner = format!("{indent}{}", style.unit);
            let newline = style.newline;
            let parts = parts(Some(&inner)).join(&format!(",{newline}{inner}"));
            format!("{open}{newline}{inner}{parts}{newline}{indent}{close}")
        }
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}
