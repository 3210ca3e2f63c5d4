//! The agent, and the shell of a host without one, are killed at every call to the system that changes files, and each such
//! call is made to fail. Each file is old or new afterwards, and the next run settles what was left.
//!
//! strace does it, as part of a login shell. Between two changing calls nothing changes, so these are all states that a
//! kill or a power cut of the programs can leave in the files. `WINDLASS_KILL_POINTS=all` tries all of them, a test as it
//! is some of them. `tests/soak` tries all.

use crate::faults::set_ssh;
use crate::stage::{Host, Stage};
use std::collections::BTreeMap;

/// A user with root's id, whose login shell is traced.
const TRACED: &str = r#"
userdel traced 2>/dev/null; rm -rf /srv/traced /srv/points; mkdir -p /srv/traced/.ssh /srv/points
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

/// What is started for `/bin/sh`: with an agent, and in a place where nothing may be executed from any directory for one.
const SHELLS: [(&str, &str); 2] = [
    ("agent", "exec /bin/sh \"$@\""),
    (
        "sh",
        "exec unshare -m sh -c 'for d in /srv/traced/.cache /run/user/0 /var/tmp /dev/shm /tmp; do \
         mkdir -p $d; mount -t tmpfs -o noexec,mode=1777 none $d; done; exec /bin/sh \"$@\"' sh \"$@\"",
    ),
];

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

/// Calls that change files, or what is known of them. A shell's commands are counted by `clone` and `vfork`.
const CALLS: [(&str, &[&str]); 2] = [
    (
        "agent",
        &[
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
    ),
    (
        "sh",
        &[
            "clone",
            "vfork",
            "rename",
            "renameat2",
            "unlink",
            "unlinkat",
            "mkdir",
            "symlinkat",
            "fchmodat",
            "fsync",
            "write",
        ],
    ),
];

/// What is done at a point: the program is killed, or the call fails with this error.
const KILL: &str = "signal=KILL";
const ERRORS: [&str; 4] = ["error=ENOSPC", "error=EIO", "error=EROFS", "error=EDQUOT"];

/// In a test as it is, these points of each call are tried; there are no more than `MOST`.
const SOME: [u32; 2] = [1, 30];
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

    /// Runs the playbook with a fault at the nth of these calls, checks what is left, and runs it again. `None` when
    /// there is no such call any more, else how the run ended.
    fn point(&self, call: &str, fault: &str, nth: u32) -> Option<String> {
        let host = self.host();
        let inject = format!("-e trace=?{call} -e inject=?{call}:{fault}:when={nth}");
        host.must(&format!("{BEFORE}; rm -f ../trace; printf %s '{inject}' >../fault"));
        let report = self.0.play(PLAYBOOK, "");
        let outcome = report.outcome(&host.name).to_owned();
        let at = format!("{call} {nth} {fault}: {outcome}");
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
        self.host().sh("userdel traced; rm -rf /srv/traced /srv/points /usr/local/bin/traced-shell");
    }
}

fn points() -> Vec<u32> {
    match std::env::var("WINDLASS_KILL_POINTS").as_deref() {
        Ok("all") => (1..=MOST).collect(),
        _ => SOME.to_vec(),
    }
}

fn at_every_call(system: usize, faults: &[&str]) {
    let traced = Traced::on("full3");
    let ((name, shell), (_, calls)) = (SHELLS[system], CALLS[system]);
    traced.shell(shell);
    let mut ended = BTreeMap::<String, u32>::new();
    for (number, call) in calls.iter().enumerate() {
        // As it is, a test takes another error for each call.
        let all = points().len() > SOME.len();
        let faults = if all { faults } else { &faults[number % faults.len()..][..1] };
        for fault in faults {
            for nth in points() {
                let Some(outcome) = traced.point(call, fault, nth) else { break };
                *ended.entry(outcome).or_default() += 1;
            }
        }
    }
    let points: u32 = ended.values().sum();
    println!("{name}: {points} points, torn 0, false success 0, left over 0: {ended:?}");
    assert!(points >= 8, "too few points were hit: {ended:?}");
}

#[test]
fn an_agent_killed_at_any_call_leaves_whole_files_and_the_next_run_settles_it() {
    at_every_call(0, &[KILL]);
}

#[test]
fn an_agent_whose_calls_fail_leaves_whole_files_and_no_other() {
    at_every_call(0, &ERRORS);
}

#[test]
fn a_shell_killed_at_any_call_leaves_whole_files_and_the_next_run_settles_it() {
    at_every_call(1, &[KILL]);
}

#[test]
fn a_shell_whose_calls_fail_leaves_whole_files_and_no_other() {
    at_every_call(1, &ERRORS);
}
