//! One step of the playbook, made the step of a host's job.

use super::arg::map_of;
use super::scope::{Needs, Scope};
use super::{Rendered, Renderer};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::arg::Arg;
use crate::model::job::JobStep;
use crate::model::once::Once;
use crate::model::{Failure, Result, Value};
use crate::playbook::{Step, Written};
use crate::schema::Schema;
use crate::source::{Data, Entry, Node, what};
use crate::step::KeyUse;
use crate::template::{self, is_plain};
use serde_json::json;

/// A step's place in one host's job.
pub struct Here {
    /// As in [`JobStep::index`].
    pub index: u32,
    /// Why it is not done there, when that is known.
    pub skip: Option<String>,
    /// Who does it, when one host does it for all.
    pub once: Option<Once>,
}

/// Renders a step for a host, whose scope this is.
pub fn render(
    renderer: &Renderer,
    scope: &Scope,
    step: &Step,
    here: Here,
    rendered: &mut Rendered,
) -> Result<JobStep, Diagnostics> {
    let mut maker =
        Maker { renderer, step, needs: Needs::default(), rendered, problems: Diagnostics::default() };
    let job = maker.job_step(scope, here);
    let (needs, problems) = (maker.needs, maker.problems);
    problems.unless_errors(JobStep { vars: needs.vars, item_vars: needs.item_vars, ..job })
}

/// Makes one step.
pub(super) struct Maker<'a> {
    pub(super) renderer: &'a Renderer<'a>,
    pub(super) step: &'a Step,
    pub(super) needs: Needs,
    pub(super) rendered: &'a mut Rendered,
    pub(super) problems: Diagnostics,
}

/// A loop over at most this many known elements is checked element by element.
const CHECKED_ITEMS: usize = 200;

