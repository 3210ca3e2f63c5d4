//! A job on one host: by the agent that is there, by the one that is placed there, or through the host's shell.

use super::assets;
use super::backups::Backups;
use super::boot;
use super::confirm::{self, Question, Way};
use super::tools::{JobTask, Tools, asked_for};
use super::{Ended, Interrupt, Tried, shell};
use crate::agent_binary::{self, AgentBinary};
use crate::model::digest::Digest;
use crate::model::event::{Event, Order};
use crate::model::job::Resume;
use crate::model::outcome::HostOutcome;
use crate::model::run::HostEvent;
use crate::model::{Failure, Result};
use crate::ssh::ship::{self, Bare};
use crate::ssh::{Chunk, Connection, Exit, Reader, Writer};
use crate::wire::{self, Frames};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Mutex, watch};

/// What a login says on standard error is kept for messages up to so many bytes.
const WORDS_KEPT: usize = 16 * 1024;

/// How one attempt to have the job done by an agent ended.
enum Attempt {
    /// With the agent's verdict, or with the loss of it.
    Ended(Ended),
    /// The host boots in the midst of it.
    Booting(Box<Resume>),
    /// The host has no agent of ours. Nothing was started.
    Bare(Bare),
}

/// How far a job came over one connection.
enum Worked {
    /// To its end.
    Ended(Ended),
    /// To a boot of the host.
    Booting(Box<Resume>),
}

/// What becomes of what nobody knows.
const SETTLES: &str = "windlass settles it from the host's own journal at the next contact";

