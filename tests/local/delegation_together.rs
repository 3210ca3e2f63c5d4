//! `on` among the hosts of one play: each runs steps for others between its own, in the playbook's order.

use crate::folder_host::FolderStage;
use crate::language::run;
use std::collections::BTreeMap;
use std::fs;

const HOSTS: [&str; 4] = ["web1", "web2", "web3", "web4"];

fn stage(hosts: &[&str]) -> FolderStage {
    let stage = FolderStage::of(hosts);
    hosts.iter().for_each(|host| {
        fs::create_dir_all(stage.file(&format!("{host}/srv"))).expect("a directory can be made")
    });
    stage
}

fn text(stage: &FolderStage, path: &str) -> String {
    fs::read_to_string(stage.file(path)).unwrap_or_default()
}

/// The first host makes a token, and each host has it read there before it joins. The first goes on once all have.
const JOIN: &str = r#"
hosts = "all"
[vars]
first = "{{ groups['all'][0] }}"
[[steps]]
name = "start the cluster"
when = "inventory_hostname == first"
command = { shell = "sleep 0.3; echo token-7 > $WINDLASS_ROOT/srv/token" }
[[steps]]
name = "token"
on = "{{ first }}"
register = "token"
command = { shell = "echo {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/members; cat $WINDLASS_ROOT/srv/token" }
[[steps]]
name = "join"
file = { path = "/srv/joined", content = "{{ token.stdout }}\n" }
[[steps]]
name = "announce"
when = "inventory_hostname != first"
on = "{{ first }}"
command = { shell = "sleep 0.1; echo {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/joined-hosts" }
[[steps]]
name = "count"
when = "inventory_hostname == first"
register = "count"
command = { shell = "cat $WINDLASS_ROOT/srv/joined-hosts | wc -l" }
[[steps]]
when = "inventory_hostname == first"
debug = { message = "{{ count.stdout | trim }} have joined" }
"#;

#[test]
fn a_host_runs_steps_for_the_others_between_its_own() {
    for options in ["", "-f 1", "-f 2"] {
        let stage = stage(&HOSTS);
        let finished = run(&stage, JOIN, options);
        assert_eq!(finished.code, 0, "{options}: {finished:?}");
        for host in HOSTS {
            assert_eq!(text(&stage, &format!("{host}/srv/joined")), "token-7\n", "{options}: {finished:?}");
        }
        assert!(finished.stdout.contains("3 have joined"), "it waits for the others: {finished:?}");
        assert_eq!(text(&stage, "web1/srv/members").lines().count(), 4);
    }
}

#[test]
fn a_dry_run_and_an_undo_cover_them_too() {
    let stage = stage(&HOSTS[..2]);
    let playbook = r#"
hosts = "all"
[[steps]]
name = "vote"
on = "{{ groups['all'][1] }}"
file = { path = "/srv/{{ inventory_hostname }}", content = "1\n" }
"#;
    let checked = run(&stage, playbook, "--check");
    assert!(checked.code == 0 && checked.stdout.contains("write /srv/web1"), "{checked:?}");
    assert!(!stage.file("web2/srv/web1").exists());
    assert_eq!(run(&stage, playbook, "").code, 0);
    assert!(stage.file("web2/srv/web1").exists() && stage.file("web2/srv/web2").exists());
    let undone = stage.project.windlass("runs undo last".split(' '));
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(!stage.file("web2/srv/web1").exists() && !stage.file("web2/srv/web2").exists(), "{undone:?}");
}

/// The step for all, and each element of its loop where it belongs, among them the host's own.
#[test]
fn the_first_host_has_a_step_run_on_each_of_the_others() {
    let stage = stage(&HOSTS);
    let playbook = r#"
hosts = "all"
[[steps]]
run_once = true
on = "{{ item }}"
loop = "{{ groups['all'] }}"
register = "all"
command = { shell = "echo {{ item }} >> $WINDLASS_ROOT/srv/log; echo {{ item }}" }
[[steps]]
debug = { message = "{{ all.results | map(attribute='stdout') | map('trim') | join(' ') }}" }
"#;
    let finished = run(&stage, playbook, "-f 1");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("web1 web2 web3 web4"), "{finished:?}");
    for host in HOSTS {
        assert_eq!(text(&stage, &format!("{host}/srv/log")), format!("{host}\n"));
    }
}

