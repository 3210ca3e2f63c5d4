//! windlass: operates a fleet of hosts over SSH. ARCHITECTURE.md is the map of this library.

#[cfg(feature = "controller")]
pub mod agent_binary;
#[cfg(feature = "controller")]
pub mod demo;
pub mod engine;
#[cfg(feature = "controller")]
pub mod diagnostic;
#[cfg(feature = "controller")]
pub mod keys;
pub mod model;
#[cfg(feature = "controller")]
pub mod source;
pub mod record;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod ssh;
pub mod step;
pub mod system;
#[cfg(all(test, feature = "controller"))]
mod testing;
pub mod template;
pub mod wanted;
pub mod wire;
