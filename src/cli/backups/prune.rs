//! `windlass backups prune`: removes what no rule keeps, and what crashed takings left behind.

use super::{Found, Which};
use crate::cli::prune_options::PruneOptions;
use crate::cli::{Done, Global, Stop, answer, answer_json};
use crate::model::Result;
use crate::model::counted::counted;
use crate::model::keep::Retention;
use crate::project::Project;
use crate::report::Format;
use crate::report::style::{self, Style};
use crate::store::{BackupPath, BackupStore, Entry};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Remove the backups that no rule keeps. Never removed are the newest complete backup of each host and name and,
/// unless a rule is given here, the newest verified one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// What is kept, instead of what `keep` of the store says.
    #[command(flatten)]
    options: PruneOptions,
    /// Remove damaged backups too
    #[arg(long)]
    damaged: bool,
}

/// A backup and what becomes of it.
struct Judged {
    store_name: String,
    store: BackupStore,
    verdict: Retention<BackupPath>,
}

/// Shows, asks, removes.
pub fn run(args: &Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    let judged = judge(args, &project)?;
    let going: Vec<&Judged> = judged.iter().filter(|judged| !judged.verdict.is_kept()).collect();
    match global.format() {
        Format::Human => answer(&table(&judged, global.view(false).style))?,
        _ => answer_json(&Value::Array(judged.iter().map(described).collect()))?,
    };
    let question = format!("remove {} for good?", counted(going.len(), "backup"));
    if !args.options.removes(going.len(), &question, "prune backups")? {
        return Ok(0);
    }
    for Judged { store, verdict, .. } in &going {
        store.remove(&verdict.of.id)?;
    }
    let mut swept = 0;
    for (_, store) in args.which.stores(&project)? {
        swept += store.sweep()?.len();
    }
    eprintln!(
        "removed {} of {} backups, and what {swept} unfinished ones had left",
        going.len(),
        judged.len()
    );
    Ok(0)
}

fn judge(args: &Args, project: &Project) -> Result<Vec<Judged>, Stop> {
    let mut groups: BTreeMap<(String, String, String), Vec<Found>> = BTreeMap::new();
    for found in args.which.backups(project)? {
        let place = &found.entry.place;
        let group = (found.store_name.clone(), place.host.clone(), place.name.clone());
        groups.entry(group).or_default().push(found);
    }
    let mut judged = Vec::new();
    for ((store_name, ..), group) in groups {
        let Some(store) = group.first().map(|found| found.store.clone()) else { continue };
        let damaged: Vec<_> = group.iter().filter(|found| found.entry.manifest.is_err()).collect();
        let damaged: Vec<_> = damaged.into_iter().map(|found| found.entry.place.clone()).collect();
        let entries: Vec<Entry> = group.into_iter().map(|found| found.entry).collect();
        let verdicts = match args.options.rule() {
            Some(typed) => BackupStore::judge_as_typed(&entries, &typed),
            None => store.judge(&entries, &store.settings().keep),
        };
        for mut verdict in verdicts.map_err(Stop::misused)? {
            if args.damaged && damaged.contains(&verdict.of) {
                verdict.kept.clear();
            }
            judged.push(Judged { store_name: store_name.clone(), store: store.clone(), verdict });
        }
    }
    Ok(judged)
}

fn table(judged: &[Judged], style: Style) -> String {
    if judged.is_empty() {
        return "there is no backup\n".to_string();
    }
    let rows = judged.iter().map(|judged| {
        let (fate, why) = match judged.verdict.is_kept() {
            true => ("keep", judged.verdict.kept.join(", ")),
            false => ("remove", String::new()),
        };
        [judged.verdict.of.id.to_string(), judged.store_name.clone(), fate.to_string(), why]
    });
    let title = ["id", "store", "", "why"].map(str::to_string);
    let rows: Vec<[String; 4]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

/// A backup in `backups prune --output json`: `id host name store keep why`.
fn described(judged: &Judged) -> Value {
    let place = &judged.verdict.of;
    json!({
        "id": place.id, "host": place.host, "name": place.name, "store": judged.store_name,
        "keep": judged.verdict.is_kept(), "why": judged.verdict.kept,
    })
}
