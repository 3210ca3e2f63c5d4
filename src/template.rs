//! Templates and expressions with the syntax and the meaning that Jinja has under Ansible. Controller and agent render with
//! the same code. Only text from files is ever a template; a host's output is a value.
//!
//! This is windlass's own evaluator, since the libraries differ from Jinja where it hurts and cannot be changed:
//! they compare text with numbers in silence, know no `%` for text and no methods on values, and write `true` for `True`.

mod addresses;
mod arithmetic;
mod call;
mod condition;
mod fault;
mod filters;
mod format;
mod functions;
#[cfg(feature = "controller")]
mod infer;
mod lexer;
mod lookup;
mod machine;
mod methods;
mod mistakes;
mod moment;
mod parser;
#[cfg(feature = "controller")]
pub mod reference;
mod regular;
mod render;
mod repeat;
mod scan;
#[cfg(feature = "controller")]
mod shape;
mod show;
mod statements;
mod tests_of_values;
mod tree;
mod value;
mod versions;
mod yaml_writer;

pub use fault::{Fault, Missing, Spot};
#[cfg(feature = "controller")]
pub use infer::{Known, Wanted};
pub use lexer::Escapes;
pub use lookup::{Nowhere, Outside, variable};
pub use moment::Moment;
pub use scan::{Scanned, Use};
#[cfg(feature = "controller")]
pub use shape::{Record, Shape};
pub use value::{Datum, Map, OMITTED, Object, without_omitted};

use crate::model::{Failure, Result, Value, Values};
use machine::Machine;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use tree::{Expr, Node};
use value::locked;

/// Variables that a template can refer to.
pub trait Names {
    /// The value of a variable.
    fn get(&self, name: &str) -> Option<Datum>;

    /// All variables, for hints.
    fn names(&self) -> Vec<String>;
}

impl Names for Values {
    fn get(&self, name: &str) -> Option<Datum> {
        Values::get(self, name).map(Datum::of)
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Reads JSON. Fails for what is not JSON, and for numbers that a value cannot hold.
pub fn json_value(text: &str) -> Result<Value> {
    let value = filters::json::read(text).and_then(|datum| datum.json());
    value.map_err(|fault| {
        let why = fault.why.strip_prefix(filters::json::NOT_JSON).map_or(fault.why.clone(), str::to_string);
        let hint = fault.hint.map(|_| "write it as text, in double quotes".to_string());
        Failure { hint, ..Failure::new("read JSON", why) }
    })
}

/// Reads a JSON object, as [`json_value`] does.
pub fn json_values(text: &str) -> Result<Values> {
    match json_value(text)? {
        Value::Object(values) => Ok(values),
        _ => Err(Failure::new("read JSON", "this is no JSON object")),
    }
}

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A text with `{{ … }}` in a playbook or an inventory.
    Text,
    /// A file below `templates/`, whose result is always text.
    File,
    /// An expression without braces: `when`.
    Expression,
}

/// What stands in front of a file's template that is rendered on the host, so that it is read as one.
const FILE_MARK: &str = "{#windlass:file#}";

/// Parsed templates are kept while they are at most so many.
const KEPT: usize = 5_000;

/// Renders templates that may include those it was made with.
#[derive(Clone)]
pub struct Templates {
    sources: Arc<BTreeMap<String, String>>,
    outside: Arc<dyn Outside>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    templates: HashMap<(String, Escapes), Arc<Vec<Node>>>,
    expressions: HashMap<(String, Escapes), Arc<Expr>>,
    scanned: HashMap<(String, Form), Arc<Scanned>>,
}

impl Templates {
    /// `sources` are what `include`, `extends` and `import` find by name.
    pub fn new(sources: &BTreeMap<String, String>) -> Templates {
        Templates { sources: Arc::new(sources.clone()), outside: Arc::new(Nowhere), kept: Arc::default() }
    }

    /// The same with a place where files, environment and commands are looked up.
    pub fn with_outside(self, outside: Arc<dyn Outside>) -> Templates {
        Templates { outside, ..self }
    }

    /// Where files, environment and commands are looked up.
    pub fn outside(&self) -> &dyn Outside {
        self.outside.as_ref()
    }

