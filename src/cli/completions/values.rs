//! What the value of each argument can be. No host is asked and no program is run.

use super::line::Line;
use crate::cli::steps;
use crate::playbook::catalogue;
use crate::playbook::params::{Param, ParamKind};
use crate::playbook::{Playbook, Step};
use crate::record::{RunStore, Sqlite};
use crate::store::{BackupPath, BackupStore};
use crate::template::reference::ENTRIES;
use clap_complete::CompletionCandidate;
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// So many of the newest runs are offered.
const RUNS: usize = 50;

/// The values of one argument.
#[derive(Clone, Copy)]
pub struct Values {
    /// What they are.
    all: fn(&Line) -> Vec<Value>,
    /// The characters behind which a further value can stand in the same word.
    joined_by: &'static [char],
}

/// A value, and what it is about.
struct Value {
    text: String,
    about: String,
}

/// Arguments by the command they belong to (empty: every one) and their id.
const TABLE: &[(&str, &str, Values)] = &[
    ("", "pattern", HOSTS),
    ("", "limit", HOSTS),
    ("", "hosts", HOSTS),
    ("", "host", HOSTS),
    ("backups verify", "on", HOSTS),
    ("", "playbook", one(playbooks)),
    ("playbooks", "name", one(playbooks)),
    ("", "vars", one(params)),
    ("", "tags", TAGS),
    ("", "skip_tags", TAGS),
    ("", "start_at_step", one(step_names)),
    ("", "kind", one(kinds)),
    ("run step", "keys", one(step_keys)),
    ("", "run", one(runs)),
    ("backups verify", "ids", one(backups)),
    ("backups restore", "backup", one(backups_and_names)),
    ("backups", "name", one(backup_names)),
    ("", "store", one(stores)),
    ("schedule run", "name", one(schedules)),
    ("", "schedule", one(schedules)),
    ("filters", "name", one(filter_names)),
];

/// Hosts and groups, as patterns join them.
const HOSTS: Values = Values { all: hosts, joined_by: &[',', '&', '!'] };

/// Tags of a playbook.
const TAGS: Values = Values { all: tags, joined_by: &[','] };

const fn one(all: fn(&Line) -> Vec<Value>) -> Values {
    Values { all, joined_by: &[] }
}

/// The values of an argument; `None` where its own type says what they are.
pub fn of(command: &str, argument: &str) -> Option<Values> {
    let fits = |(of, name, _): &&(&str, &str, Values)| *name == argument && command.starts_with(of);
    TABLE.iter().find(fits).map(|(.., values)| *values)
}

impl Values {
    /// Those that go on from what is typed.
    pub fn starting(&self, typed: &OsStr) -> Vec<CompletionCandidate> {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let start = typed.rfind(self.joined_by).map_or(0, |at| at + 1);
        let (before, word) = typed.split_at(start);
        let all = (self.all)(&Line::of_process()).into_iter();
        all.filter(|value| value.text.starts_with(word))
            .map(|Value { text, about }| {
                let about = Some(about).filter(|about| !about.is_empty());
                CompletionCandidate::new(format!("{before}{text}")).help(about.map(Into::into))
            })
            .collect()
    }
}

fn value(text: impl Into<String>, about: impl Into<String>) -> Value {
    Value { text: text.into(), about: about.into() }
}

fn hosts(line: &Line) -> Vec<Value> {
    let Some(inventory) = line.inventory() else { return Vec::new() };
    let groups = inventory.groups.keys().map(|group| value(group, "group"));
    let hosts = inventory.hosts.iter().map(|host| value(host.name.as_str(), ""));
    std::iter::once(value("all", "every host"))
        .chain(groups.filter(|group| group.text != "all"))
        .chain(hosts)
        .collect()
}

fn playbooks(line: &Line) -> Vec<Value> {
    let Some(project) = line.project() else { return Vec::new() };
    let all = catalogue::all(&project).unwrap_or_default();
    let described = |name: &String| Playbook::find(&project, name).ok().and_then(|found| found.description);
    all.keys().map(|name| value(name, described(name).unwrap_or_default())).collect()
}

