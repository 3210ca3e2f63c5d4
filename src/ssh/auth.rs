//! Logging in: which keys are offered in which order, by whom they are used, and what is said when none is taken.
//!
//! Order: the key that worked last time, the keys somebody named, the agent's, the usual files. Each is first only
//! asked about, so that a passphrase is needed, or an agent's owner disturbed, only for a key the server takes.

mod password;

use super::keys::{KeyFile, Keys, Passphrase, fingerprint};
use super::session::Door;
use super::target::Target;
use super::{AskPassword, ConnectError, Worked};
use crate::model::failure::{Doing, Failure, Result};
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::{MethodKind, MethodSet, SendError, Signer};
use std::sync::Arc;
use tokio::net::UnixStream;

/// What a login uses besides the target.
pub struct Means<'a> {
    pub keys: Arc<Keys>,
    pub passphrase: Option<Arc<Passphrase>>,
    pub password: Option<&'a AskPassword>,
    pub remembered: Option<&'a Worked>,
}

/// How a login ended when nothing broke.
pub enum Login {
    In(Worked),
    Refused(Refused),
}

/// What was tried in vain, for the message.
#[derive(Default)]
pub struct Refused {
    pub tried: Vec<String>,
    pub problems: Vec<String>,
    pub takes: Vec<&'static str>,
    /// The server hung up, most likely after too many keys.
    pub hung_up: bool,
}

struct Candidate {
    public: PublicKey,
    certificate: Option<Certificate>,
    label: String,
    file: Option<Arc<KeyFile>>,
    in_agent: bool,
}

type Agent = AgentClient<UnixStream>;

/// Tries to log in as `user`.
pub async fn login(
    handle: &mut Handle<Door>,
    target: &Target,
    user: &str,
    means: &Means<'_>,
) -> Result<Login, ConnectError> {
    let mut refused = Refused::default();
    let mut agent = agent(handle, target, &mut refused).await;
    let held = identities(agent.as_mut(), &mut refused).await;
    let candidates = candidates(target, &held, means, &mut refused);
    let mut takes: Option<MethodSet> = None;
    let mut rsa = None;
    for candidate in &candidates {
        if takes.as_ref().is_some_and(|takes| !takes.contains(&MethodKind::PublicKey)) {
            break;
        }
        let hash = hash(handle, candidate, &mut rsa).await.map_err(ConnectError::protocol(target))?;
        match offer(handle, user, candidate, hash, agent.as_mut(), means).await {
            Ok(AuthResult::Success) => return Ok(Login::In(candidate.worked(user))),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                let half = if partial_success { ", which was not enough" } else { "" };
                refused.tried.push(format!("{}{half}", candidate.label));
                // russh answers with no methods at all when the connection ends meanwhile.
                refused.hung_up = remaining_methods.is_empty();
                takes = Some(remaining_methods);
            }
            Err(why) => refused.problems.push(format!("{}: {}", candidate.label, why.0.why)),
        }
        if refused.hung_up || handle.is_closed() {
            refused.hung_up = true;
            return Ok(Login::Refused(refused));
        }
    }
    let takes = match takes {
        Some(takes) => takes,
        None => match ask_methods(handle, user).await.map_err(ConnectError::protocol(target))? {
            Some(takes) => takes,
            None => return Ok(Login::In(Worked { user: user.to_string(), key: String::new() })),
        },
    };
    if let Some(from) = &target.password
        && let Some(worked) = password::login(handle, target, user, from, &takes, means, &mut refused).await?
    {
        return Ok(Login::In(worked));
    }
    refused.takes = takes.iter().map(Into::into).collect();
    refused.hung_up = handle.is_closed();
    Ok(Login::Refused(refused))
}

/// What the server takes, asked with the method `none`. `None`: it let us in just so.
async fn ask_methods(handle: &mut Handle<Door>, user: &str) -> Result<Option<MethodSet>, russh::Error> {
    Ok(match handle.authenticate_none(user).await? {
        AuthResult::Success => None,
        AuthResult::Failure { remaining_methods, .. } => Some(remaining_methods),
    })
}

/// Connects to the agent and tells it which server this is about, so that keys bound to hosts can be used.
async fn agent(handle: &Handle<Door>, target: &Target, refused: &mut Refused) -> Option<Agent> {
    let socket = target.agent.as_ref()?;
    match AgentClient::connect_uds(socket).await {
        Ok(mut agent) => {
            if let Some(binding) = handle.agent_session_binding() {
                // Agents older than OpenSSH 8.9 know nothing of this.
                let _ = agent.bind_session(binding, false).await;
            }
            Some(agent)
        }
        Err(why) => {
            refused.problems.push(format!(
                "agent {}: {}",
                socket.display(),
                super::session::plain(&why.to_string())
            ));
            None
        }
    }
}

async fn identities(agent: Option<&mut Agent>, refused: &mut Refused) -> Vec<AgentIdentity> {
    let Some(agent) = agent else { return Vec::new() };
    match agent.request_identities().await {
        Ok(identities) => identities,
        Err(why) => {
            refused.problems.push(format!("agent: {}", super::session::plain(&why.to_string())));
            Vec::new()
        }
    }
}

