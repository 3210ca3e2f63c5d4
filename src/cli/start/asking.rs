//! Facts that are read before the jobs are made: those of other hosts, and those that decide which groups hosts join.

use super::controller::Controller;
use super::host::{self, Reveal};
use super::passwords::Passwords;
use super::{Chosen, WAIT, shared};
use crate::cli::Stop;
use crate::cli::options::Options;
use crate::diagnostic::Diagnostics;
use crate::inventory::Host;
use crate::model::job::RunId;
use crate::model::run::now;
use crate::model::{Failure, Value};
use crate::record::id;
use crate::render::facts_of_others::Wanted;
use crate::run::FORKS;
use crate::run::facts::{self, Asked};
use crate::ssh::{Config, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Facts by host, or why a host could not be asked.
pub type Facts = BTreeMap<String, Result<Value, Failure>>;

/// Who asks, and how hosts are reached.
pub struct Asking<'a> {
    /// The project and its inventory.
    pub chosen: &'a Chosen,
    /// What was typed.
    pub options: &'a Options,
    /// The run that the facts are for.
    pub run: RunId,
    /// The ssh configuration.
    pub config: Config,
    /// Those that were typed.
    pub passwords: Passwords<'a>,
    /// The project as hosts see it.
    pub controller: Controller,
}

impl<'a> Asking<'a> {
    /// For a new run.
    pub fn new(chosen: &'a Chosen, options: &'a Options) -> Result<Self, Stop> {
        Ok(Asking {
            chosen,
            options,
            run: id::new(now()),
            config: options.reach.ssh_config()?,
            passwords: Passwords::new(options),
            controller: Controller::of(&chosen.project)?,
        })
    }

    /// The facts of hosts that templates of other hosts name.
    pub fn of_others(&self, wanted: Wanted) -> Result<Facts, Stop> {
        let asked = wanted.into_iter().filter_map(|(name, facts)| {
            let host = self.chosen.inventory.host(&name)?;
            let mut target = self.target(host);
            self.reveal().login(&mut target);
            let envelope = self.controller.envelope(host, &self.run, WAIT);
            Some(Asked { target, becoming: None, password: None, envelope, facts })
        });
        self.read(asked.collect())
    }

    /// What hosts of the run say of themselves, asked as the user that the run works as there: `becomes` is what the playbook
    /// says of becoming another user on a host.
    pub fn of_hosts(
        &self,
        hosts: &[&Host],
        becomes: &dyn Fn(&Host) -> Option<bool>,
        facts: &BTreeSet<String>,
    ) -> Result<Facts, Stop> {
        let typed = self.passwords.becoming(hosts)?;
        let mut problems = Diagnostics::default();
        let mut all = Vec::new();
        for host in hosts {
            let (target, becomes, reveal) = (self.target(host), becomes(host), self.reveal());
            let login = host::login(host, target, becomes, self.options, &reveal, typed.clone());
            let Some(login) = problems.keep(login) else { continue };
            let host::Login { target, becoming, password } = login;
            let envelope = self.controller.envelope(host, &self.run, WAIT);
            all.push(Asked { target, becoming, password, envelope, facts: facts.clone() });
        }
        problems.unless_errors(())?;
        self.read(all)
    }

    fn read(&self, asked: Vec<Asked>) -> Result<Facts, Stop> {
        Ok(facts::read(asked, shared(self.passwords.login()?), self.forks())?)
    }

    /// So many hosts are worked at once.
    pub fn forks(&self) -> usize {
        let forks = self.options.reach.forks.or(self.chosen.project.config.forks);
        forks.map_or(FORKS, |forks| forks as usize)
    }

    fn target(&self, host: &Host) -> Target {
        let settings = host::ssh_settings(host, self.options);
        Target::or_unusable(host.name.as_str(), host.given_address(), &settings, &self.config)
    }

    fn reveal(&self) -> Reveal<'_> {
        Reveal { home: &self.config.paths.home, vault: &self.chosen.project.vault }
    }
}