/// `NAME=`, and with each of its words where a param has only some.
fn params(line: &Line) -> Vec<Value> {
    let Some(playbook) = line.playbook() else { return Vec::new() };
    let of_param = |param: &Param| {
        let about = param.help.clone().unwrap_or_default();
        match &param.kind {
            ParamKind::OneOf(words) => {
                words.iter().map(|word| value(format!("{}={word}", param.name), &about)).collect()
            }
            ParamKind::Boolean => {
                ["true", "false"].map(|word| value(format!("{}={word}", param.name), &about)).into()
            }
            _ => vec![value(format!("{}=", param.name), about)],
        }
    };
    playbook.params.iter().flat_map(of_param).collect()
}

fn tags(line: &Line) -> Vec<Value> {
    let tags = steps_of(line).into_iter().flat_map(|step| step.tags);
    unique(tags.map(|tag| (tag, String::new())))
}

fn step_names(line: &Line) -> Vec<Value> {
    let named =
        steps_of(line).into_iter().filter_map(|step| step.name.map(|name| (name.text, String::new())));
    unique(named)
}

fn steps_of(line: &Line) -> Vec<Step> {
    line.playbook().map(|playbook| playbook.steps).unwrap_or_default()
}

fn kinds(_: &Line) -> Vec<Value> {
    steps::names().map(|(name, about)| value(name, about)).collect()
}

/// `KEY=` of the kind that is typed.
fn step_keys(line: &Line) -> Vec<Value> {
    let keys = line.step_kind().map(steps::key_names).unwrap_or_default();
    keys.into_iter().map(|(name, about)| value(format!("{name}="), about)).collect()
}

fn runs(line: &Line) -> Vec<Value> {
    let newest = || {
        let store = Sqlite::open_existing(&line.project()?.state()).ok()??.store;
        store.list(RUNS).ok()
    };
    let named = newest().unwrap_or_default().into_iter();
    let named = named.map(|run| value(run.run.to_string(), format!("{} {}", run.kind.as_str(), run.name)));
    std::iter::once(value("last", "the newest run")).chain(named).collect()
}

fn backups(line: &Line) -> Vec<Value> {
    let newest_first = places(line).into_iter().rev();
    newest_first.map(|place| value(place.id.as_str(), format!("{} of {}", place.name, place.host))).collect()
}

fn backup_names(line: &Line) -> Vec<Value> {
    unique(places(line).into_iter().map(|place| (place.name, String::new())))
}

fn backups_and_names(line: &Line) -> Vec<Value> {
    let name =
        |place: BackupPath| (format!("{}/{}", place.host, place.name), "the newest of these".to_string());
    let names = unique(places(line).into_iter().map(name));
    backups(line).into_iter().chain(names).collect()
}

/// The backups that this machine keeps, oldest first. Stores elsewhere take a network to be asked.
fn places(line: &Line) -> Vec<BackupPath> {
    let Some(project) = line.project() else { return Vec::new() };
    let names = project.store_names().into_iter();
    let stores = names.filter_map(|name| project.store(Some(&name)).ok()).filter(BackupStore::is_here);
    stores.flat_map(|store| store.places().unwrap_or_default()).collect()
}

fn stores(line: &Line) -> Vec<Value> {
    let names = line.project().map(|project| project.store_names()).unwrap_or_default();
    names.into_iter().map(|name| value(name, "")).collect()
}

fn schedules(line: &Line) -> Vec<Value> {
    let schedules = line.project().map(|project| project.config.schedules).unwrap_or_default();
    schedules.into_iter().map(|schedule| value(schedule.name, schedule.playbook)).collect()
}

fn filter_names(_: &Line) -> Vec<Value> {
    ENTRIES.iter().map(|entry| value(entry.name, entry.example)).collect()
}

/// Each text once.
fn unique(values: impl Iterator<Item = (String, String)>) -> Vec<Value> {
    let unique: BTreeMap<String, String> = values.collect();
    unique.into_iter().map(|(text, about)| Value { text, about }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{Command, CommandFactory};

    /// Each argument of the command line with the words that lead to it.
    fn arguments(command: &Command, path: &str) -> Vec<(String, String)> {
        let own = command.get_arguments().map(|argument| (path.to_string(), argument.get_id().to_string()));
        let below = command
            .get_subcommands()
            .flat_map(|below| arguments(below, format!("{path} {}", below.get_name()).trim_start()));
        own.chain(below).collect()
    }

    #[test]
    fn every_row_is_for_an_argument_that_there_is() {
        let arguments = arguments(&Cli::command(), "");
        for (command, name, _) in TABLE {
            let found = arguments.iter().any(|(path, id)| path.starts_with(command) && id == name);
            assert!(found, "no argument {name} of {command:?}");
        }
    }
}
