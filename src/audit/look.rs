//! Audits the imports of a tree where this program can: the agent that every host gets is linked without the parser of
//! JavaScript, which would double what is sent to a host that has no use for it.

use super::imports;
use crate::model::finding::Finding;
use crate::model::tree::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::path::Path;
use std::sync::OnceLock;

type Look = fn(&dyn Probe, &Path, &[Pattern]) -> Result<Vec<Finding>>;

/// Set by the programs that can. One that never calls [`with_javascript`] is linked without all that stands behind it.
static LOOK: OnceLock<Look> = OnceLock::new();

/// Links the parser into this program.
pub fn with_javascript() {
    LOOK.get_or_init(|| imports::of);
}

/// What the imports of the tree at `root` lead to, as [`imports::of`]. Fails in a program without the parser.
pub fn at_imports(host: &dyn Probe, root: &Path, exclude: &[Pattern]) -> Result<Vec<Finding>> {
    #[cfg(feature = "controller")]
    with_javascript();
    match LOOK.get() {
        Some(look) => look(host, root, exclude),
        None => Err(Failure::new(
            format!("audit the imports below {}", root.display()),
            "the agent on this host has no parser for JavaScript",
        )
        .hint("place windlass-agent-javascript-ARCH beside windlass-agent-ARCH in WINDLASS_AGENT_DIR")),
    }
}
