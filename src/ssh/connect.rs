//! From a target to a connection that is logged in: hops, sockets, key exchange, users, and patience with a busy sshd.

use super::auth::{self, Credentials, Login, Refused};
use super::channel::Launcher;
use super::crowd::Place;
use super::keys::Passphrase;
use super::known_hosts::{Knowledge, KnownHostsCommand, Offered, Rules, show};
use super::proxy::Proxy;
use super::session::{Broken, ClientHandler, State, explain, plain};
use super::target::Via;
use super::wire::{Greeting, Wire};
use super::{AcceptedLogin, Class, ConnectError, Connection, SecretFrom, Shared, Target};
use crate::model::failure::Failure;
use crate::model::host::HostKeyPolicy;
use rand::RngExt;
use russh::client::{self, Handle};
use russh::keys::PublicKey;
use russh::{Preferred, SshId, compression};
use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout, timeout_at};

mod bastion;
mod dial;
mod names;

pub use bastion::Bastions;
use names::Found;
pub use names::Names;

/// A login may take this long: slow PAM modules, an agent that asks its owner, a passphrase that is typed.
const LOGIN_DEADLINE: Duration = Duration::from_secs(60);
/// A login with more keys than one connection may offer takes further ones, but not for ever. A server that takes two
/// tries a connection (MaxAuthTries 2) is offered as many keys as this.
const CONNECTIONS_PER_USER: usize = 10;
/// An sshd that closes before its banner has too many logins under way; it is asked again so many times,
const BUSY_TRIES: u32 = 7;
/// one that says nothing, while others are slow too, so many times,
const SILENT_TRIES: u32 = 3;
/// after this long at first, twice as long each time,
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// and never after more than this.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(4);
/// At 50 ms of latency 2 MiB, russh's default, carries 20 MB/s and this 160.
const WINDOW_BYTES: u32 = 16 << 20;
/// Messages of a channel that wait for their reader; then the connection stops reading, and the peer sending.
pub const CHANNEL_BUFFER: usize = 8;

/// Connects to a target, through its jump hosts, and logs in.
pub async fn connect(target: &Target, shared: &Shared) -> Result<Connection, ConnectError> {
    usable(target)?;
    #[cfg(test)]
    if let Some(network) = &shared.network {
        return network.connect(target).await;
    }
    if let Some((launcher, user)) = Launcher::to(target).await? {
        let worked = AcceptedLogin { user, key: String::new() };
        return Ok(Connection::programs(launcher, target, worked));
    }
    let through = bastion::reach(target, &target.jump, shared).await?;
    step(target, through, shared).await
}

/// Fails for a host of which it was known beforehand that it cannot be reached.
fn usable(target: &Target) -> Result<(), ConnectError> {
    match &target.unusable {
        Some(failure) => Err(ConnectError::new(Class::Configuration, failure.clone())),
        None => Ok(()),
    }
}

/// The key that a host shows, without logging in to it, and what known_hosts says about it.
pub async fn host_key(target: &Target, shared: &Shared) -> Result<ShownKey, ConnectError> {
    usable(target)?;
    if target.via != Via::Ssh {
        let failure = Failure::new(doing(target), "it is not reached by SSH, so it has no key");
        return Err(ConnectError::new(Class::Configuration, failure));
    }
    let through = bastion::reach(target, &target.jump, shared).await?;
    let asks = Target {
        known_hosts: Vec::new(),
        known_hosts_command: None,
        revoked: None,
        trusts_loopback: false,
        policy: HostKeyPolicy::AcceptNew,
        // Where a password follows, a new key is never trusted without being compared first.
        password: Some(SecretFrom::Prompt),
        ..target.clone()
    };
    match exchange_keys(&asks, through.as_deref(), shared).await {
        Err(Exchange::Unconfirmed(key, _)) => {
            let known = shared.known_hosts.about(&target.identity(), &target.known_hosts);
            let knowledge = known.map_err(|why| ConnectError::new(Class::HostKey, why))?;
            Ok(ShownKey { key: *key, knowledge })
        }
        Err(Exchange::Failed(error)) => Err(error),
        Ok(_) => {
            let why = "the server showed no key";
            Err(ConnectError::new(Class::Protocol, Failure::new(doing(target), why)))
        }
    }
}

