//! Who holds a port, inferred from what was seen. What is not proved is not said.

use super::look::{Container, Docker, Look, Process, Socket};
use crate::model::Value;
use serde_json::json;
use std::net::IpAddr;

/// Who holds a port.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// A `docker-proxy` that nothing needs any more, with the proof.
    Orphan { process: Process, to: String, proof: String },
    /// A container that runs, through its `docker-proxy`, by itself, or only by rules of the kernel.
    Container { name: String, service: String, process: Option<Process> },
    /// A unit of systemd's.
    Unit { unit: String, process: Process, others: usize },
    /// Any other process.
    Process { process: Process, others: usize },
    /// No process of this host's: the kernel itself, or one in another PID namespace.
    Outside,
    /// Something, and it cannot be known what it is, or whether it is needed.
    Unclear { process: Option<Process>, why: String, hint: String },
}

/// Who holds this socket.
pub fn of(socket: &Socket, look: &Look) -> Holder {
    let processes: Vec<&Process> = socket.pids.iter().filter_map(|pid| look.process(*pid)).collect();
    // Of a daemon and its workers, the one whose parent does not hold the socket is the daemon.
    let first = processes.iter().find(|process| !socket.pids.contains(&process.parent));
    let Some(process) = first.or(processes.first()) else { return unseen(look) };
    if let Some(proxy) = Proxy::read(process, socket) {
        return proxy.holder(process, look);
    }
    let process = (*process).clone();
    let others = processes.len() - 1;
    if let Some(container) = look.containers.iter().find(|one| process.cgroup.contains(&one.id)) {
        return in_container(container, Some(process));
    }
    match process.unit().filter(|unit| unit.ends_with(".service")) {
        Some(unit) => Holder::Unit { unit: unit.to_string(), process, others },
        None => Holder::Process { process, others },
    }
}

/// The container that publishes a port without any process that listens: dockerd does so without its userland proxy.
pub fn publisher(protocol: &str, port: u16, look: &Look) -> Option<Holder> {
    let container = look.containers.iter().find(|container| publishes(container, protocol, port, None))?;
    Some(in_container(container, None))
}

/// Root sees every process of the host.
fn unseen(look: &Look) -> Holder {
    if look.root {
        return Holder::Outside;
    }
    let (why, hint) = ("a process that only root can see", "run it with become");
    Holder::Unclear { process: None, why: why.to_string(), hint: hint.to_string() }
}

fn in_container(container: &Container, process: Option<Process>) -> Holder {
    Holder::Container { name: container.name.clone(), service: container.service.clone(), process }
}

/// What a `docker-proxy` was started for.
struct Proxy<'a> {
    protocol: &'a str,
    host_port: u16,
    address: IpAddr,
    port: u16,
}

impl<'a> Proxy<'a> {
    /// Only a process of that name, whose command line says that it is for this very port, is one.
    fn read(process: &'a Process, socket: &Socket) -> Option<Self> {
        let words = process.words();
        let named = process.name == "docker-proxy" && words.first()?.rsplit('/').next()? == "docker-proxy";
        let after = |flag: &str| words[words.iter().position(|word| *word == flag)? + 1..].first();
        let proxy = Proxy {
            protocol: after("-proto")?,
            host_port: after("-host-port")?.parse().ok()?,
            address: after("-container-ip")?.parse().ok()?,
            port: after("-container-port")?.parse().ok()?,
        };
        let fits = named && proxy.host_port == socket.port && proxy.protocol == socket.protocol;
        fits.then_some(proxy)
    }

    /// A proxy is an orphan only when that is proved: the dockerd that started it is gone, and no container that runs
    /// has the address that it hands on to.
    fn holder(&self, process: &Process, look: &Look) -> Holder {
        let owner = look.containers.iter().find(|container| {
            container.addresses.contains(&self.address)
                && publishes(container, self.protocol, self.host_port, Some(self.port))
        });
        if let Some(container) = owner {
            return in_container(container, Some(process.clone()));
        }
        match self.proof(process, look) {
            Ok(proof) => Holder::Orphan { process: process.clone(), to: self.to(), proof },
            Err((why, hint)) => {
                let why = format!("docker-proxy (pid {}) for {}: {why}", process.pid, self.to());
                Holder::Unclear { process: Some(process.clone()), why, hint: hint.to_string() }
            }
        }
    }

