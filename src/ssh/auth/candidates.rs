//! Which keys a login offers, and in which order: the one that worked last time, the named ones, the agent's, the usual
//! files; of each first its certificates.

use super::{Credentials, Refused};
use crate::ssh::AcceptedLogin;
use crate::ssh::keys::{KeyFile, fingerprint, read_certificate};
use crate::ssh::target::Target;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PublicKey};
use std::sync::Arc;

/// A key that can be offered.
pub struct Candidate {
    pub public: PublicKey,
    pub certificate: Option<Certificate>,
    pub label: String,
    pub file: Option<Arc<KeyFile>>,
    pub in_agent: bool,
}

/// Everything that can be offered, best first, each once.
pub fn candidates(
    target: &Target,
    held: &[AgentIdentity],
    credentials: &Credentials<'_>,
    refused: &mut Refused,
) -> Vec<Candidate> {
    let mut files = Vec::new();
    for path in &target.identities {
        match credentials.keys.load(path) {
            Ok(Some(key)) => files.extend(from_file(&key, target, held)),
            Ok(None) if target.identities_named => {
                refused.problems.push(format!("{}: no such file", path.display()))
            }
            Ok(None) => {}
            Err(failure) => {
                let hint = failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                refused.problems.push(format!("{}: {}{hint}", path.display(), failure.why));
            }
        }
    }
    let mut agents: Vec<_> = held.iter().map(from_agent).collect();
    if target.identities_only {
        let named = |candidate: &Candidate| {
            files.iter().any(|file: &Candidate| file.public.key_data() == candidate.public.key_data())
        };
        agents.retain(named);
    }
    let mut all = if target.identities_named {
        files
    } else {
        std::mem::take(&mut agents).into_iter().chain(files).collect()
    };
    all.extend(agents);
    all.retain(|candidate| {
        let allowed = target.algorithms.accepts(&candidate.public, candidate.certificate.is_some())
            && target.algorithms.long_enough(&candidate.public);
        if !allowed {
            refused.problems.push(format!(
                "{}: PubkeyAcceptedAlgorithms or RequiredRSASize excludes it",
                candidate.label
            ));
        }
        allowed
    });
    let mut seen = Vec::new();
    all.retain(|candidate| {
        !seen.contains(&candidate.id()) && {
            seen.push(candidate.id());
            true
        }
    });
    if let Some(remembered) = credentials.remembered {
        all.sort_by_key(|candidate| candidate.id() != remembered.key);
    }
    all
}

/// A key file: its certificates first, then the bare key. What an agent holds is used there when the file is encrypted.
fn from_file(key: &Arc<KeyFile>, target: &Target, held: &[AgentIdentity]) -> Vec<Candidate> {
    let in_agent = held.iter().any(|identity| public(identity).key_data() == key.public.key_data());
    if !key.has_private() && !in_agent {
        return Vec::new();
    }
    let named = target.certificates.iter().filter_map(|path| read_certificate(path));
    let ours = named.filter(|certificate| certificate.public_key() == key.public.key_data());
    let certificates = key.certificate.clone().into_iter().chain(ours).map(Some);
    let file = key.has_private().then(|| key.clone());
    certificates
        .chain([None])
        .map(|certificate| {
            let kind = if certificate.is_some() { "certificate of " } else { "" };
            let label = format!("{kind}{} ({})", key.path.display(), fingerprint(&key.public));
            Candidate { public: key.public.clone(), certificate, label, file: file.clone(), in_agent }
        })
        .collect()
}

fn from_agent(identity: &AgentIdentity) -> Candidate {
    let public = public(identity);
    let (certificate, comment) = match identity {
        AgentIdentity::PublicKey { comment, .. } => (None, comment),
        AgentIdentity::Certificate { certificate, comment } => (Some(certificate.clone()), comment),
    };
    let kind = if certificate.is_some() { "certificate of " } else { "" };
    let label = format!("{kind}agent key {comment} ({})", fingerprint(&public));
    Candidate { public, certificate, label, file: None, in_agent: true }
}

fn public(identity: &AgentIdentity) -> PublicKey {
    match identity {
        AgentIdentity::PublicKey { key, .. } => key.clone(),
        AgentIdentity::Certificate { certificate, .. } => {
            PublicKey::new(certificate.public_key().clone(), "")
        }
    }
}

impl Candidate {
    /// A name that is the same in the next run.
    pub fn id(&self) -> String {
        match &self.certificate {
            None => fingerprint(&self.public),
            Some(certificate) => format!(
                "{} certificate {} {}",
                fingerprint(&self.public),
                certificate.key_id(),
                certificate.serial()
            ),
        }
    }

    pub fn worked(&self, user: &str) -> AcceptedLogin {
        AcceptedLogin { user: user.to_string(), key: self.id() }
    }
}
