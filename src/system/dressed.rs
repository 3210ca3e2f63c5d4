//! A host whose questions are asked as another user and with more environment: what a step's `become_user` and
//! `environment` ask for. The commands of its plan are dressed the same way.

use super::{Brought, Details, Probe, Stat};
use crate::model::Result;
use crate::model::digest::Digest;
use crate::model::op::{Answer, Command, Condition, Observed};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The same host, its questions dressed for one step. Only processes are affected: files are read as they always are.
pub struct Dressed<'a> {
    /// The host.
    pub host: &'a dyn Probe,
    /// As whom, unless the command says.
    pub user: Option<String>,
    /// Added, unless the command says otherwise.
    pub environment: BTreeMap<String, String>,
    /// What the step's job has brought.
    pub brought: &'a Brought,
}

impl Dressed<'_> {
    /// The command as this step runs it.
    pub fn dress(&self, command: &Command) -> Command {
        let mut dressed = command.clone();
        dressed.user = dressed.user.or_else(|| self.user.clone());
        for (name, value) in &self.environment {
            dressed.environment.entry(name.clone()).or_insert_with(|| value.clone());
        }
        dressed
    }
}

impl Probe for Dressed<'_> {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.host.stat(path)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.host.read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.host.read_at(path, offset, length)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        self.host.list(path)
    }

    fn details(&self, path: &Path) -> Result<Details> {
        self.host.details(path)
    }

    fn same_file_system(&self, one: &Path, other: &Path) -> Result<bool> {
        self.host.same_file_system(one, other)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        self.host.digest(path)
    }

    fn ask(&self, question: &Command) -> Result<Answer> {
        self.host.ask(&self.dress(question))
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        self.host.follow(path)
    }

    fn runs_as(&self) -> u32 {
        self.host.runs_as()
    }

    fn refuse_change(&self, path: &Path) -> Result<()> {
        self.host.refuse_change(path)
    }

    fn pretends(&self) -> bool {
        self.host.pretends()
    }

    fn foretells(&self, question: &Command) -> bool {
        self.host.foretells(question)
    }

    fn brought(&self) -> Option<&Brought> {
        Some(self.brought)
    }

    fn observe(&self, condition: &Condition) -> Result<Observed> {
        match condition {
            Condition::Succeeds { command } => {
                self.host.observe(&Condition::Succeeds { command: self.dress(command) })
            }
            other => self.host.observe(other),
        }
    }
}
