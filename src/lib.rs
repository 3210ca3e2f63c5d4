//! windlass: operates a fleet of hosts over SSH. ARCHITECTURE.md is the map of this library.

// On hosts and on the controller.
pub mod accounts;
pub mod agent;
pub mod audit;
pub mod docker;
pub mod engine;
pub mod fstab;
pub mod javascript;
pub mod model;
pub mod nginx;
pub mod redact;
pub mod sql;
pub mod step;
pub mod system;
pub mod systemd;
pub mod template;
pub mod tree;
pub mod wanted;
pub mod wire;

// On the controller only.
#[cfg(feature = "controller")]
pub mod agent_binary;
#[cfg(feature = "controller")]
pub mod cli;
#[cfg(feature = "controller")]
pub mod demo;
#[cfg(feature = "controller")]
pub mod diagnostic;
#[cfg(all(feature = "controller", any(test, fuzzing)))]
pub mod fuzzing;
#[cfg(feature = "controller")]
pub mod inventory;
#[cfg(feature = "controller")]
pub mod keys;
#[cfg(feature = "controller")]
pub mod playbook;
#[cfg(feature = "controller")]
pub mod project;
#[cfg(feature = "controller")]
pub mod record;
#[cfg(feature = "controller")]
pub mod render;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod run;
#[cfg(feature = "controller")]
pub mod saved_plan;
#[cfg(feature = "controller")]
pub mod schedule;
#[cfg(feature = "controller")]
pub mod schema;
#[cfg(feature = "controller")]
pub mod secrets;
#[cfg(feature = "controller")]
pub mod serve;
#[cfg(feature = "controller")]
pub mod setting;
#[cfg(feature = "controller")]
pub mod source;
#[cfg(feature = "controller")]
pub mod ssh;
#[cfg(feature = "controller")]
pub mod store;
#[cfg(feature = "controller")]
pub mod trust;
#[cfg(feature = "controller")]
pub mod variables;
#[cfg(feature = "controller")]
pub mod yaml;

#[cfg(all(test, feature = "controller"))]
mod testing;
