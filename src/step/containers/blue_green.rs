//! A container behind nginx that is replaced by a new one without a failed request.

mod ports;
mod site;
mod stages;

use crate::docker;
use crate::docker::commands::Readiness;
use crate::docker::spec::{self, Health, Spec};
use crate::model::Result;
use crate::model::duration::TimeSpan;
use crate::model::op::Plan;
use crate::model::path::HostPath;
use crate::model::words::{self, Word, Words};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use stages::Stages;
use std::collections::BTreeMap;

/// Replaces the container `name` behind an nginx site without a failed request. The new one is started beside the old as
/// `NAME-next`, on a free port of 127.0.0.1. Once it is healthy and answers at `health`, the site's address is replaced,
/// nginx reloads, and it is proven that new workers serve. The old workers end what they had begun; then the old container
/// is stopped, and kept as `NAME-until-TIME` for undo. A new container that does not get ready is removed, its last log
/// lines are shown, and the old one serves as before. What was interrupted continues where it was. Nothing happens while
/// image, keys and environment file stay the same. `register` gets `port`, `id` and `image`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BlueGreen {
    /// The container's name. An older one of that name is replaced, however it was made.
    name: String,
    /// The image's name. It must be on the host: the step kind `image` brings it.
    image: String,
    /// The port that the app listens on inside the container.
    port: u16,
    /// The nginx file whose `proxy_pass` or `upstream` leads to the container.
    site: HostPath,
    /// nginx's main file, when it is not the one that was compiled in.
    nginx: Option<HostPath>,
    /// The address in the site that the container takes the place of, `"127.0.0.1:3001"`. Only needed the first time, when
    /// the old container's port is not in the site and the site has several addresses.
    replaces: Option<String>,
    /// The path that must answer, with a status from 200 to 399.
    #[serde(default = "root")]
    health: String,
    /// How Docker finds out whether it is healthy, in place of the image's own; see `container`.
    health_check: Option<Health>,
    /// Environment. Values are never seen in a list of processes.
    #[serde(default)]
    env: BTreeMap<String, Word>,
    /// A file on the host with more environment; `env` is stronger.
    env_file: Option<HostPath>,
    /// Volumes and directories. Old and new container have them at the same time for a while.
    #[serde(default)]
    volumes: Vec<String>,
    /// A network that exists.
    network: Option<String>,
    /// In place of the image's own: a list, or a line that is split into words. No shell runs.
    command: Option<Words>,
    /// The user inside.
    user: Option<String>,
    /// What Docker does when it ends; `unless-stopped` when not given.
    #[serde(default = "unless_stopped")]
    restart: String,
    /// Between the request to stop and the kill; Docker takes 10 seconds when not given.
    stop_timeout: Option<TimeSpan>,
    /// How long it may take to get ready, and then to answer; a minute each when not given.
    #[serde(default = "a_minute")]
    within: TimeSpan,
    /// Without a health check it must have been up so long before it is asked; 2 seconds when not given.
    #[serde(default = "two_seconds")]
    stays: TimeSpan,
    /// How long nginx's old workers may take to end what they had begun; 30 seconds when not given.
    #[serde(default = "half_a_minute")]
    drain: TimeSpan,
    /// How long the old container is kept; `"48h"` when not given.
    #[serde(default = "two_days")]
    keep_old: TimeSpan,
}

impl Kind for BlueGreen {
    const NAME: &'static str = "blue_green";
    const RESULT: &'static [&'static str] = &["port", "id", "image"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the new studio serves"
[steps.blue_green]
name = "studio"
image = "studio:1.4"
port = 3000                             # in the container
site = "/etc/nginx/sites-available/studio"
nginx = "/etc/nginx/nginx.conf"
replaces = "127.0.0.1:3001"             # the first time, when the site has several addresses
health = "/health"
health_check = { command = "wget -qO- http://127.0.0.1:3000/health", interval = "2s" }
env = { NODE_ENV = "production" }
env_file = "/srv/studio/.env"
volumes = ["studio-data:/data"]
network = "web"
command = ["node", "src/index.js"]
user = "1000:1000"
restart = "unless-stopped"
stop_timeout = "30s"
within = "2m"
stays = "2s"
drain = "30s"
keep_old = "48h"
"#;
}

impl Step for BlueGreen {
    fn check(&self) -> Result<(), WrongKey> {
        if !docker::is_name(&self.name) {
            return Err(WrongKey::new("name", format!("{:?} is not the name of a container", self.name)));
        }
        docker::reference::check(&self.image).map_err(|why| WrongKey::new("image", why))?;
        if !self.health.starts_with('/') {
            return Err(WrongKey::new("health", "a path begins with /"));
        }
        spec::check_env(&self.env).map_err(|(path, why)| WrongKey::new(&path, why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        docker::plan(host, |docker| Stages::look(self, docker)?.next())
    }
}

impl BlueGreen {
    /// What the container is made from; on the host's side its port is chosen when it is made.
    fn spec(&self) -> Spec {
        Spec {
            image: self.image.clone(),
            ports: vec![self.port.to_string()],
            env: words::environment(&self.env),
            env_file: self.env_file.clone(),
            volumes: self.volumes.clone(),
            network: self.network.clone(),
            restart: Some(self.restart.clone()),
            command: self.command.as_ref().map(Words::to_vec).unwrap_or_default(),
            user: self.user.clone(),
            health: self.health_check.clone(),
            stop_timeout: self.stop_timeout,
            ..Spec::default()
        }
    }

    fn readiness(&self) -> Readiness {
        Readiness { within: self.within.get(), stays: self.stays.get() }
    }
}

fn root() -> String {
    "/".to_string()
}

fn unless_stopped() -> String {
    "unless-stopped".to_string()
}

fn a_minute() -> TimeSpan {
    TimeSpan::seconds(60)
}

fn two_seconds() -> TimeSpan {
    TimeSpan::seconds(2)
}

fn half_a_minute() -> TimeSpan {
    TimeSpan::seconds(30)
}

fn two_days() -> TimeSpan {
    TimeSpan::seconds(48 * 3600)
}

#[cfg(all(test, feature = "controller"))]
mod tests;
