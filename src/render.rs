//! Makes each host's job of a playbook: everything that can be rendered is rendered here, before any host is contacted.
//! What needs facts, results or a loop's item waits for the host's agent, with the variables it refers to beside it.

mod files;
mod lint;
mod scope;
mod step;

pub use lint::lint;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::fold::fold;
use crate::inventory::{Host, Inventory};
use crate::model::Values;
use crate::model::digest::Digest;
use crate::model::job::{InlineAsset, Job, JobStep, Mode, RunId};
use crate::playbook::{Playbook, Step};
use crate::project::Project;
use crate::template::Templates;
use crate::variables::{self, Setting};
use files::Files;
use scope::Scope;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Renders one playbook for the hosts of a run.
pub struct Renderer<'a> {
    project: &'a Project,
    playbook: &'a Playbook,
    /// All hosts of the run, in order: the first one does what is to be done once.
    hosts: &'a [&'a Host],
    command_line: &'a [Setting],
    selection: &'a Selection,
    options: &'a Options,
    templates: Templates,
    files: Files<'a>,
    groups: crate::model::Value,
}

/// What to render.
pub struct Request<'a> {
    /// Where files and templates are.
    pub project: &'a Project,
    /// For `groups`.
    pub inventory: &'a Inventory,
    /// What to do.
    pub playbook: &'a Playbook,
    /// All hosts of the run, in order.
    pub hosts: &'a [&'a Host],
    /// `--var`, as [`variables::from_command_line`] reads it.
    pub command_line: &'a [Setting],
    /// Which steps.
    pub selection: &'a Selection,
    /// The same for every host.
    pub options: &'a Options,
}

/// Which steps of the playbook are done.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only steps with one of these tags, and those tagged `always`. Empty: all steps.
    pub tags: Vec<String>,
    /// Not the steps with one of these tags.
    pub skip_tags: Vec<String>,
    /// The name of the first step.
    pub start_at_step: Option<String>,
}

impl Selection {
    /// Why a step is not done, when its tags say so.
    pub fn leaves_out(&self, step: &Step) -> Option<&'static str> {
        let has = |tags: &[String]| step.tags.iter().any(|tag| tags.contains(tag));
        let tagged = |tag: &str| step.tags.iter().any(|own| own == tag);
        let asked_for = has(&self.tags);
        match () {
            () if has(&self.skip_tags) => Some("its tags are skipped"),
            () if tagged("never") && !asked_for => Some("tagged never"),
            () if !self.tags.is_empty() && !asked_for && !tagged("always") => Some("its tags are not asked for"),
            () => None,
        }
    }
}

/// What is the same in every host's job.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names the run.
    pub run: RunId,
    /// Grows with each run.
    pub epoch: u64,
    /// Who runs it.
    pub who: String,
    /// Apply or check.
    pub mode: Mode,
    /// Whether diffs are wanted.
    pub diff: bool,
}

/// A host's job. Its `nonce`, `settle` and `root` are the caller's to fill in.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The job.
    pub job: Job,
    /// Where the assets are that are too large to travel in it.
    pub assets: BTreeMap<Digest, PathBuf>,
}

/// Small assets travel in the job until they come to this many bytes together; the others are asked for.
const INLINE_TOTAL: usize = 1 << 20;