    /// Renders a string. One that is a single `{{ expression }}` keeps the value's type; any other gives text.
    pub fn value(&self, source: &str, names: &dyn Names) -> Result<Value> {
        if let Some(file) = source.strip_prefix(FILE_MARK) {
            return self.text(file, names).map(Value::String);
        }
        let expression = self.sole_expression(source);
        let doing = expression.map_or_else(|| shown(source), |inside| doing(inside.trim()));
        let rendered = self.rendered(source, Escapes::None, names);
        // Nothing was written: by none, or by an `if` without `else`, which gives no value.
        if let (Ok([]), Some(inside)) = (rendered.as_deref(), expression) {
            let value = self.evaluated(inside, Escapes::None, names).and_then(|value| value.json());
            return value.map(without_omitted).map_err(|fault| self.failure(&doing, source, fault));
        }
        let rendered = rendered.and_then(|mut out| match out.len() {
            1 if out[0].as_text().is_none() => out.swap_remove(0).json().map(without_omitted_inside),
            _ => joined(source, &out).map(Value::String),
        });
        rendered.map_err(|fault| self.failure(&doing, source, fault))
    }

    /// Renders a whole file. A newline at its end is kept.
    pub fn text(&self, source: &str, names: &dyn Names) -> Result<String> {
        if is_plain(source) {
            return Ok(source.to_string());
        }
        let rendered = self.rendered(source, Escapes::Python, names);
        let text = rendered.and_then(|out| joined(source, &out));
        text.map_err(|fault| self.failure(&shown(source), source, fault))
    }

    fn rendered(&self, source: &str, escapes: Escapes, names: &dyn Names) -> Result<Vec<Datum>, Fault> {
        if is_plain(source) {
            return Ok(vec![Datum::text(source)]);
        }
        let nodes = self.parsed(source, escapes)?;
        let mut machine = Machine::new(self, names);
        machine.template(&nodes)?;
        Ok(machine.out)
    }

    /// Evaluates an expression, written without braces.
    pub fn expression(&self, source: &str, names: &dyn Names) -> Result<Value> {
        let value = self.evaluated(source, Escapes::Python, names).and_then(|value| value.json());
        let value = value.map_err(|fault| self.failure(&doing(source), source, fault))?;
        Ok(without_omitted(value))
    }

    /// Whether an expression holds, by Jinja's rules: empty text, an empty list, 0 and none do not. Fails for text that says
    /// no.
    pub fn truth(&self, source: &str, names: &dyn Names) -> Result<bool> {
        let expr = self.parsed_expression(source, Escapes::Python);
        let truth = expr.and_then(|expr| condition::holds(&mut Machine::new(self, names), &expr));
        truth.map_err(|fault| self.failure(&doing(source), source, fault))
    }

    fn evaluated(&self, source: &str, escapes: Escapes, names: &dyn Names) -> Result<Datum, Fault> {
        let expr = self.parsed_expression(source, escapes)?;
        Machine::new(self, names).eval(&expr)
    }

    /// A template's nodes.
    pub fn parsed(&self, source: &str, escapes: Escapes) -> Result<Arc<Vec<Node>>, Fault> {
        let key = (source.to_string(), escapes);
        if let Some(nodes) = locked(&self.kept).templates.get(&key) {
            return Ok(Arc::clone(nodes));
        }
        let nodes = statements::template(source, escapes);
        let nodes = Arc::new(nodes.map_err(|fault| mistakes::explained(source, fault))?);
        self.keep(|kept| drop(kept.templates.insert(key, Arc::clone(&nodes))));
        Ok(nodes)
    }

    fn parsed_expression(&self, source: &str, escapes: Escapes) -> Result<Arc<Expr>, Fault> {
        let key = (source.to_string(), escapes);
        if let Some(expr) = locked(&self.kept).expressions.get(&key) {
            return Ok(Arc::clone(expr));
        }
        let expr = statements::expression(source, escapes);
        let expr = Arc::new(expr.map_err(|fault| mistakes::explained(source, fault))?);
        self.keep(|kept| drop(kept.expressions.insert(key, Arc::clone(&expr))));
        Ok(expr)
    }

    fn keep(&self, keep: impl FnOnce(&mut Kept)) {
        let mut kept = locked(&self.kept);
        if kept.templates.len() + kept.expressions.len() + kept.scanned.len() > KEPT {
            *kept = Kept::default();
        }
        keep(&mut kept);
    }

