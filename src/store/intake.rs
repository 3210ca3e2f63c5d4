//! A backup that is being taken: parts come in one after the other, and nothing is in the catalogue before all are there.

use super::backend::Taking;
use super::id::{BackupPath, Id};
use super::incoming::{self, Inlet, StatedPart};
use super::manifest::{BackupAbout, Encoding, MANIFEST, Manifest, Part, PartAbout, PartKind};
use super::part::Taker;
use super::sealed::{Recipients, Room};
use crate::model::digest::Digest;
use crate::model::{Failure, Result};
use crate::system::reason;
use bytes::Bytes;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Takes a backup. Dropped before [`Intake::commit`] it leaves no entry, and what it wrote is removed.
pub struct Intake {
    place: BackupPath,
    about: BackupAbout,
    recipients: Recipients,
    taker: Arc<Taker>,
    parts: Vec<Part>,
    current: Option<Current>,
    /// Why the backup can no longer be whole.
    failed: Option<Failure>,
}

/// The part that comes in at the moment.
struct Current {
    name: String,
    inlet: Inlet,
    thread: JoinHandle<io::Result<Part>>,
}

impl Intake {
    pub(super) fn new(
        place: BackupPath,
        about: BackupAbout,
        recipients: Recipients,
        max_bytes: u64,
        taking: Arc<dyn Taking>,
    ) -> Intake {
        let (stored_room, plain_room) = (Room::new(max_bytes), Room::new(max_bytes));
        let taker = Taker { taking, recipients: recipients.clone(), stored_room, plain_room };
        let taker = Arc::new(taker);
        Intake { place, about, recipients, taker, parts: Vec::new(), current: None, failed: None }
    }

    /// The id that the backup will have.
    pub fn id(&self) -> &Id {
        &self.place.id
    }

    /// Begins the part `name`, which must be one that was announced, of this kind, and not there yet.
    pub async fn begin_part(&mut self, name: &str, kind: PartKind, encoding: Encoding) -> Result<()> {
        self.unless_failed()?;
        let about = match self.announced(name, kind) {
            Ok(about) => about.clone(),
            Err(why) => return Err(self.fail(name, why)),
        };
        let (inlet, incoming) = incoming::channel();
        let taker = self.taker.clone();
        let thread = tokio::task::spawn_blocking(move || taker.take(about, encoding, incoming));
        self.current = Some(Current { name: name.to_string(), inlet, thread });
        Ok(())
    }

    fn announced(&self, name: &str, kind: PartKind) -> Result<&PartAbout, &'static str> {
        if self.current.is_some() {
            return Err("the part before it has not ended");
        }
        if self.parts.iter().any(|part| part.name == name) {
            return Err("it has been taken already");
        }
        let part = self.about.parts.iter().find(|part| part.name == name && part.kind == kind);
        part.ok_or("no such part was asked for")
    }

    /// Takes bytes of the part. Waits while the store is slow.
    pub async fn take(&mut self, bytes: Bytes) -> Result<()> {
        self.unless_failed()?;
        let Some(current) = &self.current else {
            return Err(self.fail("a part", "there are bytes of it before its start"));
        };
        match current.inlet.give(bytes).await {
            Ok(()) => Ok(()),
            Err(incoming::Closed) => Err(self.ended_early().await),
        }
    }

    /// Ends the part: refused when what arrived is not what the host says it sent, which is so many plain bytes of this
    /// digest.
    pub async fn end_part(&mut self, plain_bytes: u64, plain_sha256: &Digest) -> Result<Part> {
        self.unless_failed()?;
        let Some(Current { name, inlet, thread }) = self.current.take() else {
            return Err(self.fail("a part", "it ends before its start"));
        };
        // When nobody reads any more, the thread says why.
        let _told_below = inlet.end(StatedPart { plain_bytes, plain_sha256: plain_sha256.clone() }).await;
        match joined(thread).await {
            Ok(part) => {
                self.parts.push(part.clone());
                Ok(part)
            }
            Err(error) => Err(self.fail(&name, reason::plain(&error))),
        }
    }

    /// Puts the backup into the catalogue. Refused when a part is missing.
    pub async fn commit(mut self) -> Result<Manifest> {
        self.unless_failed()?;
        let missing = self.about.parts.iter().find(|part| !self.parts.iter().any(|p| p.name == part.name));
        if let Some(part) = missing {
            let name = part.name.clone();
            return Err(self.fail(&name, "it never came, so the backup is not whole"));
        }
        let Intake { place, about, recipients, taker, parts, .. } = self;
        let manifest = Manifest::new(&place, about, recipients.texts(), parts);
        let doing = format!("put backup {} into the catalogue", place.id);
        let text = manifest.text()?;
        let sums = manifest.sums(&text).text();
        let commit = move || -> io::Result<()> {
            let mut file = taker.taking.create(MANIFEST)?;
            file.write_all(text.as_bytes())?;
            file.finish()?;
            taker.taking.commit(&sums)
        };
        let done = joined(tokio::task::spawn_blocking(commit)).await;
        done.map_err(|error| reason::because(doing, &reason::plain(&error)))?;
        Ok(manifest)
    }

    async fn ended_early(&mut self) -> Failure {
        let Some(Current { name, inlet, thread }) = self.current.take() else {
            return self.fail("a part", "it has ended");
        };
        drop(inlet);
        match joined(thread).await {
            Ok(_) => self.fail(&name, "it goes on after its end"),
            Err(error) => self.fail(&name, reason::plain(&error)),
        }
    }

    fn fail(&mut self, part: &str, why: impl AsRef<str>) -> Failure {
        let doing = format!("take {part} into backup {}", self.place.id);
        let failure = reason::because(doing, why.as_ref());
        self.failed = Some(failure.clone());
        failure
    }

    fn unless_failed(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

async fn joined<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.await.map_err(io::Error::other)?
}
