//! Which hosts a run is on: those of a pattern, or of the plays of a playbook.

use crate::cli::options::Hosts;
use crate::cli::request::{Assignment, Request};
use crate::cli::{Done, Global, Stop, answer};
use crate::diagnostic::Diagnostics;
use crate::inventory::fold::fold;
use crate::inventory::{Host, Inventory};
use crate::model::counted::counted;
use crate::model::{Failure, Value};
use crate::playbook::Playbook;
use crate::project::Project;
use crate::report;
use crate::source::Place;
use std::collections::HashSet;

/// A project with the hosts that were chosen in it.
#[derive(Clone)]
pub struct Chosen {
    /// Where everything is.
    pub project: Project,
    /// All hosts.
    pub inventory: Inventory,
    /// The names of the chosen ones, in the inventory's order.
    pub names: Vec<String>,
    /// What was typed.
    pub pattern: String,
}

impl Chosen {
    /// The chosen hosts, in the inventory's order.
    pub fn hosts(&self) -> Vec<&Host> {
        self.names.iter().filter_map(|name| self.inventory.host(name)).collect()
    }
}

/// Reads the project and its inventory, and chooses hosts.
pub fn choose(project: Project, hosts: &Hosts, pattern: Option<String>) -> Result<Chosen, Stop> {
    let Some(pattern) = pattern else {
        let failure = Failure::new("choose hosts", "none are named, and the playbook names none");
        return Err(Stop::misused(failure.hint("give a pattern: --hosts prod")));
    };
    let inventory = Inventory::load(&project, &hosts.inventory)?;
    choose_in(project, inventory, hosts, pattern)
}

/// The same for a playbook, which may name its hosts.
pub fn choose_for(project: Project, hosts: &Hosts, playbook: &Playbook) -> Result<Chosen, Stop> {
    if !playbook.plays.is_empty() {
        return choose_for_plays(project, hosts, playbook);
    }
    match (&hosts.pattern, &playbook.hosts) {
        (None, Some(own)) => {
            let inventory = Inventory::load(&project, &hosts.inventory)?;
            choose_in_place(project, inventory, hosts, own.text.clone(), Some(&own.place))
        }
        (pattern, _) => choose(project, hosts, pattern.clone()),
    }
}

/// The hosts of all plays; a pattern leaves some of them.
fn choose_for_plays(project: Project, hosts: &Hosts, playbook: &Playbook) -> Result<Chosen, Stop> {
    let mut inventory = Inventory::load(&project, &hosts.inventory)?;
    let patterns: Vec<&str> = playbook.plays.iter().map(|play| play.hosts.text.as_str()).collect();
    for pattern in &patterns {
        inventory.add_addresses(pattern, &project)?;
    }
    let mut names = playbook.hosts_of_plays(&inventory, &project)?;
    for pattern in hosts.pattern.iter().chain(&hosts.limit) {
        limit(&mut names, pattern, &inventory, &project)?;
        if names.is_empty() {
            let doing = format!("choose hosts of {pattern} in the plays of {}", playbook.name);
            return Err(Stop::misused(Failure::new(doing, "no play has one of them")));
        }
    }
    if names.is_empty() {
        let doing = format!("choose the hosts of the plays of {}", playbook.name);
        return Err(Stop::misused(
            Failure::new(doing, "no play has a host before the groups are made")
                .hint("the play with `group_by` needs hosts of the inventory: hosts = \"all\""),
        ));
    }
    let pattern = hosts.pattern.clone().unwrap_or_else(|| patterns.join(","));
    Ok(Chosen { project, inventory, names, pattern })
}

/// Chooses hosts of an inventory.
pub fn choose_in(
    project: Project,
    inventory: Inventory,
    hosts: &Hosts,
    pattern: String,
) -> Result<Chosen, Stop> {
    choose_in_place(project, inventory, hosts, pattern, None)
}

/// The same by a pattern that is written at `place`.
fn choose_in_place(
    project: Project,
    mut inventory: Inventory,
    hosts: &Hosts,
    pattern: String,
    place: Option<&Place>,
) -> Result<Chosen, Stop> {
    let placed = |found: Diagnostics| match place {
        Some(place) => found.placed(place),
        None => found,
    };
    inventory.add_addresses(&pattern, &project).map_err(placed)?;
    inventory.add_controller(&pattern);
    let mut names = names_of(inventory.select(&pattern, &project).map_err(placed)?);
    if let Some(limited) = &hosts.limit {
        limit(&mut names, limited, &inventory, &project)?;
        if names.is_empty() {
            let doing = format!("choose hosts of {pattern} in {limited}");
            return Err(Stop::misused(Failure::new(doing, "no host is in both")));
        }
    }
    Ok(Chosen { project, inventory, names, pattern })
}

/// Prints the chosen hosts: `--list-hosts`.
pub fn list_hosts(chosen: &Chosen, global: &Global) -> Done {
    match global.format() {
        report::Format::Human => {
            let hosts = counted(chosen.names.len(), "host");
            answer(&format!("{} ({hosts})\n", fold(&chosen.names)))
        }
        _ => answer(&(Value::from(chosen.names.clone()).to_string() + "\n")),
    }
}

/// The same with the plays of the playbook on the chosen hosts. What the command line says of batches is for every play.
pub(super) fn with_plays(mut request: Request, chosen: &Chosen) -> Result<Request, Stop> {
    let Assignment::Playbook(playbook, _) = &request.assignment else { return Ok(request) };
    let mut stages = playbook.stages(&chosen.inventory, &chosen.project, &chosen.names)?;
    let spread = &mut request.spread;
    spread.becomes = playbook.becomes_of(&stages, &chosen.inventory)?;
    for stage in &mut stages {
        if !spread.serial.is_empty() {
            stage.serial.clone_from(&spread.serial);
        }
        stage.max_failures = spread.max_failures.or(stage.max_failures);
    }
    spread.stages = stages;
    Ok(request)
}

/// Leaves the names of hosts that a pattern chooses too.
fn limit(
    names: &mut Vec<String>,
    pattern: &str,
    inventory: &Inventory,
    project: &Project,
) -> Result<(), Diagnostics> {
    let limited = inventory.select(pattern, project)?;
    let limited: HashSet<&str> = limited.into_iter().map(|host| host.name.as_str()).collect();
    names.retain(|name| limited.contains(name.as_str()));
    Ok(())
}

fn names_of(hosts: Vec<&Host>) -> Vec<String> {
    hosts.into_iter().map(|host| host.name.to_string()).collect()
}
