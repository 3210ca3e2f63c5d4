//! Which backups were read to the last byte and found whole. A rule of what is kept never removes the newest of them: later
//! ones may be whole and worthless, when a host that was taken over sent them.

use super::backend::Backend;
use super::id::Id;
use super::verify::Verified;
use crate::model::Result;
use std::collections::BTreeSet;

/// So many ids are remembered of one host and name: only the newest that is still there counts.
const REMEMBERED: usize = 100;

/// The ids of those of a host and name that were whole when they were last read.
pub fn ids(backend: &dyn Backend, host: &str, name: &str) -> Result<BTreeSet<Id>> {
    let text = backend.note(host, name)?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Remembers what was found. A backup that could not be opened counts as far as it could be read.
pub fn remember(backend: &dyn Backend, verified: &Verified) -> Result<()> {
    let place = &verified.place;
    let mut ids = ids(backend, &place.host, &place.name)?;
    let is_new = match verified.is_whole() {
        true => ids.insert(place.id.clone()),
        false => ids.remove(&place.id),
    };
    if !is_new {
        return Ok(());
    }
    let newest = ids.iter().rev().take(REMEMBERED).collect::<Vec<_>>();
    let text: String = newest.into_iter().rev().map(|id| format!("{id}\n")).collect();
    backend.set_note(&place.host, &place.name, &text)
}
