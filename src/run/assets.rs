//! Files that travel beside a job: assets to the host, fetched files from it.

use crate::model::arg::Arg;
use crate::model::digest::Digest;
use crate::model::event::Order;
use crate::model::job::HostWork;
use crate::model::{Doing, Failure, Result, Value};
use crate::render::contents::Contents;
use crate::ssh::Writer;
use crate::step;
use crate::wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::NamedTempFile;
use tokio::sync::{Mutex, mpsc};

/// A file travels in pieces of this size, in bytes.
const PIECE: usize = 256 * 1024;

/// Pieces that are read ahead of the channel: enough to keep it busy, few enough for a thousand hosts.
const FRAMES_WAITING: usize = 4;

/// The most that one file fetched from a host may hold, in bytes: a host must not fill the controller's disk.
const FETCH_LIMIT: u64 = 8 * 1024 * 1024 * 1024;

/// Sends files to the host that asked for them, one right behind the other, until it asks for others: `wanted` is its
/// newest request. A file that cannot be had fails the step that needs it.
pub async fn send(
    writer: Arc<Mutex<Writer>>,
    contents: Contents,
    request: u32,
    digests: Vec<Digest>,
    wanted: Arc<AtomicU32>,
) {
    let (frames, mut outgoing) = mpsc::channel(FRAMES_WAITING);
    let is_wanted = move || wanted.load(Ordering::SeqCst) == request;
    let reading =
        tokio::task::spawn_blocking(move || read(&contents, request, &digests, &is_wanted, &frames));
    while let Some(bytes) = outgoing.recv().await {
        if writer.lock().await.write(bytes).await.is_err() {
            // A channel that takes nothing any more ends by itself.
            break;
        }
    }
    drop(outgoing);
    // It ends by itself once nobody takes what it reads.
    let _ended = reading.await;
}

/// Makes frames of files. Small ones go together, since each write costs more than their bytes.
fn read(
    contents: &Contents,
    request: u32,
    digests: &[Digest],
    is_wanted: &dyn Fn() -> bool,
    frames: &mpsc::Sender<Bytes>,
) {
    let mut waiting = Vec::new();
    for digest in digests {
        let mut add = |order: Order| -> Result<()> {
            waiting.extend(wire::frame(&order)?);
            if waiting.len() < PIECE {
                return Ok(());
            }
            let sent = frames.blocking_send(Bytes::from(std::mem::take(&mut waiting)));
            if sent.is_ok() && is_wanted() {
                Ok(())
            } else {
                Err(Failure::new("send files", "nobody waits for them"))
            }
        };
        let read = read_one(contents, request, digest, &mut add);
        let told = read.or_else(|failure| {
            let why = failure.to_string();
            add(Order::NoAsset { request, digest: digest.clone(), why })
        });
        if told.is_err() || !is_wanted() {
            return;
        }
    }
    // Nobody is left to be told when the host has gone.
    let _gone = frames.blocking_send(Bytes::from(waiting));
}

fn read_one(
    contents: &Contents,
    request: u32,
    digest: &Digest,
    add: &mut dyn FnMut(Order) -> Result<()>,
) -> Result<()> {
    let mut file = contents.open(digest)?;
    loop {
        let mut chunk = Vec::new();
        (&mut file).take(PIECE as u64).read_to_end(&mut chunk).doing("read a file that a host needs")?;
        let last = chunk.len() < PIECE;
        add(Order::Asset { request, digest: digest.clone(), chunk, last })?;
        if last {
            return Ok(());
        }
    }
}

/// Gives the steps that fetch a file the digest of what an earlier run put of it into `directory`, so that only
/// what differs travels. A step whose keys are not known yet fetches its file anew.
pub fn name_what_is_there(work: &mut HostWork, directory: &Path) {
    let all = [&mut work.steps, &mut work.handlers, &mut work.rescue, &mut work.always];
    for step in all.into_iter().flatten() {
        let Some(Arg::Value(keys)) = &mut step.args else { continue };
        let parsed = step::parse(&step.kind, keys).ok();
        let Some(fetches) = parsed.and_then(|parsed| parsed.fetches()) else { continue };
        if let (Some(digest), Value::Object(keys)) = (digest_of(&directory.join(fetches.kept_as)), keys) {
            keys.insert(fetches.have.to_string(), Value::String(digest.to_string()));
        }
    }
}

/// The digest of a file here; none when it cannot be read.
fn digest_of(path: &Path) -> Option<Digest> {
    let mut file = File::open(path).ok()?;
    Digest::of_reader(&mut file).ok().map(|(digest, _)| digest)
}

/// The files that one host sends. Where they go is the controller's decision: below one folder, by a clean name.
pub struct Fetched {
    folder: PathBuf,
    open: BTreeMap<String, (NamedTempFile, u64)>,
}

impl Fetched {
    /// Files of `host` below `folder`.
    pub fn new(folder: &Path, host: &str) -> Self {
        Fetched { folder: folder.join(host), open: BTreeMap::new() }
    }

    /// Takes a piece. The file appears, whole, with its last piece.
    pub fn take(&mut self, to: &str, chunk: &[u8], last: bool) -> Result<()> {
        let path = self.folder.join(clean(to)?);
        let doing = || format!("keep {}", path.display());
        let (file, size) = match self.open.remove(to) {
            Some(open) => open,
            None => (begin(&path)?, 0),
        };
        let size = size + chunk.len() as u64;
        if size > FETCH_LIMIT {
            return Err(Failure::new(doing(), format!("the host sends more than {FETCH_LIMIT} bytes")));
        }
        let mut file = file;
        file.write_all(chunk).doing(doing())?;
        if last {
            file.as_file().sync_all().doing(doing())?;
            file.persist(&path).doing(doing())?;
            return path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).doing(doing());
        }
        self.open.insert(to.to_string(), (file, size));
        Ok(())
    }
}

fn begin(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).doing(format!("make {}", folder.display()))?;
    NamedTempFile::new_in(folder).doing(format!("make a file in {}", folder.display()))
}

/// A host never names a path on the controller: only plain names below its own folder are taken.
fn clean(to: &str) -> Result<&Path> {
    let path = Path::new(to);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !to.is_empty() && to.len() <= 1024 && !to.contains('\0') {
        return Ok(path);
    }
    Err(Failure::new(
        "keep a file of the host",
        format!("{to:?} is not a plain path below the host's folder"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_with_its_last_piece() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Fetched::new(folder.path(), "web1");
        files.take("etc/motd", b"he", false).unwrap();
        assert!(!folder.path().join("web1/etc/motd").exists());
        files.take("etc/motd", b"llo", true).unwrap();
        assert_eq!(fs::read(folder.path().join("web1/etc/motd")).unwrap(), b"hello");
    }

    #[test]
    fn a_host_cannot_leave_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["../x", "/etc/passwd", "a/../../b", "", "./x/.."] {
            assert!(Fetched::new(folder.path(), "web1").take(name, b"", true).is_err(), "{name}");
        }
    }
}
