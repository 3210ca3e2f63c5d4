//! `windlass runs`: what was run, and how it went.

mod part;
mod prune;

use part::Part;

use super::again;
use super::options::{Hosts, Options, Reach};
use super::printed::PrintedOptions;
use super::request::Request;
use super::{Done, Global, Stop, answer, answer_json, existing_store, start};
use crate::model::Failure;
use crate::model::counted::counted;
use crate::model::job::{BreakLock, RunId};
use crate::model::run::{RunKind, Scheduled};
use crate::record::{RunLine, RunList, RunRecord, RunState, RunStore, Sqlite};
use crate::report::compare::Comparison;
use crate::report::file::ReportFile;
use crate::report::style::{self, Style};
use crate::report::{Format, escape, json, junit, markdown, told};
use clap::Subcommand;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Some record is damaged.
const FAILED: u8 = 2;

/// Look at earlier runs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the newest runs
    List {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: usize,
    },
    /// Show how a run went: each step, each host
    Show {
        /// Its name, or the start or end of the name; or `last` (the newest run, dry runs and undos not counted),
        /// `last-check` or `last-undo`
        run: String,
        /// Leave out diffs
        #[arg(long)]
        no_diff: bool,
        /// Which part of it.
        #[command(flatten)]
        part: Part,
        /// Write it to a file instead: FILE.html, .md, .xml (JUnit), .sarif or .json
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Show how two runs differ: hosts, steps, what they changed
    Diff {
        /// The first run: its name, or the start or end of the name; or `last`, `last-check` or `last-undo`
        one: String,
        /// The second run
        other: String,
        /// Which part of them.
        #[command(flatten)]
        part: Part,
    },
    /// Print the whole record of a run, with its playbook and inventory as they were, as JSON (or with `--output
    /// markdown` as a report)
    Export {
        /// Its name, or the start or end of the name; or `last`, `last-check` or `last-undo`
        run: String,
    },
    /// Check that the record of every run is as it was written
    Check,
    Prune(prune::Args),
    /// Retry a run on the hosts where it did not succeed
    Retry {
        /// Its name, or the start or end of the name; or `last`: the newest run, dry runs and undos not counted
        run: String,
        /// How.
        #[command(flatten)]
        options: Options,
        /// Inventories to read, instead of the inventory as the run recorded it
        #[arg(short, long, value_name = "PATH")]
        inventory: Vec<PathBuf>,
    },
    /// Show who holds a host's lock, and break it when the holder is suspended
    ///
    /// A holder that is working is only named, unless --force is given. A holder that was ended makes no further
    /// change.
    Unlock {
        /// Which hosts: a name or a pattern
        #[arg(value_name = "HOST", required_unless_present = "hosts")]
        host: Option<String>,
        /// The hosts that match this pattern
        #[arg(long = "hosts", value_name = "PATTERN", conflicts_with = "host")]
        hosts: Option<String>,
        /// End a holder that is working, too
        #[arg(long)]
        force: bool,
        /// Change nothing; show what would be ended
        #[arg(short = 'C', long)]
        check: bool,
        /// The user to work as, and how fast.
        #[command(flatten)]
        reach: Reach,
        /// The inventories to read, instead of every file in inventories/
        #[arg(short, long, value_name = "PATH")]
        inventory: Vec<PathBuf>,
    },
    /// Undo what a run changed, byte for byte, and list what cannot be undone
    Undo {
        /// Its name, or the start or end of the name; or `last`, `last-check` or `last-undo`
        run: String,
        /// Only on these hosts
        #[arg(long = "hosts", value_name = "PATTERN")]
        hosts: Option<String>,
        /// Change nothing; show what would be undone, and what could not be
        #[arg(short = 'C', long)]
        check: bool,
        /// Show how files change
        #[arg(short = 'D', long)]
        diff: bool,
        /// The user to work as, and how fast.
        #[command(flatten)]
        reach: Reach,
        /// What is shown and kept of the output of commands.
        #[command(flatten)]
        printed: PrintedOptions,
        /// Inventories to read, instead of the inventory as the run recorded it
        #[arg(short, long, value_name = "PATH")]
        inventory: Vec<PathBuf>,
    },
}

/// Answers from the record.
pub fn run(args: Args, global: &Global) -> Done {
    let store = || existing_store(global);
    match args.command {
        Command::List { limit } => list(store()?, limit, global),
        Command::Diff { one, other, part } => {
            let load = |run: &str| part.of(found(store()?, run)?);
            let (one, other) = (load(&one)?, load(&other)?);
            diff(&Comparison::of(&one, &other), global)
        }
        Command::Check => check(store()?, global),
        Command::Prune(args) => prune::run(&args, global),
        Command::Show { run, no_diff, part, report } => {
            let record = part.of(found(store()?, &run)?)?;
            match report {
                Some(path) => {
                    ReportFile::at(&path).map_err(Stop::misused)?.write(&record)?;
                    Ok(0)
                }
                None => show(&record, !no_diff, global),
            }
        }
        Command::Retry { run, options, inventory } => {
            again::retry(&found(store()?, &run)?, &options, &inventory, global)
        }
        Command::Unlock { host, hosts, force, check, reach, inventory } => {
            let options = Options { check, reach, ..Options::default() };
            let hosts = Hosts { pattern: host.or(hosts), inventory, ..Hosts::default() };
            unlock(&hosts, force, &options, global)
        }
        Command::Undo { run, hosts, check, diff, reach, printed, inventory } => {
            let options = Options { check, diff, reach, printed, ..Options::default() };
            again::undo(&found(store()?, &run)?, hosts.as_deref(), &options, &inventory, global)
        }
        Command::Export { run } => match global.format() {
            Format::Markdown => show(&found(store()?, &run)?, false, global),
            _ => answer(&(json::export(&found(store()?, &run)?) + "\n")),
        },
    }
}

