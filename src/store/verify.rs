//! Reads every byte of a backup and says what is wrong with it.

use super::backend::Backend;
use super::id::BackupPath;
use super::identities::Identities;
use super::index::{IndexEntry, each_entry};
use super::manifest::{Manifest, Part, Stored};
use super::read::{self, Entries};
use crate::model::{Failure, Result};
use crate::system::reason;
use std::io::{self, Read};

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Which one.
    pub place: BackupPath,
    /// What was written when it was taken; `None` when that cannot be relied on.
    pub manifest: Option<Manifest>,
    /// Everything that is wrong with it.
    pub problems: Vec<Failure>,
    /// Parts whose contents could not be looked at, since no identity opens them. Their stored bytes were checked.
    pub locked: Vec<String>,
}

impl Verified {
    /// Whether nothing is wrong with it, as far as it could be read.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Counted how many bytes were read since the last time.
type Progress<'a> = &'a mut dyn FnMut(u64);

/// Reads the backup at `place`.
pub fn verify(
    backend: &dyn Backend,
    place: &BackupPath,
    identities: &Identities,
    progress: Progress<'_>,
) -> Verified {
    let (manifest, problems, locked) = (None, Vec::new(), Vec::new());
    let mut verified = Verified { place: place.clone(), manifest, problems, locked };
    match read::manifest(backend, place) {
        Err(failure) => verified.problems.push(failure),
        Ok(manifest) => {
            for part in &manifest.parts {
                verified.part(backend, part, manifest.is_encrypted(), identities, progress);
            }
            verified.manifest = Some(manifest);
        }
    }
    verified
}

impl Verified {
    fn part(
        &mut self,
        backend: &dyn Backend,
        part: &Part,
        is_encrypted: bool,
        identities: &Identities,
        progress: Progress<'_>,
    ) {
        let can_open = !is_encrypted || read::opens(backend, &self.place, part, identities);
        let read = match can_open {
            true => opened(backend, &self.place, part, identities, progress),
            false => closed(backend, &self.place, part, progress),
        };
        self.problems.extend(read.err());
        if !can_open {
            self.locked.push(part.name.clone());
        }
    }
}

/// Reads what is stored, and what it is when it is opened; of a tar compares each file with the index.
fn opened(
    backend: &dyn Backend,
    place: &BackupPath,
    part: &Part,
    identities: &Identities,
    progress: Progress<'_>,
) -> Result<()> {
    let doing = || format!("read {} of backup {}", part.name, place.id);
    let wrong = |error: io::Error| Failure::new(doing(), reason::plain(&error));
    let plain = read::part(backend, place, part, identities)?;
    let mut plain = Counted { reader: plain, progress };
    if let Some(index) = &part.index {
        let mut listed = read::index(backend, place, index, identities)?;
        each_entry(&mut plain, &mut |entry| same(&mut listed, &entry)).map_err(wrong)?;
        if let Some(more) = listed.next() {
            more?;
            return Err(Failure::new(doing(), "its index lists more than it holds"));
        }
    }
    io::copy(&mut plain, &mut io::sink()).map_err(wrong)?;
    Ok(())
}

fn same(listed: &mut Entries, entry: &IndexEntry) -> io::Result<()> {
    match listed.next() {
        Some(Ok(listed)) if listed == *entry => Ok(()),
        Some(Err(failure)) => Err(io::Error::other(failure.why)),
        _ => Err(io::Error::other(format!("{}: it is not what the index says", entry.path))),
    }
}

/// Reads what is stored.
fn closed(backend: &dyn Backend, place: &BackupPath, part: &Part, progress: Progress<'_>) -> Result<()> {
    for object in part.objects() {
        let Stored { file, .. } = object;
        let mut reader = Counted { reader: read::stored(backend, place, object)?, progress: &mut *progress };
        let read = io::copy(&mut reader, &mut io::sink());
        read.map_err(|error| {
            Failure::new(format!("read {file} of backup {}", place.id), reason::plain(&error))
        })?;
    }
    Ok(())
}

/// Tells how much is read.
struct Counted<'a, R> {
    reader: R,
    progress: Progress<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        (self.progress)(n as u64);
        Ok(n)
    }
}
