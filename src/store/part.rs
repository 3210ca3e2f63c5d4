//! Takes one part: its plain bytes are seen, digested and, of a tar, listed; compressed and encrypted they are stored.
//! Runs on a thread of its own. A host may send anything: memory and sizes are bounded.

use super::backend::Taking;
use super::incoming::{Incoming, StatedPart, Tee};
use super::index::Indexed;
use super::manifest::{Encoding, Part, PartAbout, PartKind};
use super::sealed::{Recipients, Room, Sealed};
use crate::model::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::Arc;

/// Frames that ask for a larger window are refused, 8 MiB: reading one takes that much memory. Level 3, which hosts use,
/// asks for 2 MiB.
pub const WINDOW_LOG_LIMIT: u32 = 23;

/// What is compressed here. Higher ones are slower than the hosts' streams.
const LEVEL: i32 = 3;

/// Where a part goes, and what may become of it.
pub struct Taker {
    /// The backup it belongs to.
    pub taking: Arc<dyn Taking>,
    /// Whom it is encrypted to.
    pub recipients: Recipients,
    /// What the backup may still come to, as it is stored.
    pub stored_room: Arc<Room>,
    /// And as the host has it.
    pub plain_room: Arc<Room>,
}

impl Taker {
    /// Takes a part to its end, and compares it with what the host says it was.
    pub fn take(&self, about: PartAbout, encoding: Encoding, incoming: Incoming) -> io::Result<Part> {
        let encrypted = !self.recipients.is_empty();
        let mut index = match about.kind {
            PartKind::Tar => Some(self.index(&about.index_file(encrypted))?),
            _ => None,
        };
        let sealed = self.begin(&about.file(encrypted))?;
        let (seen, incoming, sealed) = match encoding {
            Encoding::Zstd => self.compressed(incoming, sealed, &mut index)?,
            Encoding::Plain => self.plain(incoming, sealed, &mut index)?,
        };
        check(&seen, incoming.told())?;
        let stored = sealed.finish()?;
        let index = index.map(Indexed::finish).transpose()?;
        let PartAbout { name, kind, from } = about;
        let StatedPart { plain_bytes, plain_sha256 } = seen;
        Ok(Part { name, kind, from, plain_bytes, plain_sha256, stored, index })
    }

    fn begin(&self, file: &str) -> io::Result<Sealed> {
        Sealed::begin(&*self.taking, file, &self.recipients, &self.stored_room)
    }

    fn index(&self, file: &str) -> io::Result<Indexed> {
        Indexed::begin(compressor(self.begin(file)?)?)
    }

    /// Zstd frames are stored as they came, and read on the way.
    fn compressed(&self, incoming: Incoming, sealed: Sealed, index: &mut Option<Indexed>) -> Taken {
        let mut decoder = zstd::Decoder::new(Tee { reader: incoming, writer: sealed })?;
        decoder.window_log_max(WINDOW_LOG_LIMIT)?;
        let seen = self.see(&mut decoder, index)?;
        let Tee { reader, writer } = decoder.into_inner().into_inner();
        Ok((seen, reader, writer))
    }

    /// Plain bytes are compressed on their way to the store.
    fn plain(&self, incoming: Incoming, sealed: Sealed, index: &mut Option<Indexed>) -> Taken {
        let mut tee = Tee { reader: incoming, writer: compressor(sealed)? };
        let seen = self.see(&mut tee, index)?;
        Ok((seen, tee.reader, tee.writer.finish()?))
    }

    fn see(&self, plain: &mut dyn Read, index: &mut Option<Indexed>) -> io::Result<StatedPart> {
        let mut seen = Seen { reader: plain, hasher: Sha256::new(), bytes: 0, room: &self.plain_room };
        if let Some(index) = index {
            index.read(&mut seen)?;
        }
        io::copy(&mut seen, &mut io::sink())?;
        let plain_sha256 = Digest::from_hash(seen.hasher.finalize().as_slice());
        Ok(StatedPart { plain_bytes: seen.bytes, plain_sha256 })
    }
}

type Taken = io::Result<(StatedPart, Incoming, Sealed)>;

/// What is written compressed. With a checksum, so that `zstd -t` sees damage too.
pub type Compressor = zstd::Encoder<'static, Sealed>;

fn compressor(sealed: Sealed) -> io::Result<Compressor> {
    let mut encoder = zstd::Encoder::new(sealed, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn check(seen: &StatedPart, told: Option<&StatedPart>) -> io::Result<()> {
    match told {
        Some(told) if told == seen => Ok(()),
        Some(told) if told.plain_bytes != seen.plain_bytes => Err(io::Error::other(format!(
            "{} bytes arrived, and the host says it sent {}",
            seen.plain_bytes, told.plain_bytes
        ))),
        Some(_) => {
            Err(io::Error::other("the bytes that arrived are not the ones that the host says it sent"))
        }
        None => Err(io::Error::other("it goes on after its end")),
    }
}

/// Counts and digests what is read.
struct Seen<'a> {
    reader: &'a mut dyn Read,
    hasher: Sha256,
    bytes: u64,
    room: &'a Room,
}

impl Read for Seen<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.room.take(n)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}
