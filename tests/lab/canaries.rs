//! Secrets that are looked for everywhere once they were used: in arguments and environments, on the disks of host and
//! controller, in database, exports and logs. Nothing may have kept one.

use crate::stage::{Finished, Host, Project, Stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CANARY: &str = "canary/7f3a9d+secret=value";
const BASE64: &str = "Y2FuYXJ5LzdmM2E5ZCtzZWNyZXQ9dmFsdWU";
/// Finds both, and not itself where the search is an argument.
const SEARCH: &str = "canar[y]/7f3a9d|Y2FuYXJ[5]LzdmM2E5ZCt|canar[y]%2F7f3a9d";

/// Where a host keeps anything: all of windlass's places, and what other programs write.
const DISK: &str = "/root /home /etc /opt /srv /tmp /var /run /dev/shm";

/// A command that has the secret in its input and its environment, waits, then prints it and fails, as careless programs do.
const PLAYBOOK: &str = r#"
[params.token]
type = "secret"
default = "file:keys/token"

[[steps]]
name = "keep"
[steps.command]
argv = ["touch", "/srv/canary/kept"]
environment = { TOKEN = "{{ token }}" }
stdin = "{{ token }}"
undo = ["sh", "-c", "[ -e /srv/canary/may_undo ] || { echo $TOKEN; exit 3; }; rm /srv/canary/kept; test $(printf %s $TOKEN | wc -c) -eq 26"]

[[steps]]
name = "tell"
ignore_errors = true
[steps.command]
shell = "cat >/dev/null; touch /srv/canary/started; until [ -e /srv/canary/go ]; do sleep 0.1; done; echo token: $TOKEN; echo $TOKEN >&2; printf %s $TOKEN | base64; exit 3"
environment = { TOKEN = "{{ token }}" }
stdin = "{{ token }}"

[[steps]]
name = "wrong"
ignore_errors = true
[steps.assert]
that = "token == 'something else'"
message = "the token is {{ token }}"

[[steps]]
name = "debug"
debug = { message = "{{ token }} and {{ token | b64encode }}" }
"#;

/// The processes whose arguments or environment hold it. Those that it was given to, `sh` and the `sleep` of the step, are
/// shown as `given`.
fn in_processes(host: &Host) -> Vec<String> {
    let found = host.must(&format!(
        "cd /proc; for p in [0-9]*; do
           words=$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)
           printf '%s' \"$words\" | grep -Eq '{SEARCH}' && echo \"argv of $p: $words\"
           tr '\\0' ' ' <$p/environ 2>/dev/null | grep -Eq '{SEARCH}' || continue
           case $words in *canary/started*|'sleep 0.1 ') echo given ;; *) echo \"environment of $p: $words\" ;; esac
         done; true"
    ));
    found.lines().map(str::to_string).collect()
}

/// The files that hold it, among them one that the test has put there, and lines of the system's log.
fn on_disk(host: &Host) -> Vec<String> {
    host.must(&format!("printf '%s' '{CANARY}' >/srv/canary/control"));
    let found = host.must(&format!(
        "find {DISK} -path /var/lib/docker -prune -o -type f -exec grep -lE '{SEARCH}' {{}} + 2>/dev/null; \
         if command -v journalctl >/dev/null; then journalctl -q --no-pager --since=-10min | grep -E '{SEARCH}'; fi; true"
    ));
    found.lines().map(str::to_string).collect()
}

/// The same on this machine.
fn here() -> Vec<String> {
    let mut found = Vec::new();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    for process in processes.filter(|path| path.join("cmdline").exists()) {
        for name in ["cmdline", "environ"] {
            let bytes = fs::read(process.join(name)).unwrap_or_default();
            // The host's processes are seen from here as well, and its step has the secret in its environment.
            let command =
                String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).into_owned();
            let is_given = command.contains("canary/started") || command.starts_with("sleep\x000.1");
            if holds(&bytes) && !(name == "environ" && is_given) {
                found.push(format!("{} of {command}", name));
            }
        }
    }
    found
}

fn holds(bytes: &[u8]) -> bool {
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    has(CANARY) || has(BASE64)
}

/// The files of the project that hold it, but for the one that it comes from.
fn in_project(project: &Project) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![project.path().to_path_buf()]);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with(Path::new("keys/token")) && holds(&fs::read(&path).unwrap_or_default()) {
            found.push(path);
        }
    }
    found
}

fn said(finished: &Finished) -> bool {
    holds(finished.stdout.as_bytes()) || holds(finished.stderr.as_bytes())
}

