//! Audits: what a tree holds against what it needs. They look, and their answers are findings.

pub mod dotenv;
pub mod imports;
pub mod nearest;
pub mod packages;
pub mod placeholder;
pub mod skip;
pub mod walk;
