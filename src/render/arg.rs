//! Values whose strings are templates: rendered where everything in them is known, left to the host where not.

use super::scope::{Needs, Scope, State};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::arg::Arg;
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Result, Value, Values};
use crate::schema::Schema;
use crate::source::{Data, Node, Place};
use crate::template::{Datum, Form, Names, OMITTED, Scanned, Templates, is_function, is_plain};

impl Scope<'_> {
    /// Everything in a node, rendered where that is possible. Where the schema wants text, numbers become text. What is
    /// omitted is none.
    pub fn node(&self, node: &Node, schema: Option<Schema>, needs: &mut Needs) -> Result<Arg, Diagnostics> {
        self.node_or_omitted(node, schema, needs).map(none_when_omitted)
    }

    fn node_or_omitted(
        &self,
        node: &Node,
        schema: Option<Schema>,
        needs: &mut Needs,
    ) -> Result<Arg, Diagnostics> {
        let mut problems = Diagnostics::default();
        let inside = |key: Option<&str>| schema.and_then(|schema| schema.inside(key));
        let arg = match &node.data {
            Data::Scalar(Value::String(source)) if schema.is_some_and(Schema::is_text) => {
                let arg = self.text(source, needs);
                problems.keep(arg.map_err(|failure| Diagnostic::failure(&failure, &node.place).into()))
            }
            Data::Scalar(value) => {
                let arg = self
                    .arg_or_omitted(value, needs)
                    .map_err(|failure| Diagnostic::failure(&failure, &node.place).into());
                problems.keep(arg)
            }
            Data::List(list) => {
                let args: Vec<_> = list
                    .iter()
                    .map(|item| problems.keep(self.node_or_omitted(item, inside(None), needs)))
                    .collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(list_of)
            }
            Data::Table(entries) => {
                let pair = |entry: &crate::source::Entry| {
                    Some((
                        entry.key.clone(),
                        problems.keep(self.node_or_omitted(&entry.node, inside(Some(&entry.key)), needs))?,
                    ))
                };
                let args: Vec<_> = entries.iter().map(pair).collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(map_of)
            }
        };
        arg.ok_or(problems)
    }

    /// A value whose strings are templates, rendered where that is possible. What is omitted is none.
    pub fn arg(&self, value: &Value, needs: &mut Needs) -> Result<Arg> {
        self.arg_or_omitted(value, needs).map(none_when_omitted)
    }

    /// The same, where what is omitted stays so: a variable hands it on.
    pub(super) fn arg_or_omitted(&self, value: &Value, needs: &mut Needs) -> Result<Arg> {
        match value {
            Value::String(source) => self.template(source, needs),
            Value::Array(list) => {
                list.iter().map(|item| self.arg_or_omitted(item, needs)).collect::<Result<_>>().map(list_of)
            }
            Value::Object(map) => {
                let pair =
                    |(key, value): (&String, &Value)| Ok((key.clone(), self.arg_or_omitted(value, needs)?));
                map.iter().map(pair).collect::<Result<_>>().map(map_of)
            }
            other => Ok(Arg::Value(other.clone())),
        }
    }

    fn template(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        if is_plain(source) {
            return Ok(Arg::Value(source.into()));
        }
        let source = &self.with_found(source, Form::Text, needs)?;
        match self.context(source, Form::Text, needs)? {
            Some(context) => self.templates.value(source, &context).map(Arg::Value),
            None => Ok(Arg::Template(source.to_string())),
        }
    }

    /// A string whose result is text where it would be a number or a boolean, on the host too.
    fn text(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        Ok(match self.template(source, needs)? {
            Arg::Value(value) if value.is_number() || value.is_boolean() => {
                Arg::Value(Datum::of(&value).to_text().unwrap_or_default().into())
            }
            Arg::Template(source) => Arg::Template(self.templates.giving_text(&source)),
            arg => arg,
        })
    }

    /// The text of a template file, which stays text even when it is one expression.
    pub fn file(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        // As Jinja has it, every line of a template ends with a line feed.
        let source = &self.with_found(&source.replace("\r\n", "\n"), Form::File, needs)?;
        match self.context(source, Form::File, needs)? {
            Some(context) => self.templates.text(source, &context).map(|text| Arg::Value(text.into())),
            None => Ok(Arg::Template(Templates::as_file(source))),
        }
    }

    /// An expression's value, or `None` when it waits.
    pub fn expression(&self, source: &str, needs: &mut Needs) -> Result<Option<Value>> {
        let context = self.context(source, Form::Expression, needs)?;
        context.map(|context| self.templates.expression(source, &context)).transpose()
    }

    /// Whether an expression holds, or `None` when it waits.
    pub fn truth(&self, source: &str, needs: &mut Needs) -> Result<Option<bool>> {
        let context = self.context(source, Form::Expression, needs)?;
        context.map(|context| self.templates.truth(source, &context)).transpose()
    }

    /// The values that a template refers to; `None` when one of them waits, and then they are needed there.
    fn context(&self, source: &str, form: Form, needs: &mut Needs) -> Result<Option<Seen<'_>>> {
        let names = self.renderer.names.of(self.templates, source, form)?;
        let mut known = Values::new();
        let mut waits = false;
        for name in names.iter() {
            match self.state_in(name, source, form)? {
                State::Known(value) => drop(known.insert(name.clone(), value)),
                State::Waiting => waits = true,
                State::Unset => {}
            }
        }
        if !waits {
            return Ok(Some(Seen { scope: self, known }));
        }
        let looks_up = |scanned: &Scanned| !scanned.lookups.is_empty();
        if form == Form::Expression
            && self.templates.scanned(source, form).is_ok_and(|scanned| looks_up(&scanned))
        {
            let why = "the host decides it, and what is looked up on the controller is not there";
            return Err(Failure::new(format!("evaluate `{}`", source.trim()), why).hint(
                "give what is looked up to a variable of the step: vars = { found = \"{{ lookup(…) }}\" }",
            ));
        }
        for name in names.iter().filter(|name| !name.starts_with(FOUND)) {
            if self.is_of_others(name) {
                let (value, _) = self.others(source, form)?;
                self.need_value(name, value, needs);
                continue;
            }
            self.check_set(name, source, form)?;
            self.need(name, needs)?;
        }
        Ok(None)
    }

    /// What the host would find undefined is shown here already.
    fn check_set(&self, name: &str, source: &str, form: Form) -> Result<()> {
        let guards = || self.templates.scanned(source, form).is_ok_and(|scanned| scanned.guards(name));
        match self.state(name)? {
            State::Unset if !is_function(name) && !guards() => {
                let doing = format!("render `{}`", source.trim());
                let failure = Failure::new(doing, format!("`{name}` is undefined"));
                Err(self.with_nearest(failure, name))
            }
            _ => Ok(()),
        }
    }

    /// The source with what is looked up on the controller put in as variables, when the rest of it waits for the host.
    fn with_found(&self, source: &str, form: Form, needs: &mut Needs) -> Result<String> {
        let scanned = match self.templates.scanned(source, form) {
            Ok(scanned) if !scanned.lookups.is_empty() => scanned,
            _ => return Ok(source.to_string()),
        };
        let names = self.renderer.names.of(self.templates, source, form)?;
        let waits = names.iter().map(|name| self.state(name)).collect::<Result<Vec<_>>>()?;
        if !waits.iter().any(|state| matches!(state, State::Waiting)) {
            return Ok(source.to_string());
        }
        let mut replaced = source.to_string();
        for (range, names) in scanned.lookups.iter().rev() {
            let expression = &source[range.clone()];
            let waits = names.iter().any(|name| matches!(self.state(name), Ok(State::Waiting)));
            let variable = format!("{FOUND}{}", needs.vars.len());
            let (value, put) = match (waits, &self.elements) {
                (true, Some((item, elements))) => {
                    let of_each =
                        elements.iter().map(|element| self.looked_up_for(expression, item, element));
                    let found = of_each.collect::<Result<Values>>()?;
                    (found.into(), format!("{variable}[{item} | to_json]"))
                }
                _ => (self.looked_up(expression)?, variable.clone()),
            };
            needs.vars.push((variable, Arg::Value(value)));
            replaced.replace_range(range.clone(), &put);
        }
        Ok(replaced)
    }

    /// What is looked up for one element of the loop, under the element as JSON.
    fn looked_up_for(&self, expression: &str, item: &str, element: &Value) -> Result<(String, Value)> {
        let scope = self.with_item(item, element, &Place::outside(item));
        let key = scope.looked_up(&format!("{item} | to_json"))?;
        Ok((key.as_str().unwrap_or_default().to_string(), scope.looked_up(expression)?))
    }

    fn looked_up(&self, expression: &str) -> Result<Value> {
        let names = self.renderer.names.of(self.templates, expression, Form::Expression)?;
        let waits = names.iter().map(|name| self.state(name)).collect::<Result<Vec<_>>>()?;
        if waits.iter().any(|state| matches!(state, State::Waiting)) {
            return Err(Failure::new(
                format!("evaluate `{expression}`"),
                "it is looked up before a host is contacted",
            )
            .hint("it cannot depend on facts, registered results or the item of an unknown loop"));
        }
        match self.context(expression, Form::Expression, &mut Needs::default())? {
            Some(context) => self.templates.expression(expression, &context),
            None => Ok(Value::Null),
        }
    }

    fn with_nearest(&self, failure: Failure, name: &str) -> Failure {
        match did_you_mean(name, self.known_names().iter().map(String::as_str)) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    fn known_names(&self) -> Vec<String> {
        self.slots.keys().chain(&self.roots).cloned().collect()
    }
}

