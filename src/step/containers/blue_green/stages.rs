//! The stages of a swap. Each is planned from what is seen, so that one which was interrupted goes on where it was.
//!
//! `NAME` serves and `NAME-next` is the new one until nginx leads to it; then the names change, which changes nothing
//! for the processes. So the names tell how far a swap came, and the old container runs until nginx has left it.

use super::site::Site;
use super::{BlueGreen, ports};
use crate::docker::container::{Binding, Container, Restart, SPEC_LABEL};
use crate::docker::kept::{self, Kept};
use crate::docker::{Docker, commands};
use crate::model::digest::Digest;
use crate::model::op::{Advice, Command, Condition, HttpCheck, Op, Plan, Prediction, Run, Undo};
use crate::model::{Failure, Result, Value};
use crate::nginx::{Layout, Nginx};
use std::collections::BTreeMap;
use std::time::Duration;

/// For one request that proves that a container serves.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// nginx's new workers answer at once.
const PROBE_WITHIN: Duration = Duration::from_secs(10);

/// Between two of them.
const EVERY: Duration = Duration::from_millis(500);

/// Through nginx everything is fine but what nginx answers for a container that does not: 502, 503, 504 and its like.
const NOT_GATEWAY: std::ops::Range<u16> = 200..500;

/// What a container itself must answer.
const FINE: std::ops::Range<u16> = 200..400;

/// What there is of a swap.
pub struct Stages<'a> {
    keys: &'a BlueGreen,
    docker: &'a Docker<'a>,
    nginx: Nginx,
    layout: Layout,
    site: Site,
    digest: Digest,
    image: String,
    serving: Option<Container>,
    next: Option<Container>,
    kept: Vec<Kept>,
}

impl<'a> Stages<'a> {
    /// Looks at the containers, the image and the site.
    pub fn look(keys: &'a BlueGreen, docker: &'a Docker<'a>) -> Result<Self> {
        let serving = docker.container(&keys.name)?;
        let next = docker.container(&next_name(keys))?;
        let kept = docker.kept(&keys.name)?;
        let image = docker.expect_image(&keys.image)?.id;
        let digest = keys.spec().digest(docker.host())?;
        let nginx = Nginx { program: "nginx".to_string(), config: keys.nginx.clone() };
        let (layout, configuration) = nginx.look(docker.host())?;
        let site = Site::of(docker.host(), configuration, &layout.config, &keys.site)?;
        Ok(Stages { keys, docker, nginx, layout, site, digest, image, serving, next, kept })
    }

    /// The next stage; an empty plan when the swap is over.
    pub fn next(&self) -> Result<Plan> {
        let plan = match (&self.serving, &self.next) {
            (Some(serving), Some(next)) if self.fits(serving) => self.remove_left_over(next),
            (Some(serving), None) if self.fits(serving) => self.serve(serving)?,
            (_, None) => self.make(None)?,
            (_, Some(next)) if !self.fits(next) || is_broken(next) => self.make(Some(next))?,
            (_, Some(next)) if !next.is_up() => self.start_next(next),
            (_, Some(next)) => match self.wait_for(next)? {
                Some(wait) => wait,
                None => self.swap(next)?,
            },
        };
        Ok(plan)
    }

    fn fits(&self, container: &Container) -> bool {
        container.image == self.image && container.label(SPEC_LABEL) == self.digest.as_str()
    }

    /// An earlier run was interrupted while it made a container that is no longer wanted.
    fn remove_left_over(&self, next: &Container) -> Plan {
        let name = next_name(self.keys);
        self.planned(vec![force_remove(next)], &[Container::absence(&name)])
    }

    /// Makes and starts the new container beside the old one.
    fn make(&self, in_the_way: Option<&Container>) -> Result<Plan> {
        let name = next_name(self.keys);
        let port = ports::free(self.docker, &self.keys.name)?;
        let mut spec = self.keys.spec();
        spec.ports = vec![format!("127.0.0.1:{port}:{}", self.keys.port)];
        let mut runs: Vec<Run> = in_the_way.map(force_remove).into_iter().collect();
        runs.push(commands::create(&spec, &name, &self.digest));
        runs.push(commands::start(&name, self.keys.readiness(), Undo::NotNeeded));
        Ok(self.planned(runs, &[self.started(port).prediction(&name)]))
    }

