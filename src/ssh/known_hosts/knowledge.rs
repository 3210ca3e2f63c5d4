//! What known_hosts says of one host, and what follows for a key that the host shows.

use super::super::algorithms::Algorithms;
use super::{File, HostIdentity};
use crate::model::failure::{Failure, Result};
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the files say of one host.
#[derive(Clone)]
pub struct Knowledge {
    pub(super) identity: HostIdentity,
    /// The files asked, for messages; new keys go into the first.
    pub(super) files: Vec<PathBuf>,
    /// Lines for the host and port.
    pub(super) lines: Vec<Known>,
    /// Lines for the host without its port: believed when they agree, as OpenSSH does.
    pub(super) bare: Vec<Known>,
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
pub struct Offered {
    pub plain: Vec<Algorithm>,
    /// Those asked for as certificates; empty unless an authority is known for this host.
    pub certificates: Vec<Algorithm>,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub marker: Option<Marker>,
    pub key: PublicKey,
    pub file: Arc<Path>,
    pub line: usize,
}

impl Knowledge {
    /// The same with further lines, such as a command prints.
    pub fn with(&self, lines: &str) -> Result<Knowledge> {
        let mut knowledge = self.clone();
        knowledge.add(&File::parse(lines, Path::new("KnownHostsCommand"))?);
        Ok(knowledge)
    }

    /// The key must be the one whose fingerprint the inventory gives, and not a revoked one.
    pub(super) fn pinned(&self, key: &PublicKey, wanted: &str) -> Result<()> {
        self.not_revoked(key)?;
        let found = key.fingerprint(HashAlg::Sha256).to_string();
        if found == wanted {
            return Ok(());
        }
        Err(self.failure(format!("its key is {}, and the inventory says {wanted}", show(key))).hint(
            "another machine may be between you and the host; if it was set up anew, compare the new fingerprint there",
        ))
    }

    pub(super) fn add(&mut self, file: &File) {
        let label = self.identity.label();
        self.lines.extend(file.lines(&label));
        let bare = self.identity.address.to_ascii_lowercase();
        if bare != label {
            self.bare.extend(file.lines(&bare));
        }
    }

    fn all(&self, marker: Option<Marker>) -> impl Iterator<Item = &Known> {
        self.lines.iter().chain(&self.bare).filter(move |known| known.marker == marker)
    }

    /// Asks first for the types of key we know, so that a host with several shows one that can be checked.
    pub fn offered(&self, algorithms: &Algorithms) -> Offered {
        let plain_names = algorithms.host_keys.iter().filter(|name| !name.contains("-cert-"));
        let named = plain_names.filter_map(|name| name.parse::<Algorithm>().ok());
        let mut plain: Vec<Algorithm> = Vec::new();
        if !algorithms.host_keys_in_order {
            for known in self.all(None) {
                plain.extend(named.clone().filter(|offered| same_type(offered, &known.key.algorithm())));
            }
        }
        plain.extend(named);
        let mut seen = Vec::new();
        plain.retain(|algorithm| {
            let on_hardware = matches!(algorithm, Algorithm::SkEcdsaSha2NistP256 | Algorithm::SkEd25519);
            // russh checks such keys of users only.
            !on_hardware && !seen.contains(algorithm) && {
                seen.push(algorithm.clone());
                true
            }
        });
        let authority = self.all(Some(Marker::CertAuthority)).next().is_some();
        let allowed =
            |algorithm: &&Algorithm| algorithms.host_keys.contains(&algorithm.to_certificate_type().as_str());
        let certificates = OFFERED.iter().filter(|_| authority).filter(allowed).cloned().collect();
        Offered { plain, certificates }
    }

    /// Decides about the key or certificate a host shows.
    pub fn check(
        &self,
        shown: &PublicKeyOrCertificate,
        now: SystemTime,
        algorithms: &Algorithms,
    ) -> Result<Verified> {
        let key = shown.public_key();
        self.not_revoked(&key)?;
        if let Some(certificate) = shown.certificate() {
            let signer = PublicKey::new(certificate.signature_key().clone(), "");
            self.not_revoked(&signer)?;
            if let Some(authority) =
                self.all(Some(Marker::CertAuthority)).find(|known| same(&known.key, &signer))
            {
                self.check_certificate(certificate, authority, now)?;
                return self.signed_well(certificate, algorithms).map(|()| Verified::Known);
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
                self.identity.address
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
        let address = self.identity.address.to_ascii_lowercase();
        let names = certificate.valid_principals();
        if !names.iter().any(|name| crate::ssh::pattern::matches(&name.to_ascii_lowercase(), &address)) {
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

    /// `CASignatureAlgorithms`.
    fn signed_well(&self, certificate: &Certificate, algorithms: &Algorithms) -> Result<()> {
        let signed = certificate.signature().algorithm();
        if algorithms.authorities.contains(&signed.as_str()) {
            return Ok(());
        }
        let why = format!("its certificate `{}` is signed with {signed}", certificate.key_id());
        Err(self.failure(why).hint("CASignatureAlgorithms says with what an authority may sign"))
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
            "another machine may be between you and the host; if it was set up anew, compare the new fingerprint there, then: ssh-keygen -f {} -R '{}'",
            file.unwrap_or_default(), self.identity.label()
        ))
    }

    pub(super) fn unknown(&self, key: &PublicKey) -> Failure {
        let file = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        let HostIdentity { address, port, .. } = &self.identity;
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

    pub(super) fn failure(&self, why: impl std::fmt::Display) -> Failure {
        let HostIdentity { address, port, .. } = &self.identity;
        Failure::new(format!("check the host key of {address} port {port}"), why)
    }

    /// The line to append to a file that so far holds `before`.
    pub(super) fn line(
        &self,
        key: &PublicKey,
        before: &str,
        hash: bool,
    ) -> Result<String, russh::keys::ssh_key::Error> {
        let newline = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let key = PublicKey::new(key.key_data().clone(), "").to_openssh()?;
        let label = self.identity.label();
        let label = if hash { hashed(&label) } else { label };
        Ok(format!("{newline}{label} {}\n", key.trim_end()))
    }
}

impl Known {
    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// Every type of host key we take, best first. `ssh-rsa` with SHA-1 and DSA are gone from OpenSSH too.
pub(super) const OFFERED: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// A name as `HashKnownHosts` writes it: `|1|salt|hash`.
fn hashed(label: &str) -> String {
    let salt: [u8; 20] = rand::random();
    let Ok(mut mac) = Hmac::<sha1::Sha1>::new_from_slice(&salt) else { return label.to_string() };
    mac.update(label.as_bytes());
    HostPatterns::HashedName { salt: salt.to_vec(), hash: mac.finalize().into_bytes().into() }.to_string()
}

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
