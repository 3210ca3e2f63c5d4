//! windlass: operates a fleet of hosts over SSH. ARCHITECTURE.md is the map of this library.

pub mod model;
#[cfg(feature = "controller")]
pub mod record;
#[cfg(feature = "controller")]
pub mod report;
#[cfg(feature = "controller")]
pub mod ssh;
pub mod step;
pub mod system;
pub mod wanted;
pub mod wire;
