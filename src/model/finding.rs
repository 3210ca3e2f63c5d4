//! A finding: one thing that a step looked at, what it saw and what was wanted. Steps that look return them in their
//! plan; the engine judges, records and reports them, so that every audit is counted and reported in the same way.

use super::failure::Failure;
use super::{Value, Values};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step reports at most so many; what a fleet's record and a frame can bear. More are counted together.
const TOLD: usize = 2_000;

/// Of what fails, as many are named in a step's failure; the report names all.
const NAMED: usize = 5;

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What belongs together in a report: `disk`, `ports`.
    pub group: String,
    /// What was looked at: `/var`, `3001/tcp`.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, with units: `8% free (1.2 GiB of 15.0 GiB)`.
    pub seen: String,
    /// The same in a few columns: `8%`. Findings that have it make a table with hosts as rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// What was wanted: `at least 10% free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What to try when it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The same for programs, units in the names: `{"free_bytes": 1288490188}`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub details: Values,
}

/// How something that was looked at is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As wanted.
    Pass,
    /// Not as wanted.
    Fail,
    /// It could not be seen. Never counted as a pass.
    #[default]
    Unknown,
    /// Nothing was wanted of it; it is reported as it is.
    Info,
}

/// How many findings came to which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checks {
    /// As wanted.
    pub pass: u32,
    /// Not as wanted.
    pub fail: u32,
    /// Could not be seen.
    pub unknown: u32,
    /// Told as they are.
    pub info: u32,
}

impl Finding {
    /// What was seen of `what`.
    pub fn new(group: &str, what: impl fmt::Display, verdict: Verdict, seen: impl fmt::Display) -> Self {
        let (what, seen) = (what.to_string(), seen.to_string());
        Finding { group: group.to_string(), what, verdict, seen, ..Finding::default() }
    }

    /// With the few columns that a table of hosts shows.
    pub fn cell(self, cell: impl fmt::Display) -> Self {
        Finding { cell: Some(cell.to_string()), ..self }
    }

    /// With what was wanted.
    pub fn wanted(self, wanted: impl fmt::Display) -> Self {
        Finding { wanted: Some(wanted.to_string()), ..self }
    }

    /// With what to try when it is not as wanted.
    pub fn hint(self, hint: impl fmt::Display) -> Self {
        Finding { hint: Some(hint.to_string()), ..self }
    }

    /// With a value for programs.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_string(), value.into());
        self
    }

    /// Whether something was wanted of it that does not hold, or may not.
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::Fail | Verdict::Unknown)
    }

    /// `disk /var`, as a failure names it.
    pub fn title(&self) -> String {
        format!("{} {}", self.group, self.what)
    }
}

/// `fail  disk /var: 8% free (wanted: at least 10% free)`
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<8}{}: {}", self.verdict.as_str(), self.title(), self.seen)?;
        match &self.wanted {
            Some(wanted) => write!(out, " (wanted: {wanted})"),
            None => Ok(()),
        }
    }
}

impl Verdict {
    /// Pass or fail.
    pub fn of(pass: bool) -> Self {
        if pass { Verdict::Pass } else { Verdict::Fail }
    }

    /// The word that people and programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
            Verdict::Info => "info",
        }
    }
}

impl Checks {
    /// Counts findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut checks = Checks::default();
        findings.into_iter().for_each(|finding| checks.add(finding.verdict));
        checks
    }

    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Fail => self.fail += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::Info => self.info += 1,
        }
    }

    /// Those of which something was wanted.
    pub fn judged(&self) -> u32 {
        self.pass + self.fail + self.unknown
    }

    /// How many of a hundred pass, rounded down, so that only what passes whole is 100; `None` when nothing was wanted.
    pub fn percent(&self) -> Option<u32> {
        (u64::from(self.pass) * 100).checked_div(u64::from(self.judged())).map(|percent| percent as u32)
    }
}

