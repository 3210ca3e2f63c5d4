//! `windlass backups verify`: reads every byte of backups.

use super::restore::{self, Server};
use super::{Found, Which};
use crate::cli::{Done, Global, Stop, answer, answer_json, warn_of};
use crate::model::counted::counted;
use crate::model::size::Size;
use crate::model::{Failure, Result};
use crate::report::style::Tone;
use crate::report::{Format, INTERRUPTED, Progress, escape, exit_code_of_all};
use crate::store::{Id, Identities, Verified};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The exit code when a backup is damaged.
const DAMAGED: u8 = 2;

/// Read every byte of backups and compare it with what was written
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ids, as `backups list` shows them
    #[arg(value_name = "ID", required_unless_present_any = ["all", "latest"])]
    ids: Vec<Id>,
    /// All backups
    #[arg(long, conflicts_with_all = ["ids", "latest"])]
    all: bool,
    /// The newest backup of each host and name
    #[arg(long, conflicts_with = "ids")]
    latest: bool,
    /// A file with an age identity, to verify what encrypted backups contain; can be given several times
    #[arg(long, value_name = "FILE")]
    age_identity: Vec<PathBuf>,
    /// Then restore each into a temporary database or directory, check the backup's assertion there, and compare its
    /// files; what was restored is removed again
    #[arg(long)]
    restore: bool,
    /// On this host, instead of the one it came from
    #[arg(long, value_name = "HOST", requires = "restore")]
    on: Option<String>,
    /// How the host reaches a database.
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    which: Which,
}

/// Reads them, and says which are damaged.
pub fn run(args: &Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    let found = chosen(args, args.which.backups(&project)?)?;
    let given = Identities::read(&args.age_identity).map_err(Stop::misused)?;
    let mut all = Vec::new();
    for found in &found {
        let identities = if given.is_empty() { found.store.identities()? } else { given.clone() };
        let bar = bar(found, global);
        let progress = &mut |bytes| bar.inc(bytes);
        let verified = found.store.verify(&found.entry.place, &identities, progress);
        bar.finish_and_clear();
        if let Err(failure) = found.store.remember(&verified) {
            warn_of(&failure);
        }
        if global.format() == Format::Human {
            answer(&told(&verified, global))?;
        }
        all.push(verified);
    }
    if global.format() != Format::Human {
        answer_json(&Value::Array(all.iter().map(described).collect()))?;
    }
    let codes = match args.restore {
        true => test_all(args, &found, &all, global)?,
        false => all.iter().map(|one| if one.is_whole() { 0 } else { DAMAGED }).collect(),
    };
    Ok(exit_code_of_all(&codes))
}

/// Restores each of those that are whole into something that is removed afterwards. One that cannot be tested does not
/// keep the others from it. Returns the exit codes, one for each until an interrupt.
fn test_all(args: &Args, found: &[Found], all: &[Verified], global: &Global) -> Result<Vec<u8>, Stop> {
    let identity = args.age_identity.first().map(PathBuf::as_path);
    let (mut codes, mut untested) = (Vec::new(), Vec::new());
    for (found, verified) in found.iter().zip(all) {
        let id = &found.entry.place.id;
        let test = || restore::test(found, args.on.as_deref(), identity, &args.server, global);
        let code = match verified.is_whole().then(test).transpose() {
            Ok(code) => code,
            Err(stop) => {
                stop.of(&format!("test the restore of {id}")).tell(global);
                None
            }
        };
        if code.is_none() {
            untested.push(id.to_string());
        }
        codes.push(code.unwrap_or(DAMAGED));
        if code == Some(INTERRUPTED) {
            break;
        }
    }
    if found.len() > 1 && !untested.is_empty() {
        let of = counted(found.len(), "backup");
        warn_of(&Failure::new(format!("test {of}"), format!("not tested: {}", untested.join(", "))));
    }
    Ok(codes)
}

fn chosen(args: &Args, mut found: Vec<Found>) -> Result<Vec<Found>, Stop> {
    let missing = args.ids.iter().find(|id| !found.iter().any(|found| found.entry.place.id == **id));
    if let Some(id) = missing {
        let failure = Failure::new(format!("find backup {id}"), "it is in none of the stores");
        return Err(Stop::misused(failure.hint("`windlass backups list` shows what there is")));
    }
    let mut seen = BTreeSet::new();
    found.retain(|found| {
        let place = &found.entry.place;
        args.all
            || args.ids.contains(&place.id)
            || args.latest && seen.insert((found.store_name.clone(), place.host.clone(), place.name.clone()))
    });
    match found.is_empty() {
        true => Err(Stop::misused(Failure::new("verify backups", "there is none"))),
        false => Ok(found),
    }
}

/// A line on a terminal that counts bytes; nothing elsewhere.
fn bar(found: &Found, global: &Global) -> ProgressBar {
    let (manifest, id) = (found.entry.manifest.as_ref().ok(), &found.entry.place.id);
    let bytes = manifest.map_or(0, |manifest| manifest.plain_bytes());
    let target = match global.progress() {
        Progress::Bars(_) => ProgressDrawTarget::stderr(),
        Progress::None | Progress::Lines(_) => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{msg} {bar:20} {bytes} of {total_bytes}, {bytes_per_sec}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(bytes), target).with_style(style).with_message(id.to_string())
}

fn told(verified: &Verified, global: &Global) -> String {
    let style = global.view(false).style;
    let id = &verified.place.id;
    let mut text = match (&verified.manifest, verified.is_whole()) {
        (Some(manifest), true) => {
            let size = Size(manifest.stored_bytes());
            format!(
                "{} {id}: {}, {size}\n",
                style.paint(Tone::Good, "whole  "),
                counted(manifest.parts.len(), "part")
            )
        }
        _ => format!("{} {id}\n", style.paint(Tone::Bad, "damaged")),
    };
    for problem in &verified.problems {
        text += &format!("        {}: {}\n", escape::line(&problem.doing), escape::line(&problem.why));
    }
    if !verified.locked.is_empty() {
        let parts = verified.locked.join(", ");
        text += &format!(
            "        encrypted, only the stored bytes were checked: {parts} (--age-identity FILE opens them)\n"
        );
    }
    text
}

/// A backup in `backups verify --output json`: `id host name whole problems locked`; `locked` are the parts whose contents
/// no identity opened.
fn described(verified: &Verified) -> Value {
    let problems = verified.problems.iter().map(|problem| format!("{}: {}", problem.doing, problem.why));
    json!({
        "id": verified.place.id, "host": verified.place.host, "name": verified.place.name,
        "whole": verified.is_whole(), "problems": problems.collect::<Vec<_>>(), "locked": verified.locked,
    })
}
