//! What a rule keeps of the record, and what stays beside that.

use super::*;
use crate::model::keep::Keep;
use crate::model::run::Scheduled;

#[test]
fn runs_that_no_rule_keeps_are_removed_but_for_what_is_needed() {
    let project = Project::new();
    let mut store = project.open();
    let named = |number: u32| RunId::try_from(format!("2026031{number}-150926-kxqz")).unwrap();
    let of = |number: u32, kind: RunKind, of: Option<u32>| RunIntent {
        run: named(number),
        kind,
        of: of.map(named),
        started: at(i64::from(number) * 86_400_000),
        ..intent(&["web01"])
    };
    let end = |store: &mut Sqlite, number: u32, outcome: HostOutcome| {
        let mut events = host("web01", &[changed(0)], outcome);
        events.push(RunEvent { at: at(1), what: RunEventKind::Ended { exit: 0 } });
        store.events(&named(number), &clean(events)).unwrap();
    };
    // Oldest first: one that was never settled, two that nothing needs, the undo of the first, a scheduled one, one that is undone
    // with its undo, and the newest.
    begin(&mut store, of(0, RunKind::Playbook, None));
    end(&mut store, 0, HostOutcome::Unknown);
    for (number, kind, undone) in
        [(1, RunKind::Playbook, None), (2, RunKind::Playbook, None), (3, RunKind::Undo, Some(0))]
    {
        begin(&mut store, of(number, kind, undone));
        end(&mut store, number, HostOutcome::Changed);
    }
    let slot = Some(Scheduled { name: "nightly".into(), slot: at(0) });
    begin(&mut store, RunIntent { scheduled: slot, ..of(4, RunKind::Playbook, None) });
    end(&mut store, 4, HostOutcome::Ok);
    for (number, kind, undone) in
        [(5, RunKind::Playbook, None), (6, RunKind::Undo, Some(5)), (7, RunKind::Playbook, None)]
    {
        begin(&mut store, of(number, kind, undone));
        end(&mut store, number, HostOutcome::Changed);
    }
    let keep = Keep { last: 1, monthly: 1, timezone: Some("UTC".into()), ..Keep::default() };
    let judged = store.judge(&keep).unwrap();
    let verdicts: String = judged
        .iter()
        .map(|one| format!("{} {}\n", &one.of.run.as_str()[7..8], one.kept.join(", ")))
        .collect();
    expect_test::expect![[r#"
        7 last, monthly 2026-03
        6 
        5 
        4 the newest of schedule nightly
        3 it undid 20260310-150926-kxqz, which stays
        2 
        1 
        0 a host has not said yet how it ended
    "#]]
    .assert_eq(&verdicts);
    let going: Vec<RunId> =
        judged.iter().filter(|one| !one.is_kept()).map(|one| one.of.run.clone()).collect();
    store.remove(&going).unwrap();
    assert_eq!(store.list(10).unwrap().lines.len(), judged.len() - going.len());
    assert_eq!(store.damaged_runs().unwrap().0, Vec::<String>::new());
    assert!(store.load(&going[0]).is_err());
    let database = rusqlite::Connection::open(project.folder().join("state.db")).unwrap();
    let steps: i64 = database.query_row("SELECT count(*) FROM steps", [], |row| row.get(0)).unwrap();
    assert_eq!(steps as usize, judged.len() - going.len());
}
