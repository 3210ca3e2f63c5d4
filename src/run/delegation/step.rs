//! The step of a host as another one runs it.

use crate::model::arg::Arg;
use crate::model::delegation::FACTS;
use crate::model::job::{HostWork, JobStep};
use crate::model::play::{Given, LARGEST, size};
use crate::model::{Failure, Result, Value, cut, label};
use crate::step;
use crate::template::is_plain;
use std::collections::BTreeSet;

/// A host's work with one step alone, as another host runs it. Whether a failure counts is the first host's to say, and
/// handlers run there.
pub fn part(work: &HostWork, step: JobStep, of: &str) -> HostWork {
    let name = step.name.clone().unwrap_or_else(|| Arg::Value(step.kind.clone().into()));
    let step = JobStep {
        on: None,
        once: None,
        notify: Vec::new(),
        ignore_errors: true,
        blocks: Vec::new(),
        name: Some(name.followed_by(&format!(" (for {of})"))),
        ..step
    };
    HostWork {
        steps: vec![step],
        handlers: Vec::new(),
        rescue: Vec::new(),
        always: Vec::new(),
        shares: Vec::new(),
        serves: false,
        awaits: Vec::new(),
        ..work.clone()
    }
}

/// A step for one element of its loop, as a step without a loop.
pub fn of_element(step: &JobStep, item: u32) -> Option<JobStep> {
    let Some(Arg::Value(Value::Array(items))) = &step.items else { return None };
    let item = items.get(item as usize)?;
    let element = (step.loop_var.clone(), Arg::Value(item.clone()));
    Some(JobStep {
        name: Some(name_of_element(step, item)),
        vars: step.vars.iter().cloned().chain([element]).chain(step.item_vars.iter().cloned()).collect(),
        item_vars: Vec::new(),
        items: None,
        label: None,
        ..step.clone()
    })
}

/// Its name with the element, unless it has one of its own.
fn name_of_element(step: &JobStep, item: &Value) -> Arg {
    let name = step.name.clone();
    let title = || Arg::Value(step.title().into());
    match (&step.label, name) {
        _ if step.no_log => step.name.clone().unwrap_or_else(title),
        (Some(Arg::Value(label)), name) => {
            name.unwrap_or_else(title).followed_by(&format!(": {}", label::label(label)))
        }
        (Some(Arg::Template(label)), Some(Arg::Value(Value::String(name)))) if is_plain(&name) => {
            Arg::Template(format!("{name}: {label}"))
        }
        (Some(Arg::Template(label)), Some(Arg::Template(name))) => Arg::Template(format!("{name}: {label}")),
        (Some(Arg::Template(label)), None) => Arg::Template(format!("{}: {label}", step.title())),
        (_, Some(name)) if name != title() => name,
        _ => title().followed_by(&format!(": {}", label::label(item))),
    }
}

/// What is taken of what a host hands on: facts, and names that a step of its job may have given a value.
pub fn taken(mut given: Given, work: &HostWork) -> Result<Given> {
    let set = work.all_steps().flat_map(step::variables).map(|(name, _)| name);
    let registered = work.all_steps().filter_map(|step| step.register.clone());
    let names: BTreeSet<String> = set.chain(registered).chain([FACTS.to_string()]).collect();
    given.retain(|name, _| names.contains(name));
    if given.values().flatten().any(cut::is_too_deep) || size(&given) > LARGEST {
        let why = "its values are too large, or have too many values inside one another";
        return Err(Failure::new("have a step run on another host", why));
    }
    Ok(given)
}
