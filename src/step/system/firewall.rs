//! Which ports of a host can be reached: nftables with a table of windlass's own, or ufw where that is in use.

use crate::model::duration::TimeSpan;
use crate::model::guard::{Guard, WITHIN};
use crate::model::op::{Command, Plan};
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use rule::{Allow, Rule};
use serde::Deserialize;
use std::time::Duration;

mod nftables;
mod others;
mod rule;
mod ufw;

/// What shows where SSH is reached.
const SSH_PORTS: &[u8] = include_bytes!("firewall/ssh-ports.sh");

/// Allows what is named and nothing else: answers, loopback, ICMP and DHCP always pass. nftables gets a table of its
/// own, `inet windlass`; no other table is touched, Docker's among them, and it is loaded again at each boot. Where ufw
/// is active, its rules are set instead; those of others stay, and what they allow besides is noted. A rule of others that
/// opens a port to more than a rule with `from` here is refused, and so is one that closes a port that is to be open. The
/// ports of SSH stay open unless `keep_ssh` is false. The rules are tested first; once they are in force windlass logs in
/// anew, and unless that works the host rolls them back by itself, even when windlass is cut off. Ports that Docker
/// publishes pass by this: publish them on 127.0.0.1 to close them.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// What is allowed: `80`, `"443/udp"`, `"8000-8100"`, or a table with `port` (one or a list), `protocol` (`tcp`) and
    /// `from` (addresses and networks; everywhere when not given).
    #[serde(default)]
    allow: Vec<Allow>,
    /// Network interfaces from which everything is allowed, such as `docker0` or `br-*`.
    #[serde(default)]
    trust: Vec<String>,
    /// Keeps the ports open on which sshd listens; true when not given. A rule of `allow` for such a port decides
    /// itself from where it is reached.
    #[serde(default = "yes")]
    keep_ssh: bool,
    /// What filters: `auto` (ufw where it is active, else nftables), `nftables` or `ufw`.
    #[serde(default)]
    backend: Backend,
    /// Loads the rules of nftables when the host boots; true when not given.
    #[serde(default = "yes")]
    boot: bool,
    /// `absent` removes windlass's rules.
    #[serde(default)]
    state: State,
    /// Whether the change is rolled back unless a new connection confirms it; true when not given.
    #[serde(default = "yes")]
    armed: bool,
    /// How long the host waits for that before it rolls the change back; 40 seconds when not given.
    #[serde(default = "forty_seconds")]
    within: TimeSpan,
}

/// What filters packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Backend {
    /// ufw where it is active, else nftables.
    #[default]
    Auto,
    /// nftables.
    Nftables,
    /// ufw.
    Ufw,
}

/// Whether there are rules of windlass's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// These.
    #[default]
    Present,
    /// None.
    Absent,
}

impl Kind for Firewall {
    const NAME: &'static str = "firewall";
    const RESULT: &'static [&'static str] = &["backend"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the web and SSH are open, nothing else"
[steps.firewall]
allow = [80, 443, "443/udp"]

[[steps]]
name = "the database for the application's network only"
[steps.firewall]
allow = [
    { port = 22, from = ["203.0.113.0/24", "2001:db8::/32"] },
    { port = [5432, 6432], protocol = "tcp", from = "10.0.0.0/8" },
]
trust = ["docker0", "br-*"]
keep_ssh = true         # the rule for port 22 decides from where
backend = "auto"        # or "nftables", "ufw"
boot = true
state = "present"       # or "absent"
armed = true            # rolled back unless a new connection confirms it …
within = "40s"          # … in this time
"#;
}

impl Step for Firewall {
    fn check(&self) -> Result<(), WrongKey> {
        let interface = |name: &String| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*@:".contains(&byte);
            !name.is_empty() && name.len() <= 15 && name.bytes().all(fits)
        };
        if let Some(index) = self.trust.iter().position(|name| !interface(name)) {
            let why = format!("{:?} is not the name of a network interface", self.trust[index]);
            return Err(WrongKey::new(&format!("trust[{index}]"), why));
        }
        let (least, most) = (Duration::from_secs(5), Duration::from_secs(600));
        match self.within.get() {
            within if within < least || within > most => {
                Err(WrongKey::new("within", "give between 5 seconds and 10 minutes"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let through_ufw = self.through_ufw(host)?;
        let mut notes = Vec::new();
        let ops = match (self.state, through_ufw) {
            (State::Present, true) => {
                let (ops, others) = ufw::present(host, &self.rules(host)?, &self.trust)?;
                notes = others;
                ops
            }
            (State::Present, false) => nftables::present(host, &self.rules(host)?, &self.trust, self.boot)?,
            (State::Absent, true) => ufw::absent(host)?,
            (State::Absent, false) => nftables::absent(host)?,
        };
        let guard = Guard { within: self.within.get(), ..Guard::default() };
        let mut plan = Plan { notes, ..Plan::of(ops) };
        plan.guard = (self.armed && !plan.is_empty()).then_some(guard);
        plan.result.insert("backend".to_string(), if through_ufw { "ufw" } else { "nftables" }.into());
        Ok(plan)
    }
}

impl Firewall {
    fn through_ufw(&self, host: &dyn Probe) -> Result<bool> {
        Ok(match self.backend {
            Backend::Nftables => false,
            Backend::Ufw => true,
            Backend::Auto => ufw::is_active(host)?,
        })
    }

    /// What is to be allowed, the ports of SSH among it.
    fn rules(&self, host: &dyn Probe) -> Result<Vec<Rule>> {
        let mut rules: Vec<Rule> = self.allow.iter().flat_map(Allow::rules).collect();
        if self.keep_ssh {
            let ssh = ssh_ports(host)?;
            let open = ssh.into_iter().filter(|port| !rules.iter().any(|rule| rule.is_about(*port)));
            let open: Vec<Rule> = open.map(Rule::tcp).collect();
            rules.splice(0..0, open);
        }
        let mut seen = Vec::new();
        rules.retain(|rule| {
            let new = !seen.contains(rule);
            seen.push(rule.clone());
            new
        });
        Ok(rules)
    }
}

/// The ports on which the host is reached over SSH.
fn ssh_ports(host: &dyn Probe) -> Result<Vec<u16>> {
    let title = Some("look where SSH is reached".to_string());
    let question =
        Command { stdin: SSH_PORTS.to_vec(), title, ..Command::new(["/bin/sh", "-s", "ssh-ports"]) };
    let answer = host.ask(&question)?;
    let mut ports: Vec<u16> = answer.text().lines().filter_map(|line| line.trim().parse().ok()).collect();
    ports.sort();
    ports.dedup();
    match ports.is_empty() {
        false => Ok(ports),
        true => {
            Err(Failure::new("look where SSH is reached", "neither sshd nor this connection shows its port")
                .hint("become root (-b, or become = true), or give a rule for the port and keep_ssh = false"))
        }
    }
}

fn forty_seconds() -> TimeSpan {
    TimeSpan::seconds(WITHIN.as_secs())
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests;
