//! What a run of checks found, laid out for people: the hosts, the groups of what was looked at, the figures that make a
//! table. The screen and Markdown are both made from it.

use crate::model::finding::{Checks, Finding, Verdict};
use crate::model::outcome::HostOutcome;
use crate::record::{HostRecord, RunRecord};
use std::borrow::Cow;

/// What was found on all hosts.
pub struct Board<'a> {
    /// In the order of the run.
    pub rows: Vec<Row<'a>>,
    /// Groups of which something was wanted, in the order in which they were looked at.
    pub groups: Vec<String>,
    /// What has a cell on some host: `disk /`.
    pub figures: Vec<String>,
}

/// What was found on one host.
pub struct Row<'a> {
    /// Its name.
    pub host: &'a str,
    /// How the run ended there.
    pub outcome: Option<HostOutcome>,
    /// Everything that was found.
    pub findings: Vec<Cow<'a, Finding>>,
    /// Its sum.
    pub checks: Checks,
}

/// Lays out a run; `None` when it looked at nothing.
pub fn board(record: &RunRecord) -> Option<Board<'_>> {
    if !record.found_something() {
        return None;
    }
    let rows: Vec<Row> = record.hosts().iter().map(row).collect();
    let findings = || rows.iter().flat_map(|row| &row.findings);
    let judged = findings().filter(|finding| finding.verdict != Verdict::Info);
    let groups = distinct(judged.map(|finding| finding.group.clone()));
    let figures =
        distinct(findings().filter(|finding| finding.cell.is_some()).map(|finding| finding.title()));
    Some(Board { rows, groups, figures })
}

fn row(host: &HostRecord) -> Row<'_> {
    let findings = host.findings();
    let checks = Checks::of(findings.iter().map(AsRef::as_ref));
    Row { host: &host.host, outcome: host.outcome, findings, checks }
}

/// Each text once, in the order of their first.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}

impl Row<'_> {
    /// The finding that is in the column `title` of the figures.
    pub fn figure(&self, title: &str) -> Option<&Finding> {
        let found = self.findings.iter().find(|finding| finding.cell.is_some() && finding.title() == title);
        found.map(AsRef::as_ref)
    }

    /// How many of a group pass, of how many: `3/4`; `-` when nothing of it was looked at here.
    pub fn share(&self, group: &str) -> String {
        let of_group = self.findings.iter().filter(|finding| finding.group == group);
        let checks = Checks::of(of_group.map(AsRef::as_ref));
        match checks.judged() {
            0 => "-".to_string(),
            judged => format!("{}/{judged}", checks.pass),
        }
    }

    /// `94%`; without checks, how the host ended.
    pub fn score(&self) -> String {
        match (self.checks.percent(), self.outcome) {
            (Some(percent), _) => format!("{percent}%"),
            (None, Some(outcome)) => outcome.as_str().to_string(),
            (None, None) => "running".to_string(),
        }
    }

    /// `17 of 18 checks pass (94%)`.
    pub fn sum(&self) -> String {
        let judged = self.checks.judged();
        match self.checks.percent() {
            Some(percent) => format!("{} of {judged} checks pass ({percent}%)", self.checks.pass),
            None => self.score(),
        }
    }
}
