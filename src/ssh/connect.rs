//! From a target to a connection that is logged in: hops, sockets, key exchange, users, and patience with a busy sshd.

use super::auth::{self, Login, Means, Refused};
use super::session::{Broken, Door, State, explain, plain};
use super::wire::{Greeting, Wire};
use super::{Class, ConnectError, Connection, Shared, Target, Worked};
use crate::model::failure::Failure;
use futures::stream::{FuturesUnordered, StreamExt};
use rand::RngExt;
use russh::client::{self, Handle};
use russh::{Preferred, SshId, cipher, compression, mac};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

/// A login may take this long: slow PAM modules, an agent that asks its owner, a passphrase that is typed.
const LOGIN_DEADLINE: Duration = Duration::from_secs(60);
/// An sshd that closes before its banner has too many logins under way; it is asked again so many times,
const BUSY_TRIES: u32 = 7;
/// after this long at first, twice as long each time,
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// and never after more than this.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(4);
/// The next address of a host is tried when the one before has not answered for so long (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// At 50 ms of latency 2 MiB, russh's default, carries 20 MB/s and this 160.
const WINDOW_BYTES: u32 = 16 << 20;
/// Messages of a channel that wait for their reader; then the connection stops reading, and the peer sending.
pub const CHANNEL_BUFFER: usize = 8;

/// AES-GCM first, which hardware does; ChaCha20 last, and only with strict key exchange; no CBC.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
    cipher::CHACHA20_POLY1305,
];
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// Connects to a target, through its jump hosts, and logs in.
pub async fn connect(target: &Target, shared: &Shared) -> Result<Connection, ConnectError> {
    let mut through: Option<Connection> = None;
    for hop in &target.jump {
        let reached = step(hop, through.take(), shared).await.map_err(|why| via(why, hop, target))?;
        through = Some(reached);
    }
    step(target, through, shared).await
}

fn via(mut error: ConnectError, hop: &Target, target: &Target) -> ConnectError {
    error.failure.doing = format!("reach {} through {}: {}", target.name, hop.name, error.failure.doing);
    error
}

/// One hop. sshd allows no second user on a connection, so each has one of its own.
async fn step(
    target: &Target,
    through: Option<Connection>,
    shared: &Shared,
) -> Result<Connection, ConnectError> {
    let through = through.map(Arc::new);
    let remembered = shared.remembered(target);
    let mut stories: Vec<(String, Refused)> = Vec::new();
    for user in users(target, remembered.as_ref()) {
        let _turn = shared.turn(target).await;
        let (mut handle, state) = shake_hands(target, through.as_deref(), shared).await?;
        let means = Means {
            keys: shared.keys.clone(),
            passphrase: shared.passphrase.clone(),
            password: shared.password.as_deref(),
            remembered: remembered.as_ref(),
        };
        let login = timeout(LOGIN_DEADLINE, auth::login(&mut handle, target, user, &means)).await;
        match login.map_err(|_| too_long(target, user))?? {
            Login::In(worked) => {
                shared.remember(target, &worked);
                return Ok(Connection::new(handle, state, target, worked, through));
            }
            Login::Refused(story) => stories.push((user.to_string(), story)),
        }
    }
    Err(ConnectError::new(Class::Authentication, Refused::failure(&stories, target)))
}

/// The users in order, the one that worked last time first.
fn users<'a>(target: &'a Target, remembered: Option<&Worked>) -> Vec<&'a str> {
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

/// Connects and agrees on keys, again and again while the sshd is too busy.
async fn shake_hands(
    target: &Target,
    through: Option<&Connection>,
    shared: &Shared,
) -> Result<(Handle<Door>, Arc<State>), ConnectError> {
    let mut pause = BUSY_PAUSE;
    for attempt in 1.. {
        let greeting = Arc::new(std::sync::OnceLock::new());
        let once =
            timeout(target.connect_timeout, shake_hands_once(target, through, shared, &greeting)).await;
        let error = match once {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Attempt::Failed(error))) => return Err(error),
            Ok(Err(Attempt::Busy(said))) if attempt >= BUSY_TRIES => return Err(busy(target, said, attempt)),
            Ok(Err(Attempt::Busy(_))) => None,
            Err(_) => Some(silent(target, greeting.get())),
        };
        if let Some(error) = error {
            return Err(error);
        }
        let jitter = rand::rng().random_range(0.5..1.5);
        sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(BUSY_PAUSE_MAX);
    }
    unreachable!("the attempts are counted above")
}

