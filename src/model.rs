//! Pure data that every part of windlass speaks of. Nothing here reads, writes or connects.

pub mod arg;
pub mod attributes;
pub mod backup;
pub mod bounds;
pub mod counted;
pub mod cut;
pub mod delegation;
pub mod digest;
pub mod duration;
pub mod evaluated;
pub mod event;
pub mod failure;
pub mod finding;
pub mod glob;
pub mod guard;
pub mod hexadecimal;
pub mod host;
pub mod item;
pub mod job;
pub mod keep;
pub mod label;
pub mod mode;
pub mod nearest;
pub mod on;
pub mod once;
pub mod op;
pub mod outcome;
pub mod path;
pub mod pattern;
pub mod play;
pub mod reason;
pub mod refusal;
#[cfg(feature = "controller")]
pub mod run;
pub mod size;
pub mod tree;
pub mod umask;
pub mod words;

pub use failure::{Doing, Failure, Result};

/// A dynamic value: what TOML, templates, facts and registered results are made of.
pub type Value = serde_json::Value;

/// Named values in the order in which they were written.
pub type Values = serde_json::Map<String, Value>;
