//! What windlass answers while russh runs a connection: is this the right host, and what became of the connection.

use super::known_hosts::{Decision, Knowledge, KnownHosts, Rules, show};
use crate::model::failure::Failure;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::ssh_encoding::Decode;
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, Names, cipher};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::watch;

/// The number russh gives to the first channel of a connection. `Early` leans on it, and a test holds it.
pub const FIRST_CHANNEL: u32 = 2;

/// How many commands were sent early, so that a test notices when none is.
#[cfg(test)]
pub static SENT_EARLY: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// The answers for one connection.
pub struct ClientHandler {
    pub known_hosts: Arc<KnownHosts>,
    pub knowledge: Arc<Knowledge>,
    pub rules: Arc<Rules>,
    pub state: Arc<State>,
}

/// What is known of a connection while it runs, shared between russh's task and ours.
#[derive(Default)]
pub struct State {
    lost: watch::Sender<bool>,
    why: Mutex<Option<String>>,
    /// For each channel, whether it is closed. russh leaves a writer that waits for window waiting for ever.
    closed: Mutex<HashMap<u32, watch::Sender<bool>>>,
    early: Mutex<Early>,
    server: OnceLock<String>,
    /// The jump host that the connection goes through: its name, and what is known of its connection.
    through: OnceLock<(String, Arc<State>)>,
    banner: Mutex<String>,
}

/// A command that may be sent before its channel is confirmed, which saves a round trip.
#[derive(Default)]
pub enum Early {
    /// Nothing to send.
    #[default]
    Idle,
    /// To be sent as soon as sshd announces its host keys, which it does right after the login.
    Waiting(String),
    /// Sent.
    Sent,
}

/// Becomes ready once a connection, or one channel of it, is gone.
pub struct Lost {
    gone: bool,
    wait: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Lost {
    /// Ready when it is gone, and ever after.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.gone = self.gone || self.wait.as_mut().poll(context).is_ready();
        if self.gone { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl State {
    /// Becomes ready once the connection is gone.
    pub fn lost(&self) -> Lost {
        let mut lost = self.lost.subscribe();
        let wait = async move {
            // An error means that the sender is gone, and so is the connection.
            let _ = lost.wait_for(|lost| *lost).await;
        };
        Lost { gone: false, wait: Box::pin(wait) }
    }

    /// Becomes ready once the channel is closed or the connection is gone; the channel is forgotten with what is returned.
    pub fn lost_channel(self: &Arc<Self>, channel: u32) -> Lost {
        struct Forgotten(Arc<State>, u32);
        impl Drop for Forgotten {
            fn drop(&mut self) {
                self.0.forget(self.1);
            }
        }
        let mut closed = self.closed(channel).subscribe();
        let forgotten = Forgotten(self.clone(), channel);
        let wait = async move {
            let _until_then = forgotten;
            let _gone = closed.wait_for(|closed| *closed).await;
        };
        Lost { gone: false, wait: Box::pin(wait) }
    }

    /// Why the connection ended.
    pub fn why(&self) -> String {
        if let Some((name, through)) = self.through.get().filter(|(_, through)| *through.lost.borrow()) {
            return format!("the connection through {name} was lost: {}", through.why());
        }
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        why.unwrap_or_else(|| "the connection was closed".to_string())
    }

    /// The connection goes through another one.
    pub fn goes_through(&self, name: &str, through: &Arc<State>) {
        let _set_once = self.through.set((name.to_string(), through.clone()));
    }

    /// Whether a channel is closed, as it changes. It does not matter who asks first, russh's task or ours.
    pub fn closed(&self, channel: u32) -> watch::Sender<bool> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.entry(channel).or_insert_with(|| watch::Sender::new(*self.lost.borrow())).clone()
    }

    fn close(&self, channel: u32) {
        if let Some(closed) = self.closed.lock().unwrap_or_else(PoisonError::into_inner).get(&channel) {
            closed.send_replace(true);
        }
    }

    /// Forgets a channel that no one uses any more.
    pub fn forget(&self, channel: u32) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
    }

    /// Leaves a command to be sent early, if the server is one that understands it.
    pub fn send_early(&self, command: &str) {
        if self.server().starts_with("SSH-2.0-OpenSSH_") {
            *self.early.lock().unwrap_or_else(PoisonError::into_inner) = Early::Waiting(command.to_string());
        }
    }

    /// What became of the command left by `send_early`; from now on it will not be sent any more.
    pub fn take_early(&self) -> Early {
        std::mem::take(&mut self.early.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How the server introduced itself, for example `SSH-2.0-OpenSSH_9.2p1`.
    pub fn server(&self) -> &str {
        self.server.get().map_or("", String::as_str)
    }

    /// What the server showed before the login, cut to a bounded size.
    pub fn banner(&self) -> String {
        self.banner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self, why: String) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.lost.send_replace(true);
        for closed in self.closed.lock().unwrap_or_else(PoisonError::into_inner).values() {
            closed.send_replace(true);
        }
    }
}

/// What ends a connection before it can be used.
#[derive(Debug)]
pub enum Broken {
    /// russh's own reasons.
    Ssh(russh::Error),
    /// We do not trust the host.
    Untrusted(Failure),
    /// The person who started the run has to compare the key of the host first.
    Unconfirmed(Box<PublicKey>),
    /// The encryption it offers can be tampered with.
    Weak(Failure),
}

impl From<russh::Error> for Broken {
    fn from(why: russh::Error) -> Self {
        Broken::Ssh(why)
    }
}

/// So much of a login banner is kept.
const BANNER_BYTES: usize = 4096;

// Nothing was asked of the server that would make it open a channel to us, so each such request is refused; russh
// would accept them, forwarded agents included. Dropping the reply refuses.
macro_rules! refuse {
    ($($name:ident($($argument:ty),*)),* $(,)?) => {
        $(async fn $name(&mut self, _: Channel<Msg>, $(_: $argument,)* _: ChannelOpenHandle, _: &mut Session) -> Result<(), Broken> {
            Ok(())
        })*
    };
}

impl Handler for ClientHandler {
    type Error = Broken;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        // Writing a new key down waits for a file lock, which no task of the runtime may do.
        let (known_hosts, knowledge, rules) =
            (self.known_hosts.clone(), self.knowledge.clone(), self.rules.clone());
        let shown = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone().into(),
            PublicKeyOrCertificate::Certificate(certificate) => certificate.clone().into(),
        };
        let decision =
            tokio::task::spawn_blocking(move || known_hosts.verify(&knowledge, &shown, &rules)).await;
        match decision {
            Ok(Ok(Decision::Trust)) => Ok(true),
            Ok(Ok(Decision::Ask(key))) => Err(Broken::Unconfirmed(key)),
            Ok(Err(why)) => Err(Broken::Untrusted(why)),
            Err(why) => Err(Broken::Untrusted(Failure::new("check the host key", why))),
        }
    }