enum Attempt {
    Failed(ConnectError),
    /// Closed before the banner, with what it said instead.
    Busy(Option<String>),
}

impl From<ConnectError> for Attempt {
    fn from(error: ConnectError) -> Self {
        Attempt::Failed(error)
    }
}

async fn shake_hands_once(
    target: &Target,
    through: Option<&Connection>,
    shared: &Shared,
    seen: &std::sync::OnceLock<Greeting>,
) -> Result<(Handle<Door>, Arc<State>), Attempt> {
    let who = target.who();
    let knowledge = shared
        .known_hosts
        .about(&who, &target.known_hosts)
        .map_err(|why| ConnectError::new(Class::HostKey, why))?;
    let config = Arc::new(preferences(target, &knowledge.algorithms()));
    let wire = match through {
        None => dial(target).await?,
        Some(hop) => hop.tunnel(target).await?,
    };
    let greeting = wire.greeting();
    let _ = seen.set(greeting.clone());
    let state = Arc::new(State::default());
    let door = Door {
        known_hosts: shared.known_hosts.clone(),
        knowledge: Arc::new(knowledge),
        policy: target.policy,
        state: state.clone(),
    };
    match client::connect_stream(config, wire, door).await {
        Ok(handle) => Ok((handle, state)),
        Err(why) => Err(classify(why, &greeting, target)),
    }
}

fn preferences(target: &Target, algorithms: &super::known_hosts::Algorithms) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-windlass_", env!("CARGO_PKG_VERSION")))),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: target.keepalive,
        keepalive_max: target.keepalive_max,
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(algorithms.plain.clone()),
            host_key_certificates: Cow::Owned(algorithms.certificates.clone()),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// Connects a socket: every address of the name, the next one when the one before is slow.
async fn dial(target: &Target) -> Result<Wire, ConnectError> {
    let place = (target.address.as_str(), target.port);
    let addresses: Vec<_> =
        lookup_host(place).await.map_err(|why| unreachable_because(target, why))?.collect();
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .enumerate()
        .map(|(index, address)| async move {
            sleep(NEXT_ADDRESS * index as u32).await;
            TcpStream::connect(address).await
        })
        .collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.next().await {
        match attempt.and_then(Wire::tcp) {
            Ok(wire) => return Ok(wire),
            Err(why) => last = why,
        }
    }
    Err(unreachable_because(target, last))
}

fn doing(target: &Target) -> String {
    format!("connect to {} port {}", target.address, target.port)
}

fn unreachable_because(target: &Target, why: io::Error) -> ConnectError {
    let failure = Failure::new(doing(target), plain(&why.to_string()));
    let failure = match why.kind() {
        io::ErrorKind::ConnectionRefused => failure.hint("is sshd running there, and on this port?"),
        _ => failure,
    };
    ConnectError::new(Class::Unreachable, failure)
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
    let hint = format!("{hint} `connect_timeout` gives it longer");
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

/// What sshd says when it has too many logins under way, or enough of us. Older ones say nothing.
const BUSY_WORDS: &[&str] = &["Exceeded MaxStartups", "Not allowed at this time"];

fn no_banner(said: Option<String>, target: &Target) -> Attempt {
    match said {
        Some(said) if !BUSY_WORDS.iter().any(|words| said.starts_with(words)) => {
            not_ssh(&said, target).into()
        }
        said => Attempt::Busy(said),
    }
}

fn not_ssh(said: &str, target: &Target) -> ConnectError {
    let failure = Failure::new(doing(target), format!("this is not SSH: it says `{said}`"));
    ConnectError::new(Class::Protocol, failure.hint("is the port right?"))
}

fn classify(why: Broken, greeting: &Greeting, target: &Target) -> Attempt {
    let why = match why {
        Broken::Untrusted(failure) => return ConnectError::new(Class::HostKey, failure).into(),
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
