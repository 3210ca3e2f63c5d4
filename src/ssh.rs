//! SSH: connects to a host, knows its key, ships the agent, opens channels. The only place that names russh.
//!
//! `Config` is read once, `Target::resolve` decides how a host is reached, `connect` gets in, `Connection::exec` runs a
//! command. `Shared` holds what the connections of one run have in common.

mod algorithms;
pub mod auth;
pub mod channel;
pub mod config;
mod connect;
mod crowd;
mod elevate;
pub mod explain;
pub mod keys;
pub mod known_hosts;
pub mod local;
mod pattern;
mod proxy;
mod revoked;
pub mod scan;
mod session;
pub mod ship;
pub mod target;
mod wire;

/// Reads what a list of revoked keys holds, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn read_any_revoked(bytes: &[u8]) {
    drop(revoked::Revoked::parse(bytes));
}

pub use channel::{Channel, Chunk, Connection, Exit, Reader, Signal, Writer};
pub use config::{Config, Paths};
pub use connect::connect;
pub use session::Lost;
pub use target::{SecretFrom, Target};

use crate::model::failure::Failure;
use keys::{Keys, Passphrase};
use known_hosts::KnownHosts;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Logins under way at one sshd at the same time. sshd starts to drop connections at ten (MaxStartups 10:30:100), and
/// others may be logging in too.
const LOGINS_PER_SSHD: usize = 8;

/// Asked for the password of a user on a host.
pub type AskPassword = dyn Fn(&str, &str) -> Option<String> + Send + Sync;
/// Asked whether the key of a host is the right one: `None` when there is no terminal to ask on.
pub type ConfirmKey = dyn Fn(&str, &str) -> Option<bool> + Send + Sync;
/// Called with each login that worked at a host, so that it can be tried first next time.
pub type OnAcceptedLogin = dyn Fn(&str, &AcceptedLogin) + Send + Sync;

/// What the connections of one run have in common.
#[derive(Default)]
pub struct Shared {
    known_hosts: Arc<KnownHosts>,
    keys: Arc<Keys>,
    passphrase: Option<Arc<Passphrase>>,
    password: Option<Arc<AskPassword>>,
    confirm: Option<Arc<ConfirmKey>>,
    on_accepted: Option<Box<OnAcceptedLogin>>,
    worked: Mutex<HashMap<String, AcceptedLogin>>,
    logins: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
    moved: Mutex<HashMap<String, Target>>,
    bastions: connect::Bastions,
    crowd: Arc<crowd::Crowd>,
    names: connect::Names,
    #[cfg(test)]
    network: Option<Arc<dyn channel::simulated::Network>>,
}

/// A login that worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLogin {
    pub user: String,
    /// The key's fingerprint, and for a certificate its id and serial.
    pub key: String,
}

impl Shared {
    /// Nothing known, no one to ask.
    pub fn new() -> Shared {
        Shared::default()
    }

    /// Asks `passphrase` for encrypted keys. Called from a thread that may block.
    pub fn with_passphrase(
        mut self,
        passphrase: impl Fn(&Path) -> Option<String> + Send + Sync + 'static,
    ) -> Shared {
        let none = || Failure::new("ask for a passphrase", "no passphrase was given");
        self.passphrase = Some(Arc::new(move |path: &Path| passphrase(path).ok_or_else(none)));
        self
    }

    /// Asks `password` (host, user) where `password_from = "prompt"`. It must answer at once: ask before connecting.
    pub fn with_password(
        mut self,
        password: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Shared {
        self.password = Some(Arc::new(password));
        self
    }

    /// Asks `confirm` (host, key) before the first key of a host is trusted that is then given a password.
    pub fn with_confirmation(
        mut self,
        confirm: impl Fn(&str, &str) -> Option<bool> + Send + Sync + 'static,
    ) -> Shared {
        self.confirm = Some(Arc::new(confirm));
        self
    }

    /// Starts with logins that worked in an earlier run, by `address:port`, and reports new ones to `on_accepted`.
    pub fn with_memory(
        mut self,
        worked: HashMap<String, AcceptedLogin>,
        on_accepted: impl Fn(&str, &AcceptedLogin) + Send + Sync + 'static,
    ) -> Shared {
        self.worked = Mutex::new(worked);
        self.on_accepted = Some(Box::new(on_accepted));
        self
    }

    /// Connects by this instead of by sockets and programs.
    #[cfg(test)]
    pub fn with_network(mut self, network: Arc<dyn channel::simulated::Network>) -> Shared {
        self.network = Some(network);
        self
    }

    /// From now on a host is reached like this: its sshd has moved.
    pub fn moved(&self, target: Target) {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(target.name.clone(), target);
    }

    /// How a host is reached by now.
    pub fn latest(&self, target: &Target) -> Target {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.get(&target.name).unwrap_or(target).clone()
    }

    fn remembered(&self, target: &Target) -> Option<AcceptedLogin> {
        self.worked.lock().unwrap_or_else(PoisonError::into_inner).get(&place(target)).cloned()
    }

    fn remember(&self, target: &Target, worked: &AcceptedLogin) {
        let before =
            self.worked.lock().unwrap_or_else(PoisonError::into_inner).insert(place(target), worked.clone());
        if let Some(tell) = self.on_accepted.as_ref().filter(|_| before.as_ref() != Some(worked)) {
            tell(&place(target), worked);
        }
    }

    /// Waits for a turn to log in at the target's sshd.
    async fn turn(&self, target: &Target) -> OwnedSemaphorePermit {
        let sshd = (target.address.clone(), target.port);
        let logins = self
            .logins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(sshd)
            .or_insert_with(|| Arc::new(Semaphore::new(LOGINS_PER_SSHD)))
            .clone();
        logins.acquire_owned().await.expect("these semaphores are never closed")
    }
}

fn place(target: &Target) -> String {
    format!("{}:{}", target.address, target.port)
}

/// What kind of failure it was: it decides how a host ends, and whether trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What says how to reach the host cannot be honoured. Nothing was contacted.
    Configuration,
    /// No connection: name, network, timeout, refused, hung up.
    Unreachable,
    /// The host is not the one we know, or not known.
    HostKey,
    /// No login was accepted.
    Authentication,
    /// Something other than what SSH prescribes.
    Protocol,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectError {
    pub class: Class,
    pub failure: Failure,
}

impl ConnectError {
    fn new(class: Class, failure: Failure) -> Self {
        ConnectError { class, failure }
    }

    /// For errors of russh after the connection stands.
    fn protocol(target: &Target) -> impl Fn(russh::Error) -> ConnectError {
        let doing = format!("log in to {} port {}", target.address, target.port);
        move |why| ConnectError::new(Class::Protocol, Failure::new(&doing, session::explain(&why)))
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.failure.fmt(out)
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests;
