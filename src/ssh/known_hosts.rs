//! Which host keys we trust: OpenSSH's `known_hosts` files, parsed once, and what they say of a key that a host shows.
//!
//! Hashed names, wildcards, `!`, `[host]:port`, `@cert-authority` and `@revoked` mean what sshd(8) says. Stricter than
//! OpenSSH in two ways: a host that shows another type of key than the ones we know of it counts as changed, and a
//! host certificate without principals is worth nothing. Anything that cannot be decided is a refusal.

use super::algorithms::Algorithms;
use super::pattern::{ListMatch, match_list};
use super::revoked::Revoked;
use crate::model::failure::{Doing, Result};
use crate::model::host::HostKeyPolicy;
use crate::trust;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

mod command;
mod knowledge;

pub use command::KnownHostsCommand;

use knowledge::Known;
pub use knowledge::{Knowledge, Offered, Verified, show};

/// Files larger than this are not lists of host keys.
const MAX_BYTES: u64 = 64 << 20;

/// The files that were read so far, each once per run.
#[derive(Default)]
pub struct KnownHosts {
    files: Mutex<HashMap<PathBuf, Arc<File>>>,
}

/// The host a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    /// The name in messages.
    pub name: String,
    /// The address, or the alias that stands for it in `known_hosts`.
    pub address: String,
    pub port: u16,
    /// Whether `address` is an alias: then the port is not part of the name.
    pub alias: bool,
}

/// What decides about a host's key besides the files.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub policy: HostKeyPolicy,
    /// Whether the host is trusted whatever key it shows: `NoHostAuthenticationForLocalhost`.
    pub trusted: bool,
    /// Keys that are never trusted.
    pub revoked: Option<PathBuf>,
    /// A command that prints lines of known_hosts for the key that is shown.
    pub command: Option<KnownHostsCommand>,
    /// Whether a new key is trusted only once the person who started the run has compared it.
    pub confirm: bool,
    /// Whether a new key is written down.
    pub write: bool,
    /// Whether the name is written as a hash.
    pub hash: bool,
    pub algorithms: Algorithms,
}

/// What is to be done about a key that a host shows.
#[derive(Debug, PartialEq)]
pub enum Decision {
    Trust,
    /// The person who started the run has to compare it first.
    Ask(Box<PublicKey>),
}

/// One parsed file. Names without wildcards are found by hash, so that thousands of hosts cost nothing.
#[derive(Default)]
struct File {
    lines: Vec<(HostPatterns, Known)>,
    exact: HashMap<String, Vec<usize>>,
    others: Vec<usize>,
}

impl KnownHosts {
    /// What `files` say of `who`. A file that does not exist says nothing; one that cannot be read is an error.
    pub fn about(&self, identity: &HostIdentity, files: &[PathBuf]) -> Result<Knowledge> {
        let mut knowledge = Knowledge {
            identity: identity.clone(),
            files: files.to_vec(),
            lines: Vec::new(),
            bare: Vec::new(),
        };
        for path in files {
            knowledge.add(self.file(path)?.as_ref());
        }
        Ok(knowledge)
    }

