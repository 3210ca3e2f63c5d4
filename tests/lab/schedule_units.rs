//! Schedules under a real systemd: calendars that elapse when cron would, units that it accepts, a timer that starts a run.

use crate::stage::{Host, Lab};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use windlass::schedule::systemd::calendar;
use windlass::schedule::{Cron, Slots};

/// Long enough for a loaded machine; nothing waits so long when all is well.
const SOON: Duration = Duration::from_secs(120);

const EXPRESSIONS: &[&str] = &[
    "0 2 * * *",
    "30 2 * * *",
    "30 2 * * SUN",
    "0,30 1-3 * * *",
    "*/20 * * * *",
    "15 */2 * * MON-FRI",
    "0 0 1,15 * 5",
    "0 0 13 * +5",
    "0 3 L * *",
    "45 2 * * 5#2",
    "0 3 * 3,10 0#L",
    "0 0 29 2 *",
    "*/30 59 2 * * *",
    "@weekly",
];

const ZONES: &[&str] = &["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];

/// Each is a little before clocks change, or a leap day.
const BASES: &[&str] = &[
    "2026-10-01 00:00:00 UTC",
    "2027-03-10 00:00:00 UTC",
    "2028-02-27 00:00:00 UTC",
    "2031-09-01 00:00:00 UTC",
];

/// So many moments of a calendar are compared: more than a year of a daily one.
const MOMENTS: usize = 400;

#[test]
fn calendars_elapse_exactly_when_cron_would() {
    let lab = Lab::get();
    let host = lab.host("full1");
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut compared = 0;
    for zone in ZONES {
        let mut script = String::from("export TZ=UTC LC_ALL=C\n");
        let mut asked = Vec::new();
        for cron in EXPRESSIONS {
            let slots = Slots { cron: Cron::parse(cron).unwrap(), zone: TimeZone::get(zone).unwrap() };
            let lines = calendar::lines(&slots, Some(zone), now).unwrap();
            for base in BASES {
                let words: String = lines.iter().map(|line| format!(" '{line}'")).collect();
                script += &format!(
                    "echo @@; systemd-analyze calendar --iterations={MOMENTS} --base-time='{base}' --{words} 2>&1\n"
                );
                asked.push((cron, base, slots.clone()));
            }
        }
        host.write("/tmp/calendars.sh", &script);
        let report = host.must("sh /tmp/calendars.sh; true");
        let report: Vec<&str> = report.split("@@\n").skip(1).collect();
        assert_eq!(report.len(), asked.len());
        for ((cron, base, slots), report) in asked.into_iter().zip(report) {
            compared += compare(cron, zone, base, &slots, report);
        }
    }
    assert!(compared > 50_000, "{compared}");
}

fn compare(cron: &str, zone: &str, base: &str, slots: &Slots, report: &str) -> usize {
    let from = time(base);
    // Changes of the clock are written out for ten years from 2026 on, and not beyond.
    let mut until: Timestamp = "2035-12-31T00:00:00Z".parse().unwrap();
    let mut elapses = BTreeSet::new();
    for one in report.split("Normalized form:").skip(1) {
        let times: Vec<Timestamp> = one.lines().filter_map(elapse).collect();
        // Of one that goes on beyond what was asked, no more is known.
        if times.len() == MOMENTS {
            until = until.min(times[MOMENTS - 1]);
        }
        elapses.extend(times);
    }
    assert!(!elapses.is_empty(), "{cron}: {report}");
    let last = elapses.last().copied().unwrap_or(from);
    let until = until.min(last);
    let elapses: Vec<Timestamp> = elapses.into_iter().filter(|at| *at <= until).collect();
    let mut wanted = Vec::new();
    let mut at = from;
    while let Some(next) = slots.after(at).filter(|next| *next <= until) {
        wanted.push(next);
        at = next;
    }
    assert_eq!(elapses, wanted, "{cron} in {zone} from {base}");
    wanted.len()
}

/// `Next elapse: Sat 2026-03-28 01:30:00 UTC`, `Iter. #2: …`.
fn elapse(line: &str) -> Option<Timestamp> {
    let line = line.trim();
    let (_, time) =
        line.split_once(": ").filter(|(name, _)| *name == "Next elapse" || name.starts_with("Iter. #"))?;
    let (_, time) = time.trim().split_once(' ')?;
    Some(self::time(time))
}

/// `2026-03-28 01:30:00 UTC`.
fn time(text: &str) -> Timestamp {
    let plain = text.trim_end_matches(" UTC").replace(' ', "T") + "Z";
    plain.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Makes the host a controller of itself, in /srv/shop.
fn controller(lab: &Lab, host: &Host) {
    host.must("rm -rf /srv/shop /srv/noted; mkdir -p /srv/shop/inventories /srv/shop/playbooks");
    host.write("/usr/local/bin/windlass", std::fs::read(env!("CARGO_BIN_EXE_windlass")).unwrap());
    host.must("chmod 755 /usr/local/bin/windlass");
    host.write("/srv/shop/key", std::fs::read(lab.identity()).unwrap());
    host.must("chmod 600 /srv/shop/key");
    let known = std::fs::read_to_string(lab.known_hosts()).unwrap();
    let line = known.lines().find(|line| line.starts_with("full1,")).expect("the lab knows its hosts");
    let (_, key) = line.split_once(' ').expect("names, then the key");
    host.write(
        "/srv/shop/known_hosts",
        format!(
            "127.0.0.1 {key}
"
        ),
    );
    host.write(
        "/srv/shop/inventories/prod.toml",
        "[ssh]\nuser = \"root\"\nidentity = \"/srv/shop/key\"\nidentities_only = true\nknown_hosts = \"/srv/shop/known_hosts\"\n\
         [hosts.self]\naddress = \"127.0.0.1\"\n",
    );
    host.write(
        "/srv/shop/playbooks/note.toml",
        "[[steps]]\n[steps.command]\nshell = \"date +%s%N >>/srv/noted\"\n",
    );
}

const OFTEN: &str = "[schedule.often]\nplaybook = \"note\"\nhosts = \"self\"\ncron = \"*/5 * * * * *\"\n";

#[test]
fn a_timer_of_systemd_starts_runs() {
    let lab = Lab::get();
    let host = lab.host("full1");
    host.forget_windlass();
    controller(&lab, &host);
    host.write("/srv/shop/windlass.toml", OFTEN);
    let windlass = "cd /srv/shop && windlass";
    host.must(&format!("{windlass} lint"));
    let refused = host.sh(&format!("{windlass} schedule install </dev/null"));
    assert!(refused.code == 5 && refused.stderr.contains("--yes"), "{refused:?}");
    host.must(&format!("{windlass} schedule install --yes"));
    let units = "/etc/systemd/system/windlass-shop-";
    let report = host.must(&format!(
        "systemd-analyze verify {units}often.timer {units}often.service {units}check.service 2>&1"
    ));
    assert!(!report.contains("windlass-shop"), "{report}");
    host.await_success("test \"$(wc -l </srv/noted)\" -ge 3", SOON);
    let again = host.must(&format!("{windlass} schedule install --yes"));
    assert_eq!(again, "the units are as they should be");
    host.must("systemctl stop windlass-shop-often.timer");
    host.await_success("test \"$(systemctl is-active windlass-shop-often.service)\" = inactive", SOON);
    let list: Value =
        serde_json::from_str(&host.must(&format!("{windlass} schedule list --output json"))).unwrap();
    assert_eq!(list[0]["last"]["outcome"], "succeeded", "{list:#}");
    assert_eq!(list[0]["counts"]["succeeded"], host.must("wc -l </srv/noted").parse::<u64>().unwrap());
    // Each for a time of its own, and at it.
    let runs: Value =
        serde_json::from_str(&host.must(&format!("{windlass} runs list --output json"))).unwrap();
    let slots: BTreeSet<&str> =
        runs.as_array().unwrap().iter().filter_map(|run| run["slot"].as_str()).collect();
    assert_eq!(slots.len(), runs.as_array().unwrap().len(), "{runs:#}");
    let late = |run: &Value| {
        let time = |key: &str| run[key].as_str().unwrap().parse::<Timestamp>().unwrap();
        time("started").duration_since(time("slot")) > SignedDuration::from_secs(60)
    };
    assert!(!runs.as_array().unwrap().iter().any(late), "{runs:#}");
    serve_instead(&host, windlass);
    host.write("/srv/shop/windlass.toml", "");
    host.must(&format!("{windlass} schedule uninstall --yes"));
    assert_eq!(host.must("ls /etc/systemd/system | grep -c windlass-shop || true"), "0");
    host.must("rm -rf /srv/shop /srv/noted /usr/local/bin/windlass");
}

/// The timers go, the service comes, is ready, watched, and ends well.
fn serve_instead(host: &Host, windlass: &str) {
    host.must(&format!("{windlass} schedule install --serve --listen 127.0.0.1:9469 --yes"));
    let units = host.must("ls /etc/systemd/system | grep windlass-shop");
    assert_eq!(units, "windlass-shop-serve.service");
    host.must("systemd-analyze verify /etc/systemd/system/windlass-shop-serve.service");
    host.must("test \"$(systemctl is-active windlass-shop-serve)\" = active");
    let before: u64 = host.must("wc -l </srv/noted").parse().unwrap();
    host.await_success(&format!("test \"$(wc -l </srv/noted)\" -gt {}", before + 1), SOON);
    assert_eq!(host.must("curl -sf http://127.0.0.1:9469/healthz"), "ok");
    host.must("systemctl stop windlass-shop-serve");
    assert_eq!(host.must("systemctl show -P Result windlass-shop-serve"), "success");
}
