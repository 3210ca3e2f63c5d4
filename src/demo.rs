//! `windlass demo`

pub mod server;