/// Why a step with these findings fails; `None` when nothing that was wanted is missing.
pub fn failure(findings: &[Finding]) -> Option<Failure> {
    let checks = Checks::of(findings);
    let bad = || findings.iter().filter(|finding| finding.is_bad());
    let doing = match (checks.fail, checks.unknown) {
        (0, 0) => return None,
        (0, unknown) => format!("{unknown} of {} checks could not be made", checks.judged()),
        (fail, 0) => format!("{fail} of {} checks fail", checks.judged()),
        (fail, unknown) => {
            format!("{fail} of {} checks fail and {unknown} could not be made", checks.judged())
        }
    };
    let mut names: Vec<String> = bad().take(NAMED).map(Finding::title).collect();
    if let Some(more @ 1..) = bad().count().checked_sub(NAMED) {
        names.push(format!("and {more} more"));
    }
    let failure = Failure::new(doing, names.join(", "));
    let mut hints = bad().filter_map(|finding| finding.hint.as_ref());
    Some(match (hints.next(), hints.next()) {
        (Some(only), None) => failure.hint(only),
        _ => failure,
    })
}

/// As many as are reported. What is left out comes to one more finding, which is as bad as the worst of it.
pub fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() <= TOLD {
        return findings;
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(badness(finding.verdict)));
    let rest = findings.split_off(TOLD - 1);
    let checks = Checks::of(&rest);
    let worst = rest.iter().map(|finding| finding.verdict).max_by_key(|verdict| badness(*verdict));
    let seen = format!(
        "{} pass, {} fail, {} unknown, {} only reported",
        checks.pass, checks.fail, checks.unknown, checks.info
    );
    findings.push(Finding::new(
        "more",
        format!("{} findings that are not listed", rest.len()),
        worst.unwrap_or_default(),
        seen,
    ));
    findings
}

fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Info => 0,
        Verdict::Pass => 1,
        Verdict::Unknown => 2,
        Verdict::Fail => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verdict: Verdict, many: usize) -> Vec<Finding> {
        (0..many).map(|number| Finding::new("disk", format!("/{number}"), verdict, "seen")).collect()
    }

    #[test]
    fn only_what_passes_whole_is_a_hundred_percent() {
        let percent = |pass, fail, unknown| Checks { pass, fail, unknown, info: 7 }.percent();
        assert_eq!(percent(0, 0, 0), None);
        assert_eq!((percent(999, 1, 0), percent(1, 0, 0)), (Some(99), Some(100)));
        assert_eq!(percent(1, 0, 1), Some(50), "what cannot be told does not pass");
    }

    #[test]
    fn a_failure_counts_and_names() {
        let text = |findings: &[Finding]| failure(findings).map(|failure| failure.to_string());
        assert_eq!(text(&[found(Verdict::Pass, 1), found(Verdict::Info, 1)].concat()), None);
        assert_eq!(
            text(&[found(Verdict::Pass, 1), found(Verdict::Fail, 1), found(Verdict::Unknown, 1)].concat())
                .unwrap(),
            "1 of 3 checks fail and 1 could not be made: disk /0, disk /0"
        );
        assert_eq!(
            text(&found(Verdict::Fail, 7)).unwrap(),
            "7 of 7 checks fail: disk /0, disk /1, disk /2, disk /3, disk /4, and 2 more"
        );
        let hinted = [found(Verdict::Unknown, 1)[0].clone().hint("become root")];
        assert_eq!(text(&hinted).unwrap(), "1 of 1 checks could not be made: disk /0\n  hint: become root");
    }

    #[test]
    fn what_is_too_much_hides_no_failure() {
        let many = [found(Verdict::Pass, TOLD), found(Verdict::Fail, 3)].concat();
        let told = bounded(many);
        assert_eq!((told.len(), Checks::of(&told).fail), (TOLD, 3));
        let worse = bounded(found(Verdict::Fail, TOLD + 1));
        assert_eq!(worse.last().unwrap().verdict, Verdict::Fail);
        assert_eq!(worse.last().unwrap().seen, "0 pass, 2 fail, 0 unknown, 0 only reported");
    }

    #[test]
    fn is_told_in_a_line() {
        let finding = Finding::new("disk", "/var", Verdict::Fail, "8% free").wanted("at least 10% free");
        assert_eq!(finding.to_string(), "fail    disk /var: 8% free (wanted: at least 10% free)");
    }
}
