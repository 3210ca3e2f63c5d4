//! What the record promises: a fold and the database agree, nothing is lost, damage is reported.

mod prune;

use super::examples::*;
use super::*;
use crate::model::event::Output;
use crate::model::run::RunKind;
use crate::redact::Redactor;
use std::path::Path;
use tempfile::TempDir;

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        Project(TempDir::new().unwrap())
    }

    fn folder(&self) -> std::path::PathBuf {
        self.0.path().join(".windlass")
    }

    fn open(&self) -> Sqlite {
        let opened = Sqlite::open(&self.folder()).unwrap();
        assert_eq!(opened.notices, Vec::<String>::new());
        opened.store
    }
}

fn clean(events: Vec<RunEvent>) -> Vec<Clean<RunEvent>> {
    let redactor = Redactor::default();
    events.into_iter().map(|event| redactor.event(event)).collect()
}

fn begin(store: &mut Sqlite, intent: RunIntent) -> u64 {
    store.begin(&Redactor::default().intent(intent)).unwrap()
}

/// A run of which nothing but its beginning is recorded, as when the controller is killed.
fn killed(project: &Project, intent: RunIntent) -> RunId {
    let run = intent.run.clone();
    begin(&mut project.open(), intent);
    run
}

fn other_run() -> RunId {
    RunId::try_from("20260314-160000-bcdf".to_string()).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o7777
}

#[test]
fn what_is_stored_is_the_fold_of_the_events() {
    let project = Project::new();
    let intent = intent(&["web01", "web02", "db1"]);
    let mut events = host("web01", &[changed(0), failed(1)], HostOutcome::Failed);
    events.extend(host("web02", &[step(0, StepOutcome::Ok)], HostOutcome::Ok));
    events.extend(unreachable("db1"));
    events.push(RunEvent { at: at(6000), what: RunEventKind::Ended { exit: 6 } });

    let mut store = project.open();
    let epoch = begin(&mut store, intent.clone());
    store.events(&run_id(), &clean(events.clone())).unwrap();

    let mut folded = record(intent, &events);
    folded.epoch = epoch;
    assert_eq!(project.open().load(&run_id()).unwrap(), folded);
    let line = &store.list(10).unwrap().lines[0];
    assert_eq!(line.state, RunState::Ended(6));
    let one_each =
        [HostOutcome::Failed, HostOutcome::Ok, HostOutcome::Unreachable].map(|outcome| (outcome, 1));
    assert_eq!(line.outcomes, one_each);
}

#[test]
fn a_run_that_was_taken_back_is_listed_as_such() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01", "web02"]));
    let undo = RunIntent { run: other_run(), kind: RunKind::Undo, of: Some(run_id()), ..intent(&["web01"]) };
    begin(&mut store, undo);
    store.events(&other_run(), &clean(host("web01", &[], HostOutcome::Undone))).unwrap();
    let undone: Vec<usize> = store.list(10).unwrap().lines.iter().map(|line| line.undone).collect();
    assert_eq!(undone, [0, 1], "newest first");
}

#[test]
fn the_folder_is_ours_alone_and_unknown_to_git() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    assert_eq!(mode_of(&project.folder()), 0o700);
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode_of(&project.folder().join(name)), 0o600, "{name}");
    }
    assert_eq!(std::fs::read_to_string(project.folder().join(".gitignore")).unwrap(), "*\n");
}

#[test]
fn epochs_grow_even_when_the_database_is_lost() {
    let project = Project::new();
    let first = begin(&mut project.open(), intent(&["web01"]));
    std::fs::remove_dir_all(project.folder()).unwrap();
    let later = RunIntent { started: at(1000), ..intent(&["web01"]) };
    let second = begin(&mut project.open(), later.clone());
    assert!(second > first);
    let third = begin(&mut project.open(), RunIntent { run: other_run(), ..later });
    assert!(third > second);
}

