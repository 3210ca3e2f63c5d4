//! Handlers that a playbook still owes to a host. They are written down before the change that notifies them, so that no
//! crash can lose them; a later run of the playbook runs those that are left.

use super::journal::Journal;
use super::state_dir::private_file;
use crate::model::{Doing, Result};
use std::collections::BTreeMap;

/// The handlers that are owed, by playbook.
type Owed = BTreeMap<String, Vec<String>>;

impl Journal<'_> {
    /// The handlers that earlier runs of this playbook notified and did not finish.
    pub fn owed(&self) -> Result<Vec<String>> {
        Ok(self.all_owed()?.remove(self.playbook()).unwrap_or_default())
    }

    /// Remembers, durably, which handlers this playbook owes to the host.
    pub fn owe(&mut self, handlers: Vec<String>) -> Result<()> {
        let mut owed = self.all_owed()?;
        let before = owed.remove(self.playbook()).unwrap_or_default();
        if before == handlers {
            return Ok(());
        }
        if !handlers.is_empty() {
            owed.insert(self.playbook().to_string(), handlers);
        }
        let text = serde_json::to_vec(&owed).doing("encode the handlers that are owed")?;
        self.host().write(&self.state().handlers(), &mut &text[..], &private_file())
    }

    fn all_owed(&self) -> Result<Owed> {
        let bytes = self.host().read(&self.state().handlers())?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }
}
