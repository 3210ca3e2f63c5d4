//! A run from its durable intent to its exit code: what hosts tell goes to the record and to the reader, Ctrl-C goes to
//! the hosts.

use super::allowance::Used;
use super::tools::{Destinations, Tools};
use super::{EVENTS_WAITING, EventSender, Interrupt, Options, Task, Work};
use crate::model::run::{RunEvent, RunEventKind, RunIntent};
use crate::model::{Doing, Failure, Result};
use crate::record::{Redactor, RunStore, SHORTEST, Sqlite, Writer};
use crate::report::{self, Reporter, exit_code};
use crate::ssh::Shared;
use std::sync::Arc;
use std::time::Duration;
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
    /// For the whole of one host's work.
    pub timeout: Option<Duration>,
    /// Texts that nobody may read in record or output.
    pub secrets: Vec<String>,
    /// How it is sink.
    pub report: report::Options,
    /// What connections share.
    pub shared: Shared,
}

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
        }
    }
    let too_short = session.secrets.iter().any(|secret| (1..SHORTEST).contains(&secret.chars().count()));
    let writer = Writer::start(Box::new(store), session.intent.run.clone())?;
    let report = session.report.clone();
    let reporter = Reporter::new(report, Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let sink = EventSink { redactor, writer, reporter, broken: None, too_short };
    let runtime = tokio::runtime::Runtime::new().doing("start the threads that connect")?;
    runtime.block_on(watch_over(session, epoch, sink))
}

/// Where every event goes, without secrets.
struct EventSink {
    redactor: Redactor,
    writer: Writer,
    reporter: Reporter,
    broken: Option<Failure>,
    /// Whether a secret is too short to be hidden.
    too_short: bool,
}

impl EventSink {
    fn event(&mut self, kind: RunEventKind) {
        self.clean(RunEvent::now(kind));
    }

    /// A record that cannot be written any more stops the run: see [`watch_over`].
    fn clean(&mut self, event: RunEvent) {
        let event = self.redactor.event(event);
        self.reporter.event(&event);
        if let Err(failure) = self.writer.event(event) {
            self.broken.get_or_insert(failure);
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
    let Session { intent, work, options, destinations, timeout, shared, .. } = session;
    let kind = intent.kind;
    let (events, mut arriving) = mpsc::channel(EVENTS_WAITING);
    let (urge, interrupt) = watch::channel(Interrupt::None);
    let events = EventSender::new(events);
    let used = Used::default();
    let tools = Tools { shared: Arc::new(shared), events, interrupt, destinations, timeout, used };
    sink.event(RunEventKind::Started { intent: Box::new(intent), epoch });
    if sink.too_short {
        let why =
            format!("a secret has fewer than {SHORTEST} characters: it is not hidden in output and record");
        sink.event(RunEventKind::Note(why));
    }
    let running = tokio::spawn(async move { super::run(work, &options, tools).await });
    let mut signals = Signals::new()?;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            biased;
            event = arriving.recv() => match event {
                Some((event, _room)) => sink.clean(event),
                None => break,
            },
            () = signals.next() => {
                let level = if *urge.borrow() == Interrupt::None { Interrupt::Stop } else { Interrupt::Kill };
                urge.send_replace(level);
                sink.event(RunEventKind::Interrupted);
            }
            _ = tick.tick() => sink.reporter.tick(),
        }
        // Without a record nothing more is begun; what is under way finishes its step and is in the hosts' journals.
        if sink.broken.is_some() && *urge.borrow() == Interrupt::None {
            urge.send_replace(Interrupt::Stop);
        }
    }
    let outcomes =
        running.await.map_err(|panic| Failure::new("run", format!("windlass itself failed: {panic}")))?;
    let interrupted = *urge.borrow() != Interrupt::None;
    let exit = exit_code(kind, outcomes.into_values(), interrupted);
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
