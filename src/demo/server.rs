//! An SSH server on loopback for a host that is a folder: one key may log in and may only run commands, and each
//! command sees the folder as its host.

mod command;

use crate::model::{Doing, Result};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    self, Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelOpenFailure, Disconnect, MethodKind, MethodSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// The user that may log in.
pub const USER: &str = "root";

/// Connections at a time; more wait in the kernel's queue, as they do before a busy sshd.
const CONNECTIONS: usize = 64;

/// Commands at a time on one connection; the same as OpenSSH's `MaxSessions`.
const CHANNELS: usize = 10;

/// Messages that a command has not read yet, of up to 32 KB each. A connection whose command reads nothing waits
/// when they are full.
const UNREAD_MESSAGES: usize = 256;

/// A client that says nothing for this long, not even to a keepalive, is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// Between two keepalives.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// After a failure to accept, such as too many open files, so that it is not tried in a hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server serves.
pub struct FolderHost {
    /// What commands see as `/`, by way of `WINDLASS_ROOT`. Its home is `root` below it, its programs `usr/bin`.
    pub folder: PathBuf,
    /// The host's own key.
    pub host_key: PrivateKey,
    /// The one key that may log in.
    pub client_key: PublicKey,
}

/// A running server. Dropping it stops it and kills what its commands started.
pub struct Server {
    /// Where it listens: loopback, a port that was free.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    /// Connections close when it is dropped.
    _alive: watch::Sender<()>,
}

impl Server {
    /// Starts serving `host`. Must be called inside a tokio runtime.
    pub async fn start(host: FolderHost) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.doing("listen on 127.0.0.1")?;
        let address = listener.local_addr().doing("listen on 127.0.0.1")?;
        let config = Arc::new(config(&host));
        let shared = Arc::new(Shared { host, commands: Mutex::default() });
        let (alive, end) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, config, Arc::downgrade(&shared), end));
        Ok(Server { address, shared, accepting, _alive: alive })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.commands().abort_all();
    }
}

/// What the connections of a server share. They hold it weakly: once the server is gone they can start nothing.
struct Shared {
    host: FolderHost,
    commands: Mutex<JoinSet<()>>,
}

impl Shared {
    fn commands(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        // A set of tasks is whole at any time, also when a holder of the lock has panicked.
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, command: impl Future<Output = ()> + Send + 'static) {
        let mut commands = self.commands();
        // Those that have ended are let go, so that the set holds only what runs.
        while commands.try_join_next().is_some() {}
        commands.spawn(command);
    }

    fn may_log_in(&self, user: &str, key: &PublicKey) -> bool {
        user == USER && key.key_data() == self.host.client_key.key_data()
    }
}

fn config(host: &FolderHost) -> server::Config {
    server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // There is no password to guess: a wrong key may be refused at once.
        auth_rejection_time: Duration::ZERO,
        keys: vec![host.host_key.clone()],
        channel_buffer_size: UNREAD_MESSAGES,
        inactivity_timeout: Some(SILENCE),
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..server::Config::default()
    }
}

async fn accept(
    listener: TcpListener,
    config: Arc<server::Config>,
    shared: Weak<Shared>,
    end: watch::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = Connection { shared: Weak::clone(&shared), channels: 0 };
                tokio::spawn(serve(stream, Arc::clone(&config), connection, end.clone(), slot));
            }
            Err(_full) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one connection until it ends or the server does. How it ends is the client's to tell.
async fn serve(
    stream: TcpStream,
    config: Arc<server::Config>,
    handler: Connection,
    mut end: watch::Receiver<()>,
    _slot: OwnedSemaphorePermit,
) {
    let _slower_without = stream.set_nodelay(true);
    let Ok(session) = server::run_stream(config, stream, handler).await else { return };
    let handle = session.handle();
    tokio::select! {
        _how_it_ended = session => {}
        _dropped = end.changed() => {
            let why = "the host is being taken down".to_string();
            let _gone_already = handle.disconnect(Disconnect::ByApplication, why, String::new()).await;
        }
    }
}

/// One client's connection.
struct Connection {
    shared: Weak<Shared>,
    channels: usize,
}

impl Connection {
    fn judge(&self, user: &str, key: &PublicKey) -> Auth {
        match self.shared.upgrade() {
            Some(shared) if shared.may_log_in(user, key) => Auth::Accept,
            _ => Auth::reject(),
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.judge(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.judge(user, key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.shared.upgrade().filter(|_| self.channels < CHANNELS) {
            Some(shared) => {
                self.channels += 1;
                shared.spawn(command::serve(channel, session.handle(), shared.host.folder.clone()));
                reply.accept().await;
            }
            None => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_close(&mut self, _: russh::ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.channels -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
