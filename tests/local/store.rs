//! Stores as people use them: on a directory, and on a real S3 server on loopback that checks signatures. The backups in them are taken through the library, which needs no host.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program and real tools")]

use crate::stage::s3::S3;
use crate::stage::store::{CHILD, about, child, noise, project, settled, store, take, take_many, tar};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use sha2::Digest as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;
use tokio::runtime::Runtime;
use windlass::model::digest::Digest;
use windlass::store::{Encoding, Identities, PartKind};

/// Runs `windlass LINE` in the project, with the keys of the S3 server.
fn windlass(project: &Path, line: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
    program.args(line.split_whitespace()).current_dir(project).env("NO_COLOR", "1").env("TZ", "UTC");
    program.env("S3_KEY", "key").env("S3_SECRET", "secret").output().unwrap()
}

/// What it prints on standard output; it must end so.
fn printed(project: &Path, line: &str, code: i32) -> String {
    let output = windlass(project, line);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{line}: {}{error}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn error(project: &Path, line: &str, code: i32) -> String {
    let output = windlass(project, line);
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn json(project: &Path, line: &str) -> Value {
    serde_json::from_str(&printed(project, &format!("{line} --output json"), 0)).unwrap()
}

#[test]
fn a_directory_is_listed_verified_and_pruned() {
    let project = project("[store.default]\nurl = \"kept\"\nkeep = { last = 2 }\n");
    assert_eq!(printed(project.path(), "backups list", 0), "there is no backup\n");
    let store = store(project.path(), "default");
    let old = take(&store, "web1", 72, b"select 1", &[]);
    let middle = take(&store, "web1", 48, b"select 2", &[]);
    let young = take(&store, "web1", 1, b"select 3", &[]);
    let other = take(&store, "db1", 30, b"select 4", &[]);
    let list = json(project.path(), "backups list");
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&young, &other, &middle, &old].map(|manifest| manifest.id.as_str()));
    assert_eq!(list[0]["parts"][0]["entries"], 7);
    let table = printed(project.path(), "backups list --hosts web*", 0);
    assert!(table.contains(young.id.as_str()) && !table.contains("db1"), "{table}");
    assert!(printed(project.path(), "backups list --name other", 0).contains("there is no backup"));

    let late = error(project.path(), "backups list --max-age 26h", 2);
    assert_eq!(late, "late: db1 nightly: the newest is 30h old\n");
    printed(project.path(), "backups list --max-age 26h --hosts web1", 0);
    assert_eq!(
        error(project.path(), "backups list --max-age 26h --hosts web9", 2),
        "late: web9: there is no backup of it\n"
    );

    let whole = printed(project.path(), "backups verify --all", 0);
    assert_eq!(whole.matches("whole").count(), 4, "{whole}");
    let shown = json(project.path(), "backups prune --dry-run");
    let going: Vec<&str> = shown
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["keep"] == false)
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert_eq!(going, [old.id.as_str()]);
    let asked = error(project.path(), "backups prune", 5);
    assert!(asked.contains("there is no terminal to ask on"), "{asked}");
    assert_eq!(json(project.path(), "backups list").as_array().unwrap().len(), 4);
    printed(project.path(), "backups prune --yes", 0);
    assert_eq!(json(project.path(), "backups list").as_array().unwrap().len(), 3);
    let again = error(project.path(), "backups prune --yes", 0);
    assert_eq!(again, "removed 0 of 3 backups, and what 0 unfinished ones had left\n");

    let part = project.path().join("kept/web1/nightly").join(middle.id.as_str()).join("app.dump.zst");
    let mut bytes = fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&part, bytes).unwrap();
    let damaged = printed(project.path(), &format!("backups verify {}", middle.id), 2);
    assert!(damaged.contains("damaged"), "{damaged}");
    printed(project.path(), "backups verify --latest", 0);
    let unknown = error(project.path(), "backups verify 20261121T084500Z-web1-nightly-kxqz", 5);
    assert!(unknown.contains("it is in none of the stores"), "{unknown}");
    fs::remove_file(part).unwrap();
    let listed = windlass(project.path(), "backups list");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("damaged"));
    assert!(String::from_utf8_lossy(&listed.stderr).contains("app.dump.zst is missing"));
    printed(project.path(), "backups prune --yes", 0);
    assert_eq!(json(project.path(), "backups list").as_array().unwrap().len(), 3, "damaged ones are left");
    printed(project.path(), "backups prune --yes --damaged", 0);
    assert_eq!(json(project.path(), "backups list").as_array().unwrap().len(), 2);
}