#[test]
fn a_run_is_running_while_its_controller_lives_and_has_died_after() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    assert_eq!(project.open().list(1).unwrap().lines[0].state, RunState::Running);
    assert_eq!(project.open().unsettled("web01").unwrap(), vec![]);
    drop(store);
    let line = &project.open().list(1).unwrap().lines[0];
    assert_eq!((line.state, &line.outcomes[..]), (RunState::Died, &[(HostOutcome::Unknown, 1)][..]));
    assert_eq!(project.open().unsettled("web01").unwrap(), vec![run_id()]);
}

#[test]
fn a_dry_run_and_a_command_leave_nothing_to_settle() {
    for intent in [
        RunIntent { check: true, ..intent(&["web01"]) },
        RunIntent { kind: RunKind::Command, ..intent(&["web01"]) },
    ] {
        let project = Project::new();
        killed(&project, intent);
        assert_eq!(project.open().unsettled("web01").unwrap(), vec![]);
    }
}

#[test]
fn an_unknown_host_is_settled_from_its_journal_as_told_in_a_later_run() {
    let project = Project::new();
    let run = killed(&project, intent(&["web01", "web02"]));
    let mut store = project.open();
    let later = RunIntent { run: other_run(), ..intent(&["web01"]) };
    begin(&mut store, later);
    let settled = Event::Settled {
        run: run.clone(),
        outcome: Some(HostOutcome::Changed),
        steps: vec![changed(0), step(1, StepOutcome::Ok)],
    };
    store.events(&other_run(), &clean(vec![event(9, "web01", HostEvent::Said(settled))])).unwrap();

    let record = store.load(&run).unwrap();
    let web01 = &record.hosts()[0];
    assert_eq!((web01.outcome, &web01.settled_by), (Some(HostOutcome::Changed), &Some(other_run())));
    assert_eq!(web01.steps, vec![changed(0), step(1, StepOutcome::Ok)]);
    assert_eq!(record.hosts()[1].outcome, Some(HostOutcome::Unknown));
    assert_eq!(store.unsettled("web01").unwrap(), vec![]);
    assert_eq!(store.unsettled("web02").unwrap(), vec![run]);
}

#[test]
fn what_was_unknown_while_it_went_on_is_asked_for_again() {
    let project = Project::new();
    let run = killed(&project, intent(&["web01"]));
    let mut store = project.open();
    begin(&mut store, RunIntent { run: other_run(), ..intent(&["web01"]) });
    let mut settle = |outcome| {
        store.settle(&run, "web01", &other_run(), outcome, &[]).unwrap();
        let record = store.load(&run).unwrap();
        (
            record.hosts()[0].outcome,
            store.unsettled("web01").unwrap().len(),
            store.was_lost(&run, "web01").unwrap(),
        )
    };
    assert_eq!(settle(Some(HostOutcome::Unknown)), (Some(HostOutcome::Unknown), 1, true));
    // Its journal is gone: an earlier answer knew that something was started.
    assert_eq!(settle(None), (Some(HostOutcome::Unknown), 1, true));
    assert_eq!(settle(Some(HostOutcome::Changed)), (Some(HostOutcome::Changed), 0, true));
    assert_eq!(settle(Some(HostOutcome::Failed)), (Some(HostOutcome::Changed), 0, true));
    assert!(!store.was_lost(&other_run(), "nowhere").unwrap());
}

#[test]
fn a_journal_that_knows_nothing_of_the_run_means_that_nothing_was_started() {
    let project = Project::new();
    let run = killed(&project, intent(&["web01"]));
    let mut store = project.open();
    store.settle(&run, "web01", &other_run(), None, &[]).unwrap();
    assert_eq!(store.load(&run).unwrap().hosts()[0].outcome, Some(HostOutcome::Cancelled));
}

#[test]
fn a_host_cannot_rewrite_a_verdict() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    store.events(&run_id(), &clean(host("web01", &[failed(0)], HostOutcome::Failed))).unwrap();
    store.settle(&run_id(), "web01", &other_run(), Some(HostOutcome::Ok), &[changed(7)]).unwrap();
    let record = store.load(&run_id()).unwrap();
    assert_eq!(record.hosts()[0].outcome, Some(HostOutcome::Failed));
    assert_eq!(record.hosts()[0].steps.len(), 1);
}

