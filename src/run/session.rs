//! A run from its durable intent to its exit code: what hosts tell goes to the record and to the reader, Ctrl-C goes to
//! the hosts.

use super::asking::{self, Asking, Reply};
use super::consent::{Answer, ReadLine};
use super::tools::{Destinations, Tools};
use super::{EVENTS_WAITING, EventSender, Interrupt, Options, Task, Work};
use crate::model::event::{Event, StepEnded};
use crate::model::job::OutputWanted;
use crate::model::refusal::is_moved;
use crate::model::run::{HostEvent, RunEvent, RunEventKind, RunIntent};
use crate::model::{Doing, Failure, Result};
use crate::record::{Clean, Lines, RunStore, Sqlite, Writer};
use crate::redact::{Redactor, SHORTEST};
use crate::report::escape;
use crate::report::output_files::OutputFiles;
use crate::report::{self, MOVED, Reporter, check_exit_code, exit_code};
use crate::ssh::Shared;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How often the progress on the screen is drawn when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// All that a run needs.
pub struct Session {
    /// What is recorded of it before it begins.
    pub intent: RunIntent,
    /// The hosts and what is to be done there.
    pub work: Vec<Work>,
    /// How the work is spread.
    pub options: Options,
    /// Where files and backups of hosts go.
    pub destinations: Destinations,
    /// Whether the exit code says that something would change.
    pub asks_for_changes: bool,
    /// Reads what the person answers who is asked before each step; none when no one is asked.
    pub asks: Option<ReadLine>,
    /// For the whole of one host's work.
    pub timeout: Option<Duration>,
    /// What is wanted of the output of commands.
    pub output: OutputWanted,
    /// Where a file for each host gets all that its commands print.
    pub output_files: Option<OutputFiles>,
    /// What is odd in the files that it is made from.
    pub notes: Vec<String>,
    /// Texts that nobody may read in record or output.
    pub secrets: Vec<String>,
    /// How it is sink.
    pub report: report::Options,
    /// What connections share.
    pub shared: Shared,
    /// Where the ends of steps go as well, by host and without secrets.
    pub heard: Option<Heard>,
    /// It is shown only when it ends with another exit code than 0: something else follows then.
    pub only_when_refused: bool,
}

/// How the steps of each host ended.
pub type Heard = Arc<Mutex<BTreeMap<String, Vec<StepEnded>>>>;

/// Runs it and returns the exit code. Fails when windlass itself cannot go on.
pub fn execute(mut session: Session, mut store: Sqlite) -> Result<u8> {
    let redactor = Redactor::new(&session.secrets);
    let epoch = store.begin(&redactor.intent(session.intent.clone()))?;
    for work in &mut session.work {
        if let Task::Job(job, _) = &mut work.task {
            let envelope = &mut job.envelope;
            envelope.epoch = epoch;
            let unsettled = store.unsettled(&work.host)?.into_iter();
            envelope.settle = unsettled.filter(|run| *run != envelope.run).collect();
            if let Some(of) = &session.intent.of
                && store.was_lost(of, &work.host)?
            {
                envelope.retries = Some(of.clone());
            }
        }
    }
    let too_short = session.secrets.iter().any(|secret| (1..SHORTEST).contains(&secret.chars().count()));
    let writer = Writer::start(Box::new(store), session.intent.run.clone())?;
    let report = session.report.clone();
    let held = session.only_when_refused.then(Withheld::default);
    let [out, err]: [Box<dyn Write + Send>; 2] = match &held {
        Some(held) => [Box::new(held.clone()), Box::new(std::io::sink())],
        None => [Box::new(std::io::stdout()), Box::new(std::io::stderr())],
    };
    let reporter = Reporter::new(report, out, err);
    let heard = session.heard.take();
    let output_files = session.output_files.take();
    let lines = Lines::default();
    let sink = EventSink {
        redactor,
        lines,
        writer,
        reporter,
        output_files,
        broken: None,
        too_short,
        heard,
        moved: false,
    };
    let runtime = tokio::runtime::Runtime::new().doing("start the threads that connect")?;
    let exit = runtime.block_on(watch_over(session, epoch, sink))?;
    match held {
        Some(held) if exit != 0 => held.tell().doing("write to standard output").map(|()| exit),
        _ => Ok(exit),
    }
}

/// What is shown later, or never.
#[derive(Clone, Default)]
struct Withheld(Arc<Mutex<Vec<u8>>>);

