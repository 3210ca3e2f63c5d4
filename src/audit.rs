//! Audits: what a tree holds against what it needs. They look, and their answers are findings.

pub mod dotenv;
#[cfg(feature = "controller")]
pub mod environment;
pub mod imports;
pub mod look;
pub mod nearest;
pub mod needs;
pub mod packages;
pub mod placeholder;
pub mod settings;
pub mod trees;
pub mod walk;

use crate::model::tree::pattern::Pattern;

/// What no audit looks into when nothing is said: git's own files, and what a package manager installed.
pub fn usual() -> Vec<Pattern> {
    let names = [".git", "node_modules"].into_iter();
    names.filter_map(|name| Pattern::try_from(name.to_string()).ok()).collect()
}
