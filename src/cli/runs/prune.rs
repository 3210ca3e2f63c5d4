//! `windlass runs prune`: removes the record of runs that no rule keeps.

use crate::cli::prune_options::PruneOptions;
use crate::cli::{Done, Global, Stop, answer, answer_json, existing_store};
use crate::model::Failure;
use crate::model::counted::counted;
use crate::model::job::RunId;
use crate::model::keep::Retention;
use crate::record::RunLine;
use crate::report::Format;
use crate::report::style::{self, Style};
use serde_json::{Value, json};

/// Remove the records of runs that no rule keeps
///
/// A removed run can no longer be shown, retried or undone. Never removed are runs that have not finished, runs whose
/// result is unknown on a host, the newest run of each schedule, and undos of runs that stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is kept, and whether the rest is removed.
    #[command(flatten)]
    options: PruneOptions,
}

/// Shows, asks, removes.
pub fn run(args: &Args, global: &Global) -> Done {
    let doing = "prune the record of runs";
    let Some(rule) = args.options.rule() else {
        let failure = Failure::new(doing, "no rule says what is kept");
        return Err(Stop::misused(failure.hint("for example --keep-last 100 --keep-monthly 12")));
    };
    let Some(mut store) = existing_store(global)? else {
        return answer("nothing has been run in this project\n");
    };
    let judged = store.judge(&rule).map_err(Stop::misused)?;
    let going = judged.iter().filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.of.run.clone());
    let going: Vec<RunId> = going.collect();
    match global.format() {
        Format::Human => answer(&table(&judged, global.view(false).style))?,
        _ => answer_json(&Value::Array(judged.iter().map(described).collect()))?,
    };
    let question = format!(
        "remove the record of {} for good? They can then no longer be shown, retried or undone",
        counted(going.len(), "run")
    );
    if !args.options.removes(going.len(), &question, doing)? || going.is_empty() {
        return Ok(0);
    }
    store.remove(&going)?;
    eprintln!("removed the record of {} of {}", going.len(), counted(judged.len(), "run"));
    Ok(0)
}

fn table(judged: &[Retention<RunLine>], style: Style) -> String {
    let rows = judged.iter().map(|verdict| {
        let (line, fate) = (&verdict.of, if verdict.is_kept() { "keep" } else { "remove" });
        let what = style::fitted(&super::what(line.kind, &line.name, line.check), 40);
        [line.run.to_string(), what, fate.to_string(), verdict.kept.join(", ")]
    });
    let title = ["run", "what", "", "why"].map(str::to_string);
    let rows: Vec<[String; 4]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

/// A run in `runs prune --output json`: `run kind name check keep why`.
fn described(verdict: &Retention<RunLine>) -> Value {
    let line = &verdict.of;
    json!({
        "run": line.run, "kind": line.kind, "name": line.name, "check": line.check,
        "keep": verdict.is_kept(), "why": verdict.kept,
    })
}
