//! Ships the agent: the commands that find it on a host and place it there, and what their answers mean.

use crate::agent_binary::{AgentBinary, Packing};
use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use std::sync::LazyLock;

const ENTER: &str = include_str!("ship/enter.sh");
const FIND: &str = include_str!("ship/find.sh");
const PLACE: &str = include_str!("ship/place.sh");
const KILL: &str = include_str!("ship/kill.sh");
const LINE: &str = include_str!("ship/line.sh");
const ASK_SUDO: &str = include_str!("ship/sudo.sh");
const ASK_SU: &str = include_str!("ship/su.sh");
const ASK_DOAS: &str = include_str!("ship/doas.sh");
const ANNOUNCE: &str = include_str!("ship/announce.sh");

/// Starts what a host without a known agent says.
const HOST: &str = "windlass-host ";
const DIRECTORY: &str = "windlass-directory ";
const STATE: &str = "windlass-state ";
const END: &str = "windlass-end";

/// [`find`] says no more lines than this.
const LINES_LIMIT: usize = 16;

/// What [`place`] says when the agent is where it belongs.
pub const PLACED: &str = "windlass-placed";

/// How a login becomes another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Become {
    /// The program that does it.
    pub method: Method,
    /// Whom to become.
    pub user: String,
    /// Whether there is a password, for when the program asks.
    pub password: bool,
}

impl Become {
    /// Whether the program may ask for something before the command starts: see `elevate`.
    pub fn asks(&self) -> bool {
        self.password || self.method == Method::Su
    }
}

/// A program that runs another as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// sudo.
    Sudo,
    /// OpenBSD's doas, which reads a password from a terminal only.
    Doas,
    /// su, which takes the password of the other user.
    Su,
}

impl Method {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Sudo => "sudo",
            Method::Doas => "doas",
            Method::Su => "su",
        }
    }
}

/// A random word, by which prompts and announcements are known to be the ones that were asked for.
pub static NONCE: LazyLock<String> = LazyLock::new(|| format!("windlass-{:032x}", rand::random::<u128>()));

/// A host that has none of our agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// `Linux`.
    pub system: String,
    /// What `uname -m` says.
    pub machine: String,
    /// What it can unpack, the smallest first.
    pub unpacks: Vec<Packing>,
    /// Where an agent can be placed and executed, the best first; empty when no directory allows that.
    pub directories: Vec<String>,
    /// Where windlass keeps its state there.
    pub state: HostPath,
}

/// The command that runs one of `agents` if the host has it.
pub fn find(agents: &[&AgentBinary], becoming: Option<&Become>) -> String {
    let known = agents.iter().map(|agent| format!(" {}:{}", agent.digest, agent.raw_size));
    sh(becoming, &entering(FIND), &known.collect::<String>())
}

/// The command that places `agent`, whose bytes follow on stdin packed as `packing`, in a directory that the host named.
pub fn place(
    agent: &AgentBinary,
    packing: Packing,
    directory: &str,
    becoming: Option<&Become>,
) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !directory.starts_with('/') || !directory.bytes().all(plain) {
        return Err(Failure::new(
            "place the agent",
            format!("the name of the directory {directory:?} cannot be passed through every login shell"),
        )
        .hint("set XDG_CACHE_HOME of that login to a plain path"));
    }
    Ok(sh(becoming, &entering(PLACE), &format!(" {directory} {} {}", agent.digest, packing.name())))
}

/// A script that first says how a directory is entered.
fn entering(script: &str) -> String {
    format!("u=$(id -u);\n{ENTER}\n{script}")
}

/// Starts the line in which a shell prints its process number before it does anything else.
const PID: &str = "windlass-pid ";

/// The command for a host that is worked through its shell. See [`shell_pid`].
pub fn shell(becoming: Option<&Become>) -> String {
    sh(becoming, &format!("echo {PID}$$; exec /bin/sh"), "")
}

/// The process number of the shell, out of what it has said so far.
pub fn shell_pid(said: &[u8]) -> Option<u32> {
    let said = String::from_utf8_lossy(said);
    let (whole, _) = said.rsplit_once('\n')?;
    whole.lines().find_map(|line| line.strip_prefix(PID)?.trim().parse().ok())
}

