//! The name of some bytes: their SHA-256.

use super::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest::from_hash(Sha256::digest(bytes).as_slice())
    }

    /// The digest of everything that `reader` gives, and how many bytes that was.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<(Self, u64)> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut size = 0;
        loop {
            match reader.read(&mut chunk)? {
                0 => return Ok((Digest::from_hash(hasher.finalize().as_slice()), size)),
                n => {
                    hasher.update(&chunk[..n]);
                    size += n as u64;
                }
            }
        }
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest whose 32 bytes these are.
    pub fn from_hash(hash: &[u8]) -> Self {
        Digest(hexadecimal::of(hash))
    }
}

/// Reads on, and fails at the end when what was read is not what the digest names.
pub struct Checked<R> {
    reader: R,
    digest: Digest,
    hasher: Sha256,
}

impl<R: Read> Checked<R> {
    /// Reads `reader`, which must give the bytes that `digest` names.
    pub fn new(reader: R, digest: &Digest) -> Self {
        Checked { reader, digest: digest.clone(), hasher: Sha256::new() }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        let ended = n == 0 && !buffer.is_empty();
        if ended && Digest::from_hash(self.hasher.clone().finalize().as_slice()) != self.digest {
            return Err(io::Error::other("the bytes that arrived are not the ones that were sent"));
        }
        Ok(n)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && hexadecimal {
            Ok(Digest(text))
        } else {
            Err(format!("{text:?} is not a SHA-256"))
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn of_bytes_and_of_a_reader_agree() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        let text = vec![7; 200_000];
        assert_eq!(Digest::of_reader(&mut &text[..]).unwrap(), (Digest::of(&text), 200_000));
    }

    #[test]
    fn checks_what_it_reads_at_the_end() {
        let read =
            |bytes: &[u8]| io::copy(&mut Checked::new(bytes, &Digest::of(b"right")), &mut io::sink()).is_ok();
        assert!(read(b"right"));
        assert!(!read(b"wrong"));
        assert!(!read(b"righ"));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        assert!(Digest::try_from("../../etc/passwd".to_string()).is_err());
        assert!(Digest::try_from(EMPTY.to_uppercase()).is_err());
        assert!(Digest::try_from(EMPTY.to_string()).is_ok());
    }
}
