//! ufw's rules that others added: they stay in force, so those that allow more than a playbook names are not passed over.

use super::rule::{Ports, Protocol, Rule, Source};
use crate::model::op::Command;
use crate::model::{Failure, Result};
use crate::system::Probe;

/// Ports, of one protocol or of each.
type PortsOf = (Ports, Option<Protocol>);

/// A rule for what comes in, as `ufw show added` has it.
#[derive(Clone, Debug, PartialEq)]
struct Other<'a> {
    written: &'a str,
    /// `allow`, `limit`, `deny` or `reject`.
    action: &'a str,
    /// Empty: all ports.
    ports: Vec<PortsOf>,
    from: Option<Source>,
    interface: Option<&'a str>,
    /// What of it could not be read: it may allow anything.
    unread: bool,
}

/// What others allow beyond these rules, a note for each rule. One that opens a port to more than the rules here do is
/// refused: the step would say that something is closed, and it is not.
pub fn wider(host: &dyn Probe, others: &[&String], rules: &[Rule], trust: &[String]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for written in others {
        let Some(other) = Other::read(host, written)?.filter(Other::lets_in) else { continue };
        if other.interface.is_some_and(|name| trust.iter().any(|trusted| fits(trusted, name))) {
            continue;
        }
        if let Some(rule) = other.contradicted(rules) {
            return Err(other.refused(rule));
        }
        if !other.is_covered(rules) {
            notes.push(format!(
                "ufw allows more than this step names, by a rule of others: {}",
                bare(written)
            ));
        }
    }
    Ok(notes)
}

/// Refuses rules that let in what a rule of others keeps out: the first that fits decides, and new ones come last; and ufw
/// replaces a rule by one that differs from it in nothing but the action. `all` are in ufw's order.
pub fn expect_no_barrier(host: &dyn Probe, all: &[String], rules: &[Rule]) -> Result<()> {
    let closes = |rule: &String| rule.starts_with("deny ") || rule.starts_with("reject ");
    let mut open: Vec<Other<'_>> = Vec::new();
    for written in all.iter().filter(|_| all.iter().any(closes)) {
        let Some(other) = Other::read(host, written)? else { continue };
        if other.lets_in() {
            open.push(other);
            continue;
        }
        if other.interface.is_some() {
            continue;
        }
        let opened = |rule: &Rule| open.iter().any(|before| before.opens(rule));
        if let Some(rule) = rules.iter().find(|rule| other.closes(rule) && !opened(rule)) {
            return Err(other.is_in_the_way(rule));
        }
    }
    Ok(())
}

impl<'a> Other<'a> {
    /// `None` for what is routed or about packets that go out.
    fn read(host: &dyn Probe, written: &'a str) -> Result<Option<Self>> {
        let mut words = words(bare(written)).into_iter();
        let Some(action @ ("allow" | "limit" | "deny" | "reject")) = words.next() else {
            return Ok(None);
        };
        let (ports, from, interface, unread) = (Vec::new(), None, None, false);
        let mut other = Other { written, action, ports, from, interface, unread };
        let mut protocol = None;
        let (mut ports, mut of_source) = (None, false);
        while let Some(word) = words.next() {
            match word {
                "out" => return Ok(None),
                "in" | "log" | "log-all" | "any" => {}
                "on" => other.interface = words.next(),
                "proto" => protocol = words.next(),
                "from" => {
                    (other.from, of_source) = (words.next().and_then(|text| Source::read(text).ok()), true)
                }
                "to" => of_source = words.next().is_some_and(|_| false),
                // The port of the one who asks narrows nothing down: anyone can choose it.
                "port" | "app" if of_source => drop(words.next()),
                "port" => ports = words.next().map(str::to_string),
                "app" => other.add_profile(host, words.next().unwrap_or_default())?,
                short if short.starts_with(|letter: char| letter.is_ascii_digit()) => {
                    ports = Some(short.to_string())
                }
                profile => other.add_profile(host, profile)?,
            }
        }
        if let Some(ports) = ports {
            other.add_ports(&ports, protocol);
        }
        Ok(Some(other))
    }

    /// `22`, `80,443/tcp`, `8000:8100`.
    fn add_ports(&mut self, text: &str, protocol: Option<&str>) {
        let (ports, behind) =
            text.split_once('/').map_or((text, None), |(ports, behind)| (ports, Some(behind)));
        let protocol = match behind.or(protocol) {
            Some("tcp") => Some(Protocol::Tcp),
            Some("udp") => Some(Protocol::Udp),
            _ => None,
        };
        for part in ports.split(',') {
            match Ports::read(&part.replace(':', "-")) {
                Ok(ports) => self.ports.push((ports, protocol)),
                Err(_) => self.unread = true,
            }
        }
    }

