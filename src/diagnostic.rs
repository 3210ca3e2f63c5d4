//! Errors in files: the line with a caret, what is wrong, what was probably meant; all errors of a file at once.

use crate::model::Failure;
use crate::model::nearest::nearest_or_all;
use crate::source::Place;
use crate::template::Fault;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the run.
    pub severity: Severity,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// Where, when it is in a file.
    pub place: Option<Place>,
    /// Said beside the caret.
    pub label: Option<String>,
    /// What to try.
    pub hint: Option<String>,
}

/// Whether a diagnostic stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It only should be known.
    Warning,
}

/// Several diagnostics, in the order in which they were found, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

/// More than this many are counted, not shown: the first ones usually cause the rest.
const SHOWN: usize = 50;

impl Diagnostic {
    /// An error at a place.
    pub fn error(message: impl Into<String>, place: &Place) -> Diagnostic {
        let severity = Severity::Error;
        Diagnostic { severity, message: message.into(), place: Some(place.clone()), label: None, hint: None }
    }

    /// An error that is in no file.
    pub fn elsewhere(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: None,
            hint: None,
        }
    }

    /// A failure at a place.
    pub fn failure(failure: &Failure, place: &Place) -> Diagnostic {
        let message = format!("{}: {}", failure.doing, failure.why);
        Diagnostic { hint: failure.hint.clone(), ..Diagnostic::error(message, place) }
    }

    /// What is wrong in a template, at a place.
    pub fn fault(fault: &Fault, place: &Place) -> Diagnostic {
        Diagnostic { hint: fault.hint.clone(), ..Diagnostic::error(fault.why.clone(), place) }
    }

    /// The same as a warning.
    pub fn warning(self) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..self }
    }

    /// With words beside the caret.
    pub fn label(self, label: impl Into<String>) -> Diagnostic {
        Diagnostic { label: Some(label.into()), ..self }
    }

    /// With something to try.
    pub fn hint(self, hint: impl Into<String>) -> Diagnostic {
        Diagnostic { hint: Some(hint.into()), ..self }
    }

    /// With the nearest of these names, else with all of them when they are few.
    pub fn nearest<'a>(self, wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match nearest_or_all(wanted, names) {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(clean(&self.message)).elements(self.snippet());
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(clean(hint)));
        }
        renderer.render(&[group])
    }

    fn snippet(&self) -> Option<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let place = self.place.as_ref().filter(|place| !place.source.text.is_empty())?;
        let text = visible(&place.source.text);
        let caret = AnnotationKind::Primary.span(first_line(place)).label(self.label.as_deref().map(clean));
        Some(Snippet::source(text).path(&place.source.name).annotation(caret))
    }

    fn json(&self) -> serde_json::Value {
        let place = self.place.as_ref().map(|place| {
            let (line, column) = place.line_and_column();
            json!({ "file": place.source.name, "line": line, "column": column })
        });
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({ "severity": severity, "message": self.message, "place": place, "label": self.label, "hint": self.hint })
    }
}

/// Text from a file or a script must not move the cursor or colour the terminal.
fn clean(text: &str) -> String {
    normalize_untrusted_str(&visible(text))
}

/// The same for the text of a file, in which places stay where they are: each of these characters becomes one of as many
/// bytes. ASCII's are the renderer's to replace.
fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |letter: char| ('\u{80}'..='\u{9f}').contains(&letter);
    if text.contains(is_hidden) { text.replace(is_hidden, "\u{b7}").into() } else { text.into() }
}

/// A caret under a table of many lines would hide what it is about: its first line says enough.
fn first_line(place: &Place) -> Range<usize> {
    let text = &place.source.text;
    let start = place.span.start.min(text.len());
    let end = place.span.end.clamp(start, text.len());
    let line = text.get(start..end).and_then(|part| part.find('\n')).map_or(end, |length| start + length);
    start..line
}

