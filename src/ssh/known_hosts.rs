//! Which host keys we trust: OpenSSH's `known_hosts` files, parsed once, and what they say of a key that a host shows.
//!
//! Hashed names, wildcards, `!`, `[host]:port`, `@cert-authority` and `@revoked` mean what sshd(8) says. Stricter than
//! OpenSSH in two ways: a host that shows another type of key than the ones we know of it counts as changed, and a
//! host certificate without principals is good for nothing. Anything that cannot be decided is a refusal.

use super::pattern::{Verdict, verdict};
use crate::model::failure::{Doing, Failure, Result};
use crate::model::host::HostKeyPolicy;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};
use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files larger than this are not lists of host keys.
const MAX_BYTES: u64 = 64 << 20;

/// The files that were read so far, each once per run.
#[derive(Default)]
pub struct KnownHosts {
    files: Mutex<HashMap<PathBuf, Arc<File>>>,
}

/// The host a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The name in messages.
    pub name: String,
    /// The address, or the alias that stands for it in `known_hosts`.
    pub address: String,
    pub port: u16,
    /// Whether `address` is an alias: then the port is not part of the name.
    pub alias: bool,
}

/// What the files say of one host.
pub struct Knowledge {
    who: Who,
    /// The files asked, for messages; new keys go into the first.
    files: Vec<PathBuf>,
    /// Lines for the host and port.
    lines: Vec<Known>,
    /// Lines for the host without its port: believed when they agree, as OpenSSH does.
    bare: Vec<Known>,
}

/// What the files say of a key that a host shows.
#[derive(Debug, PartialEq)]
pub enum Verified {
    /// A line or a certificate authority vouches for it.
    Known,
    /// Nothing is known of this host; here is its key.
    Unknown(Box<PublicKey>),
}

/// The host key algorithms to ask for, best first.
#[derive(Debug, PartialEq)]
pub struct Algorithms {
    pub plain: Vec<Algorithm>,
    /// Those asked for as certificates; empty unless an authority is known for this host.
    pub certificates: Vec<Algorithm>,
}

#[derive(Clone, Debug)]
struct Known {
    marker: Option<Marker>,
    key: PublicKey,
    file: Arc<Path>,
    line: usize,
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
    pub fn about(&self, who: &Who, files: &[PathBuf]) -> Result<Knowledge> {
        let mut knowledge =
            Knowledge { who: who.clone(), files: files.to_vec(), lines: Vec::new(), bare: Vec::new() };
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

    /// Decides about the key a host shows; a new one is written down when `policy` says so.
    pub fn verify(
        &self,
        knowledge: &Knowledge,
        shown: &PublicKeyOrCertificate,
        policy: HostKeyPolicy,
    ) -> Result<()> {
        match (knowledge.check(shown, SystemTime::now())?, policy) {
            (Verified::Known, _) => Ok(()),
            (Verified::Unknown(key), HostKeyPolicy::Strict) => Err(knowledge.unknown(&key)),
            (Verified::Unknown(key), HostKeyPolicy::AcceptNew) => self.learn(knowledge, &key),
        }
    }

    /// Writes a new key down. Under a lock the file is read again first, since another connection or another
    /// controller may have learned something about this host meanwhile.
    fn learn(&self, knowledge: &Knowledge, key: &PublicKey) -> Result<()> {
        let Some(path) = knowledge.files.first() else {
            return Err(knowledge.failure("no known_hosts file is set to write the new key to"));
        };
        let doing = || format!("write the host key of {} to {}", knowledge.who.name, path.display());
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).doing(doing())?;
        }
        let mut file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .doing(doing())?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).doing(doing())?;
        let mut text = String::new();
        (&mut file).take(MAX_BYTES).read_to_string(&mut text).doing(doing())?;
        let mut now = Knowledge {
            lines: Vec::new(),
            bare: Vec::new(),
            files: knowledge.files.clone(),
            who: knowledge.who.clone(),
        };
        now.add(&File::parse(&text, path)?);
        if matches!(now.check(&key.clone().into(), SystemTime::now())?, Verified::Unknown(_)) {
            let line = knowledge.line(key, &text).doing(doing())?;
            file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).doing(doing())?;
            text.push_str(&line);
        }
        let parsed = Arc::new(File::parse(&text, path)?);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), parsed);
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(why) => Err(why).doing(format!("read {}", path.display())),
    }
}

impl File {
    /// Lines that make no sense are skipped, as OpenSSH does, except revocations: losing one of those would trust a key
    /// that was taken back.
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
            verdict(names.iter().map(String::as_str), &[name]) == Verdict::Included
        }
        HostPatterns::HashedName { salt, hash } => {
            // HMAC takes keys of every length, so this cannot fail; if it did, the line would stand for nobody.
            let Ok(mut mac) = Hmac::<sha1::Sha1>::new_from_slice(salt) else { return false };
            mac.update(name.as_bytes());
            mac.verify_slice(hash).is_ok()
        }
    }
}

impl Who {
    /// How the host is written in `known_hosts`.
    pub fn label(&self) -> String {
        let address = self.address.to_ascii_lowercase();
        if self.port == 22 || self.alias { address } else { format!("[{address}]:{}", self.port) }
    }
}

impl Knowledge {
    fn add(&mut self, file: &File) {
        let label = self.who.label();
        self.lines.extend(file.lines(&label));
        let bare = self.who.address.to_ascii_lowercase();
        if bare != label {
            self.bare.extend(file.lines(&bare));
        }
    }

    fn all(&self, marker: Option<Marker>) -> impl Iterator<Item = &Known> {
        self.lines.iter().chain(&self.bare).filter(move |known| known.marker == marker)
    }