#[test]
fn a_host_that_fails_before_fails_what_others_wait_for() {
    let stage = stage(&HOSTS[..3]);
    let playbook = r#"
hosts = "all"
[[steps]]
when = "inventory_hostname == 'web1'"
command = { argv = ["false"] }
[[steps]]
on = "web1"
command = { shell = "touch $WINDLASS_ROOT/srv/never" }
[[steps]]
file = { path = "/srv/after", content = "1\n" }
"#;
    let finished = run(&stage, playbook, "");
    assert_eq!(finished.code, 2, "{finished:?}");
    let all = finished.stdout.clone() + &finished.stderr;
    assert!(all.contains("web1 ended as failed before it had run this step"), "{finished:?}");
    assert!(!stage.file("web1/srv/never").exists() && !stage.file("web2/srv/after").exists(), "{finished:?}");
}

/// Those that are left out, fail and are rescued, or flush their handlers hold no host up.
#[test]
fn hosts_that_leave_the_step_out_are_not_waited_for() {
    let stage = stage(&HOSTS[..3]);
    let playbook = r#"
hosts = "all"
[[steps]]
block = [
  { name = "fails on web2", command = { argv = ["{{ 'false' if inventory_hostname == 'web2' else 'true' }}"] } },
  { name = "never for web2", on = "web1", command = { shell = "echo body {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" } },
]
rescue = [
  { name = "rescue", on = "web1", command = { shell = "echo rescue {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" } },
]
[[steps]]
name = "change"
notify = "tell"
file = { path = "/srv/changed", content = "1\n" }
[[steps]]
flush_handlers = {}
[[steps]]
name = "last"
on = "web3"
command = { shell = "echo last {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" }
[[handlers]]
name = "tell"
on = "web2"
command = { shell = "echo tell {{ inventory_hostname }} >> $WINDLASS_ROOT/srv/log" }
"#;
    let finished = run(&stage, playbook, "-f 1");
    assert_eq!(finished.code, 0, "{finished:?}");
    let sorted = |path: &str| {
        let text = text(&stage, path);
        let mut lines: Vec<_> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted("web1/srv/log"), ["body web1", "body web3", "rescue web2"]);
    assert_eq!(sorted("web2/srv/log"), ["tell web1", "tell web2", "tell web3"]);
    assert_eq!(sorted("web3/srv/log"), ["last web1", "last web2", "last web3"]);
}

/// Two runs of numbers that look random, the same ones each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

const ROUNDS: usize = 4;

/// Each host writes down its own step of a round, then has another one write down that it was there.
fn rounds(dice: &mut Dice, serial: usize) -> String {
    let mut playbook = format!("hosts = \"all\"\nserial = {serial}\n");
    for round in 0..ROUNDS {
        let others: Vec<String> =
            HOSTS.iter().map(|host| format!("'{host}': '{}'", HOSTS[dice.below(HOSTS.len())])).collect();
        let line = |what: &str| {
            format!(
                "command = {{ shell = \"echo {what} {{{{ inventory_hostname }}}} >> $WINDLASS_ROOT/srv/log\" }}\n"
            )
        };
        playbook += "[[steps]]\n";
        playbook += &line(&format!("own {round}"));
        playbook +=
            &format!("[[steps]]\non = \"{{{{ {{ {} }}[inventory_hostname] }}}}\"\n", others.join(", "));
        match dice.below(4) {
            0 => playbook += "run_once = true\n",
            1 => playbook += &format!("when = \"inventory_hostname != '{}'\"\n", HOSTS[dice.below(4)]),
            _ => {}
        }
        playbook += &line(&format!("on {round}"));
    }
    playbook
}

#[test]
fn whatever_hosts_ask_of_each_other_no_host_waits_for_ever_and_the_order_is_the_playbooks() {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let serial = [4, 4, 4, 2, 1][dice.below(5)];
        let playbook = rounds(&mut dice, serial);
        let options = format!("-f {}", [1, 2, 3, 16][dice.below(4)]);
        let stage = stage(&HOSTS);
        let finished = run(&stage, &playbook, &options);
        assert_eq!(finished.code, 0, "seed {seed}, {options}: {finished:?}\n{playbook}");
        let batch: BTreeMap<&str, usize> = HOSTS.iter().copied().zip((0..).map(|at| at / serial)).collect();
        for host in HOSTS {
            let log = text(&stage, &format!("{host}/srv/log"));
            let mut own = None;
            for line in log.lines() {
                let [what, round, of] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
                let round: usize = round.parse().expect("a number");
                match what {
                    "own" => own = Some(round),
                    _ if batch[of] == batch[host] => {
                        assert_eq!(own, Some(round), "seed {seed}, {host}: {line}, in\n{log}\n{playbook}")
                    }
                    _ => {}
                }
            }
            assert_eq!(own, Some(ROUNDS - 1), "seed {seed}, {host}: {log}");
        }
    }
}
