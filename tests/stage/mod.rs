//! What tests on lab hosts share: the lab's state, its hosts with a lock each, and windlass run as a person would.
//!
//! A test that needs the lab is marked `#[ignore = "needs the lab: ./tests/run"]` and starts with
//! `Lab::get().host("full1")`.
#![expect(
    clippy::disallowed_methods,
    reason = "tests drive the binary as a person would, and wait for real hosts"
)]

pub mod backups;
pub mod contained;
pub mod folder_host;
pub mod s3;
pub mod store;
pub mod told;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The lab that `tests/lab/up` brought up: its `lab.json`, read.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Holds `lab.json`, `known_hosts`, the keys and `inventories/lab.toml`.
    pub folder: PathBuf,
    record: Record,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct Record {
    /// How docker is called here: `["docker"]` or `["sudo", "docker"]`.
    docker: Vec<String>,
    hosts: BTreeMap<String, HostRecord>,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct HostRecord {
    address: String,
    port: u16,
    container: String,
    users: Vec<String>,
}

impl Lab {
    /// The lab named by `WINDLASS_LAB`. A test asked to run without one fails here: it must not pass by not testing.
    pub fn get() -> Lab {
        let folder = std::env::var_os("WINDLASS_LAB")
            .map(PathBuf::from)
            .expect("this test needs the lab: use ./tests/run, or tests/lab/up and WINDLASS_LAB=target/lab");
        Lab::at(folder)
    }

    fn at(folder: PathBuf) -> Lab {
        let path = folder.join("lab.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("no lab is up: {}: {error} (use ./tests/run, or tests/lab/up)", path.display())
        });
        let record =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Lab { folder, record }
    }

    /// One host, for this test alone until it is dropped.
    pub fn host(&self, name: &str) -> Host {
        let [host] = self.hosts([name]);
        host
    }

    /// Several hosts at once. They are locked in the order of their names, so that two tests cannot wait for each other;
    /// for the same reason a test calls this (or `host`) once.
    pub fn hosts<const N: usize>(&self, names: [&str; N]) -> [Host; N] {
        let mut locks: BTreeMap<&str, Option<File>> = names.iter().map(|name| (*name, None)).collect();
        for (name, lock) in &mut locks {
            *lock = Some(self.lock(name));
        }
        names.map(|name| {
            let record = self.record.hosts.get(name).unwrap_or_else(|| panic!("the lab has no host {name}"));
            Host {
                name: name.to_owned(),
                address: record.address.clone(),
                port: record.port,
                users: record.users.clone(),
                container: record.container.clone(),
                docker: self.record.docker.clone(),
                _lock: locks.get_mut(name).and_then(Option::take).expect("no host is named twice"),
            }
        })
    }

    /// So many hosts as a provider hands them out, `fresh1` and so on, for this test alone until dropped.
    pub fn fresh(&self, count: usize) -> Fresh {
        let lock = self.lock("fresh");
        start_fresh(&self.folder, count);
        let lab = Lab::at(self.folder.join("fresh"));
        Fresh { lab, beside: self.folder.clone(), _lock: lock }
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The key every lab user accepts: ed25519, no passphrase.
    pub fn identity(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// Accepted too; its passphrase is `lab-pass`.
    pub fn encrypted_identity(&self) -> PathBuf {
        self.folder.join("id_encrypted")
    }

    pub fn rsa_identity(&self) -> PathBuf {
        self.folder.join("id_rsa")
    }

    /// A file lock: it holds between processes (nextest gives each test its own) and goes when its holder dies.
    fn lock(&self, name: &str) -> File {
        let folder = self.folder.join("locks");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let path = folder.join(name);
        let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.lock().unwrap_or_else(|error| panic!("lock {}: {error}", path.display()));
        file
    }
}

/// Hosts as a provider hands them out. They go when this is dropped.
#[derive(Debug)]
pub struct Fresh {
    pub lab: Lab,
    beside: PathBuf,
    _lock: File,
}

impl Fresh {
    /// All of them, by number.
    pub fn hosts(&self) -> Vec<Host> {
        let mut names: Vec<&String> = self.lab.record.hosts.keys().collect();
        names.sort_by_key(|name| (name.len(), name.to_string()));
        names.into_iter().map(|name| self.lab.host(name)).collect()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        start_fresh(&self.beside, 0);
    }
}

fn start_fresh(lab: &Path, count: usize) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/fresh");
    let finished = finish(Command::new(script).arg(count.to_string()).env("WINDLASS_LAB", lab));
    assert!(finished.code == 0 || std::thread::panicking(), "tests/lab/fresh {count}: {finished:?}");
}

/// A lab host, held by this test until dropped.
#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub address: String,
    pub port: u16,
    pub users: Vec<String>,
    container: String,
    docker: Vec<String>,
    _lock: File,
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
            "rm -rf /var/lib/windlass /run/user/*/windlass /run/windlass /tmp/windlass* /var/tmp/windlass* \
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

/// A temporary project with the lab's inventory, for windlass to be run in. Removed when dropped.
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    pub fn new(lab: &Lab) -> Project {
        let project = Project::without_inventory();
        let inventory =
            fs::read_to_string(lab.folder.join("inventories/lab.toml")).expect("the lab wrote its inventory");
        project.write("inventories/lab.toml", &inventory);
        project
    }

    /// For tests that need no lab, or an inventory of their own.
    pub fn without_inventory() -> Project {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for name in ["inventories", "playbooks", "templates", "files", "home"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is new");
        }
        Project { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project, its folder included.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        let folder = path.parent().expect("the path lies in the project");
        fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    pub fn read(&self, path: &str) -> String {
        let path = self.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs windlass in the project and waits for its end.
    pub fn windlass(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        finish(self.command().args(arguments))
    }

    /// windlass in the project, to be given more (a stdin, environment, a signal). It sees nothing of the person who runs the
    /// tests: no agent, no ~/.ssh/config, no settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .current_dir(self.path())
            .env("HOME", self.path().join("home"))
            .env("NO_COLOR", "1")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("WINDLASS_LAB")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::null());
        command
    }
}

/// How a process ended. `code` is 128 + N when signal N ended it, as a shell has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a prepared command and waits for it.
pub fn finish(command: &mut Command) -> Finished {
    use std::os::unix::process::ExitStatusExt;
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = output.status;
    Finished {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
