//! Audits: what a tree holds against what it needs. They look, and their answers are findings.

pub mod dotenv;
#[cfg(feature = "controller")]
pub mod environment;
pub mod imports;
pub mod nearest;
pub mod needs;
pub mod packages;
pub mod placeholder;
pub mod settings;
pub mod skip;
pub mod walk;
