//! What a service manager says to us and wants to hear: signals, and systemd's notes (`sd_notify(3)`).

use crate::model::{Doing, Result};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and TERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn new() -> Result<Signals> {
        let interrupt = signal(SignalKind::interrupt()).doing("listen for Ctrl-C")?;
        Ok(Signals {
            interrupt,
            terminate: signal(SignalKind::terminate()).doing("listen for the signal TERM")?,
        })
    }

    /// The next of either.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Tells systemd, when it started us and wants to know.
pub fn notify(note: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    // When systemd does not hear it, it acts by its own rules.
    let _heard_or_not =
        address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(note.as_bytes(), &address));
}
