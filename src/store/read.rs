//! Reads backups back. What is read is compared with what was written: an end that comes early or a bit that has turned
//! is an error, never a short success.

use super::backend::Backend;
use super::id::BackupPath;
use super::identities::Identities;
use super::index::IndexEntry;
use super::manifest::{Index, MANIFEST, MANIFEST_LIMIT, Manifest, Part, Stored};
use super::part::WINDOW_LOG_LIMIT;
use super::sums::{SUMS, SUMS_LIMIT, Sums};
use crate::model::digest::Digest;
use crate::model::{Failure, Result};
use crate::system::reason;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A line of an index is at most this long, in bytes: a path, a target and a little more.
const LINE_LIMIT: u64 = 64 * 1024;

/// The manifest at `place`: as `SHA256SUMS` says it was written, and with exactly the objects that it names.
pub fn manifest(backend: &dyn Backend, place: &BackupPath) -> Result<Manifest> {
    let damaged = |why: String| damaged(place, why);
    let sums_text = small(backend, place, SUMS, SUMS_LIMIT)?;
    let sums =
        Sums::parse(&sums_text).ok_or_else(|| damaged(format!("its {SUMS} is not what was written")))?;
    let text = small(backend, place, MANIFEST, MANIFEST_LIMIT)?;
    if sums.0.get(MANIFEST) != Some(&Digest::of(text.as_bytes())) {
        return Err(damaged(format!("its {MANIFEST} is not what was written")));
    }
    let manifest = Manifest::parse(&text, place).map_err(|why| damaged(format!("its {MANIFEST}: {why}")))?;
    if manifest.sums(&text) != sums {
        return Err(damaged(format!("its {SUMS} and its {MANIFEST} do not agree")));
    }
    let found = backend.objects(place)?.into_iter().map(|object| (object.name, object.size)).collect();
    match difference(&manifest.objects(&text), &found) {
        Some(why) => Err(damaged(why)),
        None => Ok(manifest),
    }
}

fn damaged(place: &BackupPath, why: impl AsRef<str>) -> Failure {
    let failure = Failure::new(format!("read backup {}", place.id), why.as_ref());
    failure.hint("it is damaged; keep it only if nothing else is left")
}

fn small(backend: &dyn Backend, place: &BackupPath, name: &str, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let read = backend.read(place, name)?.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| damaged(place, format!("{name}: {}", reason::plain(&error))))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= limit => Ok(text),
        _ => Err(damaged(place, format!("its {name} is not what was written"))),
    }
}

fn difference(wanted: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Option<String> {
    let missing = wanted.keys().find(|name| !found.contains_key(*name));
    let extra = found.keys().find(|name| !wanted.contains_key(*name));
    let other = wanted.iter().find(|(name, size)| found.get(*name).is_some_and(|found| found != *size));
    missing
        .map(|name| format!("{name} is missing"))
        .or_else(|| extra.map(|name| format!("{name} is no part of it")))
        .or_else(|| other.map(|(name, size)| format!("{name} has {} bytes instead of {size}", found[name])))
}

/// An object as it is stored; compared with its digest at its end.
pub fn stored(backend: &dyn Backend, place: &BackupPath, stored: &Stored) -> Result<Proven> {
    let reader = backend.read(place, &stored.file)?;
    Ok(Proven::new(reader, stored.bytes, &stored.sha256))
}

/// The plain bytes of a part.
pub fn part(
    backend: &dyn Backend,
    place: &BackupPath,
    part: &Part,
    identities: &Identities,
) -> Result<Proven> {
    let plain = opened(backend, place, &part.stored, identities)?;
    Ok(Proven::new(plain, part.plain_bytes, &part.plain_sha256))
}

/// The entries of a part's index.
pub fn index(
    backend: &dyn Backend,
    place: &BackupPath,
    index: &Index,
    identities: &Identities,
) -> Result<Entries> {
    let reader = BufReader::new(opened(backend, place, &index.stored, identities)?);
    Ok(Entries {
        reader,
        left: index.entries,
        doing: format!("read {} of backup {}", index.stored.file, place.id),
    })
}

/// Decrypted where it is encrypted, decompressed.
fn opened(
    backend: &dyn Backend,
    place: &BackupPath,
    object: &Stored,
    identities: &Identities,
) -> Result<Box<dyn Read + Send>> {
    let doing = || format!("read {} of backup {}", object.file, place.id);
    let wrong = |error: io::Error| Failure::new(doing(), reason::plain(&error));
    let raw = stored(backend, place, object)?;
    let proved = raw.proved.clone();
    let packed: Box<dyn Read + Send> = match object.file.ends_with(".age") {
        true => Box::new(decrypted(raw, identities).map_err(|why| locked(doing(), &why))?),
        false => Box::new(raw),
    };
    let mut decoder = zstd::Decoder::new(packed).map_err(wrong)?;
    decoder.window_log_max(WINDOW_LOG_LIMIT).map_err(wrong)?;
    Ok(Box::new(ToTheEnd { reader: decoder, proved }))
}

/// Ends only when the stored bytes below it have been read to their end, and are those that were written.
struct ToTheEnd<R> {
    reader: R,
    proved: Arc<AtomicBool>,
}

impl<R: Read> Read for ToTheEnd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer)? {
            0 if !buffer.is_empty() && !self.proved.load(Ordering::SeqCst) => {
                Err(io::Error::other("it goes on after its end"))
            }
            n => Ok(n),
        }
    }
}

