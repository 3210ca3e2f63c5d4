//! The agent's side of the channel: frames in, the engine in the middle, frames out.
//!
//! With the argument `--digest` it tells the digest of its own file and does nothing else. When its channel closes it finishes the step in hand and stops; what it did is
//! in the host's journal.

use crate::engine::converge::Link;
use crate::engine::journal::{self, Store};
use crate::engine::perform::Assets;
use crate::engine::work::{self, Verdict};
use crate::model::digest::{Checked, Digest};
use crate::model::event::{Event, Hello, Order};
use crate::model::job::{InlineAsset, Job};
use crate::model::op::Asset;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::local::{Local, Stopper};
use crate::wire::{self, Frames};
use std::io::{self, Cursor, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces of an asset that may wait to be written. More are left in the channel.
const PIECES_WAITING: usize = 8;

/// The folder below which this host lives, for hosts that are a folder (`windlass demo`).
const ROOT: &str = "WINDLASS_ROOT";

/// Works one job and returns. The exit status says only whether a verdict was told: the verdict itself is a frame.
pub fn main() -> ExitCode {
    let asked_for_digest = std::env::args_os().nth(1).is_some_and(|argument| argument == "--digest");
    let done = if asked_for_digest { tell_own_digest() } else { serve() };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("windlass-agent: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<()> {
    let mut frames = Frames::default();
    let Some(Order::Job(job)) = wire::read(&mut frames, &mut io::stdin().lock())? else {
        return Err(Failure::new("read the job", "the channel closed before one came"));
    };
    let host = root().map_or_else(|| Ok(Local::new()), |root| Local::below(&root))?;
    let (sender, pieces) = sync_channel(PIECES_WAITING);
    let stopping = Arc::new(AtomicBool::new(false));
    let orders = Orders { frames, pieces: sender, stopping: stopping.clone(), stopper: host.stopper() };
    std::thread::spawn(move || orders.follow());
    let channel = Channel::new(&job, pieces, stopping);
    channel.tell(Event::Hello(Hello {
        version: wire::VERSION,
        system: "agent".to_string(),
        pid: std::process::id(),
        boot_id: journal::boot_id(&host),
    }));
    let Verdict { outcome, failure } = work::work(&job, &host, &Store::at(state_folder()), &channel);
    channel.tell(Event::Finished { nonce: job.nonce.clone(), outcome, failure });
    Ok(())
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

/// Where the host's memory is: the system's for root and for hosts that are a folder, else the user's own.
fn state_folder() -> HostPath {
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
    pieces: SyncSender<Piece>,
    stopping: Arc<AtomicBool>,
    stopper: Stopper,
}

/// A piece of an asset.
struct Piece {
    bytes: Vec<u8>,
    last: bool,
}

impl Orders {
    /// Until the channel closes, which is an order to stop as well.
    fn follow(mut self) {
        while let Ok(Some(order)) = wire::read::<Order>(&mut self.frames, &mut io::stdin().lock()) {
            match order {
                Order::Asset { chunk, last, .. } => {
                    if self.pieces.send(Piece { bytes: chunk, last }).is_err() {
                        break;
                    }
                }
                Order::Stop => self.stopping.store(true, Ordering::SeqCst),
                Order::Kill => {
                    self.stopping.store(true, Ordering::SeqCst);
                    self.stopper.kill();
                }
                Order::Job(_) => break,
            }
        }
        self.stopping.store(true, Ordering::SeqCst);
    }
}

/// The controller, as the engine sees it.
struct Channel<'a> {
    inline: &'a [InlineAsset],
    out: Mutex<io::Stdout>,
    pieces: Receiver<Piece>,
    stopping: Arc<AtomicBool>,
}

impl<'a> Channel<'a> {
    fn new(job: &'a Job, pieces: Receiver<Piece>, stopping: Arc<AtomicBool>) -> Self {
        let channel = Channel { inline: &job.assets, out: Mutex::new(io::stdout()), pieces, stopping };
        channel.write(wire::MARKER);
        channel
    }

    /// Nobody is left to be told when the channel is closed; the reader of orders has noticed and stops the run.
    fn write(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.stopping.store(true, Ordering::SeqCst);
        }
    }
}

impl Link for Channel<'_> {
    fn tell(&self, event: Event) {
        match wire::frame(&event) {
            Ok(bytes) => self.write(&bytes),
            Err(failure) => eprintln!("windlass-agent: {failure}"),
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Assets for Channel<'_> {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        if let Some(inline) = self.inline.iter().find(|inline| inline.asset == *asset) {
            return Ok(Box::new(Cursor::new(&inline.bytes)));
        }
        self.tell(Event::Need(asset.digest.clone()));
        let pieces = Pieces { channel: self, waiting: Cursor::default(), ended: false };
        Ok(Box::new(Checked::new(pieces, &asset.digest)))
    }
}

/// Reads an asset from the channel as its pieces arrive.
struct Pieces<'a> {
    channel: &'a Channel<'a>,
    waiting: Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.waiting.read(buffer)?;
            if n > 0 || self.ended {
                return Ok(n);
            }
            let piece = self.channel.pieces.recv();
            let piece =
                piece.map_err(|_| io::Error::other("the controller went away while it sent the file"))?;
            self.ended = piece.last;
            self.waiting = Cursor::new(piece.bytes);
        }
    }
}
