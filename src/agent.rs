//! The agent's side of the channel: frames in, the engine in the middle, frames out.
//!
//! With the argument `--digest` it prints the digest of its own file and does nothing else; with `--guard` it watches over
//! changes that must be confirmed; with `--from` it works from that directory. When its channel closes it finishes the step in hand and stops; what it did is in the
//! host's journal.

use crate::engine::link::{Assets, Link};
use crate::engine::state_dir::{self, StateDir};
use crate::engine::work;
use crate::model::backup::Answered;
use crate::model::bounds;
use crate::model::delegation::{Awaited, DelegatedStep, PlayPlace, Reply};
use crate::model::digest::Digest;
use crate::model::event::{Event, Hello, Order};
use crate::model::job::{Job, Resume};
use crate::model::op::Asset;
use crate::model::outcome::HostEnd;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::local::{Local, Stopper};
use crate::wire::{self, Frames};
use confirmation::{Answers, Confirmation};
use incoming::{Incoming, Piece, Wanted};
use of_others::{News, OfOthers};
use rustix::process::DumpableBehavior;
use std::io::{self, Cursor, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

mod confirmation;
mod guard;
mod incoming;
mod of_others;

/// Pieces of an asset that may wait to be written. More are left in the channel.
const PIECES_WAITING: usize = 8;

/// What the controller says about backups that may wait to be read. It says one thing of each, and there is one at a time.
const ANSWERS_WAITING: usize = 8;

/// A stop is noticed at least this often while another host is waited for.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// How often the controller hears that the agent lives; it gives up a host that is silent for several of these.
const ALIVE: Duration = Duration::from_secs(20);

/// The directory below which this host lives, for hosts that are a directory (`windlass demo`).
const ROOT: &str = "WINDLASS_ROOT";

/// Works one job and returns. The exit status says only whether a verdict was reported: the verdict itself is a frame.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("--digest") => tell_own_digest(),
        Some("--guard") => guard::watch(arguments),
        Some("--from") => stand_in(arguments.next()).and_then(|()| serve()),
        _ => serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("windlass-agent: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<()> {
    // Jobs bring secrets: no core is written of this process, and no other process of its user reads its memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("close the agent's memory")?;
    let mut frames = Frames::default();
    let Some(Order::Job(job)) = wire::read(&mut frames, &mut io::stdin().lock())? else {
        return Err(Failure::new("read the job", "the channel closed before one came"));
    };
    let host = root().map_or_else(|| Ok(Local::new()), |root| Local::below(&root))?;
    let (sender, pieces) = sync_channel(PIECES_WAITING);
    let (keep, kept) = sync_channel(ANSWERS_WAITING);
    let stopping = Arc::new(AtomicBool::new(false));
    let killed = Killed::default();
    let wanted = Wanted::default();
    let (answers, confirmation) = confirmation::channel();
    let (news, of_others) = channel();
    let (consent, consents) = sync_channel(ANSWERS_WAITING);
    let orders = Orders {
        frames,
        answers,
        pieces: sender,
        kept: keep,
        news,
        consent,
        wanted: wanted.clone(),
        stopping: stopping.clone(),
        killed: killed.clone(),
        stopper: host.stopper(),
    };
    std::thread::spawn(move || orders.follow());
    let out = Arc::new(Outlet { out: Mutex::new(io::stdout()), stopping: stopping.clone() });
    out.write(wire::MARKER);
    let incoming = Incoming::new(pieces, wanted);
    let of_others = OfOthers::new(of_others);
    let channel =
        Channel { job: &job, out, incoming, confirmation, kept, of_others, consents, stopping, killed };
    channel.send(Event::Hello(Hello {
        version: wire::VERSION,
        system: "agent".to_string(),
        pid: std::process::id(),
        boot_id: state_dir::boot_id(&host),
    }));
    let (working, ended) = std::sync::mpsc::channel::<()>();
    let out = channel.out.clone();
    std::thread::spawn(move || say_alive(&out, &ended));
    let HostEnd { outcome, failure } = work::work(&job, &host, &StateDir::at(state_dir()), &channel);
    drop(working);
    channel.send(Event::Finished { nonce: job.envelope.nonce.clone(), outcome, failure });
    Ok(())
}

/// Why the work was killed, once it was.
type Killed = Arc<Mutex<Option<String>>>;

/// Plain data that is never left half changed, so a panic elsewhere does not spoil it.
fn lock(killed: &Killed) -> MutexGuard<'_, Option<String>> {
    killed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes where the login is: commands without a directory of their own run there. The agent is started in the directory
/// that holds it, so that no one can exchange it before.
fn stand_in(directory: Option<String>) -> Result<()> {
    let stands = directory.is_some_and(|directory| std::env::set_current_dir(directory).is_ok());
    if stands { Ok(()) } else { std::env::set_current_dir("/").doing("leave the directory of the agent") }
}

/// Until the work has ended.
fn say_alive(out: &Outlet, ended: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(ALIVE) {
        out.send(Event::Alive);
    }
}

fn tell_own_digest() -> Result<()> {
    let mut file = std::fs::File::open("/proc/self/exe").doing("open the agent's own file")?;
    let (digest, _) = Digest::of_reader(&mut file).doing("read the agent's own file")?;
    println!("{digest}");
    Ok(())
}

fn root() -> Option<HostPath> {
    std::env::var_os(ROOT).filter(|root| !root.is_empty()).map(|root| HostPath::from(PathBuf::from(root)))
}

/// Where the host's state is: the system's for root and for hosts that are a directory, else the user's own.
fn state_dir() -> HostPath {
    if rustix::process::geteuid().is_root() || root().is_some() {
        return HostPath::from("/var/lib/windlass");
    }
    let own = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/var/tmp".into()));
    HostPath::from(own.unwrap_or_else(|| home().join(".local/state")).join("windlass"))
}

/// What the controller says after the job, read by a thread of its own.
struct Orders {
    frames: Frames,
    answers: Answers,
    pieces: SyncSender<Piece>,
    kept: SyncSender<(u32, Answered)>,
    news: Sender<News>,
    consent: SyncSender<(u32, bool)>,
    wanted: Wanted,
    stopping: Arc<AtomicBool>,
    killed: Killed,
    stopper: Stopper,
}

impl Orders {
    /// Until the channel closes, which is an order to stop as well.
    fn follow(mut self) {
        while let Ok(Some(order)) = wire::read::<Order>(&mut self.frames, &mut io::stdin().lock()) {
            match order {
                Order::Asset { request, digest, chunk, last } => {
                    self.pass_on(Piece { request, digest, bytes: Ok(chunk), last });
                }
                Order::NoAsset { request, digest, why } => {
                    self.pass_on(Piece { request, digest, bytes: Err(why), last: true });
                }
                Order::Kept { request, answer } => {
                    // More than fit are not answers to anything that was asked.
                    let _unasked = self.kept.try_send((request, answer));
                }
                Order::RanOnce { step, ended } => self.tell(Awaited::End(step), Reply::Ended(ended)),
                Order::Play { play, start } => self.tell(Awaited::Play(play), Reply::Play(start)),
                Order::Passed { step } => self.tell(Awaited::Passed(step), Reply::Passed),
                Order::Step(step) => {
                    let _engine_ended = self.news.send(News::Step(step));
                }
                Order::Consent { step, runs } => {
                    // More than fit are not answers to anything that was asked.
                    let _unasked = self.consent.try_send((step, runs));
                }
                Order::Confirmed { request, refusal } => self.answers.give(request, refusal),
                Order::Stop => self.stopping.store(true, Ordering::SeqCst),
                Order::Kill { why } => {
                    lock(&self.killed).get_or_insert(why);
                    self.stopping.store(true, Ordering::SeqCst);
                    self.answers.end("it was killed while it waited");
                    self.stopper.kill();
                }
                Order::Job(_) => break,
            }
        }
        self.stopping.store(true, Ordering::SeqCst);
        self.answers.end("the connection to the controller was lost");
    }

    /// The controller answers each question once.
    fn tell(&self, awaited: Awaited, heard: Reply) {
        let _engine_ended = self.news.send(News::Answer(awaited, heard));
    }

    /// What nobody waits for any more is dropped, so that orders behind it are heard.
    fn pass_on(&self, piece: Piece) {
        if self.wanted.is(piece.request) {
            // The engine has ended when nobody receives; the channel is closed next.
            let _engine_ended = self.pieces.send(piece);
        }
    }
}

/// The controller, as the engine sees it.
struct Channel<'a> {
    job: &'a Job,
    out: Arc<Outlet>,
    incoming: Incoming,
    confirmation: Confirmation,
    kept: Receiver<(u32, Answered)>,
    of_others: OfOthers,
    consents: Receiver<(u32, bool)>,
    stopping: Arc<AtomicBool>,
    killed: Killed,
}

