//! A part on its way from the host: async code gives chunks, a thread reads them. Little is kept in between, so that a
//! slow store holds the host back.

use crate::model::digest::Digest;
use bytes::Bytes;
use std::io::{self, Read};
use tokio::sync::mpsc;

/// A chunk that waits is at most this large, in bytes.
const CHUNK: usize = 256 * 1024;

/// How many chunks wait: 4 MiB.
const CHUNKS: usize = 16;

enum Message {
    Chunk(Bytes),
    End(StatedPart),
}

/// What the host says a part was, as it read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedPart {
    /// Its bytes before compression.
    pub plain_bytes: u64,
    /// Their digest.
    pub plain_sha256: Digest,
}

/// Where chunks go in.
pub struct Inlet(mpsc::Sender<Message>);

/// Where a thread reads them.
pub struct Incoming {
    receiver: mpsc::Receiver<Message>,
    chunk: Bytes,
    told: Option<StatedPart>,
}

/// Nobody reads any more.
#[derive(Debug)]
pub struct Closed;

/// Both ends.
pub fn channel() -> (Inlet, Incoming) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (Inlet(sender), Incoming { receiver, chunk: Bytes::new(), told: None })
}

impl Inlet {
    /// Waits until the bytes are taken.
    pub async fn give(&self, mut bytes: Bytes) -> Result<(), Closed> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            self.0.send(Message::Chunk(chunk)).await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    /// Says that this was all. An inlet that is dropped without it has not ended but broken off.
    pub async fn end(self, told: StatedPart) -> Result<(), Closed> {
        self.0.send(Message::End(told)).await.map_err(|_| Closed)
    }
}

impl Incoming {
    /// What the host said at the end; `None` before it.
    pub fn told(&self) -> Option<&StatedPart> {
        self.told.as_ref()
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && self.told.is_none() {
            match self.receiver.blocking_recv() {
                Some(Message::Chunk(chunk)) => self.chunk = chunk,
                Some(Message::End(told)) => self.told = Some(told),
                None => return Err(io::Error::other("it broke off before its end")),
            }
        }
        let n = self.chunk.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}

/// Reads on, and writes what it reads to a second place.
pub struct Tee<R, W> {
    /// Read from.
    pub reader: R,
    /// Written to.
    pub writer: W,
}

impl<R: Read, W: io::Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.writer.write_all(&buffer[..n])?;
        Ok(n)
    }
}
