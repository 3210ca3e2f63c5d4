//! The engine: plans each step just before applying it, journals, performs, and plans again until nothing is left.
//! It is the same over every [`System`](crate::system::System); check mode is this engine over a pretended one.

pub mod batch;
mod boot;
pub mod confirm;
pub mod context;
pub mod converge;
pub mod diff;
pub mod entry;
pub mod facts;
pub mod guard;
pub mod journal;
pub mod perform;
pub mod sweep;
pub mod told;
pub mod undo;
pub mod wait;
pub mod work;