/// Where frames go to the controller.
struct Outlet {
    out: Mutex<io::Stdout>,
    stopping: Arc<AtomicBool>,
}

impl Outlet {
    /// Cut to what the controller takes.
    fn send(&self, event: Event) {
        match wire::frame(&bounds::fitted(event)) {
            Ok(bytes) => self.write(&bytes),
            Err(failure) => eprintln!("windlass-agent: {failure}"),
        }
    }

    /// No one is left to hear it when the channel is closed; the reader of orders has noticed and stops the run.
    fn write(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.stopping.store(true, Ordering::SeqCst);
        }
    }
}

impl Channel<'_> {
    /// What `next` comes to, which looks for as long as [`STOP_CHECK`]; none when the job should stop before.
    fn wait<T>(
        &self,
        next: impl Fn() -> Result<Option<T>, RecvTimeoutError>,
        until: Instant,
        doing: &str,
    ) -> Result<Option<T>> {
        while !self.stopping() && Instant::now() < until {
            match next() {
                Ok(Some(answer)) => return Ok(Some(answer)),
                Ok(None) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.stopping() {
            return Ok(None);
        }
        Err(Failure::new(doing, "the controller did not answer"))
    }
}

impl Link for Channel<'_> {
    fn send(&self, event: Event) {
        self.out.send(event);
    }

    fn sender(&self) -> Box<dyn Fn(Event) + Send> {
        let out = self.out.clone();
        Box::new(move |event| out.send(event))
    }

    fn answer(&self, request: u32, within: Duration) -> Result<Option<Answered>> {
        let until = Instant::now() + within;
        loop {
            match self.kept.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((of, answer)) if of == request => return Ok(Some(answer)),
                // It is about one that was given up.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("send a backup", "the controller has gone"));
                }
            }
        }
    }

    fn hear(&self, awaited: Awaited, place: PlayPlace, until: Instant) -> Result<Option<Reply>> {
        self.wait(|| self.of_others.next(awaited, place), until, "wait for another host")
    }

    fn due(&self, place: PlayPlace) -> Option<Box<DelegatedStep>> {
        self.of_others.due(place)
    }

    fn consent(&self, step: u32, name: &str, until: Instant) -> Result<Option<bool>> {
        self.send(Event::AwaitsConsent { step, name: name.to_string() });
        let next = || {
            let (of, runs) = self.consents.recv_timeout(STOP_CHECK)?;
            Ok((of == step).then_some(runs))
        };
        self.wait(next, until, "ask before the step")
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn killed(&self) -> Option<String> {
        lock(&self.killed).clone()
    }

    fn guard(&self) -> Result<String> {
        match root() {
            None => guard::program(),
            Some(root) => {
                Err(Failure::new("arm the change", format!("the host is only the directory {root}")))
            }
        }
    }

    fn reboot(&self, resume: Resume) -> Result<()> {
        let event = Event::Booting(Box::new(resume));
        let bytes = wire::frame(&event)?;
        if bytes.len() > wire::EVENT_LIMIT {
            let why = format!(
                "what the job needs to continue has {} bytes, more than a frame may hold",
                bytes.len()
            );
            return Err(Failure::new("reboot the host", why).hint("register less before the reboot"));
        }
        self.out.write(&bytes);
        Ok(())
    }

    fn confirm(&self, ports: &[u16], until: Instant) -> Result<(), String> {
        let within = until.saturating_duration_since(Instant::now());
        let ask = |request| self.send(Event::Confirm { request, ports: ports.to_vec(), within });
        self.confirmation.of(ask, until)
    }
}

impl Assets for Channel<'_> {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        match self.job.inline(asset) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.incoming.open(asset, &|event| self.send(event)),
        }
    }

    fn expect(&self, assets: Vec<Asset>) {
        let asked = assets.into_iter().filter(|asset| self.job.inline(asset).is_none()).collect();
        self.incoming.expect(asked, &|event| self.send(event));
    }
}
