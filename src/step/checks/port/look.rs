//! What `look.sh` prints, read: sockets that listen, the processes that hold them, and the containers that run.

use crate::model::op::Command;
use crate::model::{Failure, Result, Value};
use crate::system::Probe;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The question, asked of a host's sh.
const LOOK: &str = include_str!("look.sh");

/// dockerd gets up to 10 seconds for each of a few questions; everything else is quick.
const LOOK_TIME: Duration = Duration::from_secs(90);

/// A line that no look prints: it marks what a look will print.
const PREDICTED: &str = "predicted";

/// What was seen.
#[derive(Debug, Default)]
pub struct Look {
    /// Whether this is what will be seen once orphans have been ended, and not what is seen now.
    pub predicted: bool,
    /// Whether everything can be seen: whether root asked.
    pub root: bool,
    /// Everything that listens.
    pub sockets: Vec<Socket>,
    /// Those that hold sockets.
    pub processes: Vec<Process>,
    /// What the docker program says.
    pub docker: Docker,
    /// Names of the daemons of Docker's that run: `dockerd`, `containerd-shim`.
    pub daemons: Vec<String>,
    /// Those that run.
    pub containers: Vec<Container>,
}

/// A socket that listens.
#[derive(Debug, PartialEq)]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Where it listens.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// Names it.
    pub inode: String,
    /// The processes that have it open, oldest first.
    pub pids: Vec<u32>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// When it was started, in the kernel's ticks since boot: with the pid it names the process.
    pub start: String,
    /// As the kernel has it, at most 15 bytes.
    pub name: String,
    /// Its parent's name.
    pub parent_name: String,
    /// Its control group.
    pub cgroup: String,
    /// Its command line as it was printed, each word ended by `\x1f`.
    pub line: String,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without the slash.
    pub name: String,
    /// Its service, when compose made it.
    pub service: String,
    /// In all its networks.
    pub addresses: Vec<IpAddr>,
    /// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`
    pub ports: Value,
}

/// Whether Docker can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Docker {
    /// It said which containers run.
    Answers,
    /// There is a docker program and it gets no answer.
    Silent,
    /// There is none.
    #[default]
    Absent,
}

/// The question.
pub fn question() -> Command {
    Command { timeout: Some(LOOK_TIME), ..Command::new(["sh", "-c", LOOK, "sh"]) }
}

/// Asks it. Returns the answer as it was printed, too.
pub fn look(host: &dyn Probe) -> Result<(Look, String)> {
    let answer = host.ask(&question())?;
    let text = answer.text();
    if answer.total > answer.stdout.len() as u64 {
        return Err(Failure::new("see what listens", "the answer is longer than windlass keeps"));
    }
    match text.lines().any(|line| line.starts_with("docker\t")) {
        true => Ok((read(&text), text)),
        false => {
            let why = answer.last_words().unwrap_or_else(|| format!("status {}", answer.status));
            Err(Failure::new("see what listens", why))
        }
    }
}

/// Reads what the script printed. Lines that are not understood were not printed by it.
pub fn read(text: &str) -> Look {
    let mut look = Look::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            [PREDICTED] => look.predicted = true,
            ["user", id] => look.root = id == "0",
            ["socket", table, at, inode] => look.sockets.extend(socket(table, at, inode)),
            ["holder", inode, pid] => look.hold(inode, pid),
            ["process", pid, parent, start, name, parent_name, cgroup, line] => {
                let process = process(pid, parent, [start, name, parent_name, cgroup, line]);
                look.processes.extend(process);
            }
            ["daemon", name] => look.daemons.push(name.to_string()),
            ["container", id, name, service, addresses, ports] => {
                look.containers.push(container(id, name, service, addresses, ports));
            }
            ["docker", "answers"] => look.docker = Docker::Answers,
            ["docker", "silent"] => look.docker = Docker::Silent,
            _ => {}
        }
    }
    look
}

/// What will be printed once these processes and the sockets that only they hold are gone.
pub fn without(text: &str, pids: &[u32]) -> String {
    let gone = |pid: &str| pid.parse().is_ok_and(|pid| pids.contains(&pid));
    let look = read(text);
    let freed = |inode: &str| {
        let socket = look.sockets.iter().find(|socket| socket.inode == inode);
        socket
            .is_some_and(|socket| !socket.pids.is_empty() && socket.pids.iter().all(|pid| pids.contains(pid)))
    };
    let stays = |line: &&str| match line.split('\t').collect::<Vec<_>>()[..] {
        ["socket", _, _, inode] => !freed(inode),
        ["holder", _, pid] | ["process", pid, ..] => !gone(pid),
        _ => true,
    };
    let rest = text.lines().filter(stays).filter(|line| *line != PREDICTED);
    rest.chain([PREDICTED]).map(|line| format!("{line}\n")).collect()
}

impl Look {
    /// The process with this id.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.iter().find(|process| process.pid == pid)
    }

    /// Whether a daemon whose name begins so runs.
    pub fn runs(&self, name: &str) -> bool {
        self.daemons.iter().any(|daemon| daemon.starts_with(name))
    }

    fn hold(&mut self, inode: &str, pid: &str) {
        let Ok(pid) = pid.parse() else { return };
        for socket in self.sockets.iter_mut().filter(|socket| socket.inode == inode) {
            socket.pids.push(pid);
            socket.pids.sort_unstable();
        }
    }
}

impl Process {
    /// The words of its command line.
    pub fn words(&self) -> Vec<&str> {
        self.line.split_terminator('\x1f').collect()
    }

    /// The unit of systemd's that it belongs to: the innermost that its control group names.
    pub fn unit(&self) -> Option<&str> {
        let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
        self.cgroup.rsplit('/').find(is_unit)
    }
}

fn socket(table: &str, at: &str, inode: &str) -> Option<Socket> {
    let (address, port) = at.split_once(':')?;
    let protocol = if table.starts_with("tcp") { "tcp" } else { "udp" };
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = inode.to_string();
    Some(Socket { protocol, address: address_of(address)?, port, inode, pids: Vec::new() })
}

/// The kernel writes an address as words of 32 bits in the processor's byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    if hex.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    let bytes: [u8; 16] = words.concat().try_into().ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(bytes)))
}

fn process(pid: &str, parent: &str, rest: [&str; 5]) -> Option<Process> {
    let (pid, parent) = (pid.parse().ok()?, parent.parse().ok()?);
    let [start, name, parent_name, cgroup, line] = rest.map(str::to_string);
    Some(Process { pid, parent, start, name, parent_name, cgroup, line })
}

fn container(id: &str, name: &str, service: &str, addresses: &str, ports: &str) -> Container {
    Container {
        id: id.to_string(),
        name: name.trim_start_matches('/').to_string(),
        service: if service == "<no value>" { String::new() } else { service.to_string() },
        addresses: addresses.split(' ').filter_map(|address| address.parse().ok()).collect(),
        ports: serde_json::from_str(ports).unwrap_or_default(),
    }
}
