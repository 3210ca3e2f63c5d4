//! Flips and truncations anywhere in a backup: every one is reported, with and without the key, and none is read as if it
//! were whole.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many times something is damaged in small backups, and in larger ones whose parts are several chunks of age.
const TRIALS: [(usize, usize); 2] = [(970, 5_000), (30, 70_000)];

/// What is done to an object.
#[derive(Debug)]
enum Damage {
    Flip { at: usize, bit: u8 },
    Truncate { to: usize },
    Remove,
    Grow,
}

fn damage(random: &mut StdRng, size: usize) -> Damage {
    match random.random_range(0..20) {
        0 => Damage::Remove,
        1 => Damage::Grow,
        2..8 => Damage::Truncate { to: random.random_range(0..size) },
        _ => Damage::Flip { at: random.random_range(0..size), bit: random.random_range(0..8) },
    }
}

fn damaged(damage: &Damage, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    match damage {
        Damage::Flip { at, bit } => bytes[*at] ^= 1 << bit,
        Damage::Truncate { to } => bytes.truncate(*to),
        Damage::Grow => bytes.push(0),
        Damage::Remove => return None,
    }
    Some(bytes)
}

async fn backup(store: &BackupStore, dump_bytes: usize, recipients: Vec<String>) -> Manifest {
    let parts = [("files.tar", PartKind::Tar), ("app.dump", PartKind::Pgdump), ("empty.sql", PartKind::Sql)];
    let mut intake = store.begin(BackupAbout { recipients, ..about(&parts) }).await.unwrap();
    let mut random = StdRng::seed_from_u64(1);
    let noise: Vec<u8> = (0..dump_bytes).map(|_| random.random()).collect();
    fill(&mut intake, "files.tar", PartKind::Tar, &tar(), Encoding::Zstd).await.unwrap();
    fill(&mut intake, "app.dump", PartKind::Pgdump, &noise, Encoding::Plain).await.unwrap();
    fill(&mut intake, "empty.sql", PartKind::Sql, b"", Encoding::Plain).await.unwrap();
    intake.commit().await.unwrap()
}

#[tokio::test]
async fn every_damage_is_told() {
    for (trials, dump_bytes) in TRIALS {
        damage_many(trials, dump_bytes).await;
    }
}

async fn damage_many(trials: usize, dump_bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let identity = age::x25519::Identity::generate();
    let identities = Identities::from(identity.clone());
    let plain = backup(&store, dump_bytes, Vec::new()).await;
    let encrypted = backup(&store, dump_bytes, vec![identity.to_public().to_string()]).await;
    let mut random = StdRng::seed_from_u64(20_261_121);
    for trial in 0..trials {
        let manifest = if trial % 2 == 0 { &plain } else { &encrypted };
        let place = BackupPath::of("web-1", "nightly", manifest.id.as_str()).unwrap();
        let root = folder.path().join("backups").join(place.to_string());
        let objects: BTreeMap<PathBuf, Vec<u8>> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        let (path, bytes) = objects.iter().nth(random.random_range(0..objects.len())).unwrap();
        let damage = damage(&mut random, bytes.len());
        match damaged(&damage, bytes) {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let told = format!("trial {trial}: {damage:?} of {}", path.display());
        for identities in [&Identities::default(), &identities] {
            let verified = store.verify(&place, identities, &mut |_| {});
            assert!(!verified.is_whole(), "verify says it is whole: {told}");
        }
        for part in &manifest.parts {
            let read = read(&store, &manifest.id, &part.name, &identities);
            let same = read.as_ref().is_ok_and(|bytes| Digest::of(bytes) == part.plain_sha256);
            assert!(read.is_err() || same, "{} was read as if it were whole: {told}", part.name);
            let is_its_own = path.file_name().unwrap().to_str() == Some(&part.stored.file);
            assert!(read.is_err() || !is_its_own, "{} was read although damaged: {told}", part.name);
        }
        std::fs::write(path, bytes).unwrap();
    }
    for manifest in [&plain, &encrypted] {
        let place = BackupPath::of("web-1", "nightly", manifest.id.as_str()).unwrap();
        let verified = store.verify(&place, &identities, &mut |_| {});
        assert!(verified.is_whole() && verified.locked.is_empty(), "{verified:?}");
    }
    let place = BackupPath::of("web-1", "nightly", encrypted.id.as_str()).unwrap();
    let verified = store.verify(&place, &Identities::default(), &mut |_| {});
    assert_eq!((verified.is_whole(), verified.locked.len()), (true, 3));
    let other = Identities::from(age::x25519::Identity::generate());
    let why = read(&store, &encrypted.id, "app.dump", &other).unwrap_err();
    assert!(why.contains("no identity that was given opens it"), "{why}");
}

#[tokio::test]
async fn a_file_that_does_not_belong_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let manifest = backup(&store, 5_000, Vec::new()).await;
    let place = BackupPath::of("web-1", "nightly", manifest.id.as_str()).unwrap();
    let stray = folder.path().join("backups").join(place.to_string()).join("stray");
    std::fs::write(stray, "").unwrap();
    let failure = store.manifest(&manifest.id).unwrap_err();
    assert_eq!(failure.why, "stray is no part of it");
    assert!(store.list().unwrap()[0].manifest.is_err());
    store.remove(&manifest.id).unwrap();
    assert!(store.list().unwrap().is_empty());
}
