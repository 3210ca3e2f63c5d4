//! The end of the answer: why hosts were lost, a table of all hosts, what was found there, and where to look next.

use super::hosts::listed;
use super::steps::{failure_text, indented, shown_by_steps};
use super::style::{Tone, host_tone, host_word, padded, time, widest};
use super::{Verbosity, View};
use super::{escape, findings, undo};
use crate::model::Failure;
use crate::model::outcome::HostOutcome;
use crate::record::{Counts, HostRecord, RunRecord};
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Up to so many hosts have a line each; of more, those that ended alike share one.
const HOSTS_APART: usize = 16;

/// Everything that is reported once the run has ended.
pub fn recap(record: &RunRecord, view: &View) -> String {
    let mut parts = vec![lost(record, view), table(record, view)];
    parts.extend(findings::blocks(record, view));
    parts.push(summary(record, view));
    parts.iter().filter(|part| !part.is_empty()).map(|part| format!("\n{part}")).collect()
}

/// Hosts whose failure no step has shown, with the reason.
fn lost(record: &RunRecord, view: &View) -> String {
    let unshown = record.hosts().iter().filter(|host| host.failure.is_some() && !shown_by_steps(host));
    // What differs in nothing but the host's own name is shown once.
    let alike = grouped(unshown, |host| {
        (host.outcome, host.failure.as_ref().map(|failure| nameless(failure, &host.host)))
    });
    let lines = alike.iter().map(|((outcome, failure), hosts)| {
        let word = outcome.map_or_else(String::new, |outcome| {
            view.style.paint(host_tone(outcome), host_word(outcome, record.intent.check))
        });
        let why = hosts.first().and_then(|host| host.failure.as_ref()).filter(|_| hosts.len() == 1);
        let why = why.or(failure.as_ref()).map(failure_text).unwrap_or_default();
        format!("{}  {word}\n{}", names(hosts), indented(&why, 4))
    });
    lines.collect()
}

/// A failure without the name of its host, where that is long enough to be meant.
fn nameless(failure: &Failure, host: &str) -> Failure {
    let text = |text: &str| if host.len() > 3 { text.replace(host, "HOST") } else { text.to_string() };
    Failure { doing: text(&failure.doing), why: text(&failure.why), hint: failure.hint.as_deref().map(text) }
}

/// A line of the table.
struct Line {
    hosts: String,
    outcome: Option<HostOutcome>,
    counts: Counts,
    took: Option<Duration>,
}

fn table(record: &RunRecord, view: &View) -> String {
    let check = record.intent.check;
    let lines = table_lines(record);
    let word = |line: &Line| line.outcome.map_or("running", |outcome| host_word(outcome, check));
    let hosts_width = widest(lines.iter().map(|line| line.hosts.as_str())).max(4);
    let outcome_width = widest(lines.iter().map(word)).max(7);
    let extra: Vec<Extra> =
        EXTRAS.into_iter().filter(|extra| lines.iter().any(|line| extra.of(line) > 0)).collect();
    let changed_name = if check { "would change" } else { "changed" };
    let more: String = extra.iter().map(|extra| format!("  {}", extra.name)).collect();
    let head = format!("  {:>4}  {changed_name}  skipped  failed{more}", "ok");
    let title = format!("{}  {}{head}   time", padded("host", hosts_width), padded("outcome", outcome_width));
    let mut table = view.style.paint(Tone::Faint, &title) + "\n";
    for line in &lines {
        let outcome = padded(word(line), outcome_width);
        let outcome =
            line.outcome.map_or(outcome.clone(), |kind| view.style.paint(host_tone(kind), &outcome));
        let counts = [line.counts.ok, line.counts.changed, line.counts.skipped, line.counts.failed];
        let counts = counts.map(|count| count.to_string());
        let took = line.took.map_or_else(|| "-".to_string(), time);
        let changed_width = if check { 12 } else { 7 };
        let [ok, changed, skipped, failed] = counts;
        let more: String = extra.iter().map(|extra| format!("  {:>7}", extra.of(line))).collect();
        table += &format!(
            "{}  {outcome}  {ok:>4}  {changed:>changed_width$}  {skipped:>7}  {failed:>6}{more}  {took:>5}\n",
            padded(&line.hosts, hosts_width),
        );
    }
    table
}

/// A column of the table that is there only when a host has something in it. Its name has seven letters.
#[derive(Clone, Copy)]
struct Extra {
    name: &'static str,
    count: fn(&Counts) -> u32,
}

