//! `windlass runs retry` and `windlass runs undo`: an earlier run, once more or backwards.

use super::options::{Hosts, Options};
use super::request::{Request, Spread};
use super::start::{self, Chosen};
use super::{Done, Global, Stop, answer, existing_store};
use crate::inventory::Inventory;
use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::model::run::RunKind;
use crate::model::{Failure, Value};
use crate::playbook::Playbook;
use crate::playbook::plays::backwards;
use crate::project::Project;
use crate::record::{HostRecord, RunRecord, RunStore};
use crate::redact::MASK;
use crate::render::Selection;
use crate::source::Source;
use std::path::PathBuf;

/// Runs it again where it did not end well, with the variables it had.
pub fn retry(record: &RunRecord, options: &Options, inventory: &[PathBuf], global: &Global) -> Done {
    let intent = &record.intent;
    if intent.kind == RunKind::Undo {
        let failure = Failure::new(format!("retry run {}", intent.run), "it undoes another run");
        return Err(Stop::misused(failure.hint("windlass runs undo continues what it did not finish")));
    }
    if intent.kind == RunKind::Unlock {
        let failure = Failure::new(format!("retry run {}", intent.run), "it looked at locks of hosts");
        return Err(Stop::misused(failure.hint("look again: windlass runs unlock HOST")));
    }
    if applies_plan(record, global)? {
        let failure = Failure::new(format!("retry run {}", intent.run), "it applied a saved plan");
        return Err(Stop::misused(failure.hint("make a new plan: what is done already is no longer in it")));
    }
    let left =
        hosts_where(record, |host| !matches!(host.outcome, Some(HostOutcome::Ok | HostOutcome::Changed)));
    if left.is_empty() {
        let ended =
            if intent.check { "was a dry run, and nothing failed" } else { "ended well on every host" };
        return answer(&format!("run {} {ended}\n", intent.run));
    }
    let mut chosen = choose(record, &left.join(","), inventory, global)?;
    let vars = vars_of(record, options)?;
    let options = Options { vars, check: options.check || intent.check, ..options.clone() };
    let of = intent.run.clone();
    let request = match intent.kind {
        RunKind::Command => {
            refuse_masked(record, &intent.name)?;
            Request::command(intent.name.clone())
        }
        kind => {
            // A playbook is read from its file, which says what the record does not.
            if kind != RunKind::Playbook {
                intent.playbook.iter().try_for_each(|source| refuse_masked(record, &source.text))?;
            }
            let playbook = playbook_of(record, &chosen.project)?;
            leave_serving(&mut chosen, &playbook, record, inventory, global)?;
            if chosen.names.is_empty() {
                let why = "ended well on every host but those that ran steps for others (`on`)";
                return answer(&format!("run {} {why}\n", intent.run));
            }
            Request::playbook(kind, playbook, Selection::default()).retrying(of)
        }
    };
    start::run(request, &chosen, &options, global)
}

/// Leaves out the hosts of a run that only ran steps for others: they come along with those.
fn leave_serving(
    chosen: &mut Chosen,
    playbook: &Playbook,
    record: &RunRecord,
    inventory: &[PathBuf],
    global: &Global,
) -> Result<(), Stop> {
    if playbook.all_steps().all(|step| step.on.is_none()) {
        return Ok(());
    }
    let own = match playbook.plays.is_empty() {
        true => choose(record, &record.intent.pattern, inventory, global)?.names,
        false => playbook.hosts_of_plays(&chosen.inventory, &chosen.project)?,
    };
    chosen.names.retain(|name| own.contains(name));
    Ok(())
}

/// Whether a run applied a saved plan: the run that it names was a dry run, and it was none.
fn applies_plan(record: &RunRecord, global: &Global) -> Result<bool, Stop> {
    let (Some(of), false) = (&record.intent.of, record.intent.check) else { return Ok(false) };
    let Some(store) = existing_store(global)? else { return Ok(false) };
    Ok(store.load(of).is_ok_and(|of| of.intent.check))
}