/// The command that ends the shell of this process number and everything below it.
pub fn kill_shell(pid: u32, becoming: Option<&Become>) -> String {
    sh(becoming, KILL, &format!(" {pid}"))
}

/// The command for one line of shell text, which ends, with all that it started, when its standard input ends.
pub fn watched_line(text: &str, becoming: Option<&Become>) -> String {
    let shell = if becoming.is_some() { "/bin/sh" } else { "" };
    let words = Command::new([shell, text]).shown();
    sh(becoming, LINE, &format!(" {words}"))
}

/// The command for one line of shell text.
pub fn line(text: &str, becoming: Option<&Become>) -> String {
    match becoming {
        None => text.to_string(),
        Some(who) => {
            let text = Command::new([text]).shown();
            format!("exec {} -c {text} windlass", program(who))
        }
    }
}

/// Reads what [`find`] says when it finds no agent, out of whatever else the login printed; `None` when it is not there.
pub fn bare(said: &[u8]) -> Option<Bare> {
    let said = String::from_utf8_lossy(said);
    let mut lines = said.lines().skip_while(|line| !line.starts_with(HOST)).take(LINES_LIMIT);
    let mut words = lines.next()?.strip_prefix(HOST)?.split(' ');
    let (system, machine) = (words.next()?.to_string(), words.next()?.to_string());
    let unpacks = words.filter_map(Packing::named).collect();
    let mut directories = Vec::new();
    let mut line = lines.next()?;
    while let Some(directory) = line.strip_prefix(DIRECTORY) {
        directories.push(directory.to_string());
        line = lines.next()?;
    }
    let state = HostPath::from(line.strip_prefix(STATE)?);
    (lines.next()? == END).then_some(Bare { system, machine, unpacks, directories, state })
}

/// Why a host said neither: usually the words of sudo or of a login that is closed.
pub fn explain(becoming: Option<&Become>, status: Option<u32>, said: &str) -> Failure {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let ended = status
        .map_or_else(|| "it ended without a status".to_string(), |status| format!("exit status {status}"));
    let doing = becoming.map_or_else(|| "start the agent".to_string(), |who| format!("become {}", who.user));
    let failure = Failure::new(doing, format!("{ended}: {last}"));
    match becoming {
        Some(_) if last.contains("password") || last.contains("Authentication required") => {
            let program = becoming.map_or("sudo", |who| who.method.name());
            failure.hint(format!(
                "give the login the right to {program} without a password, or pass --ask-become-pass"
            ))
        }
        Some(who) if last.contains("not found") => failure.hint(match who.method {
            Method::Sudo => "install sudo on the host, or log in as root and set become = false",
            Method::Doas => "install doas on the host, or use become_method = \"sudo\"",
            Method::Su => "install su on the host, or use become_method = \"sudo\"",
        }),
        _ => failure.hint("try the same login by hand: ssh HOST /bin/sh -c true"),
    }
}

fn sh(becoming: Option<&Become>, script: &str, arguments: &str) -> String {
    let program = becoming.map_or_else(|| "/bin/sh".to_string(), program);
    format!("exec {program} -c '{}' windlass{arguments}", one_line(script))
}

/// What stands for `/bin/sh` where the login becomes another user first.
fn program(who: &Become) -> String {
    let user = &who.user;
    match (who.method, who.password) {
        (Method::Sudo, false) => format!("sudo -n -H -u {user} -- /bin/sh"),
        (Method::Doas, false) => format!("doas -n -u {user} /bin/sh"),
        (Method::Doas, true) => asking(ASK_DOAS, user),
        (Method::Sudo, true) => asking(ASK_SUDO, user),
        (Method::Su, _) => asking(ASK_SU, user),
    }
}

/// A shell that becomes `user`, after a question perhaps, then announces itself and does what follows: `-c SCRIPT …`.
fn asking(script: &str, user: &str) -> String {
    format!("/bin/sh -c '{}' {} {user} '{}'", one_line(script), *NONCE, one_line(ANNOUNCE))
}

fn one_line(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(all(test, feature = "controller"))]
mod tests;
