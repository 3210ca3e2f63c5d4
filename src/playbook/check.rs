//! Checks templates and expressions of a playbook while it is read: what is wrong in them whatever the values are.

use super::params::Param;
use super::{Playbook, Step, role};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Value;
use crate::project::Project;
use crate::source::{Data, Node, Place};
use crate::step::KeyUse;
use crate::template::{Fault, Form, Known, Scanned, Shape, Templates, is_plain};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Scans texts of playbooks, and keeps what it finds for those who ask again.
static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| Templates::new(&BTreeMap::new()));

/// Shows what is wrong in a source that stands at a place: its syntax, and filters, tests, functions and methods that do
/// not exist.
pub fn source(text: &str, form: Form, place: &Place, problems: &mut Diagnostics) {
    match scanned(text, form) {
        Ok(scanned) => {
            for fault in &scanned.faults {
                problems.push(Diagnostic::fault(fault, &at(text, fault, place)));
            }
        }
        Err(fault) => problems.push(Diagnostic::fault(&fault, &at(text, &fault, place))),
    }
}

/// What a source refers to.
pub fn scanned(text: &str, form: Form) -> Result<Arc<Scanned>, Fault> {
    TEMPLATES.scanned(text, form)
}

/// Shows what is wrong in a text whatever its values are, where their types are known.
pub fn misused(text: &Text, known: &Known, problems: &mut Diagnostics) {
    for fault in TEMPLATES.misused(&text.text, text.form, known) {
        problems.push(Diagnostic::fault(&fault, &at(&text.text, &fault, &text.place)));
    }
}

/// What is known of the value of a text that is one expression.
pub fn shape(text: &str, known: &Known) -> Shape {
    TEMPLATES.shape(text, known)
}

fn at(text: &str, fault: &Fault, place: &Place) -> Place {
    match &fault.spot {
        Some(spot) => part(text, spot.range.clone(), place),
        None => place.clone(),
    }
}

/// A part of a text as a place in its file; the whole text where escapes make that uncertain.
pub fn part(text: &str, range: Range<usize>, place: &Place) -> Place {
    let written = place.source.text.get(place.span.clone()).unwrap_or_default();
    match written.find(text).filter(|_| !text.is_empty()) {
        Some(at) => {
            let start = place.span.start + at;
            Place { source: Arc::clone(&place.source), span: start + range.start..start + range.end }
        }
        None => place.clone(),
    }
}

/// A template or an expression of a step.
pub struct Text {
    /// As it is written.
    pub text: String,
    /// How it is read.
    pub form: Form,
    /// Where it stands.
    pub place: Place,
    /// It may look at the step's own result.
    pub about_result: bool,
    /// Names that the templates set which include it.
    pub handed_on: BTreeSet<String>,
}

/// Every template and expression of a step.
pub fn texts(step: &Step) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut add = |text: &str, form: Form, place: &Place, about_result: bool| {
        let handed_on = BTreeSet::new();
        texts.push(Text { text: text.to_string(), form, place: place.clone(), about_result, handed_on });
    };
    for written in step.name.iter().chain(&step.become_user).chain(&step.on).chain(&step.label) {
        add(&written.text, Form::Text, &written.place, false);
    }
    if let Some(written) = &step.when {
        add(&written.text, Form::Expression, &written.place, false);
    }
    for written in step.until.iter().chain(&step.changed_when).chain(&step.failed_when) {
        add(&written.text, Form::Expression, &written.place, true);
    }
    for (_, round) in step.rounds() {
        let items = &round.of.items;
        let form = if items.as_str().is_some_and(is_plain) { Form::Expression } else { Form::Text };
        strings(items, &mut |text, place| add(text, form, place, false));
        round.of.label.iter().for_each(|label| add(&label.text, Form::Text, &label.place, false));
    }
    if let Some(items) = &step.items {
        let form = if items.as_str().is_some_and(is_plain) { Form::Expression } else { Form::Text };
        strings(items, &mut |text, place| add(text, form, place, false));
    }
    for entry in step.keys.entries().unwrap_or_default() {
        let is_expression = step.kind.keys.contains(&(entry.key.as_str(), KeyUse::Expression));
        let form = if is_expression { Form::Expression } else { Form::Text };
        strings(&entry.node, &mut |text, place| add(text, form, place, false));
    }
    step.environment
        .iter()
        .for_each(|node| strings(node, &mut |text, place| add(text, Form::Text, place, false)));
    for setting in &step.vars {
        strings_of(&setting.value, &mut |text| add(text, Form::Text, &setting.place, false));
    }
    texts
}

