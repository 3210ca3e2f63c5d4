//! A free port of the host's own for a new container.

use crate::docker::Docker;
use crate::docker::container::Binding;
use crate::model::digest::Digest;
use crate::model::op::Command;
use crate::model::{Doing, Failure, Result};
use crate::system::Probe;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where ports are looked for: below those that Linux gives to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// So many ports after the first are tried.
const TRIES: u16 = 200;

/// Containers that are asked about at once.
const AT_ONCE: usize = 200;

/// A port that nothing listens on and no container asks for, stopped ones included: they may come back. It is near a
/// port that follows from the name, so that the same container finds the same few.
pub fn free(docker: &Docker, name: &str) -> Result<u16> {
    let mut taken = listening(docker.host())?;
    taken.extend(asked_for(docker)?);
    let hash = Digest::of(name.as_bytes());
    let start = u16::from_str_radix(&hash.as_str()[..4], 16).unwrap_or_default() % COUNT;
    let tries = (0..TRIES).map(|step| FIRST + (start + step) % COUNT);
    let mut free = tries.filter(|port| !taken.contains(port));
    free.next().ok_or_else(|| {
        Failure::new("find a free port", format!("{TRIES} ports from {} on are taken", FIRST + start))
    })
}

/// The local ports of every TCP socket, whatever its state.
fn listening(host: &dyn Probe) -> Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let bytes = host.read(Path::new(table))?.unwrap_or_default();
        ports.extend(String::from_utf8_lossy(&bytes).lines().filter_map(local_port));
    }
    Ok(ports)
}

/// `  0: 0100007F:1F90 00000000:0000 0A …`
fn local_port(line: &str) -> Option<u16> {
    let address = line.split_whitespace().nth(1)?;
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

fn asked_for(docker: &Docker) -> Result<BTreeSet<u16>> {
    let ids = docker.text(&Command::new(["docker", "container", "ls", "--all", "--quiet"]))?;
    let ids: Vec<&str> = ids.lines().collect();
    let mut ports = BTreeSet::new();
    for some in ids.chunks(AT_ONCE) {
        let question = ["docker", "container", "inspect", "--format", "{{json .HostConfig.PortBindings}}"];
        let text = docker.text(&Command::new(question.iter().chain(some).copied()))?;
        for line in text.lines() {
            let bindings: Option<BTreeMap<String, Option<Vec<Binding>>>> =
                serde_json::from_str(line).doing("read what docker container inspect says")?;
            let bindings = bindings.unwrap_or_default();
            let all = bindings.values().flatten().flatten();
            ports.extend(all.filter_map(|binding| binding.host_port.parse::<u16>().ok()));
        }
    }
    Ok(ports)
}
