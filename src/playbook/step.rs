//! Reads one step: the common keys are taken off, what remains is one table named after a step kind.

use super::kind_hints::{as_table, with_hint};
use super::params::Param;
use super::rounds::{GroupLoop, Round, Within};
use super::{Step, Written, ansible, background, check};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{Keys, PATTERN, duration, strings, wrong_type};
use crate::model::Value;
use crate::schema::Schema;
use crate::setting::{Origin, Setting, check_name};
use crate::source::{Data, Entry, Node, Place};
use crate::step::{KINDS, KeyUse, Row};
use crate::template::{Form, is_plain};
use std::sync::Arc;
use std::time::Duration;

/// Between tries when `delay` says nothing.
const DELAY: Duration = Duration::from_secs(5);

/// How often a step with `until` is tried again when `retries` says nothing, as in Ansible.
const RETRIES_UNTIL: u32 = 3;

/// What an element of a loop is called when `loop_var` says nothing.
const ITEM: &str = "item";

/// What stands in a list of steps.
pub enum StepNode {
    /// A step.
    Step(Box<Step>),
    /// The place of another playbook's steps.
    Include(Include),
}

/// `include = "other.toml"`, or `role = "nginx"`.
pub struct Include {
    /// Relative to the file it is in; of a role, its name.
    pub path: Written,
    /// It names a role.
    pub is_role: bool,
    /// For all of its steps.
    pub vars: Vec<Setting>,
    /// For all of its steps.
    pub when: Option<Written>,
    /// For all of its steps.
    pub tags: Vec<String>,
    /// Its loop.
    pub looped: Option<Arc<GroupLoop>>,
}

/// Reads an element of `steps`, `handlers`, `rescue` or `always`.
pub fn read(node: &Node, problems: &mut Diagnostics) -> Option<StepNode> {
    match node.get("include").or(node.get("role")) {
        Some(_) => include(node, problems).map(StepNode::Include),
        None => step(node, problems).map(|step| StepNode::Step(Box::new(step))),
    }
}

fn include(node: &Node, problems: &mut Diagnostics) -> Option<Include> {
    let mut keys = Keys::of(node, "an include", problems);
    // The name is for those who read the file.
    keys.string("name");
    let (included, role) = (written(&mut keys, "include"), written(&mut keys, "role"));
    let is_role = role.is_some();
    if let (Some(_), Some(role)) = (&included, &role) {
        keys.problem(
            Diagnostic::error("give either `include` or `role`", &role.place).hint("make two steps of it"),
        );
    }
    let path = role.or(included);
    let (when, tags, vars) = (keys.node("when"), keys.strings("tags"), keys.node("vars"));
    let looped = group_loop(&mut keys);
    keys.finish_with(|key| match key {
        "params" | "args" => Some("write `vars`"),
        key => COMMON.contains(&key).then_some("it is a key of a step: give it to the steps of that file"),
    });
    let looped = looped.map(|looped| checked_loop(looped, problems));
    let when = when.and_then(|node| expression(node, problems));
    let title = path.as_ref().map_or(String::new(), |path| path.text.clone());
    let vars = vars.map(|node| Setting::table(node, &Origin::Step(title), problems)).unwrap_or_default();
    Some(Include { path: path?, is_role, vars, when, tags, looped })
}

/// The `loop` of an include or a block.
pub fn group_loop(keys: &mut Keys) -> Option<GroupLoop> {
    let (items, loop_var, label) = (keys.node("loop"), written(keys, "loop_var"), written(keys, "label"));
    for (key, alone) in [("loop_var", &loop_var), ("label", &label)] {
        if let Some(alone) = alone.as_ref().filter(|_| items.is_none()) {
            keys.problem(without_loop(key, alone));
        }
    }
    let loop_var = loop_var.unwrap_or_else(|| Written {
        text: ITEM.to_string(),
        place: items.map_or_else(|| Place::outside(ITEM), |items| items.place.clone()),
    });
    Some(GroupLoop { items: items?.clone(), loop_var, label })
}

