//! `windlass runs diff`: where two runs ended in another way, host by host and step by step.

use super::escape;
use super::style::{Style, Tone, host_tone, host_word, padded, step_tone, step_word, widest};
use crate::model::Value;
use crate::model::event::StepEnded;
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::record::{HostRecord, RunRecord};
use serde_json::json;
use std::collections::HashMap;

/// What differs between two runs.
pub struct Comparison<'a> {
    runs: [&'a RunRecord; 2],
    hosts: Vec<HostDifference<'a>>,
}

/// What differs on one host; `None`: the run was not for it, or did not get as far.
struct HostDifference<'a> {
    host: &'a str,
    outcomes: [Option<Ended<HostOutcome>>; 2],
    steps: Vec<StepDifference<'a>>,
}

struct StepDifference<'a> {
    name: &'a str,
    outcomes: [Option<Ended<StepOutcome>>; 2],
    /// What only one of both did.
    changes: [Vec<&'a str>; 2],
}

/// How something ended, and why when it went wrong.
#[derive(Clone, Debug, PartialEq)]
struct Ended<Outcome> {
    outcome: Option<Outcome>,
    why: Option<String>,
}

/// A step of a run by what people know it by: its name, which element of its loop, and the how manieth of that name.
type Key<'a> = (&'a str, Option<u32>, usize);

impl<'a> Comparison<'a> {
    /// Compares them.
    pub fn of(one: &'a RunRecord, other: &'a RunRecord) -> Self {
        let known: HashMap<&str, &HostRecord> = by_name(one);
        let mut hosts: Vec<HostDifference> = Vec::new();
        let others: HashMap<&str, &HostRecord> = by_name(other);
        for host in one.hosts() {
            hosts.extend(HostDifference::of(&host.host, Some(host), others.get(host.host.as_str()).copied()));
        }
        for host in other.hosts().iter().filter(|host| !known.contains_key(host.host.as_str())) {
            hosts.extend(HostDifference::of(&host.host, None, Some(host)));
        }
        Comparison { runs: [one, other], hosts }
    }

    /// As people read it.
    pub fn shown(&self, style: Style) -> String {
        if self.hosts.is_empty() {
            return "every host ended alike, and every step did the same\n".to_string();
        }
        let width = widest(self.hosts.iter().map(|host| host.host));
        self.hosts.iter().map(|host| self.host_lines(host, width, style)).collect()
    }

    fn host_lines(&self, host: &HostDifference, width: usize, style: Style) -> String {
        let check = self.runs.map(|run| run.intent.check);
        let word = |at: usize| match &host.outcomes[at] {
            None => style.paint(Tone::Faint, "not in the run"),
            Some(ended) => ended.outcome.map_or_else(
                || "running".to_string(),
                |outcome| style.paint(host_tone(outcome), host_word(outcome, check[at])),
            ),
        };
        let mut lines =
            format!("{}  {}\n", padded(&escape::line(host.host), width), turned(&word(0), &word(1)));
        // What a step says is not said again for its host.
        let is_shown = |why: &str| {
            let of_step =
                |step: &StepDifference| step.outcomes[1].as_ref().and_then(|ended| ended.why.clone());
            host.steps.iter().any(|step| of_step(step).as_deref() == Some(why))
        };
        let why = host.outcomes[1].as_ref().and_then(|ended| ended.why.as_ref()).filter(|why| !is_shown(why));
        lines += &why.map_or_else(String::new, |why| format!("    {}\n", escape::line(why)));
        for step in &host.steps {
            let word =
                |ended: &Option<Ended<StepOutcome>>| match ended.as_ref().and_then(|ended| ended.outcome) {
                    Some(outcome) => style.paint(step_tone(outcome), step_word(outcome)),
                    None => style.paint(Tone::Faint, "not run"),
                };
            let turned = turned(&word(&step.outcomes[0]), &word(&step.outcomes[1]));
            lines += &format!("  {}: {turned}\n", escape::line(step.name));
            let why = step.outcomes[1].as_ref().and_then(|ended| ended.why.as_ref());
            lines += &why.map_or_else(String::new, |why| format!("    {}\n", escape::line(why)));
            for (sign, tone, changes) in
                [("-", Tone::Bad, &step.changes[0]), ("+", Tone::Good, &step.changes[1])]
            {
                let line = |change: &&str| style.paint(tone, &format!("{sign} {}", escape::line(change)));
                lines.extend(changes.iter().map(|change| format!("    {}\n", line(change))));
            }
        }
        lines
    }

    /// For programs: `runs` and, for each host that differs, `host outcomes failures steps`; of a step `name outcomes failures
    /// changes`. Each pair is of the first and of the second run; what is null was not there.
    pub fn json(&self) -> Value {
        let step = |step: &StepDifference| {
            json!({
                "name": step.name, "outcomes": pair(&step.outcomes, |outcome: StepOutcome| outcome.as_str()),
                "failures": whys(&step.outcomes), "changes": step.changes,
            })
        };
        let host = |host: &HostDifference| {
            json!({
                "host": host.host, "outcomes": pair(&host.outcomes, |outcome: HostOutcome| outcome.as_str()),
                "failures": whys(&host.outcomes), "steps": host.steps.iter().map(step).collect::<Vec<_>>(),
            })
        };
        let runs = self.runs.map(|run| run.intent.run.as_str());
        json!({ "runs": runs, "hosts": self.hosts.iter().map(host).collect::<Vec<_>>() })
    }
}