/// Whether one of the identities opens the part.
pub fn opens(backend: &dyn Backend, place: &BackupPath, part: &Part, identities: &Identities) -> bool {
    let raw = stored(backend, place, &part.stored);
    raw.is_ok_and(|raw| !matches!(decrypted(raw, identities), Err(age::DecryptError::NoMatchingKeys)))
}

fn decrypted(
    raw: Proven,
    identities: &Identities,
) -> Result<age::stream::StreamReader<BufReader<Proven>>, age::DecryptError> {
    age::Decryptor::new_buffered(BufReader::new(raw))?.decrypt(identities.iter())
}

fn locked(doing: String, error: &age::DecryptError) -> Failure {
    match error {
        age::DecryptError::NoMatchingKeys => {
            let failure = Failure::new(doing, "it is encrypted, and no identity that was given opens it");
            failure.hint(
                "name the file of the private key: --age-identity FILE; identity = \"FILE\" in a playbook",
            )
        }
        error => Failure::new(doing, format!("it cannot be decrypted: {error}")),
    }
}

/// Reads on, and fails at the end unless it was exactly so many bytes of this digest.
pub struct Proven {
    reader: Box<dyn Read + Send>,
    left: u64,
    digest: Digest,
    hasher: Sha256,
    proved: Arc<AtomicBool>,
}

impl Proven {
    fn new(reader: impl Read + Send + 'static, bytes: u64, digest: &Digest) -> Proven {
        let (reader, digest, hasher) = (Box::new(reader), digest.clone(), Sha256::new());
        Proven { reader, left: bytes, digest, hasher, proved: Arc::default() }
    }
}

impl Read for Proven {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        let more = || io::Error::other("it holds more bytes than were written");
        self.left = self.left.checked_sub(n as u64).ok_or_else(more)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        let is_same = Digest::from_hash(self.hasher.clone().finalize().as_slice()) == self.digest;
        match (self.left, is_same) {
            (0, true) => {
                self.proved.store(true, Ordering::SeqCst);
                Ok(0)
            }
            (0, false) => Err(io::Error::other("its bytes are not the ones that were written")),
            (left, _) => Err(io::Error::other(format!("it ends {left} bytes early"))),
        }
    }
}

/// The entries of an index, one by one.
pub struct Entries {
    reader: BufReader<Box<dyn Read + Send>>,
    left: u64,
    doing: String,
}

impl Iterator for Entries {
    type Item = Result<IndexEntry>;

    fn next(&mut self) -> Option<Result<IndexEntry>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LINE_LIMIT).read_until(b'\n', &mut line);
        let entry = match read {
            Ok(0) if self.left == 0 => return None,
            Ok(_) if line.ends_with(b"\n") && self.left > 0 => {
                serde_json::from_slice(&line).map_err(|error| error.to_string())
            }
            Ok(_) => Err("it does not hold the entries that were written".to_string()),
            Err(error) => Err(reason::plain(&error)),
        };
        self.left = self.left.saturating_sub(1);
        Some(entry.map_err(|why| Failure::new(&self.doing, why)))
    }
}