fn without_loop(key: &str, alone: &Written) -> Diagnostic {
    let message = format!("`{key}` is about the elements of a loop, and there is none");
    Diagnostic::error(message, &alone.place).hint("give it a `loop`, or leave it out")
}

/// Shows what is wrong in a loop whatever the values are.
pub fn checked_loop(looped: GroupLoop, problems: &mut Diagnostics) -> Arc<GroupLoop> {
    check_name(&looped.loop_var.text, &looped.loop_var.place, problems);
    check_loop(&looped.items, problems);
    if let Some(label) = &looped.label {
        check::source(&label.text, Form::Text, &label.place, problems);
    }
    Arc::new(looped)
}

/// A loop is over a list, or an expression that gives one.
fn check_loop(items: &Node, problems: &mut Diagnostics) {
    match &items.data {
        Data::List(_) => check_templates(items, problems),
        Data::Scalar(Value::String(text)) => {
            let form = if is_plain(text) { Form::Expression } else { Form::Text };
            check::source(text, form, &items.place, problems);
        }
        _ => problems.push(wrong_type(items, "a list, or an expression that gives one")),
    }
}

impl Step {
    /// The step as part of the playbook that includes its own.
    pub fn included(mut self, include: &Include, number: u32, vars: &[Setting], params: &[Param]) -> Step {
        for round in self.rounds_mut() {
            round.outer_vars += vars.len();
        }
        let round = include.looped.as_ref().map(|of| Round { of: of.clone(), outer_vars: 0, at: None });
        self.within.insert(0, Within { number, round });
        self.vars.splice(0..0, vars.iter().cloned());
        self.params.splice(0..0, params.iter().filter(|param| !param.included).cloned());
        self.tags.extend(include.tags.iter().cloned());
        self.when = match (include.when.clone(), self.when.take()) {
            (Some(outer), Some(own)) => {
                Some(Written { text: format!("({}) and ({})", outer.text, own.text), ..own })
            }
            (outer, own) => outer.or(own),
        };
        self
    }
}

fn step(node: &Node, problems: &mut Diagnostics) -> Option<Step> {
    let mut keys = Keys::of(node, "a step", problems);
    let name = written(&mut keys, "name");
    let [when, until, changed_when, failed_when] =
        ["when", "until", "changed_when", "failed_when"].map(|key| keys.node(key));
    let (items, loop_var) = (keys.node("loop"), written(&mut keys, "loop_var"));
    let label = written(&mut keys, "label");
    if let Some(label) = label.as_ref().filter(|_| items.is_none()) {
        let problem =
            Diagnostic::error("`label` names the elements of a loop, and there is none", &label.place);
        keys.problem(problem.hint("give the step a `name`, or a `loop`"));
    }
    if let Some(alone) = loop_var.as_ref().filter(|_| items.is_none()) {
        keys.problem(without_loop("loop_var", alone));
    }
    let register = written(&mut keys, "register");
    let notify = keys.read("notify", "a string or a list of strings", all_written).unwrap_or_default();
    let listen = keys.read("listen", "a string or a list of strings", all_written).unwrap_or_default();
    let (tags, vars, environment) = (keys.strings("tags"), keys.node("vars"), keys.node("environment"));
    let (becomes, become_user) = (keys.node("become"), written(&mut keys, "become_user"));
    let on = written(&mut keys, "on");
    let background = background::read(&mut keys);
    let (retries, delay, timeout) = (keys.count("retries"), keys.duration("delay"), keys.duration("timeout"));
    let [ignore_errors, run_once, no_log] =
        ["ignore_errors", "run_once", "no_log"].map(|key| keys.boolean(key));
    if let Some(timeout) = keys.node("timeout").filter(|node| duration(&node.value()) == Some(Duration::ZERO))
    {
        keys.problem(Diagnostic::error("a step needs more time than none", &timeout.place));
    }
    if let Some(never) = keys.node("retries").filter(|_| retries == Some(0) && until.is_some()) {
        let problem = Diagnostic::error("with `retries = 0` the step is tried once only", &never.place);
        keys.problem(problem.hint("write how often it is retried, or leave out `until`"));
    }
    let (kind, entry) = kind(node, &mut keys)?;
    let title = name.as_ref().map_or(kind.name.to_string(), |name| name.text.clone());
    check_kind(kind, &entry.node, problems);
    check_set(kind, entry, problems);
    check_templates(node, problems);
    let [when, until, changed_when, failed_when] =
        [when, until, changed_when, failed_when].map(|node| node.and_then(|node| expression(node, problems)));
    for name in loop_var.iter().chain(&register) {
        check_name(&name.text, &name.place, problems);
    }
    check_registered(items, loop_var.as_ref(), register.as_ref(), problems);
    Some(Step {
        place: entry_place(node, entry),
        kind,
        keys: entry.node.clone(),
        when,
        items: items.cloned(),
        loop_var: loop_var.map_or_else(|| ITEM.to_string(), |name| name.text),
        label,
        register,
        notify,
        listen,
        tags,
        vars: vars.map(|node| Setting::table(node, &Origin::Step(title), problems)).unwrap_or_default(),
        params: Vec::new(),
        defaults: Vec::new(),
        become_user: become_as(becomes, become_user, problems),
        environment: environment.filter(|node| is_environment(node, problems)).cloned(),
        retries: retries.unwrap_or(if until.is_some() { RETRIES_UNTIL } else { 0 }),
        delay: delay.unwrap_or(DELAY),
        until,
        timeout,
        changed_when,
        failed_when,
        ignore_errors: ignore_errors.unwrap_or(false),
        run_once: run_once.unwrap_or(false),
        on,
        background,
        no_log: no_log.unwrap_or(false),
        blocks: Vec::new(),
        play: 0,
        within: Vec::new(),
        name,
    })
}

