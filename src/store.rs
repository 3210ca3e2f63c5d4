//! Where backups are kept: a directory or S3. Backups come in as streams and are in the catalogue when they are whole;
//! they are read back with every byte checked. The layout can be read without windlass, as `store/README.md` says.

mod backend;
mod checked;
mod folder;
mod id;
mod identities;
mod incoming;
pub(crate) mod index;
mod intake;
mod keep;
mod manifest;
mod objects;
mod part;
mod read;
mod sealed;
mod settings;
pub(crate) mod sums;
mod verify;

#[cfg(test)]
mod tests;

pub use id::{BackupPath, Id};
pub use identities::Identities;
pub use index::{EntryKind, IndexEntry};
pub use intake::Intake;
pub use manifest::{BackupAbout, Encoding, Index, Manifest, Part, PartAbout, PartKind, Stored};
pub use read::{Entries, Proven};
pub use settings::{MAX_SIZE, Settings};
pub use verify::Verified;

use crate::model::keep::{Keep, Retention};
use crate::model::{Failure, Result};
use backend::Backend;
use folder::Folder;
use sealed::Recipients;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Arc;

/// For the people who find a store without windlass.
const README: &str = include_str!("store/README.md");

/// How many manifests are read at once: each is a few short waits for a server.
const READERS: usize = 8;

/// A place that backups are kept in. Cheap to clone. Its functions wait; from async code call those that are not async
/// on a thread of their own.
#[derive(Clone)]
pub struct BackupStore {
    backend: Arc<dyn Backend>,
    settings: Arc<Settings>,
}

/// What the catalogue says of a backup.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Host, name and id.
    pub place: BackupPath,
    /// What was written when it was taken, or why that cannot be relied on.
    pub manifest: Result<Manifest>,
}

impl BackupStore {
    /// The store that the settings tell of. Nothing is contacted or made yet.
    pub fn open(settings: Settings) -> Result<BackupStore> {
        Recipients::parse(&settings.encrypt_to)
            .map_err(|why| Failure::new(format!("open the store {}", settings.url), why))?;
        let backend: Arc<dyn Backend> = match settings.url.starts_with(objects::SCHEME) {
            true => Arc::new(objects::open(&settings)?),
            false => Arc::new(Folder::new(settings.root.join(&settings.url))),
        };
        Ok(BackupStore { backend, settings: Arc::new(settings) })
    }

    /// What people call it: a path or an URL.
    pub fn describe(&self) -> String {
        self.backend.describe()
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The identities that the settings name.
    pub fn identities(&self) -> Result<Identities> {
        match &self.settings.identity {
            Some(file) => Identities::read(&[self.settings.root.join(file)]),
            None => Ok(Identities::default()),
        }
    }

    /// Begins to take a backup.
    pub async fn begin(&self, about: BackupAbout) -> Result<Intake> {
        about.check()?;
        let place = BackupPath::new(&about.host, &about.name, about.started)?;
        let wanted = if about.recipients.is_empty() { &self.settings.encrypt_to } else { &about.recipients };
        let recipients = Recipients::parse(wanted)
            .map_err(|why| Failure::new(format!("encrypt backup {} of {}", about.name, about.host), why))?;
        let (backend, begun) = (self.backend.clone(), place.clone());
        let begin = move || backend.prepare(README).and_then(|()| backend.begin(&begun));
        let taking = waited(begin).await?;
        Ok(Intake::new(place, about, recipients, self.settings.max_size.0, taking))
    }

    /// Every backup in the catalogue, oldest first; damaged ones with what is wrong.
    pub fn list(&self) -> Result<Vec<Entry>> {
        self.list_those(|_| true)
    }

    /// Host, name and id of every backup, oldest first; nothing of them is read.
    pub fn places(&self) -> Result<Vec<BackupPath>> {
        let mut places = self.backend.places()?;
        places.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(places)
    }

    /// Whether it is a directory, and no server is asked for it.
    pub fn is_here(&self) -> bool {
        !self.settings.url.starts_with(objects::SCHEME)
    }

    /// Those of the backups in the catalogue whose place is wanted; of the others nothing is read.
    pub fn list_those(&self, wanted: impl Fn(&BackupPath) -> bool) -> Result<Vec<Entry>> {
        let mut places = self.places()?;
        places.retain(wanted);
        let share = places.len().div_ceil(READERS).max(1);
        let read = |place: &BackupPath| Entry {
            manifest: read::manifest(&*self.backend, place),
            place: place.clone(),
        };
        Ok(std::thread::scope(|scope| {
            let shares = places.chunks(share);
            let threads = shares.map(|share| scope.spawn(|| share.iter().map(read).collect::<Vec<_>>()));
            let threads: Vec<_> = threads.collect();
            // A thread that panicked panics here too.
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_else(|why| resume_unwind(why)))
                .collect()
        }))
    }

