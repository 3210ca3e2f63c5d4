//! Files that travel beside a job: assets to the host, fetched files from it.

use crate::model::arg::Arg;
use crate::model::digest::Digest;
use crate::model::event::Order;
use crate::model::job::Job;
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result, Value, Values};
use crate::ssh::Writer;
use crate::step::fetch;
use crate::wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

/// A file travels in pieces of this size, in bytes.
const PIECE: usize = 256 * 1024;

/// The most that one file fetched from a host may hold, in bytes: a host must not fill the controller's disk.
const FETCH_LIMIT: u64 = 8 * 1024 * 1024 * 1024;

/// Sends a file to the host that asked for it. A host that does not get all of it fails that step by the digest.
pub async fn send(writer: Arc<Mutex<Writer>>, digest: Digest, path: PathBuf) {
    if let Err(failure) = try_send(&writer, &digest, &path).await {
        let end = Order::Asset { digest, chunk: failure.to_string().into_bytes(), last: true };
        if let Ok(frame) = wire::frame(&end) {
            // The bytes are wrong on purpose, so that the host refuses the file instead of waiting for the rest.
            let _gone = writer.lock().await.write(Bytes::from(frame)).await;
        }
    }
}

async fn try_send(writer: &Mutex<Writer>, digest: &Digest, path: &Path) -> Result<()> {
    let doing = || format!("send {}", path.display());
    let mut file = tokio::fs::File::open(path).await.doing(doing())?;
    loop {
        let mut chunk = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut chunk).await.doing(doing())?;
        let last = chunk.len() < PIECE;
        let frame = wire::frame(&Order::Asset { digest: digest.clone(), chunk, last })?;
        writer.lock().await.write(Bytes::from(frame)).await?;
        if last {
            return Ok(());
        }
    }
}

/// Tells the job's `fetch` steps what the controller has of their files from an earlier run, so that only what differs
/// travels. A step whose path is not known yet fetches its file anew.
pub fn name_what_is_there(job: &mut Job, folder: &Path) {
    let folder = folder.join(&job.host);
    let all = [&mut job.steps, &mut job.handlers, &mut job.rescue, &mut job.always];
    for step in all.into_iter().flatten().filter(|step| step.kind == "fetch") {
        let Some(Arg::Value(Value::Object(keys))) = &mut step.args else { continue };
        if let Some(digest) = digest_of_kept(keys, &folder) {
            keys.insert("have".to_string(), Value::String(digest.to_string()));
        }
    }
}

fn digest_of_kept(keys: &Values, folder: &Path) -> Option<Digest> {
    let path = HostPath::from(keys.get("path")?.as_str()?);
    let kept_as = fetch::kept_as(&path, keys.get("to").and_then(Value::as_str)).ok()?;
    let mut file = File::open(folder.join(kept_as)).ok()?;
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
