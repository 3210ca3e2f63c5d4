//! The smallest edits that turn a JSON text that holds one value into a text that holds another. What is equal in both
//! values is never touched, so that it stays byte for byte.

use super::document::{Document, name};
use super::render::{self, Style, own_line};
use crate::model::{Result, Value, Values};
use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::tokens::{Token, TokenAndRange};

/// Edits of a text. Only cuts overlap.
pub struct Edits<'a> {
    document: &'a Document<'a>,
    style: &'a Style,
    edits: Vec<(Range, String)>,
}

/// An object or list whose parts are added and removed: where its brackets and its parts stand.
struct Container {
    whole: Range,
    parts: Vec<Range>,
}

impl<'a> Edits<'a> {
    /// The edits that make `tree`, which holds `before`, hold `after`.
    pub fn between(
        document: &'a Document<'a>,
        style: &'a Style,
        tree: &ast::Value<'_>,
        before: &Value,
        after: &Value,
    ) -> Result<Self> {
        let mut edits = Edits { document, style, edits: Vec::new() };
        edits.value(tree, before, after, Some(""))?;
        Ok(edits)
    }

    /// The text with the edits made. Where two cuts meet on one line they may share blanks.
    pub fn apply(mut self, text: &str) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut new = String::with_capacity(text.len());
        let mut done = 0;
        for (range, replacement) in &self.edits {
            new.push_str(&text[done..range.start.max(done)]);
            new.push_str(replacement);
            done = range.end.max(done);
        }
        new.push_str(&text[done..]);
        new
    }

    /// `indent` is that of the line on which the value begins, `None` when it shares the line with others.
    fn value(
        &mut self,
        tree: &ast::Value<'_>,
        before: &Value,
        after: &Value,
        indent: Option<&str>,
    ) -> Result<()> {
        if before == after {
            return Ok(());
        }
        match (tree, before, after) {
            (ast::Value::Object(tree), Value::Object(before), Value::Object(after)) => {
                self.object(tree, before, after, indent)
            }
            (ast::Value::Array(tree), Value::Array(before), Value::Array(after)) => {
                self.list(tree, before, after, indent)
            }
            _ => {
                self.replace(tree.range(), after, indent);
                Ok(())
            }
        }
    }

    fn object(
        &mut self,
        tree: &ast::Object<'_>,
        before: &Values,
        after: &Values,
        indent: Option<&str>,
    ) -> Result<()> {
        self.refuse_doubles(tree, before, after)?;
        let container =
            Container { whole: tree.range, parts: tree.properties.iter().map(|one| one.range).collect() };
        let stays = |property: &ast::ObjectProp<'_>| after.contains_key(name(&property.name));
        if !tree.properties.iter().any(stays) && !self.has_comment(tree.range) {
            self.replace(tree.range, &Value::Object(after.clone()), indent);
            return Ok(());
        }
        for property in tree.properties.iter().filter(|property| stays(property)) {
            let key = name(&property.name);
            self.value(&property.value, &before[key], &after[key], self.own_line(property.start()))?;
        }
        let kept: Vec<bool> = tree.properties.iter().map(stays).collect();
        let new: Vec<_> = after.iter().filter(|(key, _)| !before.contains_key(*key)).collect();
        let style = self.style;
        let new = |indent: Option<&str>| {
            new.iter().map(|(key, value)| render::property(style, key, value, indent)).collect::<Vec<_>>()
        };
        self.parts(&container, &kept, new);
        Ok(())
    }

    /// Elements behind the old ones are added, a list of the same length is edited in place, another is replaced.
    fn list(
        &mut self,
        tree: &ast::Array<'_>,
        before: &[Value],
        after: &[Value],
        indent: Option<&str>,
    ) -> Result<()> {
        if after.starts_with(before) && (!before.is_empty() || self.has_comment(tree.range)) {
            let container =
                Container { whole: tree.range, parts: tree.elements.iter().map(Ranged::range).collect() };
            let kept = vec![true; before.len()];
            let style = self.style;
            let added = &after[before.len()..];
            let new =
                |indent: Option<&str>| added.iter().map(|one| render::value(style, one, indent)).collect();
            self.parts(&container, &kept, new);
        } else if before.len() == after.len() {
            for ((tree, before), after) in tree.elements.iter().zip(before).zip(after) {
                self.value(tree, before, after, self.own_line(tree.start()))?;
            }
        } else {
            self.replace(tree.range, &Value::Array(after.to_vec()), indent);
        }
        Ok(())
    }

    /// Takes out the parts that are not kept and adds new ones behind the last that is.
    fn parts(&mut self, container: &Container, kept: &[bool], new: impl Fn(Option<&str>) -> Vec<String>) {
        for index in (0..kept.len()).filter(|index| !kept[*index]) {
            let next_stays = kept.get(index + 1) == Some(&true);
            self.take_out(container, index, next_stays);
        }
        let trailing =
            container.parts.len().checked_sub(1).and_then(|last| self.comma_behind(container, last));
        match kept.iter().rposition(|kept| *kept) {
            Some(last) => self.add_behind(container, last, trailing.is_some(), new),
            None => {
                let indent = format!("{}{}", self.line_indent(container.whole.start), self.style.unit);
                let separator = format!("{}{indent}", self.style.newline);
                let parts =
                    new(Some(&indent)).iter().map(|part| format!("{separator}{part}")).collect::<Vec<_>>();
                self.insert(container.whole.start + 1, parts.join(","));
            }
        }
    }

    fn add_behind(
        &mut self,
        container: &Container,
        last: usize,
        trailing: bool,
        new: impl Fn(Option<&str>) -> Vec<String>,
    ) {
        let part = container.parts[last];
        let indent = self.own_line(part.start);
        let new = new(indent);
        let comma = self.comma_behind(container, last);
        if new.is_empty() {
            let superfluous = comma.filter(|_| !trailing);
            superfluous.into_iter().for_each(|comma| self.cut(comma, comma + 1));
            return;
        }
        if comma.is_none() {
            self.insert(part.end, ",".to_string());
        }
        let mut at = comma.map_or(part.end, |comma| comma + 1);
        let separator = match indent {
            Some(indent) => {
                at = self.behind_comments(at, container.whole.end);
                format!("{}{indent}", self.style.newline)
            }
            None => self.style.comma[1..].to_string(),
        };
        let parts: Vec<_> = new.iter().map(|part| format!("{separator}{part}")).collect();
        let end = if trailing { "," } else { "" };
        self.insert(at, format!("{}{end}", parts.join(",")));
    }

    /// Takes out one part with its comma, and with its line and the comment beside it when it has the line for itself.
    fn take_out(&mut self, container: &Container, index: usize, next_stays: bool) {
        let text = self.document.text;
        let part = container.parts[index];
        let end = self.comma_behind(container, index).map_or(part.end, |comma| comma + 1);
        let behind = skip_blanks(text, end);
        let next_beside = container.parts.get(index + 1).is_some_and(|next| next.start == behind);
        match self.own_line(part.start) {
            Some(indent) => {
                let line_end = skip_blanks(text, self.behind_comments(end, container.whole.end));
                match newline_at(text, line_end) {
                    0 => self.cut(part.start, behind),
                    newline => self.cut(part.start - indent.len(), line_end + newline),
                }
            }
            None if next_beside && next_stays => self.cut(part.start, behind),
            None => self.cut(text[..part.start].trim_end_matches([' ', '\t']).len(), end),
        }
    }

    /// A key that is there twice has no place where it could be changed.
    fn refuse_doubles(&self, tree: &ast::Object<'_>, before: &Values, after: &Values) -> Result<()> {
        let touched = |key: &str| before.get(key) != after.get(key);
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for property in tree.properties.iter().filter(|property| touched(name(&property.name))) {
            let key = name(&property.name);
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == key) {
                let why =
                    format!("the key {key:?} is there twice, first on line {}", self.document.line(*first));
                return Err(self.document.wrong(property.start(), why));
            }
            seen.push((key, property.start()));
        }
        Ok(())
    }

    /// Where the comma behind a part stands.
    fn comma_behind(&self, container: &Container, index: usize) -> Option<usize> {
        let limit = container.parts.get(index + 1).map_or(container.whole.end, |next| next.start);
        let mut tokens = self.tokens(container.parts[index].end, limit).iter();
        tokens.find(|token| token.token == Token::Comma).map(|token| token.range.start)
    }

    /// The end of the comments that follow on the same line, else `at`.
    fn behind_comments(&self, at: usize, limit: usize) -> usize {
        let mut end = at;
        for token in self.tokens(at, limit) {
            let near =
                self.document.text[end..token.range.start].bytes().all(|byte| matches!(byte, b' ' | b'\t'));
            if !near || !is_comment(token) {
                break;
            }
            end = token.range.end;
        }
        end
    }

    fn has_comment(&self, range: Range) -> bool {
        self.tokens(range.start, range.end).iter().any(is_comment)
    }

    fn tokens(&self, start: usize, end: usize) -> &'a [TokenAndRange<'a>] {
        let tokens = &self.document.tokens;
        let first = tokens.partition_point(|token| token.range.start < start);
        let last = tokens.partition_point(|token| token.range.start < end);
        &tokens[first..last.max(first)]
    }

    fn own_line(&self, at: usize) -> Option<&'a str> {
        own_line(self.document.text, at)
    }

    /// The blanks at the beginning of the line that holds a byte.
    fn line_indent(&self, at: usize) -> &'a str {
        let start = self.document.text[..at].rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
        &self.document.text[start..skip_blanks(self.document.text, start)]
    }

    fn replace(&mut self, range: Range, value: &Value, indent: Option<&str>) {
        self.edits.push((range, render::value(self.style, value, indent)));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.edits.push((Range::new(at, at), text));
    }

    fn cut(&mut self, start: usize, end: usize) {
        self.edits.push((Range::new(start, end), String::new()));
    }
}

fn is_comment(token: &TokenAndRange<'_>) -> bool {
    matches!(token.token, Token::CommentLine(_) | Token::CommentBlock(_))
}

fn skip_blanks(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches([' ', '\t']).len()
}

/// How many bytes the line ending at a byte has; 0 when there is none.
fn newline_at(text: &str, at: usize) -> usize {
    match text.as_bytes()[at..] {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => 0,
    }
}