/// In a loop one name cannot be both the element and the result.
fn check_registered(
    items: Option<&Node>,
    loop_var: Option<&Written>,
    register: Option<&Written>,
    problems: &mut Diagnostics,
) {
    let item = loop_var.map_or(ITEM, |name| name.text.as_str());
    if let Some(register) = register.filter(|register| items.is_some() && register.text == item) {
        let message = format!("`{item}` is the element of this loop");
        let problem = Diagnostic::error(message, &register.place);
        problems.push(problem.hint("choose another name for the result"));
    }
}

/// A step is shown by its name's line, else by that of its kind.
fn entry_place(node: &Node, kind: &Entry) -> Place {
    let name = node.entries().unwrap_or_default().iter().find(|entry| entry.key == "name");
    name.unwrap_or(kind).place.clone()
}

/// A string and where it stands.
pub fn written(keys: &mut Keys, key: &'static str) -> Option<Written> {
    keys.read(key, "a string", one_written)
}

/// The pattern of the hosts that a playbook or a play is for.
pub fn hosts(keys: &mut Keys) -> Option<Written> {
    keys.read("hosts", PATTERN, one_written)
}

fn one_written(node: &Node) -> Option<Written> {
    Some(Written { text: node.as_str()?.to_string(), place: node.place.clone() })
}

fn all_written(node: &Node) -> Option<Vec<Written>> {
    let texts = strings(node)?;
    let places: Vec<Place> = match &node.data {
        Data::List(list) => list.iter().map(|item| item.place.clone()).collect(),
        _ => vec![node.place.clone()],
    };
    Some(texts.into_iter().zip(places).map(|(text, place)| Written { text, place }).collect())
}

