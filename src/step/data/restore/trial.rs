//! Shows that a part can be restored: into something that is thrown away at once, also when it fails or is killed.

use super::databases::{Target, format_of};
use super::postgres::MAINTENANCE;
use super::{Part, PartPlan, Restore, databases, letters, mysql, postgres};
use crate::model::backup::PartKind;
use crate::model::counted::counted;
use crate::model::op::{Command, Run};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::sql::Dialect;
use crate::sql::client::Client;
use crate::system::Probe;

const TREE: &str = include_str!("trial-tree.sh");
const FILE: &str = include_str!("trial-file.sh");
const POSTGRES: &str = include_str!("trial-postgres.sh");
const MYSQL: &str = include_str!("trial-mysql.sh");

/// What the scripts end with when all is well: nothing is changed then.
const FINE: i32 = 10;

pub fn plan(step: &Restore, host: &dyn Probe, part: &Part) -> Result<PartPlan> {
    let (command, proves) = match part.label.kind {
        PartKind::Tar => tree(step, host, part)?,
        PartKind::Rdb | PartKind::Json => file(step, host, part)?,
        PartKind::PgDump | PartKind::Sql => database(step, host, part)?,
    };
    let title = Some(format!("restore {} of {} and throw it away", part.label.name, step.backup.id));
    let mut advice = databases::advice(part, step);
    let hint = "the backup cannot be relied on: take another one, and look at what the host said";
    advice.hints.push(("windlass:".to_string(), hint.to_string()));
    let run = Run {
        input: Some(part.asset.clone()),
        idle: Some(FINE),
        advice,
        proves: Some(proves),
        // Its only good end is to be idle.
        accept: crate::model::op::Accept::Of(Vec::new()),
        ..Run::from(Command { title, ..command })
    };
    Ok(PartPlan { ops: vec![run.into()], notes: Vec::new() })
}

/// A directory of windlass's own that is always of the same name, so that what a killed test left is found by the next.
fn folder(step: &Restore, host: &dyn Probe, part: &Part) -> Result<HostPath> {
    let memory = host.brought().map(|brought| brought.memory.clone());
    let memory =
        memory.ok_or_else(|| Failure::new("test a backup", "no directory for it is known on the host"))?;
    Ok(memory.join(format!("restore-test-{}", letters(&format!("{}{}", step.backup.id, part.label.name)))))
}

fn tree(step: &Restore, host: &dyn Probe, part: &Part) -> Result<(Command, String)> {
    let folder = folder(step, host, part)?.to_string();
    let (count, digest) = part.files.as_ref().map_or((0, ""), |files| (files.count, files.digest.as_str()));
    let words = ["sh", "-c", TREE, "windlass", &folder, digest];
    let files = counted(count as usize, "file");
    Ok((Command::new(words), format!("{}: {files}, as backed up", part.label.name)))
}

fn file(step: &Restore, host: &dyn Probe, part: &Part) -> Result<(Command, String)> {
    let folder = folder(step, host, part)?.to_string();
    let container = part.from.get("container").and_then(|name| name.as_str()).unwrap_or_default();
    let container = if part.label.kind == PartKind::Rdb { container } else { "" };
    let words = ["sh", "-c", FILE, "windlass", &folder, part.label.kind.as_str(), container];
    Ok((Command::new(words), format!("{}: every byte is what was backed up", part.label.name)))
}

fn database(step: &Restore, host: &dyn Probe, part: &Part) -> Result<(Command, String)> {
    let target = Target::of(step, host, part, "test")?;
    let maintenance = target.maintenance();
    let client = Client::on(host, &maintenance, target.container.as_deref())?;
    let assertion = part.from.get("assertion").and_then(|sql| sql.as_str()).unwrap_or_default();
    let Target { database, loading, .. } = &target;
    let command = match database.dialect {
        Dialect::Postgres => {
            let words = [
                "test",
                &postgres::drop(loading),
                &postgres::make(part, loading, false),
                format_of(part),
                assertion,
                &database.target(MAINTENANCE),
                &database.target(loading),
            ];
            client.command_with(POSTGRES, &words, &[], "")
        }
        Dialect::MySql => {
            let words = [
                "test",
                &mysql::drop(loading),
                &mysql::make(loading, part),
                assertion,
                &database.target(loading),
            ];
            client.command_with(MYSQL, &words, &database.connection(), "")
        }
    };
    let asked = if assertion.is_empty() { "it has no assertion" } else { "its assertion is true" };
    Ok((command, format!("{}: it loads into a database, and {asked}", part.label.name)))
}
