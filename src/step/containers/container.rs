//! A container of Docker's.

use crate::docker::commands::{self, Readiness};
use crate::docker::container::{Container as There, SPEC_LABEL};
use crate::docker::kept::{self, Kept};
use crate::docker::ports;
use crate::docker::spec::{self, Health, Spec};
use crate::docker::{self, Docker};
use crate::model::digest::Digest;
use crate::model::duration::TimeSpan;
use crate::model::op::{Condition, Op, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::words::{self, Word, Words};
use crate::model::{Failure, Result, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Creates, starts, stops or removes a container. It is created again when a key, the environment file or the image's bytes
/// have changed. What it replaces is stopped and kept as `NAME-until-TIME`, so that undo can restore it; the step removes
/// it once that time is over. A new one that does not get ready is removed and the old one serves again; its last log
/// lines are shown. `register` gets `id`, `image` and `replaced`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name.
    name: String,
    /// The image's name; needed unless `state = "absent"`. It must be on the host: the step kind `image` brings it.
    image: Option<String>,
    /// `started` (when not given), `stopped` or `absent`.
    #[serde(default)]
    state: State,
    /// Published ports, as Docker writes them: `"127.0.0.1:3000:3000"`. Without an address they are open to everyone.
    #[serde(default)]
    ports: Vec<String>,
    /// Environment. Values are never seen in a list of processes.
    #[serde(default)]
    env: BTreeMap<String, Word>,
    /// A file on the host with more environment, a `NAME=value` a line; `env` is stronger.
    env_file: Option<HostPath>,
    /// Volumes and directories, as Docker writes them: `"data:/var/lib/app"`, `"/srv/app:/app:ro"`.
    #[serde(default)]
    volumes: Vec<String>,
    /// A network that exists.
    network: Option<String>,
    /// What Docker does when it ends: `no`, `always`, `unless-stopped` (when not given), `on-failure:5`.
    #[serde(default = "unless_stopped")]
    restart: String,
    /// In place of the image's own: a list, or a line that is split into words. No shell runs.
    command: Option<Words>,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, Word>,
    /// The user inside: `app`, `1000:1000`.
    user: Option<String>,
    /// How Docker finds out whether it is healthy, in place of the image's own: `command`, `interval`, `timeout`,
    /// `retries`, `start_period`.
    health: Option<Health>,
    /// Between the request to stop and the kill; Docker takes 10 seconds when not given.
    stop_timeout: Option<TimeSpan>,
    /// How long it may take to get ready, which is healthy where there is a health check; a minute when not given.
    #[serde(default = "a_minute")]
    within: TimeSpan,
    /// Without a health check it is ready when it has been up so long; 3 seconds when not given.
    #[serde(default = "three_seconds")]
    stays: TimeSpan,
    /// How long a replaced container is kept; `"48h"` when not given.
    #[serde(default = "two_days")]
    keep_old: TimeSpan,
}

/// What becomes of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// It runs.
    #[default]
    Started,
    /// It is there and does not run.
    Stopped,
    /// There is none.
    Absent,
}

impl Kind for Container {
    const NAME: &'static str = "container";
    const RESULT: &'static [&'static str] = &["id", "image", "replaced"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the app runs"
[steps.container]
name = "studio"
image = "studio:1.4"
state = "started"                       # or "stopped", "absent"
ports = ["127.0.0.1:3000:3000"]
env = { NODE_ENV = "production", SESSION_SECRET = "{{ session_secret }}" }
env_file = "/srv/studio/.env"
volumes = ["studio-data:/data"]
network = "web"
restart = "unless-stopped"
command = ["node", "src/index.js"]
labels = { team = "studio" }
user = "1000:1000"
health = { command = "wget -qO- http://127.0.0.1:3000/health", interval = "5s", timeout = "3s", retries = 5, start_period = "10s" }
stop_timeout = "30s"
within = "2m"
stays = "3s"
keep_old = "48h"
"#;
}

