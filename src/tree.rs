//! Trees on a host: laying one over a folder, and the manifest of what was put there.

pub mod enter;
pub mod manifest;
pub mod overlay;
pub mod there;
