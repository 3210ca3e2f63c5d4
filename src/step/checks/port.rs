//! Who listens on a host's ports, and the end of proved orphans among them.

mod expect;
mod holder;
mod look;

use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command, Op, Plan, Prediction, Run, Undo};
use crate::model::{Result, Value, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use expect::{Expected, WrittenPort};
use holder::Holder;
use look::{Docker, Look, Process};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Reads what a host says of its ports, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn read_any(text: &str) {
    drop(look::read(text));
}

/// Ends one orphan, and no other process.
const END: &str = include_str!("port/end.sh");

/// The script waits for 5 seconds after each of two signals.
const END_TIME: Duration = Duration::from_secs(30);

/// UDP sockets above this are mostly those of clients; they are looked at when they are asked for.
const SERVERS: u16 = 32_767;

/// Reports for each port who holds it: a container, a systemd unit, a process, or a `docker-proxy` that was orphaned when
/// dockerd crashed. A port that is not held as expected fails, and so does one whose holder cannot be seen. `register` gets
/// `ports`, a list of `port protocol addresses holders`, and `findings`.
///
/// A `docker-proxy` is an orphan only when that is proved: the dockerd that started it is gone, and no container that
/// runs has the address that it hands on to, as the dockerd that runs now says, or because neither dockerd nor a
/// containerd-shim runs. Nothing else is ever ended.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Ports, TCP when nothing else is said (`"53/udp"`); all on which something listens when not given.
    #[serde(default)]
    ports: Vec<WrittenPort>,
    /// Who may hold a port, by port: `free`, `held` (by anything), `container NAME` (or its compose service), `unit
    /// NAME`, `process NAME`; several joined by ` or `. Ports that are only named here are looked at too. Others may be
    /// held by anything but an orphan.
    #[serde(default)]
    expect: BTreeMap<String, Expected>,
    /// End proved orphans. Each is looked at again right before, and waited for.
    #[serde(default)]
    free_orphans: bool,
}

impl Kind for Port {
    const NAME: &'static str = "port";
    const RESULT: &'static [&'static str] = &["ports"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the app can have its port"
register = "ports"
[steps.port]
ports = [80, 3001, "53/udp"]        # all that listen, when not given
expect = { 80 = "unit nginx", 3001 = "free or container app" }
free_orphans = true                 # end docker-proxies that a crashed dockerd has left
"#;
}

impl Step for Port {
    fn check(&self) -> Result<(), WrongKey> {
        let wrong = self.expect.keys().find_map(|key| WrittenPort::read(key).err());
        wrong.map_or(Ok(()), |why| Err(WrongKey::new("expect", why)))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let (look, told) = look::look(host)?;
        let pretended = host.pretends() && !look.predicted;
        let held: Vec<Held> = self.wanted(&look).into_iter().map(|at| Held::of(at, &look)).collect();
        let findings = held.iter().map(|held| self.finding(held, pretended)).collect();
        let ops = if self.free_orphans && !pretended { ends(&held, &told) } else { Vec::new() };
        let ports: Vec<Value> = held.iter().map(|held| Value::Object(held.details())).collect();
        let result = Values::from_iter([("ports".to_string(), ports.into())]);
        Ok(Plan { findings, result, ..Plan::of(ops) })
    }
}

/// A port and who holds it.
struct Held {
    at: WrittenPort,
    addresses: BTreeSet<String>,
    holders: Vec<Holder>,
}

impl Port {
    /// The ports that are looked at.
    fn wanted(&self, look: &Look) -> BTreeSet<WrittenPort> {
        let expected = self.expect.keys().filter_map(|key| WrittenPort::read(key).ok());
        if !self.ports.is_empty() {
            return self.ports.iter().cloned().chain(expected).collect();
        }
        let listens = look.sockets.iter().filter(|socket| socket.protocol == "tcp" || socket.port <= SERVERS);
        let listening = listens.map(|socket| WrittenPort { port: socket.port, protocol: socket.protocol });
        listening.chain(expected).collect()
    }

    fn expected(&self, at: &WrittenPort) -> Option<&Expected> {
        self.expect
            .iter()
            .find(|(key, _)| WrittenPort::read(key).as_ref() == Ok(at))
            .map(|(_, expected)| expected)
    }

    fn finding(&self, held: &Held, pretended: bool) -> Finding {
        let expected = self.expected(&held.at);
        let verdict = if pretended { Verdict::Unknown } else { held.verdict(expected) };
        let seen = match pretended {
            true => format!("now, {}; what is above may change that", held.seen()),
            false => held.seen(),
        };
        let finding = Finding { details: held.details(), ..Finding::new("port", &held.at, verdict, seen) };
        let finding = match (expected, held.orphans().next()) {
            (Some(expected), _) => finding.wanted(expected),
            (None, Some(_)) => finding.wanted("no orphan"),
            (None, None) => finding,
        };
        match held.hint(self.free_orphans) {
            Some(hint) if finding.is_bad() => finding.hint(hint),
            _ => finding,
        }
    }
}

