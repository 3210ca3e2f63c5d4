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
    expect![[r#""#]].assert_eq(&wrong.unwrap_err());
}