    /// Terrapin (CVE-2023-48795): without strict key exchange an attacker can cut packets out of a connection
    /// encrypted with ChaCha20-Poly1305. CBC ciphers are never offered.
    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        names: &Names,
        session: &mut Session,
    ) -> Result<(), Broken> {
        let server = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let _ = self.state.server.set(server);
        if names.cipher == cipher::CHACHA20_POLY1305 && !names.strict_kex() {
            let why = "the server has no strict key exchange, and no cipher that is safe without";
            return Err(Broken::Weak(
                Failure::new("agree on encryption", why)
                    .hint("update its sshd, or allow aes256-gcm@openssh.com there"),
            ));
        }
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Broken> {
        let mut kept = self.state.banner.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BANNER_BYTES.saturating_sub(kept.len());
        kept.extend(banner.chars().take(room));
        Ok(())
    }

    /// sshd says this right after the login, when our request for a channel is on its way but not answered. The
    /// command can follow at once: sshd's number of the first channel is 0, which is also what russh assumes of a
    /// channel that is not confirmed. When the request has not left yet nothing is done, and the command goes the
    /// ordinary way.
    async fn openssh_ext_host_keys_announced(
        &mut self,
        _: Vec<PublicKey>,
        session: &mut Session,
    ) -> Result<(), Broken> {
        let mut early = self.state.early.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = ChannelId::decode(&mut &FIRST_CHANNEL.to_be_bytes()[..]).map_err(russh::Error::from)?;
        if let Early::Waiting(command) = &*early
            && session.sender_window_size(channel) > 0
        {
            session.exec(channel, true, command.as_bytes())?;
            *early = Early::Sent;
            #[cfg(test)]
            SENT_EARLY.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        channel: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Broken> {
        self.state.closed(channel.number());
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Broken> {
        self.state.close(channel.number());
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Broken>) -> Result<(), Broken> {
        self.state.end(match &reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                format!("the server closed the connection: {}", said.message)
            }
            DisconnectReason::Error(why) => why.to_string(),
        });
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(why) => Err(why),
        }
    }

    refuse! {
        server_channel_open_forwarded_tcpip(&str, u32, &str, u32),
        server_channel_open_forwarded_streamlocal(&str),
        server_channel_open_agent_forward(),
        server_channel_open_session(),
        server_channel_open_direct_tcpip(&str, u32, &str, u32),
        server_channel_open_direct_streamlocal(&str),
        server_channel_open_x11(&str, u32),
    }
}

/// russh's task may also end without a message, for example when its socket cannot be shut down.
impl Drop for ClientHandler {
    fn drop(&mut self) {
        self.state.end("the connection was closed".to_string());
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Untrusted(failure) | Broken::Weak(failure) => out.write_str(&failure.why),
            Broken::Unconfirmed(key) => write!(out, "its key {} is not confirmed", show(key)),
            Broken::Ssh(why) => out.write_str(&explain(why)),
        }
    }
}

/// russh's errors in the words of this program.
pub fn explain(why: &russh::Error) -> String {
    match why {
        russh::Error::Disconnect | russh::Error::HUP => "the server closed the connection".to_string(),
        russh::Error::KeepaliveTimeout => "the server stopped answering".to_string(),
        russh::Error::NoCommonAlgo { kind, ours, theirs } => format!(
            "no {} in common: we take {}, the server {}",
            format!("{kind:?}").to_lowercase(),
            ours.join(" "),
            theirs.join(" ")
        ),
        russh::Error::ChannelOpenFailure(why) => {
            format!("the server refused: {}", why.description().to_lowercase())
        }
        russh::Error::IO(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_string()
        }
        russh::Error::IO(why) => plain(&why.to_string()),
        other => plain(&other.to_string()),
    }
}

/// A library's message the way ours look: lower case, no operating system number.
pub fn plain(message: &str) -> String {
    let message = message.split(" (os error").next().unwrap_or(message);
    let mut letters = message.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
