//! Age identities: the private keys that open encrypted backups. Never printed.

use crate::model::{Doing, Failure, Result};
use crate::trust;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A file of keys is larger by mistake only.
const MAX_BYTES: u64 = 1 << 20;

/// The keys that are there to read with; may be none.
#[derive(Clone, Default)]
pub struct Identities(Arc<Vec<age::x25519::Identity>>);

impl Identities {
    /// Those of the files, each as `age-keygen` writes it.
    pub fn read<P: AsRef<Path>>(files: &[P]) -> Result<Identities> {
        let mut all = Vec::new();
        for file in files.iter().map(AsRef::as_ref) {
            let doing = format!("read the age identities of {}", file.display());
            let mut text = String::new();
            let read = trust::open(file, None, &doing)?.take(MAX_BYTES).read_to_string(&mut text);
            read.doing(&doing)?;
            all.extend(parse(&text).map_err(|why| Failure::new(doing, why))?);
        }
        Ok(Identities(Arc::new(all)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

impl From<age::x25519::Identity> for Identities {
    fn from(identity: age::x25519::Identity) -> Self {
        Identities(Arc::new(vec![identity]))
    }
}

/// The message names the line and never shows it.
fn parse(text: &str) -> Result<Vec<age::x25519::Identity>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let parsed: Result<Vec<_>, String> = keys
        .map(|(at, line)| line.parse().map_err(|_| format!("line {} is no AGE-SECRET-KEY-1…", at + 1)))
        .collect();
    parsed.and_then(|keys| if keys.is_empty() { Err("there is none in it".to_string()) } else { Ok(keys) })
}