    fn start_next(&self, next: &Container) -> Plan {
        let name = next_name(self.keys);
        let undo = Undo::Command(commands::stop(next).command);
        let run = commands::start(&name, self.keys.readiness(), undo);
        let started = Container { status: "running".to_string(), ..next.clone() };
        self.planned(vec![run], &[started.prediction(&name)])
    }

    /// The new container as it will be.
    fn started(&self, port: u16) -> Container {
        let binding = Binding { host_ip: "127.0.0.1".to_string(), host_port: port.to_string() };
        Container {
            image: self.image.clone(),
            status: "running".to_string(),
            restart: Restart { name: self.keys.restart.clone(), ..Restart::default() },
            labels: Some(BTreeMap::from([(SPEC_LABEL.to_string(), self.digest.to_string())])),
            ports: Some(BTreeMap::from([(format!("{}/tcp", self.keys.port), Some(vec![binding]))])),
            ..Container::default()
        }
    }

    /// What is missing before requests may go to it: health, an answer. After pretended changes nobody can know, and the
    /// next stage is reported as if it got ready.
    fn wait_for(&self, next: &Container) -> Result<Option<Plan>> {
        if self.docker.host().pretends() {
            return Ok(None);
        }
        let name = next_name(self.keys);
        if next.health == "starting" {
            self.expect_health(&name)?;
        }
        let condition = self.answers(self.port_of(next)?);
        let seen = self.docker.host().observe(&condition)?;
        Ok((!seen.holds).then(|| self.waiting(condition, self.keys.within.get(), &name)))
    }

    /// Only one that an interrupted run has started is not healthy yet: the start itself waits for that.
    fn expect_health(&self, name: &str) -> Result<()> {
        let command = commands::proof(name, self.keys.readiness());
        let seen = self.docker.host().observe(&Condition::Succeeds { command })?;
        let failure = || {
            let log = self.docker.last_words(name);
            Failure::new(format!("start container {name}"), format!("{}{log}", seen.seen))
        };
        seen.holds.then_some(()).ok_or_else(failure)
    }

    /// A wait with the end of the container's log when it was in vain.
    fn waiting(&self, condition: Condition, within: Duration, name: &str) -> Plan {
        let advice = Advice { hints: Vec::new(), question: Some(commands::log_of(name)) };
        Plan { advice, ..Plan::of(vec![Op::Await { condition, within, every: EVERY }]) }
    }

    fn port_of(&self, container: &Container) -> Result<u16> {
        container.published(self.keys.port).ok_or_else(|| {
            let why = format!("its port {} is not published on 127.0.0.1", self.keys.port);
            Failure::new(format!("look at container {}", container.name), why)
        })
    }

    fn answers(&self, port: u16) -> Condition {
        let url = format!("http://127.0.0.1:{port}{}", self.keys.health);
        request(url, BTreeMap::new(), FINE)
    }

    /// Leads nginx to the new container, and gives both their names.
    fn swap(&self, next: &Container) -> Result<Plan> {
        let name = &self.keys.name;
        let old = self.serving.as_ref();
        let mut ops = self.lead_to(self.port_of(next)?, old.and_then(|old| old.published(self.keys.port)))?;
        let mut runs = Vec::new();
        let mut kept = self.kept.clone();
        let mut changes = vec![next.prediction(name), Container::absence(&next_name(self.keys))];
        if let Some(old) = old {
            let until = self.docker.now()? + self.keys.keep_old.get().as_secs() as i64;
            let aside = kept::name_until(name, until);
            runs.push(commands::rename(&old.id, name, &aside));
            changes.push(old.prediction(&aside));
            kept.push(Kept { id: old.id.clone(), name: aside, status: old.status.clone(), until });
        }
        let made = next_name(self.keys);
        // Under check it has no id yet.
        let id = if next.id.is_empty() { &made } else { &next.id };
        runs.push(commands::rename(id, &made, name));
        changes.push(kept::prediction(name, &kept));
        ops.extend(self.probe());
        ops.extend(self.planned(runs, &changes).ops);
        let advice = Advice { hints: Vec::new(), question: Some(commands::log_of(&made)) };
        Ok(Plan { advice, ..Plan::of(ops) })
    }

    /// A request through nginx, where the site can be asked without TLS. Check mode could not see its end.
    fn probe(&self) -> Option<Op> {
        let (port, name) = self.site.entrance().filter(|_| !self.docker.host().pretends())?;
        let headers = name.into_iter().map(|name| ("Host".to_string(), name)).collect();
        let url = format!("http://127.0.0.1:{port}{}", self.keys.health);
        let condition = request(url, headers, NOT_GATEWAY);
        Some(Op::Await { condition, within: PROBE_WITHIN, every: EVERY })
    }