impl<'a> HostDifference<'a> {
    fn of(host: &'a str, one: Option<&'a HostRecord>, other: Option<&'a HostRecord>) -> Option<Self> {
        let ended = |host: &HostRecord| Ended { outcome: host.outcome, why: why(host.failure.as_ref()) };
        let outcomes = [one.map(ended), other.map(ended)];
        let steps = match (one, other) {
            (Some(one), Some(other)) => step_differences(one, other),
            // That the whole host is missing says it all.
            _ => Vec::new(),
        };
        (outcomes[0] != outcomes[1] || !steps.is_empty()).then_some(HostDifference { host, outcomes, steps })
    }
}

fn step_differences<'a>(one: &'a HostRecord, other: &'a HostRecord) -> Vec<StepDifference<'a>> {
    let (of_one, of_other) = (by_key(one), by_key(other));
    let places: HashMap<Key, &StepEnded> = of_other.iter().copied().collect();
    let known: HashMap<Key, &StepEnded> = of_one.iter().copied().collect();
    let mut differences: Vec<StepDifference> = Vec::new();
    for (key, step) in &of_one {
        differences.extend(step_difference(key.0, Some(step), places.get(key).copied()));
    }
    for (key, step) in of_other.iter().filter(|(key, _)| !known.contains_key(key)) {
        differences.extend(step_difference(key.0, None, Some(step)));
    }
    differences
}

fn step_difference<'a>(
    name: &'a str,
    one: Option<&'a StepEnded>,
    other: Option<&'a StepEnded>,
) -> Option<StepDifference<'a>> {
    let ended = |step: &StepEnded| Ended { outcome: Some(step.outcome), why: why(step.failure.as_ref()) };
    let outcomes = [one.map(ended), other.map(ended)];
    let changes = |step: Option<&'a StepEnded>| step.map_or(&[][..], |step| &step.changes[..]);
    let only = |of: &'a [String], than: &[String]| -> Vec<&'a str> {
        of.iter().filter(|change| !than.contains(change)).map(String::as_str).collect()
    };
    let changes = [only(changes(one), changes(other)), only(changes(other), changes(one))];
    let differs = outcomes[0] != outcomes[1] || changes.iter().any(|list| !list.is_empty());
    differs.then_some(StepDifference { name, outcomes, changes })
}

fn by_name(record: &RunRecord) -> HashMap<&str, &HostRecord> {
    record.hosts().iter().map(|host| (host.host.as_str(), host)).collect()
}

fn by_key(host: &HostRecord) -> Vec<(Key<'_>, &StepEnded)> {
    let mut seen: HashMap<(&str, Option<u32>), usize> = HashMap::new();
    let keyed = host.steps.iter().map(|step| {
        let count = seen.entry((&step.name, step.item)).or_default();
        *count += 1;
        ((step.name.as_str(), step.item, *count), step)
    });
    keyed.collect()
}

fn why(failure: Option<&crate::model::Failure>) -> Option<String> {
    failure.map(|failure| format!("{}: {}", failure.doing, failure.why))
}

fn turned(one: &str, other: &str) -> String {
    if one == other { one.to_string() } else { format!("{one} → {other}") }
}

fn pair<Outcome: Copy>(
    ended: &[Option<Ended<Outcome>>; 2],
    word: fn(Outcome) -> &'static str,
) -> [Option<&'static str>; 2] {
    [0, 1].map(|at| ended[at].as_ref().and_then(|ended| ended.outcome).map(word))
}

fn whys<Outcome>(ended: &[Option<Ended<Outcome>>; 2]) -> [Option<&str>; 2] {
    [0, 1].map(|at| ended[at].as_ref().and_then(|ended| ended.why.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;
    use crate::record::examples::*;
    use expect_test::expect;

    fn run(hosts: &[&str], steps: &[StepEnded], outcome: HostOutcome) -> RunRecord {
        let events: Vec<_> = hosts.iter().flat_map(|name| host(name, steps, outcome)).collect();
        record(intent(hosts), &events)
    }

    fn named(name: &str, outcome: StepOutcome, changes: &[&str]) -> StepEnded {
        let changes = changes.iter().map(|change| change.to_string()).collect();
        StepEnded { name: name.into(), changes, ..step(0, outcome) }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let before = [
            named("write", StepOutcome::Changed, &["write /a", "write /b"]),
            named("same", StepOutcome::Ok, &[]),
            named("gone", StepOutcome::Ok, &[]),
        ];
        let failure = Some(Failure::new("run x", "exit status 1"));
        let after = [
            named("write", StepOutcome::Changed, &["write /b", "write /c"]),
            named("same", StepOutcome::Ok, &[]),
            StepEnded { failure, ..named("new", StepOutcome::Failed, &[]) },
        ];
        let one = run(&["web01", "web02"], &before, HostOutcome::Changed);
        let other = run(&["web01", "web03"], &after, HostOutcome::Failed);
        let comparison = Comparison::of(&one, &other);
        expect![[r#"
            web01  changed → failed
              write: changed
                - write /a
                + write /c
              gone: ok → not run
              new: not run → failed
                run x: exit status 1
            web02  changed → not in the run
            web03  not in the run → failed
                run x: exit status 1
        "#]]
        .assert_eq(&comparison.shown(Style { color: false }));
        assert_eq!(comparison.json()["hosts"][0]["outcomes"], serde_json::json!(["changed", "failed"]));
    }

    #[test]
    fn runs_that_are_alike_have_no_difference() {
        let one =
            run(&["web01"], &[named("write", StepOutcome::Changed, &["write /a"])], HostOutcome::Changed);
        let shown = Comparison::of(&one, &one).shown(Style { color: false });
        assert_eq!(shown, "every host ended alike, and every step did the same\n");
    }
}
