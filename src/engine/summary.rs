//! What a step did, as people read it: a line for each change while they are few, a sum and the first of them when not.

use super::perform::describe;
use crate::model::event::UndoScope;
use crate::model::op::Op;
use std::collections::BTreeMap;

/// So many changes have a line each.
const LINES: usize = 50;

/// Diffs end once they have this many bytes together: nobody reads more, and every host keeps its own.
pub const DIFF_BYTES: usize = 256 * 1024;

/// Changes that were or would be made.
#[derive(Debug, Default)]
pub struct Changes {
    lines: Vec<String>,
    sums: BTreeMap<&'static str, usize>,
    undo: UndoScope,
}

/// Unified diffs, up to a bound.
#[derive(Debug, Default)]
pub struct Diffs {
    text: String,
    left_out: usize,
}

impl Changes {
    /// Adds one. `in_part`: why it can be undone only in part.
    pub fn push(&mut self, op: &Op, in_part: Option<&str>) {
        if self.lines.len() < LINES {
            self.lines.push(describe(op));
        }
        *self.sums.entry(kind(op)).or_default() += 1;
        if op.changes_host() {
            self.undo.count(op.no_undo().or(in_part).map(|why| format!("{}: {why}", describe(op))));
        }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Forgets them: they are undone.
    pub fn clear(&mut self) {
        *self = Changes::default();
    }

    /// Adds one that a failed step has left. `why` says why it is not undone, `broke` that it failed after it had started.
    pub fn push_left(&mut self, what: &str, why: &str, broke: bool) {
        if self.lines.len() < LINES {
            self.lines.push(what.to_string());
        }
        *self.sums.entry("not undone:").or_default() += 1;
        let not = format!("{what}: {why}");
        match broke {
            true => self.undo.count_unknown(not),
            false => self.undo.count(Some(not)),
        }
    }

    /// How many of them can be undone.
    pub fn undo(&self) -> UndoScope {
        self.undo.clone()
    }

    /// A line each; of many a sum, the first ones, and how many more there are.
    pub fn told(self) -> Vec<String> {
        let all: usize = self.sums.values().sum();
        if all <= LINES {
            return self.lines;
        }
        let sums: Vec<String> =
            self.sums.iter().map(|(what, count)| format!("{what} {}", thousands(*count))).collect();
        let more = format!("… and {} more", thousands(all - self.lines.len()));
        [sums.join(", ")].into_iter().chain(self.lines).chain([more]).collect()
    }
}

impl Diffs {
    /// Adds what `diff` gives, unless there is enough already.
    pub fn add(&mut self, diff: impl FnOnce() -> Option<String>) {
        if self.text.len() >= DIFF_BYTES {
            self.left_out += 1;
        } else {
            self.text.push_str(&diff().unwrap_or_default());
        }
    }

    /// All of them, and how many are missing.
    pub fn told(mut self) -> Option<String> {
        if self.left_out > 0 {
            let more = format!("… and {} more changes, whose diffs are left out\n", thousands(self.left_out));
            self.text.push_str(&more);
        }
        Some(self.text).filter(|text| !text.is_empty())
    }
}

/// The first lines of many, and how many more there are.
pub fn first_lines(lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    let more = (more > 0).then(|| format!("… and {} more", thousands(more)));
    lines.into_iter().take(LINES).chain(more).collect()
}

/// `10,000`
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

fn kind(op: &Op) -> &'static str {
    match op {
        Op::Write { .. } => "files written:",
        Op::Dir { .. } => "directories made:",
        Op::Link { .. } => "links made:",
        Op::Meta { .. } | Op::Attributes { .. } | Op::Modified { .. } => "modes, owners or attributes set:",
        Op::PutBack { .. } => "files put back:",
        Op::Remove { .. } | Op::RemoveEmpty { .. } => "removed:",
        Op::Exchange { .. } => "paths exchanged:",
        Op::Run(_) => "commands run:",
        Op::Await { .. } => "waits:",
        Op::Fetch { .. } => "files fetched:",
        Op::Backup(_) => "backups taken:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: usize) -> Vec<String> {
        let mut changes = Changes::default();
        (0..count).for_each(|number| {
            changes.push(&Op::Remove { path: format!("/{number}").into() }, None);
        });
        changes.told()
    }

    #[test]
    fn few_changes_have_a_line_each_and_many_a_sum() {
        assert_eq!(told(2), ["remove /0", "remove /1"]);
        let many = told(1250);
        assert_eq!(many.len(), LINES + 2);
        assert_eq!((&many[0][..], &many[1][..]), ("removed: 1,250", "remove /0"));
        assert_eq!(many[LINES + 1], "… and 1,200 more");
    }

    #[test]
    fn diffs_are_bounded() {
        let mut diffs = Diffs::default();
        (0..10).for_each(|_| diffs.add(|| Some("x".repeat(DIFF_BYTES / 2))));
        let told = diffs.told().unwrap();
        assert!(told.ends_with("… and 8 more changes, whose diffs are left out\n"));
        assert_eq!(Diffs::default().told(), None);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
