//! The commands that a unit needs, in order, and how the unit is after them.

use crate::model::Result;
use crate::model::op::{Op, Plan, Prediction, Run, Undo};
use crate::system::Probe;
use crate::systemd::install::Install;
use crate::systemd::{self, Unit};

/// The commands that a unit needs, and how it will be after them.
pub struct UnitChange<'a> {
    host: &'a dyn Probe,
    /// As the playbook has it, which may be an alias.
    asked: &'a str,
    /// The unit's own name.
    name: &'a str,
    /// As it will be.
    pub unit: Unit,
    /// Units that change with it, as they will be.
    others: Vec<(String, Unit)>,
    runs: Vec<Run>,
    /// What people should know of the change.
    pub notes: Vec<String>,
    /// It acts each time.
    pub once: bool,
}

impl<'a> UnitChange<'a> {
    /// Nothing is done yet.
    pub fn of(host: &'a dyn Probe, asked: &'a str, name: &'a str, unit: Unit) -> Self {
        let (others, runs, notes) = (Vec::new(), Vec::new(), Vec::new());
        UnitChange { host, asked, name, unit, others, runs, notes, once: false }
    }

    /// The links as they are before the step.
    pub fn install(&self) -> Result<Install> {
        Install::of(self.host, self.name)
    }

    /// `systemctl enable`.
    pub fn enable(&mut self, install: &Install) {
        self.run("enable", install.undo("disable"));
        self.change_with("enabled", &install.also, is_disabled);
    }

    /// `systemctl disable`, for good and until the next boot, which are two things to systemctl. It would also remove the link
    /// to a unit file elsewhere, without which the host does not know the unit.
    pub fn disable(&mut self, install: &Install) {
        let only_until_boot = self.unit.file == "enabled-runtime";
        if !only_until_boot {
            self.run("disable", install.undo("enable"));
        }
        if only_until_boot || install.is_enabled_until_boot() {
            self.run_for("disable", "--runtime", install.undo("enable"));
        }
        if let Some(unit_file) = install.linked_from() {
            self.runs.push(systemd::run("link", unit_file, Undo::NotNeeded));
        }
        self.change_with("disabled", &install.also, is_enabled);
    }

    fn change_with(&mut self, state: &str, also: &[(String, Unit)], changes: fn(&Unit) -> bool) {
        for (name, unit) in also.iter().filter(|(_, unit)| changes(unit)) {
            self.notes.push(format!("{name} is {state} with it: Also= in its unit file"));
            self.others.push((name.clone(), Unit { file: state.to_string(), ..unit.clone() }));
        }
    }

    /// `systemctl VERB`.
    pub fn run(&mut self, verb: &str, undo: Undo) {
        self.runs.push(systemd::run(verb, self.name, undo));
    }

    /// The same with an option.
    pub fn run_for(&mut self, verb: &str, option: &str, undo: Undo) {
        let mut run = systemd::run(verb, self.name, undo);
        run.command.argv.insert(2, option.to_string());
        self.runs.push(run);
    }

    /// `systemctl VERB`, as undo.
    pub fn undo(&self, verb: &str) -> Undo {
        Undo::Command(systemd::systemctl(verb, self.name))
    }

    /// Starts it, also when it failed so often that systemd would refuse.
    pub fn start(&mut self, verb: &str) {
        let mut leaves = None;
        if self.unit.active == "failed" {
            self.run("reset-failed", Undo::NotNeeded);
            leaves = Some("an undo leaves the unit inactive; it was failed".to_string());
        }
        let undo = match self.unit.only_runs() {
            true => Undo::impossible("it runs to its end, and what it did by then stays"),
            false if self.unit.is_active() => Undo::Again,
            false => self.undo("stop"),
        };
        self.run(verb, undo);
        self.confirm();
        if let Some(run) = self.runs.last_mut() {
            run.leaves = leaves;
        }
        self.once |= self.unit.only_runs();
        self.unit.active = if self.unit.only_runs() { "inactive" } else { "active" }.to_string();
    }

    /// The last command counts only once the unit is really up.
    pub fn confirm(&mut self) {
        let proof = self.unit.proof(self.name);
        if let Some(run) = self.runs.last_mut() {
            run.confirm = proof;
        }
    }

    /// What was asked for, as ops.
    pub fn plan(mut self, daemon_reload: bool) -> Plan {
        if daemon_reload && self.unit.stale {
            self.runs.insert(0, systemd::daemon_reload());
            self.unit.stale = false;
        }
        let mut names = vec![self.asked, self.name];
        names.dedup();
        let own = names.into_iter().map(|name| self.unit.prediction(name));
        let others = self.others.iter().map(|(name, unit)| unit.prediction(name));
        let after: Vec<Prediction> = own.chain(others).collect();
        let runs = self.runs.into_iter().map(|run| Run { predicts: after.clone(), ..run });
        Plan { once: self.once, notes: self.notes, ..Plan::of(runs.map(Op::from).collect()) }
    }
}

/// Whether nothing can start it.
pub fn is_masked(unit: &Unit) -> bool {
    unit.load == "masked" || unit.file.starts_with("masked")
}

/// Whether it starts with a boot, or with this one only.
pub fn is_enabled(unit: &Unit) -> bool {
    matches!(unit.file.as_str(), "enabled" | "enabled-runtime")
}

/// Whether it could be enabled for good, and is not.
pub fn is_disabled(unit: &Unit) -> bool {
    matches!(unit.file.as_str(), "disabled" | "enabled-runtime" | "linked" | "linked-runtime")
}