/// Undoes it on the hosts where it may have changed something.
pub fn undo(
    record: &RunRecord,
    pattern: Option<&str>,
    options: &Options,
    inventory: &[PathBuf],
    global: &Global,
) -> Done {
    let intent = &record.intent;
    let doing = || format!("undo run {}", intent.run);
    if !intent.kind.journaled() || intent.check {
        let why = "it left no journal on the hosts: commands and dry runs have nothing to undo";
        return Err(Stop::misused(Failure::new(doing(), why)));
    }
    if let (RunKind::Undo, Some(of)) = (intent.kind, &intent.of) {
        let failure = Failure::new(doing(), format!("it is an undo itself, of run {of}"));
        let again = match record.intent.name.is_empty() {
            true => String::new(),
            false => format!(", `windlass run playbook {}` makes them again", intent.name),
        };
        return Err(Stop::misused(failure.hint(format!(
            "`windlass runs undo {of}` continues with changes that it has not undone{again}"
        ))));
    }
    let mut hosts = hosts_where(record, may_have_changed);
    if let Some(pattern) = pattern {
        let wanted = choose(record, pattern, inventory, global)?.names;
        hosts.retain(|host| wanted.contains(host));
    }
    if hosts.is_empty() {
        if record.hosts().iter().any(|host| host.outcome == Some(HostOutcome::Undone)) {
            return answer(&format!("run {} is undone already\n", intent.run));
        }
        return Err(Stop::misused(Failure::new(doing(), "it changed nothing on these hosts")));
    }
    let chosen = choose(record, &hosts.join(","), inventory, global)?;
    let playbook = playbook_of(record, &chosen.project)?;
    let stages = playbook.stages(&chosen.inventory, &chosen.project, &chosen.names)?;
    let spread = Spread {
        becomes: playbook.becomes_of(&stages, &chosen.inventory)?,
        stages: backwards(&stages, &chosen.names),
        ..Spread::default()
    };
    let request = Request::undo(intent.run.clone(), intent.name.clone(), playbook.becomes, spread);
    start::run(request, &chosen, options, global)
}

fn may_have_changed(host: &HostRecord) -> bool {
    !matches!(host.outcome, Some(HostOutcome::Ok | HostOutcome::Undone | HostOutcome::Unreachable))
}

fn hosts_where(record: &RunRecord, wanted: impl Fn(&HostRecord) -> bool) -> Vec<String> {
    record.hosts().iter().filter(|host| wanted(host)).map(|host| host.host.clone()).collect()
}

/// Chooses hosts of the inventory as the run recorded it, or of the inventories that are named now.
fn choose(record: &RunRecord, pattern: &str, inventory: &[PathBuf], global: &Global) -> Result<Chosen, Stop> {
    let project = global.project_or_here()?;
    let recorded = &record.intent.inventory;
    let hosts = Hosts { inventory: inventory.to_vec(), ..Hosts::default() };
    // Runs of older versions recorded no inventory that is whole.
    if !inventory.is_empty() || recorded.iter().all(|source| source.text.is_empty()) {
        return start::choose(project, &hosts, Some(pattern.to_string()));
    }
    if let Some(masked) = recorded.iter().find(|source| source.text.contains(MASK)) {
        let doing = format!("read the inventory of run {}", record.intent.run);
        let failure = Failure::new(doing, format!("a secret in {} is not on record", masked.path));
        return Err(Stop::misused(failure.hint("name the inventories to use: -i inventories")));
    }
    let mut all = Inventory::recorded(&project, recorded)?;
    all.add_addresses(&record.intent.pattern, &project)?;
    start::choose_in(project, all, &hosts, pattern.to_string())
}

/// What was masked is not what was run: it is never run again.
fn refuse_masked(record: &RunRecord, text: &str) -> Result<(), Stop> {
    let Some(line) = text.lines().find(|line| line.contains(MASK)) else { return Ok(()) };
    let doing = format!("retry run {}", record.intent.run);
    let failure = match line.contains(&format!(":{MASK}@")) {
        true => Failure::new(doing, "a URL in it had a password, which is not on record")
            .hint("type the step again, with the password in it"),
        false => Failure::new(doing, format!("a value in `{}` was masked and is not on record", line.trim()))
            .hint(format!("type it again, with the value in place of {MASK}")),
    };
    Err(Stop::misused(failure))
}

/// A playbook is read as it is today, since it may have been mended; a step or script as it was typed then.
fn playbook_of(record: &RunRecord, project: &Project) -> Result<Playbook, Stop> {
    let intent = &record.intent;
    let lost = |run: &RunId| {
        let failure = Failure::new(format!("read the playbook of run {run}"), "it is not on record");
        Stop::misused(failure)
    };
    let first = intent.playbook.first().ok_or_else(|| lost(&intent.run))?;
    if intent.kind == RunKind::Playbook {
        let path = project.root.join(&first.path);
        let name = if path.is_file() { first.path.as_str() } else { intent.name.as_str() };
        return Ok(Playbook::find(project, name)?);
    }
    let mut playbook = Playbook::read(project, &Source::new(first.path.clone(), first.text.clone()))?;
    playbook.name.clone_from(&intent.name);
    Ok(playbook)
}

/// The variables the run had, then those that are given now. A secret is not on record and must be given again.
fn vars_of(record: &RunRecord, options: &Options) -> Result<Vec<String>, Stop> {
    let given = |name: &str| options.vars.iter().any(|var| var.split('=').next() == Some(name));
    let mut vars = Vec::new();
    for (name, value) in record.intent.params.iter().filter(|(name, _)| !given(name)) {
        if value.to_string().contains(MASK) {
            let failure =
                Failure::new(format!("retry run {}", record.intent.run), format!("{name} was a secret"));
            return Err(Stop::misused(failure.hint(format!("give it again: -e {name}=…"))));
        }
        vars.push(format!("{name}={}", toml_of(value)));
    }
    vars.extend(options.vars.iter().cloned());
    Ok(vars)
}

fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}
