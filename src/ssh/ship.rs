//! Ships the agent: the commands that find it on a host and place it there, and what their answers mean.

use crate::agent_binary::{AgentBinary, Packing};
use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use std::sync::LazyLock;

const FIND: &str = include_str!("ship/find.sh");
const PLACE: &str = include_str!("ship/place.sh");
const KILL: &str = include_str!("ship/kill.sh");
const LINE: &str = include_str!("ship/line.sh");
const ASK_SUDO: &str = include_str!("ship/sudo.sh");
const ASK_SU: &str = include_str!("ship/su.sh");
const ANNOUNCE: &str = include_str!("ship/announce.sh");

/// Starts what a host without a known agent says.
const HOST: &str = "windlass-host ";
const FOLDER: &str = "windlass-folder ";
const STATE: &str = "windlass-state ";
const END: &str = "windlass-end";

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
    /// OpenBSD's doas, which takes no password without a terminal.
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
    /// Where an agent can be placed and executed; `None` when no folder allows that.
    pub folder: Option<String>,
    /// Where windlass keeps its memory there.
    pub state: HostPath,
}

/// The command that runs one of `agents` if the host has it.
pub fn find(agents: &[&AgentBinary], becoming: Option<&Become>) -> String {
    let known = agents.iter().map(|agent| format!(" {}:{}", agent.digest, agent.raw_size));
    sh(becoming, FIND, &known.collect::<String>())
}

/// The command that places `agent`, whose bytes follow on stdin packed as `packing`, in the folder that the host named.
pub fn place(
    agent: &AgentBinary,
    packing: Packing,
    bare: &Bare,
    becoming: Option<&Become>,
) -> Result<String> {
    let folder = bare.folder.as_deref().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if !folder.starts_with('/') || !folder.bytes().all(plain) {
        return Err(Failure::new(
            "place the agent",
            format!("{folder:?} is no folder that a name can be trusted with"),
        )
        .hint("set XDG_CACHE_HOME of that login to a plain path"));
    }
    Ok(sh(becoming, PLACE, &format!(" {folder} {} {}", agent.digest, packing.name())))
}

/// Starts the line in which a shell tells its process number before it does anything else.
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
    let lines: Vec<&str> = said.lines().skip_while(|line| !line.starts_with(HOST)).take(4).collect();
    let [host, folder, state, END] = lines[..] else { return None };
    let mut words = host.strip_prefix(HOST)?.split(' ');
    Some(Bare {
        system: words.next()?.to_string(),
        machine: words.next()?.to_string(),
        unpacks: words.filter_map(Packing::named).collect(),
        folder: Some(folder.strip_prefix(FOLDER)?).filter(|folder| *folder != "-").map(str::to_string),
        state: HostPath::from(state.strip_prefix(STATE)?),
    })
}

/// Why a host said neither: usually the words of sudo or of a login that is closed.
pub fn explain(becoming: Option<&Become>, status: Option<u32>, said: &str) -> Failure {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let ended = status
        .map_or_else(|| "it ended without a status".to_string(), |status| format!("exit status {status}"));
    let doing = becoming.map_or_else(|| "start the agent".to_string(), |who| format!("become {}", who.user));
    let failure = Failure::new(doing, format!("{ended}: {last}"));
    match becoming {
        Some(_) if last.contains("password") => {
            failure.hint("give the login the right to sudo without a password, or pass --ask-become-pass")
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
        (Method::Doas, _) => format!("doas -n -u {user} /bin/sh"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Stdio};

    #[test]
    fn scripts_pass_through_every_login_shell() {
        for script in [FIND, PLACE, KILL, LINE, ASK_SUDO, ASK_SU, ANNOUNCE] {
            let line = one_line(script);
            assert!(!line.contains(['\'', '!', '\\', '\n']), "{line}");
        }
    }

    #[test]
    fn a_line_ends_with_all_that_it_started_when_its_input_ends() {
        let line = watched_line("sleep 600 & echo started; wait", None);
        let mut child = process("/bin/sh", &line);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut started = String::new();
        output.read_line(&mut started).unwrap();
        drop(child.stdin.take());
        // The end of its output comes when nothing of it runs any more.
        output.read_to_string(&mut started).unwrap();
        assert_eq!((started.as_str(), child.wait().unwrap().success()), ("started\n", false));
    }

    #[test]
    fn a_line_ends_as_its_command_does_and_leaves_what_it_detached() {
        let mut child = process("/bin/sh", &watched_line("read x; echo \"it's $x.\"; exit 3", None));
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert_eq!((output.as_str(), child.wait().unwrap().code()), ("it's .\n", Some(3)));
    }

    #[expect(clippy::disallowed_methods, reason = "a host's shell is played by this machine's")]
    fn process(shell: &str, line: &str) -> Child {
        let mut command = std::process::Command::new(shell);
        command.args(["-c", line]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    #[test]
    fn reads_what_a_bare_host_says_after_noise() {
        let said =
            b"Welcome!\nwindlass-host Linux x86_64 xz gzip raw\nwindlass-folder /home/a/.cache/windlass-1000\n\
            windlass-state /home/a b/.local/state/windlass\nwindlass-end\n";
        let bare = bare(said).unwrap();
        assert_eq!(bare.machine, "x86_64");
        assert_eq!(bare.unpacks, [Packing::Xz, Packing::Gzip, Packing::Raw]);
        assert_eq!(bare.folder.as_deref(), Some("/home/a/.cache/windlass-1000"));
        assert_eq!(bare.state, HostPath::from("/home/a b/.local/state/windlass"));
    }

    #[test]
    fn a_host_where_nothing_may_be_executed_has_no_folder() {
        let said = b"windlass-host Linux mips raw\nwindlass-folder -\nwindlass-state /var/lib/windlass\nwindlass-end\n";
        assert_eq!(bare(said).unwrap().folder, None);
    }

    #[test]
    fn a_shell_tells_its_number_in_a_whole_line() {
        assert_eq!(shell_pid(b"Welcome!\nwindlass-pid 4711\n"), Some(4711));
        assert_eq!(shell_pid(b"Welcome!\nwindlass-pid 47"), None);
    }

    #[test]
    fn noise_and_half_an_answer_are_no_answer() {
        assert_eq!(bare(b"This account is currently not available.\n"), None);
        assert_eq!(bare(b"windlass-host Linux x86_64 gzip\nwindlass-folder /tmp\n"), None);
    }

    #[test]
    fn a_folder_that_a_host_names_is_never_pasted_unless_it_is_plain() {
        let agents = crate::agent_binary::able(false).unwrap();
        let bare = Bare {
            system: "Linux".into(),
            machine: "x86_64".into(),
            unpacks: vec![Packing::Raw],
            folder: Some("/tmp/$(reboot)".into()),
            state: HostPath::from("/var/lib/windlass"),
        };
        assert!(place(agents[0], Packing::Raw, &bare, None).is_err());
    }

    #[test]
    fn says_what_to_do_when_sudo_wants_a_password() {
        let root = Become { method: Method::Sudo, user: "root".into(), password: false };
        assert_eq!(
            explain(Some(&root), Some(1), "sudo: a password is required\n").to_string(),
            "become root: exit status 1: sudo: a password is required\n  hint: give the login the right to sudo without \
             a password, or pass --ask-become-pass"
        );
    }
}
