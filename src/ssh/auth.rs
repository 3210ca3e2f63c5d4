//! Logging in: which keys are offered in which order, by whom they are used, and what is said when none is taken.
//!
//! Order: the key that worked last time, the named keys, the agent's, the usual files. Each is first only
//! asked about, so that a passphrase is needed, or an agent's owner disturbed, only for a key the server takes.

mod candidates;
mod password;

use candidates::{Candidate, candidates};
use password::Answer;

use super::keys::{KeyFile, Keys, Passphrase};
use super::session::ClientHandler;
use super::target::{Method, Target};
use super::{AcceptedLogin, AskPassword, ConnectError};
use crate::model::failure::{Doing, Failure, Result};
use russh::client::{AuthResult, Handle};
use russh::keys::HashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::{MethodKind, MethodSet, SendError, Signer};
use std::sync::Arc;
use tokio::net::UnixStream;

/// What a login uses besides the target.
pub struct Credentials<'a> {
    pub keys: Arc<Keys>,
    pub passphrase: Option<Arc<Passphrase>>,
    pub password: Option<Arc<AskPassword>>,
    pub remembered: Option<&'a AcceptedLogin>,
}

/// How a login ended when nothing broke.
pub enum Login {
    In(AcceptedLogin),
    Refused(Refused),
}

/// sshd hangs up at the sixth refusal (MaxAuthTries 6), so a connection ends before that and the next goes on. Where a
/// server hangs up earlier, the next connections end earlier.
const REFUSALS_PER_CONNECTION: usize = 5;
/// Someone who has more keys than this has to say which one is meant.
const KEYS_TRIED: usize = 20;

/// What was tried in vain, for the message.
#[derive(Default)]
pub struct Refused {
    /// The keys that were refused, by their ids, so that the next connection goes on with the others.
    ids: Vec<String>,
    /// Whether there are keys left that one more connection could offer.
    pub more: bool,
    pub tried: Vec<String>,
    pub problems: Vec<String>,
    pub takes: Vec<&'static str>,
    /// The password was tried, or could not be read.
    password: bool,
    /// The server hung up, most likely after too many keys.
    pub hung_up: bool,
    /// After how many refusals it did so.
    patience: Option<usize>,
}

type Agent = AgentClient<UnixStream>;

/// Tries to log in as `user`, by the ways of the target in their order.
/// `before` is what earlier connections tried.
pub async fn login(
    handle: &mut Handle<ClientHandler>,
    target: &Target,
    user: &str,
    credentials: &Credentials<'_>,
    before: Refused,
) -> Result<Login, ConnectError> {
    let refused = Refused { more: false, hung_up: false, ..before };
    let mut attempt = LoginAttempt {
        handle,
        target,
        user,
        credentials,
        takes: None,
        asked: false,
        halves: 0,
        refusals: 0,
        refused,
    };
    // sshd may ask for several ways (AuthenticationMethods): each that was taken may be followed by another one.
    let mut halves = None;
    while halves != Some(attempt.halves) && !attempt.is_over() {
        halves = Some(attempt.halves);
        if let Some(accepted) = attempt.each_method().await? {
            return Ok(Login::In(accepted));
        }
    }
    if attempt.may_need_nothing()
        && let Some(accepted) = attempt.methods().await?
    {
        return Ok(Login::In(accepted));
    }
    Ok(Login::Refused(attempt.ended()))
}

/// One user at one server.
struct LoginAttempt<'a> {
    handle: &'a mut Handle<ClientHandler>,
    target: &'a Target,
    user: &'a str,
    credentials: &'a Credentials<'a>,
    /// What the server takes, once it has said so.
    takes: Option<MethodSet>,
    /// It was asked what it takes.
    asked: bool,
    /// How many keys and passwords were taken, and were not enough.
    halves: usize,
    /// How many were refused on this connection.
    refusals: usize,
    refused: Refused,
}