    /// Reads every byte of a backup, and opens it where the identities can. `progress` learns how many bytes were read
    /// since it was last called.
    pub fn verify(
        &self,
        place: &BackupPath,
        identities: &Identities,
        progress: &mut dyn FnMut(u64),
    ) -> Verified {
        verify::verify(&*self.backend, place, identities, progress)
    }

    /// Notes for [`BackupStore::judge`] what a verification found.
    pub fn remember(&self, verified: &Verified) -> Result<()> {
        checked::remember(&*self.backend, verified)
    }

    /// What a rule that was typed does with the backups of one host and name: it is taken at its word.
    pub fn judge_as_typed(entries: &[Entry], keep: &Keep) -> Result<Vec<Retention<BackupPath>>> {
        keep::judge(entries, keep, &BTreeSet::new())
    }

    /// What a rule does with the backups of one host and name: which are kept and why. The newest that was verified stays.
    pub fn judge(&self, entries: &[Entry], keep: &Keep) -> Result<Vec<Retention<BackupPath>>> {
        let Some(Entry { place, .. }) = entries.first() else { return Ok(Vec::new()) };
        let verified = checked::ids(&*self.backend, &place.host, &place.name)?;
        keep::judge(entries, keep, &verified)
    }

    /// Removes what the rule does not keep of a host's backups of one name, and sweeps. Returns the backups that went. For
    /// after a commit.
    pub fn apply_keep(&self, host: &str, name: &str, keep: &Keep) -> Result<Vec<Id>> {
        let entries = self.list_those(|place| place.host == host && place.name == name)?;
        let mut removed = Vec::new();
        for verdict in self.judge(&entries, keep)?.into_iter().filter(|verdict| !verdict.is_kept()) {
            self.backend.remove(&verdict.of)?;
            removed.push(verdict.of.id);
        }
        self.sweep()?;
        Ok(removed)
    }

    /// What was written when the backup was taken.
    pub fn manifest(&self, id: &Id) -> Result<Manifest> {
        read::manifest(&*self.backend, &self.place(id)?)
    }

    /// The backup that `text` names: an id, or `HOST/NAME` for the newest that is whole. An id that is here and damaged
    /// is an error; one that is not here is `None`.
    pub fn find(&self, text: &str) -> Result<Option<Manifest>> {
        if let Ok(id) = text.parse::<Id>() {
            let place = self.place_of(&id)?;
            return place.map(|place| read::manifest(&*self.backend, &place)).transpose();
        }
        let Some((host, name)) = text.split_once('/') else { return Ok(None) };
        let mut places = self.backend.places()?;
        places.retain(|place| place.host == host && place.name == name);
        places.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(places.iter().find_map(|place| read::manifest(&*self.backend, place).ok()))
    }

    /// The plain bytes of a part.
    pub fn open_part(&self, id: &Id, part: &str, identities: &Identities) -> Result<Proven> {
        let (place, part) = self.part(id, part)?;
        read::part(&*self.backend, &place, &part, identities)
    }

    /// What is in a part that is a tar; nothing for others.
    pub fn index(&self, id: &Id, part: &str, identities: &Identities) -> Result<Option<Entries>> {
        let (place, part) = self.part(id, part)?;
        let index = part.index.as_ref();
        index.map(|index| read::index(&*self.backend, &place, index, identities)).transpose()
    }

    /// Removes a backup, damaged or not.
    pub fn remove(&self, id: &Id) -> Result<()> {
        self.backend.remove(&self.place(id)?)
    }

    /// Removes what crashed takings left behind; never one that is still going on. Returns what that was.
    pub fn sweep(&self) -> Result<Vec<String>> {
        self.backend.sweep()
    }

    fn part(&self, id: &Id, name: &str) -> Result<(BackupPath, Part)> {
        let place = self.place(id)?;
        let manifest = read::manifest(&*self.backend, &place)?;
        let part = manifest.part(name).cloned();
        let names: Vec<&str> = manifest.parts.iter().map(|part| part.name.as_str()).collect();
        let missing = || {
            let failure = Failure::new(format!("read {name} of backup {id}"), "it has no such part");
            failure.hint(format!("its parts are: {}", names.join(", ")))
        };
        Ok((place, part.ok_or_else(missing)?))
    }

    fn place(&self, id: &Id) -> Result<BackupPath> {
        let failure = || {
            let failure =
                Failure::new(format!("find backup {id}"), format!("it is not in {}", self.describe()));
            failure.hint("`windlass backups list` shows what there is")
        };
        self.place_of(id)?.ok_or_else(failure)
    }

    fn place_of(&self, id: &Id) -> Result<Option<BackupPath>> {
        for place in id.places() {
            if self.backend.holds(&place)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// Runs what waits on a thread of its own.
async fn waited<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::new("use a store", error)))
}
