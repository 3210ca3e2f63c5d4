//! The port on which a compose service is published, moved: its digits, and nothing else.

mod ports;
#[cfg(all(test, feature = "controller"))]
mod tests;

use crate::model::op::{Content, Meta, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use ports::{Port, Ports, Published, Unreadable};
use serde::Deserialize;
use std::path::Path;

/// Reads the ports of a compose file, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn read_any(text: &str) {
    drop(ports::read(text));
}

/// Moves the port on which a service of a compose file is published on the host. Its digits are replaced where they
/// stand: `"3001:3000"`, `127.0.0.1:3001:3000/tcp`, `published: 3001`, the default of `${PORT:-3001}`; the container's port
/// and every other byte stay. It does not start anything: that is for a step of its own. `register` gets `service`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComposePort {
    /// The compose file on the host.
    file: HostPath,
    /// The service; the one that publishes the port when not given.
    service: Option<String>,
    /// The port that is published now.
    from: u16,
    /// The port that is to be published.
    to: u16,
}

impl Kind for ComposePort {
    const NAME: &'static str = "compose_port";
    const RESULT: &'static [&'static str] = &["service"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the app is published on a free port"
[steps.compose_port]
file = "/srv/app/docker-compose.yml"
service = "web"                 # may be left out where one service alone publishes the port
from = 3001
to = 3002
"#;
}

impl Step for ComposePort {
    fn check(&self) -> Result<(), WrongKey> {
        for (key, port) in [("from", self.from), ("to", self.to)] {
            if port == 0 {
                return Err(WrongKey::new(key, "0 is no port"));
            }
        }
        match self.from == self.to {
            true => Err(WrongKey::new("to", format!("{} is the port that is published already", self.to))),
            false => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let text = wanted::text(host, &self.file)?.ok_or_else(|| self.cannot("there is no such file"))?;
        let ports = ports::read(&text).map_err(|wrong| self.unreadable(&wrong))?;
        self.expect_service(&ports)?;
        self.expect_read(&ports)?;
        let moving = self.of_service(&ports, self.from);
        let Some(first) = moving.first() else { return self.plan_moved(&ports) };
        self.expect_one_meaning(&moving)?;
        self.expect_own_list(&ports, first)?;
        self.expect_free(&ports)?;
        self.expect_default_counts(host, &moving)?;
        let new = replaced(&text, &moving, self.to);
        let ops = wanted::file(host, &self.file, Content::Bytes(new.into_bytes()), &Meta::default())?;
        Ok(told(Plan::of(ops), first))
    }
}

impl ComposePort {
    fn plan_moved(&self, ports: &Ports) -> Result<Plan> {
        match self.of_service(ports, self.to).first() {
            Some(there) => Ok(told(Plan::nothing(), there)),
            None => Err(self.publishes_neither(ports)),
        }
    }

