//! A controller, or a server, that is gone in the middle: whatever had been done by then, there is no entry, and a sweep
//! leaves nothing. Each operation of a backup is the last one that happens, in turn.

use super::*;
use crate::store::objects::Objects;
use crate::store::objects::remote::{Asked, Remote};
use bytes::Bytes;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use object_store::memory::InMemory;
use object_store::multipart::PartId;
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, ObjectMeta};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that is gone after so many requests.
struct Dying {
    inner: Arc<InMemory>,
    left: AtomicUsize,
}

impl Dying {
    fn ask<T: 'static>(&self, ask: impl FnOnce(Arc<InMemory>) -> Asked<T>) -> Asked<T> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => ask(self.inner.clone()),
            Err(_) => async { Err(Error::Generic { store: "dying", source: "it is gone".into() }) }.boxed(),
        }
    }
}

impl Remote for Dying {
    fn put(self: Arc<Self>, path: ObjectPath, bytes: Bytes) -> Asked<()> {
        self.ask(|inner| Remote::put(inner, path, bytes))
    }

    fn get(self: Arc<Self>, path: ObjectPath, options: GetOptions) -> Asked<(ObjectMeta, Bytes)> {
        self.ask(|inner| Remote::get(inner, path, options))
    }

    fn list(self: Arc<Self>, below: ObjectPath) -> Asked<Vec<ObjectMeta>> {
        self.ask(|inner| Remote::list(inner, below))
    }

    fn delete(self: Arc<Self>, path: ObjectPath) -> Asked<()> {
        self.ask(|inner| Remote::delete(inner, path))
    }

    fn begin_upload(self: Arc<Self>, path: ObjectPath) -> Asked<String> {
        self.ask(|inner| inner.begin_upload(path))
    }

    fn put_piece(
        self: Arc<Self>,
        path: ObjectPath,
        upload: String,
        number: usize,
        bytes: Bytes,
    ) -> Asked<PartId> {
        self.ask(|inner| inner.put_piece(path, upload, number, bytes))
    }

    fn complete_upload(self: Arc<Self>, path: ObjectPath, upload: String, pieces: Vec<PartId>) -> Asked<()> {
        self.ask(|inner| inner.complete_upload(path, upload, pieces))
    }

    fn abort_upload(self: Arc<Self>, path: ObjectPath, upload: String) -> Asked<()> {
        self.ask(|inner| inner.abort_upload(path, upload))
    }
}

fn store_of(inner: &Arc<InMemory>, requests: usize) -> BackupStore {
    let remote = Dying { inner: inner.clone(), left: AtomicUsize::new(requests) };
    let mut objects = Objects::new(Arc::new(remote), ObjectPath::from("p"), "s3://bucket/p".into());
    objects.pieces = &[(10_000, 64 << 10)];
    BackupStore {
        backend: Arc::new(objects),
        settings: Arc::new(Settings::of(Path::new("/"), "s3://bucket/p")),
    }
}

async fn attempt(store: &BackupStore, noise: &[u8]) -> Result<Manifest> {
    let parts = [("files.tar", PartKind::Tar), ("app.dump", PartKind::Pgdump)];
    let mut intake = store.begin(about(&parts)).await?;
    fill(&mut intake, "files.tar", PartKind::Tar, &tar(), Encoding::Zstd).await?;
    fill(&mut intake, "app.dump", PartKind::Pgdump, noise, Encoding::Plain).await?;
    intake.commit().await
}

async fn keys(inner: &Arc<InMemory>) -> Vec<String> {
    let listed = Remote::list(inner.clone(), ObjectPath::default()).await.unwrap();
    let mut keys: Vec<String> = listed.iter().map(|meta| meta.location.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_server_that_goes_away_leaves_no_entry() {
    let mut random = StdRng::seed_from_u64(7);
    // Several pieces, so that there is an upload to be ended.
    let noise: Vec<u8> = (0..300 << 10).map(|_| random.random()).collect();
    for requests in 0.. {
        let inner = Arc::new(InMemory::new());
        let taken = attempt(&store_of(&inner, requests), &noise).await;
        let after = store_of(&inner, usize::MAX);
        let listed = after.list().unwrap();
        match taken {
            // The last request removes the marker, and does not decide.
            Ok(manifest) => {
                assert_eq!(listed.len(), 1);
                let verified = after.verify(&listed[0].place, &Identities::default(), &mut |_| {});
                assert!(verified.is_whole(), "{verified:?}");
                assert!(requests > 10, "a backup takes more requests than {requests}");
                let again = store_of(&inner, usize::MAX).find("web-1/nightly").unwrap();
                assert_eq!(again, Some(manifest));
                break;
            }
            Err(_) => assert!(listed.is_empty(), "after {requests} requests: {:?}", keys(&inner).await),
        }
        let objects = Objects::new(inner.clone(), ObjectPath::from("p"), "s3://bucket/p".into());
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        objects.sweep_before(later).unwrap();
        let left = keys(&inner).await;
        assert!(left.iter().all(|key| key == "p/README.md"), "after {requests} requests: {left:?}");
    }
}

#[tokio::test]
async fn what_is_young_is_not_swept() {
    let inner = Arc::new(InMemory::new());
    let store = store_of(&inner, usize::MAX);
    let mut intake = store.begin(about(&[("x.sql", PartKind::Sql)])).await.unwrap();
    fill(&mut intake, "x.sql", PartKind::Sql, b"select 1", Encoding::Plain).await.unwrap();
    assert!(store.sweep().unwrap().is_empty());
    let manifest = intake.commit().await.unwrap();
    assert_eq!(read(&store, &manifest.id, "x.sql", &Identities::default()).unwrap(), b"select 1");
    assert!(keys(&inner).await.iter().all(|key| !key.contains(".taking")), "{:?}", keys(&inner).await);
}

#[tokio::test]
async fn what_was_swept_meanwhile_is_not_committed() {
    let inner = Arc::new(InMemory::new());
    let store = store_of(&inner, usize::MAX);
    let mut intake = store.begin(about(&[("x.sql", PartKind::Sql)])).await.unwrap();
    fill(&mut intake, "x.sql", PartKind::Sql, b"select 1", Encoding::Plain).await.unwrap();
    let objects = Objects::new(inner.clone(), ObjectPath::from("p"), "s3://bucket/p".into());
    objects.sweep_before(Timestamp::now() + SignedDuration::from_hours(1)).unwrap();
    let failure = intake.commit().await.unwrap_err();
    assert!(failure.why.contains("no longer holds"), "{failure}");
    assert!(store.list().unwrap().is_empty());
}
