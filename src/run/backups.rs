//! Backups that a host sends: what its job says is taken into the store that its job names, and nothing else.

use crate::model::backup::{Answered, Kept, Label, PartKind, Request, Said};
use crate::model::event::Order;
use crate::model::job::{HostWork, Job, JobStep, Mode};
use crate::model::run::now;
use crate::model::{Failure, Result};
use crate::report::transfers::{Ongoing, Transfers};
use crate::ssh::Writer;
use crate::step;
use crate::store::{self, BackupAbout, BackupStore, Encoding, Intake, PartAbout};
use crate::wire;
use bytes::Bytes;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

/// The stores that the jobs of a run name, opened before any host is contacted.
#[derive(Clone, Default)]
pub struct Stores(BTreeMap<Option<String>, BackupStore>);

impl Stores {
    /// Adds those that the work names; `open` opens one by what its step says.
    pub fn add(&mut self, work: &HostWork, open: &dyn Fn(Option<&str>) -> Result<BackupStore>) -> Result<()> {
        for backup in work.all_steps().filter_map(backup_of) {
            if let Entry::Vacant(vacant) = self.0.entry(backup.store) {
                let store = open(vacant.key().as_deref())?;
                vacant.insert(store);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.0.keys()).finish()
    }
}

/// What a step keeps, when it is one that keeps something and is done on this host. Keys that cannot be read fail the step
/// on its host.
fn backup_of(step: &JobStep) -> Option<Request> {
    let keys = step.args.as_ref()?.known()?;
    step::parse(&step.kind, &keys).ok()?.backup()
}

/// Answers that may wait to be sent to one host.
const ANSWERS_WAITING: usize = 8;

/// The backups that one host sends, one after the other.
pub struct Backups<'a> {
    job: &'a Job,
    stores: &'a Stores,
    /// Answers on their way to the host. Who listens to it never waits for that: it may itself wait to be heard first.
    answers: mpsc::Sender<Bytes>,
    transfers: Transfers,
    taking: Option<Taking>,
    /// The steps of which a backup has been taken, or was refused: there is one of each in a run.
    had: BTreeSet<u32>,
    /// The rest of one that was refused is on its way still.
    refused: Option<u32>,
}

/// A backup that is coming in.
struct Taking {
    request: u32,
    intake: Intake,
    labels: Vec<Label>,
    store: BackupStore,
    backup: Request,
    notes: Vec<String>,
    transfer: Ongoing,
}

impl<'a> Backups<'a> {
    /// Those of the host whose job this is.
    pub fn new(job: &'a Job, stores: &'a Stores, writer: Arc<Mutex<Writer>>, transfers: Transfers) -> Self {
        let (answers, sending) = mpsc::channel(ANSWERS_WAITING);
        tokio::spawn(send(sending, writer));
        Backups { job, stores, answers, transfers, taking: None, had: BTreeSet::new(), refused: None }
    }

    /// Takes what a host says of a backup. What cannot be taken is reported to the host, whose step then fails.
    pub async fn take(&mut self, request: u32, step: u32, said: Said) {
        if self.refused == Some(request) {
            return;
        }
        match self.try_take(request, step, said).await {
            Ok(None) => {}
            Ok(Some(kept)) => self.answer(request, Ok(kept)),
            Err(failure) => {
                self.taking = None;
                self.refused = Some(request);
                self.answer(request, Err(failure));
            }
        }
    }

    async fn try_take(&mut self, request: u32, step: u32, said: Said) -> Result<Option<Kept>> {
        match said {
            Said::Begin => {
                self.expect(step)?;
                self.taking = Some(self.begin(request, step).await?);
            }
            Said::Part { name } => {
                let taking = self.taking(request)?;
                let kind = taking.labels.iter().find(|label| label.name == name).map(|label| label.kind);
                let unknown = || Failure::new(format!("take {name:?}"), "no such part was asked for");
                let kind = of_store(kind.ok_or_else(unknown)?);
                taking.intake.begin_part(&name, kind, Encoding::Zstd).await?;
            }
            Said::Piece { chunk } => {
                let taking = self.taking(request)?;
                taking.transfer.add(chunk.len());
                taking.intake.take(Bytes::from(chunk)).await?;
            }
            Said::PartEnd { bytes, digest } => {
                self.taking(request)?.intake.end_part(bytes, &digest).await?;
            }
            Said::Commit => return self.commit(request).await.map(Some),
            Said::GivenUp => self.taking = None,
        }
        Ok(None)
    }

