//! Renders a playbook for `lint`, so that it finds what a run would refuse before contact: as far as that runs no program,
//! reads no secret, and asks no host.

use super::{Options, Renderer, Request, Selection, facts_of_others};
use crate::diagnostic::Diagnostics;
use crate::inventory::{Host, Inventory, pattern};
use crate::playbook::params::ParamKind;
use crate::playbook::{Playbook, Step, check, grouping};
use crate::project::Project;
use crate::secrets::SecretOrigin;
use crate::step::KeyUse;

/// A mistake in a playbook is nearly always one for all hosts.
const HOSTS: usize = 32;

/// Lookups that run programs, or make files.
const ACTING: [&str; 3] = ["pipe", "lines", "password"];

/// What reads more than a file of the project, or the store of backups.
const LARGE: [KeyUse; 5] = [KeyUse::Backup, KeyUse::Image, KeyUse::Imports, KeyUse::Variables, KeyUse::Tree];

/// What a run of the playbook on the hosts that it names would refuse before contact; nothing where that cannot be known yet.
pub fn problems(project: &Project, inventory: &Inventory, playbook: &Playbook) -> Diagnostics {
    let hosts = hosts(project, inventory, playbook);
    if hosts.is_empty() || !is_harmless(project, inventory, playbook, &hosts) {
        return Diagnostics::default();
    }
    let names: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    let stages = match playbook.stages(inventory, project, &names) {
        Ok(stages) => stages,
        Err(problems) => return problems,
    };
    let request = Request {
        project,
        inventory,
        playbook,
        hosts: &hosts,
        command_line: &[],
        selection: &Selection::default(),
        stages: &stages,
        options: &Options::default(),
    };
    Renderer::new(request).and_then(Renderer::jobs).err().unwrap_or_default()
}

/// The hosts that the playbook names itself.
fn hosts<'a>(project: &Project, inventory: &'a Inventory, playbook: &Playbook) -> Vec<&'a Host> {
    let mut hosts = match (&playbook.hosts, playbook.plays.is_empty()) {
        (_, false) => {
            let names = playbook.hosts_of_plays(inventory, project).unwrap_or_default();
            names.iter().filter_map(|name| inventory.host(name)).collect()
        }
        (Some(hosts), true) if !pattern::names_addresses(&hosts.text) => {
            inventory.select(&hosts.text, project).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    hosts.truncate(HOSTS);
    hosts
}

fn is_harmless(project: &Project, inventory: &Inventory, playbook: &Playbook, hosts: &[&Host]) -> bool {
    let is_open = |step: &Step| {
        grouping::is_grouping(step)
            || step
                .kind
                .keys
                .iter()
                .any(|(key, key_use)| LARGE.contains(key_use) && step.keys.get(key).is_some())
    };
    let waits = playbook.params.iter().any(|param| param.required || param.kind == ParamKind::Secret);
    if waits || playbook.all_steps().any(is_open) {
        return false;
    }
    let settings = playbook.vars.iter().chain(hosts.iter().flat_map(|host| &host.vars));
    let mut acts = false;
    for setting in settings {
        acts |= setting.secret || SecretOrigin::of_value(&setting.value).is_some();
        check::strings_of(&setting.value, &mut |text| acts |= is_acting(text));
    }
    for step in playbook.all_steps() {
        let texts = check::texts(step).into_iter().chain(check::template_files(project, step));
        texts.for_each(|text| acts |= is_acting(&text.text));
    }
    !acts && facts_of_others::wanted(project, inventory, playbook, &[]).is_empty()
}

fn is_acting(text: &str) -> bool {
    let looks_up = ["lookup", "query", "q("].iter().any(|call| text.contains(call));
    looks_up && ACTING.iter().any(|kind| text.contains(kind))
}
