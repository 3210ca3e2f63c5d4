//! The protocol between controller and agent: frames of at most [`FRAME_LIMIT`] bytes, each a length and a
//! MessagePack value, after a marker that ends whatever a login printed.

use crate::model::{Doing, Failure, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};

/// Changes whenever the meaning of a frame does. An agent is named by its digest, so both sides always agree.
pub const VERSION: u32 = 11;

/// Comes before the first frame in either direction. Everything before it is noise.
pub const MARKER: &[u8] = b"\0windlass-frames-7\0";

/// The most a frame may hold, in bytes; a longer one is refused before anything is allocated for it.
pub const FRAME_LIMIT: usize = 32 * 1024 * 1024;

/// The most that a frame from a host may hold, in bytes: what an agent says is cut before it gets that long.
pub const EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// The most values that a frame from a host may hold, in all: each costs far more memory than the byte it may be sent as.
const VALUES: usize = 200_000;

/// How deep values may be in one another, in either direction. What is read from a record later on has the same limit.
const DEPTH: usize = 64;

/// A buffer that was larger than this, in bytes, is given back once it is empty.
const ROOM_KEPT: usize = 1024 * 1024;

/// How much noise is read before a marker is given up, in bytes.
pub const NOISE_LIMIT: usize = 256 * 1024;

/// A whole frame: four bytes of length, most significant first, then the value.
pub fn frame<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, value).doing("encode a frame")?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(too_long(length, FRAME_LIMIT));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Takes frames out of bytes that arrive in pieces of any size.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    started: bool,
    longest: usize,
    most_values: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Frames { bytes: Vec::new(), started: false, longest: FRAME_LIMIT, most_values: FRAME_LIMIT }
    }
}

impl Frames {
    /// Of a host, which may be hostile.
    pub fn of_host() -> Self {
        Frames { longest: EVENT_LIMIT, most_values: VALUES, ..Frames::default() }
    }

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
        if length > self.longest {
            return Err(too_long(length, self.longest));
        }
        if self.bytes.len() < 4 + length {
            return Ok(None);
        }
        let value = measure(&self.bytes[4..4 + length], self.most_values)
            .and_then(|()| decode(&self.bytes[4..4 + length]));
        self.bytes.drain(..4 + length);
        if self.bytes.is_empty() && self.bytes.capacity() > ROOM_KEPT {
            self.bytes = Vec::new();
        }
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

fn too_long(length: usize, limit: usize) -> Failure {
    Failure::new("exchange a frame", format!("it has {length} bytes and {limit} is the limit"))
}

/// Walks over a MessagePack value without making anything of it: how deep it is, and how many values it holds.
fn measure(bytes: &[u8], most: usize) -> Result<()> {
    let refuse = |why: String| Failure::new("decode a frame", why);
    let mut at = 0;
    let mut values = 0;
    // How many values are still to come, of each one that holds others.
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        values += 1;
        if values > most {
            return Err(refuse(format!("it holds more than {most} values")));
        }
        let short = || refuse("it ends in the middle of a value".to_string());
        let (length, inner) = head(&bytes[at..]).ok_or_else(short)?;
        at = at.checked_add(length).filter(|at| *at <= bytes.len()).ok_or_else(short)?;
        if inner > 0 {
            if open.len() > DEPTH {
                return Err(refuse(format!("its values are more than {DEPTH} deep in one another")));
            }
            open.push(inner);
        }
    }
    Ok(())
}

/// How many bytes a value takes without those that it holds, and how many it holds; `None` when its head is cut off.
fn head(bytes: &[u8]) -> Option<(usize, u64)> {
    let number = |from: usize, size: usize| -> Option<u64> {
        let bytes = bytes.get(from..from + size)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let blob = |head: usize, size: usize, more: usize| {
        Some((head + usize::try_from(number(1, size)?).ok()? + more, 0))
    };
    let first = *bytes.first()?;
    match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0..=0xc3 => Some((1, 0)),
        0x80..=0x8f => Some((1, u64::from(first & 0x0f) * 2)),
        0x90..=0x9f => Some((1, u64::from(first & 0x0f))),
        0xa0..=0xbf => Some((1 + usize::from(first & 0x1f), 0)),
        0xc4 | 0xd9 => blob(2, 1, 0),
        0xc5 | 0xda => blob(3, 2, 0),
        0xc6 | 0xdb => blob(5, 4, 0),
        0xc7 => blob(2, 1, 1),
        0xc8 => blob(3, 2, 1),
        0xc9 => blob(5, 4, 1),
        0xcc | 0xd0 => Some((2, 0)),
        0xcd | 0xd1 => Some((3, 0)),
        0xca | 0xce | 0xd2 => Some((5, 0)),
        0xcb | 0xcf | 0xd3 => Some((9, 0)),
        0xd4..=0xd8 => Some((2 + (1 << (first - 0xd4)), 0)),
        0xdc => Some((3, number(1, 2)?)),
        0xdd => Some((5, number(1, 4)?)),
        0xde => Some((3, number(1, 2)? * 2)),
        0xdf => Some((5, number(1, 4)? * 2)),
    }
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

    fn from_host<T: Serialize>(value: &T) -> Result<Option<crate::model::Value>> {
        let mut frames = Frames::of_host();
        frames.push(MARKER);
        frames.push(&frame(value).unwrap());
        frames.take()
    }

    #[test]
    fn what_a_host_says_is_measured_before_anything_is_made_of_it() {
        let nested = |depth| (0..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        assert_eq!(from_host(&nested(64)).unwrap(), Some(nested(64)));
        assert!(from_host(&nested(65)).unwrap_err().why.contains("64 deep"));
        assert!(from_host(&vec![(); VALUES - 1]).is_ok());
        assert!(from_host(&vec![(); VALUES]).unwrap_err().why.contains("200000 values"));
        let long = "x".repeat(EVENT_LIMIT);
        assert!(from_host(&long).unwrap_err().why.contains("16777216 is the limit"));
        assert!(from_host(&serde_json::json!({"a": [1.5, -7, "text", null, true, {"b": u64::MAX}]})).is_ok());
    }

    #[test]
    fn a_value_that_claims_more_than_it_has_is_refused() {
        for bytes in [
            &b"\xdd\xff\xff\xff\xff"[..],
            b"\xdb\xff\xff\xff\xffx",
            b"\xdf\xff\xff\xff\xff\xc0",
            b"",
            b"\xc9",
        ] {
            assert!(measure(bytes, VALUES).is_err(), "{bytes:?}");
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
