//! `windlass demo`: three throw-away hosts on loopback, and a shipped playbook run on them as a person would run it.
//!
//! The SSH servers run in this process; each command is this same program, started again, so that nothing but the
//! hosts is staged.

pub mod hosts;
pub mod server;

use crate::model::job::RunId;
use crate::model::outcome::HostOutcome;
use crate::model::{Doing, Failure, Result};
use crate::record::{RunStore, Sqlite};
use hosts::{DAEMON_JSON, HOSTS};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use server::{FolderHost, Server};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// What may be asked of the demo.
#[derive(Clone, Debug)]
pub struct Options {
    /// Leave the hosts up until Ctrl-C, and their folders where they are.
    pub keep: bool,
    /// The program that plays windlass: this one, except in tests.
    pub program: PathBuf,
}

/// The playbook that is run.
const PLAYBOOK: &str = include_str!("../playbooks/fix-dns.toml");

/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// An interrupted command finishes the step in hand; one that takes longer is killed.
const LAST_STEP: Duration = Duration::from_secs(30);

/// Shows windlass at work and cleans up. Returns the exit code: 0, that of the first command that failed, or 130 after
/// Ctrl-C. Fails when the hosts cannot be made.
pub async fn run(options: &Options) -> Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt()).doing("watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).doing("watch for the signal TERM")?;
    let stage = Stage::set().await?;
    let shown = tokio::select! {
        shown = show(&stage, options, &mut interrupt) => shown,
        _ = terminate.recv() => Ok(INTERRUPTED),
    };
    let gone = say(&stage.take_down(options.keep));
    shown.and_then(|code| gone.map(|()| code))
}

/// The hosts while they are up, and the project that knows them.
struct Stage {
    folder: TempDir,
    /// Held for as long as the hosts are to be up.
    servers: Vec<Server>,
}

impl Stage {
    /// Makes folders, keys, servers and project.
    async fn set() -> Result<Self> {
        let ours_alone = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new()
            .prefix("windlass-demo-")
            .permissions(ours_alone)
            .tempdir()
            .doing("create a directory for the demo")?;
        let key = new_key()?;
        let mut stage = Stage { folder, servers: Vec::new() };
        let mut known_hosts = String::new();
        for host in HOSTS {
            let host_key = new_key()?;
            hosts::prepare(&stage.host_folder(host.name), host)?;
            let public = host_key.public_key().to_openssh().doing("write a host key")?;
            let client_key = key.public_key().clone();
            let server =
                Server::start(FolderHost { folder: stage.host_folder(host.name), host_key, client_key })
                    .await?;
            let _infallible = writeln!(known_hosts, "[127.0.0.1]:{} {public}", server.address.port());
            stage.servers.push(server);
        }
        stage.write("known_hosts", &known_hosts)?;
        stage.write("key", &key.to_openssh(LineEnding::LF).doing("write the demo's key")?)?;
        stage.write("project/inventories/demo.toml", &stage.inventory())?;
        stage.write("project/playbooks/fix-dns.toml", PLAYBOOK)?;
        Ok(stage)
    }

    fn inventory(&self) -> String {
        let folder = self.folder.path().display();
        let mut text = format!(
            "# The hosts of `windlass demo`. They are directories: {folder}/NAME\n[ssh]\nuser = \"{user}\"\n\
             identity = \"{folder}/key\"\nidentities_only = true\nknown_hosts = \"{folder}/known_hosts\"\n",
            user = server::USER,
        );
        for (host, server) in HOSTS.iter().zip(&self.servers) {
            let (name, port) = (host.name, server.address.port());
            let _infallible = write!(
                text,
                "\n[hosts.{name}]    # {}\naddress = \"127.0.0.1\"\nssh = {{ port = {port} }}\n",
                host.about
            );
        }
        text
    }

    fn host_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Writes a file of ours, readable by nobody else: one of them is a private key.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.path().join(name);
        let doing = format!("write {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(&path)).doing(&doing)?;
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).doing(&doing)?;
        file.write_all(text.as_bytes()).doing(&doing)
    }

    /// Stops the servers, removes the folders unless they are to be kept, and says what is left.
    fn take_down(self, keep: bool) -> String {
        drop(self.servers);
        let name = self.folder.path().display().to_string();
        if keep {
            let _now_the_persons = self.folder.keep();
            return format!("\nThe hosts are down. Their directories stay: {name}\n");
        }
        match self.folder.close() {
            Ok(()) => format!("\nThe hosts are gone, and {name} with them.\n"),
            Err(why) => format!("\nThe hosts are gone, but {name} is not: {why}\n"),
        }
    }
}

/// What is said is the answer, so it goes to standard output.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).doing("write to standard output")
}

fn new_key() -> Result<PrivateKey> {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).doing("make a key")
}

/// A command of the demo, with what is said before it.
struct Act {
    words: &'static str,
    arguments: &'static [&'static str],
}

