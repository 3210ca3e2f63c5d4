//! Lines for systemd, as text; `tests/schedule_units.rs` asks systemd itself.

use super::*;
use crate::schedule::Cron;
use expect_test::expect;

fn shown(cron: &str, zone: &str) -> String {
    let slots = Slots { cron: Cron::parse(cron).unwrap(), zone: TimeZone::get(zone).unwrap() };
    match lines(&slots, Some(zone), "2026-01-01T00:00:00Z".parse().unwrap()) {
        Ok(lines) => lines.join("\n"),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn expressions_become_calendars() {
    let all: Vec<String> = [
        "0 2 * * *",
        "*/15 9-17 * * MON-FRI",
        "0 0 1,15 * 5",
        "0 0 13 * +5",
        "0 3 L * *",
        "0 3 * * 5#2",
        "0 3 * 1,7 5#L",
        "30 0 0 1 1 *",
        "0 3 15W * *",
    ]
    .iter()
    .map(|cron| shown(cron, "UTC"))
    .collect();
    expect![[r#""#]].assert_eq(&all.join("\n"));
}

#[test]
fn what_systemd_would_leave_out_is_written_out() {
    let nightly = shown("30 2 * * *", "Europe/Berlin");
    expect![[r#""#]].assert_eq(&nightly.lines().take(4).collect::<Vec<_>>().join("\n"));
    let often = shown("*/20 * * * *", "Europe/Berlin");
    expect![[r#""#]].assert_eq(&often.lines().take(3).collect::<Vec<_>>().join("\n"));
}