impl LoginAttempt<'_> {
    async fn each_method(&mut self) -> Result<Option<AcceptedLogin>, ConnectError> {
        for method in &self.target.methods {
            let accepted = match method {
                Method::PublicKey => self.public_keys().await?,
                Method::Password | Method::KeyboardInteractive => self.password(*method).await?,
            };
            if accepted.is_some() || self.is_over() {
                return Ok(accepted);
            }
        }
        Ok(None)
    }

    async fn public_keys(&mut self) -> Result<Option<AcceptedLogin>, ConnectError> {
        let mut agent = agent(self.handle, self.target, &mut self.refused).await;
        let held = identities(agent.as_mut(), &mut self.refused).await;
        let candidates = candidates(self.target, &held, self.credentials, &mut self.refused);
        let mut rsa = None;
        for candidate in &candidates {
            if self.refused.ids.contains(&candidate.id()) {
                continue;
            }
            if self.refusals >= self.refused.per_connection() {
                self.refused.more = self.refused.ids.len() < KEYS_TRIED;
                break;
            }
            if self.hung_up() {
                // It has no more patience in this connection; the other keys are for the next one.
                self.refused.patience = Some(self.refusals);
                self.refused.more = self.refusals > 0 && self.refused.ids.len() < KEYS_TRIED;
                break;
            }
            if self.takes.as_ref().is_some_and(|takes| !takes.contains(&MethodKind::PublicKey)) {
                break;
            }
            let hash = hash(self.handle, candidate, &mut rsa).await;
            let hash = hash.map_err(ConnectError::protocol(self.target))?;
            let answer =
                offer(self.handle, self.user, candidate, hash, agent.as_mut(), self.credentials).await;
            match answer {
                Ok(AuthResult::Success) => return Ok(Some(candidate.worked(self.user))),
                Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                    let half = if partial_success { ", which was not enough" } else { "" };
                    self.refused.tried.push(format!("{}{half}", candidate.label));
                    self.refused.ids.push(candidate.id());
                    self.refusals += usize::from(!partial_success);
                    self.halves += usize::from(partial_success);
                    // russh answers with no methods at all when the connection ends meanwhile.
                    self.refused.hung_up = remaining_methods.is_empty();
                    self.takes = Some(remaining_methods);
                }
                Err(why) => self.refused.problems.push(format!("{}: {}", candidate.label, why.0.why)),
            }
        }
        Ok(None)
    }

    async fn password(&mut self, method: Method) -> Result<Option<AcceptedLogin>, ConnectError> {
        let Some(from) = &self.target.password else { return Ok(None) };
        if self.takes.is_none()
            && let Some(accepted) = self.methods().await?
        {
            return Ok(Some(accepted));
        }
        let kind = match method {
            Method::Password => MethodKind::Password,
            _ => MethodKind::KeyboardInteractive,
        };
        let takes = self.takes.as_ref().is_some_and(|takes| takes.contains(&kind));
        // A password that was refused once is not tried by another way: some servers count each.
        if !takes || self.refused.password {
            return Ok(None);
        }
        let login = password::login(self.handle, self.target, self.user, from, kind, self.credentials);
        match login.await? {
            Ok(Answer::Accepted) => {
                Ok(Some(AcceptedLogin { user: self.user.to_string(), key: "password".to_string() }))
            }
            Ok(Answer::Half(takes)) => {
                self.refused.password = true;
                self.refused.tried.push("the password, which was not enough".to_string());
                // Keys that were refused because a password has to come first.
                self.refused.ids.clear();
                self.halves += 1;
                self.takes = Some(takes);
                Ok(None)
            }
            Ok(Answer::Refused) => {
                self.refusals += 1;
                self.refused.password = true;
                self.refused.tried.push("the password".to_string());
                Ok(None)
            }
            Err(why) => {
                self.refused.password = true;
                self.refused.problems.push(why.why);
                Ok(None)
            }
        }
    }

    /// Asks what the server takes; an answer is a login that needed nothing.
    async fn methods(&mut self) -> Result<Option<AcceptedLogin>, ConnectError> {
        self.asked = true;
        match ask_methods(self.handle, self.user).await.map_err(ConnectError::protocol(self.target))? {
            Some(takes) => {
                self.takes = Some(takes);
                Ok(None)
            }
            None => Ok(Some(AcceptedLogin { user: self.user.to_string(), key: String::new() })),
        }
    }

    fn hung_up(&self) -> bool {
        self.refused.hung_up || self.handle.is_closed()
    }

    /// Whether it is still unknown that the account needs a key or a password. Where passwords are taken, it may have an
    /// empty one. To ask counts as a try.
    fn may_need_nothing(&self) -> bool {
        let passwords = self.takes.as_ref().is_none_or(|takes| takes.contains(&MethodKind::Password));
        let tries_left = self.refusals < self.refused.per_connection();
        passwords && !self.asked && !self.is_over() && tries_left
    }

    /// Whether this connection is good for nothing more.
    fn is_over(&self) -> bool {
        self.hung_up() || self.refused.more
    }

    fn ended(mut self) -> Refused {
        self.refused.hung_up = self.hung_up();
        self.refused.takes = self.takes.iter().flat_map(|takes| takes.iter()).map(Into::into).collect();
        self.refused
    }
}

