//! Templates and expressions: MiniJinja with strict undefined, under the names that Ansible's users know. Controller and
//! agent render with the same code. Only text from files is ever a template; a host's output is a value.

mod filters;
mod lists;
mod tests_of_values;
mod undefined;

pub use undefined::is_guarded;

use crate::model::{Failure, Result, Value};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// A template may take this many instructions of MiniJinja's machine: well under a second of work.
const FUEL: u64 = 5_000_000;

/// Macros, includes and blocks may be nested this deep.
const RECURSION_LIMIT: usize = 100;

/// Names that every template knows: they are no variables.
const GLOBALS: &[&str] =
    &["caller", "debug", "dict", "loop", "namespace", "range", "self", "super", "varargs"];

/// Renders templates that may include those it was made with.
#[derive(Clone)]
pub struct Templates {
    environment: Environment<'static>,
    sources: Arc<BTreeMap<String, String>>,
}

impl Templates {
    /// `sources` are what `include`, `extends` and `import` find by name.
    pub fn new(sources: &BTreeMap<String, String>) -> Templates {
        let sources = Arc::new(sources.clone());
        let mut environment = PLAIN.clone();
        let found = Arc::clone(&sources);
        environment.set_loader(move |name| Ok(found.get(name).cloned()));
        Templates { environment, sources }
    }

    /// Renders a string. One that is exactly one `{{ expression }}` keeps the value's type; any other gives text.
    pub fn value(&self, source: &str, context: &minijinja::Value) -> Result<Value> {
        match self.sole_expression(source) {
            Some(expression) => self.expression(expression, context),
            None => self.text(source, context).map(Value::String),
        }
    }

    /// Renders a whole template. A newline at its end is kept.
    pub fn text(&self, source: &str, context: &minijinja::Value) -> Result<String> {
        if is_plain(source) {
            return Ok(source.to_string());
        }
        let rendered = self.environment.render_str(source, context.clone());
        rendered.map_err(|error| failure(&shown(source), source, &error, context))
    }

    /// Evaluates an expression, written without braces.
    pub fn expression(&self, source: &str, context: &minijinja::Value) -> Result<Value> {
        let value = self.evaluate(source, context)?;
        serde_json::to_value(&value).map_err(|error| Failure::new(doing(source), error))
    }

    /// Evaluates an expression and leaves the result as MiniJinja has it, objects of the context included.
    pub fn evaluate(&self, source: &str, context: &minijinja::Value) -> Result<minijinja::Value> {
        let compiled = self.environment.compile_expression_owned(source.to_string());
        let value = compiled.and_then(|expression| expression.eval(context.clone()));
        match value {
            Ok(value) if value.is_undefined() => {
                Err(undefined::failure(&doing(source), source, source, context))
            }
            Ok(value) => Ok(value),
            Err(error) => Err(failure(&doing(source), source, &error, context)),
        }
    }

    /// Whether an expression holds, by Jinja's rules: empty text, an empty list, 0 and none do not.
    pub fn truth(&self, source: &str, context: &minijinja::Value) -> Result<bool> {
        self.evaluate(source, context).map(|value| value.is_true())
    }

    /// The templates that others can include, by name.
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// A template whose result is text where it would be a number or a boolean; what else it gives stays.
    pub fn giving_text(&self, source: &str) -> String {
        match self.sole_expression(source) {
            Some(inside) => format!("{{{{ ({inside}) | as_text }}}}"),
            None => source.to_string(),
        }
    }