    fn file(&self, path: &Path) -> Result<Arc<File>> {
        // A poisoned map is still whole: nothing that can panic runs between its changes.
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::parse(&read(path)?, path)?);
        files.insert(path.to_path_buf(), file.clone());
        Ok(file)
    }

    /// Decides about the key a host shows; a new one is written down when the policy says so.
    pub fn verify(
        &self,
        knowledge: &Knowledge,
        shown: &PublicKeyOrCertificate,
        rules: &Rules,
    ) -> Result<Decision> {
        if rules.trusted {
            return Ok(Decision::Trust);
        }
        let key = shown.public_key();
        if let Some(path) = &rules.revoked
            && Revoked::read(path)?.has(shown)
        {
            return Err(knowledge.failure(format!(
                "its key {} is revoked in {}",
                show(&key),
                path.display()
            )));
        }
        if !rules.algorithms.long_enough(&key) {
            return Err(knowledge.failure(format!("its key {} is shorter than RequiredRSASize", show(&key))));
        }
        if let HostKeyPolicy::Fingerprint(wanted) = &rules.policy {
            return knowledge.pinned(&key, wanted).map(|()| Decision::Trust);
        }
        let knowledge = &match &rules.command {
            Some(command) => knowledge.with(&command.for_key(&knowledge.identity, &key)?)?,
            None => knowledge.clone(),
        };
        match (knowledge.check(shown, SystemTime::now(), &rules.algorithms)?, &rules.policy) {
            (Verified::Known, _) => Ok(Decision::Trust),
            (Verified::Unknown(key), HostKeyPolicy::AcceptNew) if rules.confirm => Ok(Decision::Ask(key)),
            (Verified::Unknown(key), HostKeyPolicy::AcceptNew) => {
                self.learn(knowledge, &key, rules).map(|()| Decision::Trust)
            }
            (Verified::Unknown(key), _) => Err(knowledge.unknown(&key)),
        }
    }

    /// Writes a new key down. Under a lock the file is read again first, since another connection or another
    /// controller may have learned something about this host meanwhile.
    pub fn learn(&self, knowledge: &Knowledge, key: &PublicKey, rules: &Rules) -> Result<()> {
        if !rules.write {
            return Ok(());
        }
        let Some(path) = knowledge.files.first() else {
            return Err(knowledge.failure("no known_hosts file is set to write the new key to"));
        };
        let doing = || format!("write the host key of {} to {}", knowledge.identity.name, path.display());
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).doing(doing())?;
        }
        let mut file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .doing(doing())?;
        // `UserKnownHostsFile /dev/null` keeps nothing.
        if !file.metadata().doing(doing())?.is_file() {
            return Ok(());
        }
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).doing(doing())?;
        let mut text = String::new();
        (&mut file).take(MAX_BYTES).read_to_string(&mut text).doing(doing())?;
        let mut now = Knowledge {
            lines: Vec::new(),
            bare: Vec::new(),
            files: knowledge.files.clone(),
            identity: knowledge.identity.clone(),
        };
        now.add(&File::parse(&text, path)?);
        if matches!(
            now.check(&key.clone().into(), SystemTime::now(), &rules.algorithms)?,
            Verified::Unknown(_)
        ) {
            let line = knowledge.line(key, &text, rules.hash).doing(doing())?;
            file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).doing(doing())?;
            text.push_str(&line);
        }
        let parsed = Arc::new(File::parse(&text, path)?);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), parsed);
        Ok(())
    }
}

/// Reads the text of a file, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn parse_any(text: &str) {
    drop(File::parse(text, Path::new("known_hosts")));
}

fn read(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let doing = format!("read {}", path.display());
    let file = match fs::File::open(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(String::new()),
        opened => opened.doing(&doing)?,
    };
    trust::opened(&file, path, None, &doing)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).doing(doing)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl File {
    /// Lines that make no sense are skipped, as OpenSSH does, except revocations: losing one of those would trust a key
    /// that was revoked.
    fn parse(text: &str, path: &Path) -> Result<File> {
        let mut file = File::default();
        let path: Arc<Path> = path.into();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() || words[0].starts_with('#') {
                continue;
            }
            match words.join(" ").parse::<Entry>() {
                Ok(entry) => file.add(entry, path.clone(), index + 1),
                Err(why) if words[0].eq_ignore_ascii_case("@revoked") => {
                    return Err(why).doing(format!(
                        "read the revoked key at {}:{}",
                        path.display(),
                        index + 1
                    ));
                }
                Err(_) => {}
            }
        }
        Ok(file)
    }

    fn add(&mut self, entry: Entry, file: Arc<Path>, line: usize) {
        let known = Known { marker: entry.marker().copied(), key: entry.public_key().clone(), file, line };
        let patterns = match entry.host_patterns() {
            HostPatterns::Patterns(names) => {
                HostPatterns::Patterns(names.iter().map(|name| name.to_ascii_lowercase()).collect())
            }
            hashed => hashed.clone(),
        };
        let index = self.lines.len();
        match &patterns {
            HostPatterns::Patterns(names) if !names.iter().any(|name| name.contains(['*', '?', '!'])) => {
                names.iter().for_each(|name| self.exact.entry(name.clone()).or_default().push(index));
            }
            _ => self.others.push(index),
        }
        self.lines.push((patterns, known));
    }

    /// The lines for `name`, in the order of the file.
    fn lines(&self, name: &str) -> Vec<Known> {
        let mut found = self.exact.get(name).cloned().unwrap_or_default();
        found.extend(self.others.iter().filter(|&&index| stands_for(&self.lines[index].0, name)));
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| self.lines[index].1.clone()).collect()
    }
}

fn stands_for(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(names) => {
            match_list(names.iter().map(String::as_str), &[name]) == ListMatch::Included
        }
        HostPatterns::HashedName { salt, hash } => {
            // HMAC takes keys of every length, so this cannot fail; if it did, the line would stand for no one.
            let Ok(mut mac) = Hmac::<sha1::Sha1>::new_from_slice(salt) else { return false };
            mac.update(name.as_bytes());
            mac.verify_slice(hash).is_ok()
        }
    }
}

impl HostIdentity {
    /// How the host is written in `known_hosts`.
    pub fn label(&self) -> String {
        let address = self.address.to_ascii_lowercase();
        if self.port == 22 || self.alias { address } else { format!("[{address}]:{}", self.port) }
    }
}

#[cfg(test)]
mod tests;
