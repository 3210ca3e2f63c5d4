//! A saved plan: what a dry run said that a playbook would do, host by host, with everything that doing it takes. Between
//! making and applying it nothing of the project decides any more. It holds no secret: where one was stands its place.

use crate::keys::Share;
use crate::model::digest::Digest;
use crate::model::event::StepEnded;
use crate::model::job::{HostWork, Mode, OnFailure, PlannedStep, Planning, RunId};
use crate::model::run::Source;
use crate::model::tree::Tree;
use crate::model::{Doing, Failure, Result, Value};
use crate::playbook::plays::Stage;
use crate::render::contents::Contents;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

mod file;
mod make;
mod veil;

pub use file::Opened;
pub use make::Made;
use veil::Veil;

/// Of the file's format, and of what is in it.
const VERSION: u32 = 2;

/// All of a plan but the bytes of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Of the windlass that made it: another one may do a step otherwise.
    pub windlass: String,
    /// The dry run it was made of.
    pub run: RunId,
    /// When.
    pub made: Timestamp,
    /// The user who made it.
    pub who: String,
    /// The playbook's name.
    pub name: String,
    /// The host pattern as it was typed.
    pub pattern: String,
    /// What the playbook says of becoming another user.
    pub becomes: Option<bool>,
    /// The plays, when there are several.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// On which hosts these plays become another user.
    #[serde(default)]
    pub becomes_of: BTreeMap<String, bool>,
    /// How many hosts each batch has.
    pub serial: Vec<Share>,
    /// How many failures end the run.
    pub max_failures: Option<Share>,
    /// What becomes of the hosts that are fine when another failed.
    pub on_failure: OnFailure,
    /// The playbook and what it includes, without secrets, to be read.
    pub sources: Vec<Source>,
    /// Where its secrets come from, in the order of their numbers.
    pub secrets: Vec<SecretSource>,
    /// Its hosts, in the order of the run.
    pub hosts: Vec<PlannedHost>,
    /// What directories and archives hold that steps name.
    pub trees: BTreeMap<Digest, Arc<Tree>>,
    /// The bytes behind it, in this order.
    pub contents: Vec<Piece>,
}

/// A host of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedHost {
    /// Its name in the inventory.
    pub name: String,
    /// A [`HostWork`] without its secrets, assets and trees.
    pub work: Value,
    /// The numbers of the secrets that its own work uses: no other host gets them.
    pub secrets: Vec<usize>,
    /// Small assets that travel with its job.
    pub assets: Vec<Digest>,
    /// The trees that its steps name.
    pub trees: Vec<Digest>,
    /// How each step ended in the dry run.
    pub steps: Vec<StepEnded>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSource {
    /// The host it was for.
    pub host: String,
    /// The param that holds it.
    pub param: String,
    /// `env:NAME`, `file:PATH`, `command:PROGRAM …` or `age:NAME`; none: it was given as it is.
    pub from: Option<String>,
}

/// Some bytes of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    /// What they are.
    pub digest: Digest,
    /// How many there are in the file.
    pub size: u64,
    /// Secrets in them were replaced by their places.
    pub veiled: bool,
}

/// One host's part of a plan, ready to be run.
#[derive(Clone)]
pub struct HostPart {
    /// The host's name.
    pub host: String,
    /// What is done there.
    pub work: HostWork,
    /// The bytes that it may ask for.
    pub contents: Contents,
}

impl SavedPlan {
    /// How many steps would change something, and how many are unknown until applied.
    pub fn counts(&self) -> (usize, usize) {
        use crate::model::outcome::StepOutcome;
        let steps = || self.hosts.iter().flat_map(|host| &host.steps).filter(|step| step.item.is_none());
        let count = |outcome| steps().filter(|step| step.outcome == outcome).count();
        (count(StepOutcome::WouldChange), count(StepOutcome::Unknown))
    }

    /// The plan's hosts with these secrets in their places.
    fn parts(&self, secrets: &[String], opened: &Opened, mode: Mode, diff: bool) -> Result<Vec<HostPart>> {
        let veil = Veil::of(secrets);
        let contents = opened.contents(self, &veil)?;
        self.hosts.iter().map(|host| self.part(host, &veil, secrets, &contents, mode, diff)).collect()
    }

    fn part(
        &self,
        host: &PlannedHost,
        veil: &Veil,
        secrets: &[String],
        contents: &Contents,
        mode: Mode,
        diff: bool,
    ) -> Result<HostPart> {
        let doing = || format!("read what the plan does on {}", host.name);
        let mut work: HostWork = serde_json::from_value(veil.lift(host.work.clone())?).doing(doing())?;
        work.mode = mode;
        work.diff = diff;
        work.secrets = host.secrets.iter().filter_map(|number| secrets.get(*number).cloned()).collect();
        work.planning = Planning::Follow(host.steps.iter().map(planned).collect());
        work.assets =
            host.assets.iter().map(|digest| file::inline(digest, contents)).collect::<Result<_>>()?;
        let tree = |digest: &Digest| {
            let tree = self.trees.get(digest).ok_or_else(|| Failure::new(doing(), "a tree is missing"))?;
            Ok((digest.clone(), tree.clone()))
        };
        work.trees = host.trees.iter().map(tree).collect::<Result<_>>()?;
        Ok(HostPart { host: host.name.clone(), work, contents: contents.clone() })
    }
}

fn planned(step: &StepEnded) -> PlannedStep {
    PlannedStep {
        step: step.step,
        item: step.item,
        name: step.name.clone(),
        outcome: step.outcome,
        fingerprint: step.fingerprint.clone(),
    }
}

#[cfg(test)]
mod tests;
