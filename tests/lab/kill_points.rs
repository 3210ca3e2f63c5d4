//! The agent, and the shell of a host without one, are killed at every call to the system that changes files, and each such
//! call is made to fail. Each file is old or new afterwards, and the next run settles what was left.
//!
//! strace does it, as part of a login shell. Between two changing calls nothing changes, so these are all states that a
//! kill of the programs can leave in the files. `WINDLASS_KILL_POINTS=all` tries all of them, a test as it is some of
//! them. `tests/soak all` tries all.

use crate::faults::{PATIENCE, set_ssh};
use crate::stage::{Host, Stage};
use std::collections::BTreeMap;
use std::time::Instant;

/// A user with root's id, whose login shell is traced.
const TRACED: &str = r#"
userdel -f traced 2>/dev/null; rm -rf /srv/traced /srv/points; mkdir -p /srv/traced/.ssh /srv/points
cat >/usr/local/bin/traced-shell <<'END'
#!/bin/sh
[ -s /srv/points/fault ] || exec /srv/points/shell "$@"
exec strace -D -f -qq -o /srv/points/trace $(cat /srv/points/fault) /srv/points/shell "$@"
END
chmod 755 /usr/local/bin/traced-shell
useradd -o -u 0 -d /srv/traced -s /usr/local/bin/traced-shell traced 2>/dev/null
usermod -p '*' traced
cp /root/.ssh/authorized_keys /srv/traced/.ssh/ && chown -R root /srv/traced && chmod -R go-rwx /srv/traced
"#;

const BEFORE: &str = "rm -rf /srv/points/work; mkdir /srv/points/work; cd /srv/points/work; \
    echo old >old; printf 'a = 1\\n' >lines; mkdir -p gone/x; echo y >gone/x/y; echo was >link";

const PLAYBOOK: &str = r#"
[[steps]]
[steps.file]
path = "/srv/points/work/new"
content = "new\n"
mode = "0640"
[[steps]]
[steps.file]
path = "/srv/points/work/old"
content = "new\n"
[[steps]]
[steps.line]
path = "/srv/points/work/lines"
line = "b = 2"
[[steps]]
[steps.directory]
path = "/srv/points/work/dir"
mode = "0700"
[[steps]]
[steps.symlink]
path = "/srv/points/work/link"
target = "new"
force = true
[[steps]]
[steps.absent]
path = "/srv/points/work/gone"
"#;

/// The same work, step by step, as a shell does it. A call is counted in each process of its own, and the first one that
/// is hit ends the run. So the processes of later steps are hit only where the steps before them find nothing to do.
const WORK: [&str; 6] = [
    "echo new >new; chmod 640 new",
    "echo new >old",
    "echo 'b = 2' >>lines",
    "mkdir -m 700 dir",
    "ln -sfn new link",
    "rm -r gone",
];

/// Prints what is neither as before nor as wanted.
const TORN: &str = r#"cd /srv/points/work
one_of() { f=$1; shift; for wanted in "$@"; do [ "$(cat "$f" 2>/dev/null)" != "$wanted" ] || return 0; done; echo "$f: $(cat "$f")"; }
[ ! -e new ] || { one_of new new; [ "$(stat -c %a new)" = 640 ] || stat -c '%n %a' new; }
one_of old old new
one_of lines 'a = 1' 'a = 1
b = 2'
[ ! -d dir ] || [ "$(stat -c %a dir)" = 700 ] || stat -c '%n %a' dir
[ "$(readlink link)" = new ] || one_of link was
[ ! -e gone ] || one_of gone/x/y y"#;

/// Prints what is there beside what belongs there.
const LEFT: &str =
    "cd /srv/points/work; find . ! -path './gone*' | grep -vxE '\\.|\\./(new|old|lines|dir|link)'; true";

/// Prints the names and contents when the playbook is done.
const DONE: &str = "cd /srv/points/work; cat new old lines; stat -c '%n %a' new dir; readlink link; ls -A";
const WANTED: &str = "new\nnew\na = 1\nb = 2\nnew 640\ndir 700\nnew\ndir\nlines\nlink\nnew\nold";

