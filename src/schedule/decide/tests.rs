//! What is due, missed and late, at moments of a clock that the tests set.

use super::*;
use crate::schedule::examples::{schedule, time};
use crate::schedule::outcome::{FinishedRun, Outcome};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(now: &str) -> Moment {
    Moment { now: time(now), delay: Duration::ZERO, busy: false }
}

fn state(schedule: &Schedule, since: &str) -> State {
    State::new(schedule, time(since))
}

fn ended(claim: &Claim, ended: Timestamp, outcome: Outcome) -> FinishedRun {
    FinishedRun {
        slot: claim.slot,
        trigger: claim.trigger,
        started: claim.claimed,
        ended,
        outcome,
        exit: Some(0),
        run: None,
        hosts: BTreeMap::new(),
        bad_hosts: vec![],
        why: None,
    }
}

#[test]
fn nothing_is_due_before_its_time_and_at_its_time_it_is() {
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"");
    let state = state(&nightly, "2026-11-20T12:00:00Z");
    let two = time("2026-11-21T02:00:00Z");
    assert_eq!(decide(&nightly, &state, at("2026-11-21T01:59:59Z")), Decision::Nothing { until: Some(two) });
    let run = Decision::Run { slot: two, trigger: Trigger::Time, missed: 0 };
    assert_eq!(decide(&nightly, &state, at("2026-11-21T02:00:00Z")), run);
    assert_eq!(decide(&nightly, &state, at("2026-11-21T02:01:30Z")), run);
}

#[test]
fn a_delay_moves_everything() {
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"\njitter = \"1h\"");
    let state = state(&nightly, "2026-11-20T12:00:00Z");
    let delayed = |now| Moment { delay: Duration::from_secs(600), ..at(now) };
    let until = Some(time("2026-11-21T02:10:00Z"));
    assert_eq!(decide(&nightly, &state, delayed("2026-11-21T02:09:59Z")), Decision::Nothing { until });
    assert!(matches!(decide(&nightly, &state, delayed("2026-11-21T02:10:00Z")), Decision::Run { .. }));
}

#[test]
fn downtime_is_caught_up_once_or_left_out() {
    let days = ("2026-11-10T12:00:00Z", "2026-11-21T09:00:00Z");
    let slot = time("2026-11-21T02:00:00Z");
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"\ncatch_up = true");
    let mut state = state(&nightly, days.0);
    assert_eq!(
        decide(&nightly, &state, at(days.1)),
        Decision::Run { slot, trigger: Trigger::CatchUp, missed: 10 }
    );
    state.claim(slot, Trigger::CatchUp, time(days.1));
    state.running = None;
    assert!(matches!(decide(&nightly, &state, at("2026-11-21T09:00:01Z")), Decision::Nothing { .. }));
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"");
    let state = State::new(&nightly, time(days.0));
    assert!(matches!(decide(&nightly, &state, at(days.1)), Decision::LeaveOut { many: 11, .. }));
}

#[test]
fn a_run_that_was_killed_comes_first() {
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"");
    let mut state = state(&nightly, "2026-11-20T12:00:00Z");
    let claim = state.claim(time("2026-11-21T02:00:00Z"), Trigger::Time, time("2026-11-21T02:00:00Z"));
    assert_eq!(decide(&nightly, &state, at("2026-11-22T02:00:00Z")), Decision::Resume(claim));
    let busy = Moment { busy: true, ..at("2026-11-22T02:00:00Z") };
    assert_eq!(decide(&nightly, &state, busy), Decision::Nothing { until: None });
}

#[test]
fn times_that_come_during_a_run_are_left_out_or_wait() {
    let (begun, over) = (time("2026-11-21T02:00:00Z"), time("2026-11-21T02:25:00Z"));
    let often = "cron = \"*/10 * * * *\"\ntimezone = \"UTC\"";
    let (skip, _) = schedule(often);
    let mut state = State::new(&skip, time("2026-11-21T01:59:00Z"));
    let claim = state.claim(begun, Trigger::Time, begun);
    let twenty = time("2026-11-21T02:20:00Z");
    assert_eq!(overlapped(&skip, &state, (begun, over), Duration::ZERO), Some((twenty, 2)));
    let (wait, channels) = schedule(&format!("{often}\noverlap = \"wait\""));
    assert_eq!(overlapped(&wait, &state, (begun, over), Duration::ZERO), None);
    state.end(ended(&claim, over, Outcome::Succeeded), &wait, &channels, "/shop");
    let run = Decision::Run { slot: twenty, trigger: Trigger::Waited, missed: 1 };
    assert_eq!(decide(&wait, &state, at("2026-11-21T02:25:01Z")), run);
}

#[test]
fn a_clock_that_is_put_back_doubles_nothing() {
    let (hourly, _) = schedule("cron = \"0 * * * *\"\ntimezone = \"UTC\"\ncatch_up = true");
    let mut state = state(&hourly, "2026-11-21T01:30:00Z");
    state.claim(time("2026-11-21T02:00:00Z"), Trigger::Time, time("2026-11-21T02:00:00Z"));
    state.running = None;
    assert_eq!(state.refresh(&hourly, time("2026-11-21T00:30:00Z")), None);
    let next = Some(time("2026-11-21T03:00:00Z"));
    assert_eq!(decide(&hourly, &state, at("2026-11-21T00:30:00Z")), Decision::Nothing { until: next });
    assert_eq!(decide(&hourly, &state, at("2026-11-21T02:00:00Z")), Decision::Nothing { until: next });
    // A clock that was years ahead does not stop the schedule for years.
    assert!(state.refresh(&hourly, time("2020-01-01T00:00:00Z")).is_some());
    assert!(matches!(decide(&hourly, &state, at("2020-01-01T01:00:00Z")), Decision::Run { .. }));
}