#[test]
fn a_run_is_found_by_either_end_of_its_name() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    begin(&mut store, RunIntent { run: other_run(), ..intent(&["web01"]) });
    for (text, run) in [("last", other_run()), ("kxqz", run_id()), ("20260314-16", other_run())] {
        assert_eq!(store.find(text).unwrap(), run, "{text}");
    }
    expect_test::expect![[r#"
        find run 2026: several begin or end like that: 20260314-160000-bcdf, 20260314-150926-kxqz …
          hint: type more of its name"#]]
    .assert_eq(&store.find("2026").unwrap_err().to_string());
    assert!(store.find("%").is_err());
}

#[test]
fn last_is_neither_a_dry_run_nor_an_undo() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    let mut begin_another = |name: &str, kind, check| {
        let run: RunId = name.to_string().try_into().unwrap();
        begin(&mut store, RunIntent { run: run.clone(), kind, check, ..intent(&["web01"]) });
        run
    };
    let check = begin_another("20260314-170000-aaaa", RunKind::Playbook, true);
    let undo = begin_another("20260314-180000-aaaa", RunKind::Undo, false);
    begin_another("20260314-190000-aaaa", RunKind::Undo, true);
    for (text, run) in [("last", run_id()), ("last-check", check), ("last-undo", undo)] {
        assert_eq!(store.find(text).unwrap(), run, "{text}");
    }
    let none = Project::new().open().find("last").unwrap_err().to_string();
    assert!(none.starts_with("find run last: there are only dry runs and undos"), "{none}");
}

#[test]
fn a_damaged_database_is_set_aside_and_told() {
    let project = Project::new();
    begin(&mut project.open(), intent(&["web01"]));
    let path = project.folder().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 8192);
    bytes[4096..8192].fill(0xA5);
    std::fs::write(&path, &bytes).unwrap();

    let opened = Sqlite::open(&project.folder()).unwrap();
    assert_eq!(opened.notices.len(), 1, "{:?}", opened.notices);
    assert!(opened.notices[0].contains("is damaged"), "{:?}", opened.notices);
    let names = std::fs::read_dir(project.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_string_lossy().starts_with("state.db.corrupt-")).count();
    assert_eq!(aside, 1);
    assert!(opened.store.list(10).unwrap().lines.is_empty());
}

#[test]
fn bytes_that_are_no_database_and_a_truncated_one_are_told() {
    for bytes in [
        &b"this was never a database, although it is longer than its header is.............................."
            [..],
        b"",
    ] {
        let project = Project::new();
        drop(project.open());
        std::fs::write(project.folder().join("state.db"), bytes).unwrap();
        assert_eq!(Sqlite::open(&project.folder()).unwrap().notices.len(), 1);
    }
}

#[test]
fn a_database_of_a_later_windlass_is_left_alone() {
    let project = Project::new();
    drop(project.open());
    let database = rusqlite::Connection::open(project.folder().join("state.db")).unwrap();
    database.execute("ALTER TABLE runs ADD COLUMN later TEXT", []).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let refused = Sqlite::open(&project.folder()).err().unwrap();
    expect_test::expect![[r#"
        prepare the record of runs: it was written by a later windlass (its version is 99)
          hint: use that windlass, or another --project directory"#]]
    .assert_eq(&refused.to_string());
}

#[test]
fn a_run_that_cannot_be_recorded_is_not_begun() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    store.limit_pages(1);
    let many: Vec<String> = (0..5000).map(|number| format!("web{number}")).collect();
    let hosts: Vec<&str> = many.iter().map(String::as_str).collect();
    let full = RunIntent { run: other_run(), ..intent(&hosts) };
    let refused = store.begin(&Redactor::default().intent(full)).unwrap_err();
    assert_eq!(refused.why, "database or disk is full");
    assert!(store.load(&other_run()).is_err());
}

#[test]
fn the_writer_returns_the_store_when_all_is_durable() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    let writer = Writer::start(Box::new(store), run_id()).unwrap();
    for event in clean(host("web01", &[changed(0)], HostOutcome::Changed)) {
        writer.event(event).unwrap();
    }
    let store = writer.finish().unwrap();
    assert_eq!(store.load(&run_id()).unwrap().hosts()[0].outcome, Some(HostOutcome::Changed));
}