const ACTS: &[Act] = &[
    Act {
        words: "What would fix-dns change? With --check nothing is touched.",
        arguments: &["--check", "--diff"],
    },
    Act { words: "Now for real, on all three at once.", arguments: &[] },
    Act { words: "And again: everything is as it should be, so nothing is left to do.", arguments: &[] },
];

async fn show(stage: &Stage, options: &Options, interrupt: &mut tokio::signal::unix::Signal) -> Result<u8> {
    say(&introduction(stage))?;
    for act in ACTS {
        let arguments = [&["run", "playbook", "fix-dns", "--hosts", "demo"], act.arguments].concat();
        match tell_and_perform(stage, options, act.words, &arguments, interrupt).await? {
            0 => {}
            code => return Ok(code),
        }
    }
    say(&what_happened(stage)?)?;
    if let Some(run) = run_that_changed(stage)? {
        let words = "And back, byte for byte: what a run changed can be undone.";
        match tell_and_perform(stage, options, words, &["runs", "undo", run.as_str()], interrupt).await? {
            0 => {}
            code => return Ok(code),
        }
    }
    if options.keep {
        say(&how_to_go_on(stage))?;
        interrupt.recv().await;
    }
    Ok(0)
}

/// The newest run that changed a host.
fn run_that_changed(stage: &Stage) -> Result<Option<RunId>> {
    let Some(opened) = Sqlite::open_existing(&stage.project().join(".windlass"))? else { return Ok(None) };
    let runs = opened.store.list(ACTS.len())?.lines;
    let changed = |(outcome, _): &(HostOutcome, usize)| *outcome == HostOutcome::Changed;
    Ok(runs.into_iter().find(|line| !line.check && line.outcomes.iter().any(changed)).map(|line| line.run))
}

async fn tell_and_perform(
    stage: &Stage,
    options: &Options,
    words: &str,
    arguments: &[&str],
    interrupt: &mut tokio::signal::unix::Signal,
) -> Result<u8> {
    say(&format!("\n{words}\n$ windlass {}\n", arguments.join(" ")))?;
    perform(stage, options, arguments, interrupt).await
}

/// Runs one command to its end. Ctrl-C reaches it too, since it runs in our terminal; it gets time to end well.
async fn perform(
    stage: &Stage,
    options: &Options,
    arguments: &[&str],
    interrupt: &mut tokio::signal::unix::Signal,
) -> Result<u8> {
    let mut command = start(stage, options, arguments)?;
    tokio::select! {
        status = command.wait() => Ok(code_of(status.doing("wait for windlass")?)),
        _ = interrupt.recv() => {
            // Whether it ended in time or is killed when dropped, the demo is over.
            let _either_way = tokio::time::timeout(LAST_STEP, command.wait()).await;
            Ok(INTERRUPTED)
        }
    }
}

fn start(stage: &Stage, options: &Options, arguments: &[&str]) -> Result<Child> {
    Command::new(&options.program)
        .arg("--project")
        .arg(stage.project())
        .args(arguments)
        // A person's own SSH settings and keys are not for these hosts.
        .env("HOME", stage.folder.path())
        .env_remove("SSH_AUTH_SOCK")
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| Failure::new(format!("start {}", options.program.display()), why))
}

fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INTERRUPTED)
}

fn introduction(stage: &Stage) -> String {
    let mut text = String::from(
        "Three hosts are up on this machine, each an SSH server on 127.0.0.1 whose whole world is a directory. Real are \
         SSH,\nthe keys, the agent that windlass sends, and every file it writes. Docker and systemd are played by \
         little scripts\nin each host's usr/bin. Nothing outside these directories is touched.\n\n",
    );
    for host in HOSTS {
        let folder = stage.host_folder(host.name);
        let _infallible = writeln!(text, "  {:5} {}\n        {}", host.name, folder.display(), host.about);
    }
    text.push_str(
        "\nTheir containers cannot resolve names: dockerd hands them 127.0.0.53, which only the host itself can \
         reach.\nThe shipped playbook fix-dns gives dockerd resolvers that containers can reach, and restarts it \
         where that changed.\n",
    );
    text
}

fn what_happened(stage: &Stage) -> Result<String> {
    let host = &HOSTS[0];
    let path = stage.host_folder(host.name).join(DAEMON_JSON);
    let after = fs::read_to_string(&path).doing(format_args!("read {}", path.display()))?;
    let before = host.daemon_json.unwrap_or_default();
    Ok(format!(
        "\nWhat happened on {}: the key was merged into its file; see what became of the rest of it.\n\n\
         /{DAEMON_JSON} before:\n{}\n/{DAEMON_JSON} after:\n{}",
        host.name,
        indented(before),
        indented(&after)
    ))
}

fn how_to_go_on(stage: &Stage) -> String {
    let project = stage.project();
    let project = project.display();
    format!(
        "\nThe hosts stay up until Ctrl-C. In another terminal:\n  \
         windlass --project {project} run command --hosts demo -- docker run --rm alpine cat /etc/resolv.conf\n  \
         windlass --project {project} runs list\n"
    )
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |shown, line| shown + "  " + line + "\n")
}

#[cfg(test)]
mod tests;
