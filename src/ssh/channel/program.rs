//! Hosts that are reached without SSH: this machine, and containers of Docker and Podman. Each command is a program here
//! whose input and output are the command's.

use super::{Chunk, Exit};
use crate::model::failure::Failure;
use crate::ssh::local::{self, shell};
use crate::ssh::session::plain;
use crate::ssh::target::Via;
use crate::ssh::{Class, ConnectError, Target};
use bytes::Bytes;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

/// Pieces of output that wait for their reader; then the program waits too.
const PIECES_WAITING: usize = 8;
/// So much output is one piece.
const PIECE_BYTES: usize = 32 * 1024;

/// How commands are started.
#[derive(Clone, Debug, Default)]
pub struct Launcher {
    /// What comes before `-c COMMAND`: a shell here, or one inside a container.
    argv: Vec<String>,
    environment: Vec<(String, String)>,
}

/// The input of a program, and the program itself, to be signalled.
pub struct Input {
    stdin: Mutex<Option<Box<dyn AsyncWrite + Send + Unpin>>>,
    group: Arc<Group>,
}

/// The output of a program.
pub struct Output {
    chunks: mpsc::Receiver<Chunk>,
    _group: Arc<Group>,
}

/// A program and what it started. As sshd does when a channel is given up: they hang up once no one holds them.
struct Group(Option<rustix::process::Pid>);

impl Launcher {
    /// How a host is reached without SSH, and as whom; `None` for a host that is reached by SSH. It runs a command there.
    pub async fn to(target: &Target) -> Result<Option<(Launcher, String)>, ConnectError> {
        let inside = |engine: &str| {
            let user = target.container_user.iter().flat_map(|user| ["--user".to_string(), user.clone()]);
            let start = [engine, "exec", "--interactive"].map(str::to_string).into_iter().chain(user);
            start.chain([target.address.clone(), "/bin/sh".to_string()]).collect()
        };
        let argv: Vec<String> = match target.via {
            Via::Ssh => return Ok(None),
            Via::Local => vec![shell()],
            Via::Docker => inside("docker"),
            Via::Podman => inside("podman"),
        };
        let launcher = Launcher { argv, environment: target.environment.clone() };
        let user = launcher.user(target).await?;
        Ok(Some((launcher, user)))
    }

    /// The user that commands run as, which also shows that they run at all.
    async fn user(&self, target: &Target) -> Result<String, ConnectError> {
        let doing = match target.via {
            Via::Local => "run a command on this machine".to_string(),
            _ => format!("run a command in the container {} by {}", target.address, self.argv[0]),
        };
        let failed = |why: String| {
            let failure = Failure::new(&doing, why);
            let hint = format!("try it by hand: {} -c id", self.argv.join(" "));
            ConnectError::new(Class::Unreachable, failure.hint(hint))
        };
        let running = self.command("id -un").kill_on_drop(true).output();
        let ended = tokio::time::timeout(local::DEADLINE, running).await;
        let ended = ended
            .map_err(|_| failed(format!("no answer within {} s", local::DEADLINE.as_secs())))?
            .map_err(|why| failed(plain(&why.to_string())))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        match ended.status.success() {
            true => Ok(said(&ended.stdout)),
            false => Err(failed(said(&ended.stderr))),
        }
    }

    fn command(&self, text: &str) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).args(["-c", text]).process_group(0);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(home) = std::env::var_os("HOME") {
            command.current_dir(home);
        }
        command
    }

    /// Starts a command: what it sends, and its input.
    pub fn start(&self, text: &str) -> io::Result<(Output, Input)> {
        let mut child =
            self.command(text).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let group = Arc::new(Group(child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32))));
        let stdin = child.stdin.take().map(|stdin| Box::new(stdin) as Box<dyn AsyncWrite + Send + Unpin>);
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        tokio::spawn(watch(child, sender));
        Ok(ends(receiver, stdin, group))
    }
}

fn ends(
    chunks: mpsc::Receiver<Chunk>,
    stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    group: Arc<Group>,
) -> (Output, Input) {
    (Output { chunks, _group: group.clone() }, Input { stdin: Mutex::new(stdin), group })
}

/// The ends of a program that only exists in a test.
#[cfg(test)]
pub fn simulated(
    chunks: mpsc::Receiver<Chunk>,
    stdin: impl AsyncWrite + Send + Unpin + 'static,
) -> (Output, Input) {
    ends(chunks, Some(Box::new(stdin)), Arc::new(Group(None)))
}

/// Carries what a program says to its reader, and how it ended.
async fn watch(mut child: Child, sender: mpsc::Sender<Chunk>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::join!(carry(stdout, Chunk::Stdout, &sender), carry(stderr, Chunk::Stderr, &sender), async {
        let last = match child.wait().await {
            Ok(status) => Chunk::Exit(exit(status)),
            Err(why) => Chunk::Lost(Failure::new("run a command", why)),
        };
        // A reader that is gone wants to know nothing.
        let _gone = sender.send(last).await;
    });
}

async fn carry(from: Option<impl AsyncRead + Unpin>, chunk: fn(Bytes) -> Chunk, to: &mpsc::Sender<Chunk>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(chunk(Bytes::copy_from_slice(&buffer[..count]))).await.is_err() {
            return;
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code as u32),
        (None, Some(9)) => Exit::Signal("KILL".to_string()),
        (None, Some(15)) => Exit::Signal("TERM".to_string()),
        (None, signal) => Exit::Signal(signal.unwrap_or_default().to_string()),
    }
}

impl Input {
    /// Sends bytes, waiting while the program takes none.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.stdin.lock().await {
            Some(stdin) => {
                stdin.write_all(bytes).await?;
                stdin.flush().await
            }
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends the input.
    pub async fn end(&self) {
        *self.stdin.lock().await = None;
    }

    /// Sends the program, and what it started, a signal.
    pub fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        self.group.signal(signal)
    }
}

impl Output {
    /// The next piece.
    pub async fn next(&mut self) -> Option<Chunk> {
        self.chunks.recv().await
    }
}

impl Group {
    fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        let Some(group) = self.0 else { return Ok(()) };
        Ok(rustix::process::kill_process_group(group, signal)?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What has ended already needs no signal.
        let _gone = self.signal(rustix::process::Signal::HUP);
    }
}
