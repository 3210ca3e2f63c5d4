//! Values whose strings are templates: rendered where everything in them is known, left to the host where not.

use super::scope::{Needs, Scope, State};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::arg::Arg;
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Result, Value, Values};
use crate::schema::Schema;
use crate::source::{Data, Node};
use crate::template::{is_guarded, is_plain};
use minijinja::value::Serde;

impl Scope<'_> {
    /// Everything in a node, rendered where that is possible. Where the schema wants text, numbers become text.
    pub fn node(&self, node: &Node, schema: Option<Schema>, needs: &mut Needs) -> Result<Arg, Diagnostics> {
        let mut problems = Diagnostics::default();
        let inside = |key: Option<&str>| schema.and_then(|schema| schema.inside(key));
        let arg = match &node.data {
            Data::Scalar(Value::String(source)) if schema.is_some_and(Schema::is_text) => {
                let arg = self.text(source, needs);
                problems.keep(arg.map_err(|failure| Diagnostic::failure(&failure, &node.place).into()))
            }
            Data::Scalar(value) => {
                let arg = self
                    .arg(value, needs)
                    .map_err(|failure| Diagnostic::failure(&failure, &node.place).into());
                problems.keep(arg)
            }
            Data::List(list) => {
                let args: Vec<_> =
                    list.iter().map(|item| problems.keep(self.node(item, inside(None), needs))).collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(list_of)
            }
            Data::Table(entries) => {
                let pair = |entry: &crate::source::Entry| {
                    Some((
                        entry.key.clone(),
                        problems.keep(self.node(&entry.node, inside(Some(&entry.key)), needs))?,
                    ))
                };
                let args: Vec<_> = entries.iter().map(pair).collect();
                args.into_iter().collect::<Option<Vec<_>>>().map(map_of)
            }
        };
        arg.ok_or(problems)
    }

    /// A value whose strings are templates, rendered where that is possible.
    pub fn arg(&self, value: &Value, needs: &mut Needs) -> Result<Arg> {
        match value {
            Value::String(source) => self.template(source, needs),
            Value::Array(list) => {
                list.iter().map(|item| self.arg(item, needs)).collect::<Result<_>>().map(list_of)
            }
            Value::Object(map) => {
                let pair = |(key, value): (&String, &Value)| Ok((key.clone(), self.arg(value, needs)?));
                map.iter().map(pair).collect::<Result<_>>().map(map_of)
            }
            other => Ok(Arg::Value(other.clone())),
        }
    }

    fn template(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        if is_plain(source) {
            return Ok(Arg::Value(source.into()));
        }
        match self.context(source, false, needs)? {
            Some(context) => self.hinted(self.templates.value(source, &context)).map(Arg::Value),
            None => Ok(Arg::Template(source.to_string())),
        }
    }

    /// A string whose result is text where it would be a number or a boolean, on the host too.
    fn text(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        Ok(match self.template(source, needs)? {
            Arg::Value(value) if value.is_number() || value.is_boolean() => {
                Arg::Value(value.to_string().into())
            }
            Arg::Template(source) => Arg::Template(self.templates.giving_text(&source)),
            arg => arg,
        })
    }

    /// The text of a template file, which stays text even when it is one expression.
    pub fn file(&self, source: &str, needs: &mut Needs) -> Result<Arg> {
        match self.context(source, false, needs)? {
            Some(context) => {
                self.hinted(self.templates.text(source, &context)).map(|text| Arg::Value(text.into()))
            }
            // Something in front makes it more than one expression, so it gives text there too.
            None => Ok(Arg::Template(format!("{{{{ '' }}}}{source}"))),
        }
    }

    /// An expression's value, or `None` when it waits.
    pub fn expression(&self, source: &str, needs: &mut Needs) -> Result<Option<Value>> {
        let context = self.context(source, true, needs)?;
        context.map(|context| self.hinted(self.templates.expression(source, &context))).transpose()
    }

    /// Whether an expression holds, or `None` when it waits.
    pub fn truth(&self, source: &str, needs: &mut Needs) -> Result<Option<bool>> {
        let context = self.context(source, true, needs)?;
        context.map(|context| self.hinted(self.templates.truth(source, &context))).transpose()
    }

    /// The values that a template refers to; `None` when one of them waits, and then they are needed there.
    fn context(
        &self,
        source: &str,
        as_expression: bool,
        needs: &mut Needs,
    ) -> Result<Option<minijinja::Value>> {
        let names = self.renderer.names.of(self.templates, source, as_expression)?;
        let mut known = Values::new();
        let mut waits = false;
        for name in names.iter() {
            match self.state(name)? {
                State::Known(value) => drop(known.insert(name.clone(), value)),
                State::Waiting => waits = true,
                State::Unset => {}
            }
        }
        if !waits {
            return Ok(Some(minijinja::Value::from(Serde(known))));
        }
        for name in names.iter() {
            self.check_set(name, source)?;
            self.need(name, needs)?;
        }
        Ok(None)
    }

    /// What the host would find undefined is told here already.
    fn check_set(&self, name: &str, source: &str) -> Result<()> {
        match self.state(name)? {
            State::Unset if !is_guarded(name, source) => {
                let doing = format!("render `{}`", source.trim());
                Err(self.with_nearest(Failure::new(doing, format!("`{name}` is undefined")), name))
            }
            _ => Ok(()),
        }
    }

    fn hinted<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|failure| {
            let name = failure.why.strip_prefix('`').and_then(|rest| rest.strip_suffix("` is undefined"));
            match name.map(str::to_string) {
                Some(name) if failure.hint.is_none() => self.with_nearest(failure, &name),
                _ => failure,
            }
        })
    }

    fn with_nearest(&self, failure: Failure, name: &str) -> Failure {
        let known = self.slots.keys().chain(&self.roots).map(String::as_str);
        match did_you_mean(name, known) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn list_of(args: Vec<Arg>) -> Arg {
    let list = Arg::List(args);
    list.known().map_or(list, Arg::Value)
}

/// A map of arguments, a plain value when nothing in it waits.
pub fn map_of(args: Vec<(String, Arg)>) -> Arg {
    let map = Arg::Map(args);
    map.known().map_or(map, Arg::Value)
}
