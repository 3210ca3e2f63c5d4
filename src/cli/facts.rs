//! `windlass facts [PATTERN]`: what `facts.*` of expressions holds, and what it is on hosts.

use super::options::{Hosts, Options, Reach};
use super::{Done, Global, answer, answer_json, start};
use crate::engine::facts::{FACTS, Fact};
use crate::model::Value;
use crate::report::{Format, escape, style};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The exit code where some host did not give its facts.
const UNREACHABLE: u8 = 4;

/// List the facts that expressions can use, or show those of hosts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show the facts of these hosts, as they are now
    #[arg(value_name = "HOSTS")]
    hosts: Option<String>,
    /// The inventories to read, instead of every file in inventories/
    #[arg(short, long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// The user to work as, and how fast.
    #[command(flatten)]
    reach: Reach,
}

/// Prints the list, or asks the hosts.
pub fn run(args: Args, global: &Global) -> Done {
    let Args { hosts, inventory, reach } = args;
    let Some(pattern) = hosts else { return list(global) };
    let hosts = Hosts { inventory, ..Hosts::default() };
    let chosen = start::choose(global.project_or_here()?, &hosts, Some(pattern))?;
    let facts = start::facts(&chosen, &Options { reach, ..Options::default() })?;
    let code = if facts.values().all(Result::is_ok) { 0 } else { UNREACHABLE };
    for (host, failure) in facts.iter().filter_map(|(host, read)| Some((host, read.as_ref().err()?))) {
        eprintln!("{host}: {}", escape::block(&failure.to_string()).trim_end());
    }
    let known = facts.into_iter().filter_map(|(host, read)| Some((host, read.ok()?))).collect();
    match global.format() {
        Format::Human => answer(&pages(&known)),
        _ => answer_json(&Value::Object(known)),
    }?;
    Ok(code)
}

/// Prints every fact with what it holds.
pub fn list(global: &Global) -> Done {
    if global.format() != Format::Human {
        let row = |fact: &Fact| json!({ "name": fact.name, "about": fact.about });
        return answer_json(&Value::Array(FACTS.iter().map(row).collect()));
    }
    let width = style::widest(FACTS.iter().map(|fact| fact.name));
    let line = |fact: &Fact| format!("facts.{}  {}\n", style::padded(fact.name, width), fact.about);
    let lines: String = FACTS.iter().map(line).collect();
    answer(&(lines + "\nwindlass facts HOST shows those of a host\n"))
}

/// Host by host, one line for each fact or part of one: `os.id  debian`.
fn pages(facts: &Map<String, Value>) -> String {
    let page = |(host, facts): (&String, &Value)| {
        let mut lines = BTreeMap::new();
        parts("", facts, &mut lines);
        let width = style::widest(lines.keys().map(String::as_str));
        let line = |(name, value): (&String, &String)| {
            format!("  {}  {}\n", style::padded(name, width), escape::line(value))
        };
        format!("{host}\n{}", lines.iter().map(line).collect::<String>())
    };
    facts.iter().map(page).collect::<Vec<_>>().join("\n")
}

/// The parts of a value with the expression that names each.
fn parts(name: &str, value: &Value, lines: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            for (key, value) in table {
                parts(&member(name, key), value, lines);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (at, value) in list.iter().enumerate() {
                parts(&format!("{name}[{at}]"), value, lines);
            }
        }
        Value::String(text) => _ = lines.insert(name.to_string(), text.clone()),
        other => _ = lines.insert(name.to_string(), other.to_string()),
    }
}

/// `os.id`; `disk['/']` where the key is no name.
fn member(name: &str, key: &str) -> String {
    let is_name = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (name, is_name) {
        ("", _) => key.to_string(),
        (_, true) => format!("{name}.{key}"),
        (_, false) => format!("{name}['{}']", key.replace('\'', "\\'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_the_expression_that_names_it() {
        let facts = json!({
            "os": { "id": "debian" },
            "disk": { "/": { "free": 5 } },
            "mounts": [{ "path": "/" }],
            "addresses": ["192.0.2.1"],
            "nothing": {},
        });
        let mut lines = BTreeMap::new();
        parts("", &facts, &mut lines);
        let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let expected = [
            "addresses [\"192.0.2.1\"]",
            "disk['/'].free 5",
            "mounts[0].path /",
            "nothing {}",
            "os.id debian",
        ];
        assert_eq!(lines, expected);
    }
}
