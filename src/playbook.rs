//! A playbook: params, variables and steps, read strictly. Everything that can be known without a host is checked here.

pub mod catalogue;
pub mod check;
pub mod params;
mod read;
pub mod shipped;
mod step;

use crate::diagnostic::Diagnostics;
use crate::keys::Share;
use crate::model::job::OnFailure;
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Node, Place, Source};
use crate::step::Row;
use params::Param;
use std::sync::Arc;
use std::time::Duration;

/// A whole playbook, included ones put in.
#[derive(Clone, Debug)]
pub struct Playbook {
    /// Its file's name without extension.
    pub name: String,
    /// Its own file, then those it includes.
    pub files: Vec<Arc<Source>>,
    /// For people.
    pub description: Option<String>,
    /// In order; those of included playbooks after its own.
    pub params: Vec<Param>,
    /// `vars`.
    pub vars: Vec<Setting>,
    /// The hosts it is meant for, when the command line names none.
    pub hosts: Option<String>,
    /// Whether its steps run as another user; what the inventory says when it does not say.
    pub becomes: Option<bool>,
    /// How many hosts are worked before the next ones begin; the last one goes on to the end. Empty: all at once.
    pub serial: Vec<Share>,
    /// The run stops for hosts not yet begun when more than this many failed.
    pub max_failures: Option<Share>,
    /// What becomes of a host whose step failed.
    pub on_failure: OnFailure,
    /// In order.
    pub steps: Vec<Step>,
    /// Run at the end when notified.
    pub handlers: Vec<Step>,
    /// Run after a failure.
    pub rescue: Vec<Step>,
    /// Run in any case.
    pub always: Vec<Step>,
}

/// One step as it is written.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it begins.
    pub place: Place,
    /// A template.
    pub name: Option<Written>,
    /// Its kind.
    pub kind: &'static Row,
    /// The kind's own keys.
    pub keys: Node,
    /// An expression.
    pub when: Option<Written>,
    /// `loop`: a list, or an expression that gives one.
    pub items: Option<Node>,
    /// What an element is called.
    pub loop_var: String,
    /// The name of its result.
    pub register: Option<Written>,
    /// Names of handlers.
    pub notify: Vec<Written>,
    /// Its own tags and those of what includes it.
    pub tags: Vec<String>,
    /// Values for this step only: those of what includes it, then its own.
    pub vars: Vec<Setting>,
    /// The user whom its commands run as.
    pub become_user: Option<Written>,
    /// Added to the environment of its commands.
    pub environment: Option<Node>,
    /// How many times more it is tried.
    pub retries: u32,
    /// Between tries.
    pub delay: Duration,
    /// An expression over the result.
    pub until: Option<Written>,
    /// For the whole step.
    pub timeout: Option<Duration>,
    /// An expression over the result.
    pub changed_when: Option<Written>,
    /// An expression over the result.
    pub failed_when: Option<Written>,
    /// Its failure does not end the host's run.
    pub ignore_errors: bool,
    /// Only the first host of the run does it.
    pub run_once: bool,
    /// Nothing of its arguments, diff or output is told.
    pub no_log: bool,
}

/// A text and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Playbook {
    /// Finds and reads a playbook: the project's of this name, a shipped one, or the file at this path.
    pub fn find(project: &Project, name: &str) -> Result<Playbook, Diagnostics> {
        let source = catalogue::source(project, name)?;
        Playbook::read(project, &source)
    }

    /// Reads a playbook and those it includes.
    pub fn read(project: &Project, source: &Arc<Source>) -> Result<Playbook, Diagnostics> {
        read::playbook(project, source)
    }

    /// Steps, handlers, rescue and always, in the order in which they are counted.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.handlers).chain(&self.rescue).chain(&self.always)
    }

    /// The files it is read from: its own first.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.files.iter()
    }

    /// What its steps set: their `vars`, and the results they register.
    pub fn settings_of_steps(&self) -> Vec<Setting> {
        let registered = |step: &Step| {
            let name = step.register.as_ref()?;
            let value = "(its result)".into();
            Some(Setting::new(&name.text, value, &name.place, Origin::Registered(step.title())))
        };
        self.all_steps().flat_map(|step| step.vars.iter().cloned().chain(registered(step))).collect()
    }
}

impl Step {
    /// Its name as it is written, or its kind.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| self.kind.name.to_string(), |name| name.text.clone())
    }
}

/// What the name of a shipped playbook's file begins with in messages.
const SHIPPED: &str = "windlass:playbooks/";

#[cfg(test)]
mod tests;
