//! A copy of a database, on which migrations are tried before the database itself gets them.

use super::files::File;
use super::record::Record;
use super::script::{RECORDED, Scripts};
use crate::model::digest::Digest;
use crate::model::op::{Command, Run, Undo};
use crate::model::{Failure, Result};
use crate::sql::Dialect;
use crate::sql::client::Client;
use crate::system::Probe;
use std::path::Path;

const CLONE: &str = include_str!("clone.sh");

/// What a copy may need beyond the size of what is copied, in bytes: logs and temporary files of a small database.
const MARGIN: u64 = 64 << 20;

/// The run that makes the copy, applies the files to it, and drops it.
pub fn attempt(host: &dyn Probe, scripts: &Scripts, client: &Client, files: &[&File]) -> Result<Run> {
    let database = client.database;
    let name = name(host, database.host.as_deref().unwrap_or_default(), &database.name)?;
    let versions: Vec<&str> = files.iter().map(|file| file.version.as_str()).collect();
    let words = [
        format!("try {}", versions.join(" ")),
        drop_sql(database.dialect, &name),
        make_sql(database.dialect, &name),
        database.name.clone(),
        database.target(&database.name),
        database.target(&name),
    ];
    let task = format!("{RECORDED}{CLONE}");
    let sql = scripts.all(files).text;
    let command =
        client.command_with(&task, &words.each_ref().map(String::as_str), &database.connection(), &sql);
    let title = Some(format!("{} migrations on a copy of {database}", files.len()));
    Ok(Run { undo: Undo::NotNeeded, ..Run::from(Command { title, ..command }) })
}

/// The copy's name: the same for every try from this host, so that what an interrupted one left is found, and never that
/// of another host, whose try may be going on.
fn name(host: &dyn Probe, server: &str, database: &str) -> Result<String> {
    let mut all = format!("{server}\n{database}\n").into_bytes();
    for path in ["/etc/machine-id", "/etc/hostname"] {
        all.extend(host.read(Path::new(path))?.unwrap_or_default());
    }
    Ok(format!("windlass_try_{}", &Digest::of(&all).to_string()[..12]))
}

/// A session that an interrupted try left behind would keep it.
fn drop_sql(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "SET client_min_messages = warning;\nSELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';\n\
             DROP DATABASE IF EXISTS \"{name}\";"
        ),
        Dialect::MySql => format!("DROP DATABASE IF EXISTS `{name}`;"),
    }
}

fn make_sql(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', '{name}', \
             pg_encoding_to_char(encoding), datcollate, datctype) FROM pg_database WHERE datname = current_database() \\gexec"
        ),
        Dialect::MySql => format!(
            "SET @windlass = (SELECT CONCAT('CREATE DATABASE `{name}` CHARACTER SET ', default_character_set_name, ' COLLATE ', \
             default_collation_name) FROM information_schema.schemata WHERE schema_name = DATABASE());\n\
             PREPARE windlass FROM @windlass;\nEXECUTE windlass;"
        ),
    }
}

/// Refuses a copy for which the disk has no room; says where that cannot be seen.
pub fn space(host: &dyn Probe, client: &Client, record: &Record) -> Result<Vec<String>> {
    let needed = record.size + record.size / 4 + MARGIN;
    let near = client.container.is_some() || client.database.is_local();
    let free =
        if near && !record.folder.is_empty() { free_bytes(host, client, &record.folder)? } else { None };
    match free {
        None => Ok(vec![format!(
            "a copy takes about {} MiB; whether the server has them cannot be seen from here",
            needed >> 20
        )]),
        Some(free) if free < needed => {
            let why = format!(
                "it would take {} MiB, and {} has {} MiB left",
                needed >> 20,
                record.folder,
                free >> 20
            );
            Err(Failure::new(format!("make a copy of {}", client.database), why)
                .hint("free disk space, or migrate without try_on_clone"))
        }
        Some(_) => Ok(Vec::new()),
    }
}

fn free_bytes(host: &dyn Probe, client: &Client, folder: &str) -> Result<Option<u64>> {
    let inside = client.container.map(|container| ["docker", "exec", container]);
    let words = inside.into_iter().flatten().chain(["df", "-Pk", folder]);
    let answer = host.ask(&Command::new(words))?;
    let text = answer.text();
    let kilobytes = text.lines().last().and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    Ok(kilobytes.filter(|_| answer.ok()).map(|kilobytes| kilobytes << 10))
}
