//! The seam for networks that only exist in a test: connections whose commands are queues instead of sockets.

use super::program::{self, Input, Output};
use super::{Chunk, Connection, Launcher, Link};
use crate::ssh::{AcceptedLogin, ConnectError, Target};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Stands for everything between the controller and its hosts.
pub trait Network: Send + Sync {
    /// Connects to a host and logs in, or fails as the network pleases.
    fn connect<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Connection, ConnectError>>;
}

/// A host that is logged in to.
pub trait Host: Send + Sync {
    /// Starts a command: what it says, and where its input goes.
    fn start(&self, command: &str) -> (mpsc::Receiver<Chunk>, DuplexStream);

    /// Whether the connection stands, as far as the controller can know.
    fn alive(&self) -> bool;
}

/// The connection to a host.
pub fn connected(host: Arc<dyn Host>, target: &Target) -> Connection {
    let worked = AcceptedLogin { user: target.users[0].clone(), key: String::new() };
    let programs = Connection::programs(Launcher::default(), target, worked);
    Connection { link: Link::Simulated(host), ..programs }
}

/// Both ends of a command there.
pub fn start(host: &dyn Host, command: &str) -> (Output, Input) {
    let (said, input) = host.start(command);
    program::simulated(said, input)
}