/// Has the job done.
pub async fn run(
    connection: &Connection,
    task: JobTask,
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> Ended {
    let mut task = task;
    let way = Arc::new(Way::to(task.target.clone(), task.becoming.take(), task.password.take()));
    let mut booted: Option<Connection> = None;
    loop {
        let over = booted.as_ref().unwrap_or(connection);
        (task.becoming, task.password) = way.becoming(over);
        let resume = match try_run(over, &task, &way, tools, hurry.clone()).await {
            Ok(Worked::Ended(ended)) => return after(booted.is_some(), ended),
            Ok(Worked::Booting(resume)) => resume,
            // Whatever fails outside of an attempt fails before the job was started.
            Err(failure) => return after(booted.is_some(), (HostOutcome::Unreachable, Some(failure))),
        };
        let text = "boots; the run goes on when it is up again".to_string();
        let waits = Event::Progress { step: resume.step, text };
        tools.teller.tell(&task.name, HostEvent::Said(waits)).await;
        match boot::come_back(&way, &tools.shared, &resume).await {
            Ok(connection) => booted = Some(connection),
            Err(failure) => return (HostOutcome::Unknown, Some(failure.hint(SETTLES))),
        }
        task.job.settle.clear();
        task.job.resume = Some(resume);
    }
}

/// What was begun before a boot is not unreachable, whatever happens afterwards.
fn after(booted: bool, ended: Ended) -> Ended {
    match ended {
        (HostOutcome::Unreachable, failure) if booted => {
            (HostOutcome::Unknown, failure.map(|failure| failure.hint(SETTLES)))
        }
        ended => ended,
    }
}

async fn try_run(
    connection: &Connection,
    task: &JobTask,
    way: &Arc<Way>,
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> Tried<Worked> {
    let agents = agent_binary::all()?;
    let bare = match by_agent(connection, task, way, agents, tools, hurry.clone()).await? {
        Attempt::Ended(ended) => return Ok(Worked::Ended(ended)),
        Attempt::Booting(resume) => return Ok(Worked::Booting(resume)),
        Attempt::Bare(bare) => bare,
    };
    let agent = agent_binary::for_platform(&bare.machine)?
        .filter(|_| bare.system == "Linux" && bare.folder.is_some());
    let Some(agent) = agent else {
        return shell::run(connection, task, bare.state, tools, hurry).await.map(Worked::Ended);
    };
    tools.teller.tell(&task.name, HostEvent::Uploading { bytes: agent.gzipped.len() as u64 }).await;
    place(connection, task, agent, &bare).await?;
    match by_agent(connection, task, way, agents, tools, hurry.clone()).await? {
        Attempt::Ended(ended) => Ok(Worked::Ended(ended)),
        Attempt::Booting(resume) => Ok(Worked::Booting(resume)),
        Attempt::Bare(bare) => {
            shell::run(connection, task, bare.state, tools, hurry).await.map(Worked::Ended)
        }
    }
}

/// Sends the job to the agent that may be there, without asking first: when it is, that is one round trip.
async fn by_agent(
    connection: &Connection,
    task: &JobTask,
    way: &Arc<Way>,
    agents: &[AgentBinary],
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> Tried<Attempt> {
    let find = ship::find(agents, task.becoming.as_ref());
    let first = first_bytes(task)?;
    let channel = connection.exec_with_input(&find, first).await?;
    tools.teller.tell(&task.name, HostEvent::Sent).await;
    let (reader, writer) = channel.split();
    let writer = Arc::new(Mutex::new(writer));
    let urging = tokio::spawn(urge(writer.clone(), hurry));
    let (frames, words, wanted) = (Frames::default(), Vec::new(), Arc::default());
    let attempt =
        Listening { task, way, tools, writer, frames, words, wanted, resume: None }.listen(reader).await;
    urging.abort();
    Ok(attempt)
}

/// A password line when one is needed, the marker that ends all noise, the job.
fn first_bytes(task: &JobTask) -> Result<Bytes> {
    let password = ship::password_line(task.password.as_deref());
    let job = wire::frame(&Order::Job(Box::new(task.job.clone())))?;
    Ok(Bytes::from([&password[..], wire::MARKER, &job].concat()))
}

/// Passes on that somebody is in a hurry.
async fn urge(writer: Arc<Mutex<Writer>>, mut hurry: watch::Receiver<Interrupt>) {
    for (level, order) in [(Interrupt::Stop, Order::Stop), (Interrupt::Kill, Order::Kill)] {
        asked_for(&mut hurry, level).await;
        if let Ok(frame) = wire::frame(&order) {
            // A channel that takes nothing any more ends by itself.
            let _gone = writer.lock().await.write(Bytes::from(frame)).await;
        }
    }
}

/// Reads what the agent tells, to its end.
struct Listening<'a> {
    task: &'a JobTask,
    way: &'a Arc<Way>,
    tools: &'a Tools,
    writer: Arc<Mutex<Writer>>,
    frames: Frames,
    words: Vec<u8>,
    /// The agent's newest request for assets.
    wanted: Arc<AtomicU32>,
    /// What the job goes on with, once the agent has told that the host boots.
    resume: Option<Box<Resume>>,
}

/// What a host brings to the controller.
struct Brought<'a> {
    files: assets::Fetched,
    backups: Backups<'a>,
}

impl Listening<'_> {
    async fn listen(mut self, mut reader: Reader) -> Attempt {
        let mut verdict = None;
        let mut status = None;
        let mut lost = None;
        let mut brought = Brought {
            files: assets::Fetched::new(&self.tools.fetched, &self.task.name),
            backups: Backups::new(&self.task.job, &self.tools.stores, self.writer.clone()),
        };
        while let Some(chunk) = reader.next().await {
            match chunk {
                Chunk::Stdout(bytes) => {
                    self.frames.push(&bytes);
                    match self.take_frames(&mut brought).await {
                        Ok(Some(ended)) => verdict = Some(ended),
                        Ok(None) => {}
                        Err(failure) => {
                            lost = Some(failure);
                            break;
                        }
                    }
                }
                Chunk::Stderr(bytes) => keep_words(&mut self.words, &bytes),
                Chunk::Exit(Exit::Status(code)) => status = Some(code),
                Chunk::Exit(Exit::Signal(_)) => {}
                Chunk::Lost(failure) => lost = Some(failure),
            }
        }
        match (verdict, self.resume.take()) {
            (Some(ended), _) => Attempt::Ended(ended),
            (None, Some(resume)) => Attempt::Booting(resume),
            (None, None) => self.without_verdict(status, lost),
        }
    }

    async fn take_frames(&mut self, brought: &mut Brought<'_>) -> Result<Option<Ended>> {
        while let Some(event) = self.frames.take::<Event>()? {
            match event {
                Event::Hello(hello) if hello.version != wire::VERSION => {
                    let why = format!("it speaks version {} and we speak {}", hello.version, wire::VERSION);
                    return Err(Failure::new("talk to the agent", why));
                }
                Event::Finished { nonce, outcome, failure } if nonce == self.task.job.nonce => {
                    return Ok(Some((outcome, failure)));
                }
                Event::Finished { .. } => {
                    return Err(Failure::new(
                        "take the agent's verdict",
                        "it is not the verdict on this job",
                    )
                    .hint("something on the host pretends to be windlass's agent"));
                }
                Event::Need { request, digests } => self.send_assets(request, digests),
                Event::Fetched { to, chunk, last } => brought.files.take(&to, &chunk, last)?,
                Event::Backup { request, step, said } => brought.backups.take(request, step, said).await,
                Event::Booting(resume) => self.resume = Some(resume),
                Event::Confirm { request, ports, within } => {
                    self.log_in_anew(Question { request, ports, within });
                }
                event => self.tools.teller.tell(&self.task.name, HostEvent::Said(event)).await,
            }
        }
        Ok(None)
    }

    /// By a task of its own: the host goes on telling meanwhile.
    fn log_in_anew(&self, question: Question) {
        let (writer, way, shared) = (self.writer.clone(), self.way.clone(), self.tools.shared.clone());
        tokio::spawn(confirm::answer(writer, way, shared, question));
    }

    /// Sent by a task of its own, since the agent may have more to say before it has read it all.
    fn send_assets(&self, request: u32, digests: Vec<Digest>) {
        self.wanted.store(request, Ordering::SeqCst);
        if !digests.is_empty() {
            let (contents, wanted) = (self.task.contents.clone(), self.wanted.clone());
            tokio::spawn(assets::send(self.writer.clone(), contents, request, digests, wanted));
        }
    }

    /// No verdict: either nothing was started there, or what was started is to be settled later.
    fn without_verdict(self, status: Option<u32>, lost: Option<Failure>) -> Attempt {
        let started = self.frames.started();
        if !started && let Some(bare) = ship::bare(self.frames.noise()) {
            return Attempt::Bare(bare);
        }
        if !started && let (None, Some(_)) = (&lost, status) {
            let said = [self.frames.noise(), &self.words].concat();
            let failure = ship::explain(self.task.becoming.as_ref(), status, &String::from_utf8_lossy(&said));
            return Attempt::Ended((HostOutcome::Unreachable, Some(failure)));
        }
        let failure = lost.unwrap_or_else(|| {
            let words = String::from_utf8_lossy(&self.words).trim().to_string();
            let why = if words.is_empty() { "it ended without one".to_string() } else { words };
            Failure::new("wait for the agent's verdict", why)
        });
        Attempt::Ended((HostOutcome::Unknown, Some(failure.hint(SETTLES))))
    }
}

