//! The eight places that set variables, weakest first: the command line's, all of one host's, and which one wins.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Host, Inventory};
use crate::model::Value;
use crate::playbook::{Playbook, params};
use crate::project::Project;
use crate::setting::{Origin, Setting, check_name};
use crate::source::{Node, Place, Source};
use crate::{template, yaml};
use std::fmt;
use std::path::Path;

/// Reads `--var` arguments: `name=value`, whose value is TOML or JSON when it parses as one and text otherwise; a JSON
/// object of names and values; or `@file`, which is TOML, YAML or JSON by its ending.
pub fn from_command_line(arguments: &[String], project: &Project) -> Result<Vec<Setting>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut settings = Vec::new();
    for argument in arguments {
        let read = match argument.strip_prefix('@') {
            Some(file) => from_file(file, project),
            None if argument.trim_start().starts_with('{') => from_object(argument),
            None => from_argument(argument).map(|setting| vec![setting]),
        };
        settings.extend(problems.keep(read).into_iter().flatten());
    }
    problems.unless_errors(settings)
}

fn from_argument(argument: &str) -> Result<Setting, Diagnostics> {
    let Some((name, text)) = argument.split_once('=') else {
        let problem = Diagnostic::elsewhere(format!("`--var {argument}` has no value"));
        return Err(problem.hint("write --var name=value, or --var @file").into());
    };
    let place = Place::outside(&format!("--var {name}"));
    let mut problems = Diagnostics::default();
    check_name(name, &place, &mut problems);
    let setting = Setting::new(name, toml_or_json_or_text(text), &place, Origin::CommandLine);
    problems.unless_errors(Setting { typed: Some(text.to_string()), ..setting })
}

fn from_object(argument: &str) -> Result<Vec<Setting>, Diagnostics> {
    let object = template::json_values(argument).map_err(|failure| {
        let problem = Diagnostic::elsewhere(format!("read --var {argument}: {}", failure.why));
        let hint = "a JSON object has its names in double quotes: --var '{\"port\": 8080}'";
        problem.hint(failure.hint.as_deref().unwrap_or(hint))
    })?;
    let mut problems = Diagnostics::default();
    let mut settings = Vec::new();
    for (name, value) in object {
        let place = Place::outside(&format!("--var {name}"));
        check_name(&name, &place, &mut problems);
        settings.push(Setting::new(&name, value, &place, Origin::CommandLine));
    }
    problems.unless_errors(settings)
}

fn toml_or_json_or_text(text: &str) -> Value {
    toml(text).or_else(|| template::json_value(text).ok()).unwrap_or_else(|| text.into())
}

fn toml(text: &str) -> Option<Value> {
    let parsed = Node::parse(&Source::new("--var", format!("value = {text}")));
    let value = parsed.ok().filter(|node| node.entries().is_some_and(|entries| entries.len() == 1));
    value.and_then(|node| node.get("value").map(Node::value))
}

fn from_file(file: &str, project: &Project) -> Result<Vec<Setting>, Diagnostics> {
    let source = project.read(Path::new(file))?;
    let mut problems = Diagnostics::default();
    let node = match Path::new(file).extension().and_then(|ending| ending.to_str()) {
        // YAML's own style with braces is JSON.
        Some("yaml" | "yml" | "json") => yaml::parse(&source, &mut problems),
        _ => Some(Node::parse(&source)?),
    };
    let Some(node) = node else { return problems.unless_errors(Vec::new()) };
    let settings = Setting::table(&node, &Origin::CommandLine, &mut problems);
    problems.unless_errors(settings)
}

/// Everything that sets variables for one host, weakest first. The steps' own come on top of it.
pub fn of_host(playbook: Option<&Playbook>, host: &Host, command_line: &[Setting]) -> Vec<Setting> {
    let defaults = playbook.into_iter().flat_map(|playbook| &playbook.params).filter(|param| !param.included);
    let defaults = defaults.filter_map(params::Param::setting);
    let vars = playbook.into_iter().flat_map(|playbook| playbook.vars.iter().cloned());
    defaults.chain(host.vars.iter().cloned()).chain(vars).chain(command_line.iter().cloned()).collect()
}

/// What `windlass explain var HOST.NAME` shows.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Every place that sets it, weakest first; the last one wins.
    pub settings: Vec<Setting>,
}

/// Every place that sets `name` for `host`, the playbook's steps included.
pub fn explain(
    inventory: &Inventory,
    playbook: Option<&Playbook>,
    command_line: &[Setting],
    host: &str,
    name: &str,
) -> Result<Explanation, Diagnostics> {
    let host = inventory.host(host).ok_or_else(|| {
        let names = inventory.hosts.iter().map(|host| host.name.as_str());
        Diagnostic::elsewhere(format!("there is no host called `{host}`")).nearest(host, names)
    })?;
    let mut all = of_host(playbook, host, command_line);
    all.extend(playbook.into_iter().flat_map(Playbook::settings_of_steps));
    all.sort_by_key(|setting| setting.origin.rank());
    let (settings, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|setting| setting.name == name);
    let secret = |param: &params::Param| param.name == name && param.kind == params::ParamKind::Secret;
    let settings = match playbook.is_some_and(|playbook| playbook.params.iter().any(secret)) {
        true => settings.into_iter().map(Setting::masked).collect(),
        false => settings,
    };
    if settings.is_empty() {
        let names = others.iter().map(|setting| setting.name.as_str());
        let problem = Diagnostic::elsewhere(format!("nothing sets `{name}` for {}", host.name));
        return Err(problem.nearest(name, names).into());
    }
    Ok(Explanation { settings })
}

impl fmt::Display for Explanation {
    /// A line each, weakest first; the winner is marked. Secrets are among them only as their places.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.settings.len().saturating_sub(1);
        for (at, setting) in self.settings.iter().enumerate() {
            let mark = if at == last { "→" } else { " " };
            writeln!(
                out,
                "{mark} {} = {}  ({}, {})",
                setting.name, setting.value, setting.origin, setting.place
            )?;
        }
        Ok(())
    }
}
