//! One channel of the server: one command, its streams, its signals and its end.

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

/// A command that runs longer is killed.
const COMMAND_LIMIT: Duration = Duration::from_secs(600);

/// Read at once from a command's output, in bytes: what fits into one SSH packet.
const PIECE: usize = 32 * 1024;

/// SSH's number for standard error.
const STDERR: u32 = 1;

/// Waits for a request to run a command, refuses every other one, and runs it in `folder`.
pub async fn serve(channel: Channel<Msg>, handle: Handle, folder: PathBuf) {
    let id = channel.id();
    let (mut messages, out) = channel.split();
    while let Some(message) = messages.wait().await {
        let _client_is_gone = match message {
            ChannelMsg::Exec { command, .. } => {
                let _client_is_gone = handle.channel_success(id).await;
                return run(&command, &folder, messages, &Reply { out, handle }).await;
            }
            ChannelMsg::RequestPty { .. }
            | ChannelMsg::RequestShell { .. }
            | ChannelMsg::RequestSubsystem { .. }
            | ChannelMsg::RequestX11 { .. }
            | ChannelMsg::SetEnv { .. } => handle.channel_failure(id).await,
            _ => Ok(()),
        };
    }
}

/// A command as its host runs it: confined as far as a folder can confine, with nothing of our own environment.
fn spawn(command: &[u8], folder: &Path) -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .current_dir(folder)
        .env_clear()
        .env("WINDLASS_ROOT", folder)
        .env("HOME", folder.join("root"))
        .env("XDG_CACHE_HOME", folder.join("root/.cache"))
        .env("XDG_STATE_HOME", folder.join("root/.local/state"))
        .env("TMPDIR", folder.join("tmp"))
        .env("PATH", folder.join("usr/bin"))
        .envs([("USER", super::USER), ("LOGNAME", super::USER), ("SHELL", "/bin/sh"), ("LC_ALL", "C")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

async fn run(command: &[u8], folder: &Path, messages: ChannelReadHalf, reply: &Reply) {
    match spawn(command, folder) {
        Ok(child) => converse(child, messages, reply).await,
        Err(error) => {
            let text = format!("/bin/sh: {error}\n");
            let _client_is_gone = reply.out.extended_data_bytes(STDERR, text.into_bytes()).await;
            reply.end(ExitStatus::from_raw(127 << 8)).await;
        }
    }
}

/// Carries bytes and signals both ways until the command has ended and its output is sent. As with sshd, a client
/// that goes away only closes the pipes.
async fn converse(mut child: Child, messages: ChannelReadHalf, reply: &Reply) {
    let group = Group::of(&child);
    let stdin = child.stdin.take().expect("it was piped");
    let (stdout, stderr) =
        (child.stdout.take().expect("it was piped"), child.stderr.take().expect("it was piped"));
    let output = async {
        tokio::join!(pump(stdout, None, reply), pump(stderr, Some(STDERR), reply));
        // Only now: until it is waited for, its process id, which `group` may signal, belongs to it.
        child.wait().await
    };
    let input = async {
        feed(messages, stdin, &group).await;
        std::future::pending().await
    };
    let status = tokio::select! {
        status = output => status.unwrap_or_else(|_| ExitStatus::from_raw(255 << 8)),
        () = input => unreachable!("it is pending for ever"),
        () = tokio::time::sleep(COMMAND_LIMIT) => {
            group.signal(Signal::KILL);
            ExitStatus::from_raw(Signal::KILL.as_raw())
        }
    };
    group.has_ended();
    reply.end(status).await;
}

async fn feed(mut messages: ChannelReadHalf, stdin: ChildStdin, group: &Group) {
    let mut stdin = Some(stdin);
    while let Some(message) = messages.wait().await {
        match message {
            ChannelMsg::Data { data } => tell(&mut stdin, &data).await,
            ChannelMsg::Eof | ChannelMsg::Close => stdin = None,
            ChannelMsg::Signal { signal } => numbered(&signal).into_iter().for_each(|one| group.signal(one)),
            _ => {}
        }
    }
}

/// A command that has closed its input gets no more.
async fn tell(stdin: &mut Option<ChildStdin>, data: &[u8]) {
    if let Some(pipe) = stdin
        && pipe.write_all(data).await.is_err()
    {
        *stdin = None;
    }
}

/// Sends what `stream` gives until its end, or until the client is gone: then the pipe closes.
async fn pump(mut stream: impl AsyncRead + Unpin, kind: Option<u32>, reply: &Reply) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let bytes = piece[..length].to_vec();
        let sent = match kind {
            None => reply.out.data_bytes(bytes).await,
            Some(kind) => reply.out.extended_data_bytes(kind, bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The way back to the client.
struct Reply {
    out: ChannelWriteHalf<Msg>,
    handle: Handle,
}

impl Reply {
    /// Tells how the command ended and closes the channel. A client that is gone does not need to know.
    async fn end(&self, status: ExitStatus) {
        let id = self.out.id();
        let _client_is_gone = match (status.code(), status.signal().and_then(named)) {
            (Some(code), _) => self.handle.exit_status_request(id, code as u32).await,
            (None, signal) => {
                let name = signal.unwrap_or(Sig::KILL);
                let core = status.core_dumped();
                self.handle.exit_signal_request(id, name, core, String::new(), String::new()).await
            }
        };
        let _client_is_gone = self.handle.eof(id).await;
        let _client_is_gone = self.handle.close(id).await;
    }
}

/// The processes of a command; they are killed when it is dropped before they have ended.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        Group { leader: child.id().and_then(|id| Pid::from_raw(id as i32)) }
    }

    fn signal(&self, signal: Signal) {
        // A group that has ended meanwhile needs no signal.
        let _gone = self.leader.map(|leader| kill_process_group(leader, signal));
    }

    fn has_ended(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Names and numbers of the signals that SSH knows and a command can get.
fn signals() -> [(Sig, Signal); 9] {
    [
        (Sig::ABRT, Signal::ABORT),
        (Sig::ALRM, Signal::ALARM),
        (Sig::HUP, Signal::HUP),
        (Sig::INT, Signal::INT),
        (Sig::KILL, Signal::KILL),
        (Sig::PIPE, Signal::PIPE),
        (Sig::QUIT, Signal::QUIT),
        (Sig::SEGV, Signal::SEGV),
        (Sig::TERM, Signal::TERM),
    ]
}

fn numbered(name: &Sig) -> Option<Signal> {
    let same = |known: &Sig| mem::discriminant(known) == mem::discriminant(name);
    signals().into_iter().find(|(known, _)| same(known)).map(|(_, signal)| signal)
}

fn named(number: i32) -> Option<Sig> {
    signals().into_iter().find(|(_, signal)| signal.as_raw() == number).map(|(name, _)| name)
}