/// The one table that is named after a step kind.
fn kind<'a>(node: &'a Node, keys: &mut Keys<'a, '_>) -> Option<(&'static Row, &'a Entry)> {
    let rest = keys.rest();
    let kinds: Vec<_> =
        rest.iter().filter_map(|entry| Some((crate::step::kind(&entry.key)?, *entry))).collect();
    let known = KINDS.iter().map(|row| row.name).chain(COMMON.iter().copied());
    for entry in rest.iter().filter(|entry| crate::step::kind(&entry.key).is_none()) {
        let what = if entry.node.entries().is_some() { "step kind" } else { "key" };
        let problem = Diagnostic::error(format!("unknown {what} `{}`", entry.key), &entry.place);
        let problem = match ansible::of_step(&entry.key) {
            Some(hint) => problem.hint(hint),
            None => problem.nearest(&entry.key, known.clone()),
        };
        let all = || {
            "`windlass steps` lists the kinds, and the manual the keys that every step may have (docs/reference/playbook-keys.md)".to_string()
        };
        keys.problem(Diagnostic { hint: Some(problem.hint.clone().unwrap_or_else(all)), ..problem });
    }
    match kinds.as_slice() {
        [one] => return Some(*one),
        [] if rest.is_empty() => {
            let problem =
                Diagnostic::error("this step does nothing", &first_place(node)).label("no step kind");
            keys.problem(
                problem.hint("give it one table named after a step kind; `windlass steps` lists them"),
            );
        }
        [] => {}
        [(first, _), (second, entry), ..] => {
            let message = format!("a step has one kind, this one has `{}` and `{}`", first.name, second.name);
            keys.problem(Diagnostic::error(message, &entry.place).hint("make two steps of it"));
        }
    }
    None
}

/// The keys that every step may have.
pub const COMMON: &[&str] = &[
    "name",
    "when",
    "loop",
    "loop_var",
    "label",
    "register",
    "notify",
    "listen",
    "tags",
    "vars",
    "become",
    "become_user",
    "environment",
    "retries",
    "delay",
    "until",
    "timeout",
    "async",
    "changed_when",
    "failed_when",
    "ignore_errors",
    "run_once",
    "on",
    "no_log",
    "include",
    "role",
];

/// `[[steps]]` itself has no useful span, its first key has.
fn first_place(node: &Node) -> Place {
    node.entries()
        .and_then(|entries| entries.first())
        .map_or_else(|| node.place.clone(), |entry| entry.place.clone())
}

/// Checks the literal values of a kind's keys.
fn check_kind(kind: &Row, node: &Node, problems: &mut Diagnostics) {
    let schema = (kind.schema)().to_value();
    let mut checked = node.clone();
    if let Data::Table(entries) = &mut checked.data {
        entries.retain(|entry| !is_expression(kind, entry) || !check_expressions(&entry.node, problems));
    }
    let mut found = Diagnostics::default();
    Schema::new(&schema).check(&checked, &format!("`{}`", kind.name), &mut found);
    let table = as_table(kind, node, &schema);
    for problem in found.iter().filter(|problem| !is_kept_apart(kind, node, &problem.message)) {
        let problem = with_hint(kind, problem);
        problems.push(table.clone().into_iter().fold(problem, Diagnostic::hint));
    }
    if found.is_empty() && is_literal(kind, node) {
        check_together(kind, node, problems);
    }
}

/// Whether the step gets its keys as they are written.
fn is_literal(kind: &Row, node: &Node) -> bool {
    let entries = node.entries().unwrap_or_default();
    let read_here = |entry: &Entry| kind.keys.iter().any(|(key, _)| *key == entry.key);
    !entries.iter().any(read_here) && is_plain_value(&node.value())
}

fn is_plain_value(value: &Value) -> bool {
    let mut plain = true;
    check::strings_of(value, &mut |text| plain &= is_plain(text));
    plain
}

/// Reads the keys as a host would, so that those which do not fit together are shown before anything is rendered.
fn check_together(kind: &Row, node: &Node, problems: &mut Diagnostics) {
    if let Err(wrong) = (kind.parse)(&node.value()) {
        let key = if wrong.path.is_empty() { String::new() } else { format!(".{}", wrong.path) };
        let message = format!("{}{key}: {}", kind.name, wrong.why);
        problems.push(Diagnostic::error(message, node.place_of(&wrong.path)));
    }
}

/// The keys of `set` are names of variables. As elsewhere, a variable is stronger than the function of its name.
fn check_set(kind: &Row, set: &Entry, problems: &mut Diagnostics) {
    let Some(entries) = set.node.entries().filter(|_| kind.sets) else { return };
    if entries.is_empty() {
        let problem = Diagnostic::error(format!("`{}` gives no variable a value", kind.name), &set.place);
        problems.push(problem.hint("write a line for each: port = \"{{ answer.stdout | int }}\""));
    }
    for entry in entries {
        check_name(&entry.key, &entry.place, problems);
        if KNOWN_OTHERWISE.contains(&entry.key.as_str()) {
            let message = format!("`{}` is a name that expressions know already", entry.key);
            problems
                .push(Diagnostic::error(message, &entry.place).hint("choose another name for the variable"));
        }
    }
}

