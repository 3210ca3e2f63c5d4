//! A project of Docker Compose.

mod config;
mod project;

use crate::docker::ports::Taken;
use crate::docker::{self, Docker, commands};
use crate::model::duration::TimeSpan;
use crate::model::op::{Advice, Command, Condition, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use config::{Config, Named};
use project::{Member, Project};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Brings the services of a compose project up or down, with `docker compose` or, where the host has only that, with
/// `docker-compose`. A service is left alone when its containers run with the configuration and the image that the files
/// ask for. After `up` every service must get ready; of one that does not the last log lines are shown, and when a port is
/// taken, who holds it. A port that something else holds, and an external network or volume that does not exist, are known
/// beforehand. `register` gets `project` and `services`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// The directory with the compose file on the host.
    dir: HostPath,
    /// Compose files in it, when they have other names than compose looks for.
    #[serde(default)]
    files: Vec<String>,
    /// The project's name; as compose finds it when not given.
    project: Option<String>,
    /// Only these services; all when not given.
    #[serde(default)]
    services: Vec<String>,
    /// `up` (when not given), `down`, `stopped`; `restarted` acts each time, which is what handlers want.
    #[serde(default)]
    state: State,
    /// Ask the registries for newer images before, each time; counts as a change.
    #[serde(default)]
    pull: bool,
    /// Build images before, each time; counts as a change. A service whose image is missing is built without it.
    #[serde(default)]
    build: bool,
    /// Services that do their work and end: an exit status of 0 is fine.
    #[serde(default)]
    jobs: Vec<String>,
    /// Remove containers of services that the files no longer have.
    #[serde(default)]
    remove_orphans: bool,
    /// How long the services may take to get ready; 2 minutes when not given.
    #[serde(default = "two_minutes")]
    within: TimeSpan,
    /// A service without a health check is ready when it has been up so long; 3 seconds when not given.
    #[serde(default = "three_seconds")]
    stays: TimeSpan,
}

/// What becomes of the services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// They run as the files ask.
    #[default]
    Up,
    /// Their containers and networks are gone; volumes stay.
    Down,
    /// Their containers are there and do not run.
    Stopped,
    /// They run, with new processes.
    Restarted,
}

impl Kind for Compose {
    const NAME: &'static str = "compose";
    const RESULT: &'static [&'static str] = &["project", "services"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the studio's services run"
[steps.compose]
dir = "/srv/studio"
files = ["docker-compose.yml", "production.yml"]    # when compose does not find them by itself
project = "studio"
services = ["app", "worker", "migrate"]
state = "up"                    # or "down", "stopped", "restarted"
pull = false
build = false
jobs = ["migrate"]              # these end, and that is fine
remove_orphans = true
within = "2m"
stays = "3s"
"#;
}

impl Step for Compose {
    fn check(&self) -> Result<(), WrongKey> {
        if !self.services.is_empty() && self.state == State::Down {
            return Err(WrongKey::new("services", "down removes the whole project; use state = \"stopped\""));
        }
        let odd =
            |name: &&String| name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace);
        match self.services.iter().chain(&self.jobs).chain(&self.project).find(odd) {
            Some(name) => Err(WrongKey::new("", format!("{name:?} is no name"))),
            None => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        docker::plan(host, |docker| {
            let project = Project::find(docker, &self.dir, &self.files, self.project.as_deref())?;
            let wanted = project.services(docker)?;
            self.expect_services(&wanted)?;
            let members = project.members(docker)?;
            let site = Site { keys: self, docker, project, wanted, members };
            Ok(match self.state {
                State::Up => site.up()?,
                State::Down => site.down(),
                State::Stopped => site.stop(),
                State::Restarted => site.restart()?,
            })
        })
    }
}

impl Compose {
    fn expect_services(&self, wanted: &BTreeMap<String, String>) -> Result<()> {
        match self.services.iter().chain(&self.jobs).find(|name| !wanted.contains_key(*name)) {
            // Nothing is known of the files when compose could not be asked.
            Some(name) if !wanted.is_empty() => {
                let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
                let why = format!("its files have no service {name}, but {}", names.join(", "));
                Err(Failure::new(format!("look at the compose project in {}", self.dir), why))
            }
            _ => Ok(()),
        }
    }
}

/// A project, and what there is of it.
struct Site<'a> {
    keys: &'a Compose,
    docker: &'a Docker<'a>,
    project: Project,
    wanted: BTreeMap<String, String>,
    members: Vec<Member>,
}

