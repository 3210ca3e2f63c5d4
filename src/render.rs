//! Makes each host's job of a playbook: everything that can be rendered is rendered here, before any host is contacted.
//! What needs facts, results or a loop's item waits for the host's agent, with the variables it refers to beside it.

mod arg;
mod audits;
mod backups;
pub mod contents;
pub mod facts_of_others;
mod files;
pub mod grouping;
mod image;
mod lint;
pub mod looks;
mod named;
mod names;
mod on;
mod others;
mod outside;
mod rehearsal;
mod rounds;
mod scope;
mod sequence;
mod step;
mod trees;
mod vocabulary;

pub use lint::{lint, lint_project};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::fold::fold;
use crate::inventory::{Host, HostName, Inventory};
use crate::model::job::{HostWork, InlineAsset, JobStep, Mode};
use crate::model::once::Once;
use crate::model::{Failure, Value, Values};
use crate::playbook::plays::Stage;
use crate::playbook::{Playbook, Step};
use crate::project::Project;
use crate::setting::Setting;
use crate::template::Templates;
use crate::variables;
use audits::Audits;
use contents::Contents;
use files::Files;
use names::Names;
use others::{Others, shares};
use rounds::Rounds;
use scope::Scope;
use sequence::Sequence;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use trees::Trees;

/// Once something is wrong for so many hosts, the others are not looked at: a mistake in a playbook is the same for all.
const WRONG_HOSTS: usize = 64;

/// Renders one playbook for the hosts of a run.
pub struct Renderer<'a> {
    project: &'a Project,
    inventory: &'a Inventory,
    playbook: Cow<'a, Playbook>,
    /// All hosts of the run, in order: the first one does what is to be done once.
    hosts: &'a [&'a Host],
    command_line: &'a [Setting],
    selection: &'a Selection,
    options: &'a Options,
    templates: Templates,
    files: Files<'a>,
    audits: Audits,
    trees: Trees<'a>,
    /// Of every step kind that the playbook uses.
    schemas: BTreeMap<&'static str, Value>,
    names: Names,
    groups: Value,
    others: Others,
    /// What hosts said of themselves before, for the groups that they join, or why one could not be asked.
    own_facts: BTreeMap<String, Result<Value, Failure>>,
    /// How its steps follow each other.
    sequence: Sequence,
    /// The hosts of each play, in order; none when there is one play.
    stages: &'a [Stage],
    /// The same, to be looked up.
    members: Vec<HashSet<&'a str>>,
    /// What hosts give that others look at.
    shares: Vec<String>,
    /// The lists of the loops around several steps, by host.
    rounds: Rounds,
}

/// What to render.
pub struct Request<'a> {
    /// Where files and templates are.
    pub project: &'a Project,
    /// For `groups` and `hosts`.
    pub inventory: &'a Inventory,
    /// What to do.
    pub playbook: &'a Playbook,
    /// All hosts of the run, in order.
    pub hosts: &'a [&'a Host],
    /// `--var`, as [`variables::from_command_line`] reads it.
    pub command_line: &'a [Setting],
    /// Which steps.
    pub selection: &'a Selection,
    /// The hosts of each play, when there are several plays.
    pub stages: &'a [Stage],
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

/// What is the same in every host's work.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Apply or check.
    pub mode: Mode,
    /// Whether diffs are wanted.
    pub diff: bool,
}

/// A host's work, which an envelope makes a job.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// What the host is to do.
    pub work: HostWork,
    /// Where the bytes are that do not travel in it.
    pub contents: Contents,
}

/// Tags with a meaning of their own.
const OWN_TAGS: [&str; 2] = ["always", "never"];

/// Tags of the command line that mean more than steps with their name.
const WIDE_TAGS: [&str; 3] = ["all", "tagged", "untagged"];

/// Small assets travel in the job until they come to this many bytes together; the others are asked for.
const INLINE_TOTAL: usize = 1 << 20;

