//! The key with which a project seals what hosts keep of its secrets for an undo: `.windlass/journal-key`. What is on a host's
//! disk is of no use without it.

use super::folder;
use crate::model::digest::Digest;
use crate::model::{Doing, Failure, Result, hexadecimal};
use crate::trust;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

/// Of the file in the project's directory of state.
const NAME: &str = "journal-key";

/// Its digits: 32 bytes.
const DIGITS: usize = 64;

/// A project's key, of which each host gets one of its own.
#[derive(Clone, Debug)]
pub struct JournalKey(String);

impl JournalKey {
    /// Reads the key from a project's directory of state. The first time it is made.
    pub fn of(state: &Path) -> Result<Self> {
        let path = state.join(NAME);
        if !path.exists() {
            folder::make(state)?;
            make(&path)?;
        }
        let doing = format!("read {}", path.display());
        let mut text = String::new();
        let file = trust::open(&path, None, doing.clone())?;
        file.take(2 * DIGITS as u64).read_to_string(&mut text).doing(doing.clone())?;
        let key = text.trim();
        match key.len() == DIGITS && hexadecimal::bytes_of(key).is_some() {
            true => Ok(JournalKey(key.to_string())),
            false => Err(Failure::new(doing, format!("it is not a key of {DIGITS} hexadecimal digits"))
                .hint("restore it from a backup; if you remove it, commands with secrets of earlier runs cannot be undone")),
        }
    }

    /// That of one host: another host cannot read what it sealed.
    pub fn of_host(&self, host: &str) -> String {
        Digest::of(format!("{}\0{host}", self.0).as_bytes()).to_string()
    }
}

/// When several runs make it at once, the key of the first counts. It is there whole or not at all.
fn make(path: &Path) -> Result<()> {
    let doing = format!("write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).doing(&doing)?;
    writeln!(file, "{}", hexadecimal::of(&rand::random::<[u8; DIGITS / 2]>())).doing(&doing)?;
    file.as_file().sync_all().doing(&doing)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error).doing(doing),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_each_host_has_its_own() {
        let project = tempfile::tempdir().unwrap();
        let state = project.path().join(".windlass");
        let key = JournalKey::of(&state).unwrap();
        assert_eq!(JournalKey::of(&state).unwrap().0, key.0);
        assert_ne!(key.of_host("web1"), key.of_host("web2"));
        assert!(!key.of_host("web1").contains(&key.0));
        let mode = state.join(NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(NAME), "abc\n").unwrap();
        let failure = JournalKey::of(state.path()).unwrap_err();
        assert_eq!(failure.why, "it is not a key of 64 hexadecimal digits");
    }
}