#[test]
fn new_times_count_from_when_they_are_seen() {
    let (nightly, _) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"\ncatch_up = true");
    let mut state = state(&nightly, "2026-11-01T00:00:00Z");
    let (hourly, _) = schedule("cron = \"0 * * * *\"\ntimezone = \"UTC\"\ncatch_up = true");
    assert!(state.refresh(&hourly, time("2026-11-21T09:30:00Z")).unwrap().contains("0 2 * * *"));
    assert!(matches!(decide(&hourly, &state, at("2026-11-21T09:30:00Z")), Decision::Nothing { .. }));
    let (berlin, _) = schedule("cron = \"0 * * * *\"\ntimezone = \"Europe/Berlin\"\ncatch_up = true");
    assert!(state.refresh(&berlin, time("2026-11-21T09:31:00Z")).is_some());
}

#[test]
fn late_is_what_no_success_covers() {
    let (nightly, channels) = schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"\nlate_after = \"3h\"");
    let mut state = state(&nightly, "2026-11-20T12:00:00Z");
    let two = time("2026-11-21T02:00:00Z");
    let late_at = |state: &State, now| late(&nightly, state, time(now), Duration::ZERO);
    assert_eq!(late_at(&state, "2026-11-21T04:59:59Z"), None);
    assert_eq!(late_at(&state, "2026-11-21T05:00:00Z"), Some(two));
    let claim = state.claim(two, Trigger::CatchUp, time("2026-11-21T06:00:00Z"));
    state.end(ended(&claim, time("2026-11-21T06:10:00Z"), Outcome::Failed), &nightly, &channels, "/shop");
    assert_eq!(late_at(&state, "2026-11-21T07:00:00Z"), Some(two), "a failure covers nothing");
    state.end(ended(&claim, time("2026-11-21T06:20:00Z"), Outcome::Succeeded), &nightly, &channels, "/shop");
    assert_eq!(late_at(&state, "2026-11-22T04:59:59Z"), None);
    assert_eq!(late_at(&state, "2026-11-22T05:00:00Z"), Some(time("2026-11-22T02:00:00Z")));
}

/// What happens to a scheduler in a simulated life.
#[derive(Clone, Debug)]
enum Happening {
    /// It looks again so many seconds later.
    Look(i64),
    /// The machine is off for so long.
    Away(i64),
    /// The clock is put back.
    Back(i64),
    /// The scheduler and its run are killed while the run goes on.
    Kill,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        6 => (1i64..120).prop_map(Happening::Look),
        2 => (600i64..20_000).prop_map(Happening::Away),
        1 => (1i64..4000).prop_map(Happening::Back),
        1 => Just(Happening::Kill),
    ];
    proptest::collection::vec(one, 1..120)
}

/// Lives through it and returns each slot's runs, and how many were left out.
fn live(schedule: &Schedule, happenings: &[Happening]) -> (BTreeMap<Timestamp, u32>, u64, State, Timestamp) {
    let mut now = time("2026-10-24T20:00:00Z");
    let mut state = State::new(schedule, now);
    let (mut runs, mut left_out) = (BTreeMap::new(), 0);
    for happening in happenings {
        now = now
            .checked_add(SignedDuration::from_secs(match happening {
                Happening::Look(seconds) | Happening::Away(seconds) => *seconds,
                Happening::Back(seconds) => -seconds,
                Happening::Kill => 1,
            }))
            .unwrap();
        let _told = state.refresh(schedule, now);
        loop {
            match decide(schedule, &state, Moment { now, delay: Duration::ZERO, busy: false }) {
                Decision::Run { slot, trigger, missed } => {
                    left_out += missed;
                    *runs.entry(slot).or_default() += 1;
                    state.claim(slot, trigger, now);
                    if matches!(happening, Happening::Kill) {
                        break;
                    }
                    state.running = None;
                }
                Decision::LeaveOut { slot, many, why } => {
                    left_out += many;
                    state.leave_out(slot, many, why);
                }
                Decision::Resume(_) => state.running = None,
                Decision::Nothing { .. } => break,
            }
        }
    }
    (runs, left_out, state, now)
}

proptest! {
    #[test]
    fn every_time_is_run_once_or_left_out_once(
        happenings in happenings(),
        cron in prop_oneof![Just("*/7 * * * *"), Just("0 * * * *"), Just("30 2 * * *"), Just("*/20 * * * * *")],
        catch_up in any::<bool>(),
    ) {
        let keys = format!("cron = \"{cron}\"\ntimezone = \"Europe/Berlin\"\ncatch_up = {catch_up}");
        let (schedule, _) = schedule(&keys);
        let (runs, left_out, state, _) = live(&schedule, &happenings);
        prop_assert!(runs.values().all(|many| *many == 1), "{:?}", runs);
        let since = time("2026-10-24T20:00:00Z");
        let all = schedule.slots.between(since, state.settled, 1_000_000)
            + u64::from(schedule.slots.at_or_before(state.settled) == Some(state.settled) && state.settled > since);
        // Beyond a bound missed times are not counted any more.
        if left_out < COUNTED {
            prop_assert_eq!(runs.len() as u64 + left_out, all);
        }
    }
}