impl<'a> Renderer<'a> {
    /// Reads the project's templates. Fails when `start_at_step` names no step.
    pub fn new(request: Request<'a>) -> Result<Renderer<'a>, Diagnostics> {
        let Request { project, inventory, playbook, hosts, command_line, selection, options } = request;
        if let Some(name) = &selection.start_at_step
            && playbook.steps.iter().all(|step| step.title() != *name)
        {
            let titles: Vec<String> = playbook.steps.iter().map(Step::title).collect();
            let problem = Diagnostic::elsewhere(format!("no step is called `{name}`"));
            return Err(problem.nearest(name, titles.iter().map(String::as_str)).into());
        }
        let groups = inventory.groups.iter().map(|(name, group)| {
            let hosts = group.hosts.iter().map(|host| host.as_str().into()).collect::<Vec<_>>();
            (name.clone(), crate::model::Value::Array(hosts))
        });
        Ok(Renderer {
            project,
            playbook,
            hosts,
            command_line,
            selection,
            options,
            templates: Templates::new(&files::templates(project)?),
            files: Files::new(project),
            groups: groups.collect::<Values>().into(),
        })
    }

    /// The jobs of all hosts of the run, in their order. What is wrong on some hosts only is told with their names.
    pub fn jobs(&self) -> Result<Vec<Rendered>, Diagnostics> {
        let mut jobs = Vec::new();
        let mut wrong: Vec<(Diagnostic, Vec<&str>)> = Vec::new();
        for host in self.hosts {
            match self.job(host) {
                Ok(rendered) => jobs.push(rendered),
                Err(problems) => {
                    for problem in problems.iter() {
                        match wrong.iter_mut().find(|(known, _)| known == problem) {
                            Some((_, hosts)) => hosts.push(host.name.as_str()),
                            None => wrong.push((problem.clone(), vec![host.name.as_str()])),
                        }
                    }
                }
            }
        }
        let mut problems = Diagnostics::default();
        for (problem, hosts) in wrong {
            problems.push(if hosts.len() == self.hosts.len() { problem } else { for_hosts(problem, &hosts) });
        }
        problems.unless_errors(jobs)
    }

    /// The job of one host.
    pub fn job(&self, host: &Host) -> Result<Rendered, Diagnostics> {
        let scope = Scope::new(self, host)?;
        let mut problems = scope.check_params();
        let mut rendered = Rendered { job: self.blank_job(host), assets: BTreeMap::new() };
        let mut index = 0;
        let mut started = self.selection.start_at_step.is_none();
        let lists = [&self.playbook.steps, &self.playbook.handlers, &self.playbook.rescue, &self.playbook.always];
        let [steps, handlers, rescue, always] = lists.map(|list| {
            let mut jobs: Vec<JobStep> = Vec::new();
            for step in list {
                started |= self.selection.start_at_step.as_ref() == Some(&step.title());
                let skip = self.skip(step, host, started);
                jobs.extend(problems.keep(step::render(self, &scope, step, index, skip, &mut rendered)));
                index += 1;
            }
            started = true;
            jobs
        });
        rendered.job = Job { steps, handlers, rescue, always, ..rendered.job };
        rendered.job.vars = scope.waited_for();
        rendered.job.secrets = scope.secrets();
        self.add_assets(&mut rendered);
        problems.redact(&rendered.job.secrets).unless_errors(rendered)
    }

    fn blank_job(&self, host: &Host) -> Job {
        Job {
            run: self.options.run.clone(),
            host: host.name.to_string(),
            epoch: self.options.epoch,
            who: self.options.who.clone(),
            mode: self.options.mode,
            diff: self.options.diff,
            on_failure: self.playbook.on_failure,
            ..Job::default()
        }
    }

    /// Why a step is not done here, when the controller knows it.
    fn skip(&self, step: &Step, host: &Host, started: bool) -> Option<String> {
        let first = self.hosts.first().filter(|first| step.run_once && first.name != host.name);
        match first {
            _ if !started => {
                let name = self.selection.start_at_step.as_deref();
                Some(format!("before step {}", name.unwrap_or_default()))
            }
            _ if self.selection.leaves_out(step).is_some() => self.selection.leaves_out(step).map(str::to_string),
            Some(first) => Some(format!("runs once, on {}", first.name)),
            None => None,
        }
    }

    /// Moves the small assets into the job.
    fn add_assets(&self, rendered: &mut Rendered) {
        let mut total = 0;
        for (digest, path) in std::mem::take(&mut rendered.assets) {
            match self.files.small(&path).filter(|bytes| total + bytes.1.len() <= INLINE_TOTAL) {
                Some((asset, bytes)) => {
                    total += bytes.len();
                    rendered.job.assets.push(InlineAsset { asset, bytes });
                }
                None => drop(rendered.assets.insert(digest, path)),
            }
        }
    }

    /// Everything that sets variables for a host, weakest first.
    fn settings(&self, host: &Host) -> Vec<Setting> {
        variables::of_host(Some(self.playbook), host, self.command_line)
    }

    /// The names of results. What `--var` sets is stronger than a result.
    fn registered(&self) -> BTreeSet<String> {
        let names = self.playbook.all_steps().filter_map(|step| step.register.as_ref());
        names.filter(|name| !self.is_set_by_var(&name.text)).map(|name| name.text.clone()).collect()
    }

    fn is_set_by_var(&self, name: &str) -> bool {
        self.command_line.iter().any(|setting| setting.name == name)
    }
}

fn for_hosts(problem: Diagnostic, hosts: &[&str]) -> Diagnostic {
    let hosts = format!("for {}", fold(hosts));
    let label = match &problem.label {
        Some(label) => format!("{label}, {hosts}"),
        None => hosts,
    };
    problem.label(label)
}

#[cfg(test)]
mod tests;
