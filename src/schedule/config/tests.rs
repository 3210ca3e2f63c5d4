//! The tables of `windlass.toml`, right and wrong.

use crate::schedule::Overlap;
use crate::schedule::examples::read;
use crate::schedule::notice::Event;
use expect_test::expect;
use std::time::Duration;

#[test]
fn every_key_is_read() {
    let (schedules, channels) = read(
        r#"
[schedule.nightly]
playbook = "backup"
hosts = "prod,!db9"
vars = { to = "offsite", keep = { daily = 7 } }
cron = "30 2 * * *"
timezone = "Europe/Berlin"
jitter = "10m"
catch_up = true
overlap = "wait"
timeout = "2h"
late_after = "3h"
notify = ["chat", "mail"]

[notify.chat]
webhook = "env:CHAT_URL"
on = ["failed", "succeeded"]

[notify.mail]
smtp = { host = "mail.example.com", port = 2525, tls = "tls", user = "w", password = "file:pw", from = "w@example.com", to = ["a@example.com"] }

[notify.pager]
command = ["/usr/local/bin/page", "--urgent"]
"#,
    )
    .unwrap();
    let nightly = &schedules[0];
    assert_eq!((nightly.name.as_str(), nightly.playbook.as_str()), ("nightly", "backup"));
    assert_eq!(nightly.hosts.as_deref(), Some("prod,!db9"));
    assert_eq!(nightly.vars["keep"]["daily"], 7);
    assert_eq!(nightly.slots.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!((nightly.catch_up, nightly.overlap), (true, Overlap::Wait));
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(
        (nightly.jitter, nightly.timeout, nightly.late_after),
        (minutes(10), minutes(120), minutes(180))
    );
    assert_eq!(channels[0].on, [Event::Failed, Event::Succeeded]);
    assert_eq!(channels[2].on, Event::USUAL);
    assert!(nightly.delay("here") < minutes(10));
    assert_ne!(nightly.delay("here"), nightly.delay("there"));
    assert!(!format!("{channels:?}").contains("CHAT_URL"), "secrets are not shown");
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let wrong = read(
        r#"
[schedule."ni ghtly"]
playbook = "backup"
cron = "0 2 * *"
[schedule.weekly]
plabook = "backup"
cron = "0 2 * * 0"
timezone = "Europe/Berln"
overlap = "never"
jitter = "2d"
notify = "chta"
[notify.chat]
webhook = "https://example.com"
command = "true"
on = ["faild"]
[notify.mail]
smtp = { host = "mail.example.com", tls = "none", user = "w", password = "hunter2", from = "w@example.com" }
"#,
    );
    expect![[r#"
        error: expected a list of "failed", "late", "recovered" and "succeeded"
          --> windlass.toml:15:6
           |
        15 | on = ["faild"]
           |      ^^^^^^^^^

        error: one of `webhook`, `command` and `smtp` is needed
          --> windlass.toml:12:9
           |
        12 | [notify.chat]
           |         ^^^^

        error: expected "env:NAME" or "file:PATH", found "hunter2"
          --> windlass.toml:17:74
           |
        17 | smtp = { host = "mail.example.com", tls = "none", user = "w", password = "hunter2", from = "w@example.com" }
           |                                                                          ^^^^^^^^^

        error: `to` is missing
          --> windlass.toml:17:8
           |
        17 | smtp = { host = "mail.example.com", tls = "none", user = "w", password = "hunter2", from = "w@example.com" }
           |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `smtp` needs it

        error: `ni ghtly` is no name
         --> windlass.toml:2:11
          |
        2 | [schedule."ni ghtly"]
          |           ^^^^^^^^^^
          |
          = hint: letters, digits, `-` and `_`, at most 64, the first a letter or digit

        error: read the cron expression "0 2 * *": invalid pattern: pattern must have 5 or 6 fields when years are disallowed
         --> windlass.toml:4:8
          |
        4 | cron = "0 2 * *"
          |        ^^^^^^^^^
          |
          = hint: five fields: minute hour day-of-month month day-of-week; six with seconds in front; or @daily

        error: there is no time zone `Europe/Berln`
         --> windlass.toml:8:12
          |
        8 | timezone = "Europe/Berln"
          |            ^^^^^^^^^^^^^^
          |
          = hint: did you mean `Europe/Berlin`?

        error: must be at most a day
          --> windlass.toml:10:10
           |
        10 | jitter = "2d"
           |          ^^^^

        error: expected "skip" or "wait", found "never"
         --> windlass.toml:9:11
          |
        9 | overlap = "never"
          |           ^^^^^^^

        error: there is no `[notify.chta]`
          --> windlass.toml:11:10
           |
        11 | notify = "chta"
           |          ^^^^^^

        error: `playbook` is missing
         --> windlass.toml:5:1
          |
        5 | [schedule.weekly]
          | ^^^^^^^^^^^^^^^^^ `schedule.weekly` needs it

        error: unknown key `plabook`
         --> windlass.toml:6:1
          |
        6 | plabook = "backup"
          | ^^^^^^^ not a key of `schedule.weekly`
          |
          = hint: did you mean `playbook`?
    "#]].assert_eq(&wrong.unwrap_err());
}
