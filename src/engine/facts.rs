//! Facts: what a host is like, read from it when an expression first names them. One table lists them; the reference
//! and the lookup walk it. Nearly all come from files, because starting processes on thousands of hosts adds up.

mod machine;
mod programs;
mod system;

use crate::model::{Result, Value};
use crate::system::Probe;

/// A fact: `facts.NAME` in expressions.
pub struct Fact {
    /// What it is called.
    pub name: &'static str,
    /// What it holds, for the reference.
    pub about: &'static str,
    /// Reads it. What the host does not tell is null; a failure is a host that cannot be read.
    pub read: fn(&dyn Probe) -> Result<Value>,
}

/// Every fact, in the order of the reference.
pub static FACTS: &[Fact] = &ROWS;

const ROWS: [Fact; 15] = [
    Fact {
        name: "os",
        about: "{ id, version, codename, name, family }: debian, 12, bookworm, Debian GNU/Linux 12 (bookworm), debian",
        read: system::os,
    },
    Fact { name: "hostname", about: "the host's own name", read: system::hostname },
    Fact { name: "kernel", about: "release of the kernel: 6.1.0-28-amd64", read: system::kernel },
    Fact { name: "arch", about: "kind of processor: x86_64, aarch64 …", read: system::arch },
    Fact { name: "boot_id", about: "changes each time the host is booted", read: system::boot_id },
    Fact { name: "time_zone", about: "Europe/Berlin, UTC …", read: system::time_zone },
    Fact { name: "user", about: "{ name, id }: the user that windlass works as there", read: system::user },
    Fact { name: "cpus", about: "number of processors", read: machine::cpus },
    Fact { name: "memory", about: "{ total, available } in bytes", read: machine::memory },
    Fact {
        name: "disk",
        about: "by where it is mounted: { size, free, device }, in bytes: facts.disk['/'].free",
        read: machine::disk,
    },
    Fact {
        name: "mounts",
        about: "list of { path, device, type, options } of what is mounted",
        read: machine::mounts,
    },
    Fact {
        name: "addresses",
        about: "list of its IP addresses, v4 first, without loopback and link-local ones",
        read: machine::addresses,
    },
    Fact { name: "systemd", about: "whether systemd runs the host", read: programs::systemd },
    Fact {
        name: "docker",
        about: "{ installed, running, version } of the Docker daemon; version is null where none is installed",
        read: programs::docker,
    },
    Fact { name: "nginx", about: "{ installed, running }", read: programs::nginx },
];

const NAMES: [&str; ROWS.len()] = {
    let mut names = [""; ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ROWS[index].name;
        index += 1;
    }
    names
};

/// The names that there are.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// Reads one fact; `None` when there is none of that name.
pub fn read(name: &str, host: &dyn Probe) -> Option<Result<Value>> {
    FACTS.iter().find(|fact| fact.name == name).map(|fact| (fact.read)(host))
}

#[cfg(all(test, feature = "controller"))]
mod tests;
