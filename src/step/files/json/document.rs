//! A JSON text, read so that each value still knows where it stands.

use super::edit::Edits;
use super::render::{self, Style};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value};
use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::TokenAndRange;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions};
use std::fmt;

/// The most characters of a line that a message shows: some files are one line.
const SHOWN: usize = 80;

/// Comments and trailing commas are read, since many programs allow them; everything else beyond JSON is an error.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A JSON text with its syntax tree.
pub struct Document<'a> {
    path: &'a HostPath,
    /// A byte order mark, or nothing.
    mark: &'a str,
    /// What follows the mark.
    pub text: &'a str,
    /// The one value; `None` when there are only blanks and comments.
    pub tree: Option<ast::Value<'a>>,
    /// Every token, comments too, in order.
    pub tokens: Vec<TokenAndRange<'a>>,
}

impl<'a> Document<'a> {
    /// Reads a text whose top level is an object, or empty.
    pub fn read(path: &'a HostPath, text: &'a str) -> Result<Self> {
        let (mark, text) =
            text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 });
        let collected = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
        let parsed = jsonc_parser::parse_to_ast(text, &collected, &OPTIONS)
            .map_err(|error| wrong(path, text, error.range().start, lower(error.kind())))?;
        let (tree, tokens) = (parsed.value, parsed.tokens.unwrap_or_default());
        let document = Document { path, mark, text, tree, tokens };
        match &document.tree {
            None | Some(ast::Value::Object(_)) => Ok(document),
            Some(other) => Err(document.wrong(other.start(), "the top level is not an object")),
        }
    }

    /// What it holds; of a key that is there twice the last, as most programs read it.
    pub fn value(&self) -> Result<Option<Value>> {
        self.tree.as_ref().map(|tree| self.value_of(tree)).transpose()
    }

    /// The text changed as little as possible so that it holds `after` in place of `before`.
    pub fn rewritten(&self, before: Option<&Value>, after: &Value) -> Result<String> {
        let style = Style::of(self);
        let text = match (&self.tree, before) {
            (Some(tree), Some(before)) => Edits::between(self, &style, tree, before, after)?.apply(self.text),
            _ if *after == Value::Object(Default::default()) => self.text.to_string(),
            _ => self.with_new_value(&render::value(&style, after, Some("")), style.newline),
        };
        Ok(format!("{}{text}", self.mark))
    }

    /// The failure of something wrong at a byte of the text.
    pub fn wrong(&self, at: usize, why: impl fmt::Display) -> Failure {
        wrong(self.path, self.text, at, why)
    }

    /// The number of the line that holds a byte of the text, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn with_new_value(&self, value: &str, newline: &str) -> String {
        match self.text.trim_end() {
            "" => format!("{value}{newline}"),
            comments => format!("{comments}{newline}{value}{newline}"),
        }
    }

    fn value_of(&self, tree: &ast::Value<'_>) -> Result<Value> {
        Ok(match tree {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::StringLit(literal) => Value::String(literal.value.to_string()),
            ast::Value::NumberLit(literal) => Value::Number(
                number(literal.value)
                    .ok_or_else(|| self.wrong(literal.range.start, "the number is too large"))?,
            ),
            ast::Value::Array(array) => {
                array.elements.iter().map(|element| self.value_of(element)).collect::<Result<_>>()?
            }
            ast::Value::Object(object) => {
                let pairs = object.properties.iter();
                pairs
                    .map(|one| Ok((name(&one.name).to_string(), self.value_of(&one.value)?)))
                    .collect::<Result<_>>()?
            }
        })
    }
}

/// A key without its quotes and escapes.
pub fn name<'a>(name: &'a ObjectPropName<'_>) -> &'a str {
    match name {
        ObjectPropName::String(literal) => &literal.value,
        ObjectPropName::Word(literal) => literal.value,
    }
}

/// A number, exactly as its text is read by Rust: serde_json may be off by the last bit, and a value that does not come
/// back from the text as it went in would be written again and again.
fn number(text: &str) -> Option<serde_json::Number> {
    let unsigned = text.parse::<u64>().map(Into::into);
    let integer = unsigned.or_else(|_| text.parse::<i64>().map(Into::into));
    integer.ok().or_else(|| serde_json::Number::from_f64(text.parse().ok()?))
}

/// Shows the line with a caret under the character.
fn wrong(path: &HostPath, text: &str, at: usize, why: impl fmt::Display) -> Failure {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let number = text[..start].matches('\n').count() + 1;
    let before: Vec<char> = text[start..at].chars().collect();
    let rest = text[at..].lines().next().unwrap_or_default().chars();
    let skipped = before.len().saturating_sub(SHOWN / 2);
    let line: String = before[skipped..].iter().copied().chain(rest).take(SHOWN).map(printable).collect();
    let margin = " ".repeat(number.to_string().len());
    let caret = " ".repeat(before.len() - skipped);
    let shown = format!("{why}\n  {number} | {line}\n  {margin} | {caret}^");
    Failure::new(format!("read {path}:{number}:{}", before.len() + 1), shown)
        .hint("correct it by hand; nothing was changed")
}

/// One column for one character, so that the caret stands right.
fn printable(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

fn lower(message: impl fmt::Display) -> String {
    let message = message.to_string();
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}