#[test]
fn what_is_wrong_in_the_table_of_a_store_is_pointed_at() {
    let project = project("[store.offsite]\nregin = \"x\"\naccess_key = \"AKIA\"\nkeep = { dayly = 3 }\n");
    let error = error(project.path(), "backups list", 5);
    for wanted in
        ["`url` is missing", "unknown key `regin`", "must say where the key is", "unknown key `dayly`"]
    {
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn a_killed_controller_leaves_only_whole_backups() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return take_many(Path::new(&folder), 10_000);
    }
    let project = project("");
    let (mut whole, mut swept) = (0, 0);
    for round in 0..25_u64 {
        let mut child = child("store::a_killed_controller_leaves_only_whole_backups", project.path(), &[])
            .spawn()
            .unwrap();
        let backups = project.path().join(".windlass/backups/web1/nightly");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        // It has taken one more when it is at work; then any moment will do.
        while fs::read_dir(&backups).map_or(0, Iterator::count) <= whole {
            assert!(std::time::Instant::now() < deadline, "no backup is taken");
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(round * 7 % 50));
        child.kill().unwrap();
        child.wait().unwrap();
        let (now_whole, leftovers) = settled(project.path());
        (whole, swept) = (now_whole, swept + leftovers);
    }
    assert!(whole >= 25 && swept > 0, "{whole} whole, {swept} swept");
}

#[test]
fn the_rule_never_removes_the_newest_backup_that_was_verified() {
    let project = project("[store.default]\nurl = \"kept\"\nkeep = { last = 1 }\n");
    let store = store(project.path(), "default");
    let oldest = take(&store, "web1", 96, b"select 1", &[]);
    let verified = take(&store, "web1", 72, b"select 2", &[]);
    printed(project.path(), &format!("backups verify {} {}", oldest.id, verified.id), 0);
    // As a host that was taken over sends them: whole, and worthless.
    let later = [48, 24].map(|hours| take(&store, "web1", hours, b"", &[]));
    let keep = windlass::model::keep::Keep { last: 1, ..Default::default() };
    store.apply_keep("web1", "nightly", &keep).unwrap();
    let left = |store: &windlass::store::BackupStore| {
        let entries = store.list().unwrap();
        entries.into_iter().map(|entry| entry.place.id).collect::<Vec<_>>()
    };
    assert_eq!(left(&store), [&verified, &later[1]].map(|manifest| manifest.id.clone()));
    let shown = printed(project.path(), "backups prune --yes", 0);
    assert!(shown.contains("the newest that was verified"), "{shown}");
    assert_eq!(left(&store).len(), 2);
    // Once it is found damaged, it is one like the others.
    let part = project.path().join("kept/web1/nightly").join(verified.id.as_str()).join("app.dump.zst");
    fs::write(part, "damaged").unwrap();
    printed(project.path(), &format!("backups verify {}", later[1].id), 0);
    printed(project.path(), &format!("backups verify {}", verified.id), 2);
    let shown = printed(project.path(), "backups prune --yes", 0);
    assert!(!shown.contains("the newest that was verified"), "{shown}");
}

