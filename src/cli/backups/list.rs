//! `windlass backups list`: what there is, and which is late.

use super::{Found, Which};
use crate::cli::{Done, Global, answer, answer_json, warn_of};
use crate::model::duration::TimeSpan;
use crate::model::size::Size;
use crate::report::style::{self, Style};
use crate::report::{Format, escape};
use crate::store::Manifest;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The exit code when a backup is late.
const LATE: u8 = 2;

/// List the complete backups, newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Fail (exit code 2) when the newest complete backup of a host and name is older than this, for example 26h
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::parse)]
    max_age: Option<TimeSpan>,
}

/// Prints them.
pub fn run(args: &Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    let found = args.which.backups(&project)?;
    let now = Timestamp::now();
    match global.format() {
        Format::Human if found.is_empty() => answer("there is no backup\n")?,
        Format::Human => answer(&table(&found, now, &TimeZone::system(), global.view(false).style))?,
        _ => answer_json(&Value::Array(found.iter().map(described).collect()))?,
    };
    for found in &found {
        if let Err(failure) = &found.entry.manifest {
            warn_of(failure);
        }
    }
    let Some(max_age) = args.max_age else { return Ok(0) };
    let late = late(&found, args.which.hosts.as_deref(), max_age.get(), now);
    late.iter().for_each(|line| eprintln!("late: {}", escape::line(line)));
    Ok(if late.is_empty() { 0 } else { LATE })
}

fn table(found: &[Found], now: Timestamp, zone: &TimeZone, style: Style) -> String {
    let rows = found.iter().map(|found| {
        let place = &found.entry.place;
        let taken = place.id.taken();
        let [stored, plain, parts, encrypted] = figures(found.entry.manifest.as_ref().ok());
        [
            place.id.to_string(),
            place.host.clone(),
            place.name.clone(),
            taken.to_zoned(zone.clone()).strftime("%F %T").to_string(),
            age(now, taken),
            stored,
            plain,
            parts,
            encrypted,
            escape::line(&found.store_name).into_owned(),
        ]
    });
    let title = ["id", "host", "name", "taken", "age", "stored", "plain", "parts", "encrypted", "store"];
    let rows: Vec<[String; 10]> = std::iter::once(title.map(str::to_string)).chain(rows).collect();
    style::table(&rows, style)
}

fn figures(manifest: Option<&Manifest>) -> [String; 4] {
    match manifest {
        None => ["damaged", "", "", ""].map(str::to_string),
        Some(manifest) => [
            Size(manifest.stored_bytes()).to_string(),
            Size(manifest.plain_bytes()).to_string(),
            manifest.parts.len().to_string(),
            if manifest.is_encrypted() { "yes" } else { "no" }.to_string(),
        ],
    }
}

/// `45s`, `12m`, `26h`, `12d`.
fn age(now: Timestamp, taken: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(taken.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Hosts and names whose newest whole backup is too old, and hosts that were named and have none.
fn late(found: &[Found], hosts: Option<&str>, max_age: Duration, now: Timestamp) -> Vec<String> {
    let mut newest: BTreeMap<(&str, &str), Option<Timestamp>> = BTreeMap::new();
    for Found { entry, .. } in found {
        let newest = newest.entry((&entry.place.host, &entry.place.name)).or_default();
        *newest = (*newest).max(entry.manifest.is_ok().then(|| entry.place.id.taken()));
    }
    let is_late = |taken: &Timestamp| now.duration_since(*taken).unsigned_abs() > max_age && *taken < now;
    let told = newest.iter().filter_map(|((host, name), newest)| match newest {
        None => Some(format!("{host} {name}: none is whole")),
        Some(taken) if is_late(taken) => {
            Some(format!("{host} {name}: the newest is {} old", age(now, *taken)))
        }
        Some(_) => None,
    });
    let named = hosts.unwrap_or_default().split(',').map(str::trim);
    let is_name = |term: &&str| !term.is_empty() && !term.contains(['*', '?', '[', '~', '@', '!', '&']);
    let has_one = |host: &str| newest.keys().any(|(of, _)| *of == host);
    let none = named
        .filter(is_name)
        .filter(|host| !has_one(host) && found.is_empty())
        .map(|host| format!("{host}: there is no backup of it"));
    told.chain(none).collect()
}

/// A backup in `backups list --output json`: `id host name store taken`, and as its manifest has it `playbook run finished
/// encrypted plain_bytes stored_bytes parts`; `damaged` says why that cannot be relied on, and is null otherwise.
fn described(found: &Found) -> Value {
    let place = &found.entry.place;
    let mut value = json!({
        "id": place.id, "host": place.host, "name": place.name, "store": found.store_name,
        "taken": place.id.taken(), "damaged": null,
    });
    match &found.entry.manifest {
        Err(failure) => value["damaged"] = failure.why.clone().into(),
        Ok(manifest) => {
            let part = |part: &crate::store::Part| {
                json!({
                    "name": part.name, "kind": part.kind, "plain_bytes": part.plain_bytes,
                    "plain_sha256": part.plain_sha256, "stored_bytes": part.stored.bytes,
                    "entries": part.index.as_ref().map(|index| index.entries),
                })
            };
            value["playbook"] = manifest.playbook.clone().into();
            value["run"] = manifest.run.to_string().into();
            value["finished"] = manifest.finished.to_string().into();
            value["encrypted"] = manifest.is_encrypted().into();
            value["plain_bytes"] = manifest.plain_bytes().into();
            value["stored_bytes"] = manifest.stored_bytes().into();
            value["parts"] = manifest.parts.iter().map(part).collect();
        }
    }
    value
}