impl Diagnostics {
    /// Adds one, unless it is there already: many hosts share the line that is wrong.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// Adds one when there is one.
    pub fn extend(&mut self, diagnostic: Option<Diagnostic>) {
        diagnostic.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Adds all of `other`.
    pub fn append(&mut self, other: Diagnostics) {
        other.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Keeps the value of a result, or takes its diagnostics over.
    pub fn keep<T>(&mut self, result: Result<T, Diagnostics>) -> Option<T> {
        result.map_err(|problems| self.append(problems)).ok()
    }

    /// The same, where those without a place are about what is written here.
    pub fn placed(mut self, place: &Place) -> Diagnostics {
        for problem in &mut self.list {
            problem.place.get_or_insert_with(|| place.clone());
        }
        self
    }

    /// The same without these texts: a message may quote a value, and a value may be a secret.
    pub fn redact(mut self, secrets: &[String]) -> Diagnostics {
        let hide = |text: &mut String| {
            secrets.iter().for_each(|secret| *text = text.replace(secret.as_str(), "•••"))
        };
        for problem in &mut self.list {
            hide(&mut problem.message);
            problem.label.iter_mut().chain(&mut problem.hint).for_each(hide);
        }
        self
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// `value`, unless an error was found.
    pub fn unless_errors<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.errors() == 0 { Ok(value) } else { Err(self) }
    }

    /// For people, without colour. Ends with a newline.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    /// For people at a terminal. Ends with a newline.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let shown = self.list.iter().take(SHOWN).map(|diagnostic| diagnostic.render(renderer) + "\n");
        let mut text = shown.collect::<Vec<_>>().join("\n");
        if self.list.len() > SHOWN {
            text += &format!("\n… and {} more\n", self.list.len() - SHOWN);
        }
        text
    }

    /// For programs: a list of `{severity, message, place: {file, line, column}, label, hint}`.
    pub fn json(&self) -> serde_json::Value {
        self.list.iter().map(Diagnostic::json).collect()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics { list: vec![diagnostic] }
    }
}

impl From<Failure> for Diagnostics {
    fn from(failure: Failure) -> Self {
        let message = format!("{}: {}", failure.doing, failure.why);
        Diagnostic { hint: failure.hint, ..Diagnostic::elsewhere(message) }.into()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.plain())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Node, Source};
    use expect_test::expect;

    fn place(text: &str, part: &str) -> Place {
        let start = text.find(part).unwrap();
        Place { source: Source::new("playbooks/x.toml", text), span: start..start + part.len() }
    }

    #[test]
    fn shows_the_line_with_a_caret_and_a_hint() {
        let text = "[steps.json]\npath = \"/x\"\nmrege = { dns = [] }\n";
        let mut problems = Diagnostics::default();
        let wrong =
            Diagnostic::error("unknown key `mrege`", &place(text, "mrege")).label("not a key of `json`");
        problems.push(wrong.clone().nearest("mrege", ["path", "merge"]));
        problems.push(wrong.clone().nearest("mrege", ["path", "merge"]));
        problems.push(Diagnostic::error("a table\u{1b}[31m", &place(text, "[steps.json]\npath")).warning());
        problems.push(Diagnostic::elsewhere("no playbook is called `x`").nearest("x", ["fix-dns", "backup"]));
        expect![[r#"
            error: unknown key `mrege`
             --> playbooks/x.toml:3:1
              |
            3 | mrege = { dns = [] }
              | ^^^^^ not a key of `json`
              |
              = hint: did you mean `merge`?

            warning: a table␛[31m
             --> playbooks/x.toml:1:1
              |
            1 | [steps.json]
              | ^^^^^^^^^^^^

            error: no playbook is called `x`
             |
             = hint: there are: fix-dns, backup
        "#]]
        .assert_eq(&problems.plain());
        assert_eq!((problems.errors(), problems.warnings()), (2, 1));
        assert!(problems.coloured().contains("\u{1b}["));
        expect![[r#"{"severity":"error","message":"unknown key `mrege`","place":{"file":"playbooks/x.toml","line":3,"column":1},"label":"not a key of `json`","hint":"did you mean `merge`?"}"#]].assert_eq(&problems.json()[0].to_string());
    }

    #[test]
    fn shows_every_syntax_error_of_a_file() {
        let problems =
            Node::parse(&Source::new("inventories/x.toml", "a = \nb = 99999999999999999999\n[c\n"))
                .unwrap_err();
        expect![[r#"
            error: unclosed table, expected `]`
             --> inventories/x.toml:3:3
              |
            3 | [c
              |   ^

            error: string values must be quoted, expected literal string
             --> inventories/x.toml:1:5
              |
            1 | a = 
              |     ^
              |
              = hint: write a value behind `=`: text goes in quotes
        "#]]
        .assert_eq(&problems.plain());
    }
}