impl<'a> Renderer<'a> {
    /// Reads the project's templates. Fails when `start_at_step` names no step.
    pub fn new(request: Request<'a>) -> Result<Renderer<'a>, Diagnostics> {
        let Request { project, inventory, playbook, hosts, command_line, selection, stages, options } =
            request;
        selection.check(playbook)?;
        vocabulary::check(project, Some(inventory), playbook, command_line).unless_errors(())?;
        let names = |hosts: Vec<&HostName>| {
            Value::Array(hosts.into_iter().map(|host| host.as_str().into()).collect())
        };
        let all = names(inventory.hosts.iter().map(|host| &host.name).collect());
        let groups =
            inventory.groups.iter().map(|(name, group)| (name.clone(), names(group.hosts.iter().collect())));
        let groups = [("all".to_string(), all)].into_iter().chain(groups);
        Ok(Renderer {
            project,
            inventory,
            others: Others::default(),
            own_facts: BTreeMap::new(),
            playbook: Cow::Borrowed(playbook),
            hosts,
            command_line,
            selection,
            options,
            templates: Templates::new(&files::templates(project)?)
                .with_outside(Arc::new(outside::Controller::new(project))),
            files: Files::new(project),
            audits: Audits::default(),
            trees: Trees::new(project),
            names: Names::default(),
            schemas: playbook
                .all_steps()
                .map(|step| (step.kind.name, (step.kind.schema)().to_value()))
                .collect(),
            groups: groups.collect::<Values>().into(),
            sequence: Sequence::of(playbook),
            members: stages.iter().map(|stage| stage.hosts.iter().map(String::as_str).collect()).collect(),
            stages,
            shares: shares(project, inventory, playbook, command_line),
            rounds: Rounds::default(),
        })
    }

    /// The same with facts of other hosts, or why a host could not be asked.
    pub fn with_facts(mut self, facts: BTreeMap<String, Result<Value, Failure>>) -> Renderer<'a> {
        self.others.facts = facts;
        self
    }