/// A way in which a host is worked, and where a fault can come in it.
struct Worked {
    name: &'static str,
    /// What is started for `/bin/sh`.
    shell: &'static str,
    /// Calls that change files, or what is known of them. A shell's commands are counted by `clone` and `vfork`.
    calls: &'static [&'static str],
    /// A test as it is tries these of each process, the nth of each call, with so many steps done.
    some: &'static [(&'static str, u32, usize)],
    /// So many steps may be done before.
    done: std::ops::Range<usize>,
}

/// One process does all steps, so that the nth call may be of any.
const AGENT: Worked = Worked {
    name: "agent",
    shell: "exec /bin/sh \"$@\"",
    calls: &[
        "openat",
        "renameat",
        "renameat2",
        "fchmod",
        "fchmodat",
        "fchownat",
        "unlinkat",
        "mkdirat",
        "symlinkat",
        "ftruncate",
        "fsync",
        "write",
    ],
    some: &[
        ("openat", 40, 0),
        ("renameat", 1, 0),
        ("renameat", 4, 0),
        ("renameat", 6, 0),
        ("fchmod", 4, 0),
        ("unlinkat", 1, 0),
        ("mkdirat", 1, 0),
        ("symlinkat", 1, 0),
        ("fsync", 4, 0),
        ("fsync", 9, 0),
        ("write", 9, 0),
    ],
    done: 0..1,
};

/// Where nothing may be executed in any directory for an agent.
const SHELL: Worked = Worked {
    name: "sh",
    shell: "exec unshare -m sh -c 'for d in /srv/traced/.cache /run/user/0 /var/tmp /dev/shm /tmp; do \
            mkdir -p $d; mount -t tmpfs -o noexec,mode=1777 none $d; done; exec /bin/sh \"$@\"' sh \"$@\"",
    calls: &[
        "openat",
        "clone",
        "vfork",
        "renameat2",
        "unlinkat",
        "mkdir",
        "symlinkat",
        "fchmodat",
        "fsync",
        "write",
    ],
    some: &[("renameat2", 1, 0), ("fsync", 1, 1), ("unlinkat", 1, 5), ("clone", 40, 2)],
    done: 0..WORK.len(),
};

/// What is done at a point: the program is killed, or the call fails with this error.
const KILL: &str = "signal=KILL";
const ERRORS: [&str; 4] = ["error=ENOSPC", "error=EIO", "error=EROFS", "error=EDQUOT"];

/// There are no more points than this of one call.
const MOST: u32 = 400;

/// The host, until this is dropped.
struct Traced(Stage);

impl Traced {
    fn on(name: &str) -> Traced {
        let traced = Traced(Stage::on(name).with(TRACED));
        set_ssh(&traced.0.project, name, "user = \"traced\"");
        traced
    }

    fn host(&self) -> &Host {
        &self.0.host
    }

    fn shell(&self, text: &str) {
        self.host().write("/srv/points/shell", format!("#!/bin/sh\n{text}\n"));
        self.host().must("chmod 755 /srv/points/shell");
        // The agent is placed, or found to be of no use, without a fault.
        self.host().must(BEFORE);
        self.0.play(PLAYBOOK, "").exits(0);
        assert_eq!(self.host().must(DONE), WANTED);
    }