impl Site<'_> {
    fn up(&self) -> Result<Plan> {
        let orphans = self.keys.remove_orphans && self.members.iter().any(|member| self.is_orphan(member));
        let each_time = self.keys.pull || self.keys.build;
        if !each_time && !orphans && self.chosen().all(|(name, hash)| self.fits(name, hash)) {
            return self.judge();
        }
        let config = self.outside()?;
        let mut runs = Vec::new();
        if self.keys.pull {
            let pull = self.project.command(&["pull", "--quiet"], &self.keys.services);
            runs.push(Run { undo: Undo::NotNeeded, ..Run::from(pull) });
        }
        let mut words = vec!["up", "--detach"];
        words.extend(self.keys.build.then_some("--build"));
        words.extend(self.keys.remove_orphans.then_some("--remove-orphans"));
        runs.push(Run { leaves: self.leaves(&config)?, ..self.starting(&words, self.back()) });
        Ok(match each_time {
            // What a registry or a build gives is not known before: no prediction, so that check mode says so.
            true => Plan { once: true, ..Plan::of(runs.into_iter().map(Op::from).collect()) },
            false => self.planned(runs, &self.after_up()),
        })
    }

    /// The volumes that `up` makes stay when it is undone: nothing removes data that was written by then.
    fn leaves(&self, config: &Config) -> Result<Option<String>> {
        let volumes = self.missing("volume", &config.volumes, false)?;
        let names = volumes.join(" ");
        Ok((!volumes.is_empty()).then(|| {
            format!("an undo leaves the volumes that it makes; docker volume rm {names} removes them")
        }))
    }

    /// What the project's files ask for, once what they need from outside is there.
    fn outside(&self) -> Result<Config> {
        let config = self.project.config(self.docker.host())?.of_services(&self.keys.services);
        self.expect_outside(&config)?;
        Ok(config)
    }

    /// Those of these volumes or networks that Docker does not have, of those that are external, or of the others.
    fn missing<'c>(&self, kind: &str, all: &'c [Named], is_external: bool) -> Result<Vec<&'c str>> {
        let mut wanted = all.iter().filter(|named| named.is_external == is_external).peekable();
        if wanted.peek().is_none() {
            return Ok(Vec::new());
        }
        let there = self.docker.host().ask(&Command::new(["docker", kind, "ls", "--format", "{{.Name}}"]))?;
        let text = there.text();
        let is_missing = |name: &&str| there.ok() && !text.lines().any(|line| line.trim() == *name);
        Ok(wanted.map(|named| named.name.as_str()).filter(is_missing).collect())
    }

    /// What compose does not make must be there, and what its services publish must be free: else some of them would have
    /// been stopped in vain.
    fn expect_outside(&self, config: &Config) -> Result<()> {
        let doing = format!("start the compose project {}", self.project.name);
        for (kind, all) in [("network", &config.networks), ("volume", &config.volumes)] {
            if let Some(name) = self.missing(kind, all, true)?.first() {
                let why = format!("its files use the external {kind} {name}, which does not exist");
                return Err(Failure::new(doing, why).hint(format!("docker {kind} create {name}")));
            }
        }
        let ports: Vec<_> = config.ports.values().flatten().cloned().collect();
        let taken = self.docker.all_taken(&ports)?;
        if taken.is_empty() {
            return Ok(());
        }
        let own = self.project.names(self.docker.host())?;
        let is_own = |taken: &&Taken| own.iter().any(|name| taken.holder == format!("container {name}"));
        match taken.iter().find(|taken| !is_own(taken)) {
            None => Ok(()),
            Some(taken) => Err(taken.refusal(doing)),
        }
    }

    /// What undoes `up`: services that did not run do not run again, those that ran are as their files ask.
    fn back(&self) -> Undo {
        if self.members.is_empty() {
            return Undo::Command(self.project.command(&["down"], &[]));
        }
        let has = |service: &str, is: &dyn Fn(&Member) -> bool| {
            self.members.iter().any(|member| member.service == service && is(member))
        };
        let names = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            self.chosen().map(|(name, _)| name.clone()).filter(|name| wanted(name)).collect()
        };
        let missing = names(&|name| !has(name, &|_| true));
        let stopped = names(&|name| has(name, &|_| true) && !has(name, &Member::is_up));
        let changes = self.chosen().any(|(name, hash)| has(name, &Member::is_up) && !self.fits(name, hash));
        match (missing.is_empty(), stopped.is_empty(), changes || self.keys.pull || self.keys.build) {
            (true, true, _) => Undo::Again,
            (false, true, false) => {
                Undo::Command(self.project.command(&["rm", "--stop", "--force"], &missing))
            }
            (true, false, false) => Undo::Command(self.project.command(&["stop"], &stopped)),
            _ => Undo::Impossible(format!(
                "{} did not run before, and other services are changed with it",
                [missing, stopped].concat().join(", ")
            )),
        }
    }

    fn down(&self) -> Plan {
        if self.members.is_empty() {
            return self.planned(Vec::new(), &[]);
        }
        let mut words = vec!["down"];
        words.extend(self.keys.remove_orphans.then_some("--remove-orphans"));
        let undo = Undo::Command(self.project.command(&["up", "--detach"], &[]));
        let left: Vec<Member> = match self.keys.remove_orphans {
            true => Vec::new(),
            false => self.members.iter().filter(|member| self.is_orphan(member)).cloned().collect(),
        };
        if left.len() == self.members.len() {
            return self.planned(Vec::new(), &[]);
        }
        let mut plan =
            self.planned(vec![Run { undo, ..Run::from(self.project.command(&words, &[])) }], &left);
        plan.notes
            .push("an undo makes new containers: what was written inside these is lost with them".into());
        plan
    }

    fn stop(&self) -> Plan {
        if !self.members.iter().any(|member| self.is_chosen(member) && member.is_up()) {
            return self.planned(Vec::new(), &[]);
        }
        let up = self.members.iter().filter(|member| self.is_chosen(member) && member.is_up());
        let services: BTreeSet<String> = up.map(|member| member.service.clone()).collect();
        let services: Vec<String> = services.into_iter().collect();
        let undo = Undo::Command(self.project.command(&["start"], &services));
        let stopped = |member: &Member| match self.is_chosen(member) {
            true => Member { state: "exited".to_string(), ..member.clone() },
            false => member.clone(),
        };
        let after: Vec<Member> = self.members.iter().map(stopped).collect();
        let run = Run { undo, ..Run::from(self.project.command(&["stop"], &self.keys.services)) };
        self.planned(vec![run], &after)
    }

    fn restart(&self) -> Result<Plan> {
        let run = match self.members.is_empty() {
            true => Run {
                leaves: self.leaves(&self.outside()?)?,
                ..self.starting(&["up", "--detach"], Undo::Command(self.project.command(&["down"], &[])))
            },
            false => self.starting(&["restart"], Undo::Again),
        };
        Ok(Plan { once: true, ..self.planned(vec![run], &self.after_up()) })
    }

    /// A command after which every service must get ready.
    fn starting(&self, words: &[&str], undo: Undo) -> Run {
        let keys = self.keys;
        let advice = Advice { hints: Vec::new(), question: Some(self.project.failing_log()) };
        let confirm = self.project.proof(keys.within.get(), keys.stays.get(), &keys.services, &keys.jobs);
        let command = commands::telling_holder(self.project.command(words, &keys.services));
        Run { undo, advice, confirm: Some(confirm), ..Run::from(command) }
    }

    fn planned(&self, runs: Vec<Run>, after: &[Member]) -> Plan {
        let mut plan = Plan::of(self.docker.ops(runs, &[self.project.prediction(after)]));
        plan.result.insert("project".to_string(), self.project.name.as_str().into());
        let names = self.chosen().map(|(name, _)| Value::from(name.as_str()));
        plan.result.insert("services".to_string(), names.collect());
        plan
    }

    /// What runs as asked may still be getting ready, or never get so.
    fn judge(&self) -> Result<Plan> {
        let keys = self.keys;
        let chosen = || self.members.iter().filter(|member| self.is_chosen(member));
        if let Some(member) = chosen().find(|member| member.status.contains("(unhealthy)")) {
            let doing = format!("look at service {} of {}", member.service, self.project.name);
            let log = self.docker.last_words(&member.id);
            return Err(Failure::new(doing, format!("its health check fails{log}")));
        }
        if chosen().any(|member| member.status.contains("(health: starting)")) {
            let command = self.project.proof(Duration::ZERO, Duration::ZERO, &keys.services, &keys.jobs);
            let condition = Condition::Succeeds { command };
            let wait = Op::Await { condition, within: keys.within.get(), every: Duration::from_secs(1) };
            return Ok(Plan::of(vec![wait]));
        }
        Ok(self.planned(Vec::new(), &[]))
    }

    /// The services that are meant.
    fn chosen(&self) -> impl Iterator<Item = (&String, &String)> {
        self.wanted
            .iter()
            .filter(|(name, _)| self.keys.services.is_empty() || self.keys.services.contains(name))
    }

    fn is_chosen(&self, member: &Member) -> bool {
        self.keys.services.is_empty() || self.keys.services.contains(&member.service)
    }

    fn is_orphan(&self, member: &Member) -> bool {
        !self.wanted.contains_key(&member.service)
    }

    /// Whether the containers of a service are as its files ask.
    fn fits(&self, service: &str, hash: &str) -> bool {
        let is_job = self.keys.jobs.iter().any(|job| job == service);
        let mut of_service = self.members.iter().filter(|member| member.service == service).peekable();
        let fits = |member: &Member| {
            let runs = member.state == "running" || (is_job && member.is_done());
            runs && member.hash == hash && !member.is_outdated()
        };
        of_service.peek().is_some() && of_service.all(fits)
    }

    /// The project's containers once it is up.
    fn after_up(&self) -> Vec<Member> {
        let stays = |member: &&Member| match self.is_orphan(member) {
            true => !self.keys.remove_orphans,
            false => !self.is_chosen(member),
        };
        let started = self.chosen().map(|(name, hash)| Member {
            id: "new".to_string(),
            service: name.clone(),
            hash: hash.clone(),
            state: "running".to_string(),
            image: "new".to_string(),
            status: "Up".to_string(),
        });
        self.members.iter().filter(stays).cloned().chain(started).collect()
    }
}

fn two_minutes() -> TimeSpan {
    TimeSpan::seconds(120)
}

fn three_seconds() -> TimeSpan {
    TimeSpan::seconds(3)
}

#[cfg(all(test, feature = "controller"))]
mod tests;
