//! `group_by`: the hosts of a run join groups before its jobs are made.

use super::Chosen;
use super::asking::{Asking, Facts};
use crate::cli::Stop;
use crate::playbook::Playbook;
use crate::render::{self, Renderer, Selection, grouping};
use crate::setting::Setting;

/// A run whose hosts have joined groups.
pub struct Grouped {
    /// The same hosts, with the groups.
    pub chosen: Chosen,
    /// What the hosts said of themselves, or why one could not be asked.
    pub facts: Facts,
}

/// Puts the hosts into the groups that the playbook makes; nothing when it makes none. Later steps see the groups of
/// earlier ones.
pub fn grouped(
    playbook: &Playbook,
    selection: &Selection,
    becomes: Option<bool>,
    command_line: &[Setting],
    asking: &Asking<'_>,
) -> Result<Option<Grouped>, Stop> {
    let steps: Vec<usize> = grouping::steps(playbook).map(|(index, _)| index).collect();
    if steps.is_empty() {
        return Ok(None);
    }
    let mut chosen = asking.chosen.clone();
    let wanted = grouping::facts(playbook, &chosen.hosts(), command_line);
    let mut facts = Facts::new();
    for index in steps {
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
                options: &options,
            };
            // What is wrong in the playbook is said before a host is contacted.
            let renderer = Renderer::new(request)?;
            if facts.is_empty() && !wanted.is_empty() {
                facts = asking.of_hosts(&hosts, becomes, &wanted)?;
            }
            renderer.with_own_facts(facts.clone()).members_by(index)?
        };
        chosen.inventory = chosen.inventory.with_members(&chosen.project, &members)?;
    }
    Ok(Some(Grouped { chosen, facts }))
}