impl Step for Container {
    fn check(&self) -> Result<(), WrongKey> {
        if !docker::is_name(&self.name) {
            return Err(WrongKey::new("name", format!("{:?} is not the name of a container", self.name)));
        }
        if let Some(image) = &self.image {
            docker::reference::check(image).map_err(|why| WrongKey::new("image", why))?;
        }
        if self.image.is_none() && self.state != State::Absent {
            return Err(WrongKey::new("image", "name the image it is made from"));
        }
        spec::check_env(&self.env).map_err(|(path, why)| WrongKey::new(&path, why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        docker::plan(host, |docker| {
            let there = docker.container(&self.name)?;
            let kept = docker.kept(&self.name)?;
            let mut course = ContainerChange {
                docker,
                name: &self.name,
                now: there,
                kept,
                runs: Vec::new(),
                replaced: None,
            };
            match self.state {
                State::Absent => course.put_aside(self.keep_old)?,
                _ => self.make(&mut course)?,
            }
            let as_asked = course.runs.is_empty() && self.state == State::Started;
            if as_asked && let Some(wait) = self.judge(&course)? {
                return Ok(Plan::of(vec![wait]));
            }
            course.forget_expired()?;
            Ok(course.plan())
        })
    }
}

impl Container {
    fn spec(&self) -> Spec {
        Spec {
            image: self.image.clone().unwrap_or_default(),
            ports: self.ports.clone(),
            env: words::environment(&self.env),
            env_file: self.env_file.clone(),
            volumes: self.volumes.clone(),
            network: self.network.clone(),
            restart: Some(self.restart.clone()),
            command: self.command.as_ref().map(Words::to_vec).unwrap_or_default(),
            labels: words::environment(&self.labels),
            user: self.user.clone(),
            health: self.health.clone(),
            stop_timeout: self.stop_timeout,
        }
    }

    fn readiness(&self) -> Readiness {
        Readiness { within: self.within.get(), stays: self.stays.get() }
    }

    fn make(&self, course: &mut ContainerChange<'_>) -> Result<()> {
        let spec = self.spec();
        let digest = spec.digest(course.docker.host())?;
        let image = course.docker.expect_image(&spec.image)?.id;
        let fits = |there: &There| there.image == image && there.label(SPEC_LABEL) == digest.as_str();
        let as_is = course.now.as_ref().is_some_and(fits);
        if let (false, Some(network)) = (as_is, &self.network) {
            course.docker.expect_network(&format!("create container {}", self.name), network)?;
        }
        if self.state == State::Started && !(as_is && course.now.as_ref().is_some_and(There::is_up)) {
            self.expect_free_ports(course.docker)?;
        }
        if !as_is {
            course.put_aside(self.keep_old)?;
            course.create(&spec, &digest, image);
        }
        match self.state {
            State::Started => course.start(self.readiness()),
            _ => course.stop()?,
        }
        Ok(())
    }

    /// Docker publishes ports when a container starts: by then another one would have been stopped in vain.
    fn expect_free_ports(&self, docker: &Docker<'_>) -> Result<()> {
        match docker.taken(&self.name, &ports::published(&self.ports))? {
            None => Ok(()),
            Some(taken) => Err(taken.refusal(format!("start container {}", self.name))),
        }
    }

    /// One that runs as asked may still be getting ready, or never get so.
    fn judge(&self, course: &ContainerChange<'_>) -> Result<Option<Op>> {
        match course.now.as_ref().map_or("", |there| there.health.as_str()) {
            "starting" => {
                let command =
                    commands::proof(&self.name, Readiness { within: Duration::ZERO, ..self.readiness() });
                let condition = Condition::Succeeds { command };
                Ok(Some(Op::Await { condition, within: self.within.get(), every: Duration::from_secs(1) }))
            }
            "unhealthy" => {
                let log = course.docker.last_words(&self.name);
                Err(Failure::new(
                    format!("look at container {}", self.name),
                    format!("its health check fails{log}"),
                ))
            }
            _ => Ok(None),
        }
    }
}

/// The commands that a container needs, and how it will be after them.
struct ContainerChange<'a> {
    docker: &'a Docker<'a>,
    name: &'a str,
    now: Option<There>,
    kept: Vec<Kept>,
    runs: Vec<Run>,
    replaced: Option<String>,
}

impl ContainerChange<'_> {
    /// Stops what is there and gives it the name under which it is kept.
    fn put_aside(&mut self, keep: TimeSpan) -> Result<()> {
        let Some(old) = self.now.take() else { return Ok(()) };
        let until = self.docker.now()? + keep.get().as_secs() as i64;
        let name = kept::name_until(self.name, until);
        self.runs.extend(commands::never_restart(&old));
        if old.is_up() {
            can_be_stopped(&old, self.name)?;
            self.runs.push(commands::stop(&old));
        }
        self.runs.push(commands::rename(old.handle(), self.name, &name));
        self.replaced = Some(name.clone());
        self.kept.push(Kept { id: old.handle().to_string(), name, status: "exited".to_string(), until });
        Ok(())
    }

