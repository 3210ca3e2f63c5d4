//! Runs one process in a group of its own: feeds it, listens to it without ever waiting for what a daemon it left
//! behind may still say, and ends it in time.

use super::flow::{Feed, Stream};
use super::keeper::Keeper;
use super::program;
use super::root::{Root, real_path};
use super::{Local, refused};
use crate::model::event;
use crate::model::op::{Answer, Command};
use crate::model::{Failure, Result};
use crate::system::user::Identity;
use crate::system::{Flow, Listener, OUTPUT_KEPT, Probe};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// Once the process has ended, its output is over when nothing came for this long: who still holds it is a daemon.
const QUIET: Duration = Duration::from_millis(50);

/// A daemon that never stops talking is listened to no longer than this after the process has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often an end is looked for when nothing else wakes us: seldom, but soon at first.
const TICKS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(32)];

const OUT_OF_TIME: i32 = 124;

/// The process groups that are running now.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<Vec<Pid>>>);

/// Whether something ends a command that its agent does not live to end.
pub enum Kept<'a> {
    /// Nothing: it only looks, or changes nothing of the host.
    Alone,
    /// This does.
    By(&'a mut Keeper),
}

/// Kills what is running, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Running);

impl Stopper {
    /// Kills every process group that is running now. What is started later is not touched.
    pub fn kill(&self) {
        for group in self.0.groups().iter() {
            // A group that has just ended needs no killing.
            let _gone = kill_process_group(*group, Signal::KILL);
        }
    }
}

impl Kept<'_> {
    fn watches(&mut self, child: &Child) -> std::io::Result<()> {
        match self {
            Kept::Alone => Ok(()),
            Kept::By(keeper) => keeper.watches(Pid::from_child(child)),
        }
    }
}

impl Running {
    /// A handle that kills.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.clone())
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Local {
    /// Runs a command that may change something. While the host's lock is ours, a killed agent leaves nothing of it running.
    pub(super) fn execute_kept(&self, command: &Command, flow: Flow) -> Result<Answer> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let doing = |error| super::failed(&format!("prepare to run {}", command.shown()), &error);
        // One that was killed is replaced.
        if keeper.as_mut().is_none_or(|keeper| keeper.expects().is_err()) {
            *keeper = self.start_keeper().map_err(doing)?;
        }
        let Some(keeper) = keeper.as_mut() else {
            return self.execute(command, flow, &mut Kept::Alone);
        };
        let answer = self.execute(command, flow, &mut Kept::By(keeper));
        let _gone = keeper.forgets();
        answer
    }