/// Everything that can be offered, best first, each once.
fn candidates(
    target: &Target,
    held: &[AgentIdentity],
    means: &Means<'_>,
    refused: &mut Refused,
) -> Vec<Candidate> {
    let mut files = Vec::new();
    for path in &target.identities {
        match means.keys.load(path) {
            Ok(Some(key)) => files.extend(from_file(&key, target, held)),
            Ok(None) if target.identities_named => {
                refused.problems.push(format!("{}: no such file", path.display()))
            }
            Ok(None) => {}
            Err(why) => refused.problems.push(format!("{}: {}", path.display(), why.why)),
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
    let mut seen = Vec::new();
    all.retain(|candidate| {
        !seen.contains(&candidate.id()) && {
            seen.push(candidate.id());
            true
        }
    });
    if let Some(remembered) = means.remembered {
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
    let named = target.certificates.iter().filter_map(|path| super::keys::read_certificate(path));
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
    fn id(&self) -> String {
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

    fn worked(&self, user: &str) -> Worked {
        Worked { user: user.to_string(), key: self.id() }
    }
}

/// RSA keys sign with SHA-2 only; which one the server prefers is asked once a connection.
async fn hash(
    handle: &Handle<Door>,
    candidate: &Candidate,
    known: &mut Option<HashAlg>,
) -> Result<Option<HashAlg>, russh::Error> {
    if !candidate.public.algorithm().is_rsa() {
        return Ok(None);
    }
    if known.is_none() {
        *known = Some(handle.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha512));
    }
    Ok(*known)
}

async fn offer(
    handle: &mut Handle<Door>,
    user: &str,
    candidate: &Candidate,
    hash: Option<HashAlg>,
    agent: Option<&mut Agent>,
    means: &Means<'_>,
) -> Result<AuthResult, SignError> {
    let open = candidate.file.as_ref().is_some_and(|file| file.is_open());
    let mut hand = match (agent, &candidate.file) {
        (Some(agent), _) if candidate.in_agent && !open => Hand::Agent(agent),
        (_, Some(file)) => {
            Hand::File { file: file.clone(), keys: means.keys.clone(), passphrase: means.passphrase.clone() }
        }
        (_, None) => return Err(SignError(Failure::new("use the key", "its private half is nowhere"))),
    };
    match &candidate.certificate {
        None => handle.authenticate_publickey_with(user, candidate.public.clone(), hash, &mut hand).await,
        Some(certificate) => {
            handle.authenticate_certificate_with(user, certificate.clone(), hash, &mut hand).await
        }
    }
}

/// Who signs.
enum Hand<'a> {
    File { file: Arc<KeyFile>, keys: Arc<Keys>, passphrase: Option<Arc<Passphrase>> },
    Agent(&'a mut Agent),
}

struct SignError(Failure);

impl From<SendError> for SignError {
    fn from(_: SendError) -> Self {
        SignError(Failure::new("log in", "the connection was closed"))
    }
}

impl Signer for Hand<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        text: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        match self {
            Hand::Agent(agent) => agent.sign_request(key, hash, text).await.map_err(|why| {
                SignError(Failure::new(
                    "sign",
                    format!("the agent did not sign: {}", super::session::plain(&why.to_string())),
                ))
            }),
            Hand::File { file, keys, passphrase } => {
                let (file, keys, passphrase) = (file.clone(), keys.clone(), passphrase.clone());
                // Decrypting a key takes a second on purpose, and asking for a passphrase takes a person.
                let signed = tokio::task::spawn_blocking(move || {
                    sign(&file, &keys, passphrase.as_deref(), hash, text)
                })
                .await;
                signed.unwrap_or_else(|why| Err(Failure::new("sign", why))).map_err(SignError)
            }
        }
    }
}

/// The text with the signature appended, as the protocol and russh want it.
fn sign(
    file: &KeyFile,
    keys: &Keys,
    passphrase: Option<&Passphrase>,
    hash: Option<HashAlg>,
    mut text: Vec<u8>,
) -> Result<Vec<u8>> {
    let private = keys.unlock(file, passphrase)?;
    let doing = || format!("sign with {}", file.path.display());
    let signature = match private.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&text),
        other => other.try_sign(&text),
    };
    let mut blob = Vec::new();
    signature.doing(doing())?.encode(&mut blob).doing(doing())?;
    blob.encode(&mut text).doing(doing())?;
    Ok(text)
}

impl Refused {
    /// The whole story, for all users that were tried.
    pub fn failure(stories: &[(String, Refused)], target: &Target) -> Failure {
        let users: Vec<&str> = stories.iter().map(|(user, _)| user.as_str()).collect();
        let doing = format!("log in to {} port {} as {}", target.address, target.port, users.join(", "));
        // Every user is offered the same keys, so the last story stands for all unless they differ.
        let mut why: Vec<String> = Vec::new();
        for (user, story) in stories {
            let told = story.tell();
            let told = if stories.len() > 1 { format!("{user}: {told}") } else { told };
            why.push(told);
        }
        Failure::new(doing, why.join("; "))
            .hint(stories.last().map_or(String::new(), |(user, story)| story.advice(user, target)))
    }

    fn tell(&self) -> String {
        let mut parts = Vec::new();
        if self.tried.is_empty() {
            parts.push("no key to offer".to_string());
        } else {
            parts.push(format!("refused {}", self.tried.join(", ")));
        }
        parts.extend(self.problems.iter().cloned());
        if self.hung_up {
            parts.push("then the server hung up".to_string());
        } else if !self.takes.is_empty() {
            parts.push(format!("the server takes {}", self.takes.join(", ")));
        }
        parts.join("; ")
    }

    fn advice(&self, user: &str, target: &Target) -> String {
        if self.hung_up && self.tried.len() > 2 {
            return "it takes only a few tries (MaxAuthTries): name the right key with `identity` and set identities_only = true".to_string();
        }
        let port = if target.port == 22 { String::new() } else { format!("-p {} ", target.port) };
        format!(
            "try: ssh {port}{user}@{0}; ssh-copy-id {port}{user}@{0} adds a key, `identity` and `user` choose others",
            target.address
        )
    }
}
