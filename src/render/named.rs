//! Keys that name a file of the project: what of it the step gets.

use super::arg::map_of;
use super::scope::{Needs, Scope};
use super::step::{Maker, must_be_known};
use super::audits::Subject;
use crate::audit::skip::Skip;
use crate::model::arg::Arg;
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Result, Value};
use crate::source::Entry;
use crate::step::KeyUse;
use serde_json::json;

impl Maker<'_> {
    /// A key that names a file here. Inside a loop the name may be the item's.
    pub(super) fn file_key(
        &mut self,
        scope: &Scope,
        key_use: KeyUse,
        entry: &Entry,
        items: Option<&Arg>,
    ) -> Option<Arg> {
        let arg = scope.node(&entry.node, None, &mut self.needs);
        match (self.problems.keep(arg)?, items) {
            (Arg::Value(Value::String(name)), _) => self.content(scope, key_use, &name, entry),
            (Arg::Value(other), _) => Some(Arg::Value(other)),
            (Arg::Template(source), Some(Arg::Value(Value::Array(items)))) => {
                self.content_of_items(scope, key_use, &source, items, entry)
            }
            _ => {
                self.problems.push(must_be_known(&entry.node.place).label("the name of a file here"));
                None
            }
        }
    }

    fn content(&mut self, scope: &Scope, key_use: KeyUse, name: &str, entry: &Entry) -> Option<Arg> {
        let content = match key_use {
            KeyUse::Template => self.template(scope, name),
            KeyUse::Asset => self.renderer.files.asset(name).map(|(asset, path)| {
                let arg = Arg::Value(json!({ "digest": asset.digest, "size": asset.size }));
                self.rendered.assets.insert(asset.digest, path);
                arg
            }),
            KeyUse::Imports | KeyUse::Variables => {
                let subject = self.subject(scope, key_use, name)?;
                self.renderer.audits.of(&subject).map(Arg::Value)
            }
            KeyUse::Text | KeyUse::Expression => {
                self.renderer.files.text(name).map(|text| Arg::Value(text.into()))
            }
        };
        self.keep(content, &entry.node.place)
    }

    /// A folder that is looked through, and what the keys beside its own say of how.
    fn subject(&mut self, scope: &Scope, key_use: KeyUse, name: &str) -> Option<Subject> {
        let mut beside = |key: &str| {
            let entry = self.step.keys.entries()?.iter().find(|entry| entry.key == key)?;
            let arg = scope.node(&entry.node, None, &mut self.needs);
            let known = self.problems.keep(arg)?.known();
            if known.is_none() {
                self.problems.push(must_be_known(&entry.node.place));
            }
            known
        };
        let (exclude, example) = (beside("exclude"), beside("example"));
        let exclude = exclude.filter(|value| !value.is_null()).map_or_else(|| Ok(Skip::usual()), serde_json::from_value);
        // What does not fit is told where the step's keys are checked.
        let example = example.and_then(|value| value.as_str().map(str::to_string));
        Some(Subject { key_use, source: name.to_string(), exclude: exclude.unwrap_or_default(), example })
    }

    /// The rendered text of a file below `templates/`; what it includes goes along when it waits.
    fn template(&mut self, scope: &Scope, name: &str) -> Result<Arg> {
        let sources = self.renderer.templates.sources();
        let Some(source) = sources.get(name) else {
            let failure = Failure::new(format!("find the template {name}"), "templates/ does not have it");
            return Err(match did_you_mean(name, sources.keys().map(String::as_str)) {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
        };
        let arg = scope.file(source, &mut self.needs).map_err(|failure| {
            let doing = failure.doing.replacen("the template", &format!("templates/{name}"), 1);
            Failure { doing, ..failure }
        })?;
        if matches!(arg, Arg::Template(_)) {
            for included in self.renderer.templates.included(source) {
                let text = sources[&included].clone();
                self.rendered.job.templates.insert(included, text);
            }
        }
        Ok(arg)
    }

    /// The contents for all items of a known loop, as a step variable in which the host finds the item's by name.
    fn content_of_items(
        &mut self,
        scope: &Scope,
        key_use: KeyUse,
        source: &str,
        items: &[Value],
        entry: &Entry,
    ) -> Option<Arg> {
        let mut contents: Vec<(String, Arg)> = Vec::new();
        for item in items {
            let of_item = scope.with_item(&self.step.loop_var, item, &entry.node.place);
            let name = of_item.arg(&source.into(), &mut Needs::default());
            let Some(Value::String(name)) = self.keep(name, &entry.node.place)?.known() else {
                self.problems.push(must_be_known(&entry.node.place).label("the name of a file here"));
                return None;
            };
            let content = self.content(&of_item, key_use, &name, entry)?;
            let differs = contents.iter().any(|(known, other)| *known == name && *other != content);
            if content.known().is_none() || differs {
                let problem = must_be_known(&entry.node.place)
                    .hint("use the template's name itself, not one that the item gives");
                self.problems.push(problem);
                return None;
            }
            contents.push((name, content));
        }
        contents.dedup();
        let variable = format!("windlass_{}", entry.key);
        self.needs.vars.push((variable.clone(), map_of(contents)));
        let name = self.renderer.templates.as_expression(source)?;
        Some(Arg::Template(format!("{{{{ {variable}[{name}] }}}}")))
    }
}