    fn create(&mut self, spec: &Spec, digest: &Digest, image: String) {
        self.runs.push(commands::create(spec, self.name, digest));
        let labels = BTreeMap::from([(SPEC_LABEL.to_string(), digest.to_string())]);
        let (name, status) = (format!("/{}", self.name), "created".to_string());
        self.now = Some(There { name, image, status, labels: Some(labels), ..There::default() });
    }

    fn start(&mut self, ready: Readiness) {
        let Some(now) = self.now.as_mut().filter(|now| !now.is_up() || now.status == "paused") else {
            return;
        };
        // What these commands make themselves is removed when they are rolled back.
        let undo = match now.id.as_str() {
            "" => Undo::NotNeeded,
            _ => Undo::Command(commands::stop(now).command),
        };
        match now.status.as_str() {
            "paused" => self.runs.push(commands::unpause(now)),
            _ => self.runs.push(commands::start(self.name, ready, undo)),
        }
        now.status = "running".to_string();
        if !now.health.is_empty() {
            now.health = "healthy".to_string();
        }
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(now) = self.now.as_mut().filter(|now| now.is_up()) {
            can_be_stopped(now, self.name)?;
            self.runs.push(commands::stop(now));
            now.status = "exited".to_string();
        }
        Ok(())
    }

    /// Removes what was kept long enough.
    fn forget_expired(&mut self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let now = self.docker.now()?;
        let gone = |one: &Kept| one.until <= now && one.status != "running";
        self.runs.extend(self.kept.iter().filter(|one| gone(one)).map(|one| commands::remove(&one.id)));
        self.kept.retain(|one| !gone(one));
        Ok(())
    }

    fn plan(self) -> Plan {
        let result = self.result();
        let there = match &self.now {
            Some(now) => now.prediction(self.name),
            None => There::absence(self.name),
        };
        let changes: [Prediction; 2] = [there, kept::prediction(self.name, &self.kept)];
        Plan { result, ..Plan::of(self.docker.ops(self.runs, &changes)) }
    }

    fn result(&self) -> Values {
        let word = |text: &str| crate::model::Value::from(text);
        let mut values = Values::new();
        if let Some(now) = self.now.as_ref().filter(|_| self.runs.is_empty()) {
            values.extend([("id".to_string(), word(&now.id)), ("image".to_string(), word(&now.image))]);
        }
        values.extend(self.replaced.as_ref().map(|name| ("replaced".to_string(), word(name))));
        values
    }
}

fn unless_stopped() -> String {
    "unless-stopped".to_string()
}

fn a_minute() -> TimeSpan {
    TimeSpan::seconds(60)
}

fn three_seconds() -> TimeSpan {
    TimeSpan::seconds(3)
}

fn two_days() -> TimeSpan {
    TimeSpan::seconds(48 * 3600)
}

/// Whether a container is still there once it is stopped.
fn can_be_stopped(now: &There, name: &str) -> Result<()> {
    if !now.auto_remove {
        return Ok(());
    }
    let why =
        "it was started with --rm: Docker removes it as soon as it stops, and nothing could bring it back";
    let hint = format!("stop it yourself if it may be lost: docker stop {name}");
    Err(Failure::new(format!("stop the container {name}"), why).hint(hint))
}

#[cfg(all(test, feature = "controller"))]
mod tests;