impl Withheld {
    fn tell(&self) -> std::io::Result<()> {
        std::io::stdout().write_all(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Withheld {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where every event goes, without secrets.
struct EventSink {
    redactor: Redactor,
    lines: Lines,
    writer: Writer,
    reporter: Reporter,
    output_files: Option<OutputFiles>,
    broken: Option<Failure>,
    /// Whether a secret is too short to be hidden.
    too_short: bool,
    heard: Option<Heard>,
    /// Whether a host was refused because it is not any more as a plan found it.
    moved: bool,
}

impl EventSink {
    fn event(&mut self, kind: RunEventKind) {
        self.clean(RunEvent::now(kind));
    }

    /// Shows a question, without secrets.
    fn ask(&mut self, asking: Asking) -> Asking {
        self.reporter.ask(&escape::block(&self.redactor.text(&asking.text())));
        asking
    }

    /// A record that cannot be written any more stops the run: see [`watch_over`].
    fn clean(&mut self, event: RunEvent) {
        let events = self.lines.take(&self.redactor, event);
        events.into_iter().for_each(|event| self.pass_on(event));
    }

    /// Several times a second: what waits for the end of its line is not held back for long.
    fn tick(&mut self) {
        let events = self.lines.idle(&self.redactor, Instant::now());
        events.into_iter().for_each(|event| self.pass_on(event));
        self.reporter.tick();
    }

    fn pass_on(&mut self, event: Clean<RunEvent>) {
        if let Some(Err(failure)) = self.output_files.as_mut().map(|files| files.event(&event)) {
            // Nobody asked for a part of it: the run ends as when the record cannot be written.
            self.output_files = None;
            self.broken.get_or_insert(failure);
        }
        if let RunEventKind::Host { host, event } = &event.what {
            self.hear(host, event);
        }
        self.reporter.event(&event);
        if matches!(&event.what, RunEventKind::Host { event: HostEvent::Said(Event::Printed(_)), .. }) {
            // What is kept of it is in the end of its step.
            return;
        }
        if let Err(failure) = self.writer.event(event) {
            self.broken.get_or_insert(failure);
        }
    }

    fn hear(&mut self, host: &str, event: &HostEvent) {
        match (event, &self.heard) {
            (HostEvent::Said(Event::StepEnded(step)), Some(heard)) => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.entry(host.to_string()).or_default().push(step.clone());
            }
            (HostEvent::Ended { failure: Some(failure), .. }, _) => self.moved |= is_moved(failure),
            _ => {}
        }
    }

    fn finish(self) -> Result<()> {
        self.writer.finish()?;
        self.reporter.finish()?;
        self.broken.map_or(Ok(()), Err)
    }
}

/// Runs it, and sends each event to record and reader.
async fn watch_over(session: Session, epoch: u64, mut sink: EventSink) -> Result<u8> {
    let Session {
        intent,
        work,
        options,
        destinations,
        timeout,
        output,
        shared,
        asks_for_changes,
        notes,
        report,
        asks,
        ..
    } = session;
    let transfers = report.transfers;
    let kind = intent.kind;
    let (events, mut arriving) = mpsc::channel(EVENTS_WAITING);
    let (urge, interrupt) = watch::channel(Interrupt::None);
    let tools = Tools::new(shared, EventSender::new(events), interrupt, destinations);
    let tools = Tools { timeout, output, transfers, ..tools };
    let consent = tools.consent.clone();
    sink.event(RunEventKind::Started { intent: Box::new(intent), epoch });
    notes.into_iter().for_each(|note| sink.event(RunEventKind::Note(note)));
    if sink.too_short {
        let why =
            format!("a secret has fewer than {SHORTEST} characters: it is not hidden in output and record");
        sink.event(RunEventKind::Note(why));
    }
    let running = tokio::spawn(async move { super::run(work, &options, tools).await });
    let mut signals = Signals::new()?;
    let mut tick = tokio::time::interval(TICK);
    let mut asking: Option<Asking> = None;
    loop {
        let may_ask = asks.filter(|_| asking.is_none() && *urge.borrow() == Interrupt::None);
        tokio::select! {
            biased;
            event = arriving.recv() => match event {
                Some((event, _room)) => sink.clean(event),
                None => break,
            },
            () = signals.next() => {
                let level = if *urge.borrow() == Interrupt::None { Interrupt::Stop } else { Interrupt::Kill };
                urge.send_replace(level);
                asking = None;
                sink.reporter.answered();
                sink.event(RunEventKind::Interrupted);
            }
            Some(next) = asking::next(&consent, may_ask) => asking = Some(sink.ask(next)),
            Some(reply) = asking::reply(&mut asking) => match reply {
                Reply::Again(again) => asking = Some(sink.ask(again)),
                Reply::Answered(step, answer) => {
                    sink.reporter.answered();
                    consent.answer(step, answer);
                    if answer == Answer::Quit {
                        urge.send_replace(Interrupt::Stop);
                        sink.event(RunEventKind::Interrupted);
                    }
                }
                Reply::Late => {
                    sink.reporter.answered();
                    sink.event(RunEventKind::Note(asking::late()));
                    urge.send_replace(Interrupt::Stop);
                    sink.event(RunEventKind::Interrupted);
                }
            },
            _ = tick.tick() => sink.tick(),
        }
        // Without a record nothing more is begun; what is under way finishes its step and is in the hosts' journals.
        if sink.broken.is_some() && *urge.borrow() == Interrupt::None {
            urge.send_replace(Interrupt::Stop);
        }
    }
    let outcomes =
        running.await.map_err(|panic| Failure::new("run", format!("windlass itself failed: {panic}")))?;
    let interrupted = *urge.borrow() != Interrupt::None;
    let outcomes: Vec<_> = outcomes.into_values().collect();
    let exit = exit_code(kind, outcomes.iter().copied(), interrupted);
    let exit = match asks_for_changes {
        _ if sink.moved && !interrupted => MOVED,
        true => check_exit_code(exit, &outcomes),
        false => exit,
    };
    sink.event(RunEventKind::Ended { exit });
    sink.finish()?;
    Ok(exit)
}

/// What a person or a service manager sends to end a run.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let doing = "listen for Ctrl-C";
        let interrupt = signal(SignalKind::interrupt()).doing(doing)?;
        Ok(Signals { interrupt, terminate: signal(SignalKind::terminate()).doing(doing)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
