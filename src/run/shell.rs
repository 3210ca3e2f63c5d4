//! A job through a host's own sh, where no agent can run: the same engine, here, over the shell there.

use super::Interrupt;
use super::allowance::Allowance;
use super::tools::{JobTask, Tools, asked_for};
use crate::engine::link::{Assets, Link};
use crate::engine::state_dir::{self, StateDir};
use crate::engine::work;
use crate::model::delegation::{Awaited, DelegatedStep, LAST, PlayPlace, Reply};
use crate::model::digest::Checked;
use crate::model::event::{Event, Hello};
use crate::model::job::JobStep;
use crate::model::once::Once;
use crate::model::op::Asset;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::path::HostPath;
use crate::model::run::HostEvent;
use crate::model::{Failure, Result};
use crate::report::transfers::Ongoing;
use crate::run::assets;
use crate::ssh::ship;
use crate::ssh::{Channel, Chunk, Connection, Reader, Writer};
use crate::system::shell::{Answers, Shell};
use crate::wire;
use bytes::Bytes;
use std::io::{self, Cursor, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Pieces that may wait in either direction.
const PIECES_WAITING: usize = 64;

/// A stop is noticed at least this often while another host is waited for.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// What a shell says is looked through for its process number up to so many bytes; after that it did not tell it.
const PID_WITHIN: usize = 64 * 1024;

/// Has the job done through a shell.
pub async fn run(
    connection: &Connection,
    task: &JobTask,
    state: HostPath,
    tools: &Tools,
    mut hurry: watch::Receiver<Interrupt>,
) -> Result<HostEnd> {
    let channel = start(connection, task, &ship::shell(task.becoming.as_ref())).await?;
    let (reader, writer) = channel.split();
    let (to_host, outgoing) = mpsc::channel(PIECES_WAITING);
    let (incoming, from_host) = mpsc::channel(PIECES_WAITING);
    let (events, mut arriving) = mpsc::channel::<Event>(PIECES_WAITING);
    let stopping = Arc::new(AtomicBool::new(false));
    let engine =
        Engine { task: copy_of(task), state, events, tools: tools.clone(), stopping: stopping.clone() };
    let pipe = Pipe { to_host, from_host };
    let mut working = tokio::task::spawn_blocking(move || engine.work(pipe));
    let pid = Arc::new(AtomicU32::new(0));
    let carrying = [
        tokio::spawn(carry_there(outgoing, writer)),
        tokio::spawn(carry_back(reader, incoming, pid.clone())),
    ];
    let transfers = tools.transfers.clone();
    let mut files = assets::Fetched::of(&task.job, &tools.destinations.fetched, transfers);
    let mut allowance = Allowance::new(tools.used.clone(), task.job.envelope.output.streaming);
    let mut hurried = Interrupt::None;
    let mut killed = None;
    let mut in_a_hurry = hurry.clone();
    let ended = loop {
        tokio::select! {
            // Events come first, so that nothing of it is left when the engine has ended.
            biased;
            Some(event) = arriving.recv() => match allowance.admit(event)? {
                Some(Event::Fetched { to, size, chunk, last }) => files.take(&to, size, &chunk, last)?,
                // It is given up at once: see `System::stream`.
                Some(Event::Backup { .. }) | None => {}
                Some(Event::RanOnce { step, ended }) => tools.ran_once(step, *ended, &task.job.work.secrets),
                Some(Event::Gave(given)) => tools.plays.gave(&task.name, given, &task.job.work.secrets),
                Some(Event::AwaitsPlay { play, given }) => {
                    tools.awaits_play(&task.name, play, given, &task.job.work.secrets);
                    if play == LAST {
                        tools.shows_waiting(&task.name, LAST).await;
                    }
                }
                Some(Event::Delegates { step, item, given }) => tools.delegate(task, (step, item), given)?,
                Some(Event::RanDelegated { number, ended }) => {
                    tools.delegations.ended(&task.name, number, *ended, &task.job.work.secrets)?;
                }
                Some(Event::At(place)) => tools.delegations.at(&task.name, place),
                // The engine here asks itself.
                Some(Event::AwaitsOnce { .. }) => {}
                Some(event) => tools.events.send(&task.name, HostEvent::Said(event)).await,
            },
            () = asked_for(&mut hurry, Interrupt::Stop), if hurried == Interrupt::None => {
                hurried = Interrupt::Stop;
                stopping.store(true, Ordering::SeqCst);
            }
            () = asked_for(&mut in_a_hurry, Interrupt::Kill), if hurried == Interrupt::Stop => {
                hurried = Interrupt::Kill;
                killed = Some(tools.why_killed(*in_a_hurry.borrow()));
                kill(connection, task, pid.load(Ordering::SeqCst)).await;
            }
            ended = &mut working => break ended,
        }
    };
    carrying.iter().for_each(JoinHandle::abort);
    let ended = ended.map(|end| because_killed(end, killed));
    Ok(ended.unwrap_or_else(|panic| {
        let failure = Failure::new(format!("work {}", task.name), format!("windlass itself failed: {panic}"));
        HostEnd::because(HostOutcome::Unknown, failure.hint("this is a bug"))
    }))
}

/// A connection that was cut to kill what ran is reported as what it was cut for.
fn because_killed(end: HostEnd, killed: Option<String>) -> HostEnd {
    match (end.outcome, killed) {
        (HostOutcome::Unknown, Some(why)) => {
            HostEnd::because(HostOutcome::Unknown, Failure::new("work through the shell", why))
        }
        _ => end,
    }
}

/// From the engine to the host, until the engine has ended.
async fn carry_there(mut outgoing: mpsc::Receiver<Bytes>, mut writer: Writer) {
    while let Some(bytes) = outgoing.recv().await {
        if writer.write(bytes).await.is_err() {
            return;
        }
    }
    let _closed_already = writer.eof().await;
}

/// From the host to the engine, until the channel closes; the engine then finds that it is lost. Notes the shell's
/// process number as it goes by.
async fn carry_back(mut reader: Reader, incoming: mpsc::Sender<Bytes>, pid: Arc<AtomicU32>) {
    let mut said = Vec::new();
    while let Some(chunk) = reader.next().await {
        let Chunk::Stdout(bytes) = chunk else { continue };
        if pid.load(Ordering::SeqCst) == 0 && said.len() < PID_WITHIN {
            said.extend_from_slice(&bytes);
            pid.store(ship::shell_pid(&said).unwrap_or(0), Ordering::SeqCst);
        }
        if incoming.send(bytes).await.is_err() {
            return;
        }
    }
}

/// Ends the shell and what runs below it, by a second command. The engine then finds that its pipe is lost, and the
/// host's journal knows what was begun.
async fn kill(connection: &Connection, task: &JobTask, pid: u32) {
    if pid == 0 {
        return;
    }
    let command = ship::kill_shell(pid, task.becoming.as_ref());
    if let Ok(mut channel) = start(connection, task, &command).await {
        while channel.next().await.is_some() {}
    }
}

/// Runs a command as the user that the task becomes.
async fn start(connection: &Connection, task: &JobTask, command: &str) -> Result<Channel> {
    connection.exec_as(task.becoming.as_ref(), task.password.as_deref(), command, Bytes::new()).await
}

fn copy_of(task: &JobTask) -> JobTask {
    JobTask {
        name: task.name.clone(),
        target: task.target.clone(),
        job: task.job.clone(),
        contents: task.contents.clone(),
        becoming: task.becoming.clone(),
        password: None,
    }
}

/// The engine on a thread of its own: it waits for the shell's answers.
struct Engine {
    task: JobTask,
    state: HostPath,
    events: mpsc::Sender<Event>,
    tools: Tools,
    stopping: Arc<AtomicBool>,
}

impl Engine {
    fn work(self, pipe: Pipe) -> HostEnd {
        let Pipe { to_host, from_host } = pipe;
        let answers = FromHost { from_host, left: Bytes::new(), patience: Duration::ZERO };
        let shell = match Shell::new(Box::new(ToHost(to_host)), Box::new(answers)) {
            Ok(shell) => shell,
            Err(failure) => return HostEnd::because(HostOutcome::Unreachable, failure),
        };
        self.send(Event::Hello(Hello {
            version: wire::VERSION,
            system: "sh".to_string(),
            pid: 0,
            boot_id: state_dir::boot_id(&shell),
        }));
        let end = work::work(&self.task.job, &shell, &StateDir::at(self.state.clone()), &self);
        if shell.is_lost() {
            let why = end
                .failure
                .unwrap_or_else(|| Failure::new("work through the shell", "the connection was lost"));
            return HostEnd::because(HostOutcome::Unknown, why);
        }
        end
    }
}

impl Engine {
    /// What `answer` comes to; none when the work should stop before.
    fn answered<T>(&self, answer: impl Future<Output = T>, until: Instant, doing: &str) -> Result<Option<T>> {
        let runtime = tokio::runtime::Handle::current();
        let mut answer = pin!(answer);
        while !self.stopping() && Instant::now() < until {
            let known = async { tokio::time::timeout(STOP_CHECK, answer.as_mut()).await };
            if let Ok(answered) = runtime.block_on(known) {
                return Ok(Some(answered));
            }
        }
        if self.stopping() {
            return Ok(None);
        }
        Err(Failure::new(doing, "it takes too long"))
    }

    async fn answer(&self, awaited: Awaited) -> Reply {
        let (tools, host) = (&self.tools, &self.task.name);
        match awaited {
            Awaited::Play(play) => Reply::Play(Box::new(tools.plays.opened(host, play).await)),
            Awaited::Passed(step) => {
                tools.passed(host, step).await;
                Reply::Passed
            }
            Awaited::End(step) => {
                let mut steps = self.task.job.work.all_steps();
                let is_for_all = |step: &JobStep| step.once.as_ref().is_some_and(Once::is_elsewhere);
                let for_all = steps.any(|own| own.index == step && is_for_all(own));
                Reply::Ended(Box::new(tools.end_of(host, step, for_all).await))
            }
        }
    }
}

impl Link for Engine {
    fn send(&self, event: Event) {
        // The receiver is gone only when the run is over.
        let _run_is_over = self.events.blocking_send(event);
    }

    fn hear(&self, awaited: Awaited, place: PlayPlace, until: Instant) -> Result<Option<Reply>> {
        let heard = async {
            tokio::select! {
                biased;
                step = self.tools.delegations.due(&self.task.name, place) => Reply::Step(Box::new(step)),
                heard = self.answer(awaited) => heard,
            }
        };
        self.answered(heard, until, "wait for another host")
    }

    fn due(&self, place: PlayPlace) -> Option<Box<DelegatedStep>> {
        self.tools.delegations.take_due(&self.task.name, place).map(Box::new)
    }

    fn consent(&self, step: u32, name: &str, until: Instant) -> Result<Option<bool>> {
        let host = &self.task.name;
        self.tools.consent.reached(host, step, name.to_string());
        self.answered(self.tools.consent.answered(host, step), until, "ask before the step")
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn guard(&self) -> Result<String> {
        let why =
            "the host is worked through its sh, and what ends with the connection cannot roll anything back";
        Err(Failure::new("arm the change", why).hint(
            "let an agent run there (one directory that is not noexec), or set the step's armed = false",
        ))
    }
}

impl Assets for Engine {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        if let Some(bytes) = self.task.job.inline(asset) {
            return Ok(Box::new(Cursor::new(bytes)));
        }
        let checked = Checked::new(self.task.contents.open(&asset.digest)?, &asset.digest);
        let transfer = self.tools.transfers.start(&self.task.name, Some(asset.size));
        Ok(Box::new(Counted { bytes: checked, transfer }))
    }
}

/// What is read of it is on its way to the host.
struct Counted<R> {
    bytes: R,
    transfer: Ongoing,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.transfer.add(n);
        Ok(n)
    }
}

/// Both ways between the engine's thread and the channel.
struct Pipe {
    to_host: mpsc::Sender<Bytes>,
    from_host: mpsc::Receiver<Bytes>,
}

struct ToHost(mpsc::Sender<Bytes>);

impl Write for ToHost {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct FromHost {
    from_host: mpsc::Receiver<Bytes>,
    left: Bytes,
    patience: Duration,
}

impl Answers for FromHost {
    fn wait_at_most(&mut self, time: Duration) {
        self.patience = time;
    }
}

impl Read for FromHost {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            let next = async { tokio::time::timeout(self.patience, self.from_host.recv()).await };
            match tokio::runtime::Handle::current().block_on(next) {
                Ok(Some(bytes)) => self.left = bytes,
                Ok(None) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let n = self.left.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.left.split_to(n));
        Ok(n)
    }
}
