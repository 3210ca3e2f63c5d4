//! A connection that is logged in, and the commands that run over it.

use super::session::{ClientHandler, Early, FIRST_CHANNEL, Lost, State, explain};
use super::wire::Wire;
use super::{AcceptedLogin, Class, ConnectError, Target};
use crate::model::failure::{Doing, Failure, Result};
use bytes::Bytes;
use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod program;
mod signal;
#[cfg(test)]
pub mod simulated;

pub use program::Launcher;
use program::{Input, Output};
pub use signal::Signal;
use signal::name;

/// A channel must be open within this time: sshd may fork, and PAM may mount a home.
const CHANNEL_DEADLINE: Duration = Duration::from_secs(30);
/// A farewell may take this long.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

/// A connection that is logged in. It ends when it and its channels are dropped.
///
/// Several commands may run at once, but each must be read: one whose output no one takes holds up the others.
pub struct Connection {
    link: Link,
    state: Arc<State>,
    name: String,
    worked: AcceptedLogin,
    /// Whether a channel was opened already; only the first may be used early.
    used: AtomicBool,
    /// Variables that each command is given, if sshd accepts them.
    environment: Vec<(String, String)>,
    /// The connection to the last jump host, which must live as long.
    pub(super) through: Option<Arc<Connection>>,
}

/// What carries the commands.
enum Link {
    Ssh(Handle<ClientHandler>),
    /// No connection at all: each command is a program of this machine.
    Programs(Launcher),
    /// A host that only exists in a test.
    #[cfg(test)]
    Simulated(Arc<dyn simulated::Host>),
}

/// A running command.
pub struct Channel {
    reader: Reader,
    writer: Writer,
}

/// What a command sends.
pub struct Reader {
    source: Source,
    state: Arc<State>,
    closed: bool,
    /// What was read already and is to be read again.
    put_back: VecDeque<Chunk>,
}

/// Where the output of a command comes from.
enum Source {
    Ssh(ChannelReadHalf),
    Program(Output),
}

/// Where the input of a command goes.
enum Sink {
    Ssh(ChannelWriteHalf<Msg>),
    Program(Input),
}

/// What a command is sent.
pub struct Writer {
    half: Arc<Half>,
    /// The bytes of `exec_with_input`, on their way.
    first: Option<JoinHandle<Result<()>>>,
}

/// What both a writer and the task that sends its first bytes need.
struct Half {
    sink: Sink,
    state: Arc<State>,
    closed: watch::Receiver<bool>,
}

/// A piece of what a command sends, in the order it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    Stdout(Bytes),
    Stderr(Bytes),
    /// How it ended. Output may still follow: read until there is no more.
    Exit(Exit),
    /// The connection broke, or the server refused to run the command. Always the last chunk. Without it and without
    /// `Exit` the server closed the channel and said nothing about the command's end.
    Lost(Failure),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    Status(u32),
    /// The name of the signal without SIG, for example `KILL`.
    Signal(String),
}

impl Connection {
    pub(super) fn new(
        handle: Handle<ClientHandler>,
        state: Arc<State>,
        target: &Target,
        worked: AcceptedLogin,
        through: Option<Arc<Connection>>,
    ) -> Self {
        if let Some(through) = &through {
            state.goes_through(&through.name, &through.state);
        }
        Connection {
            link: Link::Ssh(handle),
            state,
            name: target.name.clone(),
            worked,
            used: AtomicBool::new(false),
            environment: target.environment.clone(),
            through,
        }
    }

    /// A host that is reached without SSH.
    pub(super) fn programs(launcher: Launcher, target: &Target, worked: AcceptedLogin) -> Self {
        Connection {
            link: Link::Programs(launcher),
            state: Arc::default(),
            name: target.name.clone(),
            worked,
            used: AtomicBool::new(false),
            environment: Vec::new(),
            through: None,
        }
    }

    /// Runs a command through the login shell of the user.
    pub async fn exec(&self, command: &str) -> Result<Channel> {
        self.exec_with_input(command, Bytes::new()).await
    }