const EXTRAS: [Extra; 2] = [
    Extra { name: "ignored", count: |counts| counts.ignored },
    Extra { name: "unknown", count: |counts| counts.unknown },
];

impl Extra {
    fn of(&self, line: &Line) -> u32 {
        (self.count)(&line.counts)
    }
}

fn table_lines(record: &RunRecord) -> Vec<Line> {
    let hosts = record.hosts();
    if hosts.len() <= HOSTS_APART {
        return hosts.iter().map(|host| line(&[host])).collect();
    }
    let alike = alike(hosts.iter(), |host| (host.outcome, host.counts()));
    alike.iter().map(|(_, hosts)| line(hosts)).collect()
}

fn line(hosts: &[&HostRecord]) -> Line {
    Line {
        hosts: names(hosts),
        outcome: hosts.first().and_then(|host| host.outcome),
        counts: hosts.first().map(|host| host.counts()).unwrap_or_default(),
        took: hosts.iter().filter_map(|host| host.took()).max(),
    }
}

/// The last lines: how many hosts ended how, and what to type next.
fn summary(record: &RunRecord, view: &View) -> String {
    let intent = &record.intent;
    let outcomes = outcomes(record).into_iter().map(|(outcome, many)| {
        let text = format!("{many} {}", host_word(outcome, intent.check));
        view.style.paint(host_tone(outcome), &text)
    });
    let outcomes: Vec<String> = outcomes.collect();
    let took = record.ended.and_then(|ended| Duration::try_from(ended.duration_since(intent.started)).ok());
    let took = took.map_or_else(String::new, |took| format!(" in {}", time(took)));
    let interrupted = if record.interrupted { "interrupted: " } else { "" };
    let counted = if outcomes.is_empty() { "no hosts".to_string() } else { outcomes.join(", ") };
    format!("{interrupted}{counted}{took}\n{}\n", next(record, view))
}

fn next(record: &RunRecord, view: &View) -> String {
    let run = &record.intent.run;
    let mut next = format!("windlass runs show {run}");
    if view.verbosity > Verbosity::Quiet
        && let Some(undo) = undo_line(record)
    {
        next += &format!("   ({undo})");
    }
    view.style.paint(Tone::Faint, &next)
}

/// What of a run can be undone, and how; `None` when it changed nothing, or is an undo itself.
fn undo_line(record: &RunRecord) -> Option<String> {
    let command = format!("windlass runs undo {}", record.intent.run);
    let sentence = undo::sentence(record, Some(&command)).map(|line| escape::line(&line).into_owned());
    let whole =
        || record.undo_scope().filter(|_| !record.intent.check).map(|_| format!("to undo it: {command}"));
    sentence.or_else(whole)
}

/// How many hosts ended how, most first.
pub fn outcomes(record: &RunRecord) -> Vec<(HostOutcome, usize)> {
    let ended = record.hosts().iter().filter_map(|host| host.outcome);
    let mut counts: Vec<(HostOutcome, usize)> = Vec::new();
    for outcome in ended {
        match counts.iter_mut().find(|(counted, _)| *counted == outcome) {
            Some((_, many)) => *many += 1,
            None => counts.push((outcome, 1)),
        }
    }
    counts.sort_by_key(|(_, many)| std::cmp::Reverse(*many));
    counts
}

fn names(hosts: &[&HostRecord]) -> String {
    listed(&hosts.iter().map(|host| &host.host).collect::<Vec<_>>())
}

/// Hosts with the same key together, in the order of their first.
pub fn alike<'a, T, K: PartialEq>(
    hosts: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
) -> Vec<(K, Vec<&'a T>)> {
    let mut groups: Vec<(K, Vec<&T>)> = Vec::new();
    for host in hosts {
        let of_host = key(host);
        match groups.iter_mut().find(|(known, _)| *known == of_host) {
            Some((_, group)) => group.push(host),
            None => groups.push((of_host, vec![host])),
        }
    }
    groups
}

/// The same for many keys that differ.
fn grouped<'a, T, K: Clone + Eq + Hash>(
    hosts: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
) -> Vec<(K, Vec<&'a T>)> {
    let mut groups: Vec<(K, Vec<&T>)> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for host in hosts {
        let of_host = key(host);
        let place = *places.entry(of_host.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(host),
            None => groups.push((of_host, vec![host])),
        }
    }
    groups
}