/// What the server takes, asked with the method `none`. `None`: it accepted the login without any key.
async fn ask_methods(
    handle: &mut Handle<ClientHandler>,
    user: &str,
) -> Result<Option<MethodSet>, russh::Error> {
    Ok(match handle.authenticate_none(user).await? {
        AuthResult::Success => None,
        AuthResult::Failure { remaining_methods, .. } => Some(remaining_methods),
    })
}

/// Connects to the agent and names the server this is about, so that keys bound to hosts can be used.
async fn agent(handle: &Handle<ClientHandler>, target: &Target, refused: &mut Refused) -> Option<Agent> {
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

/// RSA keys sign with SHA-2 only; which one the server prefers is asked once a connection.
async fn hash(
    handle: &Handle<ClientHandler>,
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
    handle: &mut Handle<ClientHandler>,
    user: &str,
    candidate: &Candidate,
    hash: Option<HashAlg>,
    agent: Option<&mut Agent>,
    credentials: &Credentials<'_>,
) -> Result<AuthResult, SignError> {
    let open = candidate.file.as_ref().is_some_and(|file| file.is_open());
    let mut hand = match (agent, &candidate.file) {
        (Some(agent), _) if candidate.in_agent && !open => KeySigner::Agent(agent),
        (_, Some(file)) => KeySigner::File {
            file: file.clone(),
            keys: credentials.keys.clone(),
            passphrase: credentials.passphrase.clone(),
        },
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
enum KeySigner<'a> {
    File { file: Arc<KeyFile>, keys: Arc<Keys>, passphrase: Option<Arc<Passphrase>> },
    Agent(&'a mut Agent),
}

struct SignError(Failure);

impl From<SendError> for SignError {
    fn from(_: SendError) -> Self {
        SignError(Failure::new("log in", "the connection was closed"))
    }
}

impl Signer for KeySigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        text: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        match self {
            KeySigner::Agent(agent) => agent.sign_request(key, hash, text).await.map_err(|why| {
                SignError(Failure::new(
                    "sign",
                    format!("the agent did not sign: {}", super::session::plain(&why.to_string())),
                ))
            }),
            KeySigner::File { file, keys, passphrase } => {
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
    /// How many refusals a connection may meet before it is given up for a new one.
    fn per_connection(&self) -> usize {
        let patience = self.patience.map_or(REFUSALS_PER_CONNECTION, |refusals| refusals.saturating_sub(1));
        patience.max(1)
    }

    /// The whole story, for all users that were tried.
    pub fn failure(stories: &[(String, Refused)], target: &Target) -> Failure {
        let users: Vec<&str> = stories.iter().map(|(user, _)| user.as_str()).collect();
        let doing = format!("log in to {} port {} as {}", target.address, target.port, users.join(", "));
        // Every user is offered the same keys, so the last story stands for all unless they differ.
        let mut why: Vec<String> = Vec::new();
        for (user, story) in stories {
            let result = story.tell();
            let result = if stories.len() > 1 { format!("{user}: {result}") } else { result };
            why.push(result);
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
