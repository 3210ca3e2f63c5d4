//! Keys that name a file of the project: what of it the step gets.

use super::arg::map_of;
use super::audits::Subject;
use super::scope::{Needs, Scope};
use super::step::{Maker, must_be_known};
use super::trees::Choice;
use crate::audit::usual;
use crate::model::arg::Arg;
use crate::model::nearest::nearest_or_all;
use crate::model::{Failure, Result, Value};
use crate::source::Entry;
use crate::step::KeyUse;
use crate::template::Form;
use serde_json::json;
use std::path::PathBuf;

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
            KeyUse::Asset => self.asset(name).map(|(asset, _)| Arg::Value(asset)),
            KeyUse::Image => self.image(name).map(Arg::Value),
            KeyUse::Tree => return self.tree(scope, name, entry),
            KeyUse::Backup => return self.backup(scope, name, entry),
            KeyUse::Texts => self.renderer.files.texts(name).map(|texts| Arg::Value(json!(texts))),
            KeyUse::Imports | KeyUse::Variables => return self.audited(scope, key_use, name, entry),
            KeyUse::Text
            | KeyUse::Expression
            | KeyUse::Known
            | KeyUse::Javascript
            | KeyUse::Group
            | KeyUse::Parents => self.renderer.files.text(name).map(|text| Arg::Value(text.into())),
        };
        self.keep(content, &entry.node.place)
    }

    /// A file that travels when the host asks for it: digest and size, and where it is.
    fn asset(&mut self, name: &str) -> Result<(Value, PathBuf)> {
        let (asset, path) = self.renderer.files.asset(name)?;
        let value = json!({ "digest": asset.digest, "size": asset.size });
        self.rendered.contents.files.insert(asset.digest, path.clone());
        Ok((value, path))
    }

    /// The same of an archive, and the images in it.
    fn image(&mut self, name: &str) -> Result<Value> {
        let (mut value, path) = self.asset(name)?;
        value["images"] = self.renderer.files.images(&path, name)?.into();
        Ok(value)
    }

    /// What an audit finds in a folder here, chosen by the step's other keys.
    fn audited(&mut self, scope: &Scope, key_use: KeyUse, name: &str, entry: &Entry) -> Option<Arg> {
        let exclude = self.choosing(scope, "exclude")?;
        let example = self.choosing(scope, "example")?;
        // A value of the wrong type is reported when the keys are read.
        let subject = Subject {
            key_use,
            source: name.to_string(),
            exclude: exclude.map_or_else(usual, |value| serde_json::from_value(value).unwrap_or_default()),
            example: example.and_then(|value| value.as_str().map(str::to_string)),
        };
        let folder = self.renderer.trees.find(name);
        let audited = folder.and_then(|folder| self.renderer.audits.of(&folder, subject));
        self.keep(audited, &entry.node.place).map(Arg::Value)
    }

    /// A folder or archive here, read with what the step's other keys choose of it.
    fn tree(&mut self, scope: &Scope, name: &str, entry: &Entry) -> Option<Arg> {
        let exclude = self.choosing(scope, "exclude")?;
        let strip = self.choosing(scope, "strip")?;
        // A value of the wrong type is reported when the keys are read.
        let choice = Choice {
            exclude: exclude.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default(),
            strip: strip.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default(),
        };
        let tree = self.renderer.trees.tree(name, &choice);
        let tree = self.keep(tree, &entry.node.place)?;
        let job = &mut self.rendered.work;
        if job.trees.insert(tree.name.clone(), tree.tree.clone()).is_none() {
            self.rendered.contents.trees.push(tree.contents.clone());
        }
        Some(Arg::Value(json!({ "source": name, "tree": tree.name })))
    }

    /// The value of a key that chooses what is read here, so that it must be known here.
    pub(super) fn choosing(&mut self, scope: &Scope, key: &str) -> Option<Option<Value>> {
        let entries = self.step.keys.entries().unwrap_or_default();
        let Some(entry) = entries.iter().find(|entry| entry.key == key) else { return Some(None) };
        let arg = scope.node(&entry.node, None, &mut self.needs);
        let known = self.problems.keep(arg)?.known();
        if known.is_none() {
            self.problems.push(must_be_known(&entry.node.place).label("it chooses what is read here"));
        }
        known.map(Some)
    }

    /// The rendered text of a file below `templates/`; what it includes goes along when it waits.
    fn template(&mut self, scope: &Scope, name: &str) -> Result<Arg> {
        let sources = self.renderer.templates.sources();
        let Some(source) = sources.get(name) else {
            let failure = Failure::new(format!("find the template {name}"), "templates/ does not have it");
            return Err(match nearest_or_all(name, sources.keys().map(String::as_str)) {
                Some(hint) => failure.hint(hint),
                None => failure.hint(format!("put it at templates/{name}")),
            });
        };
        let arg = scope.file(source, &mut self.needs).map_err(|failure| {
            let doing = failure.doing.replacen("the template", &format!("templates/{name}"), 1);
            Failure { doing, ..failure }
        })?;
        if matches!(arg, Arg::Template(_)) {
            for included in self.renderer.templates.included(source, Form::File) {
                let text = sources[&included].clone();
                self.rendered.work.templates.insert(included, text);
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
