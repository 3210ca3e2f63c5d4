//! Stores of backups, filled through the library, which needs no host; and what a killed process left in one.
#![expect(clippy::disallowed_methods, reason = "tests start programs that take backups and read them")]

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;
use std::process::Command;
use windlass::model::digest::Digest;
use windlass::project::Project;
use windlass::store::{BackupAbout, BackupStore, Encoding, Identities, Manifest, PartAbout, PartKind};

/// A project with this `windlass.toml`.
pub fn project(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("windlass.toml"), config).unwrap();
    folder
}

pub fn store(project: &Path, name: &str) -> BackupStore {
    Project::find(Some(project), Path::new("/")).unwrap().store(Some(name)).unwrap()
}

pub fn about(host: &str, started: Timestamp, parts: &[(&str, PartKind)]) -> BackupAbout {
    let part = |(name, kind): &(&str, PartKind)| PartAbout {
        name: name.to_string(),
        kind: *kind,
        from: serde_json::json!({ "path": "/etc/nginx" }),
    };
    BackupAbout {
        host: host.into(),
        name: "nightly".into(),
        playbook: "backup".into(),
        run: "20261121-084500-kxqz".to_string().try_into().unwrap(),
        started,
        recipients: Vec::new(),
        assertion: None,
        parts: parts.iter().map(part).collect(),
    }
}

/// A tar of a small tree, as the host's own tar makes it.
pub fn tar() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(folder.path().join("conf.d/site.conf"), "server {}\n").unwrap();
    fs::write(folder.path().join("odd\nname \u{e9}"), "odd\n").unwrap();
    std::os::unix::fs::symlink("conf.d/site.conf", folder.path().join("link")).unwrap();
    fs::hard_link(folder.path().join("conf.d/site.conf"), folder.path().join("same.conf")).unwrap();
    fs::write(folder.path().join("n".repeat(150)), "long\n").unwrap();
    let output = Command::new("tar").args(["-cf", "-", "-C"]).arg(folder.path()).arg(".").output().unwrap();
    assert!(output.status.success());
    output.stdout
}

pub async fn fill(
    store: &BackupStore,
    about: BackupAbout,
    contents: &[(&str, PartKind, &[u8])],
) -> Result<Manifest, String> {
    let mut intake = store.begin(about).await.map_err(|failure| failure.to_string())?;
    for (name, kind, plain) in contents {
        intake.begin_part(name, *kind, Encoding::Plain).await.map_err(|failure| failure.to_string())?;
        for chunk in plain.chunks(1 << 20) {
            intake.take(Bytes::copy_from_slice(chunk)).await.map_err(|failure| failure.to_string())?;
        }
        let ended = intake.end_part(plain.len() as u64, &Digest::of(plain)).await;
        ended.map_err(|failure| failure.to_string())?;
    }
    intake.commit().await.map_err(|failure| failure.to_string())
}

/// A backup of a tree and a dump, begun so long ago.
pub fn take(store: &BackupStore, host: &str, hours_ago: i64, dump: &[u8], recipients: &[String]) -> Manifest {
    let parts = [("etc.tar", PartKind::Tar), ("app.dump", PartKind::Pgdump)];
    let started = Timestamp::now() - SignedDuration::from_hours(hours_ago);
    let about = BackupAbout { recipients: recipients.to_vec(), ..about(host, started, &parts) };
    let contents: [(&str, PartKind, &[u8]); 2] =
        [("etc.tar", PartKind::Tar, &tar()), ("app.dump", PartKind::Pgdump, dump)];
    // strace counts the calls of each thread by itself: one thread does all that waits.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(fill(store, about, &contents)).unwrap()
}

/// Bytes that do not compress.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(next).flat_map(u64::to_le_bytes).take(bytes).collect()
}

/// Where the tests' own program takes backups when a test has started it again.
pub const CHILD: &str = "WINDLASS_TEST_TAKES_IN";

/// Takes backups in the store of the project at `folder`: `count` of them.
pub fn take_many(folder: &Path, count: usize) {
    let store = store(folder, "default");
    (0..count).for_each(|number| drop(take(&store, "web1", 1, &noise(number * 50_000 % 400_000), &[])));
}

/// The test `module::name` again, in a process that only takes backups.
pub fn child(test: &str, folder: &Path, before: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut words = before.iter().map(Into::into).chain([this.into_os_string()]);
    let mut program = Command::new(words.next().unwrap());
    program.args(words).args(["--exact", test, "--include-ignored"]).env(CHILD, folder);
    // It is killed: what it leaves goes with the project.
    program.env("TMPDIR", folder);
    program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    program
}

/// What a process that was killed left: nothing but whole backups once it is swept. Returns how many of them, and how many
/// leftovers.
pub fn settled(folder: &Path) -> (usize, usize) {
    let store = store(folder, "default");
    let entries = store.list().unwrap();
    for entry in &entries {
        let verified = store.verify(&entry.place, &Identities::default(), &mut |_| {});
        assert!(verified.is_whole(), "{verified:?}");
    }
    let swept = store.sweep().unwrap().len();
    let taking = folder.join(".windlass/backups/.taking");
    let left = fs::read_dir(taking).map_or(0, Iterator::count);
    assert_eq!((left, store.list().unwrap().len()), (0, entries.len()));
    (entries.len(), swept)
}