async fn place(connection: &Connection, task: &JobTask, agent: &AgentBinary, bare: &Bare) -> Result<()> {
    let command = ship::place(agent, bare, task.becoming.as_ref())?;
    let password = ship::password_line(task.password.as_deref());
    let packed = if bare.gzip { agent.gzipped.to_vec() } else { agent.raw()? };
    let input = Bytes::from([password, packed].concat());
    let (mut reader, mut writer) = connection.exec_with_input(&command, input).await?.split();
    let ending = tokio::spawn(async move { writer.eof().await });
    let (mut said, mut status) = (Vec::new(), None);
    while let Some(chunk) = reader.next().await {
        match chunk {
            Chunk::Stdout(bytes) | Chunk::Stderr(bytes) => keep_words(&mut said, &bytes),
            Chunk::Exit(Exit::Status(code)) => status = Some(code),
            Chunk::Exit(Exit::Signal(_)) => {}
            Chunk::Lost(failure) => return Err(failure),
        }
    }
    ending.abort();
    let said = String::from_utf8_lossy(&said);
    if said.lines().any(|line| line == ship::PLACED) {
        return Ok(());
    }
    let last =
        said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_string();
    let ended = status.map_or_else(|| "no exit status".to_string(), |status| format!("exit status {status}"));
    Err(Failure::new("place the agent", format!("{ended}: {last}")).hint(
        "look whether the disk of the host is full; windlass needs about 3 MB in the login's cache folder",
    ))
}

pub(super) fn keep_words(words: &mut Vec<u8>, bytes: &[u8]) {
    let room = WORDS_KEPT.saturating_sub(words.len());
    words.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