/// Every string in a node.
fn strings(node: &Node, found: &mut dyn FnMut(&str, &Place)) {
    match &node.data {
        Data::Scalar(Value::String(text)) => found(text, &node.place),
        Data::Scalar(_) => {}
        Data::List(list) => list.iter().for_each(|item| strings(item, found)),
        Data::Table(entries) => entries.iter().for_each(|entry| strings(&entry.node, found)),
    }
}

/// Every string in a value.
pub fn strings_of(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => found(text),
        Value::Array(list) => list.iter().for_each(|item| strings_of(item, found)),
        Value::Object(map) => map.values().for_each(|item| strings_of(item, found)),
        _ => {}
    }
}

/// What a step's keys for templates are set to.
pub fn named_templates(step: &Step) -> impl Iterator<Item = &str> {
    let entries = step.keys.entries().unwrap_or_default().iter();
    let named = entries.filter(move |entry| step.kind.keys.contains(&(entry.key.as_str(), KeyUse::Template)));
    named.filter_map(|entry| entry.node.as_str())
}

/// Where a template is: below `templates/`, or a role's own.
fn template_path(name: &str) -> PathBuf {
    match name.starts_with(&format!("{}/", role::ROLES)) {
        true => name.into(),
        false => Path::new("templates").join(name),
    }
}

/// The template files that a step names by themselves, with what they include.
pub fn template_files(project: &Project, step: &Step) -> Vec<Text> {
    let mut waiting: Vec<String> = named_templates(step).map(str::to_string).collect();
    let (mut seen, mut texts, mut handed_on) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let named: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(name) = waiting.pop().filter(|_| seen.len() < 1000) {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Ok(source) = project.read(&template_path(&name)) else { continue };
        if let Ok(scanned) = scanned(&source.text, Form::File) {
            waiting.extend(scanned.includes.iter().map(|(name, _)| name.clone()));
            handed_on.extend(scanned.handed_on.iter().cloned());
        }
        let place = Place { source: source.clone(), span: 0..source.text.len() };
        let text = source.text.clone();
        let text = Text { text, form: Form::File, place, about_result: false, handed_on: BTreeSet::new() };
        texts.push((name, text));
    }
    // Which of them includes which one is not looked at: a name that one of them sets is known to all that are included.
    let seen_there = |name: &String| if named.contains(name) { BTreeSet::new() } else { handed_on.clone() };
    texts.into_iter().map(|(name, text)| Text { handed_on: seen_there(&name), ..text }).collect()
}

/// The names that a playbook knows, those that its template files refer to among them; and whether a step computes
/// the name of a template, which may refer to any name.
pub fn names_with_templates(project: &Project, playbook: &Playbook) -> (BTreeSet<String>, bool) {
    let mut names = names(playbook);
    for text in playbook.all_steps().flat_map(|step| template_files(project, step)) {
        names.extend(mentioned(&text.text, text.form));
    }
    for setting in playbook.vars.iter().cloned().chain(playbook.params.iter().filter_map(Param::setting)) {
        strings_of(&setting.value, &mut |text| names.extend(mentioned(text, Form::Text)));
    }
    (names, playbook.all_steps().flat_map(named_templates).any(|name| !is_plain(name)))
}

/// The names that a source refers to.
pub fn mentioned(text: &str, form: Form) -> Vec<String> {
    let scanned = scanned(text, form);
    scanned.iter().flat_map(|scanned| &scanned.uses).map(|used| used.name.clone()).collect()
}

/// The names that a playbook knows: its params and variables, and every name that one of its steps mentions.
pub fn names(playbook: &Playbook) -> BTreeSet<String> {
    let params = playbook.params.iter().map(|param| param.name.clone());
    let settings = playbook.vars.iter().map(|setting| setting.name.clone());
    let mut names: BTreeSet<String> = params.chain(settings).collect();
    for step in playbook.all_steps() {
        names.extend(step.vars.iter().chain(&step.defaults).map(|setting| setting.name.clone()));
        names.extend(step.sets().map(|entry| entry.key.clone()));
        for text in texts(step) {
            let scanned = scanned(&text.text, text.form);
            names.extend(scanned.iter().flat_map(|scanned| &scanned.uses).map(|used| used.name.clone()));
        }
    }
    names
}