/// What is looked up on the controller is put into templates that wait under names that begin so.
const FOUND: &str = "windlass_found_";

/// The variables that a template refers to, and for hints the names of all others.
struct Seen<'a> {
    scope: &'a Scope<'a>,
    known: Values,
}

impl Names for Seen<'_> {
    fn get(&self, name: &str) -> Option<Datum> {
        if let Some(value) = self.known.get(name) {
            return Some(Datum::of(value));
        }
        // A name that only the template itself finds out: `lookup('vars', name)`, and those of what it looks up.
        match self.scope.state(name) {
            Ok(State::Known(value)) if !self.scope.is_of_others(name) => Some(Datum::of(&value)),
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        self.scope.known_names()
    }
}

fn none_when_omitted(arg: Arg) -> Arg {
    if is_omitted(&arg) { Arg::Value(Value::Null) } else { arg }
}

fn is_omitted(arg: &Arg) -> bool {
    matches!(arg, Arg::Value(Value::String(text)) if text == OMITTED)
}

fn list_of(args: Vec<Arg>) -> Arg {
    let list = Arg::List(args.into_iter().filter(|arg| !is_omitted(arg)).collect());
    list.known().map_or(list, Arg::Value)
}

/// A map of arguments, a plain value when nothing in it waits.
pub fn map_of(args: Vec<(String, Arg)>) -> Arg {
    let map = Arg::Map(args.into_iter().filter(|(_, arg)| !is_omitted(arg)).collect());
    map.known().map_or(map, Arg::Value)
}
