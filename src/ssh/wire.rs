//! The byte stream under an SSH connection: a TCP socket, a channel through a jump host, or a program.
//!
//! It does three things russh does not. It re-arms TCP_QUICKACK after each read, since a delayed ACK waits 40 ms for
//! sshd's Nagle, several times a login. It keeps the first bytes, so that "closed before the banner", which is how an
//! overloaded sshd says no, can be distinguished from other endings. And a write into a tunnel fails once the tunnel is gone;
//! russh would wait for its window for ever.

use super::Lost;
use super::proxy::{Proxy, Words};
use russh::ChannelStream;
use russh::client::Msg;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// So much of what a server says first is kept.
const GREETING_BYTES: usize = 1024;
/// The kernel gives up on bytes that no one acknowledged for this long: russh's keepalive cannot run while a write is
/// stuck. Slightly more than the default keepalive needs.
const UNACKNOWLEDGED: Duration = Duration::from_secs(75);

/// The stream that russh reads and writes.
pub struct Wire {
    stream: Stream,
    greeting: Greeting,
}

enum Stream {
    Tcp(TcpStream),
    Program(Box<Proxy>),
    Tunnel(Box<ChannelStream<Msg>>, Lost),
}

/// The first bytes a server sent, shared with what explains a failure.
#[derive(Clone, Default)]
pub struct Greeting {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// What the program said on standard error that carries the connection.
    words: Option<Words>,
}

impl Wire {
    /// Over a socket, tuned for short conversations.
    pub fn tcp(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED.as_millis() as u32)?;
        rustix::net::sockopt::set_tcp_quickack(&stream, true)?;
        Ok(Wire { stream: Stream::Tcp(stream), greeting: Greeting::default() })
    }

    /// Through a channel of another connection, which reports its end as `lost`.
    pub fn tunnel(channel: ChannelStream<Msg>, lost: Lost) -> Wire {
        Wire { stream: Stream::Tunnel(Box::new(channel), lost), greeting: Greeting::default() }
    }

    /// Over the input and output of a program.
    pub fn program(program: Proxy) -> Wire {
        let greeting = Greeting { words: Some(program.words()), ..Greeting::default() };
        Wire { stream: Stream::Program(Box::new(program)), greeting }
    }

    /// Whether the other end is on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()),
            Stream::Program(_) | Stream::Tunnel(..) => false,
        }
    }

    /// A handle to the first bytes, to be asked after a failure.
    pub fn greeting(&self) -> Greeting {
        self.greeting.clone()
    }
}

impl Greeting {
    fn note(&self, bytes: &[u8]) {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = GREETING_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The last words of the program that carries the connection.
    pub fn complaint(&self) -> Option<String> {
        self.words.as_ref()?.last_line()
    }

    /// Waits for the last words of the program that carries the connection.
    pub async fn last_words(&self) {
        if let Some(words) = &self.words {
            words.wait().await;
        }
    }

    /// Whether it is a program that carries the connection.
    pub fn is_program(&self) -> bool {
        self.words.is_some()
    }

    /// Whether the server introduced itself as an SSH server.
    pub fn is_ssh(&self) -> bool {
        self.text().lines().any(|line| line.starts_with("SSH-"))
    }

    /// What it said instead, on one line and without control characters.
    pub fn said(&self) -> Option<String> {
        let line = self.text().lines().next().unwrap_or_default().trim().chars().take(80).collect::<String>();
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        (!clean.is_empty()).then_some(clean)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let outcome = match &mut wire.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Program(program) => Pin::new(program).poll_read(context, buffer),
            Stream::Tunnel(channel, _) => Pin::new(channel).poll_read(context, buffer),
        };
        if outcome.is_ready() {
            wire.greeting.note(&buffer.filled()[before..]);
            if let Stream::Tcp(stream) = &wire.stream {
                // The kernel forgets the option after a while. Failing costs time only, so it is no error.
                let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
            }
        }
        outcome
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Program(program) => Pin::new(program).poll_write(context, bytes),
            Stream::Tunnel(channel, lost) => match lost.poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => Pin::new(channel).poll_write(context, bytes),
            },
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Program(program) => Pin::new(program).poll_flush(context),
            Stream::Tunnel(channel, _) => Pin::new(channel).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Program(program) => Pin::new(program).poll_shutdown(context),
            Stream::Tunnel(channel, lost) => match lost.poll(context) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => Pin::new(channel).poll_shutdown(context),
            },
        }
    }
}
