//! A job on one host: by the agent that is there, by the one that is placed there, or through the host's shell.

use super::allowance::Allowance;
use super::assets;
use super::backups::Backups;
use super::boot;
use super::confirm::{Question, Route};
use super::output;
use super::patience::Patience;
use super::place::{self, NotPlaced};
use super::questions::Questions;
use super::tools::{JobTask, Tools, asked_for};
use super::{Interrupt, shell};
use crate::agent_binary::{self, AgentBinary};
use crate::model::delegation::LAST;
use crate::model::event::{Event, Order};
use crate::model::job::{HostWork, Resume};
use crate::model::once::Once;
use crate::model::outcome::{HostEnd, HostOutcome};
use crate::model::run::HostEvent;
use crate::model::{Failure, Result, play};
use crate::ssh::ship::{self, Bare};
use crate::ssh::{self, Chunk, Connection, Exit, Reader, Writer};
use crate::step;
use crate::wire::{self, Frames};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// The step that boots a host.
const REBOOT: &str = "reboot";

/// A job boots its host no more often than this.
const BOOTS: usize = 16;

/// How far a job came over one connection.
enum Reached {
    /// To its end: the verdict, or the loss of it.
    End(HostEnd),
    /// To a reboot of the host.
    Reboot(Box<Resume>),
    /// Not to its start: the connection was cut while the agent was uploaded.
    Upload(Failure),
}

/// What came of sending the job to an agent.
enum AgentReply {
    /// It worked.
    Worked(Reached),
    /// The host has no agent of ours. Nothing was started.
    NoAgent(Bare),
}

/// What becomes of what nobody knows.
const SETTLES: &str = "windlass resolves it from the host's own journal at the next contact";

/// So many times an upload is tried, each over a connection of its own: a reset is over by then, or comes each time.
const UPLOADS: u32 = 3;

/// Before the second upload; before the third twice as long.
const UPLOAD_PAUSE: Duration = Duration::from_secs(1);

