//! Where a step's changes go: to the host through the journal, or into memory under check.

use super::journal::Journal;
use crate::system::System;
use crate::system::pretend::Pretend;

/// Where changes go.
#[expect(clippy::large_enum_variant, reason = "there is one for each job, and nearly always the larger one")]
pub enum Target<'a, 'j> {
    /// To the host, through the journal.
    Real(&'a dyn System, Journal<'j>),
    /// Nowhere: they are held in memory.
    Pretended(&'a Pretend<'j>),
}

impl Target<'_, '_> {
    /// How many changes the run has intended so far.
    pub fn changes(&self) -> u32 {
        match self {
            Target::Real(_, journal) => journal.changes(),
            Target::Pretended(_) => 0,
        }
    }

    /// Whether nothing is really changed.
    pub fn is_pretended(&self) -> bool {
        matches!(self, Target::Pretended(_))
    }
}