/// A key that a host shows.
pub struct ShownKey {
    pub key: PublicKey,
    pub knowledge: Knowledge,
}

/// One hop. sshd allows no second user on a connection, so each has one of its own.
pub async fn step(
    target: &Target,
    through: Option<Arc<Connection>>,
    shared: &Shared,
) -> Result<Connection, ConnectError> {
    let remembered = shared.remembered(target);
    let mut stories: Vec<(String, Refused)> = Vec::new();
    let credentials = Credentials {
        keys: shared.keys.clone(),
        passphrase: passphrase(target, shared),
        password: shared.password.clone(),
        remembered: remembered.as_ref(),
    };
    for user in users(target, remembered.as_ref()) {
        let mut story = Refused::default();
        for _ in 0..CONNECTIONS_PER_USER {
            let _turn = shared.turn(target).await;
            let (mut handle, state, _place) = shake_hands(target, through.as_deref(), shared).await?;
            let login = auth::login(&mut handle, target, user, &credentials, story);
            match timeout(LOGIN_DEADLINE, login).await.map_err(|_| too_long(target, user))?? {
                Login::In(worked) => {
                    shared.remember(target, &worked);
                    return Ok(Connection::new(handle, state, target, worked, through));
                }
                Login::Refused(refused) => story = refused,
            }
            if !story.more {
                break;
            }
        }
        stories.push((user.to_string(), story));
    }
    Err(ConnectError::new(Class::Authentication, Refused::failure(&stories, target)))
}

/// What is asked for the passphrase of an encrypted key.
fn passphrase(target: &Target, shared: &Shared) -> Option<Arc<Passphrase>> {
    match &target.passphrase {
        SecretFrom::Prompt => shared.passphrase.clone(),
        elsewhere => {
            let from = elsewhere.clone();
            Some(Arc::new(move |_: &Path| from.read("read the passphrase")))
        }
    }
}

/// The users in order, the one that worked last time first.
fn users<'a>(target: &'a Target, remembered: Option<&AcceptedLogin>) -> Vec<&'a str> {
    let mut users: Vec<&str> = target.users.iter().map(String::as_str).collect();
    users.sort_by_key(|user| remembered.is_none_or(|worked| worked.user != *user));
    users
}

fn too_long(target: &Target, user: &str) -> ConnectError {
    let doing = format!("log in to {} port {} as {user}", target.address, target.port);
    let why = format!("not done within {} s", LOGIN_DEADLINE.as_secs());
    ConnectError::new(
        Class::Authentication,
        Failure::new(doing, why)
            .hint("a slow DNS or PAM module there, or an agent that waits for its owner here"),
    )
}

/// Connects and agrees on keys; where a person has to compare the host's key first, that is asked in between, without
/// a deadline.
async fn shake_hands(
    target: &Target,
    through: Option<&Connection>,
    shared: &Shared,
) -> Result<(Handle<ClientHandler>, Arc<State>, Place), ConnectError> {
    match exchange_keys(target, through, shared).await {
        Ok(done) => return Ok(done),
        Err(Exchange::Failed(error)) => return Err(error),
        Err(Exchange::Unconfirmed(key, trust)) => confirm(target, shared, *key, trust).await?,
    }
    match exchange_keys(target, through, shared).await {
        Ok(done) => Ok(done),
        Err(Exchange::Failed(error)) => Err(error),
        Err(Exchange::Unconfirmed(key, _)) => {
            let why =
                format!("the host now shows another key than the one that was confirmed: {}", show(&key));
            Err(ConnectError::new(Class::HostKey, Failure::new(doing(target), why)))
        }
    }
}

/// Why there is no connection that could log in.
enum Exchange {
    Failed(ConnectError),
    /// A person has to compare the key first.
    Unconfirmed(Box<PublicKey>, Trust),
}