impl Held {
    fn of(at: WrittenPort, look: &Look) -> Self {
        let mut addresses = BTreeSet::new();
        let mut holders: Vec<Holder> = Vec::new();
        let of_port = |socket: &&look::Socket| socket.port == at.port && socket.protocol == at.protocol;
        for socket in look.sockets.iter().filter(of_port) {
            addresses.insert(socket.address.to_string());
            let holder = holder::of(socket, look);
            if !holders.iter().any(|known| known.details() == holder.details()) {
                holders.push(holder);
            }
        }
        if holders.is_empty() {
            holders.extend(holder::publisher(at.protocol, at.port, look));
        }
        Held { at, addresses, holders: hidden_when_unasked(holders, look) }
    }

    fn verdict(&self, expected: Option<&Expected>) -> Verdict {
        let unclear = self.holders.iter().any(|holder| matches!(holder, Holder::Unclear { .. }));
        match (expected, self.orphans().next()) {
            (_, Some(_)) => Verdict::Fail,
            // Something listens, whatever it is.
            (Some(expected), None) if unclear && expected.to_string() == "free" => Verdict::Fail,
            _ if unclear => Verdict::Unknown,
            (Some(expected), None) => Verdict::of(expected.accepts(&self.holders)),
            (None, None) => Verdict::Info,
        }
    }

    fn seen(&self) -> String {
        if self.holders.is_empty() {
            return "free".to_string();
        }
        let holders: Vec<String> = self.holders.iter().map(Holder::describe).collect();
        match self.addresses.is_empty() {
            true => holders.join("; "),
            false => {
                let addresses: Vec<&str> = self.addresses.iter().map(String::as_str).collect();
                format!("{}, on {}", holders.join("; "), addresses.join(" and "))
            }
        }
    }

    fn hint(&self, freeing: bool) -> Option<String> {
        let unclear = self.holders.iter().find_map(|holder| match holder {
            Holder::Unclear { hint, .. } => Some(hint.clone()),
            _ => None,
        });
        let orphan = self.orphans().next().filter(|_| !freeing);
        orphan.map(|_| "free_orphans = true ends it".to_string()).or(unclear)
    }

    fn orphans(&self) -> impl Iterator<Item = &Process> {
        self.holders.iter().filter_map(|holder| match holder {
            Holder::Orphan { process, .. } => Some(process),
            _ => None,
        })
    }

    fn details(&self) -> Values {
        let holders: Vec<Value> = self.holders.iter().map(Holder::details).collect();
        let details = json!({
            "port": self.at.port, "protocol": self.at.protocol, "addresses": self.addresses, "holders": holders,
        });
        details.as_object().cloned().unwrap_or_default()
    }
}

/// A host whose dockerd does not answer may publish ports without a process that listens; `free` is not proved then.
fn hidden_when_unasked(holders: Vec<Holder>, look: &Look) -> Vec<Holder> {
    if !holders.is_empty() || look.docker != Docker::Silent || !look.runs("dockerd") {
        return holders;
    }
    let why = "nothing listens, but dockerd does not say whether a container publishes it".to_string();
    let hint = "become a user who may use docker, or find out why it does not answer".to_string();
    vec![Holder::Unclear { process: None, why, hint }]
}

/// The ends of these ports' orphans, one after the other.
fn ends(held: &[Held], told: &str) -> Vec<Op> {
    let mut gone: Vec<u32> = Vec::new();
    let mut ops = Vec::new();
    for (at, process) in held.iter().flat_map(|held| held.orphans().map(|process| (&held.at, process))) {
        if gone.contains(&process.pid) {
            continue;
        }
        gone.push(process.pid);
        let answer = Answer::said(0, look::without(told, &gone));
        let sees = Prediction { argv: look::question().argv, answer };
        let command = end(at, process);
        let undo = Undo::impossible("a process that was ended is not started again");
        ops.push(Run { command, undo, predicts: vec![sees], ..Run::default() }.into());
    }
    ops
}

fn end(at: &WrittenPort, process: &Process) -> Command {
    let pid = process.pid.to_string();
    let argv = ["sh", "-c", END, "sh", &pid, &process.start, &process.line];
    let title = Some(format!("kill {pid} (orphaned docker-proxy of port {at})"));
    Command { title, timeout: Some(END_TIME), ..Command::new(argv) }
}

#[cfg(all(test, feature = "controller"))]
mod tests;
