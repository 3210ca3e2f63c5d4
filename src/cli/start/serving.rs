//! Hosts that run steps for others (`on`): they get a job of their own, or serve beside it.

use crate::inventory::fold::fold;
use crate::inventory::{CONTROLLER, Host, Inventory};
use crate::keys::Share;
use crate::model::job::{HostWork, Job};
use crate::model::on::On;
use crate::playbook::plays::Stage;
use crate::render::contents::Contents;
use crate::run::{Task, Work};
use std::collections::BTreeMap;

/// What a host runs for others.
#[derive(Default)]
struct Served {
    contents: Contents,
    /// The plays of the steps, by the steps' indices.
    steps: BTreeMap<u32, u32>,
}

/// Lets those hosts of the run serve that steps of others name, and returns the named hosts that are not of the run, each
/// with its task. `job` makes a host's job of its work.
pub fn serving(
    inventory: &Inventory,
    hosts: &[&Host],
    tasks: &mut [Task],
    job: &dyn Fn(&Host, HostWork) -> Job,
) -> Vec<(Host, Task)> {
    let mut named: BTreeMap<String, Served> = BTreeMap::new();
    let mut blank = HostWork::default();
    for task in tasks.iter() {
        let Task::Job(job, contents) = task else { continue };
        for step in job.work.all_steps() {
            for on in step.on.iter().flat_map(On::hosts) {
                let served = named.entry(on.clone()).or_default();
                served.contents.add(contents);
                served.steps.insert(step.index, step.play);
            }
        }
        if job.work.all_steps().any(|step| step.on.is_some()) {
            let HostWork { playbook, mode, diff, on_failure, .. } = &job.work;
            let (playbook, mode, diff, on_failure) = (playbook.clone(), *mode, *diff, *on_failure);
            blank = HostWork { playbook, mode, diff, on_failure, serves: true, ..HostWork::default() };
        }
    }
    for (host, task) in hosts.iter().zip(tasks) {
        let (Some(of_others), Task::Job(job, contents)) = (named.remove(host.name.as_str()), task) else {
            continue;
        };
        job.work.serves = true;
        let plays = job.work.plays();
        let of_its_plays = of_others.steps.iter().filter(|(_, play)| plays.contains(play));
        job.work.awaits = of_its_plays.map(|(step, _)| *step).collect();
        contents.add(&of_others.contents);
    }
    let host = |name: &str| inventory.host(name).cloned().or((name == CONTROLLER).then(Host::controller));
    let added = named.into_iter().filter_map(|(name, served)| Some((host(&name)?, served.contents)));
    added
        .map(|(host, contents)| {
            let job = job(&host, blank.clone());
            (host, Task::Job(Box::new(job), contents))
        })
        .collect()
}

/// Says which hosts a run contacts beside those that were chosen.
pub fn note(added: &[String]) -> Option<String> {
    (!added.is_empty()).then(|| format!("steps with `on` also run on {}", fold(added)))
}

/// Hosts that serve others stay until the others are done, as between plays: a run without plays is one of a single play.
pub fn stages(
    work: &[Work],
    stages: Vec<Stage>,
    name: &str,
    serial: &[Share],
    most: Option<Share>,
) -> Vec<Stage> {
    if !stages.is_empty() || !work.iter().any(Work::serves) {
        return stages;
    }
    let hosts = work.iter().filter(|work| !work.only_serves()).map(|work| work.host.clone()).collect();
    vec![Stage {
        play: 0,
        name: name.to_string(),
        hosts,
        serial: serial.to_vec(),
        max_failures: most,
        needs_the_others: true,
    }]
}
