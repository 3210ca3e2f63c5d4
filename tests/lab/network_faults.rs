//! Ten kinds of network fault, each from five moments of a run on. A run ends in time, says of its host what is true, and
//! the next one completes the work without starting the step twice. `WINDLASS_NETWORK_FAULTS=all` tries all fifty, a test
//! as it is one for each moment. `tests/soak all` tries all.

use crate::faults::{PATIENCE, SOON, Spoiled, set_ssh};
use crate::stage::{Host, Stage};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A fault, as a rule of nft for a hook, and whether a run gets through in spite of it.
const KINDS: [(&str, &str, &str); 9] = [
    ("lost on the way there", "input", "tcp dport 22 drop"),
    ("lost on the way back", "output", "tcp sport 22 drop"),
    ("reset", "input", "tcp dport 22 reject with tcp reset"),
    ("unreachable", "input", "tcp dport 22 reject"),
    ("large packets lost there", "input", "tcp dport 22 meta length > 500 drop"),
    ("large packets lost back", "output", "tcp sport 22 meta length > 500 drop"),
    ("new connections lost", "input", "tcp dport 22 ct state new drop"),
    ("one packet in twenty lost", "input", "tcp dport 22 numgen random mod 20 0 drop"),
    ("slow", "input", "tcp dport 22 limit rate over 400 kbytes/second drop"),
];

/// The tenth: the process that serves the login is killed.
const KILLED: &str = "sshd killed";

/// From when on: `None` from before the run, else from this event on.
const MOMENTS: [Option<&str>; 5] =
    [None, Some("connecting"), Some("uploading"), Some("step_started"), Some("step_ended")];

/// Each of the two commands leaves a mark each time that it runs.
const STEPS: &str = "[[steps]]\n[steps.command]\n\
    shell = \"echo first >>/srv/e2e-net/runs; sleep 1; touch /srv/e2e-net/through\"\ncreates = \"/srv/e2e-net/through\"\n\
    [[steps]]\n[steps.command]\n\
    shell = \"echo second >>/srv/e2e-net/runs; sleep 2; touch /srv/e2e-net/done\"\ncreates = \"/srv/e2e-net/done\"\n\
    [[steps]]\n[steps.file]\npath = \"/srv/e2e-net/page\"\ncontent = \"new\"\n";

#[test]
fn a_network_that_fails_at_any_moment_leads_to_no_false_verdict() {
    let Stage { host, project } = Stage::on("full3");
    set_ssh(&project, "full3", "keepalive = 1, connect_timeout = \"3s\"");
    let all = std::env::var("WINDLASS_NETWORK_FAULTS").is_ok_and(|text| text == "all");
    let names: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).chain([KILLED]).collect();
    let (mut ended, mut longest) = (BTreeMap::<String, u32>::new(), Duration::ZERO);
    for (at, moment) in MOMENTS.iter().enumerate() {
        let chosen = if all { names.as_slice() } else { &names[(2 * at + 3) % names.len()..][..1] };
        for kind in chosen {
            host.must("rm -rf /srv/e2e-net; mkdir /srv/e2e-net");
            if *moment == Some("uploading") {
                host.forget_windlass();
            }
            let started = Instant::now();
            let before = moment.is_none().then(|| strike(&host, kind));
            let mut run = project.start(STEPS, "full3");
            let during = moment.map(|event| {
                run.until(event);
                strike(&host, kind)
            });
            let report = run.end();
            let took = started.elapsed();
            drop((before, during));
            let outcome = report.outcome("full3").to_owned();
            let point = format!("{kind} from {moment:?} on: {outcome} after {took:?}");
            println!("{point}");
            assert!(took < PATIENCE, "{point}");
            let ran = || host.sh("cat /srv/e2e-net/runs").stdout;
            match outcome.as_str() {
                "changed" => assert_eq!(host.must("cat /srv/e2e-net/page"), "new", "{point}: {report:#?}"),
                "unreachable" => assert_eq!(ran(), "", "{point}: {report:#?}"),
                "unknown" => {}
                other => panic!("{point}: {other}: {report:#?}"),
            }
            host.await_success("! ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /windlass-", SOON);
            project.play(STEPS, "full3", "").exits(0);
            assert_eq!(
                (ran(), host.must("cat /srv/e2e-net/page")),
                ("first\nsecond\n".into(), "new".into()),
                "{point}"
            );
            *ended.entry(outcome).or_default() += 1;
            longest = longest.max(took);
        }
    }
    host.must("rm -rf /srv/e2e-net");
    println!("wrong class 0, doubled steps 0, the longest {longest:?}: {ended:?}");
}

/// The fault is there until what is returned is dropped.
fn strike<'host>(host: &'host Host, kind: &str) -> Option<Spoiled<'host>> {
    if kind == KILLED {
        // Those that serve root's logins; the one that listens has another name.
        host.sh("pkill -KILL -f '[s]shd: root'");
        return None;
    }
    let (_, hook, rule) = KINDS.iter().find(|(name, ..)| *name == kind).expect("it is one of them");
    Some(Spoiled::on(host, hook, rule))
}
