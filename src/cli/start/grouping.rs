//! `group_by`: the hosts of a run join groups before its jobs are made.

use super::Chosen;
use super::asking::{Asking, Facts};
use crate::cli::Stop;
use crate::diagnostic::Diagnostic;
use crate::inventory::Host;
use crate::model::Failure;
use crate::playbook::grouping;
use crate::playbook::plays::Stage;
use crate::playbook::{Playbook, Step};
use crate::render::{self, Renderer, Selection};
use crate::setting::Setting;
use std::collections::BTreeSet;

/// A run whose hosts have joined groups.
pub struct Grouped {
    /// The same hosts, with the groups. Hosts that are in no play once the groups are made are left out.
    pub chosen: Chosen,
    /// What the hosts said of themselves, or why one could not be asked.
    pub facts: Facts,
}

/// Puts the hosts into the groups that the playbook makes; nothing when it makes none. Later steps see the groups of
/// earlier ones, and so do the patterns of plays.
pub fn grouped(
    playbook: &Playbook,
    selection: &Selection,
    command_line: &[Setting],
    asking: &Asking<'_>,
) -> Result<Option<Grouped>, Stop> {
    let steps: Vec<(usize, &Step)> = grouping::steps(playbook).collect();
    if steps.is_empty() {
        return Ok(None);
    }
    let mut chosen = asking.chosen.clone();
    let wanted = render::grouping::facts(playbook, &chosen.hosts(), command_line);
    let mut facts = Facts::new();
    for (index, step) in steps {
        let stages = stages(playbook, &chosen)?;
        let members = {
            let hosts = chosen.hosts();
            let options = render::Options::default();
            let request = render::Request {
                project: &chosen.project,
                inventory: &chosen.inventory,
                playbook,
                hosts: &hosts,
                command_line,
                selection,
                stages: &stages,
                options: &options,
            };
            // What is wrong in the playbook is said before a host is contacted.
            let renderer = Renderer::new(request)?;
            let mut unasked = hosts_of(step, &stages, &hosts);
            unasked.retain(|host| !facts.contains_key(host.name.as_str()));
            if !wanted.is_empty() && !unasked.is_empty() {
                let becomes = playbook.becomes_of(&stages, &chosen.inventory)?;
                let becomes = |host: &Host| becomes.get(host.name.as_str()).copied().or(playbook.becomes);
                facts.extend(asking.of_hosts(&unasked, &becomes, &wanted)?);
            }
            renderer.with_own_facts(facts.clone()).members_by(index)?
        };
        chosen.inventory = chosen.inventory.with_members(&chosen.project, &members)?;
    }
    keep_hosts_of_plays(playbook, &mut chosen)?;
    Ok(Some(Grouped { chosen, facts }))
}

fn stages(playbook: &Playbook, chosen: &Chosen) -> Result<Vec<Stage>, Stop> {
    Ok(playbook.stages(&chosen.inventory, &chosen.project, &chosen.names)?)
}

/// The hosts of the step's play; of a playbook without plays all hosts of the run.
fn hosts_of<'a>(step: &Step, stages: &[Stage], hosts: &[&'a Host]) -> Vec<&'a Host> {
    let Some(stage) = stages.get(step.play as usize) else {
        return hosts.to_vec();
    };
    let names: BTreeSet<&str> = stage.hosts.iter().map(String::as_str).collect();
    hosts.iter().copied().filter(|host| names.contains(host.name.as_str())).collect()
}

/// A pattern of a play may name groups that have been made only now: hosts that no play has are not of the run, and a play
/// that no host is in is shown.
fn keep_hosts_of_plays(playbook: &Playbook, chosen: &mut Chosen) -> Result<(), Stop> {
    let stages = stages(playbook, chosen)?;
    if stages.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<&str> = stages.iter().flat_map(|stage| &stage.hosts).map(String::as_str).collect();
    chosen.names.retain(|name| names.contains(name.as_str()));
    if chosen.names.is_empty() {
        let doing = format!("choose the hosts of the plays of {}", playbook.name);
        let failure = Failure::new(doing, "no host is in any of them once the groups are made");
        return Err(Stop::misused(failure.hint("look at the patterns of the plays: hosts = \"…\"")));
    }
    for (play, stage) in playbook.plays.iter().zip(&stages).filter(|(_, stage)| stage.hosts.is_empty()) {
        let message =
            format!("`{}` is not run: no host has joined the groups of `{}`", stage.name, play.hosts.text);
        chosen.inventory.warnings.push(Diagnostic::error(message, &play.hosts.place).warning());
    }
    Ok(())
}
