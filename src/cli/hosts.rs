//! `windlass hosts`: the inventory as it is resolved.

use super::{Done, Global, answer};
use crate::inventory::fold::fold;
use crate::inventory::{Host, Inventory};
use crate::report::Format;
use crate::variables;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show the inventory as it is resolved
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which hosts; all when not given
    #[arg(value_name = "PATTERN", default_value = "all")]
    pattern: String,
    /// Inventories to read, instead of all of inventories/
    #[arg(short, long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// The groups and what is in them
    #[arg(long, conflicts_with = "json")]
    graph: bool,
    /// Everything, as JSON; the same as `--output json`
    #[arg(long)]
    json: bool,
}

/// Shows hosts.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    let inventory = Inventory::load(&project, &args.inventory)?;
    let hosts = inventory.select(&args.pattern, &project)?;
    let text = match (args.graph, args.json || global.format() != Format::Human) {
        (true, _) => graph(&inventory),
        (false, true) => format!("{:#}\n", Value::from_iter(hosts.into_iter().map(of_host))),
        (false, false) => table(&hosts),
    };
    answer(&text)
}

fn table(hosts: &[&Host]) -> String {
    let rows: Vec<[String; 4]> = hosts.iter().map(|host| row(host)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, address, user) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| {
        let line = format!("{:name$}  {:address$}  {:user$}  {}", row[0], row[1], row[2], row[3]);
        line.trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(host: &Host) -> [String; 4] {
    let port = host.ssh.port.map(|port| format!(":{port}")).unwrap_or_default();
    let user = host.ssh.user.as_ref().map(|users| users.as_slice().join(",")).unwrap_or_default();
    [host.name.to_string(), format!("{}{port}", host.address), user, host.groups.join(" ")]
}

fn graph(inventory: &Inventory) -> String {
    let group = |(name, group): (&String, &crate::inventory::Group)| {
        let children = group.children.iter().map(|child| format!("  group {child}\n")).collect::<String>();
        format!("{name}\n{children}  {}\n", fold(group.hosts.iter().map(|host| host.as_str())))
    };
    inventory.groups.iter().map(group).collect()
}

fn of_host(host: &Host) -> Value {
    let vars = variables::of_host(None, host, &[]);
    let vars: serde_json::Map<String, Value> = vars.into_iter().map(|one| (one.name, one.value)).collect();
    json!({
        "name": host.name.as_str(),
        "address": host.address,
        "groups": host.groups,
        "ssh": host.ssh,
        "vars": vars,
    })
}
