//! Sends a backup to the controller: what commands write, compressed, piece by piece, and nothing of it on a disk here.

use super::link::Link;
use super::progress::StepProgress;
use crate::model::backup::{Backup, Kept, Part, Said};
use crate::model::digest::Digest;
use crate::model::event::Event;
use crate::model::op::Answer;
use crate::model::refusal::refused;
use crate::model::size::Size;
use crate::model::{Failure, Result, Value, Values};
use crate::system::{Flow, System};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What is compressed travels in pieces of this size, in bytes.
const PIECE: usize = 256 * 1024;

/// How hard zstd tries. Beyond it the time doubles for a few percent.
const LEVEL: i32 = 3;

/// How often progress is reported.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// The controller's store may take so long to make a backup whole once it has all of it: a store elsewhere puts its pieces
/// together then.
const COMMIT_TIME: Duration = Duration::from_secs(15 * 60);

/// Each backup that this process sends has a number of its own.
static REQUESTS: AtomicU32 = AtomicU32::new(1);

/// Where a backup comes from and goes to.
pub struct Sender<'a> {
    /// The host.
    pub host: &'a dyn System,
    /// The controller.
    pub link: &'a dyn Link,
    /// The step's place in the job.
    pub step: u32,
    /// When the step's time is up.
    pub deadline: Instant,
}

/// A part that was sent.
struct Sent {
    name: String,
    bytes: u64,
    took: Duration,
    note: Option<String>,
}

impl Sender<'_> {
    /// Sends all parts and returns once the controller has them for good. What came of it is in `done`.
    pub fn send(&self, backup: &Backup, done: &mut StepProgress) -> Result<()> {
        let request = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let sent = self.send_parts(request, backup);
        if sent.is_err() {
            self.say(request, Said::GivenUp);
        }
        let sent = sent?;
        self.say(request, Said::Commit);
        let kept = self.await_answer(request, backup)?;
        done.result.extend(result_of(&kept, &sent));
        done.notes.push(told(&kept, &sent));
        done.notes.extend(sent.into_iter().filter_map(|part| part.note));
        done.notes.extend(kept.notes);
        Ok(())
    }

    fn send_parts(&self, request: u32, backup: &Backup) -> Result<Vec<Sent>> {
        self.say(request, Said::Begin);
        backup.parts.iter().map(|part| self.send_part(request, backup, part)).collect()
    }

    fn send_part(&self, request: u32, backup: &Backup, part: &Part) -> Result<Sent> {
        let began = Instant::now();
        let name = &part.label.name;
        self.say(request, Said::Part { name: name.clone() });
        let mut sink = Sink::new(self, request, name).map_err(|error| failed(backup, name, error))?;
        let mut command = part.command.clone();
        let left = self.deadline.saturating_duration_since(began);
        command.timeout = Some(command.timeout.map_or(left, |own| own.min(left)));
        let answer = self.host.stream(&command, Flow { output: Some(&mut sink), ..Flow::default() });
        // The store's own words tell more than that nobody took the output.
        if let Some(refusal) = sink.refusal.take() {
            return Err(refusal);
        }
        let answer = answer?;
        if !part.accept.accepts(answer.status) {
            return Err(refused(&part.command, &answer));
        }
        let (bytes, digest) = sink.finish().map_err(|error| failed(backup, name, error))?;
        self.say(request, Said::PartEnd { bytes, digest });
        Ok(Sent { name: name.clone(), bytes, took: began.elapsed(), note: note(name, &answer) })
    }

    fn say(&self, request: u32, said: Said) {
        self.link.send(Event::Backup { request, step: self.step, said });
    }

    fn await_answer(&self, request: u32, backup: &Backup) -> Result<Kept> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(COMMIT_TIME);
        match self.link.answer(request, left)? {
            Some(answer) => answer,
            None => {
                let why =
                    format!("the controller's store did not confirm the backup within {} s", left.as_secs());
                Err(Failure::new(format!("back up {}", backup.name), why)
                    .hint("`windlass backups list` shows whether the backup is complete"))
            }
        }
    }
}