/// Has the job done.
pub async fn run(
    connection: &Connection,
    task: JobTask,
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> HostEnd {
    let mut task = task;
    let route = Arc::new(Route::to(task.target.clone(), task.becoming.take(), task.password.take()));
    let mut newer: Option<Connection> = None;
    let (mut booted, mut uploads, mut boots) = (false, 0, 0);
    loop {
        let over = newer.as_ref().unwrap_or(connection);
        (task.becoming, task.password) = route.becoming(over);
        let resume = match try_run(over, &task, &route, tools, hurry.clone()).await {
            Ok(Reached::End(end)) => return after(booted, end),
            Ok(Reached::Reboot(resume)) => resume,
            Ok(Reached::Upload(failure)) => {
                uploads += 1;
                let calm = *hurry.borrow() == Interrupt::None;
                match upload_again(&route, &task.name, tools, failure, uploads).await {
                    Ok(connection) if calm => newer = Some(connection),
                    Ok(_) => return after(booted, HostEnd::of(HostOutcome::Cancelled)),
                    Err(failure) => {
                        return after(booted, HostEnd::because(HostOutcome::Unreachable, failure));
                    }
                }
                continue;
            }
            // Whatever fails outside of an attempt fails before the job was started.
            Err(failure) => {
                return after(booted, HostEnd::because(HostOutcome::Unreachable, failure));
            }
        };
        boots += 1;
        if boots > BOOTS {
            let why = format!("it says for the {boots}th time that it boots");
            let failure = Failure::new("work the host", why).hint(SETTLES);
            return HostEnd::because(HostOutcome::Unknown, failure);
        }
        let text = "boots; the run goes on when it is up again".to_string();
        let waits = Event::Progress { step: resume.step, text };
        tools.events.send(&task.name, HostEvent::Said(waits)).await;
        match boot::come_back(&route, &tools.shared, &resume).await {
            Ok(connection) => (newer, booted) = (Some(connection), true),
            Err(failure) => return HostEnd::because(HostOutcome::Unknown, failure.hint(SETTLES)),
        }
        task.job.envelope.settle.clear();
        // It goes on with what it has of other hosts.
        task.job.work.secrets.extend(tools.secrets_got(&task));
        task.job.envelope.resume = Some(resume);
    }
}

/// What was begun before a boot is not unreachable, whatever happens afterwards.
fn after(booted: bool, end: HostEnd) -> HostEnd {
    match end.outcome {
        HostOutcome::Unreachable if booted => HostEnd { outcome: HostOutcome::Unknown, ..end }.hint(SETTLES),
        _ => end,
    }
}

async fn try_run(
    connection: &Connection,
    task: &JobTask,
    route: &Arc<Route>,
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> Result<Reached> {
    let javascript = task.job.work.all_steps().any(step::parses_javascript);
    let agents = agent_binary::able(javascript)?;
    let bare = match by_agent(connection, task, route, &agents, tools, hurry.clone()).await? {
        AgentReply::Worked(reached) => return Ok(reached),
        AgentReply::NoAgent(bare) => bare,
    };
    let agent = agent_binary::for_platform(&agents, &bare.machine)
        .filter(|_| bare.system == "Linux" && !bare.directories.is_empty());
    let Some(agent) = agent else {
        return shell::run(connection, task, bare.state, tools, hurry).await.map(Reached::End);
    };
    match place::place(connection, task, tools, agent, &bare).await {
        Ok(()) => {}
        Err(NotPlaced::Cut(failure)) => return Ok(Reached::Upload(failure)),
        Err(NotPlaced::Refused(failure)) => {
            note_shell(task, tools, &failure).await;
            return shell::run(connection, task, bare.state, tools, hurry).await.map(Reached::End);
        }
    }
    match by_agent(connection, task, route, &agents, tools, hurry.clone()).await? {
        AgentReply::Worked(reached) => Ok(reached),
        AgentReply::NoAgent(bare) => {
            shell::run(connection, task, bare.state, tools, hurry).await.map(Reached::End)
        }
    }
}

/// Connects once more after an upload was cut. Nothing was started on the host, so nothing is unknown.
async fn upload_again(
    route: &Route,
    host: &str,
    tools: &Tools,
    failure: Failure,
    uploads: u32,
) -> Result<Connection> {
    if uploads >= UPLOADS {
        return Err(failure.hint(format_args!("the connection was cut during each of {UPLOADS} uploads")));
    }
    let wait = UPLOAD_PAUSE * uploads;
    tools.events.send(host, HostEvent::Retrying { attempt: uploads, failure, wait }).await;
    tokio::time::sleep(wait).await;
    let target = route.target_at(&tools.shared, &[]);
    ssh::connect(&target, &tools.shared).await.map_err(|error| error.failure)
}

async fn note_shell(task: &JobTask, tools: &Tools, failure: &Failure) {
    let text = format!(
        "no agent could be placed, so this host is worked through its sh: {}: {}",
        failure.doing, failure.why
    );
    tools.events.send(&task.name, HostEvent::Said(Event::Note(text))).await;
}

/// Sends the job to the agent that may be there, without asking first: when it is, that is one round trip.
async fn by_agent(
    connection: &Connection,
    task: &JobTask,
    route: &Arc<Route>,
    agents: &[&AgentBinary],
    tools: &Tools,
    hurry: watch::Receiver<Interrupt>,
) -> Result<AgentReply> {
    let find = ship::find(agents, task.becoming.as_ref());
    let first = first_bytes(task)?;
    let (becoming, password) = (task.becoming.as_ref(), task.password.as_deref());
    let channel = connection.exec_as(becoming, password, &find, first).await?;
    tools.events.send(&task.name, HostEvent::Sent).await;
    let (reader, writer) = channel.split();
    let writer = Arc::new(Mutex::new(writer));
    let urging = tokio::spawn(urge(writer.clone(), hurry, tools.clone()));
    let reply = Listening {
        task,
        route,
        tools,
        questions: Questions::new(
            writer.clone(),
            task.contents.clone(),
            task.name.clone(),
            tools.transfers.clone(),
        ),
        allowance: Allowance::new(tools.used.clone(), task.job.envelope.output.streaming),
        patience: Patience::with(&task.job.work, Instant::now()),
        writer,
        frames: Frames::of_host(),
        words: Vec::new(),
        next_play: 0,
        resume: None,
    }
    .listen(reader)
    .await;
    urging.abort();
    Ok(reply)
}

/// The marker that ends all noise, the job.
fn first_bytes(task: &JobTask) -> Result<Bytes> {
    let job = wire::frame(&Order::Job(Box::new(task.job.clone())))?;
    Ok(Bytes::from([wire::MARKER, &job].concat()))
}

/// Passes on how urgently an end is wanted.
async fn urge(writer: Arc<Mutex<Writer>>, mut hurry: watch::Receiver<Interrupt>, tools: Tools) {
    for level in [Interrupt::Stop, Interrupt::Kill] {
        asked_for(&mut hurry, level).await;
        let order = match level {
            Interrupt::Stop => Order::Stop,
            _ => Order::Kill { why: tools.why_killed(*hurry.borrow()) },
        };
        if let Ok(frame) = wire::frame(&order) {
            // A channel that takes nothing any more ends by itself.
            let _gone = writer.lock().await.write(Bytes::from(frame)).await;
        }
    }
}

/// Reads what the agent sends, to its end.
struct Listening<'a> {
    task: &'a JobTask,
    route: &'a Arc<Route>,
    tools: &'a Tools,
    writer: Arc<Mutex<Writer>>,
    frames: Frames,
    words: Vec<u8>,
    questions: Questions,
    allowance: Allowance,
    patience: Patience,
    /// The next play that the host may wait for.
    next_play: u32,
    /// What the job goes on with, once the agent has said that the host boots.
    resume: Option<Box<Resume>>,
}

/// What a host sends to the controller.
struct Received<'a> {
    files: assets::Fetched,
    backups: Backups<'a>,
}

