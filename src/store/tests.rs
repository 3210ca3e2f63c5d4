//! Stores in a temporary directory: what goes in comes out, and nothing that is not whole is ever there.

mod conformance;
mod crash;
mod damage;
mod hostile;

use super::*;
use crate::model::digest::Digest;
use bytes::Bytes;
use std::io::Read;
use std::path::Path;

fn store(folder: &Path) -> BackupStore {
    BackupStore::open(Settings::of(folder, "backups")).unwrap()
}

fn about(parts: &[(&str, PartKind)]) -> BackupAbout {
    let part = |(name, kind): &(&str, PartKind)| PartAbout {
        name: name.to_string(),
        kind: *kind,
        from: serde_json::json!({ "path": "/etc/nginx" }),
    };
    BackupAbout {
        host: "web-1".into(),
        name: "nightly".into(),
        playbook: "backup".into(),
        run: "20261121-084500-kxqz".to_string().try_into().unwrap(),
        started: "2026-11-21T08:45:00Z".parse().unwrap(),
        recipients: Vec::new(),
        assertion: None,
        parts: parts.iter().map(part).collect(),
    }
}

/// What is written of a backup at `place`, without parts.
pub fn manifest(place: &BackupPath) -> Manifest {
    Manifest::new(place, about(&[]), Vec::new(), Vec::new())
}

/// A tar with two files, a folder and a link.
fn tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(33);
    header.set_size(5);
    tar.append_data(&mut header, "etc/a.conf", &b"hello"[..]).unwrap();
    let deep = format!("etc/{}/b.conf", "long/".repeat(60));
    header.set_size(3);
    tar.append_data(&mut header, deep, &b"abc"[..]).unwrap();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    tar.append_link(&mut header, "etc/link", "a.conf").unwrap();
    tar.into_inner().unwrap()
}

async fn fill(
    intake: &mut Intake,
    name: &str,
    kind: PartKind,
    plain: &[u8],
    encoding: Encoding,
) -> Result<Part> {
    intake.begin_part(name, kind, encoding).await?;
    let sent = match encoding {
        Encoding::Plain => plain.to_vec(),
        Encoding::Zstd => zstd::encode_all(plain, 3).unwrap(),
    };
    for chunk in sent.chunks(1000) {
        intake.take(Bytes::copy_from_slice(chunk)).await?;
    }
    intake.end_part(plain.len() as u64, &Digest::of(plain)).await
}

fn read(store: &BackupStore, id: &Id, part: &str, identities: &Identities) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = store.open_part(id, part, identities).map_err(|failure| failure.to_string())?;
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let identity = age::x25519::Identity::generate();
    for recipients in [vec![], vec![identity.to_public().to_string()]] {
        let parts = [("files.tar", PartKind::Tar), ("app.dump", PartKind::Pgdump)];
        let mut intake = store.begin(BackupAbout { recipients, ..about(&parts) }).await.unwrap();
        let dump = vec![7; 3 << 20];
        fill(&mut intake, "files.tar", PartKind::Tar, &tar(), Encoding::Zstd).await.unwrap();
        fill(&mut intake, "app.dump", PartKind::Pgdump, &dump, Encoding::Plain).await.unwrap();
        let count = store.list().unwrap().len();
        let manifest = intake.commit().await.unwrap();
        assert_eq!(store.list().unwrap().len(), count + 1);
        assert_eq!(store.manifest(&manifest.id).unwrap(), manifest);
        let identities = Identities::from(identity.clone());
        assert_eq!(read(&store, &manifest.id, "files.tar", &identities).unwrap(), tar());
        assert_eq!(read(&store, &manifest.id, "app.dump", &identities).unwrap(), dump);
        let entries = store.index(&manifest.id, "files.tar", &identities).unwrap().unwrap();
        let entries: Vec<IndexEntry> = entries.collect::<Result<_>>().unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].sha256, Some(Digest::of(b"hello")));
        assert_eq!((entries[0].mode.as_str(), entries[0].uid), ("0640", 33));
        assert_eq!(entries[2].target.as_ref().unwrap().to_string(), "a.conf");
    }
    assert!(store.sweep().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_whole_is_never_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let parts = [("a.sql", PartKind::Sql), ("b.sql", PartKind::Sql)];
    let mut intake = store.begin(about(&parts)).await.unwrap();
    fill(&mut intake, "a.sql", PartKind::Sql, b"select 1", Encoding::Zstd).await.unwrap();
    let failure = intake.commit().await.unwrap_err();
    assert!(failure.to_string().contains("take b.sql"), "{failure}");
    let mut intake = store.begin(about(&parts)).await.unwrap();
    intake.begin_part("a.sql", PartKind::Sql, Encoding::Plain).await.unwrap();
    intake.take(Bytes::from_static(b"select 1")).await.unwrap();
    let failure = intake.end_part(9, &Digest::of(b"select 1\n")).await.unwrap_err();
    assert!(failure.why.contains("8 bytes arrived, and the host says it sent 9"), "{failure}");
    assert!(intake.commit().await.is_err());
    assert!(store.list().unwrap().is_empty());
    let left: Vec<_> = std::fs::read_dir(folder.path().join("backups/.taking")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
