//! A real sshd on loopback, with throw-away keys, for what only OpenSSH can prove.

use crate::ssh::Target;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use tempfile::TempDir;

pub struct Sshd {
    pub directory: TempDir,
    pub port: u16,
    child: Child,
}

/// Runs a program to its end; tests may, the product may not.
#[expect(clippy::disallowed_methods, reason = "tests drive OpenSSH's own programs")]
pub fn run(program: &str, arguments: &[&str]) -> Output {
    let output = std::process::Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output =
        output.unwrap_or_else(|why| panic!("{program} is needed for this test, see ./tests/run: {why}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Sshd {
    /// Starts an sshd with `extra` lines of configuration, which accepts the key `directory/id` as the current user.
    pub fn start(extra: &str) -> Sshd {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        for key in ["host", "id"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &path(key)]);
        }
        fs::copy(path("id.pub"), path("authorized_keys")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Bash reads ~/.bashrc under sshd, and whatever a machine has there is none of these tests' business.
        let config = format!(
            "{}\nSetEnv HOME=/nonexistent\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\n\
             PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            extra.replace("{}", &directory.path().display().to_string()),
            path("host"),
            path("authorized_keys"),
        );
        fs::write(path("sshd_config"), config).unwrap();
        let host = fs::read_to_string(path("host.pub")).unwrap();
        fs::write(path("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        // sshd's privilege separation wants this directory, which packages make at boot.
        let _ = fs::create_dir_all("/run/sshd");
        let child = listen(&path("sshd_config"));
        Sshd { directory, port, child }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How to get in, with the key `id`.
    pub fn target(&self) -> Target {
        Target {
            users: vec![me()],
            identities: vec![self.path("id")],
            known_hosts: vec![self.path("known_hosts")],
            ..super::target(self.port)
        }
    }
}

pub fn me() -> String {
    crate::ssh::Paths::standard().user
}

/// Starts sshd and waits until it says that it listens.
#[expect(clippy::disallowed_methods, reason = "tests start their own sshd")]
fn listen(config: &str) -> Child {
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].into_iter().find(|path| fs::metadata(path).is_ok());
    let sshd = sshd.expect("sshd is needed for this test: ./tests/run installs openssh-server");
    let mut child = std::process::Command::new(sshd)
        .args(["-D", "-e", "-f", config])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.contains("Server listening")) {
        said.push(lines.next().unwrap_or_else(|| panic!("sshd did not start: {said:?}")));
    }
    // Keeps the pipe empty, so that sshd never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An ssh-agent that holds the given keys.
pub struct Agent {
    pub socket: PathBuf,
    child: Child,
}

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "tests start their own agent")]
    pub fn start(directory: &std::path::Path, keys: &[&str]) -> Agent {
        let socket = directory.join("agent");
        let mut child = std::process::Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints the socket once it listens.
        BufReader::new(child.stdout.take().unwrap()).lines().next();
        for key in keys {
            let added = std::process::Command::new("ssh-add")
                .arg("-q")
                .arg(directory.join(key))
                .env("SSH_AUTH_SOCK", &socket)
                .status();
            assert!(added.unwrap().success());
        }
        Agent { socket, child }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