impl Listening<'_> {
    async fn listen(mut self, mut reader: Reader) -> AgentReply {
        let mut verdict = None;
        let mut status = None;
        let mut lost = None;
        let Tools { destinations, transfers, .. } = self.tools;
        let job = &self.task.job;
        let mut received = Received {
            files: assets::Fetched::of(job, &destinations.fetched, transfers.clone()),
            backups: Backups::new(job, &destinations.stores, self.writer.clone(), transfers.clone()),
        };
        loop {
            let chunk = match self.patience.wait_for(reader.next()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(failure) => {
                    lost = Some(failure);
                    break;
                }
            };
            match chunk {
                Chunk::Stdout(bytes) => {
                    self.patience.hear_anything(Instant::now());
                    self.frames.push(&bytes);
                    match self.take_frames(&mut received).await {
                        Ok(Some(end)) => {
                            verdict = Some(end);
                            self.patience.ends(Instant::now());
                        }
                        Ok(None) => {}
                        Err(failure) => {
                            lost = Some(failure);
                            break;
                        }
                    }
                }
                Chunk::Stderr(bytes) => output::keep(&mut self.words, &bytes),
                Chunk::Exit(Exit::Status(code)) => status = Some(code),
                Chunk::Exit(Exit::Signal(_)) => {}
                Chunk::Lost(failure) => lost = Some(failure),
            }
        }
        match (verdict, self.resume.take()) {
            (Some(end), _) => AgentReply::Worked(Reached::End(end)),
            (None, Some(resume)) => AgentReply::Worked(Reached::Reboot(resume)),
            (None, None) => self.without_verdict(status, lost),
        }
    }

    async fn take_frames(&mut self, received: &mut Received<'_>) -> Result<Option<HostEnd>> {
        while let Some(event) = self.frames.take::<Event>()? {
            let Some(event) = self.allowance.admit(event)? else { continue };
            self.patience.hear(&event, Instant::now());
            match event {
                Event::Alive => {}
                Event::Hello(hello) if hello.version != wire::VERSION => {
                    let why = format!("it speaks version {} and we speak {}", hello.version, wire::VERSION);
                    return Err(Failure::new("talk to the agent", why));
                }
                Event::Finished { nonce, outcome, failure } if nonce == self.task.job.envelope.nonce => {
                    return Ok(Some(HostEnd { outcome, failure }));
                }
                Event::Finished { .. } => {
                    return Err(Failure::new(
                        "take the agent's verdict",
                        "it is not the verdict on this job",
                    )
                    .hint("another program on the host acts as windlass's agent"));
                }
                Event::Settled { run, .. } if !self.task.job.envelope.settle.contains(&run) => {
                    let why = format!("it was not asked for run {run}");
                    return Err(Failure::new("settle a run", why));
                }
                Event::Need { request, digests } => self.questions.files(request, digests),
                Event::Fetched { to, size, chunk, last } => {
                    received.files.take(&to, size, &chunk, last)?;
                }
                Event::Backup { request, step, said } => received.backups.take(request, step, said).await,
                Event::Booting(resume) => {
                    self.expect_boot(&resume)?;
                    self.resume = Some(resume);
                }
                Event::Confirm { request, ports, within } => {
                    let question = Question { request, ports, within };
                    self.questions.login(&self.writer, self.route, self.tools, question)?;
                }
                Event::RanOnce { step, ended } if self.runs_once(step, &Once::is_here) => {
                    let secrets = &self.task.job.work.secrets;
                    self.tools.ran_once(step, ended.taken(&self.set_by(step)), secrets);
                }
                Event::AwaitsOnce { step } if self.runs_once(step, &Once::is_elsewhere) => {
                    self.questions.end_of(&self.writer, self.tools, &self.task.name, step, true);
                }
                Event::Gave(given) => {
                    let HostWork { shares, secrets, .. } = &self.task.job.work;
                    self.tools.plays.gave(&self.task.name, play::taken(given, shares), secrets);
                }
                Event::AwaitsPlay { play: number, given } => {
                    if number < self.next_play || !self.waits_for(number) {
                        let why = format!("its job has no such play {number}, or it is over");
                        return Err(Failure::new("hear of a play", why));
                    }
                    self.next_play = number + 1;
                    let given = play::taken(given, &self.task.job.work.shares);
                    let secrets = &self.task.job.work.secrets;
                    self.tools.awaits_play(&self.task.name, number, given, secrets);
                    if number == LAST {
                        self.tools.shows_waiting(&self.task.name, LAST).await;
                    }
                    self.questions.play(&self.writer, self.tools, &self.task.name, number);
                }
                Event::Delegates { step, item, given } => {
                    self.tools.delegate(self.task, (step, item), given)?;
                    self.questions.end_of(&self.writer, self.tools, &self.task.name, step, false);
                }
                Event::RanDelegated { number, ended } => {
                    let secrets = &self.task.job.work.secrets;
                    self.tools.delegations.ended(&self.task.name, number, *ended, secrets)?;
                }
                Event::At(place) => self.tools.delegations.at(&self.task.name, place),
                Event::AwaitsOthers { step } => {
                    self.questions.passed(&self.writer, self.tools, &self.task.name, step);
                    let said = HostEvent::Said(Event::AwaitsOthers { step });
                    self.tools.events.send(&self.task.name, said).await;
                }
                Event::AwaitsConsent { step, name } => {
                    let name = self.called(step, name)?;
                    self.questions.consent(&self.writer, self.tools, &self.task.name, step, name);
                }
                Event::RanOnce { step, .. } | Event::AwaitsOnce { step } => {
                    let why = format!("its job has no such step {step}");
                    return Err(Failure::new("hear of a step that runs once", why));
                }
                event => self.pass_on(event).await,
            }
        }
        Ok(None)
    }

    async fn pass_on(&mut self, event: Event) {
        if matches!(event, Event::Hello(_)) && self.task.job.work.serves {
            self.questions.serve(&self.writer, self.tools, &self.task.name);
        }
        self.tools.events.send(&self.task.name, HostEvent::Said(event)).await;
    }

    /// Whether the host may wait for this play.
    fn waits_for(&self, play: u32) -> bool {
        let work = &self.task.job.work;
        (work.serves && play == LAST) || work.plays().contains(&play)
    }

    /// Whether a step of the job runs once, in this way.
    fn runs_once(&self, step: u32, way: &dyn Fn(&Once) -> bool) -> bool {
        self.task.job.work.all_steps().any(|own| own.index == step && own.once.as_ref().is_some_and(way))
    }

    /// What a step is called that the host asks about. Its own name is the playbook's word and not the host's; one without a
    /// name is called after its kind at least.
    fn called(&self, index: u32, name: String) -> Result<String> {
        let wrong = |why| Failure::new("ask before the step", why);
        if !self.task.job.envelope.asks {
            return Err(wrong("its job does not ask".to_string()));
        }
        let step = self.task.job.work.all_steps().find(|own| own.index == index);
        let step = step.ok_or_else(|| wrong(format!("its job has no such step {index}")))?;
        let is_kind = name.split_whitespace().next() == Some(&step.kind);
        Ok(if step.name.is_none() && is_kind { name } else { step.title() })
    }

    /// The variables that the step sets.
    fn set_by(&self, step: u32) -> BTreeSet<String> {
        let steps = self.task.job.work.all_steps().filter(|own| own.index == step);
        steps.flat_map(step::variables).map(|(name, _)| name).collect()
    }

    /// A host goes down when a step asks for it, and not because it says so.
    fn expect_boot(&self, resume: &Resume) -> Result<()> {
        let mut steps = self.task.job.work.all_steps();
        match steps.any(|step| step.index == resume.step && step.kind == REBOOT) {
            true => Ok(()),
            false => Err(Failure::new("wait for the host to boot", "no step of its job boots it")),
        }
    }

    /// No verdict: either nothing was started there, or what was started is to be settled later.
    fn without_verdict(self, status: Option<u32>, lost: Option<Failure>) -> AgentReply {
        let started = self.frames.started();
        if !started && let Some(bare) = ship::bare(self.frames.noise()) {
            return AgentReply::NoAgent(bare);
        }
        if !started && let (None, Some(_)) = (&lost, status) {
            let said = [self.frames.noise(), &self.words].concat();
            let failure = ship::explain(self.task.becoming.as_ref(), status, &String::from_utf8_lossy(&said));
            return AgentReply::Worked(Reached::End(HostEnd::because(HostOutcome::Unreachable, failure)));
        }
        let failure = lost.unwrap_or_else(|| {
            let words = String::from_utf8_lossy(&self.words).trim().to_string();
            let why = if words.is_empty() { "it ended without one".to_string() } else { words };
            Failure::new("wait for the agent's verdict", why)
        });
        AgentReply::Worked(Reached::End(HostEnd::because(HostOutcome::Unknown, failure.hint(SETTLES))))
    }
}
