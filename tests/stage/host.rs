//! A host of the lab, looked at and prepared as root, past windlass.
#![expect(clippy::disallowed_methods, reason = "tests look at hosts through docker and wait for them")]

use super::project::{Finished, finish};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A lab host, held by this test until dropped.
#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub address: String,
    pub users: Vec<String>,
    pub(super) container: String,
    pub(super) docker: Vec<String>,
    pub(super) _lock: File,
}

impl Host {
    /// Runs a shell command on the host as root, not over SSH: this is how a test looks at the truth.
    pub fn sh(&self, command: &str) -> Finished {
        finish(self.docker().args(["exec", &self.container, "sh", "-c", command]))
    }

    /// What the command prints, without the last newline. It must succeed.
    pub fn must(&self, command: &str) -> String {
        let finished = self.sh(command);
        assert!(finished.code == 0, "{}: `{command}`: {finished:?}", self.name);
        finished.stdout.trim_end_matches('\n').to_owned()
    }

    /// The bytes that a command prints. It must succeed.
    pub fn bytes(&self, command: &str) -> Vec<u8> {
        let output = self.docker().args(["exec", &self.container, "sh", "-c", command]).output();
        let output = output.expect("docker starts");
        assert!(output.status.success(), "{}: `{command}`: {output:?}", self.name);
        output.stdout
    }

    /// The content of a file, or None where there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        let finished = finish(self.docker().args(["exec", &self.container, "cat", path]));
        (finished.code == 0).then_some(finished.stdout)
    }

    /// Writes a file on the host, its folder included; the content travels on stdin and no shell reads it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let script = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;
        let mut child = self
            .docker()
            .args(["exec", "-i", &self.container, "sh", "-c", script, "sh", path])
            .stdin(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        std::io::Write::write_all(&mut stdin, content.as_ref()).expect("docker reads its stdin");
        drop(stdin);
        assert!(child.wait().expect("docker ends").success(), "{}: write {path}", self.name);
    }

    /// Asks until the command succeeds. Fails, with its last answer, after `deadline`.
    pub fn await_success(&self, command: &str, deadline: Duration) {
        let started = Instant::now();
        loop {
            let finished = self.sh(command);
            if finished.code == 0 {
                return;
            }
            assert!(
                started.elapsed() < deadline,
                "{}: `{command}` did not succeed within {deadline:?}: {finished:?}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Takes away what an earlier test may have left of windlass: its agent, journal and undo store, for every user.
    pub fn forget_windlass(&self) {
        self.must(
            "rm -rf /var/lib/windlass /run/user/*/windlass* /run/windlass /tmp/windlass* /var/tmp/windlass* \
             /dev/shm/windlass* /root/.cache/windlass* /root/.local/state/windlass \
             /home/*/.cache/windlass* /home/*/.local/state/windlass",
        );
    }

    /// Full hosts: dockerd as it came, without a daemon.json, `app` running.
    pub fn reset_docker(&self) {
        if self.sh("test -e /etc/docker/daemon.json").code == 0 {
            self.must(
                "rm /etc/docker/daemon.json && systemctl reset-failed docker; systemctl restart docker",
            );
        }
        self.must("docker start app");
        self.await_app();
    }

    /// Full hosts: waits until dockerd answers and the container `app` serves its page.
    pub fn await_app(&self) {
        self.await_success("curl -sf http://127.0.0.1:8080/", Duration::from_secs(60));
    }

    fn docker(&self) -> Command {
        let mut command = Command::new(&self.docker[0]);
        command.args(&self.docker[1..]);
        command
    }
}
