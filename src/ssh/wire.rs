//! The byte stream under an SSH connection: a TCP socket, a channel through a jump host, or a program.
//!
//! It does four things russh does not. It re-arms TCP_QUICKACK after each read, since a delayed ACK waits 40 ms for
//! sshd's Nagle, several times a login. It keeps the first bytes, so that "closed before the banner", which is how an
//! overloaded sshd says no, can be distinguished from other endings. And russh reads nothing while it writes, so a write
//! that has to wait reads ahead, since what it waits for may arrive only behind what has arrived already: through a
//! bastion, room to write comes over the same connection as data. Such a write fails once what carries it is gone, or
//! takes nothing for too long.

use super::Lost;
use super::proxy::{Proxy, Words};
use bytes::{Buf, BytesMut};
use russh::ChannelStream;
use russh::client::Msg;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// So much of what a server says first is kept.
const GREETING_BYTES: usize = 1024;

/// So much is read ahead of russh: what an honest server may send before it hears from us again, which is a window for
/// each of the few commands that run at once.
const AHEAD_BYTES: usize = 64 << 20;
/// Bytes that are read ahead at a time.
const PIECE_BYTES: usize = 8 << 10;

/// The stream that russh reads and writes.
pub struct Wire {
    stream: Stream,
    greeting: Greeting,
    ahead: Ahead,
    patience: Patience,
}

enum Stream {
    Tcp(TcpStream),
    Program(Box<Proxy>),
    Tunnel(Box<ChannelStream<Msg>>, Lost),
}

/// What was read while a write waited.
#[derive(Default)]
struct Ahead {
    bytes: BytesMut,
    /// Nothing follows.
    ended: bool,
}

/// How long a write may wait, and how long the one that waits may still wait. A socket needs none: its kernel watches it.
struct Patience {
    limit: Duration,
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Fails when nothing was written since the first time that this was asked.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.limit;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(limit)));
        over.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The first bytes a server sent, shared with what explains a failure.
#[derive(Clone, Default)]
pub struct Greeting {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// When the server introduced itself.
    since: Arc<OnceLock<Instant>>,
    /// What the program said on standard error that carries the connection.
    words: Option<Words>,
}

impl Wire {
    /// Over a socket, tuned for short conversations. A write is given up when nothing of it is taken for `limit`.
    pub fn tcp(stream: TcpStream, limit: Duration) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_tcp_user_timeout(&stream, limit.as_millis() as u32)?;
        rustix::net::sockopt::set_tcp_quickack(&stream, true)?;
        Ok(Wire::over(Stream::Tcp(stream), Greeting::default(), limit))
    }

    /// Through a channel of another connection; `lost` becomes ready once the channel is closed.
    pub fn tunnel(channel: ChannelStream<Msg>, lost: Lost, limit: Duration) -> Wire {
        Wire::over(Stream::Tunnel(Box::new(channel), lost), Greeting::default(), limit)
    }

    /// Over the input and output of a program.
    pub fn program(program: Proxy, limit: Duration) -> Wire {
        let greeting = Greeting { words: Some(program.words()), ..Greeting::default() };
        Wire::over(Stream::Program(Box::new(program)), greeting, limit)
    }

    fn over(stream: Stream, greeting: Greeting, limit: Duration) -> Wire {
        Wire { stream, greeting, ahead: Ahead::default(), patience: Patience { limit, over: None } }
    }

    /// Whether the other end is on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()),
            Stream::Program(..) | Stream::Tunnel(..) => false,
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
        drop(kept);
        if self.since.get().is_none() && self.is_ssh() {
            self.since.get_or_init(Instant::now);
        }
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

    /// When it did so.
    pub fn since(&self) -> Option<Instant> {
        self.since.get().copied()
    }

    /// What it said instead, on one line and without control characters.
    pub fn said(&self) -> Option<String> {
        let line = self.text().lines().next().unwrap_or_default().trim().chars().take(80).collect::<String>();
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        (!clean.is_empty()).then_some(clean)
    }
}

impl Stream {
    fn read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => {
                let outcome = Pin::new(&mut *stream).poll_read(context, buffer);
                if outcome.is_ready() {
                    // The kernel forgets the option after a while. Failing costs time only, so it is no error.
                    let _ = rustix::net::sockopt::set_tcp_quickack(&*stream, true);
                }
                outcome
            }
            Stream::Program(program) => Pin::new(program).poll_read(context, buffer),
            Stream::Tunnel(channel, _) => Pin::new(channel).poll_read(context, buffer),
        }
    }

    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Program(program) => Pin::new(program).poll_write(context, bytes),
            Stream::Tunnel(channel, lost) => match lost.poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => Pin::new(channel).poll_write(context, bytes),
            },
        }
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Program(program) => Pin::new(program).poll_flush(context),
            Stream::Tunnel(channel, _) => Pin::new(channel).poll_flush(context),
        }
    }

    fn shut_down(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Program(program) => Pin::new(program).poll_shutdown(context),
            Stream::Tunnel(channel, lost) => match lost.poll(context) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => Pin::new(channel).poll_shutdown(context),
            },
        }
    }
}

impl Ahead {
    /// Reads all that has arrived.
    fn fill(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> io::Result<()> {
        let mut piece = [0; PIECE_BYTES];
        while !self.ended {
            let mut buffer = ReadBuf::new(&mut piece);
            match stream.read(context, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(outcome) => outcome?,
            }
            self.ended = buffer.filled().is_empty();
            if self.bytes.len() + buffer.filled().len() > AHEAD_BYTES {
                let why = format!("the server sent {} MiB and took nothing meanwhile", AHEAD_BYTES >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            self.bytes.extend_from_slice(buffer.filled());
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Wire { stream, greeting, ahead, .. } = self.get_mut();
        let before = buffer.filled().len();
        let outcome = if ahead.bytes.is_empty() && !ahead.ended {
            stream.read(context, buffer)
        } else {
            let count = ahead.bytes.len().min(buffer.remaining());
            buffer.put_slice(&ahead.bytes[..count]);
            ahead.bytes.advance(count);
            Poll::Ready(Ok(()))
        };
        if outcome.is_ready() {
            greeting.note(&buffer.filled()[before..]);
        }
        outcome
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Wire { stream, ahead, patience, .. } = self.get_mut();
        let outcome = stream.write(context, bytes);
        if outcome.is_ready() {
            patience.over = None;
            return outcome;
        }
        ahead.fill(stream, context)?;
        match stream {
            Stream::Tcp(_) => Poll::Pending,
            Stream::Program(_) | Stream::Tunnel(..) => patience.wait(context),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.flush(context)
    }

    /// What still arrives is dropped: a bastion's other hosts must not wait until it is read.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Wire { stream, ahead, .. } = self.get_mut();
        let outcome = stream.shut_down(context);
        if outcome.is_pending() {
            ahead.bytes.clear();
            ahead.fill(stream, context)?;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// The clock jumps ahead whenever nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_nothing_is_given_up() {
        let limit = Duration::from_secs(5);
        let mut wire = Wire::program(Proxy::start("sleep 1000").unwrap(), limit);
        let started = tokio::time::Instant::now();
        let error = wire.write_all(&vec![0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < 2 * limit, "{:?}", started.elapsed());
    }
}
