//! Moments against a second way of finding them: every second of the days around a change of the clock, looked at.

use super::*;
use expect_test::expect;
use jiff::civil::date;
use jiff::tz::AmbiguousOffset;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn slots(cron: &str, zone: &str) -> Slots {
    Slots { cron: Cron::parse(cron).unwrap(), zone: TimeZone::get(zone).unwrap() }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The moments from `from` to before `to`, as the wall shows them.
fn shown(slots: &Slots, from: &str, to: &str) -> String {
    let moments = all(slots, time(from), time(to));
    let shown =
        moments.iter().map(|at| at.to_zoned(slots.zone.clone()).strftime("%m-%d %H:%M:%S %Z").to_string());
    shown.collect::<Vec<_>>().join("\n")
}

fn all(slots: &Slots, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut at = from.checked_sub(SECOND).unwrap();
    let mut found = Vec::new();
    while let Some(next) = slots.after(at).filter(|next| *next < to) {
        assert!(next > at);
        found.push(next);
        at = next;
    }
    found
}

#[test]
fn a_time_that_is_left_out_comes_right_after_the_gap() {
    expect![[r#"
        03-28 02:30:00 CET
        03-29 03:00:00 CEST
        03-30 02:30:00 CEST"#]]
    .assert_eq(&shown(&slots("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"));
}

#[test]
fn a_time_that_comes_twice_counts_once() {
    expect![[r#"
        10-25 02:30:00 CEST
        10-25 14:30:00 CET"#]]
    .assert_eq(&shown(
        &slots("30 2,14 * * *", "Europe/Berlin"),
        "2026-10-24T22:00:00Z",
        "2026-10-26T00:00:00Z",
    ));
}

#[test]
fn what_follows_the_clock_comes_in_every_hour_that_passes() {
    let every_half_hour = slots("*/30 * * * *", "Europe/Berlin");
    expect![[r#"
        10-25 02:00:00 CEST
        10-25 02:30:00 CEST
        10-25 02:00:00 CET
        10-25 02:30:00 CET"#]]
    .assert_eq(&shown(&every_half_hour, "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"));
    expect![[r#"
        03-29 01:30:00 CET
        03-29 03:00:00 CEST
        03-29 03:30:00 CEST"#]]
    .assert_eq(&shown(&every_half_hour, "2026-03-29T00:30:00Z", "2026-03-29T02:00:00Z"));
}

#[test]
fn leap_days_are_found_over_a_century_without_one() {
    let leap = slots("0 0 29 2 *", "Europe/Berlin");
    assert_eq!(leap.after(time("2096-03-01T00:00:00Z")), Some(time("2104-02-28T23:00:00Z")));
    assert_eq!(leap.at_or_before(time("2104-02-28T00:00:00Z")), Some(time("2096-02-28T23:00:00Z")));
}

#[test]
fn counting_stops() {
    let slots = slots("* * * * * *", "UTC");
    let (from, until) = (time("2026-01-01T00:00:00Z"), time("2026-01-01T00:01:00Z"));
    assert_eq!(slots.between(from, until, 1000), 59);
    assert_eq!(slots.between(from, until, 10), 10);
}

/// Around these moments the clocks of these zones change; Lord Howe's by half an hour, Apia's by a whole day.
const CHANGES: &[(&str, &str)] = &[
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("America/New_York", "2027-11-07T06:00:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Asia/Kathmandu", "2026-06-01T00:00:00Z"),
    ("UTC", "2028-02-29T12:00:00Z"),
];

/// The same moments, found by looking at every wall clock and every second.
fn looked_at(slots: &Slots, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut found = BTreeSet::new();
    match slots.cron.follows() {
        Follows::Clock => {
            for second in from.as_second()..to.as_second() {
                let at = Timestamp::from_second(second).unwrap();
                let wall = slots.zone.to_datetime(at);
                if slots.cron.is_at(wall) {
                    found.insert(at);
                }
            }
        }
        Follows::Day => {
            let mut wall = slots.zone.to_datetime(from).date().yesterday().unwrap().at(0, 0, 0, 0);
            let last = slots.zone.to_datetime(to).date().tomorrow().unwrap().at(0, 0, 0, 0);
            while let Some(next) = slots.cron.at_or_after(wall).filter(|next| *next < last) {
                found.insert(moment_of(slots, next));
                wall = next.checked_add(SECOND).unwrap();
            }
        }
    }
    found.into_iter().filter(|at| (from..to).contains(at)).collect()
}

fn moment_of(slots: &Slots, wall: DateTime) -> Timestamp {
    let ambiguous = slots.zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { before, .. } => {
            // The wall clock before the gap, read on, is a moment after the change: the last change before it.
            let read_on = before.to_timestamp(wall).unwrap();
            let next = read_on.checked_add(SignedDuration::from_nanos(1)).unwrap();
            slots.zone.preceding(next).next().unwrap().timestamp()
        }
        _ => ambiguous.earlier().unwrap(),
    }
}

fn expressions() -> impl Strategy<Value = String> {
    let second = prop_oneof![Just(""), Just("0 "), Just("30 "), Just("*/20 ")];
    let minute = prop_oneof![Just("0"), Just("30"), Just("5,35"), Just("*/15"), Just("*"), Just("59")];
    let hour = prop_oneof![
        Just("0"),
        Just("1"),
        Just("2"),
        Just("3"),
        Just("1-3"),
        Just("*/2"),
        Just("*"),
        Just("23")
    ];
    let day = prop_oneof![Just("* * *"), Just("* * SUN"), Just("29 * *"), Just("*/2 * 1-5"), Just("L * *")];
    (second, minute, hour, day)
        .prop_map(|(second, minute, hour, day)| format!("{second}{minute} {hour} {day}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_moment_is_doubled_or_lost_around_a_change(cron in expressions(), change in 0..CHANGES.len()) {
        let (zone, change) = CHANGES[change];
        let slots = slots(&cron, zone);
        let from = time(change).checked_sub(SignedDuration::from_hours(14)).unwrap();
        let to = time(change).checked_add(SignedDuration::from_hours(14)).unwrap();
        let found = all(&slots, from, to);
        prop_assert_eq!(&found, &looked_at(&slots, from, to), "{} in {}", cron, zone);
        // Looking back from anywhere finds the same moments.
        for pair in found.windows(2) {
            prop_assert_eq!(slots.at_or_before(pair[1].checked_sub(SECOND).unwrap()), Some(pair[0]));
            prop_assert_eq!(slots.at_or_before(pair[1]), Some(pair[1]));
        }
    }
}

#[test]
fn dates_before_all_changes_are_fine() {
    let daily = slots("0 2 * * *", "Europe/Berlin");
    assert!(daily.after(date(1700, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp()).is_some());
    assert!(daily.at_or_before(time("1800-01-01T00:00:00Z")).is_some());
}