/// Connects and agrees on keys, again and again while the sshd is too busy. Only time in which the login has its turn
/// counts: `connect_timeout` is for each attempt, and silence is tried again only while a crowd is logging in.
async fn exchange_keys(
    target: &Target,
    through: Option<&Connection>,
    shared: &Shared,
) -> Result<(Handle<ClientHandler>, Arc<State>, Place), Exchange> {
    let found = match (through, &target.proxy) {
        (None, None) => dial::look_up(target, &shared.names).await.map_err(Exchange::Failed)?,
        _ => Found::default(),
    };
    let left = target.connect_timeout.saturating_sub(found.took);
    let mut pause = BUSY_PAUSE;
    for attempt in 1.. {
        let place = shared.crowd.enter().await;
        let greeting = Arc::new(std::sync::OnceLock::new());
        let shaking = shake_hands_once(target, through, &found.addresses, shared, (&greeting, &place));
        let (refusal, tries) = match patiently(shaking, left, &greeting, target.connect_timeout).await {
            Ok(Ok((handle, state))) => {
                place.exchanged(target.connect_timeout);
                return Ok((handle, state, place));
            }
            Ok(Err(HandshakeError::Failed(error))) => return Err(Exchange::Failed(error)),
            Ok(Err(HandshakeError::Unconfirmed(key, trust))) => {
                return Err(Exchange::Unconfirmed(key, trust));
            }
            Ok(Err(HandshakeError::Busy(said))) => (busy(target, said, attempt), BUSY_TRIES),
            // A host that accepts no connection is dead, whatever others do, unless packets are lost to others too.
            Err(_) if greeting.get().is_none() && !shared.crowd.is_overrun() => {
                return Err(Exchange::Failed(silent(target, None)));
            }
            Err(_) if greeting.get().is_some() && !shared.crowd.is_dense(target.connect_timeout) => {
                return Err(Exchange::Failed(silent(target, greeting.get())));
            }
            Err(_) => (silent(target, greeting.get()), SILENT_TRIES),
        };
        place.cut();
        drop(place);
        if attempt >= tries {
            return Err(Exchange::Failed(refusal));
        }
        let jitter = rand::rng().random_range(0.5..1.5);
        sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(BUSY_PAUSE_MAX);
    }
    unreachable!("the attempts are counted above")
}

/// Waits for as long as `left`, or for `allowed` from the moment at which the server introduced itself: then it is alive,
/// and the exchange of keys may take it a while. ssh waits for that without end.
async fn patiently<T>(
    shaking: impl Future<Output = T>,
    left: Duration,
    greeting: &std::sync::OnceLock<Greeting>,
    allowed: Duration,
) -> Result<T, Elapsed> {
    tokio::pin!(shaking);
    match timeout(left, &mut shaking).await {
        Err(late) => match greeting.get().and_then(Greeting::since) {
            Some(since) => timeout_at(since + allowed, shaking).await,
            None => Err(late),
        },
        done => done,
    }
}

enum HandshakeError {
    Failed(ConnectError),
    /// Closed before the banner, with what it said instead.
    Busy(Option<String>),
    /// A person has to compare the key first.
    Unconfirmed(Box<PublicKey>, Trust),
}

/// What a key is checked with.
#[derive(Clone)]
struct Trust {
    knowledge: Arc<Knowledge>,
    rules: Arc<Rules>,
}

impl From<ConnectError> for HandshakeError {
    fn from(error: ConnectError) -> Self {
        HandshakeError::Failed(error)
    }
}

/// Asks whether a key is the right one, and writes it down if so. A password must not go to whatever answers first.
async fn confirm(target: &Target, shared: &Shared, key: PublicKey, trust: Trust) -> Result<(), ConnectError> {
    let (ask, known_hosts) = (shared.confirm.clone(), shared.known_hosts.clone());
    let (name, shown) = (target.name.clone(), show(&key));
    let doing = format!("trust the host key of {name}");
    let unconfirmed =
        Failure::new(&doing, format!("a password would go to a host whose key is not confirmed: {shown}"))
            .hint(format!(
                "compare it with the host's own, then set host_key = \"{}\" in the inventory",
                shown.split(' ').nth(1).unwrap_or_default()
            ));
    let asking = tokio::task::spawn_blocking(move || match ask.and_then(|ask| ask(&name, &shown)) {
        Some(true) => {
            known_hosts.learn(&trust.knowledge, &key, &Rules { write: true, ..(*trust.rules).clone() })
        }
        _ => Err(unconfirmed),
    });
    let answer = asking.await.unwrap_or_else(|why| Err(Failure::new(doing, why)));
    answer.map_err(|failure| ConnectError::new(Class::HostKey, failure))
}

