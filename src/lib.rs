//! windlass: operates a fleet of hosts over SSH. ARCHITECTURE.md is the map of this library.

#[cfg(feature = "controller")]
pub mod agent_binary;
#[cfg(feature = "controller")]
pub mod demo;
pub mod engine;
pub mod model;
#[cfg(feature = "controller")]
pub mod ssh;
pub mod step;
pub mod system;
#[cfg(all(test, feature = "controller"))]
mod testing;
pub mod wanted;
pub mod wire;
