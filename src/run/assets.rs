//! Files that travel beside a job: assets to the host, fetched files from it.

use crate::model::arg::Arg;
use crate::model::digest::Digest;
use crate::model::event::Order;
use crate::model::job::{HostWork, Job, JobStep, Mode};
use crate::model::{Doing, Failure, Result, Value};
use crate::render::contents::Contents;
use crate::report::transfers::{Ongoing, Transfers};
use crate::ssh::Writer;
use crate::step;
use crate::wire;
use bytes::Bytes;
use std::collections::BTreeSet;
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

/// The most that all files fetched from one host in a run may hold, in bytes.
const FETCH_TOTAL: u64 = 32 * 1024 * 1024 * 1024;

/// The step that fetches a file, for those whose keys are only known on the host.
const FETCH: &str = "fetch";

/// Files of one host whose names are only known there, because they wait for facts or results.
const UNKNOWN_NAMES: usize = 1_000;

/// Sends files to the host that asked for them, one right behind the other, until it asks for others: `wanted` is its
/// newest request. A file that cannot be had fails the step that needs it.
pub async fn send(
    writer: Arc<Mutex<Writer>>,
    contents: Contents,
    request: u32,
    digests: Vec<Digest>,
    wanted: Arc<AtomicU32>,
    transfer: Ongoing,
) {
    let (frames, mut outgoing) = mpsc::channel(FRAMES_WAITING);
    let is_wanted = move || wanted.load(Ordering::SeqCst) == request;
    let reading =
        tokio::task::spawn_blocking(move || read(&contents, request, &digests, &is_wanted, &frames));
    while let Some(bytes) = outgoing.recv().await {
        let size = bytes.len();
        if writer.lock().await.write(bytes).await.is_err() {
            // A channel that takes nothing any more ends by itself.
            break;
        }
        transfer.add(size);
    }
    drop(outgoing);
    // It ends by itself once nobody takes what it reads.
    let _ended = reading.await;
}