    /// Runs a command and sends it `first` without waiting for anything, which spends the fewest round trips. The
    /// bytes are written while the caller goes on; more may be written after them. An error in sending them is reported by
    /// the next write.
    ///
    /// On the first channel of a connection to OpenSSH the command itself is sent before the channel is confirmed.
    pub async fn exec_with_input(&self, command: &str, first: Bytes) -> Result<Channel> {
        let doing = format!("run a command on {}", self.name);
        let handle = match &self.link {
            Link::Ssh(handle) => handle,
            Link::Programs(launcher) => {
                let (reader, input) = launcher.start(command).doing(doing)?;
                return Ok(self.channel(Source::Program(reader), Sink::Program(input), 0, first));
            }
            #[cfg(test)]
            Link::Simulated(host) => {
                let (reader, input) = simulated::start(host.as_ref(), command);
                return Ok(self.channel(Source::Program(reader), Sink::Program(input), 0, first));
            }
        };
        let opened = timeout(CHANNEL_DEADLINE, self.open(handle, command)).await;
        let why = match opened {
            Ok(Ok(channel)) => {
                let number = channel.id().number();
                let (reader, half) = channel.split();
                return Ok(self.channel(Source::Ssh(reader), Sink::Ssh(half), number, first));
            }
            Ok(Err(russh::Error::Disconnect | russh::Error::SendError)) => self.state.why(),
            Ok(Err(why)) => explain(&why),
            Err(_) => {
                self.state.take_early();
                format!("the server opened no channel within {} s", CHANNEL_DEADLINE.as_secs())
            }
        };
        let failure = Failure::new(doing, why);
        Err(if self.alive() {
            failure.hint("MaxSessions there limits the commands of one connection")
        } else {
            failure
        })
    }

    async fn open(
        &self,
        handle: &Handle<ClientHandler>,
        command: &str,
    ) -> Result<russh::Channel<Msg>, russh::Error> {
        // Variables have to come before the command, so it cannot be sent early.
        let first = !self.used.swap(true, Ordering::Relaxed) && self.environment.is_empty();
        if first {
            self.state.send_early(command);
        }
        let opened = handle.channel_open_session().await;
        let sent = first && matches!(self.state.take_early(), Early::Sent);
        let channel = opened?;
        if sent && channel.id().number() != FIRST_CHANNEL {
            // It cannot happen with the version of russh we pin. If it did, the command went nowhere.
            return Err(russh::Error::Inconsistent);
        }
        for (name, value) in &self.environment {
            channel.set_env(false, name, value).await?;
        }
        if !sent {
            channel.exec(true, command).await?;
        }
        Ok(channel)
    }

    fn channel(&self, source: Source, sink: Sink, number: u32, first: Bytes) -> Channel {
        let (state, closed) = (self.state.clone(), self.state.closed(number).subscribe());
        let half = Arc::new(Half { sink, state: state.clone(), closed });
        let reader = Reader { source, state, closed: false, put_back: VecDeque::new() };
        let mut channel = Channel { reader, writer: Writer { half, first: None } };
        channel.start_sending(first);
        channel
    }

    /// A stream to another sshd through this one.
    pub(super) async fn tunnel(&self, target: &Target) -> Result<Wire, ConnectError> {
        let place = format!("{} port {}", target.address, target.port);
        let failed = |why: String| {
            let failure = Failure::new(format!("connect from {} to {place}", self.name), why);
            ConnectError::new(
                Class::Unreachable,
                failure.hint("is the host up, and does the jump host allow it (AllowTcpForwarding)?"),
            )
        };
        let Link::Ssh(handle) = &self.link else {
            return Err(failed("it is not reached by SSH".to_string()));
        };
        let open = handle.channel_open_direct_tcpip(&target.address, target.port.into(), "127.0.0.1", 0);
        match timeout(CHANNEL_DEADLINE, open).await {
            Ok(Ok(channel)) => {
                let lost = self.state.lost_channel(channel.id().number());
                Ok(Wire::tunnel(channel.into_stream(), lost, target.write_limit()))
            }
            Ok(Err(why)) => Err(failed(explain(&why))),
            Err(_) => Err(failed(format!("no answer within {} s", CHANNEL_DEADLINE.as_secs()))),
        }
    }

    /// Whether the connection stands, as far as we know.
    pub fn alive(&self) -> bool {
        match &self.link {
            Link::Ssh(handle) => !handle.is_closed(),
            Link::Programs(_) => true,
            #[cfg(test)]
            Link::Simulated(host) => host.alive(),
        }
    }

    /// Becomes ready once the connection is gone.
    pub fn lost(&self) -> Lost {
        self.state.lost()
    }

    /// The user and key that logged in.
    pub fn worked(&self) -> &AcceptedLogin {
        &self.worked
    }

    /// How the server introduced itself, for example `SSH-2.0-OpenSSH_9.2p1`.
    pub fn server(&self) -> &str {
        self.state.server()
    }

    /// What the server showed before the login, as it came: escape it before printing.
    pub fn banner(&self) -> String {
        self.state.banner()
    }

    /// Says goodbye and closes. Dropping closes too, without a word.
    pub async fn disconnect(self) {
        if let Link::Ssh(handle) = &self.link {
            let goodbye = handle.disconnect(Disconnect::ByApplication, "", "en");
            // Nothing follows from a farewell that is not heard.
            let _ = timeout(GOODBYE_DEADLINE, goodbye).await;
        }
        if let Some(through) = self.through.and_then(Arc::into_inner) {
            Box::pin(through.disconnect()).await;
        }
    }
}

