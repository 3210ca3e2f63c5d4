//! The folder: whole files, locks that end with their holders.

use super::*;
use crate::schedule::examples::{schedule, time};

fn folder() -> (Folder, tempfile::TempDir) {
    let project = tempfile::tempdir().unwrap();
    (Folder::open(&project.path().join(".windlass")).unwrap(), project)
}

#[test]
fn a_state_is_kept() {
    let (folder, _project) = folder();
    let (nightly, _) = schedule("cron = \"0 2 * * *\"");
    assert_eq!(folder.read("nightly").unwrap(), None);
    let now = time("2026-11-21T02:00:00Z");
    let (claim, told) = folder
        .change(&nightly, now, |state| state.claim(now, crate::schedule::outcome::Trigger::Hand, now))
        .unwrap();
    assert_eq!((folder.read("nightly").unwrap().unwrap().running, told), (Some(claim), None));
}

#[test]
fn a_damaged_state_is_set_aside_and_told() {
    let (folder, _project) = folder();
    let (nightly, _) = schedule("cron = \"0 2 * * *\"");
    fs::write(folder.path("nightly.json"), "{\"version\": 1, ").unwrap();
    let now = time("2026-11-21T02:00:00Z");
    let (settled, told) = folder.change(&nightly, now, |state| state.settled).unwrap();
    assert_eq!(settled, now);
    assert!(told.unwrap().contains("was damaged"));
    let kept = fs::read_to_string(folder.path("nightly.json.corrupt-20261121-020000")).unwrap();
    assert_eq!(kept, "{\"version\": 1, ");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a process that holds a lock")]
fn the_lock_of_a_run_is_held_by_the_run_too() {
    let (folder, _project) = folder();
    let lock = folder.hold_run("nightly").unwrap().unwrap();
    assert!(folder.is_running("nightly"));
    assert!(folder.hold_run("nightly").unwrap().is_none());
    assert!(folder.hold_run("other").unwrap().is_some());
    let mut run =
        std::process::Command::new("sleep").arg("60").stdin(lock.for_run().unwrap()).spawn().unwrap();
    drop(lock);
    assert!(folder.is_running("nightly"), "whoever started it is gone, and it goes on");
    assert_eq!(folder.holder("nightly").unwrap().pid, std::process::id());
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!folder.is_running("nightly"));
}