/// Names in expressions that are neither variables nor functions: other hosts, and a step's own result.
const KNOWN_OTHERWISE: &[&str] = &["hosts", "result"];

fn is_expression(kind: &Row, entry: &Entry) -> bool {
    kind.keys.contains(&(entry.key.as_str(), KeyUse::Expression))
}

/// The expressions were taken out before the schema was asked, so it misses them.
fn is_kept_apart(kind: &Row, node: &Node, message: &str) -> bool {
    let entries = node.entries().unwrap_or_default().iter();
    entries
        .filter(|entry| is_expression(kind, entry))
        .any(|entry| message == format!("`{}` is missing", entry.key))
}

/// Reads every expression of a key; the key is done with then.
fn check_expressions(node: &Node, problems: &mut Diagnostics) -> bool {
    match &node.data {
        Data::List(list) => list.iter().for_each(|item| drop(expression(item, problems))),
        _ => drop(expression(node, problems)),
    }
    true
}

/// An expression without braces, a boolean, or a list of them that must all hold.
pub fn expression(node: &Node, problems: &mut Diagnostics) -> Option<Written> {
    let place = node.place.clone();
    let text = match &node.data {
        Data::Scalar(Value::String(text)) => text.clone(),
        Data::Scalar(Value::Bool(boolean)) => boolean.to_string(),
        Data::List(list) => {
            let parts: Option<Vec<Written>> = list.iter().map(|item| expression(item, problems)).collect();
            parts?.iter().map(|part| format!("({})", part.text)).collect::<Vec<_>>().join(" and ")
        }
        _ => {
            problems.push(wrong_type(node, "an expression"));
            return None;
        }
    };
    match is_plain(&text) {
        true if matches!(node.data, Data::List(_)) => {}
        true => check::source(&text, Form::Expression, &place, problems),
        false => {
            let problem = Diagnostic::error(format!("`{text}` is no expression"), &place);
            problems.push(problem.hint("an expression is written without braces"));
        }
    }
    Some(Written { text, place })
}

/// Tells every string in a step that is no template though it looks like one.
fn check_templates(node: &Node, problems: &mut Diagnostics) {
    match &node.data {
        Data::Scalar(Value::String(text)) => {
            check::source(text, Form::Text, &node.place, problems);
        }
        Data::Scalar(_) => {}
        Data::List(list) => list.iter().for_each(|item| check_templates(item, problems)),
        Data::Table(entries) => entries.iter().for_each(|entry| check_templates(&entry.node, problems)),
    }
}

/// A step that becomes nobody in particular becomes root.
pub fn become_as(
    becomes: Option<&Node>,
    user: Option<Written>,
    problems: &mut Diagnostics,
) -> Option<Written> {
    let Some(node) = becomes else { return user };
    match (node.value(), user) {
        (Value::Bool(true), None) => Some(Written { text: "root".to_string(), place: node.place.clone() }),
        (Value::Bool(true), user) => user,
        (Value::Bool(false), _) => {
            let problem = Diagnostic::error("a step cannot give up what the connection became", &node.place);
            problems.push(problem.hint("name the user it should run as: become_user = \"deploy\""));
            None
        }
        _ => {
            problems.push(wrong_type(node, "a boolean"));
            None
        }
    }
}

pub fn is_environment(node: &Node, problems: &mut Diagnostics) -> bool {
    let entries = node.entries().unwrap_or_else(|| {
        problems.push(wrong_type(node, "a table"));
        &[]
    });
    for entry in entries.iter().filter(|entry| !matches!(entry.node.data, Data::Scalar(_))) {
        problems.push(wrong_type(&entry.node, "a string"));
    }
    node.entries().is_some()
}
