//! `windlass doctor`: looks at what a run needs here, and says what is wrong. It contacts no host and writes nothing.

use super::{Done, Global, MISUSED, answer, answer_json, existing_store};
use crate::diagnostic::Diagnostics;
use crate::inventory::Inventory;
use crate::model::counted::counted;
use crate::model::{Failure, Value};
use crate::render;
use crate::report::Format;
use crate::report::style::Tone;
use serde_json::json;

mod machine;
mod ssh;

/// Look at the project, keys, ssh-agent, known_hosts, clock and terminal, and say what is wrong
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What was looked at, and how it is.
pub struct Examined {
    /// The thing: `known_hosts`.
    what: &'static str,
    state: State,
    /// What was seen.
    seen: String,
    /// What to try.
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Fine,
    /// A run works, and something may be missing.
    Odd,
    /// A run cannot work so.
    Wrong,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Fine => "ok",
            State::Odd => "warning",
            State::Wrong => "problem",
        }
    }

    fn tone(self) -> Tone {
        match self {
            State::Fine => Tone::Good,
            State::Odd => Tone::Changed,
            State::Wrong => Tone::Bad,
        }
    }
}

impl Examined {
    fn fine(what: &'static str, seen: impl Into<String>) -> Examined {
        Examined { what, state: State::Fine, seen: seen.into(), hint: None }
    }

    fn odd(what: &'static str, seen: impl Into<String>, hint: impl Into<String>) -> Examined {
        Examined { what, state: State::Odd, seen: seen.into(), hint: Some(hint.into()) }
    }

    fn wrong(what: &'static str, seen: impl Into<String>, hint: impl Into<String>) -> Examined {
        Examined { what, state: State::Wrong, seen: seen.into(), hint: Some(hint.into()) }
    }

    fn failure(what: &'static str, failure: &Failure) -> Examined {
        let seen = format!("{}: {}", failure.doing, failure.why);
        Examined { what, state: State::Wrong, seen, hint: failure.hint.clone() }
    }
}

/// Prints what was seen; the exit code is 5 when a run cannot work.
pub fn run(_: Args, global: &Global) -> Done {
    let mut all = machine::versions();
    all.extend(project(global));
    all.extend(ssh::all());
    all.extend(machine::surroundings());
    match global.format() {
        Format::Human => answer(&all.iter().map(|one| line(one, global)).collect::<String>())?,
        _ => answer_json(&Value::Array(all.iter().map(described).collect()))?,
    };
    Ok(if all.iter().any(|one| one.state == State::Wrong) { MISUSED } else { 0 })
}

fn project(global: &Global) -> Vec<Examined> {
    const PROJECT: &str = "project";
    let project = match global.open_project() {
        Ok(project) => project,
        Err(stop) => {
            let hint =
                "go to a project's directory, name one with --project, or create one with `windlass init`";
            return vec![Examined::odd(PROJECT, stop.first_line(), hint)];
        }
    };
    let root = Examined::fine(PROJECT, project.root.display().to_string());
    let (problems, inventory) = render::lint_project(&project);
    vec![root, files(&problems), hosts(inventory.as_ref()), record(global)]
}

fn files(problems: &Diagnostics) -> Examined {
    match (problems.errors(), problems.warnings()) {
        (0, 0) => Examined::fine("files", "inventories, playbooks and templates can be read"),
        (0, warnings) => Examined::odd("files", counted(warnings, "warning"), "`windlass lint` shows them"),
        (errors, _) => Examined::wrong("files", counted(errors, "error"), "`windlass lint` shows them"),
    }
}

fn hosts(inventory: Option<&Inventory>) -> Examined {
    const INVENTORY: &str = "inventory";
    match inventory.map(|inventory| inventory.hosts.len()) {
        Some(0) => Examined::odd(INVENTORY, "no hosts", "put one into inventories/prod.toml: [hosts.web1]"),
        Some(hosts) => Examined::fine(INVENTORY, counted(hosts, "host")),
        None => Examined::wrong(INVENTORY, "cannot be read", "`windlass lint` shows why"),
    }
}

fn record(global: &Global) -> Examined {
    const RECORD: &str = "record";
    match existing_store(global) {
        Ok(Some(_)) => Examined::fine(RECORD, "can be read"),
        Ok(None) => Examined::fine(RECORD, "nothing has been run in this project"),
        Err(stop) => Examined::wrong(RECORD, stop.first_line(), "see the hint of `windlass runs list`"),
    }
}

fn line(one: &Examined, global: &Global) -> String {
    let view = global.view(false);
    let state = view.style.paint(one.state.tone(), &format!("{:<8}", one.state.as_str()));
    let hint = one.hint.iter().map(|hint| format!("{:26}hint: {hint}\n", ""));
    let hint: String = hint.collect();
    format!("{state}  {:<14}  {}\n{hint}", one.what, one.seen)
}

fn described(one: &Examined) -> Value {
    json!({ "what": one.what, "state": one.state.as_str(), "seen": one.seen, "hint": one.hint })
}
