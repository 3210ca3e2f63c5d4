//! Pure data that every part of windlass speaks of. Nothing here reads, writes or connects.

pub mod failure;
pub mod host;
