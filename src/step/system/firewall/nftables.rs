//! nftables: a table of windlass's own, loaded now and at each boot.

use super::rule::Rule;
use crate::model::digest::Digest;
use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Advice, Answer, Command, Content, Meta, Op, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::wanted;
use std::fmt::Write as _;
use std::path::Path;

/// What is loaded.
const FILE: &str = "/etc/windlass/firewall.nft";

/// What loads it at boot.
const UNIT: &str = "/etc/systemd/system/windlass-firewall.service";

/// Where systemd finds that it is wanted at boot.
const WANTED: &str = "/etc/systemd/system/sysinit.target.wants/windlass-firewall.service";

/// Makes sure that the table is there, and takes it away: the way to start again that never fails.
const CLEAR: &str = "table inet windlass\ndelete table inet windlass\n";

/// nftables.service flushes everything when it starts; what follows it starts afterwards, and again with it.
const SERVICE: &str = "\
[Unit]
Description=windlass's firewall
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/windlass/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/windlass/firewall.nft

[Install]
WantedBy=sysinit.target
";

/// The ops that let in these and nothing else.
pub fn present(host: &dyn Probe, rules: &[Rule], trust: &[String], boot: bool) -> Result<Vec<Op>> {
    let table = table(rules, trust);
    let text = format!("# Written by windlass, a step of kind firewall.\n{CLEAR}{table}");
    let mut ops = wanted::file(host, &FILE.into(), bytes(&text), &Meta::default())?;
    if boot {
        ops.extend(at_boot(host)?);
    }
    if ops.is_empty() && is_loaded(host, &table)? {
        return Ok(ops);
    }
    expect_sound(host, &text)?;
    if !is_loaded(host, &table)? {
        let undo = match host.stat(Path::new(FILE))? {
            Some(_) => Undo::Again,
            None => Undo::Command(clear()),
        };
        ops.push(run(load(), undo, &table));
    }
    Ok(ops)
}

/// The ops that take the table away.
pub fn absent(host: &dyn Probe) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    let answer = host.ask(&question())?;
    if answer.ok() && !answer.text().is_empty() {
        ops.push(run(clear(), Undo::Command(load()), ""));
    }
    for path in [WANTED, UNIT, FILE] {
        if host.stat(Path::new(path))?.is_some() {
            ops.push(Op::Remove { path: path.into() });
        }
    }
    Ok(ops)
}

/// The table as nftables takes it. The empty chain says which rules these are, so that they can be recognized.
fn table(rules: &[Rule], trust: &[String]) -> String {
    let mut lines = vec![
        "type filter hook input priority filter; policy drop;".to_string(),
        "ct state established,related accept".to_string(),
        "iif \"lo\" accept".to_string(),
        // ICMP and ICMPv6 by number: nft looks names up in /etc/protocols, which a small host does not have.
        "meta l4proto { 1, 58 } accept".to_string(),
        "udp sport 67 udp dport 68 accept".to_string(),
        "ip6 saddr fe80::/10 udp dport 546 accept".to_string(),
    ];
    lines.extend(trust.iter().map(|name| format!("iifname \"{name}\" accept")));
    lines.extend(rules.iter().map(line));
    let chain: String = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "\t\t{line}").expect("writing to a string");
        text
    });
    let mark = mark(&chain);
    format!("table inet windlass {{\n\tchain {mark} {{\n\t}}\n\n\tchain input {{\n{chain}\t}}\n}}\n")
}

fn mark(chain: &str) -> String {
    let digest = Digest::of(chain.as_bytes()).to_string();
    format!("rules_{}", digest.chars().take(12).collect::<String>())
}

fn line(rule: &Rule) -> String {
    let from = rule.from.map(|from| format!("{} saddr {} ", from.family(), from.shown())).unwrap_or_default();
    format!("{from}{} dport {} accept", rule.protocol.as_str(), rule.ports.shown("-"))
}

/// Whether the kernel has this table: its mark, and as many rules.
fn is_loaded(host: &dyn Probe, table: &str) -> Result<bool> {
    let answer = host.ask(&question())?;
    if !answer.ok() {
        return Ok(false);
    }
    let listed = answer.text();
    let rules = |text: &str| text.lines().filter(|line| line.trim_end().ends_with("accept")).count();
    let marked = |line: &&str| line.trim_start().starts_with("chain rules_");
    let mark = table.lines().find(marked).map(str::trim);
    Ok(listed.lines().find(marked).map(str::trim) == mark && rules(&listed) == rules(table))
}

fn question() -> Command {
    Command::new(["nft", "list", "table", "inet", "windlass"])
}

/// The rules are tested without being loaded.
fn expect_sound(host: &dyn Probe, text: &str) -> Result<()> {
    let test = Command {
        stdin: text.as_bytes().to_vec(),
        title: Some("nft -c".to_string()),
        ..Command::new(["nft", "-c", "-f", "-"])
    };
    let answer = host.ask(&test)?;
    match answer.status {
        0 => Ok(()),
        // A step before this one installs it.
        127 if host.pretends() => Ok(()),
        127 => Err(Failure::new("look for nft", "the host has no such program")
            .hint("install nftables first, with a step of kind package")),
        _ => {
            let failure = refused(&test, &answer);
            let said = String::from_utf8_lossy(&answer.stderr);
            let denied = said.contains("not permitted");
            // The last line only points at a word.
            let error = said.lines().find_map(|line| line.split_once("Error: ")).map(|(_, error)| error);
            let failure = match error {
                Some(error) => Failure { why: format!("nft refuses the rules: {error}"), ..failure },
                None => failure,
            };
            Err(if denied { failure.hint(BECOME_ROOT) } else { failure })
        }
    }
}

/// The ops that load the rules whenever the host boots.
fn at_boot(host: &dyn Probe) -> Result<Vec<Op>> {
    if host.stat(Path::new("/run/systemd/system"))?.is_none() {
        return Err(Failure::new("load the firewall at boot", "the host is not run by systemd").hint(
            "set boot = false, and let the host's own start-up run `nft -f /etc/windlass/firewall.nft`",
        ));
    }
    let mut ops = wanted::file(host, &UNIT.into(), bytes(SERVICE), &Meta::default())?;
    let (link, target) = (HostPath::from(WANTED), HostPath::from(UNIT));
    let there = host.stat(&link)?.and_then(|stat| stat.target);
    if there.as_deref() != Some(target.as_path()) {
        ops.extend(wanted::parents(host, &link)?);
        ops.push(Op::Link { path: link, target });
    }
    Ok(ops)
}

fn load() -> Command {
    Command::new(["nft", "-f", FILE])
}

fn clear() -> Command {
    let title = Some("nft delete table inet windlass".to_string());
    Command { stdin: CLEAR.into(), title, ..Command::new(["nft", "-f", "-"]) }
}

/// A command after which the table is this one.
fn run(command: Command, undo: Undo, table: &str) -> Op {
    let predicts = vec![Prediction { argv: question().argv, answer: Answer::said(0, table) }];
    let hints = vec![("not permitted".to_string(), BECOME_ROOT.to_string())];
    let advice = Advice { hints, question: None };
    Run { undo, predicts, advice, ..Run::from(command) }.into()
}

fn bytes(text: &str) -> Content {
    Content::Bytes(text.into())
}
