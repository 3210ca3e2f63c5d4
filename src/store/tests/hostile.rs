//! What a host may send: everything. None of it gets into the catalogue, takes much memory or fills the store.

use super::*;

async fn refused(kind: PartKind, encoding: Encoding, sent: &[u8], plain: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        Settings { max_size: crate::model::size::Size(4 << 20), ..Settings::of(folder.path(), "b") };
    let store = BackupStore::open(settings).unwrap();
    let mut intake = store.begin(about(&[("x", kind)])).await.unwrap();
    intake.begin_part("x", kind, encoding).await.unwrap();
    let mut result = Ok(());
    for chunk in sent.chunks(100_000) {
        result = result.and(intake.take(Bytes::copy_from_slice(chunk)).await);
    }
    let result = match result {
        Ok(()) => intake.end_part(plain.len() as u64, &Digest::of(plain)).await.map(|_| ()),
        refused => refused,
    };
    assert!(intake.commit().await.is_err());
    assert!(store.list().unwrap().is_empty());
    result.map_or_else(|failure| failure.why, |()| "it was taken".to_string())
}

#[tokio::test]
async fn what_is_no_zstd_is_refused() {
    for (sent, plain) in [(&b"plain text"[..], &b"plain text"[..]), (b"", b"")] {
        let why = refused(PartKind::Sql, Encoding::Zstd, sent, plain).await;
        assert_ne!(why, "it was taken", "{sent:?}");
    }
    let mut cut = zstd::encode_all(&b"select 1"[..], 3).unwrap();
    cut.pop();
    assert_ne!(refused(PartKind::Sql, Encoding::Zstd, &cut, b"select 1").await, "it was taken");
}

#[tokio::test]
async fn a_window_that_takes_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    let text = vec![b'a'; 1 << 20];
    std::io::Write::write_all(&mut encoder, &text).unwrap();
    let sent = encoder.finish().unwrap();
    let why = refused(PartKind::Sql, Encoding::Zstd, &sent, &text).await;
    assert!(why.to_lowercase().contains("memory"), "{why}");
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let zeros = vec![0; 8 << 20];
    let sent = zstd::encode_all(&zeros[..], 3).unwrap();
    let why = refused(PartKind::Sql, Encoding::Zstd, &sent, &zeros).await;
    assert_eq!(why, "the backup is larger than the store's max_size");
    // Frames that hold nothing are stored all the same.
    let nothing: Vec<u8> = zstd::encode_all(&b""[..], 3).unwrap().repeat(500_000);
    let why = refused(PartKind::Sql, Encoding::Zstd, &nothing, b"").await;
    assert_eq!(why, "the backup is larger than the store's max_size");
}

#[tokio::test]
async fn a_tar_that_is_none_is_refused() {
    let whole = tar();
    let mut sum = whole.clone();
    sum[0] ^= 1;
    let mut extension = tar::Header::new_gnu();
    extension.set_entry_type(tar::EntryType::GNULongName);
    extension.set_size(1 << 40);
    extension.set_cksum();
    for (sent, wanted) in [
        (&whole[..whole.len() - 1024], "it was cut off"),
        (&whole[..700], "it was cut off"),
        (&b""[..], "it was cut off"),
        (&sum, "the sum of a header is wrong"),
        (&extension.as_bytes()[..], "a header is too long"),
    ] {
        let why = refused(PartKind::Tar, Encoding::Plain, sent, sent).await;
        assert!(why.contains(wanted), "{wanted}: {why}");
    }
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for (name, kind) in [("../x", PartKind::Sql), ("y", PartKind::Sql), ("x", PartKind::Tar)] {
        let mut intake = store.begin(about(&[("x", PartKind::Sql)])).await.unwrap();
        let failure = intake.begin_part(name, kind, Encoding::Plain).await.unwrap_err();
        assert_eq!(failure.why, "no such part was asked for");
    }
    let mut intake = store.begin(about(&[("x", PartKind::Sql)])).await.unwrap();
    fill(&mut intake, "x", PartKind::Sql, b"1", Encoding::Plain).await.unwrap();
    let failure = intake.begin_part("x", PartKind::Sql, Encoding::Plain).await.unwrap_err();
    assert_eq!(failure.why, "it has been taken already");
    for name in ["", "..", ".x", "a/b", "x.index", "x\n", "ä"] {
        assert!(store.begin(about(&[(name, PartKind::Sql)])).await.is_err(), "{name:?}");
    }
    assert!(store.begin(about(&[("x", PartKind::Sql), ("x", PartKind::Tar)])).await.is_err());
    assert!(store.begin(about(&[])).await.is_err());
    let wrong = BackupAbout { recipients: vec!["age1nobody".into()], ..about(&[("x", PartKind::Sql)]) };
    assert!(store.begin(wrong).await.is_err());
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut intake = store.begin(about(&[("x", PartKind::Sql)])).await.unwrap();
    intake.begin_part("x", PartKind::Sql, Encoding::Plain).await.unwrap();
    intake.take(Bytes::from_static(b"select")).await.unwrap();
    drop(intake);
    let taking = folder.path().join("backups/.taking");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::fs::read_dir(&taking).unwrap().count() > 0 {
        assert!(std::time::Instant::now() < deadline, "what was begun is still there");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