    /// A host sends one backup for each step that keeps one, and none when it was only asked what would be done.
    fn expect(&mut self, step: u32) -> Result<()> {
        let why = match (self.job.work.mode, self.taking.is_some(), self.had.insert(step)) {
            (Mode::Check, ..) => "nothing is backed up in check mode",
            (_, true, _) => "the one before has not ended",
            (_, _, false) => "the step has sent one already in this run",
            _ => return Ok(()),
        };
        Err(Failure::new("take a backup", why))
    }

    fn taking(&mut self, request: u32) -> Result<&mut Taking> {
        let taking = self.taking.as_mut().filter(|taking| taking.request == request);
        taking.ok_or_else(|| {
            Failure::new("take a backup", "the host sends a part of one that it has not started")
        })
    }

    async fn begin(&self, request: u32, step: u32) -> Result<Taking> {
        let job_step = self.job.work.all_steps().find(|job_step| job_step.index == step);
        let unknown = || Failure::new("take a backup", "the step that sends it takes none");
        let backup = job_step.and_then(backup_of).ok_or_else(unknown)?;
        let store = self.stores.0.get(&backup.store).ok_or_else(unknown)?.clone();
        let parts = backup.parts.iter().map(|planned| PartAbout {
            name: planned.label.name.clone(),
            kind: of_store(planned.label.kind),
            from: planned.from.clone(),
        });
        let about = BackupAbout {
            host: self.job.envelope.host.clone(),
            name: backup.name.clone(),
            playbook: self.job.work.playbook.clone(),
            run: self.job.envelope.run.clone(),
            started: now(),
            recipients: backup.recipients.clone(),
            assertion: backup.assertion.clone(),
            parts: parts.collect(),
        };
        let notes = swept(store.clone()).await;
        let intake = store.begin(about).await?;
        let labels = backup.parts.iter().map(|planned| planned.label.clone()).collect();
        // How much comes is known once all has come.
        let transfer = self.transfers.start(&self.job.envelope.host, None);
        Ok(Taking { request, intake, labels, store, backup, notes, transfer })
    }

    async fn commit(&mut self, request: u32) -> Result<Kept> {
        self.taking(request)?;
        let Some(Taking { intake, store, backup, mut notes, .. }) = self.taking.take() else {
            return Err(Failure::new("take a backup", "it ends before its start"));
        };
        let manifest = intake.commit().await?;
        if let Some(keep) = &backup.keep {
            notes.extend(pruned(store, &manifest, keep.clone()).await);
        }
        Ok(Kept { id: manifest.id.to_string(), stored: manifest.stored_bytes(), notes })
    }

    /// A host waits for the answer before it starts another backup: more than fit are not answers to anything it asked.
    fn answer(&self, request: u32, answer: Answered) {
        if let Ok(frame) = wire::frame(&Order::Kept { request, answer }) {
            let _unasked = self.answers.try_send(Bytes::from(frame));
        }
    }
}

/// Sends the answers until there are no more. No one is left to hear one when the channel is closed.
async fn send(mut answers: mpsc::Receiver<Bytes>, writer: Arc<Mutex<Writer>>) {
    while let Some(frame) = answers.recv().await {
        let _gone = writer.lock().await.write(frame).await;
    }
}

/// What crashed takings left behind goes before a new one begins. That it cannot be removed is no reason not to begin.
async fn swept(store: BackupStore) -> Vec<String> {
    let swept = tokio::task::spawn_blocking(move || store.sweep()).await;
    match swept {
        Ok(Ok(swept)) if swept.is_empty() => Vec::new(),
        Ok(Ok(swept)) => {
            vec![format!("removed what was left of backups that never became whole: {}", swept.join(", "))]
        }
        Ok(Err(failure)) => vec![failure.to_string()],
        Err(error) => vec![format!("sweep the store: {error}")],
    }
}

/// Older backups that the rules do not keep are dropped. Not being able to is reported and undoes nothing.
async fn pruned(
    store: BackupStore,
    manifest: &store::Manifest,
    keep: crate::model::keep::Keep,
) -> Vec<String> {
    let (host, name) = (manifest.host.clone(), manifest.name.clone());
    let pruned = tokio::task::spawn_blocking(move || store.apply_keep(&host, &name, &keep)).await;
    match pruned {
        Ok(Ok(dropped)) => {
            dropped.into_iter().map(|id| format!("dropped {id}, which the rules do not keep")).collect()
        }
        Ok(Err(failure)) => vec![format!("older backups could not be dropped: {failure}")],
        Err(error) => vec![format!("older backups could not be dropped: {error}")],
    }
}

fn of_store(kind: PartKind) -> store::PartKind {
    match kind {
        PartKind::Tar => store::PartKind::Tar,
        PartKind::PgDump => store::PartKind::Pgdump,
        PartKind::Sql => store::PartKind::Sql,
        PartKind::Rdb => store::PartKind::Rdb,
        PartKind::Json => store::PartKind::Json,
    }
}
