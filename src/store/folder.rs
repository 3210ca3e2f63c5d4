//! A store in a directory. A backup is written in a folder of its own beside the others, synced, and renamed into its
//! place in one go: what is there is whole. A lock shows that someone still writes it.

use super::backend::{Backend, Object, Sink, Taking};
use super::id::BackupPath;
use super::sums::SUMS;
use crate::model::{Doing, Failure, Result};
use crate::system::reason;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where backups are that are being taken or removed.
const TAKING: &str = ".taking";

/// Notes about the backups of each host and name are below this name.
const NOTED: &str = ".verified";

/// The name of the text beside the backups.
const README: &str = "README.md";

/// A sweep that looks at a lock just while it is made is waited for so many times.
const LOCK_TRIES: usize = 20;

/// A directory, which need not exist before the first backup.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The store in the directory `root`.
    pub fn new(root: PathBuf) -> Folder {
        Folder { root }
    }

    fn path(&self, place: &BackupPath) -> PathBuf {
        self.root.join(&place.host).join(&place.name).join(place.id.as_str())
    }

    fn noted(&self, host: &str) -> PathBuf {
        self.root.join(NOTED).join(host)
    }

    fn taking(&self) -> PathBuf {
        self.root.join(TAKING)
    }
}

impl Backend for Folder {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn places(&self) -> Result<Vec<BackupPath>> {
        let mut places = Vec::new();
        for host in names(&self.root)? {
            for name in names(&self.root.join(&host))? {
                let ids = names(&self.root.join(&host).join(&name))?;
                places.extend(ids.iter().filter_map(|id| BackupPath::of(&host, &name, id)));
            }
        }
        Ok(places)
    }

    fn holds(&self, place: &BackupPath) -> Result<bool> {
        Ok(self.path(place).is_dir())
    }

    fn objects(&self, place: &BackupPath) -> Result<Vec<Object>> {
        let folder = self.path(place);
        let doing = format!("list {}", folder.display());
        let mut objects = Vec::new();
        for entry in fs::read_dir(&folder).map_err(plain).doing(&doing)? {
            let entry = entry.map_err(plain).doing(&doing)?;
            let meta = entry.metadata().map_err(plain).doing(&doing)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !meta.is_file() {
                return Err(Failure::new(&doing, format!("{name} is no file")));
            }
            objects.push(Object { name, size: meta.len() });
        }
        Ok(objects)
    }

    fn read(&self, place: &BackupPath, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.path(place).join(name);
        let file = File::open(&path).map_err(plain).doing(format!("read {}", path.display()))?;
        Ok(Box::new(file))
    }

    fn begin(&self, place: &BackupPath) -> Result<Arc<dyn Taking>> {
        let doing = format!("begin a backup in {}", self.root.display());
        // What earlier ones left is only in the way; `prune` says when it cannot be removed.
        let _swept_or_not = self.sweep();
        let begun = || -> io::Result<TakingFolder> {
            make_folder(&self.taking())?;
            let folder = self.taking().join(place.id.as_str());
            let lock = Lock::take(&folder)?;
            DirBuilder::new().mode(0o700).create(&folder)?;
            Ok(TakingFolder { folder, target: self.path(place), lock, is_committed: AtomicBool::new(false) })
        };
        Ok(Arc::new(begun().map_err(|error| reason::because(doing, &reason::plain(&error)))?))
    }

    fn remove(&self, place: &BackupPath) -> Result<()> {
        let (path, doing) = (self.path(place), format!("remove {}", self.path(place).display()));
        let remove = || -> io::Result<()> {
            make_folder(&self.taking())?;
            let aside = self.taking().join(format!("{}.removed", place.id));
            let lock = Lock::take(&aside)?;
            fs::rename(&path, &aside)?;
            sync(path.parent())?;
            fs::remove_dir_all(&aside)?;
            drop(lock);
            // Folders that hold nothing more go; others stay, which is what the error says.
            let _others_are_there = fs::remove_dir(self.root.join(&place.host).join(&place.name));
            let _others_are_there = fs::remove_dir(self.root.join(&place.host));
            Ok(())
        };
        remove().map_err(plain).doing(doing)
    }

