//! `windlass runs prune`: removes the record of runs that no rule keeps.

use crate::cli::keep_options::KeepOptions;
use crate::cli::{Done, Global, Stop, answer, answer_json, existing_store, prompt};
use crate::model::Failure;
use crate::model::job::RunId;
use crate::record::RunRetention;
use crate::report::Format;
use crate::report::style::{self, Style, counted};
use serde_json::{Value, json};

/// Remove the record of runs that no rule keeps
///
/// What is removed can no longer be shown, retried or undone. Runs stay that go on, that a host has not said the end of, the
/// newest of each schedule, and undos of runs that stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is kept.
    #[command(flatten)]
    keep: KeepOptions,
    /// Only show what would go, and why the others stay
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Shows, asks, removes.
pub fn run(args: &Args, global: &Global) -> Done {
    let doing = "prune the record of runs";
    let Some(rule) = args.keep.rule() else {
        let failure = Failure::new(doing, "no rule says what is kept");
        return Err(Stop::misused(failure.hint("for example --keep-last 100 --keep-monthly 12")));
    };
    let Some(mut store) = existing_store(global)? else {
        return answer("nothing has been run in this project\n");
    };
    let judged = store.judge(&rule).map_err(Stop::misused)?;
    let going = judged.iter().filter(|one| one.kept.is_empty()).map(|one| one.line.run.clone());
    let going: Vec<RunId> = going.collect();
    match global.format() {
        Format::Human => answer(&table(&judged, global.view(false).style))?,
        _ => answer_json(&Value::Array(judged.iter().map(described).collect()))?,
    };
    if args.dry_run || going.is_empty() {
        return Ok(0);
    }
    if !args.yes && !asked(going.len(), doing)? {
        return Ok(0);
    }
    store.remove(&going)?;
    eprintln!("removed the record of {} of {}", going.len(), counted(judged.len(), "run"));
    Ok(0)
}

fn asked(count: usize, doing: &str) -> Result<bool, Stop> {
    let question = format!(
        "remove the record of {} for good? They can then no longer be shown, retried or undone",
        counted(count, "run")
    );
    prompt::confirm(&question).ok_or_else(|| {
        let failure = Failure::new(doing, "there is no terminal to ask on");
        Stop::misused(failure.hint("--dry-run shows what would go; --yes does it without asking"))
    })
}

fn table(judged: &[RunRetention], style: Style) -> String {
    let rows = judged.iter().map(|one| {
        let fate = if one.kept.is_empty() { "remove" } else { "keep" };
        let what = super::what(one.line.kind, &one.line.name, one.line.check);
        [one.line.run.to_string(), style::fitted(&what, 40), fate.to_string(), one.kept.join(", ")]
    });
    let title = ["run", "what", "", "why"].map(str::to_string);
    let rows: Vec<[String; 4]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

/// A run in `runs prune --output json`: `run kind name check keep why`.
fn described(one: &RunRetention) -> Value {
    let line = &one.line;
    json!({
        "run": line.run, "kind": line.kind, "name": line.name, "check": line.check,
        "keep": !one.kept.is_empty(), "why": one.kept,
    })
}