#[test]
fn s3_keeps_lists_verifies_and_prunes() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let project = project(&server.table_with_keys("offsite"));
    let store = store(project.path(), "offsite");
    // More than two pieces of 8 MiB.
    let dump = noise(17 << 20);
    let large = take(&store, "web1", 30, &dump, &[]);
    let small = take(&store, "web1", 2, b"select 1", &[]);
    let list = json(project.path(), "backups list --store offsite");
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["plain_bytes"].as_u64().unwrap(), large.plain_bytes());
    let whole = printed(project.path(), "backups verify --all", 0);
    assert_eq!(whole.matches("whole").count(), 2, "{whole}");
    assert!(server.files().iter().all(|path| !path.to_string_lossy().contains(".upload_id")));

    let object = server
        .files()
        .into_iter()
        .find(|path| path.to_string_lossy().contains(small.id.as_str()) && path.ends_with("app.dump.zst"));
    let object = object.unwrap();
    let mut bytes = fs::read(&object).unwrap();
    bytes[3] ^= 4;
    fs::write(&object, bytes).unwrap();
    printed(project.path(), &format!("backups verify {}", small.id), 2);
    printed(project.path(), "backups prune --yes --keep-last 1", 0);
    let left = json(project.path(), "backups list");
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert!(!server.files().iter().any(|path| path.to_string_lossy().contains(large.id.as_str())));
}

#[test]
fn s3_with_a_wrong_key_or_bucket_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let wrong = project(&server.table("offsite").replace("env:S3_SECRET", "env:S3_KEY"));
    let report = error(wrong.path(), "backups list --store offsite", 1);
    assert!(
        report.contains("SignatureDoesNotMatch") && report.contains("look at access_key and secret_key"),
        "{report}"
    );
    assert!(!report.contains("StringToSign"), "{report}");
    let bucket = project(&server.table("offsite").replace("s3://bucket/", "s3://other/"));
    let report = error(bucket.path(), "backups list --store offsite", 1);
    assert!(report.contains("NoSuchBucket") && report.contains("make the bucket first"), "{report}");
    let unset = project(&server.table("offsite").replace("env:S3_SECRET", "env:NOT_SET"));
    let report = error(unset.path(), "backups list --store offsite", 5);
    assert!(report.contains("NOT_SET is not in the environment"), "{report}");
}

