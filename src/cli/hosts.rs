//! `windlass hosts [PATTERN]`: the inventory as resolved.

use super::options::Reach;
use super::{Done, Global, answer, answer_json};
use crate::inventory::fold::fold;
use crate::inventory::{Host, Inventory};
use crate::model::Value;
use crate::report::style::{self, Style};
use crate::report::{Format, Verbosity, escape};
use serde_json::{Map, json};
use std::path::PathBuf;

mod reach;
mod scan;

/// Show the inventory as it is resolved: hosts, how they are reached, their groups
///
/// With -v, each option of the connection, with the file and line that decided it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which hosts, as in `run --hosts`
    #[arg(default_value = "all")]
    pattern: String,
    /// The inventories to read, instead of every file in inventories/
    #[arg(short, long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// Show groups with their hosts
    #[arg(long, conflicts_with = "json")]
    graph: bool,
    /// Show everything, variables included, as JSON (the same as --output json)
    #[arg(long)]
    json: bool,
    /// Ask the hosts for their host keys and show the fingerprints, to compare them; does not log in
    #[arg(long, conflicts_with_all = ["graph", "json"])]
    scan: bool,
    /// Write the keys of new hosts to known_hosts
    #[arg(long, requires = "scan")]
    write_known_hosts: bool,
    /// An option of ssh_config, as after `ssh -o`
    #[arg(short = 'o', long = "ssh-option", value_name = "OPTION=VALUE")]
    ssh_options: Vec<String>,
}

/// Prints the hosts.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    let mut inventory = Inventory::load(&project, &args.inventory)?;
    inventory.add_addresses(&args.pattern, &project)?;
    let hosts = inventory.select(&args.pattern, &project)?;
    warn(&inventory, &hosts, global);
    let config = || Reach { ssh_options: args.ssh_options.clone(), ..Reach::default() }.ssh_config();
    if args.scan {
        return scan::run(&hosts, &config()?, args.write_known_hosts, global);
    }
    if global.verbosity() == Verbosity::Verbose && !args.json && global.format() == Format::Human {
        return answer(&reach::shown(&hosts, &config()?, global.view(false).style));
    }
    match global.format() {
        Format::Human if args.graph => answer(&graph(&inventory, &hosts)),
        Format::Human if !args.json => answer(&table(&hosts, global.view(false).style)),
        _ => answer_json(&Value::Array(hosts.iter().map(|host| described(host)).collect())),
    }
}

/// Prints what is odd in the inventory, and why chosen hosts cannot be reached, on standard error.
fn warn(inventory: &Inventory, hosts: &[&Host], global: &Global) {
    let mut problems = inventory.warnings.clone();
    hosts.iter().for_each(|host| problems.append(host.refused.clone()));
    global.warn(&problems);
}

fn table(hosts: &[&Host], style: Style) -> String {
    let rows = hosts
        .iter()
        .map(|host| [host.name.to_string(), escape::line(&login(host)).into_owned(), host.groups.join(",")]);
    let title = ["host", "address", "groups"].map(str::to_string);
    let rows: Vec<[String; 3]> = std::iter::once(title).chain(rows).collect();
    style::table(&rows, style)
}

/// `deploy@203.0.113.10:2222`, as far as the inventory says it.
fn login(host: &Host) -> String {
    let user = host.ssh.user.as_ref().map_or_else(String::new, |user| user.as_slice().join("|") + "@");
    let port = host.ssh.port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{user}{}{port}", host.address)
}

/// Each group with its children and, folded, its hosts.
fn graph(inventory: &Inventory, hosts: &[&Host]) -> String {
    let chosen = |name: &str| hosts.iter().any(|host| host.name.as_str() == name);
    let groups = inventory.groups.iter().map(|(name, group)| {
        let names = group.hosts.iter().map(|host| host.as_str()).filter(|name| chosen(name));
        let children = if group.children.is_empty() {
            String::new()
        } else {
            format!(" (with {})", group.children.join(", "))
        };
        format!("{name}{children}: {}\n", fold(names))
    });
    groups.collect()
}

/// A host in `hosts --json`: `host address ssh groups vars`; of a variable the strongest value, as it is written.
fn described(host: &Host) -> Value {
    let vars: Map<String, Value> =
        host.vars.iter().map(|var| (var.name.clone(), var.value.clone())).collect();
    json!({
        "host": host.name.as_str(), "address": host.address, "ssh": host.ssh, "groups": host.groups, "vars": vars,
    })
}
