//! The engine: plans each step just before applying it, journals, performs, and plans again until nothing is left.
//! It is the same over every [`System`](crate::system::System); check mode is this engine over a pretended one.

mod aloud;
pub mod backup;
pub mod batch;
pub mod confirm;
pub mod context;
pub mod converge;
pub mod diff;
pub mod entry;
pub mod facts;
pub mod fetch;
pub mod fingerprint;
pub mod guard;
pub mod holder;
pub mod host_reader;
mod inspect;
pub mod journal;
pub mod link;
mod no_log;
pub mod others;
pub mod owed;
pub mod pace;
pub mod perform;
pub mod progress;
pub mod save;
pub mod seal;
pub mod start;
pub mod state_dir;
pub mod summary;
pub mod sweep;
pub mod target;
pub mod undo;
pub mod unknown;
pub mod unlock;
pub mod wait;
pub mod work;
