//! A temporary project, and windlass run in it as a person runs it.
#![expect(clippy::disallowed_methods, reason = "tests drive the program as a person does")]

use super::lab::Lab;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

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

    /// For tests that end before contact: `web1` is at a port where nothing listens.
    pub fn with_web1() -> Project {
        let project = Project::without_inventory();
        project.write("inventories/prod.toml", "[hosts.web1]\naddress = \"127.0.0.1\"\nssh = { port = 9 }\n");
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project, its folder included. A file that has that content already is left alone: another windlass of
    /// the test may be reading it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        if fs::read(&path).is_ok_and(|there| there == content.as_ref()) {
            return;
        }
        let folder = path.parent().expect("the path lies in the project");
        fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes a file that only its owner may read.
    pub fn write_secret(&self, path: &str, content: impl AsRef<[u8]>) {
        self.write(path, content);
        self.set_mode(path, 0o600);
    }

    pub fn set_mode(&self, path: &str, mode: u32) {
        let path = self.path().join(path);
        let set = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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
            .env_remove("WINDLASS_TRUST")
            .env_remove("SUDO_UID")
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
