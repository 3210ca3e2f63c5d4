//! JavaScript and TypeScript as they lie on a host or here: parsed, and what their imports lead to. The parser and the
//! resolver are oxc's; what is ours is to let them read through a [`Probe`](crate::system::Probe), bounded.

mod across;
mod blocks;
pub mod import;
pub mod parse;
pub mod resolve;
pub mod values;
pub mod variables;
pub mod view;