/// How many places were searched; each held nothing.
fn nothing_keeps_a_secret(host: &str, system: &str) -> usize {
    let stage = Stage::on(host).with("rm -rf /srv/canary; mkdir /srv/canary");
    stage.host.forget_windlass();
    stage.project.write_secret("keys/token", format!("{CANARY}\n"));
    let run = stage.project.start(PLAYBOOK, host);
    stage.host.await_success("test -e /srv/canary/started", Duration::from_secs(60));
    // The run ends before anything is judged, so that no failure leaves it behind.
    let (processes, disk, controller) = (in_processes(&stage.host), on_disk(&stage.host), here());
    stage.host.must("touch /srv/canary/go");
    let report = run.end();
    assert!(!processes.is_empty() && processes.iter().all(|line| line == "given"), "{host}: {processes:?}");
    assert_eq!(disk, ["/srv/canary/control"], "{host}, while it runs");
    assert_eq!(controller, Vec::<String>::new(), "on the controller, while {host} is worked");
    assert_eq!((report.code, report.system(host)), (0, system), "{report:#?}");
    let all = format!("{:?} {}", report.events, report.stderr);
    // It did come back from the host, and was hidden.
    assert!(all.contains("token: ***") && !holds(all.as_bytes()), "{all}");
    let words = [
        vec!["runs", "show", "last", "-v"],
        vec!["runs", "show", "last", "--output", "json"],
        vec!["runs", "export", "last"],
        vec!["runs", "list", "--output", "json"],
        vec!["explain", "var", "small1.token", "--playbook", "it"],
        vec!["runs", "retry", "last"],
    ];
    for words in &words {
        assert!(!said(&stage.project.windlass(words)), "{words:?}");
    }
    assert_eq!(in_project(&stage.project), Vec::<PathBuf>::new());
    assert_eq!(in_processes(&stage.host), Vec::<String>::new(), "{host}, afterwards");
    assert_eq!(on_disk(&stage.host), ["/srv/canary/control"], "{host}, afterwards");
    an_undo_keeps_none(&stage, host, &report.run());
    stage.host.must("rm -rf /srv/canary");
    // Processes and disk twice, both machines; the report, what commands print, the project with its database; two undos.
    4 + 2 + 2 + words.len() + 6
}

/// An undo whose command fails and says it, then one whose command works: it has the secret again. Neither undoes the command
/// that failed in the run.
fn an_undo_keeps_none(stage: &Stage, host: &str, run: &str) {
    for (prepare, fails) in [("true", true), ("touch /srv/canary/may_undo", false)] {
        stage.host.must(prepare);
        let undone = stage.project.windlass(["runs", "undo", run, "--hosts", host, "-v"]);
        assert_eq!(undone.code, 2, "{undone:?}");
        assert!(!said(&undone), "{undone:?}");
        assert!(!fails || format!("{undone:?}").contains("***"), "{undone:?}");
        assert_eq!(on_disk(&stage.host), ["/srv/canary/control"], "{host}, after an undo");
        assert_eq!(in_project(&stage.project), Vec::<PathBuf>::new());
    }
    assert_eq!(stage.host.must("ls /srv/canary/kept 2>/dev/null || true"), "");
}

#[test]
fn no_secret_is_kept_or_shown() {
    let agent = nothing_keeps_a_secret("small1", "agent");
    let sh = nothing_keeps_a_secret("noexec1", "sh");
    println!("canaries found: 0 in {} places (agent), 0 in {} places (sh)", agent, sh);
}

#[test]
fn an_agent_leaves_no_core_and_is_not_read_by_its_user() {
    let stage = Stage::on("small1").with("rm -rf /srv/canary; mkdir -m 777 /srv/canary");
    let inventory = stage.project.read("inventories/lab.toml");
    stage
        .project
        .write("inventories/lab.toml", inventory.replace("user = \"root\"\n", "user = \"deploy\"\n"));
    let wait = "[[steps]]\n[steps.command]\nshell = \"touch /srv/canary/started; until [ -e /srv/canary/go ]; do sleep 0.1; done\"\n";
    let run = stage.project.start(wait, "small1");
    stage.host.await_success("test -e /srv/canary/started", Duration::from_secs(60));
    // The kernel gives the files of a process that may not be dumped to root.
    let owners = stage.host.must(
        "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline 2>/dev/null) in ./[0-9a-f]*' --from '*) stat -c %U $p/environ ;; esac; done",
    );
    stage.host.must("touch /srv/canary/go");
    run.end().exits(0);
    assert_eq!(owners, "root");
    stage.host.must("rm -rf /srv/canary");
}