    /// Runs the playbook, whose first steps are done already, with a fault at the nth of these calls, checks what is left,
    /// and runs it again. `None` when there is no such call any more, else how the run ended.
    fn point(&self, Point { call, fault, nth, done }: Point) -> Option<String> {
        let host = self.host();
        // It stops a process only at these calls, and is quicker by far; strace 6.1 sends no signal with it.
        let seccomp = if fault == KILL { "" } else { "--seccomp-bpf" };
        let inject = format!("{seccomp} -e trace=?{call} -e inject=?{call}:{fault}:when={nth}");
        let before = [&[BEFORE], &WORK[..done], &["rm -f ../trace"]].concat().join("\n");
        host.must(&format!("{before}\nprintf %s '{inject}' >../fault"));
        let started = Instant::now();
        let report = self.0.play(PLAYBOOK, "");
        let outcome = report.outcome(&host.name).to_owned();
        let at = format!("{call} {nth} {fault} after {done} steps: {outcome} in {:?}", started.elapsed());
        assert!(started.elapsed() < PATIENCE, "{at}: {report:#?}");
        let hit = host.sh("grep -qe INJECTED -e 'killed by SIGKILL' /srv/points/trace").code == 0;
        host.must(": >/srv/points/fault");
        assert_eq!(host.must(TORN), "", "{at}: a file is neither old nor new: {report:#?}");
        if ["ok", "changed"].contains(&outcome.as_str()) {
            assert_eq!(host.must(DONE), WANTED, "{at}: a false success: {report:#?}");
        }
        if hit && call == "fsync" && fault != KILL {
            assert!(
                !["ok", "changed"].contains(&outcome.as_str()),
                "{at}: what was not durable is a success"
            );
        }
        if outcome == "failed" {
            assert_eq!(host.must(LEFT), "", "{at}: something is left: {report:#?}");
        }
        if !hit {
            return None;
        }
        self.0.play(PLAYBOOK, "").exits(0);
        assert_eq!(host.must(DONE), WANTED, "{at}: the next run does not settle it");
        Some(outcome)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.host().sh("userdel -f traced; rm -rf /srv/traced /srv/points /usr/local/bin/traced-shell");
    }
}

/// Where a fault comes.
#[derive(Clone, Copy)]
struct Point<'a> {
    call: &'a str,
    fault: &'a str,
    nth: u32,
    /// So many steps are done before.
    done: usize,
}

fn at_every_call(worked: &Worked, faults: &[&str]) {
    let traced = Traced::on("full3");
    traced.shell(worked.shell);
    let started = Instant::now();
    let ended = match std::env::var("WINDLASS_KILL_POINTS").is_ok_and(|text| text == "all") {
        true => all(&traced, worked, faults),
        false => some(&traced, worked, faults),
    };
    let (name, points, took) = (worked.name, ended.values().sum::<u32>(), started.elapsed().as_secs());
    println!(
        "{name} {faults:?}: {points} points in {took} s, torn 0, false success 0, left over 0: {ended:?}"
    );
    assert!(points as usize * 2 > worked.some.len(), "too few points were hit: {ended:?}");
}

/// How the runs ended, by outcome.
type Ended = BTreeMap<String, u32>;

fn all(traced: &Traced, worked: &Worked, faults: &[&str]) -> Ended {
    let mut ended = Ended::new();
    for call in worked.calls {
        for fault in faults {
            for done in worked.done.clone() {
                for nth in 1..=MOST {
                    let Some(outcome) = traced.point(Point { call, fault, nth, done }) else { break };
                    *ended.entry(outcome).or_default() += 1;
                }
            }
        }
        println!("{} {call}: {ended:?}", worked.name);
    }
    ended
}

/// Each with another one of the faults.
fn some(traced: &Traced, worked: &Worked, faults: &[&str]) -> Ended {
    let mut ended = Ended::new();
    for (number, (call, nth, done)) in worked.some.iter().enumerate() {
        let point = Point { call, fault: faults[number % faults.len()], nth: *nth, done: *done };
        if let Some(outcome) = traced.point(point) {
            *ended.entry(outcome).or_default() += 1;
        }
    }
    ended
}

#[test]
fn an_agent_killed_at_any_call_leaves_whole_files_and_the_next_run_settles_it() {
    at_every_call(&AGENT, &[KILL]);
}

#[test]
fn an_agent_whose_calls_fail_leaves_whole_files_and_no_other() {
    at_every_call(&AGENT, &ERRORS);
}

#[test]
fn a_shell_killed_at_any_call_leaves_whole_files_and_the_next_run_settles_it() {
    at_every_call(&SHELL, &[KILL]);
}

#[test]
fn a_shell_whose_calls_fail_leaves_whole_files_and_no_other() {
    at_every_call(&SHELL, &ERRORS);
}