#[test]
fn no_secret_reaches_the_database() {
    let project = Project::new();
    let redactor = Redactor::new(["hunter2-hunter2"]);
    let mut store = project.open();
    let mut told = failed(0);
    told.notes = vec!["the password is hunter2-hunter2".into()];
    told.output = Some(Output { stdout: b"aHVudGVyMi1odW50ZXIy".to_vec(), ..Output::default() });
    let params = serde_json::Map::from_iter([("password".to_string(), "hunter2-hunter2".into())]);
    store.begin(&redactor.intent(RunIntent { params, ..intent(&["web01"]) })).unwrap();
    let events = host("web01", &[told], HostOutcome::Failed).into_iter().map(|event| redactor.event(event));
    store.events(&run_id(), &events.collect::<Vec<_>>()).unwrap();
    drop(store);
    for entry in std::fs::read_dir(project.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMi1odW50ZXIy"));
    }
}

#[test]
fn a_row_that_cannot_be_read_hides_none_of_the_others() {
    let project = Project::new();
    let mut store = project.open();
    let intent = intent(&["web01"]);
    let run = intent.run.clone();
    begin(&mut store, intent);
    store.events(&run, &clean(host("web01", &[changed(0), failed(1)], HostOutcome::Failed))).unwrap();
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let database = rusqlite::Connection::open(project.folder().join("state.db")).unwrap();
    database.execute("UPDATE steps SET findings = ?1 WHERE step = 0", [&nested]).unwrap();
    let record = store.load(&run).unwrap();
    let steps = &record.hosts()[0].steps;
    assert_eq!(steps.len(), 2);
    assert!(steps[0].failure.as_ref().unwrap().to_string().starts_with("read the step's record: "));
    assert_eq!(steps[1].outcome, StepOutcome::Failed);
    database.execute("UPDATE hosts SET failure = 'torn'", []).unwrap();
    assert!(store.load(&run).unwrap().hosts()[0].failure.is_some());
    database.execute("UPDATE runs SET params = 'torn'", []).unwrap();
    let other = RunIntent { run: other_run(), ..self::intent(&["web01"]) };
    begin(&mut store, other);
    let list = store.list(10).unwrap();
    assert_eq!((list.lines.len(), list.unreadable), (1, vec![run_id().to_string()]));
    database.execute("UPDATE hosts SET outcome = 'torn' WHERE run = ?1", [other_run().as_str()]).unwrap();
    assert_eq!(store.list(10).unwrap().lines[0].outcomes, [(HostOutcome::Unknown, 1)]);
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database
        .execute("UPDATE runs SET run = 'torn run', journaled = 1 WHERE run = ?1", [run_id().as_str()])
        .unwrap();
    database
        .execute("UPDATE hosts SET run = 'torn run', outcome = NULL WHERE run = ?1", [run_id().as_str()])
        .unwrap();
    assert_eq!(store.unsettled("web01").unwrap(), Vec::<RunId>::new());
}