    /// Asks first for the types of key we know, so that a host with several shows one that can be checked.
    pub fn algorithms(&self) -> Algorithms {
        let mut plain: Vec<Algorithm> = Vec::new();
        for known in self.all(None) {
            plain
                .extend(OFFERED.iter().filter(|offered| same_type(offered, &known.key.algorithm())).cloned());
        }
        plain.extend(OFFERED.iter().cloned());
        let mut seen = Vec::new();
        plain.retain(|algorithm| {
            !seen.contains(algorithm) && {
                seen.push(algorithm.clone());
                true
            }
        });
        let authority = self.all(Some(Marker::CertAuthority)).next().is_some();
        Algorithms { plain, certificates: if authority { OFFERED.to_vec() } else { Vec::new() } }
    }

    /// Decides about the key or certificate a host shows.
    pub fn check(&self, shown: &PublicKeyOrCertificate, now: SystemTime) -> Result<Verified> {
        let key = shown.public_key();
        self.not_revoked(&key)?;
        if let Some(certificate) = shown.certificate() {
            let signer = PublicKey::new(certificate.signature_key().clone(), "");
            self.not_revoked(&signer)?;
            if let Some(authority) =
                self.all(Some(Marker::CertAuthority)).find(|known| same(&known.key, &signer))
            {
                return self.check_certificate(certificate, authority, now).map(|()| Verified::Known);
            }
        }
        // A certificate of an authority we do not know still proves that the host holds the key inside.
        if self.all(None).any(|known| same(&known.key, &key)) {
            return Ok(Verified::Known);
        }
        match self.lines.iter().find(|known| known.marker.is_none()) {
            Some(_) => Err(self.changed(&key)),
            None => Ok(Verified::Unknown(Box::new(key))),
        }
    }

    fn not_revoked(&self, key: &PublicKey) -> Result<()> {
        match self.all(Some(Marker::Revoked)).find(|known| same(&known.key, key)) {
            None => Ok(()),
            Some(known) => {
                Err(self.failure(format!("its key {} is revoked at {}", show(key), known.place())))
            }
        }
    }

    fn check_certificate(&self, certificate: &Certificate, authority: &Known, now: SystemTime) -> Result<()> {
        let refuse = |why: String| {
            Err(self.failure(format!("its certificate `{}` {why}", certificate.key_id())).hint(format!(
                "the authority is at {}; sign a new certificate with ssh-keygen -s CA -h -n {}",
                authority.place(),
                self.who.address
            )))
        };
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if certificate.cert_type() != CertType::Host {
            return refuse("is a user's, not a host's".to_string());
        }
        if seconds >= certificate.valid_before() {
            return refuse(format!("expired {}", ago(seconds - certificate.valid_before())));
        }
        if seconds < certificate.valid_after() {
            return refuse("is not valid yet".to_string());
        }
        let address = self.who.address.to_ascii_lowercase();
        let names = certificate.valid_principals();
        if !names.iter().any(|name| super::pattern::matches(&name.to_ascii_lowercase(), &address)) {
            return refuse(format!("is for [{}], not for {address}", names.join(", ")));
        }
        if certificate.critical_options().iter().next().is_some() {
            return refuse("has critical options, which no host certificate may have".to_string());
        }
        match certificate.validate_at(seconds, [&authority.key.fingerprint(HashAlg::Sha256)]) {
            Ok(()) => Ok(()),
            Err(why) => refuse(format!("is not valid: {why}")),
        }
    }

    fn changed(&self, key: &PublicKey) -> Failure {
        let old: Vec<String> = self
            .lines
            .iter()
            .filter(|known| known.marker.is_none())
            .map(|known| format!("{} at {}", show(&known.key), known.place()))
            .collect();
        let file = self
            .lines
            .iter()
            .find(|known| known.marker.is_none())
            .map(|known| known.file.display().to_string());
        let why = format!("the host key has changed: it is now {}, and was {}", show(key), old.join(" and "));
        self.failure(why).hint(format!(
            "somebody may be between you and the host; if it was set up anew, compare the new fingerprint there, then: ssh-keygen -f {} -R '{}'",
            file.unwrap_or_default(), self.who.label()
        ))
    }

    fn unknown(&self, key: &PublicKey) -> Failure {
        let file = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        let Who { address, port, .. } = &self.who;
        let kind = key
            .algorithm()
            .as_str()
            .trim_start_matches("ssh-")
            .split('-')
            .next()
            .unwrap_or_default()
            .to_string();
        self.failure(format!("its host key is not known: {}", show(key))).hint(format!(
            "compare that fingerprint with the host's (ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub there), then: \
             ssh-keyscan -t {kind} -p {port} {address} >> {file}; or set host_key = \"accept-new\""
        ))
    }

    fn failure(&self, why: impl std::fmt::Display) -> Failure {
        let Who { address, port, .. } = &self.who;
        Failure::new(format!("check the host key of {address} port {port}"), why)
    }

    /// The line to append to a file that so far holds `before`.
    fn line(&self, key: &PublicKey, before: &str) -> Result<String, russh::keys::ssh_key::Error> {
        let newline = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let key = PublicKey::new(key.key_data().clone(), "").to_openssh()?;
        Ok(format!("{newline}{} {}\n", self.who.label(), key.trim_end()))
    }
}

impl Known {
    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// Every type of host key we take, best first. `ssh-rsa` with SHA-1 and DSA are gone from OpenSSH too.
const OFFERED: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

fn same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

fn same_type(offered: &Algorithm, known: &Algorithm) -> bool {
    match (offered, known) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        _ => offered == known,
    }
}

/// A key as people compare it: `ssh-ed25519 SHA256:…`.
pub fn show(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} seconds ago"),
        120..=7199 => format!("{} minutes ago", seconds / 60),
        7200..=172_799 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86400),
    }
}

#[cfg(test)]
mod tests;