    /// The ports of an application's profile, which `ufw app info` lists below `Port:` or `Ports:`.
    fn add_profile(&mut self, host: &dyn Probe, name: &str) -> Result<()> {
        let answer = host.ask(&Command::new(["ufw", "app", "info", name]))?;
        let text = answer.text();
        let listed = text.lines().skip_while(|line| !line.starts_with("Port")).skip(1);
        let before = self.ports.len();
        listed.map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.add_ports(line, None));
        self.unread |= self.ports.len() == before;
        Ok(())
    }

    /// The rule here that says from where a port is reached, and which this one undermines.
    fn contradicted<'r>(&self, rules: &'r [Rule]) -> Option<&'r Rule> {
        let of_ports = |ports: &PortsOf| {
            let about = |rule: &&Rule| meets(rule, ports);
            let narrow = rules.iter().find(|rule| about(rule) && rule.from.is_some())?;
            let open = rules.iter().filter(about).any(|rule| self.is_within(rule));
            (!open).then_some(narrow)
        };
        self.ports.iter().find_map(of_ports)
    }

    /// Whether the rules here let in all that this one does.
    fn is_covered(&self, rules: &[Rule]) -> bool {
        let covers = |ports: Ports, protocol: Protocol| {
            rules
                .iter()
                .any(|rule| rule.protocol == protocol && rule.ports.hold(ports) && self.is_within(rule))
        };
        let covered = |(ports, protocol): &(Ports, Option<Protocol>)| match protocol {
            Some(protocol) => covers(*ports, *protocol),
            None => covers(*ports, Protocol::Tcp) && covers(*ports, Protocol::Udp),
        };
        !self.unread && !self.ports.is_empty() && self.ports.iter().all(covered)
    }

    fn lets_in(&self) -> bool {
        matches!(self.action, "allow" | "limit")
    }

    /// Whether it denies everyone that the rule allows, on one of its ports at least. One network fewer is what others want.
    fn closes(&self, rule: &Rule) -> bool {
        let everything = self.ports.is_empty() && !self.unread;
        covers(self.from, rule.from) && (everything || self.ports.iter().any(|ports| meets(rule, ports)))
    }

    /// Whether it allows all that the rule does.
    fn opens(&self, rule: &Rule) -> bool {
        let holds = |(ports, protocol): &PortsOf| {
            ports.hold(rule.ports) && protocol.is_none_or(|protocol| protocol == rule.protocol)
        };
        covers(self.from, rule.from) && self.interface.is_none() && self.ports.iter().any(holds)
    }

    fn is_in_the_way(&self, rule: &Rule) -> Failure {
        let (ports, written) = (rule.ports.shown("-"), bare(self.written));
        let why =
            format!("port {ports} is to be open, and a ufw rule that others added closes it: {written}");
        Failure::new("set the firewall", why)
            .hint(format!("remove it with `ufw delete {written}`, or leave the port out here"))
    }

    /// Whether the rule lets in everyone that this one does.
    fn is_within(&self, rule: &Rule) -> bool {
        covers(rule.from, self.from)
    }

    fn refused(&self, rule: &Rule) -> Failure {
        let (ports, from) = (rule.ports.shown("-"), rule.from.map(Source::shown).unwrap_or_default());
        let why = format!(
            "port {ports} is to be reached from {from} only, and a ufw rule that others added opens it to more: {}",
            bare(self.written)
        );
        Failure::new("set the firewall", why)
            .hint(format!("remove it with `ufw delete {}` if it is unused", bare(self.written)))
    }
}

/// Whether a rule is about one of these ports.
fn meets(rule: &Rule, (ports, protocol): &PortsOf) -> bool {
    rule.ports.meets(*ports) && protocol.is_none_or(|protocol| protocol == rule.protocol)
}

/// Whether the first has all addresses of the second; without one it is all there are.
fn covers(first: Option<Source>, second: Option<Source>) -> bool {
    match (first, second) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(network), Some(other)) => network.holds(other),
    }
}

/// A rule without its comment.
fn bare(rule: &str) -> &str {
    rule.split(" comment ").next().unwrap_or(rule)
}

