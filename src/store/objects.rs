//! A store in S3 or something like it. An object there appears whole or not at all, so `SHA256SUMS`, written last, is the
//! entry. A marker shows that a backup is still being taken; a sweep believes it for a day.

mod client;
mod marker;
mod ranges;
pub mod remote;
mod runtime;
mod upload;

use super::backend::{Backend, Object, Sink, Taking};
use super::id::BackupPath;
use super::sums::SUMS;
use crate::model::{Failure, Result};
use jiff::{SignedDuration, Timestamp};
use marker::Marker;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta};
use runtime::wait;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub use client::{SCHEME, open};
use remote::Remote;
use upload::{PIECES, Pieces};

/// Markers are below this name.
const TAKING: &str = ".taking";

/// Notes about the backups of each host and name are below this name.
const NOTED: &str = ".verified";

/// What nobody has written to for so long is left over. A taking renews its marker far more often, and a server's clock
/// and ours are at most minutes apart, since signatures would not be accepted otherwise.
const LEFT_OVER: SignedDuration = SignedDuration::from_hours(24);

/// The name of the text beside the backups.
const README: &str = "README.md";

/// Objects below a prefix of a bucket.
#[derive(Clone)]
pub struct Objects {
    remote: Arc<dyn Remote>,
    prefix: Path,
    url: String,
    /// Large objects are written so.
    pub(super) pieces: Pieces,
}

impl Objects {
    /// Those of `remote` below `prefix`; `url` is what people call it.
    pub fn new(remote: Arc<dyn Remote>, prefix: Path, url: String) -> Objects {
        Objects { remote, prefix, url, pieces: PIECES }
    }

    fn folder(&self, place: &BackupPath) -> Path {
        self.prefix.clone().join(place.host.as_str()).join(place.name.as_str()).join(place.id.as_str())
    }

    fn path(&self, place: &BackupPath, name: &str) -> Path {
        self.folder(place).join(name)
    }

    fn noted(&self, host: &str, name: &str) -> Path {
        self.prefix.clone().join(NOTED).join(host).join(name)
    }

    fn marker(&self, place: &BackupPath) -> Path {
        let taking = self.prefix.clone().join(TAKING).join(place.host.as_str());
        taking.join(place.name.as_str()).join(place.id.as_str())
    }

    /// Every object below `folder`, with its path there.
    fn below(&self, folder: &Path) -> Result<Vec<(String, ObjectMeta)>> {
        let listed = wait(self.remote.clone().list(folder.clone()));
        let listed = listed.map_err(|error| client::refused(&format!("list {}", self.url), &error))?;
        let inside = |meta: &ObjectMeta| {
            let parts = meta.location.prefix_match(folder)?;
            Some(parts.map(|part| part.as_ref().to_string()).collect::<Vec<_>>().join("/"))
        };
        Ok(listed.into_iter().filter_map(|meta| Some((inside(&meta)?, meta))).collect())
    }

    fn delete(&self, path: Path) -> Result<()> {
        let doing = format!("remove {path} from {}", self.url);
        match wait(self.remote.clone().delete(path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(client::refused(&doing, &error)),
        }
    }

    fn put(&self, path: Path, bytes: Vec<u8>) -> Result<(), object_store::Error> {
        wait(self.remote.clone().put(path, bytes.into()))
    }

    /// Removes what lies in a backup's folder: the entry first.
    fn clear(&self, place: &BackupPath) -> Result<()> {
        self.delete(self.path(place, SUMS))?;
        for (name, meta) in self.below(&self.folder(place))? {
            if name != SUMS {
                self.delete(meta.location)?;
            }
        }
        Ok(())
    }
}

impl Backend for Objects {
    fn describe(&self) -> String {
        self.url.clone()
    }

    fn places(&self) -> Result<Vec<BackupPath>> {
        let sums = |path: String| BackupPath::of_path(path.strip_suffix(SUMS)?.strip_suffix('/')?);
        Ok(self.below(&self.prefix)?.into_iter().filter_map(|(path, _)| sums(path)).collect())
    }

    fn holds(&self, place: &BackupPath) -> Result<bool> {
        let only_whether = GetOptions { head: true, ..GetOptions::default() };
        match wait(self.remote.clone().get(self.path(place, SUMS), only_whether)) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(client::refused(&format!("find backup {} in {}", place.id, self.url), &error)),
        }
    }

    fn objects(&self, place: &BackupPath) -> Result<Vec<Object>> {
        let below = self.below(&self.folder(place))?;
        Ok(below.into_iter().map(|(name, meta)| Object { name, size: meta.size }).collect())
    }