    /// The same with facts that hosts of the run said of themselves, or why a host could not be asked: it gets nothing to do.
    pub fn with_own_facts(mut self, facts: BTreeMap<String, Result<Value, Failure>>) -> Renderer<'a> {
        self.own_facts = facts;
        self
    }

    /// The jobs of all hosts of the run, in their order.
    pub fn jobs(mut self) -> Result<Vec<Rendered>, Diagnostics> {
        self.unroll()?;
        self.of_each_host(|host| match self.own_facts.get(host.name.as_str()) {
            Some(Err(_)) => Ok(Rendered { work: self.blank_work(), contents: Contents::default() }),
            _ => self.job(host),
        })
    }

    /// What each host of the run gets, in their order. What is wrong on some hosts only is reported with their names.
    fn of_each_host<T>(&self, make: impl Fn(&Host) -> Result<T, Diagnostics>) -> Result<Vec<T>, Diagnostics> {
        let mut made = Vec::new();
        let mut wrong: Vec<(Diagnostic, Vec<&str>)> = Vec::new();
        let mut looked_at = self.hosts.len();
        let mut wrong_hosts = 0;
        for (place, host) in self.hosts.iter().enumerate() {
            if wrong_hosts == WRONG_HOSTS {
                looked_at = place;
                break;
            }
            match make(host) {
                Ok(one) => made.push(one),
                Err(problems) => {
                    wrong_hosts += 1;
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
            problems.push(if hosts.len() == looked_at { problem } else { for_hosts(problem, &hosts) });
        }
        problems.unless_errors(made)
    }

    /// The job of one host.
    fn job(&self, host: &Host) -> Result<Rendered, Diagnostics> {
        let scope = Scope::new(self, host)?;
        scope.hide(self.secrets_of_rounds(host));
        let mut problems = scope.check_params();
        if problems.errors() > 0 {
            return Err(problems.redact(&scope.secrets()));
        }
        let mut rendered = Rendered { work: self.blank_work(), contents: Contents::default() };
        let mut index = 0;
        let mut started = false;
        let lists =
            [&self.playbook.steps, &self.playbook.handlers, &self.playbook.rescue, &self.playbook.always];
        let [steps, handlers, rescue, always] = lists.map(|list| {
            let mut jobs: Vec<JobStep> = Vec::new();
            for step in list {
                started |= self.selection.starts(step);
                if !self.reaches(host.name.as_str(), step) {
                    index += 1;
                    continue;
                }
                let here = step::Here {
                    index,
                    skip: self.selection.skip(step, started),
                    once: self.once(step, host),
                };
                let of_step = self.grouping_scope(&scope.of_step(step, index), host, step);
                jobs.extend(problems.keep(step::render(self, &of_step, step, here, &mut rendered)));
                index += 1;
            }
            started = true;
            jobs
        });
        rendered.work = HostWork { steps, handlers, rescue, always, ..rendered.work };
        rendered.work.vars = scope.waited_for();
        rendered.work.secrets = scope.secrets();
        self.add_assets(&mut rendered);
        problems.redact(&rendered.work.secrets).unless_errors(rendered)
    }

    fn blank_work(&self) -> HostWork {
        HostWork {
            playbook: self.playbook.name.clone(),
            mode: self.options.mode,
            diff: self.options.diff,
            on_failure: self.playbook.on_failure,
            shares: self.shares.clone(),
            ..HostWork::default()
        }
    }

    /// Who runs a step that runs once: the first host of the run.
    fn once(&self, step: &Step, host: &Host) -> Option<Once> {
        let of_play = self
            .stages
            .get(step.play as usize)
            .map(|stage| (stage.hosts.first().map(String::as_str), stage.hosts.len()));
        let of_run = || (self.hosts.first().map(|host| host.name.as_str()), self.hosts.len());
        let (first, count) = of_play.unwrap_or_else(of_run);
        let first = first.filter(|_| step.run_once && count > 1)?;
        Some(if first == host.name.as_str() { Once::Here } else { Once::On(first.to_string()) })
    }

    /// Moves the small assets into the work.
    fn add_assets(&self, rendered: &mut Rendered) {
        let mut total = 0;
        for (digest, path) in std::mem::take(&mut rendered.contents.files) {
            match self.files.small(&path).filter(|bytes| total + bytes.1.len() <= INLINE_TOTAL) {
                Some((asset, bytes)) => {
                    total += bytes.len();
                    rendered.work.assets.push(InlineAsset { asset, bytes });
                }
                None => drop(rendered.contents.files.insert(digest, path)),
            }
        }
    }

    /// Everything that sets variables for a host, weakest first.
    fn settings(&self, host: &Host) -> Vec<Setting> {
        variables::of_host(Some(&*self.playbook), host, self.command_line)
    }

    /// The names that steps give on a host: results, and variables that are set. What `--var` sets is stronger.
    fn given(&self, host: &str) -> BTreeSet<String> {
        self.sequence.given_from.keys().filter(|name| self.is_given(host, name)).cloned().collect()
    }

    /// Whether a step gives the name on a host.
    fn is_given(&self, host: &str, name: &str) -> bool {
        let gives = |step: &Step| self.is_in(host, step.play) && step.gives().any(|given| given == name);
        self.sequence.given_from.contains_key(name)
            && !self.is_set_by_var(name)
            && (self.stages.is_empty() || self.playbook.all_steps().any(gives))
    }

    /// Whether a host is in a play.
    fn is_in(&self, host: &str, play: u32) -> bool {
        self.members.get(play as usize).is_none_or(|members| members.contains(host))
    }

    /// Whether a step of an earlier play gives a name on another host.
    fn gives_before(&self, host: &str, name: &str, play: u32) -> bool {
        let before = |step: &Step| step.play < play && self.is_in(host, step.play);
        !self.stages.is_empty()
            && self.playbook.all_steps().any(|step| before(step) && step.gives().any(|given| given == name))
    }

    /// The names that no step gives before the step with this index.
    fn later_than(&self, index: u32) -> impl Iterator<Item = &String> {
        let now = self.sequence.order.get(index as usize).copied().unwrap_or(usize::MAX);
        self.sequence.given_from.iter().filter(move |(_, from)| **from > now).map(|(name, _)| name)
    }

    /// What a step is notified by, when it is a handler and has this index.
    fn key_of(&self, index: u32) -> Option<String> {
        let at = (index as usize).checked_sub(self.playbook.steps.len())?;
        self.sequence.handler_keys.get(at).cloned()
    }

    /// What the step with this index notifies on a host.
    fn keys_notified(&self, host: &str, index: u32) -> Vec<String> {
        let notified = self.sequence.notified.get(index as usize).into_iter().flatten();
        let there = notified.filter(|at| self.reaches(host, &self.playbook.handlers[**at]));
        there.map(|at| self.sequence.handler_keys[*at].clone()).collect()
    }

    /// The steps that the step with this index waits for on a host.
    fn waits_for(&self, host: &str, index: u32) -> Vec<u32> {
        let of = self.sequence.waits.of.get(&(index as usize)).into_iter().flatten();
        let there = of.filter(|of| self.reaches(host, &self.playbook.steps[**of]));
        there.map(|of| *of as u32).collect()
    }

    fn is_set_by_var(&self, name: &str) -> bool {
        self.command_line.iter().any(|setting| setting.name == name)
    }
}

impl Selection {
    /// The steps of a playbook that are done, handlers and the like left aside.
    pub fn steps<'a>(&self, playbook: &'a Playbook) -> Result<Vec<&'a Step>, Diagnostics> {
        self.check(playbook)?;
        let begun = playbook.steps.iter().skip_while(|step| !self.starts(step));
        Ok(begun.filter(|step| self.skip(step, true).is_none()).collect())
    }

    /// Shows tags that no step has, and a first step that does not exist.
    fn check(&self, playbook: &Playbook) -> Result<(), Diagnostics> {
        let known: BTreeSet<&str> =
            playbook.all_steps().flat_map(|step| &step.tags).map(String::as_str).chain(OWN_TAGS).collect();
        let mut problems = Diagnostics::default();
        let is_known = |tag: &&String| known.contains(tag.as_str()) || WIDE_TAGS.contains(&tag.as_str());
        for tag in self.tags.iter().chain(&self.skip_tags).filter(|tag| !is_known(tag)) {
            let problem = Diagnostic::elsewhere(format!("no step has the tag `{tag}`"));
            let names = known.iter().copied().filter(|tag| !OWN_TAGS.contains(tag));
            let none = known.len() == OWN_TAGS.len();
            problems.push(match none {
                true => problem.hint(format!("no step of {} has tags", playbook.name)),
                false => problem.nearest(tag, names),
            });
        }
        problems.unless_errors(())?;
        let Some(name) = self.start_at_step.as_ref() else { return Ok(()) };
        if playbook.steps.iter().any(|step| self.starts(step)) {
            return Ok(());
        }
        let titles: Vec<String> = playbook.steps.iter().map(Step::title).collect();
        let problem = Diagnostic::elsewhere(format!("no step is called `{name}`"));
        Err(problem.nearest(name, titles.iter().map(String::as_str)).into())
    }

    fn starts(&self, step: &Step) -> bool {
        self.start_at_step.as_ref().is_none_or(|name| *name == step.title())
    }

    /// Why a step is left out on every host.
    fn skip(&self, step: &Step, started: bool) -> Option<String> {
        let Selection { tags, skip_tags, start_at_step } = self;
        let named = |tags: &[String]| step.tags.iter().any(|tag| tags.contains(tag));
        let has = |tags: &[String]| named(tags) || tags.iter().any(|tag| is_of_tag(step, tag));
        let tagged = |tag: &str| step.tags.iter().any(|own| own == tag);
        let why = match start_at_step {
            Some(name) if !started => return Some(format!("before step {name}")),
            _ if has(skip_tags) => "its tags are skipped",
            _ if tagged("never") && !named(tags) => "tagged never",
            _ if !tags.is_empty() && !has(tags) && !tagged("always") => "its tags are not asked for",
            _ => return None,
        };
        Some(why.to_string())
    }
}

/// Whether a step is meant by a tag of `--tags` that means more than its name, as in Ansible.
fn is_of_tag(step: &Step, tag: &str) -> bool {
    match tag {
        "all" => true,
        "tagged" => !step.tags.is_empty(),
        "untagged" => step.tags.is_empty(),
        _ => false,
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
