//! Looks at what an op changes before anything is done or pretended: what the journal saves of it, and what an undo will
//! not restore.

use super::perform::describe;
use crate::model::op::Op;
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::{Details, FileKind, Probe};

/// Why a change is undone only in part on a host that is worked through its sh and has neither program.
pub const ATTRIBUTES_UNSEEN: &str =
    "only without extended attributes and ACLs: the host has neither perl nor getfattr, which show them";

/// Why a change of a file with hard links is undone only in part.
pub const LINKS_LOST: &str = "only as a file of its own: its other names (hard links) are on another file system than windlass's state";

/// What is known of an op's path.
#[derive(Debug, Default)]
pub struct Inspected {
    /// What stands there; `None` where that need not be known.
    pub details: Option<Details>,
    /// Why the op can be undone only in part, where that is so.
    pub in_part: Option<&'static str>,
}

/// Refuses to replace a mount point, such as a container's `/etc/hosts`. `memory`: where the run saves what it replaces.
pub fn inspect(host: &dyn Probe, op: &Op, memory: &HostPath) -> Result<Inspected> {
    let (path, replaces) = match op {
        Op::Write { path, .. } | Op::Link { path, .. } | Op::Remove { path } => (path, true),
        Op::Meta { path, .. } => (path, false),
        Op::Exchange { one, .. } => (one, true),
        _ => return Ok(Inspected::default()),
    };
    let details = host.details(path)?;
    if details.is_mount_point && replaces {
        return Err(Failure::new(describe(op), "something is mounted there, so that it cannot be replaced")
            .hint("change it where it is mounted from, or unmount it first; in a container, the runtime makes it"));
    }
    // Nothing is lost of what only changes places.
    if matches!(op, Op::Exchange { .. }) {
        return Ok(Inspected::default());
    }
    let in_part = match &details {
        Details { attributes: None, .. } => Some(ATTRIBUTES_UNSEEN),
        _ if replaces && loses_links(host, path, &details, memory)? => Some(LINKS_LOST),
        _ => None,
    };
    Ok(Inspected { details: Some(details), in_part })
}

/// Whether a file with hard links is among what is replaced, where no further name can be kept of it. A directory is
/// walked only where that can be.
fn loses_links(host: &dyn Probe, path: &HostPath, details: &Details, memory: &HostPath) -> Result<bool> {
    let is_directory = details.stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Dir);
    if (!is_directory && !details.is_shared) || host.same_file_system(path, memory)? {
        return Ok(false);
    }
    any_is_shared(host, path, details)
}

fn any_is_shared(host: &dyn Probe, path: &HostPath, details: &Details) -> Result<bool> {
    if details.is_shared || details.stat.as_ref().is_none_or(|stat| stat.kind != FileKind::Dir) {
        return Ok(details.is_shared);
    }
    for name in host.list(path)? {
        let inside = path.join(name);
        if any_is_shared(host, &inside, &host.details(&inside)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