/// Takes the bytes of a part: counts, digests, compresses, and sends them.
struct Sink<'a> {
    sender: &'a Sender<'a>,
    request: u32,
    name: &'a str,
    hasher: Sha256,
    bytes: u64,
    told: Instant,
    /// Taken when the part is finished.
    encoder: Option<zstd::Encoder<'static, Vec<u8>>>,
    /// Why the controller does not want it any more.
    refusal: Option<Failure>,
}

impl<'a> Sink<'a> {
    fn new(sender: &'a Sender<'a>, request: u32, name: &'a str) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(Vec::with_capacity(PIECE), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Sink {
            sender,
            request,
            name,
            hasher: Sha256::new(),
            bytes: 0,
            told: Instant::now(),
            encoder: Some(encoder),
            refusal: None,
        })
    }

    /// What came in all, and its digest.
    fn finish(mut self) -> io::Result<(u64, Digest)> {
        if let Some(encoder) = self.encoder.take() {
            let rest = encoder.finish()?;
            self.send(rest)?;
        }
        Ok((self.bytes, Digest::from_hash(self.hasher.finalize().as_slice())))
    }

    /// The controller may have said meanwhile that its store takes no more; or it has gone.
    fn send(&mut self, chunk: Vec<u8>) -> io::Result<()> {
        let refusal = match self.sender.link.answer(self.request, Duration::ZERO) {
            Ok(None) => None,
            Ok(Some(Err(refusal))) | Err(refusal) => Some(refusal),
            Ok(Some(Ok(_))) => Some(Failure::new("send a backup", "the controller ended it too early")),
        };
        if let Some(refusal) = refusal {
            self.refusal = Some(refusal);
            return Err(io::Error::other("the controller stopped receiving it"));
        }
        self.sender.say(self.request, Said::Piece { chunk });
        self.tell_how_far();
        Ok(())
    }

    fn tell_how_far(&mut self) {
        if self.told.elapsed() < TOLD_EVERY {
            return;
        }
        self.told = Instant::now();
        let text = format!("{}: {} MiB", self.name, self.bytes >> 20);
        self.sender.link.send(Event::Progress { step: self.sender.step, text });
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(encoder) = &mut self.encoder else { return Err(io::ErrorKind::BrokenPipe.into()) };
        encoder.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        if encoder.get_ref().len() >= PIECE {
            let chunk = std::mem::replace(encoder.get_mut(), Vec::with_capacity(PIECE));
            self.send(chunk)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(backup: &Backup, part: &str, error: io::Error) -> Failure {
    Failure::new(format!("back up {part} of {}", backup.name), error)
}

/// What a command said that was content, but not quite.
fn note(part: &str, answer: &Answer) -> Option<String> {
    let words = answer.last_words().filter(|_| !answer.ok())?;
    Some(format!("{part}: {words}"))
}

fn told(kept: &Kept, sent: &[Sent]) -> String {
    let bytes: u64 = sent.iter().map(|part| part.bytes).sum();
    let parts: Vec<String> = sent
        .iter()
        .map(|part| format!("{} {} in {:.1} s", part.name, size(part.bytes), part.took.as_secs_f64()))
        .collect();
    format!("kept as {}: {}, {} in the store ({})", kept.id, size(bytes), size(kept.stored), parts.join("; "))
}

fn result_of(kept: &Kept, sent: &[Sent]) -> Values {
    let part =
        |part: &Sent| json!({ "name": part.name, "bytes": part.bytes, "seconds": part.took.as_secs_f64() });
    let parts: Value = sent.iter().map(part).collect();
    let bytes: u64 = sent.iter().map(|part| part.bytes).sum();
    let values = [
        ("id", kept.id.clone().into()),
        ("bytes", bytes.into()),
        ("stored_bytes", kept.stored.into()),
        ("parts", parts),
    ];
    values.map(|(name, value)| (name.to_string(), value)).into_iter().collect()
}

fn size(bytes: u64) -> String {
    Size(bytes).to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::engine::link::Assets;
    use crate::model::backup::{Answered, Label, PartKind};
    use crate::model::op::{Accept, Asset, Command};
    use crate::system::local::Local;
    use std::cell::RefCell;
    use std::io::Read;

    /// A controller that answers as the test says, after so many pieces.
    struct Controller {
        heard: RefCell<Vec<Said>>,
        refuses_after: usize,
    }

    impl Controller {
        fn new(refuses_after: usize) -> Self {
            Controller { heard: RefCell::default(), refuses_after }
        }

        fn pieces(&self) -> Vec<Vec<u8>> {
            let heard = self.heard.borrow();
            let chunk =
                |said: &Said| if let Said::Piece { chunk } = said { Some(chunk.clone()) } else { None };
            heard.iter().filter_map(chunk).collect()
        }
    }

    impl Link for Controller {
        fn send(&self, event: Event) {
            if let Event::Backup { said, .. } = event {
                self.heard.borrow_mut().push(said);
            }
        }

        fn stopping(&self) -> bool {
            false
        }

        fn answer(&self, _: u32, _: Duration) -> Result<Option<Answered>> {
            if self.pieces().len() >= self.refuses_after {
                return Ok(Some(Err(Failure::new("take it", "the disk is full"))));
            }
            let is_whole = matches!(self.heard.borrow().last(), Some(Said::Commit));
            Ok(is_whole.then(|| {
                Ok(Kept { id: "20261121T084500Z-web-test-kxqz".to_string(), stored: 9, notes: Vec::new() })
            }))
        }
    }

    impl Assets for Controller {
        fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
            Err(Failure::new(format!("open {}", asset.digest), "there is none"))
        }
    }

    fn part(name: &str, script: &str, accept: Accept) -> Part {
        let label = Label { name: name.to_string(), kind: PartKind::Json };
        Part { label, command: Command::new(["sh", "-c", script]), accept }
    }

    fn send(controller: &Controller, parts: Vec<Part>) -> (Result<()>, StepProgress) {
        let host = Local::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        let sender = Sender { host: &host, link: controller, step: 0, deadline };
        let mut done = StepProgress::default();
        let sent = sender.send(&Backup { name: "test".to_string(), parts }, &mut done);
        (sent, done)
    }

    #[test]
    fn parts_are_compressed_counted_and_digested() {
        let controller = Controller::new(usize::MAX);
        let noise = part("noise", "head -c 900000 /dev/urandom", Accept::Zero);
        let odd = part("odd", "echo text; echo changed >&2; exit 1", Accept::Of(vec![0, 1]));
        let (sent, done) = send(&controller, vec![noise, odd]);
        sent.unwrap();
        assert_eq!(done.result["id"], "20261121T084500Z-web-test-kxqz");
        assert_eq!(done.result["bytes"], 900_005);
        assert_eq!(done.notes[1], "odd: changed");
        let heard = controller.heard.borrow();
        let ends: Vec<(u64, &Digest)> = heard
            .iter()
            .filter_map(|said| {
                if let Said::PartEnd { bytes, digest } = said { Some((*bytes, digest)) } else { None }
            })
            .collect();
        let pieces = controller.pieces();
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() < 2 * PIECE));
        let all = zstd::decode_all(&pieces.concat()[..]).unwrap();
        let (first, second) = all.split_at(900_000);
        assert_eq!(ends, [(900_000, &Digest::of(first)), (5, &Digest::of(second))]);
        assert_eq!(second, b"text\n");
    }

    #[test]
    fn a_command_that_fails_gives_the_backup_up() {
        let controller = Controller::new(usize::MAX);
        let (sent, _) =
            send(&controller, vec![part("bad", "echo half; echo no such table >&2; exit 3", Accept::Zero)]);
        assert!(sent.unwrap_err().to_string().contains("exit status 3: no such table"));
        let heard = controller.heard.borrow();
        assert_eq!(heard.last(), Some(&Said::GivenUp));
        assert!(!heard.contains(&Said::Commit));
    }

    #[test]
    fn a_store_that_is_full_ends_the_command() {
        let controller = Controller::new(2);
        let (sent, _) = send(&controller, vec![part("endless", "cat /dev/urandom", Accept::Zero)]);
        assert_eq!(sent.unwrap_err().to_string(), "take it: the disk is full");
        assert_eq!(controller.pieces().len(), 2);
    }
}