    fn sweep(&self) -> Result<Vec<String>> {
        let mut names = names_of_all(&self.taking())?;
        names.iter_mut().for_each(|name| *name = name.trim_end_matches(LOCK).to_string());
        names.sort();
        names.dedup();
        let mut swept = Vec::new();
        for name in names {
            let folder = self.taking().join(&name);
            let doing = format!("remove {}", folder.display());
            // Whoever holds the lock is still at it.
            let Some(_lock) = Lock::try_take(&folder).map_err(plain).doing(&doing)? else { continue };
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(plain).doing(&doing)?;
                swept.push(name);
            }
        }
        Ok(swept)
    }

    fn note(&self, host: &str, name: &str) -> Result<String> {
        let path = self.noted(host).join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(plain).doing(format!("read {}", path.display())),
        }
    }

    fn set_note(&self, host: &str, name: &str, text: &str) -> Result<()> {
        let path = self.noted(host).join(name);
        let write = || -> io::Result<()> {
            make_folder(&self.noted(host))?;
            let mut file = tempfile::NamedTempFile::new_in(self.noted(host))?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            sync(path.parent())
        };
        write().map_err(plain).doing(format!("write {}", path.display()))
    }

    fn prepare(&self, readme: &str) -> Result<()> {
        let path = self.root.join(README);
        let write = || -> io::Result<()> {
            make_folder(&self.root)?;
            if fs::read_to_string(&path).is_ok_and(|text| text == readme) {
                return Ok(());
            }
            make_folder(&self.taking())?;
            let folder = self.taking().join(format!("readme-{:08x}", rand::random::<u32>()));
            let _lock = Lock::take(&folder)?;
            DirBuilder::new().mode(0o700).create(&folder)?;
            let temporary = folder.join(README);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(readme.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            fs::remove_dir(&folder)?;
            sync(Some(&self.root))
        };
        write().map_err(|error| {
            reason::because(format!("make the store {}", self.root.display()), &reason::plain(&error))
        })
    }
}

/// A backup that is being written to a folder.
struct TakingFolder {
    folder: PathBuf,
    target: PathBuf,
    /// Held until the backup is in its place or gone.
    lock: Lock,
    is_committed: AtomicBool,
}

impl Taking for TakingFolder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.folder.join(name))?;
        Ok(Box::new(FileSink(file)))
    }

    fn commit(&self, sums: &str) -> io::Result<()> {
        let mut file = self.create(SUMS)?;
        file.write_all(sums.as_bytes())?;
        file.finish()?;
        sync(Some(&self.folder))?;
        let parent = self.target.parent().unwrap_or(&self.folder);
        // A prune may take the folder away between the two, since it was empty.
        let renamed = make_folder(parent).and_then(|()| fs::rename(&self.folder, &self.target));
        renamed.or_else(|_| make_folder(parent).and_then(|()| fs::rename(&self.folder, &self.target)))?;
        self.is_committed.store(true, Ordering::SeqCst);
        sync(Some(parent))
    }
}

impl Drop for TakingFolder {
    fn drop(&mut self) {
        if !self.is_committed.load(Ordering::SeqCst) {
            // What cannot be removed now is in no catalogue, and the next sweep tries again.
            let _swept_later = fs::remove_dir_all(&self.folder);
        }
        self.lock.let_go();
    }
}

struct FileSink(File);

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sink for FileSink {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Shows that a folder of `.taking` is in use. The kernel lets go of it when its process dies.
struct Lock {
    path: PathBuf,
    file: File,
}

/// How the name of a folder's lock ends.
const LOCK: &str = ".lock";

impl Lock {
    fn take(folder: &Path) -> io::Result<Lock> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = Lock::try_take(folder)? {
                return Ok(lock);
            }
            std::thread::yield_now();
        }
        Err(io::Error::other("another process holds its lock"))
    }

    /// `None` when another process holds it.
    fn try_take(folder: &Path) -> io::Result<Option<Lock>> {
        let mut path = folder.as_os_str().to_owned();
        path.push(LOCK);
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            // Whoever held it before may have removed the name of the file that is locked now.
            Ok(()) => Ok(is_same(&file, &path).then_some(Lock { path, file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn let_go(&self) {
        // A file that stays behind is not locked, which is what counts.
        let _unlocked_anyway = fs::remove_file(&self.path);
        let _closed_anyway = self.file.unlock();
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    let ids = |meta: io::Result<fs::Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
    let ours = ids(file.metadata());
    ours.is_some() && ours == ids(fs::metadata(path))
}

/// Makes a folder and those above it durably, closed to others.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync(folder.parent())
}

/// Makes what happened to the names in a folder durable.
fn sync(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The names of the folders in `folder` that are not hidden; none when there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = names_of_all(folder)?;
    names.retain(|name| !name.starts_with('.') && folder.join(name).is_dir());
    Ok(names)
}

fn names_of_all(folder: &Path) -> Result<Vec<String>> {
    let doing = format!("list {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(plain).doing(&doing)?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.map(name).collect::<io::Result<_>>().map_err(plain).doing(&doing)?;
    names.sort();
    Ok(names)
}

fn plain(error: io::Error) -> String {
    reason::plain(&error)
}