    /// The entries of the service, or of all, that publish a port.
    fn of_service<'a>(&self, ports: &'a Ports, port: u16) -> Vec<&'a Published> {
        self.entries(ports).filter(|one| one.port.number() == Some(port)).collect()
    }

    fn entries<'a>(&self, ports: &'a Ports) -> impl Iterator<Item = &'a Published> {
        ports.published.iter().filter(|one| self.service.as_ref().is_none_or(|name| *name == one.service))
    }

    fn expect_service(&self, ports: &Ports) -> Result<()> {
        match &self.service {
            Some(name) if !ports.services.contains(name) => Err(self
                .cannot(format!("it has no service {name}"))
                .hint(format!("it has {}", ports.services.join(", ")))),
            _ => Ok(()),
        }
    }

    /// What is not read matters when it may be what is meant.
    fn expect_read(&self, ports: &Ports) -> Result<()> {
        let meant = |name: &str| self.service.as_ref().is_none_or(|service| service == name);
        match ports.unread.iter().find(|(name, _)| meant(name)) {
            None => Ok(()),
            Some((_, wrong)) if self.service.is_some() => Err(self.unreadable(wrong)),
            Some((name, wrong)) => {
                let failure = self.unreadable(wrong);
                Err(failure
                    .hint(format!("name the service with service = …, when it is another one than {name}")))
            }
        }
    }

    fn unreadable(&self, wrong: &Unreadable) -> Failure {
        let doing = format!("read {}:{}", self.file, wrong.line);
        Failure::new(doing, &wrong.why).hint("nothing was changed")
    }

    /// A list with an anchor can be another service's too, whose port would move along.
    fn expect_own_list(&self, ports: &Ports, moving: &Published) -> Result<()> {
        let anchors = ports.anchors.iter().filter(|(service, _)| *service == moving.service);
        let mut aliases = anchors.map(|(_, anchor)| format!("*{anchor}"));
        let sharing = aliases.find_map(|alias| {
            ports.unread.iter().find(|(_, wrong)| wrong.why.split(' ').next() == Some(&alias))
        });
        match sharing {
            None => Ok(()),
            Some((other, wrong)) => Err(self
                .cannot(format!("service {other}, line {}, uses the same list of ports", wrong.line))
                .hint("give each service a list of its own first")),
        }
    }

    /// The same port twice is fine for two addresses or protocols of one container's port; else the user must choose.
    fn expect_one_meaning(&self, moving: &[&Published]) -> Result<()> {
        let same = |one: &&&Published| one.service == moving[0].service && one.target == moving[0].target;
        if moving.iter().all(|one| same(&one)) {
            return Ok(());
        }
        let places: Vec<String> = moving
            .iter()
            .map(|one| format!("line {} ({} to {})", one.line, one.service, one.target))
            .collect();
        Err(self
            .cannot(format!("port {} is published more than once: {}", self.from, places.join(", ")))
            .hint("name the service, or change the file by hand"))
    }

    fn expect_free(&self, ports: &Ports) -> Result<()> {
        let holds = |one: &&Published| match one.port {
            Port::Range(first, last) => (first..=last).contains(&self.to),
            _ => one.port.number() == Some(self.to),
        };
        match ports.published.iter().find(holds) {
            None => Ok(()),
            Some(other) => Err(self
                .cannot(format!(
                    "port {} is published already: {}, line {}",
                    self.to, other.service, other.line
                ))
                .hint("choose a port that is free")),
        }
    }

    /// A default is only used while its variable is not set, which `.env` beside the file does for compose.
    fn expect_default_counts(&self, host: &dyn Probe, moving: &[&Published]) -> Result<()> {
        let path = HostPath::from(self.file.parent().unwrap_or(Path::new("/"))).join(".env");
        let text = String::from_utf8_lossy(&host.read(&path)?.unwrap_or_default()).into_owned();
        for one in moving {
            let Port::Default { variable, .. } = &one.port else { continue };
            let sets = |line: &str| {
                let line = line.trim_start();
                let line = line.strip_prefix("export ").unwrap_or(line);
                line.split_once('=').is_some_and(|(name, _)| name.trim() == variable)
            };
            if let Some(index) = text.lines().position(sets) {
                let why = format!(
                    "the default on line {} is not used: {variable} is set in {path}:{}",
                    one.line,
                    index + 1
                );
                return Err(self.cannot(why).hint("change it there, for example with a step of kind line"));
            }
        }
        Ok(())
    }

    fn publishes_neither(&self, ports: &Ports) -> Failure {
        let range = self.entries(ports).find_map(|one| match one.port {
            Port::Range(first, last) if (first..=last).contains(&self.from) => Some((one.line, first, last)),
            _ => None,
        });
        if let Some((line, first, last)) = range {
            return self
                .cannot(format!(
                    "line {line} publishes the range {first}-{last}, of which no single port can be moved"
                ))
                .hint("write its ports one by one");
        }
        let others: Vec<String> = self.entries(ports).map(shown).collect();
        let failure = self.cannot(format!("nothing in it publishes port {}, nor {}", self.from, self.to));
        match others.is_empty() {
            true => failure.hint("no service there publishes a port"),
            false => failure.hint(format!("it publishes {}", others.join(", "))),
        }
    }

    fn cannot(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(format!("move port {} to {} in {}", self.from, self.to, self.file), why)
    }
}

fn shown(one: &Published) -> String {
    let port = match &one.port {
        Port::Number(number, _) | Port::Default { number, .. } => number.to_string(),
        Port::Range(first, last) => format!("{first}-{last}"),
        Port::Other(written) => written.clone(),
        Port::Left => "a port that Docker chooses".to_string(),
    };
    format!("{port} ({}, line {})", one.service, one.line)
}

fn replaced(text: &str, moving: &[&Published], port: u16) -> String {
    let mut new = text.to_string();
    for at in moving.iter().rev().filter_map(|one| one.port.at()) {
        new.replace_range(at, &port.to_string());
    }
    new
}

fn told(mut plan: Plan, entry: &Published) -> Plan {
    plan.result.insert("service".to_string(), entry.service.as_str().into());
    plan
}
