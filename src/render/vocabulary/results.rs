//! The fields of results that expressions refer to, against those that steps of that kind have.

use crate::diagnostic::Diagnostic;
use crate::playbook::Step;
use crate::source::Place;
use crate::step::{ANY_FIELD, OF_ALL, OF_COMMANDS};
use crate::template::{Record, Shape, Use};
use std::collections::BTreeSet;

/// What Ansible's results have and ours never do, with what to use.
const ANSIBLES: &[(&str, &str)] = &[
    ("rc", "`status`"),
    ("msg", "`stdout`, `stderr` or the step's own fields"),
    ("cmd", "the step's own keys"),
    ("ansible_job_id", "a later step with wait = \"NAME\""),
    ("finished", "a later step with wait = \"NAME\""),
];

/// What the result of a loop is called in messages.
const LOOP: &str = "a loop";

/// The fields of one step's result.
pub struct Fields<'a> {
    /// Whose result it is: the step's kind.
    kind: &'static str,
    known: Vec<&'a str>,
    /// The step's own keys name more of them.
    open: bool,
}

/// The fields of a step's result.
pub fn fields(step: &Step) -> Fields<'_> {
    match step.items.is_some() {
        true => Fields { kind: LOOP, known: [OF_ALL, &["results"]].concat(), open: false },
        false => of_item(step),
    }
}

/// The fields of the result of a step without a loop, or of one item.
pub fn of_item(step: &Step) -> Fields<'_> {
    let result = step.kind.result;
    let tries = if step.retries > 0 { &["attempts"][..] } else { &[] };
    let known =
        OF_ALL.iter().chain(result).chain(tries).copied().filter(|field| *field != ANY_FIELD).collect();
    Fields { kind: step.kind.name, known, open: result.contains(&ANY_FIELD) }
}

impl Fields<'_> {
    /// What is known of such a result; `element` is its kind's, where it is the result of a loop.
    pub fn shape(&self, element: Option<Shape>) -> Shape {
        let shape = |field: &&str| match *field {
            "results" if self.kind == LOOP => Shape::list(element.clone().unwrap_or_default()),
            field => of_field(field),
        };
        let fields = self.known.iter().map(|field| (field.to_string(), shape(field))).collect();
        let named = if self.kind == LOOP { self.kind.to_string() } else { format!("`{}`", self.kind) };
        let instead = ANSIBLES.iter().filter(|_| self.known.contains(&"status"));
        Shape::Record(Record {
            what: format!("the result of {named}"),
            fields,
            open: self.open,
            instead: instead.map(|(name, write)| (name.to_string(), write.to_string())).collect(),
        })
    }
}

/// What is known of a field of results. Those of other names differ by kind, or may be null.
fn of_field(field: &str) -> Shape {
    match field {
        "changed" | "failed" | "skipped" => Shape::Bool,
        "status" | "attempts" => Shape::Number,
        "stdout" | "stderr" => Shape::Text,
        "stdout_lines" | "stderr_lines" => Shape::list(Shape::Text),
        _ => Shape::Any,
    }
}

/// The fields of an element of a loop's `results`: the item is in it under its name.
pub fn of_element(step: &Step) -> Fields<'_> {
    let mut fields = of_item(step);
    fields.known.push(&step.loop_var);
    fields
}

/// `NAME`, when a step's loop is over `NAME.results`.
pub fn looped_over(step: &Step) -> Option<&str> {
    let text = step.items.as_ref()?.as_str()?.trim();
    let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text);
    let name = inner.trim().strip_suffix(".results")?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(letters).then_some(name)
}

/// What is wrong with a reference to a field of a result of these steps.
pub fn wrong(of: &[Fields<'_>], used: &Use, place: &Place, guarded: bool) -> Option<Diagnostic> {
    let field = used.path.first()?.as_str();
    if of.is_empty() || of.iter().any(|fields| fields.known.contains(&field)) {
        return None;
    }
    let instead = ANSIBLES.iter().find(|(known, _)| *known == field).map(|(_, instead)| *instead);
    // A field that no result can have is a mistake also where the playbook says what it is then.
    if (guarded || instead.is_none()) && of.iter().any(|fields| fields.open) {
        return None;
    }
    Some(unknown(of, field, instead, place))
}

fn unknown(of: &[Fields<'_>], field: &str, instead: Option<&str>, place: &Place) -> Diagnostic {
    let kinds: BTreeSet<&str> = of.iter().map(|fields| fields.kind).collect();
    let named = |kind: &str| if kind == LOOP { kind.to_string() } else { format!("`{kind}`") };
    let kinds = kinds.into_iter().map(named).collect::<Vec<_>>().join(" or ");
    let problem = Diagnostic::error(format!("the result of {kinds} has no `{field}`"), place);
    let names: BTreeSet<&str> = of.iter().flat_map(|fields| &fields.known).copied().collect();
    match instead {
        Some(instead) if names.contains("status") => problem.hint(format!("use {instead}")),
        _ if OF_COMMANDS.contains(&field) && names.contains("results") => {
            problem.hint("each element has its own: look into `results`")
        }
        _ => problem.nearest(field, names),
    }
}
