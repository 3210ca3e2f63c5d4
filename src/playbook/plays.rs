//! Several plays in one file: each has its own hosts, and they run one after the other.

use super::{Playbook, Written, grouping};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Inventory;
use crate::keys::Share;
use crate::project::Project;
use crate::source::Place;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// One of `[[plays]]`. Its steps are among those of the playbook, which say what play they are of.
#[derive(Clone, Debug)]
pub struct Play {
    /// What it is for; without a name its number, counted from 1.
    pub title: String,
    /// Where it begins.
    pub place: Place,
    /// A pattern.
    pub hosts: Written,
    /// Whether its steps run as another user.
    pub becomes: Option<bool>,
    /// How many hosts each batch has.
    pub serial: Vec<Share>,
    /// No further host starts it once so many have failed.
    pub max_failures: Option<Share>,
}

/// A part of a run: hosts that start together, once those of the part before are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The play that is run, counted from 0.
    pub play: u32,
    /// What it is called.
    pub name: String,
    /// Its hosts, in the order of the run.
    pub hosts: Vec<String>,
    /// How many hosts each batch has.
    pub serial: Vec<Share>,
    /// No further host starts once so many have failed.
    pub max_failures: Option<Share>,
    /// It is left out when hosts have failed before.
    pub needs_the_others: bool,
}

impl Playbook {
    /// The hosts of all plays, in the order of the inventory.
    pub fn hosts_of_plays(
        &self,
        inventory: &Inventory,
        project: &Project,
    ) -> Result<Vec<String>, Diagnostics> {
        let mut all = HashSet::new();
        for play in &self.plays {
            all.extend(self.hosts_of(play, inventory, project)?);
        }
        let known = inventory.hosts.iter().map(|host| host.name.to_string());
        Ok(known.filter(|name| all.contains(name)).collect())
    }

    /// The hosts of a play; none while no host has joined the groups that its pattern names and `group_by` makes. What is
    /// wrong with the pattern is shown there.
    pub fn hosts_of(
        &self,
        play: &Play,
        inventory: &Inventory,
        project: &Project,
    ) -> Result<Vec<String>, Diagnostics> {
        let comes = |name: &str| grouping::may_make(self, name);
        let selected = inventory.select_with(&play.hosts.text, project, &comes);
        let selected = selected.map_err(|found| found.placed(&play.hosts.place))?;
        Ok(selected.into_iter().map(|host| host.name.to_string()).collect())
    }

    /// What its plays are of a run on these hosts.
    pub fn stages(
        &self,
        inventory: &Inventory,
        project: &Project,
        chosen: &[String],
    ) -> Result<Vec<Stage>, Diagnostics> {
        let chosen: HashSet<&String> = chosen.iter().collect();
        let stage = |(number, play): (usize, &Play)| {
            let mut hosts = self.hosts_of(play, inventory, project)?;
            hosts.retain(|host| chosen.contains(host));
            Ok(Stage {
                play: number as u32,
                name: play.title.clone(),
                hosts,
                serial: play.serial.clone(),
                max_failures: play.max_failures,
                needs_the_others: true,
            })
        };
        self.plays.iter().enumerate().map(stage).collect()
    }

    /// Whether the work on each host of the stages is done as another user, where the plays say so. A host's plays are one
    /// job there, so they cannot differ.
    pub fn becomes_of(
        &self,
        stages: &[Stage],
        inventory: &Inventory,
    ) -> Result<BTreeMap<String, bool>, Diagnostics> {
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        let mut problems = Diagnostics::default();
        for stage in stages {
            let Some(play) = self.plays.get(stage.play as usize) else { continue };
            for host in &stage.hosts {
                let own = inventory.host(host).and_then(|host| host.ssh.becomes);
                let becomes = play.becomes.or(self.becomes).or(own).unwrap_or(false);
                if *known.entry(host.clone()).or_insert(becomes) != becomes {
                    let message =
                        format!("`{}` has another `become` than an earlier play on {host}", stage.name);
                    let problem = Diagnostic::error(message, &play.place);
                    problems.push(
                        problem
                            .hint("the plays of one host agree; a single step has become_user = \"deploy\""),
                    );
                    break;
                }
            }
        }
        problems.unless_errors(known)
    }
}

/// The stages that undo a run of these stages: each host with the last play that it was in, the last plays first.
pub fn backwards(stages: &[Stage], hosts: &[String]) -> Vec<Stage> {
    let mut last: HashMap<&String, usize> = HashMap::new();
    for (at, stage) in stages.iter().enumerate() {
        last.extend(stage.hosts.iter().map(|host| (host, at)));
    }
    let undo = |(at, stage): (usize, &Stage)| {
        let is_last = |host: &&String| last.get(host).copied().unwrap_or(0) == at;
        let hosts: Vec<String> = hosts.iter().filter(is_last).cloned().collect();
        Stage { hosts, serial: Vec::new(), max_failures: None, needs_the_others: false, ..stage.clone() }
    };
    stages.iter().enumerate().rev().map(undo).filter(|stage| !stage.hosts.is_empty()).collect()
}