/// How many bytes these files have together, as far as that is known.
pub fn size(contents: &Contents, digests: &[Digest]) -> Option<u64> {
    digests.iter().map(|digest| contents.size(digest)).sum()
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
                Err(Failure::new("send files", "no one waits for them"))
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
    // No one is left to hear it when the host has gone.
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
/// what differs travels. A step whose keys are not known yet fetches its file again.
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

/// The name under which a step keeps its file, when its keys are known here.
fn name_of(step: &JobStep) -> Option<String> {
    let keys = step.args.as_ref()?.known()?;
    step::parse(&step.kind, &keys).ok()?.fetches().map(|fetches| fetches.kept_as)
}

/// How the name starts and ends under which a step keeps its file that waits for facts or results.
fn ends_of_name(step: &JobStep) -> Option<(String, String)> {
    let Some(Arg::Map(keys)) = &step.args else { return Some(Default::default()) };
    let key = |wanted: &str| keys.iter().find(|(key, _)| key == wanted).map(|(_, arg)| arg);
    let (arg, is_path) = key("to").map(|arg| (arg, false)).or_else(|| Some((key("path")?, true)))?;
    let (start, end) = match arg {
        Arg::Template(text) => (text.split('{').next()?, text.rsplit('}').next()?),
        Arg::Value(Value::String(text)) => (text.as_str(), ""),
        _ => return Some(Default::default()),
    };
    let start = if is_path { start.strip_prefix('/').unwrap_or("") } else { start };
    // A doubled `/` and a `.` between two are not in the name.
    let is_plain = !start.split('/').rev().skip(1).any(|part| matches!(part, "" | "." | ".."));
    let end = if end.contains(['/', ' ', '\n']) { "" } else { end };
    Some((if is_plain { start.to_string() } else { String::new() }, end.to_string()))
}

/// The digest of a file here; none when it cannot be read.
fn digest_of(path: &Path) -> Option<Digest> {
    let mut file = File::open(path).ok()?;
    Digest::of_reader(&mut file).ok().map(|(digest, _)| digest)
}

/// The files that one host sends. Where they go is the controller's decision: below one directory, by the names that the
/// job's own `fetch` steps give.
pub struct Fetched {
    host: String,
    folder: PathBuf,
    names: BTreeSet<String>,
    /// What is written in the names that only the host can complete.
    templates: Vec<(String, String)>,
    /// How many more files may come whose names the controller cannot know.
    unknown: usize,
    open: Option<Receiving>,
    total: u64,
    transfers: Transfers,
}

/// A file that is coming in.
struct Receiving {
    name: String,
    file: NamedTempFile,
    size: u64,
    transfer: Ongoing,
}

impl Fetched {
    /// Files that the host of this job sends, below `folder`.
    pub fn of(job: &Job, folder: &Path, transfers: Transfers) -> Self {
        let mut fetched = Fetched {
            host: job.envelope.host.clone(),
            folder: folder.join(&job.envelope.host),
            names: BTreeSet::new(),
            templates: Vec::new(),
            unknown: UNKNOWN_NAMES,
            open: None,
            total: 0,
            transfers,
        };
        for step in job.work.all_steps().filter(|_| job.work.mode == Mode::Apply) {
            match name_of(step) {
                Some(name) => drop(fetched.names.insert(name)),
                None if step.kind == FETCH => fetched.templates.extend(ends_of_name(step)),
                None => {}
            }
        }
        fetched
    }

    /// A name that no step gives is refused, as is one that only a step which waits for facts could give, when programs
    /// look for files that are called so.
    fn expect(&mut self, to: &str) -> Result<()> {
        if self.names.contains(to) {
            return Ok(());
        }
        let is_looked_for =
            |part: &str| part.starts_with('.') || matches!(part, "Makefile" | "makefile" | "GNUmakefile");
        let mut templates = self.templates.iter();
        let fits = templates.any(|(start, end)| {
            to.len() >= start.len() + end.len()
                && to.starts_with(start.as_str())
                && to.ends_with(end.as_str())
        });
        if self.unknown == 0 || !fits || to.split('/').any(is_looked_for) {
            return Err(Failure::new(
                "keep a file of the host",
                format!("no fetch step of its job gives the name {to:?}"),
            )
            .hint("another program on the host acts as windlass's agent"));
        }
        self.unknown -= 1;
        Ok(())
    }

    /// Takes a piece of a file that has `size` bytes, as the host says. The file appears, whole, with its last piece. One
    /// comes after the other.
    pub fn take(&mut self, to: &str, size: u64, chunk: &[u8], last: bool) -> Result<()> {
        let path = self.folder.join(clean(to)?);
        let doing = || format!("keep {}", path.display());
        let mut receiving = match self.open.take() {
            Some(receiving) if receiving.name == to => receiving,
            // One that was not ended is given up.
            _ => {
                self.expect(to)?;
                let transfer = self.transfers.start(&self.host, Some(size));
                Receiving { name: to.to_string(), file: begin(&path)?, size: 0, transfer }
            }
        };
        receiving.size += chunk.len() as u64;
        receiving.transfer.add(chunk.len());
        self.total += chunk.len() as u64;
        if receiving.size > FETCH_LIMIT || self.total > FETCH_TOTAL {
            let why = format!("the host sends more than {FETCH_LIMIT} bytes of it, or {FETCH_TOTAL} in all");
            return Err(Failure::new(doing(), why));
        }
        receiving.file.write_all(chunk).doing(doing())?;
        if last {
            receiving.file.as_file().sync_all().doing(doing())?;
            receiving.file.persist(&path).doing(doing())?;
            return path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).doing(doing());
        }
        self.open = Some(receiving);
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
        format!("{to:?} is not a plain path below the host's directory"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::Envelope;
    use std::os::unix::fs::PermissionsExt;

    fn job(mode: Mode, args: &[Arg]) -> Job {
        let step =
            |args: &Arg| JobStep { kind: "fetch".into(), args: Some(args.clone()), ..JobStep::default() };
        Job {
            envelope: Envelope { host: "web1".into(), ..Envelope::default() },
            work: HostWork { mode, steps: args.iter().map(step).collect(), ..HostWork::default() },
        }
    }

    fn known(path: &str) -> Arg {
        Arg::Value(serde_json::json!({ "path": path }))
    }

    fn waits() -> Arg {
        Arg::Map(vec![("path".into(), Arg::Template("/var/log/{{ app }}".into()))])
    }

    #[test]
    fn a_file_appears_whole_with_its_last_piece() {
        let folder = tempfile::tempdir().unwrap();
        let mut files =
            Fetched::of(&job(Mode::Apply, &[known("/etc/motd")]), folder.path(), Transfers::default());
        files.take("etc/motd", 0, b"he", false).unwrap();
        assert!(!folder.path().join("web1/etc/motd").exists());
        files.take("etc/motd", 0, b"llo", true).unwrap();
        let path = folder.path().join("web1/etc/motd");
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_host_names_nothing_that_its_job_does_not_fetch() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |mode, args: &[Arg], name: &str| {
            Fetched::of(&job(mode, args), folder.path(), Transfers::default())
                .take(name, 0, b"", true)
                .is_err()
        };
        let steps = [known("/etc/motd"), waits()];
        for name in ["../x", "/etc/passwd", "a/../../b", "", "./x/.."] {
            assert!(refused(Mode::Apply, &steps, name), "{name}");
        }
        for name in ["etc/passwd", ".envrc", "Makefile", ".git/config", "etc/motd/x"] {
            assert!(refused(Mode::Apply, &steps[..1], name), "{name}");
            assert!(refused(Mode::Apply, &[], name), "{name}");
            assert!(refused(Mode::Check, &steps, name), "{name}");
        }
        for name in [".envrc", "Makefile", "x/.git/config"] {
            assert!(refused(Mode::Apply, &steps, name), "{name}");
        }
        for name in ["windlass.toml", "package.json", "var/lib/app", "var/log"] {
            assert!(refused(Mode::Apply, &steps, name), "{name}");
        }
        assert!(!refused(Mode::Apply, &steps, "var/log/app"));
        assert_eq!(fs::read_dir(folder.path().join("web1")).unwrap().count(), 1);
    }

    #[test]
    fn names_that_only_the_host_knows_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Fetched::of(&job(Mode::Apply, &[waits()]), folder.path(), Transfers::default());
        let taken = (0..2_000)
            .filter(|number| files.take(&format!("var/log/{number}"), 0, b"", true).is_ok())
            .count();
        assert_eq!(taken, UNKNOWN_NAMES);
    }
}