async fn shake_hands_once(
    target: &Target,
    through: Option<&Connection>,
    addresses: &[IpAddr],
    shared: &Shared,
    (seen, place): (&std::sync::OnceLock<Greeting>, &Place),
) -> Result<(Handle<ClientHandler>, Arc<State>), HandshakeError> {
    let wire = match (through, &target.proxy) {
        (Some(hop), _) => hop.tunnel(target).await?,
        (None, Some(command)) => program(target, command)?,
        (None, None) => {
            let before = Instant::now();
            let wire = dial::dial(target, addresses).await?;
            place.accepted(before.elapsed());
            wire
        }
    };
    let greeting = wire.greeting();
    let _ = seen.set(greeting.clone());
    let loopback = wire.is_loopback();
    let trust =
        trust(target, shared, loopback).await.map_err(|why| ConnectError::new(Class::HostKey, why))?;
    let config = Arc::new(preferences(target, &trust.knowledge.offered(&target.algorithms)));
    let state = Arc::new(State::default());
    let handler = ClientHandler {
        known_hosts: shared.known_hosts.clone(),
        knowledge: trust.knowledge.clone(),
        rules: trust.rules.clone(),
        state: state.clone(),
    };
    match client::connect_stream(config, wire, handler).await {
        Ok(handle) => Ok((handle, state)),
        Err(Broken::Unconfirmed(key)) => Err(HandshakeError::Unconfirmed(key, trust)),
        Err(why) => {
            greeting.last_words().await;
            Err(classify(why, &greeting, target))
        }
    }
}

/// What is known of the host's key, and the rules that decide about it.
async fn trust(target: &Target, shared: &Shared, loopback: bool) -> Result<Trust, Failure> {
    let identity = target.identity();
    let mut knowledge = shared.known_hosts.about(&identity, &target.known_hosts)?;
    let tokens = target.tokens.clone();
    let command = target.known_hosts_command.clone().map(|written| KnownHostsCommand { written, tokens });
    if let Some(command) = command.clone() {
        let lines = tokio::task::spawn_blocking(move || command.before(&identity)).await;
        let lines = lines.unwrap_or_else(|why| Err(Failure::new("run KnownHostsCommand", why)))?;
        knowledge = knowledge.with(&lines)?;
    }
    let rules = Rules {
        policy: target.policy.clone(),
        trusted: loopback && target.trusts_loopback && target.host_key_alias.is_none(),
        revoked: target.revoked.clone(),
        command,
        confirm: target.password.is_some(),
        write: target.writes_known_hosts,
        hash: target.hash_known_hosts,
        algorithms: target.algorithms.clone(),
    };
    Ok(Trust { knowledge: Arc::new(knowledge), rules: Arc::new(rules) })
}

fn program(target: &Target, command: &str) -> Result<Wire, ConnectError> {
    let started = Proxy::start(command).map(|program| Wire::program(program, target.write_limit()));
    started.map_err(|why| {
        let why = format!("ProxyCommand `{command}` did not start: {}", plain(&why.to_string()));
        ConnectError::new(Class::Unreachable, Failure::new(doing(target), why))
    })
}

fn preferences(target: &Target, offered: &Offered) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-windlass_", env!("CARGO_PKG_VERSION")))),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: target.keepalive,
        keepalive_max: target.keepalive_max,
        nodelay: true,
        // ssh takes groups of 2048 bits too, which is all that some servers have; 3072 are as strong as curve25519.
        gex: client::GexParams::new(2048, 3072, 8192).unwrap_or_default(),
        preferred: Preferred {
            kex: Cow::Owned(target.algorithms.kex.clone()),
            key: Cow::Owned(offered.plain.clone()),
            host_key_certificates: Cow::Owned(offered.certificates.clone()),
            cipher: Cow::Owned(target.algorithms.ciphers.clone()),
            mac: Cow::Owned(target.algorithms.macs.clone()),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        ..client::Config::default()
    }
}