    /// The names that a source refers to, and what is wrong in it whatever their values are.
    pub fn scanned(&self, source: &str, form: Form) -> Result<Arc<Scanned>, Fault> {
        let key = (source.to_string(), form);
        if let Some(scanned) = locked(&self.kept).scanned.get(&key) {
            return Ok(Arc::clone(scanned));
        }
        if form == Form::File && source.starts_with(HEADER) {
            let fault = Fault::new(format!("the options behind `{HEADER}` are not honoured"));
            let hint = "remove the line: templates are read as Ansible reads them without it (trim_blocks)";
            return Err(fault.hint(hint).at(None, 0..HEADER.len()));
        }
        let scanned = Arc::new(match form {
            Form::Text | Form::File if is_plain(source) => Scanned::default(),
            Form::Text => scan::template(&self.parsed(source, Escapes::None)?),
            Form::File => scan::template(&self.parsed(source, Escapes::Python)?),
            Form::Expression => scan::expression(&*self.parsed_expression(source, Escapes::Python)?),
        });
        self.keep(|kept| drop(kept.scanned.insert(key, Arc::clone(&scanned))));
        Ok(scanned)
    }

    /// What is wrong in a source whatever its values are, where their types are known.
    #[cfg(feature = "controller")]
    pub fn misused(&self, source: &str, form: Form, known: &Known) -> Vec<Fault> {
        if form != Form::Expression && is_plain(source) {
            return Vec::new();
        }
        let faults = match form {
            Form::Text => {
                self.parsed(source, Escapes::None).map(|nodes| infer::template(self, &nodes, known))
            }
            Form::File => {
                self.parsed(source, Escapes::Python).map(|nodes| infer::template(self, &nodes, known))
            }
            Form::Expression => self
                .parsed_expression(source, Escapes::Python)
                .map(|expr| infer::expression(self, &expr, known)),
        };
        faults.unwrap_or_default()
    }

