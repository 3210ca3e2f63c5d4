//! One suite for every backend: what the rest of the store relies on.

use crate::store::backend::Backend;
use crate::store::folder::Folder;
use crate::store::id::BackupPath;
use crate::store::objects::Objects;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::io::{Read, Write};
use std::sync::Arc;

fn place(name: &str) -> BackupPath {
    BackupPath::new("web-1", name, "2026-11-21T08:45:00Z".parse().unwrap()).unwrap()
}

fn put(taking: &dyn crate::store::backend::Taking, name: &str, bytes: &[u8]) {
    let mut sink = taking.create(name).unwrap();
    sink.write_all(bytes).unwrap();
    sink.finish().unwrap();
}

fn read(backend: &dyn Backend, place: &BackupPath, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = backend.read(place, name).map_err(|failure| failure.to_string())?;
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn conforms(backend: &dyn Backend) {
    assert_eq!(backend.places().unwrap(), []);
    assert_eq!(backend.sweep().unwrap(), [""; 0]);
    backend.prepare("read me").unwrap();
    backend.prepare("read me again").unwrap();

    let place = place("nightly-db");
    let taking = backend.begin(&place).unwrap();
    put(&*taking, "a.tar.zst", b"hello");
    let large = vec![7; 20 << 20];
    put(&*taking, "large.zst", &large);
    assert_eq!(backend.places().unwrap(), []);
    assert!(!backend.holds(&place).unwrap());
    assert_eq!(backend.sweep().unwrap(), [""; 0], "it is still being taken");
    taking.commit("sums\n").unwrap();
    drop(taking);

    assert_eq!(backend.places().unwrap(), std::slice::from_ref(&place));
    assert!(backend.holds(&place).unwrap());
    assert_eq!(read(backend, &place, "a.tar.zst").unwrap(), b"hello");
    assert!(read(backend, &place, "large.zst").unwrap() == large);
    assert_eq!(read(backend, &place, "SHA256SUMS").unwrap(), b"sums\n");
    assert!(read(backend, &place, "b.tar.zst").is_err());
    let mut objects = backend.objects(&place).unwrap();
    objects.sort();
    let objects: Vec<(&str, u64)> =
        objects.iter().map(|object| (object.name.as_str(), object.size)).collect();
    assert_eq!(objects, [("SHA256SUMS", 5), ("a.tar.zst", 5), ("large.zst", 20 << 20)]);
    assert_eq!(backend.sweep().unwrap(), [""; 0]);

    assert_eq!(backend.note("web-1", "nightly-db").unwrap(), "");
    for text in ["one\n", "two\n"] {
        backend.set_note("web-1", "nightly-db", text).unwrap();
        assert_eq!(backend.note("web-1", "nightly-db").unwrap(), text);
    }
    assert_eq!(backend.note("web-1", "nightly").unwrap(), "");
    assert_eq!(backend.places().unwrap(), std::slice::from_ref(&place));

    backend.remove(&place).unwrap();
    assert_eq!(backend.places().unwrap(), []);
    assert!(!backend.holds(&place).unwrap());
    assert_eq!(backend.sweep().unwrap(), [""; 0]);
}

#[test]
fn a_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/backups");
    conforms(&Folder::new(root.clone()));
    assert_eq!(std::fs::read_to_string(root.join("README.md")).unwrap(), "read me again");
    let names: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "README.md, .verified, and .taking, which is empty: {names:?}");
    assert_eq!(std::fs::read_dir(root.join(".taking")).unwrap().count(), 0);
}

#[test]
fn objects_conform() {
    let remote = Arc::new(InMemory::new());
    conforms(&Objects::new(remote.clone(), Path::from("some/prefix"), "s3://bucket/some/prefix".into()));
    conforms(&Objects::new(Arc::new(InMemory::new()), Path::default(), "s3://bucket".into()));
}

#[test]
fn what_is_dropped_leaves_nothing_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Folder::new(folder.path().join("backups"));
    let place = place("nightly");
    let taking = backend.begin(&place).unwrap();
    put(&*taking, "a", b"hello");
    assert!(backend.begin(&place).is_err(), "one id is taken once");
    drop(taking);
    assert_eq!(std::fs::read_dir(folder.path().join("backups/.taking")).unwrap().count(), 0);
    drop(backend.begin(&place).unwrap());
}

#[test]
fn modes_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("backups");
    let backend = Folder::new(root.clone());
    let place = place("nightly");
    backend.prepare("read me").unwrap();
    let taking = backend.begin(&place).unwrap();
    put(&*taking, "a", b"hello");
    taking.commit("sums").unwrap();
    let mut waiting = vec![root];
    while let Some(path) = waiting.pop() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