impl Channel {
    /// The next piece of output, or `None` when the channel is closed.
    pub async fn next(&mut self) -> Option<Chunk> {
        self.reader.next().await
    }

    /// Sends bytes to the command; see `Writer::write` for what to mind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.writer.write(bytes).await
    }

    /// Ends the command's input.
    pub async fn eof(&mut self) -> Result<()> {
        self.writer.eof().await
    }

    /// Sends the command a signal.
    pub async fn signal(&mut self, signal: Signal) -> Result<()> {
        self.writer.signal(signal).await
    }

    /// Gives the channel up. sshd hangs up on the command; what it sends from now on is dropped.
    pub async fn close(&mut self) -> Result<()> {
        self.writer.close().await
    }

    /// Leaves chunks that were read to the next reader.
    pub(super) fn put_back(&mut self, chunks: Vec<Chunk>) {
        self.reader.put_back.extend(chunks);
    }

    /// Sends bytes by a task of its own; further ones are written after them.
    pub(super) fn start_sending(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let sender = self.writer.half.clone();
            self.writer.first = Some(tokio::spawn(async move { sender.send(bytes).await }));
        }
    }

    /// Both directions, for two tasks.
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }
}

impl Reader {
    /// The next piece of output, or `None` when the channel is closed.
    pub async fn next(&mut self) -> Option<Chunk> {
        if let Some(chunk) = self.put_back.pop_front() {
            return Some(chunk);
        }
        let source = match &mut self.source {
            Source::Ssh(half) => half,
            Source::Program(output) => return output.next().await,
        };
        while !self.closed {
            match source.wait().await {
                Some(ChannelMsg::Data { data }) => return Some(Chunk::Stdout(data)),
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) => return Some(Chunk::Stderr(data)),
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    return Some(Chunk::Exit(Exit::Status(exit_status)));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    return Some(Chunk::Exit(Exit::Signal(name(&signal_name))));
                }
                Some(ChannelMsg::Failure) => {
                    return Some(self.end("the server refused to run it".to_string()));
                }
                Some(ChannelMsg::Close) => self.closed = true,
                Some(_) => {}
                None => {
                    let why = self.state.why();
                    return Some(self.end(why));
                }
            }
        }
        None
    }

    fn end(&mut self, why: String) -> Chunk {
        self.closed = true;
        Chunk::Lost(Failure::new("run a command", why))
    }
}

impl Writer {
    /// Sends bytes to the command, waiting while it takes none. Somebody must read meanwhile: a command whose output
    /// no one takes stops reading, and with it the whole connection, as its buffers are small on purpose.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.first().await?;
        self.half.send(bytes).await
    }

    /// Ends the command's input, after everything written so far.
    pub async fn eof(&mut self) -> Result<()> {
        self.first().await?;
        match &self.half.sink {
            Sink::Ssh(half) => half.eof().await.map_err(|_| self.half.gone()),
            Sink::Program(input) => {
                input.end().await;
                Ok(())
            }
        }
    }

    /// Sends the command a signal.
    pub async fn signal(&mut self, signal: Signal) -> Result<()> {
        match &self.half.sink {
            Sink::Ssh(half) => half.signal(signal.of_ssh()).await.map_err(|_| self.half.gone()),
            Sink::Program(input) => input.signal(signal.of_system()).doing("send a signal"),
        }
    }

    /// Gives the channel up.
    pub async fn close(&mut self) -> Result<()> {
        match &self.half.sink {
            Sink::Ssh(half) => half.close().await.map_err(|_| self.half.gone()),
            Sink::Program(input) => {
                input.end().await;
                input.signal(rustix::process::Signal::HUP).doing("end the command")
            }
        }
    }

    async fn first(&mut self) -> Result<()> {
        match &mut self.first {
            None => Ok(()),
            Some(first) => {
                let sent = first.await.unwrap_or_else(|why| Err(Failure::new("send input", why)));
                self.first = None;
                sent
            }
        }
    }
}

impl Half {
    /// Sends bytes, or fails when the channel closes while the window is shut; russh would wait for ever.
    async fn send(&self, bytes: Bytes) -> Result<()> {
        let half = match &self.sink {
            Sink::Ssh(half) => half,
            Sink::Program(input) => {
                let gone = |_| Failure::new("send input", "the command ended before it took all of it");
                return input.send(&bytes).await.map_err(gone);
            }
        };
        let mut closed = self.closed.clone();
        tokio::select! {
            biased;
            sent = half.data_bytes(bytes) => sent.map_err(|_| self.gone()),
            _ = closed.wait_for(|closed| *closed) => {
                Err(Failure::new("send input", "the command ended before it took all of it"))
            }
        }
    }

    fn gone(&self) -> Failure {
        Failure::new("send input", self.state.why())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Sink::Ssh(half) = &self.sink {
            self.state.forget(half.id().number());
        }
    }
}
