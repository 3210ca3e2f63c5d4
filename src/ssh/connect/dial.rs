//! From a name to a socket: every address of the host, the next one when the one before is slow, as often as asked for.

use super::names::{Found, Names};
use super::{Class, ConnectError, Target, Wire, doing, plain};
use crate::model::failure::Failure;
use crate::ssh::target::{Family, Socket};
use futures::stream::{FuturesUnordered, StreamExt};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::sleep;

/// The next address of a host is tried when the one before has not answered for so long (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// ssh waits so long between two of `ConnectionAttempts`.
const NEXT_ATTEMPT: Duration = Duration::from_secs(1);

/// The addresses of the target's name, looked up within its `connect_timeout`.
pub async fn look_up(target: &Target, names: &Names) -> Result<Found, ConnectError> {
    let found = names.addresses(&target.address, target.connect_timeout).await;
    found.map_err(|why| {
        let mut error = unreachable_because(target, why);
        if let Some(address) = &target.elsewhere {
            error.failure = error.failure.hint(format!(
                "a jump host is found as ssh finds it, without the inventory: write `{address}` instead of `{0}`, or `Host {0}` with \
                 `HostName {address}` in ~/.ssh/config",
                target.name
            ));
        }
        error
    })
}

/// Connects a socket to one of these addresses.
pub async fn dial(target: &Target, found: &[IpAddr]) -> Result<Wire, ConnectError> {
    let mut attempt = 1;
    loop {
        match once(target, found).await {
            Ok(stream) => {
                let wire = Wire::tcp(stream, target.write_limit());
                return wire.map_err(|why| unreachable_because(target, why));
            }
            Err(why) if attempt >= target.attempts => return Err(unreachable_because(target, why)),
            Err(_) => sleep(NEXT_ATTEMPT).await,
        }
        attempt += 1;
    }
}

async fn once(target: &Target, found: &[IpAddr]) -> io::Result<TcpStream> {
    let wanted = |address: &&IpAddr| match target.socket.family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    let mut attempts: FuturesUnordered<_> = found
        .iter()
        .filter(wanted)
        .enumerate()
        .map(|(index, address)| async move {
            sleep(NEXT_ADDRESS * index as u32).await;
            connect(SocketAddr::new(*address, target.port), &target.socket).await
        })
        .collect();
    let mut last = io::Error::new(
        io::ErrorKind::NotFound,
        match target.socket.family {
            Family::Any => "the name has no address",
            Family::V4 => "the name has no IPv4 address, and AddressFamily is inet",
            Family::V6 => "the name has no IPv6 address, and AddressFamily is inet6",
        },
    );
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, socket: &Socket) -> io::Result<TcpStream> {
    if socket.bind_address.is_none() && socket.bind_interface.is_none() {
        return TcpStream::connect(address).await;
    }
    let unconnected = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(interface) = &socket.bind_interface {
        let bound = unconnected.bind_device(Some(interface.as_bytes()));
        bound.map_err(|why| because(why, &format!("use the interface {interface}")))?;
    }
    if let Some(from) = &socket.bind_address {
        let bound = bind(&unconnected, from, address).await;
        bound.map_err(|why| because(why, &format!("use the address {from} here")))?;
    }
    unconnected.connect(address).await
}

/// Binds to the first address of `from` that is of the same kind.
async fn bind(socket: &TcpSocket, from: &str, to: SocketAddr) -> io::Result<()> {
    let mut own = lookup_host((from, 0)).await?;
    let own = own.find(|own| own.is_ipv4() == to.is_ipv4());
    socket.bind(own.ok_or_else(|| io::Error::other("it is of the other kind of addresses"))?)
}

fn because(why: io::Error, doing: &str) -> io::Error {
    io::Error::new(why.kind(), format!("cannot {doing}: {}", plain(&why.to_string())))
}

fn unreachable_because(target: &Target, why: io::Error) -> ConnectError {
    let failure = Failure::new(doing(target), plain(&why.to_string()));
    let failure = match why.kind() {
        io::ErrorKind::ConnectionRefused => failure.hint("is sshd running there, and on this port?"),
        _ => failure,
    };
    ConnectError::new(Class::Unreachable, failure)
}