    /// A string with `{{ … }}` in it as one expression that gives its text; `None` when it has tags or comments.
    pub fn as_expression(&self, source: &str) -> Option<String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(start) = rest.find("{{") {
            let ends = rest.match_indices("}}").map(|(at, _)| at + 2).filter(|end| *end > start + 2);
            let (end, inside) =
                ends.into_iter().find_map(|end| Some((end, self.sole_expression(&rest[start..end])?)))?;
            parts.push(Value::from(&rest[..start]).to_string());
            parts.push(format!("({inside})"));
            rest = &rest[end..];
        }
        parts.push(Value::from(rest).to_string());
        let has_tags = source.contains("{%") || source.contains("{#");
        (!has_tags).then(|| parts.join(" ~ "))
    }

    /// The names a template or an expression takes from its context. Fails when it cannot be parsed.
    pub fn names(source: &str, as_expression: bool) -> Result<BTreeSet<String>> {
        if !as_expression && is_plain(source) {
            return Ok(BTreeSet::new());
        }
        let names = undeclared(source, as_expression, false).map_err(|error| {
            let doing = if as_expression { doing(source) } else { shown(source) };
            failure(&doing, source, &error, &minijinja::Value::UNDEFINED)
        })?;
        Ok(names.into_iter().filter(|name| !GLOBALS.contains(&name.as_str())).collect())
    }

    /// As [`Templates::names`], with the names that the templates it includes take, however deep.
    pub fn all_names(&self, source: &str, as_expression: bool) -> Result<BTreeSet<String>> {
        let mut names = Templates::names(source, as_expression)?;
        for included in self.included(source) {
            names.append(&mut Templates::names(&self.sources[&included], false)?);
        }
        Ok(names)
    }

    /// The names of the known templates that `source` includes, extends or imports, directly or through others. One
    /// that computes such a name may include any.
    pub fn included(&self, source: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting = self.mentioned(source);
        while let Some(name) = waiting.pop() {
            if let Some(inner) = self.sources.get(&name).filter(|_| !found.contains(&name)) {
                waiting.append(&mut self.mentioned(inner));
                found.insert(name);
            }
        }
        found
    }

    fn mentioned(&self, source: &str) -> Vec<String> {
        let tags = || MENTION.captures_iter(source);
        if tags().any(|tag| tag.get(1).is_none() && tag.get(2).is_none()) {
            return self.sources.keys().cloned().collect();
        }
        tags().filter_map(|tag| tag.get(1).or(tag.get(2))).map(|name| name.as_str().to_string()).collect()
    }

    /// The inside of a string that is nothing but `{{ … }}`.
    fn sole_expression<'a>(&self, source: &'a str) -> Option<&'a str> {
        let inside = source.strip_prefix("{{")?.strip_suffix("}}")?;
        let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
        let inside = inside.strip_suffix('-').unwrap_or(inside);
        self.environment.compile_expression_owned(inside.to_string()).is_ok().then_some(inside)
    }
}

/// Whether a string has nothing of a template in it.
pub fn is_plain(source: &str) -> bool {
    !source.contains("{{") && !source.contains("{%") && !source.contains("{#")
}

static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(environment);

static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"\{%[-+]?\s*(?:include|extends|import|from)\s+(?:"([^"]*)"|'([^']*)')?"#;
    Regex::new(pattern).expect("the pattern is a literal")
});

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_LIMIT);
    // Errors then say which part of the source they are about.
    environment.set_debug(true);
    environment.set_syntax(syntax());
    filters::add(&mut environment);
    lists::add(&mut environment);
    tests_of_values::add(&mut environment);
    environment
}

/// A line that holds only a tag leaves no empty line behind, as in Ansible.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).keep_trailing_newline(true);
    syntax.build().expect("the delimiters are the default ones")
}

/// What a template or an expression takes from its context; `nested` gives `facts.os.name` instead of `facts`.
fn undeclared(source: &str, as_expression: bool, nested: bool) -> Result<BTreeSet<String>, minijinja::Error> {
    let names = if as_expression {
        PLAIN.compile_expression_owned(source.to_string())?.undeclared_variables(nested)
    } else {
        let mut environment = PLAIN.clone();
        environment.add_template_owned("template", source.to_string())?;
        environment.get_template("template")?.undeclared_variables(nested)
    };
    Ok(names.into_iter().collect())
}

fn failure(doing: &str, source: &str, error: &minijinja::Error, context: &minijinja::Value) -> Failure {
    if error.kind() == minijinja::ErrorKind::UndefinedError {
        let within = error.template_source().unwrap_or(source);
        let part = error.range().and_then(|range| within.get(range)).unwrap_or(within);
        return undefined::failure(&place(doing, source, error), part, within, context);
    }
    Failure::new(place(doing, source, error), reason(error))
}

fn reason(error: &minijinja::Error) -> String {
    let why = match error.detail() {
        Some(detail) if error.kind() == minijinja::ErrorKind::InvalidOperation => detail.to_string(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match std::error::Error::source(error) {
        Some(inner) => format!("{why}: {inner}"),
        None => why,
    }
}

/// Adds where the error is, when the template has more than one line or includes another.
fn place(doing: &str, source: &str, error: &minijinja::Error) -> String {
    match (error.name(), error.line()) {
        (Some(name), Some(line)) if !name.starts_with('<') && name != "template" => {
            format!("{doing}, {name}:{line}")
        }
        (_, Some(line)) if source.trim_end().contains('\n') => format!("{doing}, line {line}"),
        _ => doing.to_string(),
    }
}

fn doing(expression: &str) -> String {
    format!("evaluate `{}`", shortened(expression))
}

fn shown(source: &str) -> String {
    match source.trim_end().contains('\n') {
        true => "render the template".to_string(),
        false => format!("render `{}`", shortened(source)),
    }
}

/// A message quotes at most this many characters of a template.
const QUOTED_CHARS: usize = 80;

fn shortened(source: &str) -> String {
    let source = source.trim();
    match source.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_string(),
    }
}

#[cfg(test)]
mod tests;
