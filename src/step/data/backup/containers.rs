//! Docker's volumes, and what Docker knows of containers.

use super::files;
use super::{Planned, label};
use crate::docker;
use crate::model::backup::PartKind;
use crate::model::op::{Accept, Command};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// A container, running or not.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether its files are kept too, as `docker export` writes them.
    #[serde(default)]
    export: bool,
}

impl From<String> for Container {
    fn from(name: String) -> Self {
        Container { name, export: false }
    }
}

impl Container {
    pub fn planned(&self) -> Vec<Planned> {
        let planned = |kind| Planned {
            label: label(kind, "container", &self.name),
            from: json!({ "container": self.name }),
        };
        std::iter::once(PartKind::Json).chain(self.export.then_some(PartKind::Tar)).map(planned).collect()
    }

    pub fn commands(&self, host: &dyn Probe) -> Result<Vec<(Command, Accept)>> {
        let inspect = Command::new(["docker", "container", "inspect", &self.name]);
        there(host, &inspect)?;
        let export = Command::new(["docker", "container", "export", &self.name]);
        let all = std::iter::once(inspect).chain(self.export.then_some(export));
        Ok(all.map(|command| (command, Accept::Zero)).collect())
    }
}

pub fn planned_volume(name: &str) -> Planned {
    Planned { label: label(PartKind::Tar, "volume", name), from: json!({ "volume": name }) }
}

/// The tar of a volume: its directory is where Docker says that it is.
pub fn volume(host: &dyn Probe, name: &str) -> Result<(Command, Accept)> {
    let question = Command::new(["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name]);
    let folder = there(host, &question)?;
    if !folder.starts_with('/') && !host.pretends() {
        let why = "Docker does not say where on this host it lies";
        return Err(Failure::new(format!("back up the volume {name}"), why));
    }
    let folder = HostPath::from(host.follow(Path::new(&folder))?);
    Ok(files::command(&folder, ".", &[], format!("tar of the volume {name}")))
}

/// Refuses what is not there. After changes that are only pretended Docker is not asked: it would answer about the past.
fn there(host: &dyn Probe, question: &Command) -> Result<String> {
    if host.pretends() && !host.foretells(question) {
        return Ok(String::new());
    }
    let answer = host.ask(question)?;
    match answer.ok() {
        true => Ok(answer.text()),
        false => Err(refused(question, &answer)),
    }
}

pub fn check_name(name: &str) -> Result<(), String> {
    match docker::is_name(name) {
        true => Ok(()),
        false => Err(format!("{name:?} is not a name that Docker takes")),
    }
}
