//! `[secrets]` of `windlass.toml`: who can read the project's secrets, and with which key we do.

use super::recipients::Recipients;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::source::Node;
use std::path::{Path, PathBuf};

/// What `[secrets]` says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Age and ssh public keys that files are encrypted to.
    pub recipients: Vec<String>,
    /// Where our own keys are: paths, `env:NAME`, `command:PROGRAM …`. Empty: the usual files.
    pub identities: Vec<String>,
}

impl Config {
    /// Reads the table.
    pub fn read(node: &Node, problems: &mut Diagnostics) -> Config {
        let mut keys = Keys::of(node, "`secrets`", problems);
        let (recipients, identities) = (keys.strings("recipients"), keys.strings("identity"));
        keys.finish();
        if let Err(why) = Recipients::parse(&recipients) {
            problems.push(Diagnostic::error(why, node.place_of("recipients")));
        }
        Config { recipients, identities }
    }
}

/// Where `windlass secrets init` puts a new key: `$XDG_CONFIG_HOME/windlass/identity.txt`.
pub fn default_identity(home: &Path) -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    config.unwrap_or_else(|| home.join(".config")).join("windlass/identity.txt")
}

/// The keys that are tried when `identity` names none.
pub fn usual_identities(home: &Path) -> Vec<PathBuf> {
    let of_ssh = ["id_ed25519", "id_rsa"].map(|name| home.join(".ssh").join(name));
    std::iter::once(default_identity(home)).chain(of_ssh).collect()
}

/// The home directory of the user who runs this.
pub fn home() -> PathBuf {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map_or_else(|| "/".into(), PathBuf::from)
}