    /// The right container has the name: it must run, nginx must lead to it, and what it replaced must end.
    fn serve(&self, serving: &Container) -> Result<Plan> {
        let name = &self.keys.name;
        if !serving.is_up() {
            let undo = Undo::Command(commands::stop(serving).command);
            let run = commands::start(name, self.keys.readiness(), undo);
            let started = Container { status: "running".to_string(), ..serving.clone() };
            return Ok(self.planned(vec![run], &[started.prediction(name)]));
        }
        if serving.health == "unhealthy" {
            let log = self.docker.last_words(name);
            let why = format!("its health check fails{log}");
            return Err(Failure::new(format!("look at container {name}"), why));
        }
        let port = self.port_of(serving)?;
        if !self.site.leads_to(port, None) {
            return Ok(Plan::of(self.lead_to(port, None)?));
        }
        if let Some(old) = self.kept.iter().find(|old| old.status == "running") {
            return self.stop_old(old);
        }
        let mut plan = self.forget_expired()?;
        let word = |text: &str| Value::from(text);
        plan.result.insert("port".to_string(), port.into());
        plan.result
            .extend([("id".to_string(), word(&serving.id)), ("image".to_string(), word(&serving.image))]);
        Ok(plan)
    }

    /// nginx has left it: it may go. It is started again, and ready, before nginx is led back to it.
    fn stop_old(&self, old: &Kept) -> Result<Plan> {
        let Some(container) = self.docker.container(&old.name)? else { return Ok(Plan::nothing()) };
        let again = commands::start_again(&old.id, self.keys.readiness());
        let stop = Run { undo: Undo::Command(again), ..commands::stop(&container) };
        let runs = commands::never_restart(&container).into_iter().chain([stop]).collect();
        let stopped = |one: &Kept| match one.id == old.id {
            true => Kept { status: "exited".to_string(), ..one.clone() },
            false => one.clone(),
        };
        let kept: Vec<Kept> = self.kept.iter().map(stopped).collect();
        Ok(self.planned(runs, &[kept::prediction(&self.keys.name, &kept)]))
    }

    /// Removes what was kept long enough.
    fn forget_expired(&self) -> Result<Plan> {
        if self.kept.is_empty() {
            return Ok(Plan::nothing());
        }
        let now = self.docker.now()?;
        let (gone, left): (Vec<Kept>, Vec<Kept>) =
            self.kept.iter().cloned().partition(|one| one.until <= now);
        let runs = gone.iter().map(|one| commands::remove(&one.id)).collect();
        Ok(self.planned(runs, &[kept::prediction(&self.keys.name, &left)]))
    }

    /// The site's address replaced, and nginx with new workers that know it. Through nginx the site is asked at once then.
    fn lead_to(&self, port: u16, from: Option<u16>) -> Result<Vec<Op>> {
        let writes = self.site.lead_to(port, from, self.keys.replaces.as_deref())?;
        let ops = self.nginx.lead(self.docker.host(), &self.layout, writes, self.keys.drain.get())?;
        Ok(self.docker.beside(ops))
    }

    fn planned(&self, runs: Vec<Run>, changes: &[Prediction]) -> Plan {
        Plan::of(self.docker.ops(runs, changes))
    }
}

fn next_name(keys: &BlueGreen) -> String {
    format!("{}-next", keys.name)
}

/// Left by a run that was interrupted before it could take it away; the next one makes it again.
fn is_broken(container: &Container) -> bool {
    matches!(container.status.as_str(), "exited" | "dead")
        || container.restarts > 0
        || container.health == "unhealthy"
}

/// Nothing of it is wanted: it never served.
fn force_remove(container: &Container) -> Run {
    let command = Command::new(["docker", "container", "rm", "--force", "--volumes", &container.id]);
    Run { undo: Undo::NotNeeded, ..Run::from(command) }
}

fn request(url: String, headers: BTreeMap<String, String>, fine: std::ops::Range<u16>) -> Condition {
    Condition::Http(Box::new(HttpCheck {
        url,
        method: "GET".to_string(),
        headers,
        body: None,
        status: fine.collect(),
        matches: None,
        timeout: REQUEST_TIMEOUT,
    }))
}
