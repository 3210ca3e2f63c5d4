//! What is reported, once each; and the form of the state on disk.

use super::*;
use crate::schedule::examples::{schedule, time};
use crate::schedule::notice::TRIES;

fn ended(slot: &str, outcome: Outcome) -> FinishedRun {
    FinishedRun {
        slot: time(slot),
        trigger: Trigger::Time,
        started: time(slot),
        ended: time(slot),
        outcome,
        exit: None,
        run: None,
        hosts: BTreeMap::from([("ok".to_string(), 3), ("failed".to_string(), 1)]),
        bad_hosts: vec!["web1".into()],
        why: (outcome != Outcome::Succeeded).then(|| "1 of 4 hosts did not end well: web1".into()),
    }
}

fn words(state: &State) -> Vec<&'static str> {
    state.letters.iter().map(|letter| letter.notice.event.as_str()).collect()
}

#[test]
fn each_thing_is_told_once_until_it_is_over() {
    let (nightly, channels) = schedule("cron = \"0 2 * * *\"");
    let mut state = State::new(&nightly, time("2026-11-20T00:00:00Z"));
    let end =
        |state: &mut State, slot, outcome| state.end(ended(slot, outcome), &nightly, &channels, "/shop");
    end(&mut state, "2026-11-21T02:00:00Z", Outcome::Failed);
    end(&mut state, "2026-11-22T02:00:00Z", Outcome::TimedOut);
    let late = time("2026-11-22T02:00:00Z");
    state.late(late, late, &nightly, &channels, "/shop");
    state.late(late, late, &nightly, &channels, "/shop");
    // What was reported survives a restart.
    let text = serde_json::to_string(&state).unwrap();
    let mut state: State = serde_json::from_str(&text).unwrap();
    end(&mut state, "2026-11-23T02:00:00Z", Outcome::Failed);
    assert_eq!(words(&state), ["failed", "late"]);
    end(&mut state, "2026-11-24T02:00:00Z", Outcome::Succeeded);
    assert_eq!(words(&state), ["failed", "late", "succeeded", "recovered"]);
    end(&mut state, "2026-11-25T02:00:00Z", Outcome::Failed);
    assert_eq!(words(&state)[4..], ["failed"]);
    let told = &state.letters[0].notice;
    assert_eq!(told.id, "nightly-failed-20261121T020000Z");
    assert_eq!(told.text, "schedule nightly failed: 1 of 4 hosts did not end well: web1");
    assert_eq!(state.counts["failed"], 3);
}

#[test]
fn letters_are_tried_so_often_and_there_are_so_many() {
    let (nightly, channels) = schedule("cron = \"0 2 * * *\"");
    let mut state = State::new(&nightly, time("2026-11-20T00:00:00Z"));
    for _ in 0..100 {
        state.end(ended("2026-11-21T02:00:00Z", Outcome::Succeeded), &nightly, &channels, "/shop");
    }
    assert_eq!(state.letters.len(), LETTERS_MOST);
    let now = time("2026-11-21T02:00:00Z");
    let mut letter = state.letters[0].clone();
    let mut tries = 1;
    while let Some(again) = letter.clone().put_off(now) {
        assert!(!again.is_due(now) && again.is_due(again.next.unwrap()));
        letter = again;
        tries += 1;
    }
    assert_eq!(tries, TRIES);
}