/// The words of a rule; a name with spaces stands in quotes.
fn words(rule: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (index, part) in rule.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_ascii_whitespace()),
            _ => words.push(part),
        }
    }
    words
}

/// Whether a name of an interface is the trusted one, which may end with `*`.
fn fits(trusted: &str, name: &str) -> bool {
    match trusted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => trusted == name,
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::{answer, host};

    /// What is noted, or refused, of one rule of others where 80 is open to all and 22 to two networks.
    fn told(other: &str) -> String {
        let host = host(&[]);
        answer(&host, "ufw app info OpenSSH", 0, "Profile: OpenSSH\nTitle: x\n\nPort:\n  22/tcp\n");
        answer(&host, "ufw app info Web", 0, "Profile: Web\n\nPorts:\n  80/tcp\n  443/tcp\n");
        let from = |text: &str| Some(Source::read(text).unwrap());
        let rules = [
            Rule::tcp(80),
            Rule { from: from("10.0.0.0/8"), ..Rule::tcp(22) },
            Rule { from: from("2001:db8::/32"), ..Rule::tcp(22) },
        ];
        match wider(&host, &[&other.to_string()], &rules, &["docker0".to_string(), "br-*".to_string()]) {
            Ok(notes) => notes.join("\n"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn what_allows_no_more_is_passed_over() {
        for other in [
            "allow 80/tcp",
            "limit 80/tcp comment 'a b'",
            "allow from 10.1.2.0/24 to any port 22 proto tcp",
            "allow from 2001:db8:1::/48 to any port 22 proto tcp",
            "allow in on docker0",
            "allow in on br-1a to any port 5432",
            "deny 22",
            "allow out 25",
            "route allow in on eth0 out on eth1",
        ] {
            assert_eq!(told(other), "", "{other}");
        }
    }

    #[test]
    fn what_opens_a_port_further_is_refused() {
        for other in [
            "allow 22/tcp",
            "allow 22",
            "limit 22/tcp",
            "allow OpenSSH",
            "allow 20:30/tcp",
            "allow 21,22/tcp",
            "allow from 192.168.0.0/16 to any port 22 proto tcp",
            "allow from 10.0.0.0/7 to any port 22",
            "allow from any to any app OpenSSH",
        ] {
            assert!(
                told(other).contains(&format!("opens it to more: {other}\n  hint: remove it")),
                "{other}"
            );
        }
    }

    #[test]
    fn what_closes_a_port_that_is_to_be_open_is_refused() {
        let told = |all: &[&str]| {
            let all: Vec<String> = all.iter().map(|rule| rule.to_string()).collect();
            let from = Some(Source::read("10.0.0.0/8").unwrap());
            let rules = [Rule::tcp(80), Rule { from, ..Rule::tcp(22) }];
            expect_no_barrier(&host(&[]), &all, &rules)
                .map_or_else(|failure| failure.to_string(), |()| String::new())
        };
        for one in [
            "deny 80/tcp",
            "reject 80",
            "deny 70:90/tcp",
            "deny from 10.0.0.0/7 to any port 22",
            "deny proto tcp from any to any",
        ] {
            assert!(
                told(&[one]).contains(&format!("closes it: {one}\n  hint: remove it")),
                "{one}: {}",
                told(&[one])
            );
        }
        for all in [
            &["deny 81/tcp"] as &[_],
            &["deny from 10.9.9.9"],
            &["deny 80/udp"],
            &["deny out 80/tcp"],
            &["deny from 10.9.0.0/16 to any port 22"],
            &["deny in on eth9 to any port 80"],
            &["allow 80/tcp comment 'windlass'", "deny 80"],
            &["limit 80/tcp", "deny 1:1000/tcp comment 'a'", "allow from 10.0.0.0/8 to any port 22"],
        ] {
            let expected = if all.len() == 3 { "port 22" } else { "" };
            assert!(
                told(all).contains(expected) && (told(all).is_empty() == expected.is_empty()),
                "{all:?}: {}",
                told(all)
            );
        }
    }

    #[test]
    fn what_opens_other_ports_is_noted() {
        for other in [
            "allow 25/tcp",
            "allow 80",
            "allow Web",
            "allow 'A b'",
            "allow from 10.0.0.0/8",
            "allow 80,81/tcp",
        ] {
            let noted = format!("ufw allows more than this step names, by a rule of others: {other}");
            assert_eq!(told(other), noted);
        }
    }
}
