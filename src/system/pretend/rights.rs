//! What the host would refuse, as far as that is known before it is changed.

use super::{Pretend, fresh};
use crate::model::failure::BECOME_ROOT;
use crate::model::op::Meta;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Stat};
use std::path::Path;

impl Pretend<'_> {
    /// Fails where the host would refuse the change. What is pretended already is the run's own.
    pub(super) fn may_write(&self, path: &Path, replaces: bool) -> Result<()> {
        let is_own = |path: &Path| self.entry(path).is_some() || self.below_missing(path);
        if is_own(path) || path.parent().is_some_and(is_own) {
            return Ok(());
        }
        self.under.refuse_write(&self.beneath(path), replaces)
    }

    /// Only root gives files away, and changes those of others.
    pub(super) fn may_own(&self, path: &Path, stat: &Stat, meta: &Meta) -> Result<()> {
        let runs_as = self.under.runs_as();
        if runs_as == 0 {
            return Ok(());
        }
        let gives = meta.owner.is_some_and(|owner| owner != stat.owner);
        let is_others = stat.owner != runs_as && meta.mode.is_some_and(|mode| mode != stat.mode);
        match gives || is_others {
            true => {
                let doing = format!("set mode and owner of {}", path.display());
                Err(Failure::new(doing, "only root may do that").hint(BECOME_ROOT))
            }
            false => Ok(()),
        }
    }

    /// A new file or directory of the user who runs.
    pub(super) fn fresh(&self, kind: FileKind, mode: u32) -> Stat {
        Stat { owner: self.under.runs_as(), ..fresh(kind, mode) }
    }
}