fn doing(target: &Target) -> String {
    format!("connect to {} port {}", target.address, target.port)
}

fn silent(target: &Target, greeting: Option<&Greeting>) -> ConnectError {
    let seconds = target.connect_timeout.as_secs_f64();
    let (why, hint) = match greeting {
        None => ("no answer", "is the host up, and does a firewall drop this port?"),
        Some(greeting) if greeting.is_ssh() => (
            "the key exchange was not done",
            "the host is overloaded, or large packets are lost on the way (MTU)",
        ),
        Some(_) => (
            "connected, but no SSH banner came",
            "the host is overloaded, or something other than sshd listens there",
        ),
    };
    let hint = format!("{hint}; `connect_timeout` gives it longer");
    ConnectError::new(
        Class::Unreachable,
        Failure::new(doing(target), format!("{why} within {seconds} s")).hint(hint),
    )
}

fn busy(target: &Target, said: Option<String>, tries: u32) -> ConnectError {
    let said = said.map(|said| format!(", saying `{said}`")).unwrap_or_default();
    let why = format!("the server closed the connection before its banner, {tries} times{said}");
    ConnectError::new(Class::Unreachable, Failure::new(doing(target), why)
        .hint("too many logins at once (MaxStartups there), or it refuses this address (fail2ban, PerSourcePenalties, hosts.deny)"))
}

/// A program that ends before the banner has failed; what it said last is most likely the reason.
fn program_ended(greeting: &Greeting, target: &Target) -> ConnectError {
    let said = greeting.complaint().map(|said| format!(", saying `{said}`")).unwrap_or_default();
    let failure = Failure::new(doing(target), format!("ProxyCommand ended before the server's banner{said}"));
    let command = target.proxy.as_deref().unwrap_or_default();
    ConnectError::new(Class::Unreachable, failure.hint(format!("run it by hand: {command}")))
}

/// What sshd says when it has too many logins under way, or enough of us. Older ones say nothing.
const BUSY_WORDS: &[&str] = &["Exceeded MaxStartups", "Not allowed at this time"];

fn no_banner(said: Option<String>, target: &Target) -> HandshakeError {
    match said {
        Some(said) if !BUSY_WORDS.iter().any(|words| said.starts_with(words)) => {
            not_ssh(&said, target).into()
        }
        said => HandshakeError::Busy(said),
    }
}

fn not_ssh(said: &str, target: &Target) -> ConnectError {
    let failure = Failure::new(doing(target), format!("this is not SSH: it says `{said}`"));
    ConnectError::new(Class::Protocol, failure.hint("is the port right?"))
}

fn classify(why: Broken, greeting: &Greeting, target: &Target) -> HandshakeError {
    let why = match why {
        Broken::Untrusted(failure) => return ConnectError::new(Class::HostKey, failure).into(),
        Broken::Unconfirmed(_) => {
            return ConnectError::new(Class::HostKey, Failure::new(doing(target), why)).into();
        }
        Broken::Weak(failure) => return ConnectError::new(Class::Protocol, failure).into(),
        Broken::Ssh(why) => why,
    };
    let hung_up = match &why {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(why) => matches!(
            why.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted
        ),
        _ => false,
    };
    if hung_up && !greeting.is_ssh() && greeting.is_program() {
        return program_ended(greeting, target).into();
    }
    if hung_up && !greeting.is_ssh() {
        return no_banner(greeting.said(), target);
    }
    let class =
        if hung_up || matches!(why, russh::Error::IO(_)) { Class::Unreachable } else { Class::Protocol };
    match &why {
        russh::Error::Version => not_ssh(&greeting.said().unwrap_or_default(), target).into(),
        other => ConnectError::new(class, Failure::new(doing(target), explain(other))).into(),
    }
}
