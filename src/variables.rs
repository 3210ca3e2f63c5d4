//! Variables and the eight places that set them, weakest first. Every value keeps where it came from.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Host, Inventory};
use crate::model::Value;
use crate::playbook::{Playbook, params};
use crate::project::Project;
use crate::source::{Node, Place, Source};
use std::fmt;
use std::path::Path;

/// Names that windlass gives itself: what is known of the host, and what is read there.
pub const RESERVED: &[&str] = &["facts", "host", "inventory_hostname", "groups", "group_names"];

/// One place that sets a variable.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// What it is set to; strings in it may be templates.
    pub value: Value,
    /// Where that is written.
    pub place: Place,
    /// Which of the eight places that is.
    pub origin: Origin,
    /// Its strings are text even where they look like templates: a program made them.
    pub literal: bool,
    /// What was typed, for a value of the command line.
    pub typed: Option<String>,
}

/// The places that set variables, weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `default` of a playbook's param.
    Default,
    /// `[vars]` of an inventory file.
    File(String),
    /// `vars` of a group; parents come before children.
    Group(String),
    /// `vars` of a host.
    Host(String),
    /// `vars` of the playbook.
    Playbook,
    /// `vars` of a step, or of the step that includes it.
    Step(String),
    /// `register` of a step.
    Registered(String),
    /// `--var`.
    CommandLine,
}

impl Setting {
    /// All entries of a `vars` table.
    pub fn table(node: &Node, origin: &Origin, problems: &mut Diagnostics) -> Vec<Setting> {
        let entries = node.entries().unwrap_or_else(|| {
            problems.push(crate::keys::wrong_type(node, "a table"));
            &[]
        });
        let mut settings = Vec::new();
        for entry in entries {
            check_name(&entry.key, &entry.place, problems);
            settings.push(Setting::new(&entry.key, entry.node.value(), &entry.node.place, origin.clone()));
        }
        settings
    }

    /// The setting of a secret as it may be shown: where the secret is, but not what it is.
    fn masked(self) -> Setting {
        let shown =
            self.value.as_str().is_some_and(|text| text.starts_with("env:") || text.starts_with("file:"));
        let value = if shown { self.value.clone() } else { "•••".into() };
        Setting { value, typed: None, ..self }
    }

    /// A value in a file.
    pub fn new(name: &str, value: Value, place: &Place, origin: Origin) -> Setting {
        Setting { name: name.to_string(), value, place: place.clone(), origin, literal: false, typed: None }
    }
}

/// Tells a name that no expression could refer to, or that windlass uses itself.
pub fn check_name(name: &str, place: &Place, problems: &mut Diagnostics) {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || !name.bytes().all(letters)
    {
        problems.push(
            Diagnostic::error(format!("`{name}` cannot be the name of a variable"), place)
                .hint("use letters, digits and `_`, with a letter first"),
        );
    } else if RESERVED.contains(&name) {
        problems.push(Diagnostic::error(format!("`{name}` is what windlass itself calls something"), place));
    }
}

/// Reads `--var` arguments: `name=value`, whose value is TOML when it parses as TOML and text otherwise, or `@file.toml`.
pub fn from_command_line(arguments: &[String], project: &Project) -> Result<Vec<Setting>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut settings = Vec::new();
    for argument in arguments {
        let read = match argument.strip_prefix('@') {
            Some(file) => from_file(file, project),
            None => from_argument(argument).map(|setting| vec![setting]),
        };
        settings.extend(problems.keep(read).into_iter().flatten());
    }
    problems.unless_errors(settings)
}

fn from_argument(argument: &str) -> Result<Setting, Diagnostics> {
    let Some((name, text)) = argument.split_once('=') else {
        let problem = Diagnostic::elsewhere(format!("`--var {argument}` has no value"));
        return Err(problem.hint("write --var name=value or --var @file.toml").into());
    };
    let place = Place::outside(&format!("--var {name}"));
    let mut problems = Diagnostics::default();
    check_name(name, &place, &mut problems);
    let setting = Setting::new(name, toml_or_text(text), &place, Origin::CommandLine);
    problems.unless_errors(Setting { typed: Some(text.to_string()), ..setting })
}

fn toml_or_text(text: &str) -> Value {
    let parsed = Node::parse(&Source::new("--var", format!("value = {text}")));
    let value = parsed.ok().filter(|node| node.entries().is_some_and(|entries| entries.len() == 1));
    value.and_then(|node| node.get("value").map(Node::value)).unwrap_or_else(|| text.into())
}

fn from_file(file: &str, project: &Project) -> Result<Vec<Setting>, Diagnostics> {
    let node = Node::parse(&project.read(Path::new(file))?)?;
    let mut problems = Diagnostics::default();
    let settings = Setting::table(&node, &Origin::CommandLine, &mut problems);
    problems.unless_errors(settings)
}

/// Everything that sets variables for one host, weakest first. The steps' own come on top of it.
pub fn of_host(playbook: Option<&Playbook>, host: &Host, command_line: &[Setting]) -> Vec<Setting> {
    let defaults =
        playbook.into_iter().flat_map(|playbook| playbook.params.iter().filter_map(params::Param::setting));
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

impl Origin {
    /// What people call it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::Default => "param default",
            Origin::File(_) => "inventory file",
            Origin::Group(_) => "group",
            Origin::Host(_) => "host",
            Origin::Playbook => "playbook vars",
            Origin::Step(_) => "vars of step",
            Origin::Registered(_) => "registered by step",
            Origin::CommandLine => "--var",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Origin::Default => 1,
            Origin::File(_) => 2,
            Origin::Group(_) => 3,
            Origin::Host(_) => 4,
            Origin::Playbook => 5,
            Origin::Step(_) => 6,
            Origin::Registered(_) => 7,
            Origin::CommandLine => 8,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(name) | Origin::Group(name) | Origin::Host(name) => {
                write!(out, "{} {name}", self.as_str())
            }
            Origin::Step(step) | Origin::Registered(step) => write!(out, "{} `{step}`", self.as_str()),
            Origin::Default | Origin::Playbook | Origin::CommandLine => out.write_str(self.as_str()),
        }
    }
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
