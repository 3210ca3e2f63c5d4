//! The protocol between controller and agent: frames of at most [`FRAME_LIMIT`] bytes, each a length and a
//! MessagePack value, after a marker that ends whatever a login printed.

use crate::model::{Doing, Failure, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};

/// Changes whenever the meaning of a frame does. An agent is named by its digest, so both sides always agree.
pub const VERSION: u32 = 3;

/// Comes before the first frame in either direction. Everything before it is noise.
pub const MARKER: &[u8] = b"\0windlass-frames-3\0";

/// The most a frame may hold, in bytes; a longer one is refused before anything is allocated for it.
pub const FRAME_LIMIT: usize = 32 * 1024 * 1024;

/// How much noise is read before a marker is given up, in bytes.
pub const NOISE_LIMIT: usize = 256 * 1024;

/// A whole frame: four bytes of length, most significant first, then the value.
pub fn frame<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, value).doing("encode a frame")?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(too_long(length));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Takes frames out of bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    started: bool,
}

impl Frames {
    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if it has arrived.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        if !self.started && !self.skip_noise()? {
            return Ok(None);
        }
        let Some(head) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > FRAME_LIMIT {
            return Err(too_long(length));
        }
        if self.bytes.len() < 4 + length {
            return Ok(None);
        }
        let value = decode(&self.bytes[4..4 + length]);
        self.bytes.drain(..4 + length);
        value.map(Some)
    }

    /// Whether the marker has been seen.
    pub fn started(&self) -> bool {
        self.started
    }

    /// What came before the marker, for messages when it never came.
    pub fn noise(&self) -> &[u8] {
        if self.started { &[] } else { &self.bytes }
    }

    fn skip_noise(&mut self) -> Result<bool> {
        let found = self.bytes.windows(MARKER.len()).position(|window| window == MARKER);
        if let Some(at) = found {
            self.bytes.drain(..at + MARKER.len());
            self.started = true;
        } else if self.bytes.len() > NOISE_LIMIT {
            return Err(Failure::new("wait for the agent", "the login prints without end")
                .hint("look at what the login shell's start-up files print"));
        }
        Ok(self.started)
    }
}

/// Reads frames from a blocking reader; `None` at its end.
pub fn read<T: DeserializeOwned>(frames: &mut Frames, reader: &mut dyn Read) -> Result<Option<T>> {
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(value) = frames.take()? {
            return Ok(Some(value));
        }
        match reader.read(&mut chunk).doing("read a frame")? {
            0 => return Ok(None),
            n => frames.push(&chunk[..n]),
        }
    }
}

/// Writes one frame and flushes it.
pub fn write<T: Serialize>(writer: &mut dyn Write, value: &T) -> Result<()> {
    let bytes = frame(value)?;
    writer.write_all(&bytes).and_then(|()| writer.flush()).doing("write a frame")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| Failure::new("decode a frame", error))
}

fn too_long(length: usize) -> Failure {
    Failure::new("exchange a frame", format!("it has {length} bytes and {FRAME_LIMIT} is the limit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(noise: &[u8], values: &[String]) -> Vec<u8> {
        let mut bytes = [noise, MARKER].concat();
        values.iter().for_each(|value| bytes.extend(frame(value).unwrap()));
        bytes
    }

    proptest! {
        #[test]
        fn frames_survive_noise_and_any_cutting(values: Vec<String>, noise: Vec<u8>, size in 1usize..50) {
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for piece in stream(&noise, &values).chunks(size) {
                frames.push(piece);
                while let Some(value) = frames.take::<String>().unwrap() { got.push(value) }
            }
            prop_assert_eq!(got, values);
        }

        #[test]
        fn any_bytes_are_refused_or_decoded_but_never_panic(bytes: Vec<u8>) {
            let mut frames = Frames::default();
            frames.push(MARKER);
            frames.push(&bytes);
            let _refused_or_not = frames.take::<crate::model::event::Event>();
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_is_awaited() {
        let mut frames = Frames::default();
        frames.push(MARKER);
        frames.push(&u32::MAX.to_be_bytes());
        assert!(frames.take::<String>().is_err());
    }
}
