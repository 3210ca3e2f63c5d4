//! Lines for systemd, as text; `tests/lab/schedule_units.rs` asks systemd itself.

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
    expect![[r#"
        *-*-* 02:00:00 UTC
        Mon,Tue,Wed,Thu,Fri *-*-* 09,10,11,12,13,14,15,16,17:00,15,30,45:00 UTC
        *-*-01,15 00:00:00 UTC
        Fri *-*-* 00:00:00 UTC
        Fri *-*-13 00:00:00 UTC
        *-*~01 03:00:00 UTC
        Fri *-*-08,09,10,11,12,13,14 03:00:00 UTC
        Fri *-01,07~07/1 03:00:00 UTC
        *-01-01 00:00:30 UTC
        write "0 3 15W * *" as a systemd calendar: `W`, the nearest weekday, has no counterpart
          hint: use `windlass schedule install --serve`, which knows it"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn what_systemd_would_leave_out_is_written_out() {
    let nightly = shown("30 2 * * *", "Europe/Berlin");
    expect![[r#"
        *-*-* 02:30:00 Europe/Berlin
        2026-03-29 01:00:00 UTC
        2027-03-28 01:00:00 UTC
        2028-03-26 01:00:00 UTC"#]]
    .assert_eq(&nightly.lines().take(4).collect::<Vec<_>>().join("\n"));
    let often = shown("*/20 * * * *", "Europe/Berlin");
    expect![[r#"
        *-*-* *:00,20,40:00 Europe/Berlin
        2026-10-25 01:00,20,40:00 UTC
        2027-10-31 01:00,20,40:00 UTC"#]]
    .assert_eq(&often.lines().take(3).collect::<Vec<_>>().join("\n"));
}