    fn read(&self, place: &BackupPath, name: &str) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(ranges::Ranges::new(self.remote.clone(), self.path(place, name))))
    }

    fn begin(&self, place: &BackupPath) -> Result<Arc<dyn Taking>> {
        let doing = format!("begin a backup in {}", self.url);
        let marker = Marker::begin(self.remote.clone(), self.marker(place));
        let marker = marker.map_err(|error| client::refused(&doing, &error))?;
        let taking = TakingObjects {
            objects: self.clone(),
            place: place.clone(),
            marker: Arc::new(marker),
            written: Arc::default(),
            is_committed: AtomicBool::new(false),
        };
        Ok(Arc::new(taking))
    }

    fn remove(&self, place: &BackupPath) -> Result<()> {
        self.clear(place)
    }

    fn sweep(&self) -> Result<Vec<String>> {
        let before = Timestamp::now() - LEFT_OVER;
        self.sweep_before(before)
    }

    fn note(&self, host: &str, name: &str) -> Result<String> {
        let path = self.noted(host, name);
        let doing = format!("read {path} of {}", self.url);
        match wait(self.remote.clone().get(path, GetOptions::default())) {
            Ok((_, bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(object_store::Error::NotFound { .. }) => Ok(String::new()),
            Err(error) => Err(client::refused(&doing, &error)),
        }
    }

    fn set_note(&self, host: &str, name: &str, text: &str) -> Result<()> {
        let path = self.noted(host, name);
        let doing = format!("write {path} to {}", self.url);
        self.put(path, text.as_bytes().to_vec()).map_err(|error| client::refused(&doing, &error))
    }

    fn prepare(&self, readme: &str) -> Result<()> {
        let path = self.prefix.clone().join(README);
        match wait(self.remote.clone().get(path.clone(), GetOptions::default())) {
            Ok((_, bytes)) if bytes == readme.as_bytes() => Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => self
                .put(path, readme.as_bytes().to_vec())
                .map_err(|error| client::refused(&format!("write to {}", self.url), &error)),
            Err(error) => Err(client::refused(&format!("open the store {}", self.url), &error)),
        }
    }
}

impl Objects {
    /// Removes what is in no catalogue and was last written to before `before`.
    pub(super) fn sweep_before(&self, before: Timestamp) -> Result<Vec<String>> {
        let mut folders: BTreeMap<BackupPath, Folder> = BTreeMap::new();
        for (path, meta) in self.below(&self.prefix)? {
            let marker = path.strip_prefix(TAKING).and_then(|path| path.strip_prefix('/'));
            let place = match marker {
                Some(place) => BackupPath::of_path(place),
                None => path.rsplit_once('/').and_then(|(folder, _)| BackupPath::of_path(folder)),
            };
            let Some(place) = place else { continue };
            let folder = folders.entry(place).or_default();
            folder.newest = folder.newest.max(Some(meta.last_modified.timestamp()));
            folder.is_whole |= marker.is_none() && path.ends_with(&format!("/{SUMS}"));
            folder.marker = folder.marker.take().or(marker.is_some().then_some(meta.location));
        }
        let mut swept = Vec::new();
        for (place, folder) in folders {
            if folder.newest >= Some(before.as_second()) || (folder.is_whole && folder.marker.is_none()) {
                continue;
            }
            if !folder.is_whole {
                self.clear(&place)?;
                swept.push(place.id.to_string());
            }
            if let Some(marker) = folder.marker {
                marker::abort(&self.remote, &marker);
                self.delete(marker)?;
            }
        }
        Ok(swept)
    }
}

/// What a sweep finds of one backup.
#[derive(Default)]
struct Folder {
    /// Seconds since 1970.
    newest: Option<i64>,
    is_whole: bool,
    marker: Option<Path>,
}

/// A backup that is being written to objects.
struct TakingObjects {
    objects: Objects,
    place: BackupPath,
    marker: Arc<Marker>,
    /// What has been written so far, with its size.
    written: Arc<Mutex<BTreeMap<String, u64>>>,
    is_committed: AtomicBool,
}

impl Taking for TakingObjects {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let path = self.objects.path(&self.place, name);
        let (marker, written) = (self.marker.clone(), self.written.clone());
        let (remote, pieces) = (self.objects.remote.clone(), self.objects.pieces);
        Ok(Box::new(upload::Upload::new(remote, path, name, marker, written, pieces)))
    }

    fn commit(&self, sums: &str) -> io::Result<()> {
        self.check().map_err(|failure| io::Error::other(failure.why))?;
        let path = self.objects.path(&self.place, SUMS);
        self.objects.put(path, sums.as_bytes().to_vec()).map_err(client::io)?;
        self.is_committed.store(true, Ordering::SeqCst);
        self.marker.end();
        Ok(())
    }
}

impl TakingObjects {
    /// Whether everything that was written is still there: nobody has swept it.
    fn check(&self) -> Result<()> {
        let found = self.objects.objects(&self.place)?;
        let found: BTreeMap<String, u64> =
            found.into_iter().map(|object| (object.name, object.size)).collect();
        let written = self.written.lock().map_err(|_| Failure::new("commit", "a thread of it died"))?;
        match found == *written {
            true => Ok(()),
            false => Err(Failure::new("commit", "the store no longer holds what was written to it")),
        }
    }
}

impl Drop for TakingObjects {
    fn drop(&mut self) {
        if self.is_committed.load(Ordering::SeqCst) {
            return;
        }
        let (objects, place, marker) = (self.objects.clone(), self.place.clone(), self.marker.clone());
        // On a thread of its own: the one that drops this may not wait. What it cannot remove, a sweep does.
        std::thread::spawn(move || {
            marker.abort();
            if objects.clear(&place).is_ok() {
                marker.end();
            }
        });
    }
}