impl Maker<'_> {
    fn job_step(&mut self, scope: &Scope, here: Here) -> JobStep {
        let Here { index, skip, once } = here;
        let mut job = JobStep {
            index,
            kind: self.step.kind.name.to_string(),
            at: self.step.place.to_string(),
            loop_var: self.step.loop_var.clone(),
            register: self.registers(),
            ignore_errors: self.step.ignore_errors,
            no_log: self.step.no_log,
            key: self.renderer.key_of(index),
            play: self.step.play,
            once,
            blocks: self.step.blocks.clone(),
            ..JobStep::default()
        };
        let labels = if self.step.no_log { Vec::new() } else { scope.labels(self.step) };
        if job.once.as_ref().is_some_and(Once::is_elsewhere) {
            job.name = self.name(scope, true, &labels);
            return JobStep { skip, ..job };
        }
        let skip = skip.or_else(|| self.left_out_with_loop(scope));
        let items =
            self.step.items.as_ref().filter(|_| skip.is_none()).and_then(|node| self.items(scope, node));
        let inside = match self.step.items.is_some() {
            true => scope.with_item_waiting(&self.step.loop_var, known_elements(items.as_ref())),
            false => scope.clone(),
        };
        job.skip = skip.or_else(|| self.when(&inside, &mut job.when));
        job.name = self.name(&inside, job.skip.is_some(), &labels);
        if job.skip.is_none() {
            job.on = self.on(&inside, known_elements(items.as_ref()));
            job.items = items;
            job.label = self.label(&inside);
            self.add_rest(&inside, &mut job);
        }
        job
    }

    /// What `--var` sets is stronger than a result, which is not kept then.
    fn registers(&self) -> Option<String> {
        let name = self.step.register.as_ref()?;
        Some(name.text.clone()).filter(|name| !self.renderer.is_set_by_var(name))
    }

    /// Everything that matters only when the step is done.
    fn add_rest(&mut self, scope: &Scope, job: &mut JobStep) {
        let step = self.step;
        job.args = self.args(scope, job.items.as_ref());
        job.notify = self.renderer.keys_notified(&scope.host, job.index);
        job.become_user = step.become_user.as_ref().and_then(|user| self.known_text(scope, user));
        job.environment = self.environment(scope);
        job.retries = step.retries;
        job.delay = step.delay;
        job.timeout = step.timeout;
        job.background = step.background.as_ref().map(|background| background.within);
        job.waits_for = self.renderer.waits_for(&scope.host, job.index);
        let of_result = scope.with_result(job.register.as_deref());
        [job.until, job.changed_when, job.failed_when] = [&step.until, &step.changed_when, &step.failed_when]
            .map(|written| self.opinion(&of_result, written.as_ref()));
        if let Some(Arg::Value(Value::Array(items))) = &job.items {
            self.check_items(scope, items);
        } else if let Some(keys) = job.args.as_ref().and_then(Arg::known) {
            self.check_keys(&keys);
        }
    }

    pub(super) fn keep<T>(&mut self, result: Result<T>, at: &crate::source::Place) -> Option<T> {
        result.map_err(|failure| self.problems.push(Diagnostic::failure(&failure, at))).ok()
    }

    /// Its name, with the elements of the loops around it.
    fn name(&mut self, scope: &Scope, skipped: bool, labels: &[String]) -> Option<Arg> {
        let kind = || (!labels.is_empty()).then(|| Arg::Value(self.step.kind.name.into()));
        let name = match self.own_name(scope, skipped) {
            None => kind()?,
            Some(name) => name,
        };
        Some(named(name, labels))
    }

    fn own_name(&mut self, scope: &Scope, skipped: bool) -> Option<Arg> {
        let title = self.step.title();
        let name = match &self.step.name {
            Some(name) => name.clone(),
            None if title == self.step.kind.name => return None,
            None => Written { text: title, place: self.step.place.clone() },
        };
        let arg = scope.arg(&name.text.as_str().into(), &mut self.needs);
        match skipped {
            // A step that is not done may well have a name that cannot be rendered.
            true => Some(
                arg.ok()
                    .and_then(|arg| arg.known())
                    .map_or_else(|| Arg::Value(name.text.clone().into()), Arg::Value),
            ),
            // What a step is about is left out where it is not known; its keys say what is wrong.
            false if self.step.name.is_none() => arg.ok(),
            false => self.keep(arg, &name.place),
        }
    }

    fn label(&mut self, scope: &Scope) -> Option<Arg> {
        let label = self.step.label.as_ref()?;
        let arg = scope.arg(&label.text.as_str().into(), &mut self.needs);
        self.keep(arg, &label.place)
    }

    /// Why a step with a loop is left out whatever its elements are: its list need not be there then.
    fn left_out_with_loop(&self, scope: &Scope) -> Option<String> {
        let (when, _) = (self.step.when.as_ref()?, self.step.items.as_ref()?);
        let scope = scope.with_item_waiting(&self.step.loop_var, None);
        let truth = scope.truth(&when.text, &mut Needs::default());
        matches!(truth, Ok(Some(false))).then(|| format!("when {} is false", when.text))
    }

    /// Decides `when` if that is possible here: says why the step is skipped, or leaves the expression to the host.
    fn when(&mut self, scope: &Scope, left: &mut Option<String>) -> Option<String> {
        let when = self.step.when.as_ref()?;
        let truth = scope.truth(&when.text, &mut self.needs);
        match self.keep(truth, &when.place)? {
            Some(true) => None,
            Some(false) => Some(format!("when {} is false", when.text)),
            None => {
                *left = Some(when.text.clone());
                None
            }
        }
    }

    /// The loop's list. A string without braces is an expression.
    pub(super) fn items(&mut self, scope: &Scope, node: &Node) -> Option<Arg> {
        let arg = match node.as_str().filter(|text| is_plain(text)) {
            Some(expression) => {
                let value = scope.expression(expression, &mut self.needs);
                let waits = Arg::Template(format!("{{{{ {expression} }}}}"));
                self.keep(value, &node.place)?.map_or(waits, Arg::Value)
            }
            None => {
                let arg = scope.node(node, None, &mut self.needs);
                self.problems.keep(arg)?
            }
        };
        match &arg {
            Arg::Value(value) if !value.is_array() => {
                let problem =
                    Diagnostic::error(format!("a loop needs a list, this is {}", what(value)), &node.place);
                let hint = value
                    .is_object()
                    .then(|| problem.clone().hint("make a list of the map with `| dict2items`"));
                self.problems.push(hint.unwrap_or(problem));
                None
            }
            _ => Some(arg),
        }
    }

    /// Something that must be known here, whatever the host says.
    pub(super) fn known_text(&mut self, scope: &Scope, written: &Written) -> Option<String> {
        let arg = scope.arg(&written.text.as_str().into(), &mut self.needs);
        match self.keep(arg, &written.place)?.known() {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.problems.push(Diagnostic::error(
                    format!("expected a string, this gives {}", what(&other)),
                    &written.place,
                ));
                None
            }
            None => {
                self.problems.push(must_be_known(&written.place));
                None
            }
        }
    }

    fn environment(&mut self, scope: &Scope) -> Vec<(String, Arg)> {
        let mut environment = Vec::new();
        for entry in self.step.environment.as_ref().and_then(Node::entries).unwrap_or_default() {
            let arg = scope.node(&entry.node, None, &mut self.needs);
            let arg = self.problems.keep(arg).map(|arg| match arg {
                Arg::Value(value) if !value.is_string() && !value.is_null() => {
                    Arg::Value(value.to_string().into())
                }
                arg => arg,
            });
            // What is omitted is not set.
            let set = arg.filter(|arg| *arg != Arg::Value(Value::Null));
            environment.extend(set.map(|arg| (entry.key.clone(), arg)));
        }
        environment
    }

    /// `until`, `changed_when` and `failed_when` are the host's to judge, even when they are constant.
    fn opinion(&mut self, scope: &Scope, written: Option<&Written>) -> Option<String> {
        let written = written?;
        // With something that waits beside it, every variable of the expression is sent along.
        let source = format!("[result, ({})]", written.text);
        let sent = scope
            .expression(&source, &mut self.needs)
            .map_err(|failure| Failure { doing: format!("evaluate `{}`", written.text), ..failure });
        self.keep(sent, &written.place).map(|_| written.text.clone())
    }

    fn args(&mut self, scope: &Scope, items: Option<&Arg>) -> Option<Arg> {
        let mut args = Vec::new();
        let mut whole = true;
        let (step, renderer) = (self.step, self.renderer);
        if step.kind.waits {
            // Names as they are written: which steps they mean is known.
            return Some(Arg::Value(step.keys.value()));
        }
        // What `--var` sets, `set` does not set.
        let stronger = |entry: &&Entry| step.kind.sets && renderer.is_set_by_var(&entry.key);
        for entry in step.keys.entries().unwrap_or_default().iter().filter(|entry| !stronger(entry)) {
            match self.key(scope, entry, items) {
                // A param without a value: the key is as good as not there. A variable can be none.
                Some(Arg::Value(Value::Null)) if !step.kind.sets => {}
                Some(arg) => args.push((entry.key.clone(), arg)),
                None => whole = false,
            }
        }
        whole.then(|| map_of(args))
    }

    fn key(&mut self, scope: &Scope, entry: &Entry, items: Option<&Arg>) -> Option<Arg> {
        let key_use =
            self.step.kind.keys.iter().find(|(key, _)| *key == entry.key).map(|(_, key_use)| *key_use);
        match key_use {
            None | Some(KeyUse::Javascript | KeyUse::Group | KeyUse::Parents) => {
                let schema = self.renderer.schemas.get(self.step.kind.name).map(Schema::new);
                let schema = schema.and_then(|schema| schema.inside(Some(&entry.key)));
                let arg = scope.node(&entry.node, schema, &mut self.needs);
                self.problems.keep(arg)
            }
            Some(KeyUse::Expression) => self.expressions(scope, &entry.node),
            Some(KeyUse::Known) => self.known_here(scope, entry),
            Some(key_use) => self.file_key(scope, key_use, entry, items),
        }
    }

    /// A value that the controller needs itself.
    fn known_here(&mut self, scope: &Scope, entry: &Entry) -> Option<Arg> {
        let schema = self.renderer.schemas.get(self.step.kind.name).map(Schema::new);
        let schema = schema.and_then(|schema| schema.inside(Some(&entry.key)));
        let arg = scope.node(&entry.node, schema, &mut self.needs);
        let known = self.problems.keep(arg)?.known();
        if known.is_none() {
            self.problems.push(must_be_known(&entry.node.place));
        }
        known.map(Arg::Value)
    }

    fn expressions(&mut self, scope: &Scope, node: &Node) -> Option<Arg> {
        if let Data::List(list) = &node.data {
            let args: Option<Vec<Arg>> = list.iter().map(|item| self.expressions(scope, item)).collect();
            let list = Arg::List(args?);
            return Some(list.known().map_or(list, Arg::Value));
        }
        let source = node.as_str().map_or_else(|| node.value().to_string(), str::to_string);
        let value = scope.expression(&source, &mut self.needs);
        let value = self.keep(value, &node.place)?;
        Some(match value {
            Some(value) => Arg::Value(json!({ "expression": source, "value": value })),
            None => Arg::Expression(source),
        })
    }

    /// Renders the keys for each item, as the host will, to find what would fail there.
    fn check_items(&mut self, scope: &Scope, items: &[Value]) {
        let place = &self.step.place;
        for item in items.iter().take(CHECKED_ITEMS) {
            let scope = scope.with_item(&self.step.loop_var, item, place);
            let runs = self
                .step
                .when
                .as_ref()
                .map_or(Ok(Some(true)), |when| scope.truth(&when.text, &mut Needs::default()));
            if !matches!(runs, Ok(Some(true))) {
                continue;
            }
            let needs = std::mem::take(&mut self.needs);
            self.label(&scope);
            let keys = self.args(&scope, None);
            self.needs = needs;
            if let Some(keys) = keys.and_then(|keys| keys.known()) {
                self.check_keys(&keys);
            }
        }
    }

    /// Reads the rendered keys as the host will.
    fn check_keys(&mut self, keys: &Value) {
        if let Err(wrong) = (self.step.kind.parse)(keys) {
            let place = match wrong.path.as_str() {
                "" => &self.step.place,
                path => self.step.keys.place_of(path),
            };
            let key = if wrong.path.is_empty() { String::new() } else { format!(".{}", wrong.path) };
            self.problems
                .push(Diagnostic::error(format!("{}{key}: {}", self.step.kind.name, wrong.why), place));
        }
    }
}