#[test]
fn s3_that_goes_away_leaves_no_entry_and_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = S3::start(folder.path());
    let first = project(&server.table_with_keys("offsite"));
    let runtime = Runtime::new().unwrap();
    let parts = [("etc.tar", PartKind::Tar), ("app.dump", PartKind::Pgdump)];
    let failure = runtime.block_on(async {
        let store = store(first.path(), "offsite");
        let mut intake = store.begin(about("web1", Timestamp::now(), &parts)).await.unwrap();
        intake.begin_part("etc.tar", PartKind::Tar, Encoding::Plain).await.unwrap();
        // A later one may have a later time in it.
        let tar = tar();
        intake.take(Bytes::from(tar.clone())).await.unwrap();
        intake.end_part(tar.len() as u64, &Digest::of(&tar)).await.unwrap();
        intake.begin_part("app.dump", PartKind::Pgdump, Encoding::Plain).await.unwrap();
        let noise = noise(48 << 20);
        let mut chunks = noise.chunks(1 << 20);
        for chunk in chunks.by_ref().take(20) {
            intake.take(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        server.stop();
        loop {
            let Some(chunk) = chunks.next() else {
                break intake.end_part(1, &Digest::of(b"")).await.unwrap_err();
            };
            if let Err(failure) = intake.take(Bytes::copy_from_slice(chunk)).await {
                break failure;
            }
        }
    });
    assert!(failure.doing.starts_with("take app.dump into backup"), "{failure}");

    let server = S3::start(folder.path());
    let second = project(&server.table_with_keys("offsite"));
    assert_eq!(printed(second.path(), "backups list", 0), "there is no backup\n");
    let later = error(second.path(), "backups prune --yes", 0);
    assert!(later.contains("what 0 unfinished ones had left"), "it is too young: {later}");
    let left = || server.files().iter().filter(|path| path.to_string_lossy().contains("web1")).count();
    assert!(left() > 0);
    let two_days_ago = SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    for path in server.files() {
        fs::File::options().write(true).open(path).unwrap().set_modified(two_days_ago).unwrap();
    }
    let later = error(second.path(), "backups prune --yes", 0);
    assert!(later.contains("what 1 unfinished ones had left"), "{later}");
    assert_eq!(left(), 0, "{:?}", server.files());
    let uploads = server.files().into_iter().filter(|path| path.to_string_lossy().contains("upload"));
    assert_eq!(uploads.collect::<Vec<_>>(), [""; 0].map(PathBuf::from));
}

/// How much of the plain bytes is taken in the test of memory.
const MUCH: usize = 24 << 20;

/// The most memory that this process has ever had, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Takes a backup that does not compress, reads it again, and writes down what memory that took.
async fn take_much(folder: &Path) {
    let store = store(folder, "default");
    let about = about("web1", Timestamp::now(), &[("app.dump", PartKind::Pgdump)]);
    let mut intake = store.begin(about).await.unwrap();
    intake.begin_part("app.dump", PartKind::Pgdump, Encoding::Plain).await.unwrap();
    // What comes again after 8 MiB is outside the window in which zstd looks for it.
    let (noise, mut hasher) = (Bytes::from(noise(8 << 20)), sha2::Sha256::new());
    let before = peak();
    for _ in 0..MUCH / noise.len() {
        hasher.update(&noise);
        intake.take(noise.clone()).await.unwrap();
    }
    let digest = Digest::from_hash(hasher.finalize().as_slice());
    intake.end_part(MUCH as u64, &digest).await.unwrap();
    let manifest = intake.commit().await.unwrap();
    let read = move || {
        let mut part = store.open_part(&manifest.id, "app.dump", &Identities::default()).unwrap();
        std::io::copy(&mut part, &mut std::io::sink()).unwrap()
    };
    assert_eq!(tokio::task::spawn_blocking(read).await.unwrap(), MUCH as u64);
    fs::write(folder.join("peak"), format!("{before} {}", peak())).unwrap();
}

#[test]
fn memory_does_not_grow_with_the_backup() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return Runtime::new().unwrap().block_on(take_much(Path::new(&folder)));
    }
    let project = project("");
    let status = child("store::memory_does_not_grow_with_the_backup", project.path(), &[]).status().unwrap();
    assert!(status.success());
    let peaks = fs::read_to_string(project.path().join("peak")).unwrap();
    let (before, after) = peaks.split_once(' ').unwrap();
    let grown = after.parse::<usize>().unwrap() - before.parse::<usize>().unwrap();
    println!("{MUCH} bytes took {grown} bytes of memory");
    assert!(grown < MUCH / 2, "{grown} bytes of memory for a backup of {MUCH}");
}

#[test]
fn s3_lists_more_than_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let project = project(&server.table_with_keys("offsite"));
    let store = store(project.path(), "offsite");
    let first = take(&store, "web1", 1, b"select 1", &[]);
    let from = folder.path().join("bucket/fleet/web1/nightly").join(first.id.as_str());
    // Copies of the entry under other ids: damaged, since their manifests name the first one, and in the catalogue.
    let letters = "bcdfghjkmnpqrstvwxyz";
    let endings = letters.chars().flat_map(|a| letters.chars().map(move |b| format!("bb{a}{b}")));
    for ending in endings.take(300) {
        let id = format!("{}{ending}", &first.id.as_str()[..first.id.as_str().len() - 4]);
        let to = from.with_file_name(id);
        if to == from {
            continue;
        }
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    let objects = fs::read_dir(from.parent().unwrap()).unwrap().count() * 5;
    assert!(objects > 1_000, "{objects}");
    let listed = store.list().unwrap();
    assert_eq!(listed.len() * 5, objects);
    assert_eq!(listed.iter().filter(|entry| entry.manifest.is_ok()).count(), 1);
    let found = store.find("web1/nightly").unwrap().unwrap();
    assert_eq!(found.id, first.id);
    let mut bytes = Vec::new();
    let mut part = store.open_part(&first.id, "app.dump", &Identities::default()).unwrap();
    std::io::Read::read_to_end(&mut part, &mut bytes).unwrap();
    assert_eq!(bytes, b"select 1");
}