/// A project with a run that has ended, and its database's bytes.
fn ended() -> (Project, Vec<u8>) {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    let mut events = host("web01", &[changed(0), failed(1)], HostOutcome::Failed);
    events.push(RunEvent { at: at(6000), what: RunEventKind::Ended { exit: 2 } });
    store.events(&run_id(), &clean(events)).unwrap();
    assert!(!store.is_damaged(&run_id()));
    drop(store);
    // Without what updates leave in free space, where damage harms nothing.
    let path = project.folder().join("state.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
    let bytes = std::fs::read(path).unwrap();
    (project, bytes)
}

/// Whether damage was seen: the file is set aside with a notice, refused, or its run is known to be damaged.
fn is_noticed(project: &Project) -> bool {
    match Sqlite::open(&project.folder()) {
        Err(_) => true,
        Ok(opened) => {
            !opened.notices.is_empty()
                || !opened.store.damaged_runs().is_ok_and(|(damaged, _)| damaged.is_empty())
        }
    }
}

#[test]
fn damage_anywhere_in_the_file_is_noticed_and_stops_no_later_run() {
    let (_, bytes) = ended();
    let page = 4096;
    let mut damages: Vec<(String, Vec<u8>)> = Vec::new();
    for start in (0..bytes.len()).step_by(page) {
        let zeroed = [&bytes[..start], &vec![0; page][..], &bytes[start + page..]].concat();
        damages.push((format!("zero page {}", start / page), zeroed));
        damages.push((format!("cut at page {}", start / page), bytes[..start].to_vec()));
    }
    // Bytes from the end of pages, where the cells are: one bit each. In the first page, which describes the tables, the
    // numbers of its own rows mean nothing.
    let means = |at: &usize| bytes[*at] != 0 && (*at >= page || bytes[*at].is_ascii_alphabetic());
    let cells = (0..bytes.len()).filter(|at| at % page >= 1024).filter(means);
    for at in cells.step_by(37) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x01;
        damages.push((format!("bit at {at}"), flipped));
    }
    // The header: the number of the tables' version.
    for at in 60..64 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x80;
        damages.push((format!("version at {at}"), flipped));
    }
    assert!(damages.len() > 50, "{}", damages.len());
    for (damage, damaged) in damages {
        if damaged == bytes {
            continue;
        }
        let (project, _) = ended();
        std::fs::write(project.folder().join("state.db"), &damaged).unwrap();
        assert!(is_noticed(&project), "{damage}");
        let mut store = Sqlite::open(&project.folder()).unwrap().store;
        let later = RunIntent { run: other_run(), ..intent(&["web01"]) };
        let begun = store.begin(&Redactor::default().intent(later));
        begun.unwrap_or_else(|failure| panic!("a later run after {damage}: {failure}"));
    }
}

#[test]
fn a_value_that_was_changed_is_noticed_and_a_settled_run_is_whole() {
    for change in [
        "UPDATE steps SET changes = '[\"rm -rf /\"]' WHERE step = 0",
        "UPDATE hosts SET outcome = 'changed'",
        "DELETE FROM steps WHERE step = 1",
        "UPDATE runs SET exit = 0",
    ] {
        let (project, _) = ended();
        let database = rusqlite::Connection::open(project.folder().join("state.db")).unwrap();
        database.execute(change, []).unwrap();
        assert_eq!(project.open().damaged_runs().unwrap(), (vec![run_id().to_string()], 1), "{change}");
    }
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    store
        .events(&run_id(), &clean(vec![RunEvent { at: at(1), what: RunEventKind::Ended { exit: 4 } }]))
        .unwrap();
    store.settle(&run_id(), "web01", &other_run(), Some(HostOutcome::Changed), &[changed(0)]).unwrap();
    assert_eq!(store.damaged_runs().unwrap(), (Vec::new(), 1));
}

#[test]
fn a_record_that_is_removed_in_mid_run_is_noticed() {
    let project = Project::new();
    let mut store = project.open();
    begin(&mut store, intent(&["web01"]));
    let events = clean(host("web01", &[changed(0)], HostOutcome::Changed));
    std::fs::remove_file(project.folder().join("state.db")).unwrap();
    let failure = store.events(&run_id(), &events).unwrap_err();
    assert!(failure.why.ends_with("state.db was removed or replaced while the run went on"), "{failure}");
}

#[test]
fn a_project_that_cannot_be_written_to_lists_its_runs() {
    let (project, _) = ended();
    // As `open_existing` does where the folder is read-only, which root's tests cannot have without a mount.
    let opened = Sqlite::open_copy(&project.folder()).unwrap();
    assert_eq!(opened.store.list(10).unwrap().lines.len(), 1);
    assert_eq!(opened.store.load(&run_id()).unwrap().hosts()[0].steps.len(), 2);
}