/// The elements of a loop's list, where they are known.
fn known_elements(items: Option<&Arg>) -> Option<&Vec<Value>> {
    match items {
        Some(Arg::Value(Value::Array(elements))) => Some(elements),
        _ => None,
    }
}

/// Whether a text names something: it stands there as a word of its own.
fn names(text: &str, name: &str) -> bool {
    if name.is_empty() {
        return true;
    }
    let is_end = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(name).any(|(at, _)| {
        is_end(text[..at].chars().next_back()) && is_end(text[at + name.len()..].chars().next())
    })
}

/// A name with what distinguishes the elements that it is for.
fn named(name: Arg, labels: &[String]) -> Arg {
    let missing = |text: &str| labels.iter().filter(|label| !names(text, label)).cloned().collect::<Vec<_>>();
    match name {
        Arg::Value(Value::String(text)) => {
            let more = missing(&text).iter().map(|label| format!(": {label}")).collect::<String>();
            Arg::Value((text + &more).into())
        }
        Arg::Template(text) => {
            let literal = |label: &String| format!(": {}", template::literal(label));
            let more = missing(&text).iter().map(literal).collect::<String>();
            Arg::Template(text + &more)
        }
        other => other,
    }
}

/// The list of a loop around several steps that waits.
pub(super) fn unknown_list(place: &crate::source::Place) -> Diagnostic {
    must_be_known(place)
        .label("a loop around several steps")
        .hint("give the steps a `loop` each: theirs may be over facts and results")
}

/// A value that waits where that cannot be.
pub(super) fn must_be_known(place: &crate::source::Place) -> Diagnostic {
    Diagnostic::error("this must be known before a host is contacted", place)
        .hint("it cannot depend on facts, registered results or an unknown loop")
}
