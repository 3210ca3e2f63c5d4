//! Secrets: where a value comes from (`env:`, `file:`, `command:`, `age:`), and the encrypted files `secrets/*.toml.age`
//! of a project. What is revealed is never written down by anything here.

mod config;
mod files;
mod identities;
mod origin;
mod recipients;
mod ssh_keys;
mod vault;

pub use config::{Config, default_identity, home};
pub use files::{FOLDER, Lock, MAIN, lock, path_of, read, replace};
pub use identities::{AskPassphrase, Identities};
pub use origin::SecretOrigin;
pub use recipients::Recipients;
pub use vault::{Document, Vault, texts_in};

#[cfg(test)]
mod tests;