/// Looks who holds the locks of hosts, and breaks those whose holder is suspended, or all of them.
fn unlock(hosts: &Hosts, force: bool, options: &Options, global: &Global) -> Done {
    let chosen = start::choose(global.project_or_here()?, hosts, hosts.pattern.clone())?;
    let what = if force { BreakLock::Always } else { BreakLock::IfStuck };
    start::run(Request::unlock(what), &chosen, options, global)
}

fn found(store: Option<Sqlite>, text: &str) -> Result<RunRecord, Stop> {
    let nothing = || Failure::new(format!("find run {text}"), "nothing has been run in this project");
    let store = store.ok_or_else(|| Stop::misused(nothing().hint("name its directory with --project")))?;
    let run = store.find(text).map_err(Stop::misused)?;
    loaded(&store, &run)
}

/// A run, with a warning when its record was damaged.
fn loaded(store: &Sqlite, run: &RunId) -> Result<RunRecord, Stop> {
    if store.is_damaged(run) {
        eprintln!(
            "warning: the record of run {run} was damaged since it was written: what it says may be wrong"
        );
    }
    Ok(store.load(run)?)
}

/// Exit code 2 when a record is damaged.
fn check(store: Option<Sqlite>, global: &Global) -> Done {
    let (damaged, all) = store.map_or(Ok((Vec::new(), 0)), |store| store.damaged_runs())?;
    let printed = match global.format() {
        Format::Human if damaged.is_empty() => {
            answer(&format!("the record of {} is whole\n", counted(all, "run")))
        }
        Format::Human => {
            let lines =
                damaged.iter().map(|run| format!("{run}  its record was damaged since it was written\n"));
            let total = format!("{} of {}\n", damaged.len(), counted(all, "run"));
            answer(&(lines.collect::<String>() + &total))
        }
        _ => answer_json(&json!({ "runs": all, "damaged": damaged })),
    };
    printed.map(|code| if damaged.is_empty() { code } else { FAILED })
}

fn show(record: &RunRecord, diff: bool, global: &Global) -> Done {
    match global.format() {
        Format::Human => {
            let view = global.view(diff);
            answer(&(head(record) + "\n" + &told(record, &view)))
        }
        Format::Json | Format::Jsonl => answer(&(json::document(record) + "\n")),
        Format::Junit => answer(&junit::document(record)),
        Format::Markdown => answer(&markdown::document(record, &TimeZone::system())),
    }
}

fn diff(comparison: &Comparison, global: &Global) -> Done {
    match global.format() {
        Format::Human => answer(&comparison.shown(global.view(false).style)),
        _ => answer_json(&comparison.json()),
    }
}

/// What was run, by whom, when, on which hosts.
fn head(record: &RunRecord) -> String {
    let intent = &record.intent;
    let mut head = format!("run      {}\n", intent.run);
    head += &format!("what     {}\n", what(intent.kind, &intent.name, intent.check));
    if let Some(of) = &intent.of {
        head += &format!("of run   {of}\n");
    }
    if let Some(scheduled) = &intent.scheduled {
        head += &format!("schedule {} for {}\n", escape::line(&scheduled.name), scheduled.slot);
    }
    head += &format!("who      {}\n", escape::line(&intent.who));
    head += &format!("started  {}\n", intent.started.to_zoned(TimeZone::system()).strftime("%F %T %Z"));
    head += &format!("hosts    {}\n", escape::line(&intent.pattern));
    for (name, value) in &intent.params {
        head += &format!("param    {} = {}\n", escape::line(name), escape::line(&value.to_string()));
    }
    head
}

fn list(store: Option<Sqlite>, limit: usize, global: &Global) -> Done {
    let RunList { lines, unreadable } = store.map_or(Ok(RunList::default()), |store| store.list(limit))?;
    if !unreadable.is_empty() {
        let names = escape::line(&unreadable.join(", ")).into_owned();
        eprintln!("note: the record of {names} is damaged and not listed: `windlass runs check` says more");
    }
    match global.format() {
        Format::Human if lines.is_empty() => answer("nothing has been run in this project\n"),
        Format::Human => answer(&table(&lines, &TimeZone::system(), global.view(false).style)),
        _ => answer_json(&Value::Array(lines.iter().map(described).collect())),
    }
}

