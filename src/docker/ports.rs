//! Which ports of a host are taken, so that it is known before a container is made that it could not start.

use super::Docker;
use super::commands::OTHER_PORT;
use crate::model::op::Command;
use crate::model::{Failure, Result};

/// Names the question among those that windlass's scripts answer.
const QUESTION: &str = "ports";

/// More ports than this in one range are not looked at one by one.
const RANGE: u16 = 100;

/// A port of the host that something holds, or that a container is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// As Docker and `ss` write it; empty and `*` are every address.
    pub address: String,
    /// Its number.
    pub number: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A port that is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Which.
    pub port: Port,
    /// `container web`, or `process "nginx",pid=812`.
    pub holder: String,
}

impl Docker<'_> {
    /// The first of these ports that something else than the container `name` holds. Where `name` is about to be replaced,
    /// what it holds is free by then.
    pub fn taken(&self, name: &str, ports: &[Port]) -> Result<Option<Taken>> {
        let own = format!("container {name}");
        Ok(self.all_taken(ports)?.into_iter().find(|taken| taken.holder != own))
    }

    /// Those of these ports that something holds.
    pub fn all_taken(&self, ports: &[Port]) -> Result<Vec<Taken>> {
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let text = self.text(&question())?;
        let is_wanted = |taken: &Taken| ports.iter().any(|port| port.meets(&taken.port));
        Ok(text.lines().filter_map(Taken::read).filter(is_wanted).collect())
    }
}

/// The question which ports are taken.
pub fn question() -> Command {
    super::commands::script(include_bytes!("ports.sh"), [QUESTION])
}

/// The ports of the host that `--publish` asks for; those that Docker chooses are none of them.
pub fn published(ports: &[String]) -> Vec<Port> {
    ports.iter().flat_map(|text| one(text).unwrap_or_default()).collect()
}

/// `[ADDRESS:][PORT:]PORT[/PROTOCOL]`, each port a number or a range. `None` where Docker chooses the host's port.
fn one(text: &str) -> Option<Vec<Port>> {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, _) = text.rsplit_once(':')?;
    let (address, ports) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    let last = last.min(first.saturating_add(RANGE));
    let port = |number| Port { address: address.to_string(), number, protocol: protocol.to_string() };
    Some((first..=last).filter(|number| *number > 0).map(port).collect())
}

impl Port {
    /// Whether only one of both can be had.
    fn meets(&self, other: &Port) -> bool {
        self.number == other.number && self.protocol == other.protocol && self.shares_address(other)
    }

    fn shares_address(&self, other: &Port) -> bool {
        let [one, other] = [self, other].map(|port| bare(&port.address));
        let is_all = |all: &str, of: &str| match all {
            "" | "*" => true,
            "0.0.0.0" => !of.contains(':'),
            "::" => of.contains(':'),
            _ => false,
        };
        one == other || is_all(one, other) || is_all(other, one)
    }
}

impl Taken {
    /// Why what wants this port cannot start.
    pub fn refusal(&self, doing: impl std::fmt::Display) -> Failure {
        let why = format!("port {} is already allocated: {} holds it", self.port.number, self.holder);
        Failure::new(doing, why).hint(OTHER_PORT)
    }

    fn read(line: &str) -> Option<Taken> {
        let [holder, port, address, number] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        let (_, protocol) = port.split_once('/')?;
        let port = Port {
            address: address.to_string(),
            number: number.trim().parse().ok()?,
            protocol: protocol.to_string(),
        };
        // Docker writes names with a slash in front.
        let holder = holder.replace("container /", "container ");
        Some(Taken { port, holder })
    }
}

/// An address without brackets and without the interface that it belongs to.
fn bare(address: &str) -> &str {
    let inside = address.trim_start_matches('[').trim_end_matches(']');
    inside.split('%').next().unwrap_or(inside)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn shown(ports: &[&str]) -> String {
        let ports: Vec<String> = ports.iter().map(|text| text.to_string()).collect();
        let show = |port: Port| format!("{}|{}/{} ", port.address, port.number, port.protocol);
        published(&ports).into_iter().map(show).collect()
    }

    #[test]
    fn what_publish_asks_for_is_read() {
        assert_eq!(
            shown(&["127.0.0.1:80:8080", "53:53/udp", "[::1]:7-8:7-8"]),
            "127.0.0.1|80/tcp |53/udp [::1]|7/tcp [::1]|8/tcp "
        );
        assert_eq!(shown(&["80", "127.0.0.1::80", "x:80"]), "");
    }

    #[test]
    fn two_ports_meet_where_their_addresses_do() {
        let meets =
            |one: &str, line: &str| published(&[one.to_string()])[0].meets(&Taken::read(line).unwrap().port);
        for (one, line, expected) in [
            ("80:80", "x\t80/tcp\t127.0.0.1\t80", true),
            ("127.0.0.1:80:80", "x\t80/tcp\t*\t80", true),
            ("127.0.0.1:80:80", "x\t80/tcp\t0.0.0.0\t80", true),
            ("127.0.0.1:80:80", "x\t80/tcp\t[::]\t80", false),
            ("127.0.0.1:80:80", "x\t80/tcp\t127.0.0.53%lo\t80", false),
            ("127.0.0.1:80:80", "x\t80/udp\t127.0.0.1\t80", false),
            ("127.0.0.1:80:80", "x\t81/tcp\t127.0.0.1\t81", false),
        ] {
            assert_eq!(meets(one, line), expected, "{one} {line}");
        }
    }
}
