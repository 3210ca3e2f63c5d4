//! `ProxyCommand`: a program whose input and output are the connection, ended together with it.

use crate::ssh::local::shell;
use crate::trust;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

/// So much of what the program says on standard error is kept for messages.
const WORDS_KEPT: usize = 2048;
/// A program that is asked to end (SIGHUP, as ssh asks) gets so long before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// So long its last words are waited for once its output has ended: it ends both at once.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running program.
pub struct Proxy {
    child: Option<Child>,
    input: Option<ChildStdin>,
    output: ChildStdout,
    words: Words,
}

/// What the program said on standard error, shared with what explains a failure.
#[derive(Clone)]
pub struct Words {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Closed once standard error has ended.
    ended: Arc<Semaphore>,
}

impl Default for Words {
    fn default() -> Self {
        Words { kept: Arc::default(), ended: Arc::new(Semaphore::new(0)) }
    }
}

impl Words {
    /// Waits until the program has said all it will say, for a moment.
    pub async fn wait(&self) {
        let _late = tokio::time::timeout(LAST_WORDS, self.ended.acquire()).await;
    }

    /// The last line, cut to what fits into a message.
    pub fn last_line(&self) -> Option<String> {
        let words =
            String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let line = words.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().filter(|letter| !letter.is_control()).take(200).collect())
    }
}

impl Proxy {
    /// Starts `command` by the user's shell, as ssh does: the shell replaces itself with the program.
    pub fn start(command: &str) -> io::Result<Proxy> {
        let here = std::env::current_dir().unwrap_or_default();
        trust::program::line(command, &here).map_err(|failure| io::Error::other(failure.to_string()))?;
        let mut child = Command::new(shell())
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or_else(pipe)?);
        let words = Words::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep(stderr, words.clone()));
        }
        Ok(Proxy { child: Some(child), input, output, words })
    }

    /// A handle to what it says on standard error.
    pub fn words(&self) -> Words {
        self.words.clone()
    }
}

/// Reads standard error to its end, so that the program never waits for it, and keeps the end of it.
async fn keep(mut stderr: impl AsyncRead + Unpin, words: Words) {
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut kept = words.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let over = kept.len().saturating_sub(WORDS_KEPT);
        kept.drain(..over);
    }
    words.ended.close();
}

/// The program and all that it started are asked to end, and killed when they do not.
impl Drop for Proxy {
    fn drop(&mut self) {
        self.input = None;
        let Some(mut child) = self.child.take() else { return };
        let Some(group) = child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32)) else { return };
        let signal = move |signal| {
            // What has ended already needs no signal.
            let _gone = rustix::process::kill_process_group(group, signal);
        };
        signal(rustix::process::Signal::HUP);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _late = tokio::time::timeout(GRACE, child.wait()).await;
                signal(rustix::process::Signal::KILL);
            });
        }
    }
}

impl AsyncRead for Proxy {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_read(context, buffer)
    }
}

impl Proxy {
    fn input(self: Pin<&mut Self>) -> io::Result<Pin<&mut ChildStdin>> {
        self.get_mut().input.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.input() {
            Ok(input) => input.poll_write(context, bytes),
            Err(why) => Poll::Ready(Err(why)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.input() {
            Ok(input) => input.poll_flush(context),
            Err(why) => Poll::Ready(Err(why)),
        }
    }

    /// Closing its input is how the program learns that the connection ends.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().input = None;
        Poll::Ready(Ok(()))
    }
}