    /// Without a lock nothing is changed.
    pub(super) fn start_keeper(&self) -> std::io::Result<Option<Keeper>> {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lock) = locks.first() else { return Ok(None) };
        let mut keeper = Keeper::start(lock.try_clone()?)?;
        keeper.expects()?;
        Ok(Some(keeper))
    }

    /// Runs a command.
    pub(super) fn execute(&self, command: &Command, flow: Flow, by: &mut Kept<'_>) -> Result<Answer> {
        match self.spawn(command)? {
            Err(no_program) => Ok(no_program),
            Ok(child) => {
                // A keeper that is gone ends nothing: the command is watched over as if there were none.
                let _gone = by.watches(&child);
                flow.starts();
                attend(child, command, &self.running, flow)
            }
        }
    }

    /// Starts a command, which counts as running until it is attended to its end. The answer where there is no such program.
    pub(super) fn spawn(&self, command: &Command) -> Result<Result<Child, Answer>> {
        let doing = format!("run {}", command.shown());
        let Some(name) = command.argv.first() else {
            return Err(Failure::new("run a command", "it is empty"));
        };
        let user = command.user.as_deref().map(|user| Identity::of(self, user)).transpose()?;
        let environment = program::environment(&self.root, command, user.as_ref());
        let path = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let Some(program) = program::find(&self.root, name, &path) else { return Ok(Err(no_program(name))) };
        let home = environment.get(OsStr::new("HOME")).map(PathBuf::from);
        let is_other = user.as_ref().is_some_and(|user| !user.is_ours());
        let directory = self.directory(command, home, is_other, &doing)?;
        if let Some(wrapped) = &command.program
            && let Err(error) = self.expect_program(wrapped, &path, &directory)
        {
            return no_start(wrapped, &doing, &error);
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place that runs processes")]
        let mut process = std::process::Command::new(program);
        process.arg0(name).args(&command.argv[1..]).env_clear().envs(environment).current_dir(directory);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        match start(process, user.filter(|user| !user.is_ours())) {
            Ok(child) => {
                self.running.groups().push(Pid::from_child(&child));
                Ok(Ok(child))
            }
            Err(error) => no_start(name, &doing, &error),
        }
    }

    /// Fails as the start of a program would. A shell that comes first would start in any case.
    fn expect_program(&self, name: &str, path: &OsStr, directory: &Path) -> std::io::Result<()> {
        let program = program::find(&self.root, name, path).map(|program| directory.join(program));
        match program {
            Some(program) if program::runs(&program) => match program::interpreter(&program) {
                Some(interpreter) if !directory.join(&interpreter).exists() => {
                    Err(ErrorKind::NotFound.into())
                }
                _ => Ok(()),
            },
            Some(program) if program.exists() => Err(ErrorKind::PermissionDenied.into()),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Where the command runs: a login whose home directory is missing starts in `/`. No link of another user leads there;
    /// a command that runs as another user can do no more than that user.
    fn directory(
        &self,
        command: &Command,
        home: Option<PathBuf>,
        is_other: bool,
        doing: &str,
    ) -> Result<PathBuf> {
        let existing = |path: &Path| self.existing(path).map_err(|errno| refused(doing, errno));
        match command.directory.as_deref() {
            Some(path) if is_other => return existing(path),
            Some(path) => return existing(&self.follow(path)?),
            None => {}
        }
        let home = home.filter(|home| command.login && home.is_absolute());
        home.and_then(|home| existing(&home).ok()).map_or_else(|| existing(Path::new("/")), Ok)
    }

    fn existing(&self, path: &Path) -> rustix::io::Result<PathBuf> {
        let open = self.root.open(path, OFlags::PATH | OFlags::DIRECTORY)?;
        match &self.root {
            Root::Host => Ok(path.into()),
            Root::Folder(..) => real_path(&open),
        }
    }
}

/// Looks after a command that runs until it has ended.
pub(super) fn attend(child: Child, command: &Command, running: &Running, flow: Flow) -> Result<Answer> {
    let mut attended = Attended::new(child, command, running, flow);
    let looked_after = attended.look_after();
    if looked_after.is_err() {
        // Before its input is closed: it must not take for an end what is none.
        attended.signal(Signal::KILL);
    }
    let answer = attended.answer().and_then(|answer| looked_after.map(|()| answer));
    answer.map_err(|error| super::failed(&format!("run {}", command.shown()), &error))
}

/// What comes of a program that could not be started.
fn no_start(name: &str, doing: &str, error: &std::io::Error) -> Result<Result<Child, Answer>> {
    match error.kind() {
        ErrorKind::NotFound => Ok(Err(no_program(name))),
        _ => Err(super::failed(doing, error)),
    }
}

fn no_program(name: &str) -> Answer {
    let stderr =
        format!("{name}: no such program, or the interpreter in its first line is missing\n").into_bytes();
    Answer { status: Answer::NO_PROGRAM, total: stderr.len() as u64, stderr, stdout: Vec::new() }
}

/// Identity belongs to a thread on Linux. One that ends right afterwards takes it on, so that the process is that user
/// from its first instruction and nothing here ever is.
fn start(mut process: std::process::Command, user: Option<Identity>) -> std::io::Result<Child> {
    let Some(user) = user else { return process.spawn() };
    let starter = std::thread::spawn(move || {
        user.assume()?;
        process.spawn()
    });
    starter.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it ended early")))
}

/// A process while it is looked after.
struct Attended<'a, 'f> {
    child: Child,
    group: Pid,
    running: &'a Running,
    feed: Feed<'f>,
    stdout: Stream<'f>,
    stderr: Stream<'f>,
    listener: Option<&'f mut dyn Listener>,
    end: End,
    ended_at: Option<Instant>,
    tick: Duration,
}

/// What its time limit has come to.
enum End {
    Unlimited,
    At(Instant),
    Asked(Instant),
    Killed,
}

impl<'a, 'f> Attended<'a, 'f> {
    fn new(mut child: Child, command: &Command, running: &'a Running, flow: Flow<'f>) -> Self {
        let kept = flow.kept.unwrap_or(OUTPUT_KEPT);
        let group = Pid::from_child(&child);
        let end = command
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout))
            .map_or(End::Unlimited, End::At);
        let feed = Feed::new(child.stdin.take(), &command.stdin, flow.input);
        let stdout =
            Stream::new(event::Stream::Stdout, child.stdout.take().map(Into::into), kept, flow.output);
        let stderr = Stream::new(event::Stream::Stderr, child.stderr.take().map(Into::into), kept, None);
        let listener = flow.listener;
        Attended {
            child,
            group,
            running,
            feed,
            stdout,
            stderr,
            listener,
            end,
            ended_at: None,
            tick: TICKS[0],
        }
    }

    fn look_after(&mut self) -> std::io::Result<()> {
        self.feed.pipe().into_iter().try_for_each(|pipe| ioctl_fionbio(pipe, true))?;
        [&self.stdout, &self.stderr]
            .into_iter()
            .flat_map(|stream| &stream.pipe)
            .try_for_each(|pipe| ioctl_fionbio(pipe, true))?;
        while !self.is_over() {
            let woken = self.wait()?;
            self.feed.write()?;
            let heard = self.stdout.listen(&mut self.listener)? | self.stderr.listen(&mut self.listener)?;
            self.listener.iter_mut().for_each(|listener| listener.tick());
            self.tick = if heard { TICKS[0] } else { (self.tick * 2).min(TICKS[1]) };
            self.look_for_end(woken)?;
            self.watch_time();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let silent = self.stdout.pipe.is_none() && self.stderr.pipe.is_none();
        match self.ended_at {
            None => false,
            // What flows onward has its own end; who holds it open against that is ended by the time limit.
            Some(at) => silent || (at.elapsed() > LAST_WORDS && (!self.stdout.flows() || self.is_killed())),
        }
    }

    fn is_killed(&self) -> bool {
        matches!(self.end, End::Killed)
    }

    /// Waits until something can be written or read; false when nothing could for a while.
    fn wait(&self) -> rustix::io::Result<bool> {
        let pause = if self.ended_at.is_some() && !self.stdout.flows() { QUIET } else { self.tick };
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
        let mut pipes = Vec::with_capacity(3);
        pipes.extend(self.feed.pipe().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        pipes.extend(self.stdout.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        pipes.extend(self.stderr.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut pipes, Some(&pause)) {
            Err(Errno::INTR) => Ok(true),
            woken => Ok(woken? > 0),
        }
    }

    fn look_for_end(&mut self, woken: bool) -> std::io::Result<()> {
        if self.ended_at.is_some() {
            if !woken && !self.stdout.flows() {
                self.stdout.pipe = None;
                self.stderr.pipe = None;
            }
            return Ok(());
        }
        // The process stays a zombie until `answer`, so its number cannot be another's when its group is killed.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if let Some(end) = waitid(WaitId::Pid(self.group), options)? {
            self.ended_at = Some(Instant::now());
            self.feed.close(end.exit_status() == Some(0))?;
        }
        Ok(())
    }

    fn watch_time(&mut self) {
        let now = Instant::now();
        let goes_on = self.ended_at.is_none() || self.stdout.flows();
        match self.end {
            End::At(at) if now >= at && goes_on => {
                self.signal(Signal::TERM);
                self.end = End::Asked(now);
            }
            End::Asked(at) if now >= at + TERM_GRACE || !goes_on => {
                self.signal(Signal::KILL);
                self.end = End::Killed;
            }
            _ => {}
        }
    }

    fn signal(&self, signal: Signal) {
        // A group that has just ended needs no signal.
        let _gone = kill_process_group(self.group, signal);
    }

    fn answer(mut self) -> std::io::Result<Answer> {
        if matches!(self.end, End::Asked(_)) {
            self.signal(Signal::KILL);
        }
        let status = {
            let mut groups = self.running.groups();
            groups.retain(|group| *group != self.group);
            self.child.wait()?
        };
        let ended =
            status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(Answer::NO_PROGRAM);
        Ok(Answer {
            status: if matches!(self.end, End::Asked(_) | End::Killed) { OUT_OF_TIME } else { ended },
            total: self.stdout.kept.total() + self.stderr.kept.total(),
            stdout: self.stdout.kept.into_bytes(),
            stderr: self.stderr.kept.into_bytes(),
        })
    }
}