    /// What is known of the value of a source that is one expression.
    #[cfg(feature = "controller")]
    pub fn shape(&self, source: &str, known: &Known) -> Shape {
        let expr = match self.sole_expression(source) {
            Some(inside) => self.parsed_expression(inside.trim(), Escapes::None),
            None => self.parsed_expression(source.trim(), Escapes::Python),
        };
        expr.map_or(Shape::Any, |expr| infer::shape(self, &expr, known))
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

    /// A file's template, such that [`Templates::value`] renders it as one.
    pub fn as_file(source: &str) -> String {
        format!("{FILE_MARK}{source}")
    }

    /// A string with `{{ … }}` in it as one expression that gives its text; `None` when it has tags or comments.
    pub fn as_expression(&self, source: &str) -> Option<String> {
        let nodes = self.parsed(source, Escapes::None).ok()?;
        let parts = nodes.iter().map(|node| match node {
            Node::Text(text) => Some(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
            Node::Output(expr) => Some(format!("({})", lexer::as_python(&source[expr.range.clone()]))),
            _ => None,
        });
        let parts: Vec<String> = parts.collect::<Option<_>>()?;
        Some(if parts.is_empty() { "''".to_string() } else { format!("'' ~ {}", parts.join(" ~ ")) })
    }

    /// The names that a source takes from its context, with those that the templates it includes take, however deep.
    /// Fails when it cannot be parsed.
    pub fn all_names(&self, source: &str, form: Form) -> Result<BTreeSet<String>> {
        let scanned = self.scanned(source, form).map_err(|fault| self.fault_in(source, form, fault))?;
        let mut names: BTreeSet<String> = scanned.uses.iter().map(|used| used.name.clone()).collect();
        let (mut of_included, mut handed_on) = (BTreeSet::new(), scanned.handed_on.clone());
        for included in self.included(source, form) {
            let inner = &self.sources[&included];
            let scanned =
                self.scanned(inner, Form::File).map_err(|fault| self.fault_in(inner, Form::File, fault))?;
            of_included.extend(scanned.uses.iter().map(|used| used.name.clone()));
            handed_on.extend(scanned.handed_on.iter().cloned());
        }
        names.extend(of_included.difference(&handed_on).cloned());
        Ok(names)
    }

    /// What is wrong with a source, as a failure.
    pub fn fault_in(&self, source: &str, form: Form, fault: Fault) -> Failure {
        let doing = match (form, self.sole_expression(source)) {
            (Form::Expression, _) => doing(source),
            (_, Some(inside)) => doing(inside.trim()),
            _ => shown(source),
        };
        self.failure(&doing, source, fault)
    }

    /// The names of the known templates that `source` includes, extends or imports, directly or through others. One
    /// that computes such a name may include any.
    pub fn included(&self, source: &str, form: Form) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting = self.mentioned(source, form);
        while let Some(name) = waiting.pop() {
            if let Some(inner) = self.sources.get(&name).filter(|_| !found.contains(&name)) {
                waiting.append(&mut self.mentioned(inner, Form::File));
                found.insert(name);
            }
        }
        found
    }

    fn mentioned(&self, source: &str, form: Form) -> Vec<String> {
        match self.scanned(source, form) {
            Ok(scanned) if scanned.includes_any => self.sources.keys().cloned().collect(),
            Ok(scanned) => scanned.includes.iter().map(|(name, _)| name.clone()).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The inside of a string that is nothing but `{{ … }}`.
    fn sole_expression<'a>(&self, source: &'a str) -> Option<&'a str> {
        if !source.starts_with("{{") || !source.ends_with("}}") {
            return None;
        }
        match self.parsed(source, Escapes::None).ok()?.as_slice() {
            [Node::Output(expr)] => Some(&source[expr.range.clone()]),
            _ => None,
        }
    }

    /// A failure with the place of what went wrong, when the template has more than one line or includes another.
    fn failure(&self, doing: &str, source: &str, fault: Fault) -> Failure {
        let place = match &fault.spot {
            Some(Spot { template: Some(name), range }) => {
                let line = self.sources.get(name.as_ref()).map_or(1, |text| line_of(text, range.start));
                format!("{doing}, {name}:{line}")
            }
            Some(Spot { template: None, range }) if source.trim_end().contains('\n') => {
                format!("{doing}, line {}", line_of(source, range.start))
            }
            _ => doing.to_string(),
        };
        Failure { hint: fault.hint, ..Failure::new(place, fault.why) }
    }
}

/// A template of a playbook that gives this text, whatever is in it.
#[cfg(feature = "controller")]
pub fn literal(text: &str) -> String {
    if is_plain(text) {
        return text.to_string();
    }
    // The line break behind a tag goes with it.
    let fits = !text.contains("endraw") && !text.starts_with(['\n', '\r']);
    match fits {
        true => format!("{{% raw %}}{text}{{% endraw %}}"),
        false => format!("{{{{ '{}' | b64decode }}}}", filters::encode::base64(text.as_bytes())),
    }
}

/// The first line of a template of Ansible that has options of its own.
const HEADER: &str = "#jinja2:";

/// What was rendered as one text. It ends with as many newlines as its template: a tag at the end takes none away.
fn joined(source: &str, out: &[Datum]) -> Result<String, Fault> {
    let mut text = out.iter().map(Datum::shown).collect::<Result<String, Fault>>()?;
    let newlines = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let missing = newlines(source).saturating_sub(newlines(&text));
    text.push_str(&"\n".repeat(missing));
    Ok(text)
}

/// What is omitted inside a value goes; a value that is omitted as a whole stays so.
fn without_omitted_inside(value: Value) -> Value {
    if value.as_str() == Some(OMITTED) { value } else { without_omitted(value) }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a string has nothing of a template in it.
pub fn is_plain(source: &str) -> bool {
    !source.contains("{{") && !source.contains("{%") && !source.contains("{#")
}

/// Whether a name is one that every template knows without any variable.
pub fn is_function(name: &str) -> bool {
    matches!(name, "omit" | "self" | "super" | "loop" | "caller" | "varargs" | "kwargs")
        || functions::find(name).is_some()
}

/// The names of all functions, for hints.
#[cfg(feature = "controller")]
pub fn functions() -> impl Iterator<Item = &'static str> {
    functions::names()
}

/// Whether some value has a method of this name.
pub fn is_method(name: &str) -> bool {
    methods::all().any(|known| known == name)
}

/// The values of a YAML text, one for each document.
pub fn read_yaml(text: &str) -> Result<Vec<Value>, Fault> {
    filters::read_yaml(text)?.iter().map(Datum::json).collect()
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
mod comparison;
#[cfg(test)]
mod tests;