fn table(lines: &[RunLine], zone: &TimeZone, style: Style) -> String {
    let rows = lines.iter().map(|line| {
        let started = line.started.to_zoned(zone.clone()).strftime("%F %T").to_string();
        let what = what(line.kind, &line.name, line.check) + &by_schedule(line.scheduled.as_ref());
        [
            line.run.to_string(),
            started,
            style::fitted(&what, 40),
            escape::line(&line.pattern).into_owned(),
            ended(line),
        ]
    });
    let title = ["run", "started", "what", "hosts", "how it ended"].map(str::to_string);
    let rows: Vec<[String; 5]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

fn what(kind: RunKind, name: &str, check: bool) -> String {
    let check = if check { " (check)" } else { "" };
    match kind {
        RunKind::Playbook => format!("{}{check}", escape::line(name)),
        RunKind::Unlock => format!("unlock{check}"),
        kind => format!("{}: {}{check}", kind.as_str(), escape::line(name)),
    }
}

fn by_schedule(scheduled: Option<&Scheduled>) -> String {
    scheduled.map(|scheduled| format!(" (schedule {})", escape::line(&scheduled.name))).unwrap_or_default()
}

fn ended(line: &RunLine) -> String {
    let outcomes = line
        .outcomes
        .iter()
        .map(|(outcome, many)| format!("{many} {}", style::host_word(*outcome, line.check)));
    let outcomes: Vec<String> = outcomes.collect();
    match line.state {
        RunState::Ended(_) if line.undone > 0 => {
            format!("{}; undone since on {}", outcomes.join(", "), line.undone)
        }
        RunState::Ended(_) => outcomes.join(", "),
        RunState::Running => {
            ["running".to_string()].into_iter().chain(outcomes).collect::<Vec<_>>().join(", ")
        }
        RunState::Died => format!("its controller died: {}", outcomes.join(", ")),
    }
}

/// A run in `runs list --output json`: `run kind name check who pattern started state exit outcomes undone schedule
/// slot`. `state` is
/// `running`, `ended` or `died`; `exit` is null unless it has ended; `undone` counts the hosts on which a later run has
/// undone it; `schedule` and `slot` say which schedule started it and for which time, null when none did.
fn described(line: &RunLine) -> Value {
    let (state, exit) = match line.state {
        RunState::Running => ("running", None),
        RunState::Ended(exit) => ("ended", Some(exit)),
        RunState::Died => ("died", None),
    };
    let outcomes = line.outcomes.iter().map(|(outcome, many)| (outcome.to_string(), Value::from(*many)));
    json!({
        "run": line.run, "kind": line.kind, "name": line.name, "check": line.check, "who": line.who,
        "pattern": line.pattern, "started": line.started, "state": state, "exit": exit,
        "outcomes": Value::Object(outcomes.collect()), "undone": line.undone,
        "schedule": line.scheduled.as_ref().map(|scheduled| &scheduled.name),
        "slot": line.scheduled.as_ref().map(|scheduled| scheduled.slot),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::HostOutcome;
    use crate::record::examples;
    use expect_test::expect;

    fn line(state: RunState) -> RunLine {
        let intent = examples::intent(&[]);
        RunLine {
            run: intent.run,
            kind: intent.kind,
            name: intent.name,
            who: intent.who,
            pattern: intent.pattern,
            check: false,
            started: intent.started,
            scheduled: intent.scheduled,
            state,
            outcomes: vec![(HostOutcome::Changed, 12), (HostOutcome::Unknown, 1)],
            undone: 0,
        }
    }

    #[test]
    fn a_table_of_runs() {
        let command = RunLine {
            kind: RunKind::Command,
            name: "systemctl is-active docker".into(),
            ..line(RunState::Running)
        };
        let check = RunLine { check: true, ..line(RunState::Ended(0)) };
        let undone = RunLine { undone: 11, ..line(RunState::Ended(2)) };
        let lines = [line(RunState::Died), command, check, undone];
        expect![[r#"
            run                   started              what                                 hosts  how it ended
            20260314-150926-kxqz  2026-03-14 15:09:26  fix-dns                              prod   its controller died: 12 changed, 1 unknown
            20260314-150926-kxqz  2026-03-14 15:09:26  command: systemctl is-active docker  prod   running, 12 changed, 1 unknown
            20260314-150926-kxqz  2026-03-14 15:09:26  fix-dns (check)                      prod   12 would change, 1 unknown
            20260314-150926-kxqz  2026-03-14 15:09:26  fix-dns                              prod   12 changed, 1 unknown; undone since on 11
        "#]].assert_eq(&table(&lines, &TimeZone::UTC, Style { color: false }));
    }

    #[test]
    fn a_run_for_programs() {
        expect![[r#"{"run":"20260314-150926-kxqz","kind":"playbook","name":"fix-dns","check":false,"who":"alice@laptop","pattern":"prod","started":"2026-03-14T15:09:26Z","state":"ended","exit":2,"outcomes":{"changed":12,"unknown":1},"undone":0,"schedule":null,"slot":null}"#]].assert_eq(&described(&line(RunState::Ended(2))).to_string());
    }
}
