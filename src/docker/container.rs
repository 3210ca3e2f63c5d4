//! A container as `docker container inspect` describes it.

use super::{Docker, absent, is_absent};
use crate::model::op::{Answer, Command, Prediction};
use crate::model::reason::{self, excerpt};
use crate::model::refusal::refused;
use crate::model::{Doing, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked of a container: never its environment, which may hold secrets.
const FORMAT: &str = concat!(
    r#"{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"status":{{json .State.Status}},"#,
    r#""exit":{{json .State.ExitCode}},"restarts":{{json .RestartCount}},"started":{{json .State.StartedAt}},"#,
    r#""health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"#,
    r#""restart":{{json .HostConfig.RestartPolicy}},"labels":{{json .Config.Labels}},"ports":{{json .HostConfig.PortBindings}},"#,
    r#""auto_remove":{{json .HostConfig.AutoRemove}}}"#,
);

/// The label with the digest of what a container was made from.
pub const SPEC_LABEL: &str = "windlass.spec";

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// In full.
    pub id: String,
    /// With a `/` in front, as Docker has it.
    pub name: String,
    /// The image's id.
    pub image: String,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// Its last exit status.
    pub exit: i64,
    /// How often Docker has restarted it by itself.
    pub restarts: u64,
    /// When it was started last.
    pub started: String,
    /// `starting`, `healthy` or `unhealthy`; empty when it has no health check.
    pub health: String,
    /// What Docker does when it ends.
    pub restart: Restart,
    /// Its own and its image's.
    pub labels: Option<BTreeMap<String, String>>,
    /// The ports that were asked for.
    pub ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
    /// Docker removes it as soon as it ends (`--rm`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_remove: bool,
}

/// A restart policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Restart {
    /// `no`, `always`, `unless-stopped` or `on-failure`; `no` may be empty.
    pub name: String,
    /// How often, of `on-failure`; 0 is without end.
    pub maximum_retry_count: u64,
}

/// Where a container's port is published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Binding {
    /// Empty for every address.
    pub host_ip: String,
    /// Empty when Docker chooses.
    pub host_port: String,
}

impl Docker<'_> {
    /// The container of this name.
    pub fn container(&self, name: &str) -> Result<Option<Container>> {
        let question = question(name);
        let answer = self.ask(&question)?;
        match answer.ok() {
            // Docker also takes the beginning of an id for a name.
            true => Ok(Container::read(&answer.text())?.filter(|found| found.name == format!("/{name}"))),
            false if is_absent(&answer) => Ok(None),
            false => Err(refused(&question, &answer)),
        }
    }

    /// The end of a container's log and the line in it that says why, for messages. Nothing is lost when it cannot be had.
    pub fn last_words(&self, name: &str) -> String {
        let answer = self.host().ask(&super::commands::log_of(name)).unwrap_or_default();
        excerpt(&answer.text(), reason::LINES).iter().map(|line| format!("\n    {line}")).collect()
    }
}

impl Container {
    fn read(text: &str) -> Result<Option<Container>> {
        serde_json::from_str(text).doing("read what docker container inspect says").map(Some)
    }

    /// What Docker will answer once the container of this name is like this.
    pub fn prediction(&self, name: &str) -> Prediction {
        let named = Container { name: format!("/{name}"), ..self.clone() };
        let text = serde_json::to_vec(&named).unwrap_or_default();
        Prediction { argv: question(name).argv, answer: Answer::said(0, text) }
    }

    /// What Docker will answer once there is no container of this name.
    pub fn absence(name: &str) -> Prediction {
        absent(question(name), "container", name)
    }

    /// What commands call it: its id, or its name while it is only pretended and has none.
    pub fn handle(&self) -> &str {
        if self.id.is_empty() { self.name.trim_start_matches('/') } else { &self.id }
    }

    /// Whether its process runs, or will again by itself in a moment.
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }

    /// A label's value; empty without it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.as_ref().and_then(|labels| labels.get(name)).map_or("", String::as_str)
    }

    /// The host's port on loopback, or on every address, at which the container's `port` is published.
    pub fn published(&self, port: u16) -> Option<u16> {
        let bindings = self.ports.as_ref()?.get(&format!("{port}/tcp"))?.as_ref()?;
        let local = |one: &&Binding| matches!(one.host_ip.as_str(), "" | "0.0.0.0" | "127.0.0.1");
        bindings.iter().find(local)?.host_port.parse().ok()
    }

    /// Every port of the host that it asked for.
    pub fn host_ports(&self) -> Vec<u16> {
        let bindings = self.ports.iter().flatten().flat_map(|(_, bindings)| bindings.iter().flatten());
        bindings.filter_map(|one| one.host_port.parse().ok()).collect()
    }
}

impl Restart {
    /// As the command line writes it.
    pub fn shown(&self) -> String {
        match (self.name.as_str(), self.maximum_retry_count) {
            ("", _) => "no".to_string(),
            (name, 0) => name.to_string(),
            (name, count) => format!("{name}:{count}"),
        }
    }
}

/// The question what the container of this name is like.
pub fn question(name: &str) -> Command {
    Command::new(["docker", "container", "inspect", "--format", FORMAT, name])
}
