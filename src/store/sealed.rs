//! What is written to the store: encrypted where that is asked for, then counted and digested as it is stored.

use super::backend::{Sink, Taking};
use super::manifest::Stored;
use crate::model::digest::Digest;
use age::stream::StreamWriter;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes a backup may still come to: a host that never ends must not fill the store.
#[derive(Debug)]
pub struct Room(AtomicU64);

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: u64) -> Arc<Room> {
        Arc::new(Room(AtomicU64::new(bytes)))
    }

    /// Takes some of it; fails when there is none left.
    pub fn take(&self, bytes: usize) -> io::Result<()> {
        let left = |left: u64| left.checked_sub(bytes as u64);
        let taken = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        let full = |_| io::Error::other("the backup is larger than the store's max_size");
        taken.map(|_| ()).map_err(full)
    }
}

/// Whom a backup is encrypted to; nobody when it stays as it is.
#[derive(Clone, Default)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl Recipients {
    /// Reads `age1…` texts.
    pub fn parse(texts: &[String]) -> Result<Recipients, String> {
        let one = |text: &String| {
            text.trim().parse().map_err(|_| format!("{text:?} is no age recipient; one begins with age1"))
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Recipients)
    }

    /// Whether there is anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they are written.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// An object that is being written.
pub enum Sealed {
    /// As it is.
    Open(Counted),
    /// Encrypted with age.
    Age(Box<StreamWriter<Counted>>),
}

impl Sealed {
    /// Begins the object `file`.
    pub fn begin(
        taking: &dyn Taking,
        file: &str,
        recipients: &Recipients,
        room: &Arc<Room>,
    ) -> io::Result<Sealed> {
        let (file_name, sink) = (file.to_string(), taking.create(file)?);
        let counted = Counted { file: file_name, sink, hasher: Sha256::new(), bytes: 0, room: room.clone() };
        if recipients.is_empty() {
            return Ok(Sealed::Open(counted));
        }
        let recipients = recipients.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        Ok(Sealed::Age(Box::new(encryptor.wrap_output(counted)?)))
    }

    /// Ends it; says what was stored.
    pub fn finish(self) -> io::Result<Stored> {
        match self {
            Sealed::Open(counted) => counted.finish(),
            Sealed::Age(writer) => writer.finish()?.finish(),
        }
    }
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sealed::Open(counted) => counted.write(bytes),
            Sealed::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sealed::Open(counted) => counted.flush(),
            Sealed::Age(writer) => writer.flush(),
        }
    }
}

/// Counts and digests what goes to the store.
pub struct Counted {
    file: String,
    sink: Box<dyn Sink>,
    hasher: Sha256,
    bytes: u64,
    room: Arc<Room>,
}

impl Counted {
    fn finish(self) -> io::Result<Stored> {
        self.sink.finish()?;
        let sha256 = Digest::from_hash(self.hasher.finalize().as_slice());
        Ok(Stored { file: self.file, bytes: self.bytes, sha256 })
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.take(bytes.len())?;
        self.sink.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
