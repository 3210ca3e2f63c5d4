//! ufw, where it is active: its own rules, those of windlass with a comment that says so. Other rules stay.

use super::others;
use super::rule::Rule;
use crate::model::op::{Answer, Command, Op, Prediction, Run, Undo};
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::path::Path;

/// How a rule ends that is windlass's, as `ufw show added` prints it.
const OURS: &str = "comment 'windlass'";

/// Where ufw keeps the rules that people added, in their order.
const RULES: [&str; 2] = ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"];

/// Undoes one command and restores the order of the rules.
const BACK: &str = include_str!("ufw/back.sh");

/// Whether ufw filters on this host.
pub fn is_active(host: &dyn Probe) -> Result<bool> {
    let answer = host.ask(&status())?;
    Ok(answer.ok() && answer.text().lines().any(|line| line.trim() == "Status: active"))
}

/// The ops that allow what these rules say, and notes of what others allow besides.
pub fn present(host: &dyn Probe, rules: &[Rule], trust: &[String]) -> Result<(Vec<Op>, Vec<String>)> {
    let trusted = trust.iter().map(|name| format!("allow in on {} {OURS}", name.replace('*', "+")));
    let wanted: Vec<String> = rules.iter().map(rule).chain(trusted).collect();
    let all = added(host)?;
    let there = ours(&all);
    let foreign: Vec<&String> = all.iter().filter(|rule| !there.contains(rule)).collect();
    let notes = others::wider(host, &foreign, rules, trust)?;
    others::expect_no_barrier(host, &all, rules)?;
    // ufw has a rule once, whatever its comment: one that others added is good enough and stays. `limit` allows too.
    let has = |rule: &str| all.iter().any(|other| let_in(other) == let_in(rule));
    let mut runs: Vec<Run> = Vec::new();
    let new = wanted.iter().filter(|rule| !has(rule));
    runs.extend(new.map(|rule| Run { undo: Undo::Command(delete(rule)), ..Run::from(add(rule)) }));
    let old = there.iter().filter(|rule| !wanted.contains(rule));
    runs.extend(old.map(|rule| Run { undo: Undo::Command(add(rule)), ..Run::from(delete(rule)) }));
    let state = host.ask(&status())?.text();
    if !state.contains("deny (incoming)") && !state.contains("reject (incoming)") {
        let back = if state.contains("allow (incoming)") { "allow" } else { "deny" };
        runs.push(Run { undo: Undo::Command(default(back)), ..Run::from(default("deny")) });
    }
    if !state.contains("Status: active") {
        let undo = Undo::Command(Command::new(["ufw", "disable"]));
        runs.push(Run { undo, ..Run::from(Command::new(["ufw", "--force", "enable"])) });
    }
    let kept = all.iter().filter(|rule| !there.contains(rule));
    let new = wanted.iter().filter(|rule| !kept.clone().any(|other| let_in(other) == let_in(rule)));
    let after: Vec<String> = kept.clone().chain(new).cloned().collect();
    let runs = in_their_order(host, runs)?;
    Ok((foretold(runs, &after, "Status: active\nDefault: deny (incoming)\n"), notes))
}

/// The ops that take windlass's rules away.
pub fn absent(host: &dyn Probe) -> Result<Vec<Op>> {
    let state = host.ask(&status())?.text();
    let all = added(host)?;
    let rules = ours(&all);
    let runs = rules.iter().map(|rule| Run { undo: Undo::Command(add(rule)), ..Run::from(delete(rule)) });
    let kept: Vec<String> = all.iter().filter(|rule| !rules.contains(rule)).cloned().collect();
    Ok(foretold(in_their_order(host, runs.collect())?, &kept, &state))
}

/// Rules that are removed are added again at the end, while the first that fits decides, and ufw writes its files in a form of
/// its own: the last command of an undo gives the files back as they were.
fn in_their_order(host: &dyn Probe, mut runs: Vec<Run>) -> Result<Vec<Run>> {
    let Some(first) = runs.first_mut() else { return Ok(runs) };
    let Undo::Command(command) = &first.undo else { return Ok(runs) };
    let [old, old_v6] = RULES.map(|path| host.read(Path::new(path)));
    if let (Some(old), Some(old_v6)) = (old?, old_v6?) {
        let title = Some(format!("{}, and the rules' order", command.shown()));
        let words = ["/bin/sh", "-c", BACK, "ufw", &old.len().to_string()].map(str::to_string);
        let argv = words.into_iter().chain(command.argv.clone());
        let back = Command { stdin: [old, old_v6].concat(), title, ..Command::new(argv) };
        first.undo = Undo::Command(back);
    }
    Ok(runs)
}

/// Each run foretells how ufw is after the last.
fn foretold(runs: Vec<Run>, rules: &[String], state: &str) -> Vec<Op> {
    let added: String = rules.iter().map(|rule| format!("ufw {rule}\n")).collect();
    let predicts = vec![
        Prediction { argv: added_question().argv, answer: Answer::said(0, added) },
        Prediction { argv: status().argv, answer: Answer::said(0, state) },
    ];
    runs.into_iter().map(|run| Run { predicts: predicts.clone(), ..run }.into()).collect()
}

/// A rule in the words of `ufw show added`, which `ufw` takes too.
fn rule(rule: &Rule) -> String {
    let (ports, protocol) = (rule.ports.shown(":"), rule.protocol.as_str());
    match rule.from {
        None => format!("allow {ports}/{protocol} {OURS}"),
        Some(from) => format!("allow from {} to any port {ports} proto {protocol} {OURS}", from.shown()),
    }
}

/// The rules that windlass added.
fn ours(all: &[String]) -> Vec<String> {
    all.iter().filter(|rule| rule.ends_with(OURS)).cloned().collect()
}

/// A rule without its comment.
fn bare(rule: &str) -> &str {
    rule.split(" comment ").next().unwrap_or(rule)
}

/// What a rule allows, whether it limits how often or not.
fn let_in(rule: &str) -> String {
    let bare = bare(rule);
    bare.strip_prefix("limit ").map_or_else(|| bare.to_string(), |rest| format!("allow {rest}"))
}

/// All rules that people added, without the word `ufw` before them.
fn added(host: &dyn Probe) -> Result<Vec<String>> {
    let question = added_question();
    let answer = host.ask(&question)?;
    match answer.status {
        0 => {
            let text = answer.text();
            let rules = text.lines().filter_map(|line| line.trim().strip_prefix("ufw "));
            Ok(rules.map(str::to_string).collect())
        }
        127 if host.pretends() => Ok(Vec::new()),
        127 => Err(Failure::new("look for ufw", "the host has no such program")
            .hint("install ufw first, or set backend = \"nftables\"")),
        _ => Err(refused(&question, &answer)),
    }
}

fn added_question() -> Command {
    Command::new(["ufw", "show", "added"])
}

fn status() -> Command {
    Command::new(["ufw", "status", "verbose"])
}

fn add(rule: &str) -> Command {
    Command::new(["ufw".to_string()].into_iter().chain(words(rule)))
}

fn delete(rule: &str) -> Command {
    Command::new(["ufw", "--force", "delete"].map(str::to_string).into_iter().chain(words(bare(rule))))
}

fn default(policy: &str) -> Command {
    Command::new(["ufw", "default", policy, "incoming"])
}

fn words(rule: &str) -> impl Iterator<Item = String> + '_ {
    rule.split(' ').map(|word| word.trim_matches('\'').to_string())
}