    fn proof(&self, process: &Process, look: &Look) -> Result<String, (String, &'static str)> {
        if process.parent_name == "dockerd" {
            let why = "the dockerd that started it runs, and knows no container that runs there";
            let hint = "a container may just be starting: look again; if it stays so, restart docker, which still counts the port as in use";
            return Err((why.to_string(), hint));
        }
        if process.parent != 1 && process.parent_name != "systemd" {
            let why = format!("its parent is neither dockerd nor init but {}", process.parent_name);
            return Err((why, "end it by hand if it is unused"));
        }
        let gone = "the dockerd that started it is gone";
        match look.docker {
            Docker::Answers => Ok(format!("{gone}, and no container that runs has {}", self.to())),
            Docker::Silent | Docker::Absent if !look.runs("dockerd") && !look.runs("containerd-shim") => {
                Ok(format!("{gone}, and no container runs here: there is no dockerd and no containerd-shim"))
            }
            Docker::Silent | Docker::Absent => {
                let why = format!("{gone}, but dockerd does not say which containers run");
                Err((why, "start docker, or become a user who may use it, and look again"))
            }
        }
    }

    fn to(&self) -> String {
        match self.address {
            IpAddr::V4(address) => format!("{address}:{}", self.port),
            IpAddr::V6(address) => format!("[{address}]:{}", self.port),
        }
    }
}

/// Whether a container publishes a port of the host's, from a port of its own when that is known.
fn publishes(container: &Container, protocol: &str, host_port: u16, own: Option<u16>) -> bool {
    let Some(ports) = container.ports.as_object() else { return false };
    let wanted = host_port.to_string();
    ports.iter().any(|(from, to)| {
        let fits = match (from.split_once('/'), own) {
            (Some((port, of)), Some(own)) => of == protocol && port == own.to_string(),
            (Some((_, of)), None) => of == protocol,
            (None, _) => false,
        };
        let to = to.as_array().map(Vec::as_slice).unwrap_or_default();
        fits && to.iter().any(|binding| binding["HostPort"] == *wanted)
    })
}

impl Holder {
    /// As a person reads it. A command line may hold secrets, so it is not shown.
    pub fn describe(&self) -> String {
        let of = |process: &Process, others: usize| match others {
            0 => format!("pid {}", process.pid),
            others => format!("pid {} and {others} more", process.pid),
        };
        match self {
            Holder::Orphan { process, to, proof } => {
                format!("orphaned docker-proxy (pid {}) for {to}: {proof}", process.pid)
            }
            Holder::Container { name, process: None, .. } => {
                format!("container {name} (published, without a process that listens)")
            }
            Holder::Container { name, process: Some(process), .. } => {
                format!("container {name} ({}, {})", process.name, of(process, 0))
            }
            Holder::Unit { unit, process, others } => {
                format!("{unit} ({}, {})", process.name, of(process, *others))
            }
            Holder::Process { process, others } => {
                format!("process {} ({})", process.name, of(process, *others))
            }
            Holder::Outside => {
                "no process of this host: the kernel, or one in another PID namespace".to_string()
            }
            Holder::Unclear { why, .. } => why.clone(),
        }
    }

    /// For programs: `kind`, and `name pid unit container` where there is one.
    pub fn details(&self) -> Value {
        let of = |process: &Process| json!({ "name": process.name, "pid": process.pid });
        let (kind, mut details) = match self {
            Holder::Orphan { process, .. } => ("orphan", of(process)),
            Holder::Container { process, .. } => ("container", process.as_ref().map_or(json!({}), of)),
            Holder::Unit { process, .. } => ("unit", of(process)),
            Holder::Process { process, .. } => ("process", of(process)),
            Holder::Outside => ("outside", json!({})),
            Holder::Unclear { process, .. } => ("unknown", process.as_ref().map_or(json!({}), of)),
        };
        match self {
            Holder::Container { name, .. } => details["container"] = name.as_str().into(),
            Holder::Unit { unit, .. } => details["unit"] = unit.as_str().into(),
            _ => {}
        }
        details["kind"] = kind.into();
        details
    }
}
