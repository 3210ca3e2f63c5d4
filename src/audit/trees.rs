//! A tree here, a directory there and what was last deployed into it, compared three ways.

use crate::model::Result;
use crate::model::counted::counted;
use crate::model::finding::{Finding, Verdict};
use crate::model::path::HostPath;
use crate::model::tree::pattern::Pattern;
use crate::model::tree::{Inside, Tree, TreeNode};
use crate::system::{FileKind, Probe, Stat};
use crate::tree::manifest::{Manifest, Put};
use crate::tree::there::There;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared.
pub struct Sides<'a> {
    /// The tree here.
    pub tree: &'a Tree,
    /// The directory there, links followed.
    pub dest: &'a HostPath,
    /// What windlass put there; empty when it never did.
    pub manifest: &'a Manifest,
    /// What is left out on all sides.
    pub exclude: &'a [Pattern],
}

/// How a path is on the three sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Same,
    OnlyThere,
    OnlyHere,
    /// Changed there since it was deployed.
    Edited,
    /// Removed there since it was deployed.
    Removed,
    /// Changed here since it was deployed.
    Pending,
    /// Changed on both sides since.
    Both,
    /// Gone from the source since it was deployed.
    Left,
    /// Different, and nothing is known of a deployment.
    Differs,
    /// As here, but with other permissions than it was deployed with.
    Mode,
}

/// What there is to say of every file and link; what is the same is only counted. Directories are not compared.
pub fn compare(host: &dyn Probe, sides: &Sides<'_>) -> Result<Vec<Finding>> {
    let mut there = There::new(host, sides.dest);
    let excluded = |path: &Inside| sides.exclude.iter().any(|pattern| pattern.matches(path));
    let found = there.all(&|path| !excluded(path))?;
    let compared = |(path, stat): &(Inside, Stat)| stat.kind != FileKind::Dir && !excluded(path);
    let stats: BTreeMap<Inside, Stat> = found.into_iter().filter(compared).collect();
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in paths(sides, &stats).into_iter().filter(|path| !excluded(path)) {
        let here = sides.tree.find(&path).map(|entry| &entry.what).filter(|what| **what != TreeNode::Dir);
        let put = sides.manifest.entries.get(&path).filter(|put| put.what != TreeNode::Dir);
        let Some(state) = state(&there, &path, here, stats.get(&path), put)? else { continue };
        *counts.entry(state).or_default() += 1;
        if state != State::Same {
            findings.push(told(&path, state, put));
        }
    }
    findings.sort_by_key(|finding| finding.verdict != Verdict::Fail);
    findings.push(summary(sides, &stats, &counts));
    Ok(findings)
}

fn paths(sides: &Sides<'_>, stats: &BTreeMap<Inside, Stat>) -> BTreeSet<Inside> {
    let here =
        sides.tree.entries().iter().filter(|entry| entry.what != TreeNode::Dir).map(|entry| &entry.path);
    let deployed =
        sides.manifest.entries.iter().filter(|(_, put)| put.what != TreeNode::Dir).map(|(path, _)| path);
    here.chain(deployed).chain(stats.keys()).cloned().collect()
}

/// `None` for what was deployed once and is on neither side any more.
fn state(
    there: &There<'_>,
    path: &Inside,
    here: Option<&TreeNode>,
    stat: Option<&Stat>,
    put: Option<&Put>,
) -> Result<Option<State>> {
    let is = |stat: &Stat, what: Option<&TreeNode>| what.map_or(Ok(false), |what| there.is(path, stat, what));
    Ok(Some(match (here, stat, put) {
        (None, None, _) => return Ok(None),
        (Some(_), None, None) => State::OnlyHere,
        (Some(_), None, Some(_)) => State::Removed,
        (None, Some(_), None) => State::OnlyThere,
        (None, Some(stat), Some(put)) if is(stat, Some(&put.what))? => State::Left,
        (None, Some(_), Some(_)) => State::Both,
        (Some(_), Some(stat), put) if is(stat, here)? => match put {
            Some(put)
                if stat.kind == FileKind::File && is(stat, Some(&put.what))? && put.mode != stat.mode =>
            {
                State::Mode
            }
            _ => State::Same,
        },
        (Some(_), Some(_), None) => State::Differs,
        (Some(_), Some(stat), Some(put)) if is(stat, Some(&put.what))? => State::Pending,
        (Some(here), Some(_), Some(put)) if put.what == *here => State::Edited,
        (Some(_), Some(_), Some(_)) => State::Both,
    }))
}

fn told(path: &Inside, state: State, put: Option<&Put>) -> Finding {
    let (group, verdict, seen) = match state {
        State::Same => ("same", Verdict::Pass, "the same on both sides"),
        State::OnlyThere => {
            ("only there", Verdict::Fail, "it is not here, and windlass did not put it there")
        }
        State::OnlyHere => ("only here", Verdict::Info, "it was not deployed yet"),
        State::Edited => ("edited by hand", Verdict::Fail, "changed there since it was deployed"),
        State::Removed => ("edited by hand", Verdict::Fail, "removed there since it was deployed"),
        State::Pending => ("pending", Verdict::Info, "changed here since it was deployed"),
        State::Both => ("edited by hand", Verdict::Fail, "changed there since it was deployed, and here too"),
        State::Left => ("pending", Verdict::Info, "no longer here; it is still as it was deployed"),
        State::Differs => {
            ("differs", Verdict::Fail, "different from here, and windlass does not know how it came there")
        }
        State::Mode => ("edited by hand", Verdict::Fail, "its mode was changed there since it was deployed"),
    };
    let finding = Finding::new(group, path, verdict, seen);
    match put.and_then(|put| put.run.as_ref()) {
        Some(run) => finding.detail("deployed_by", run.to_string()),
        None => finding,
    }
}

fn summary(sides: &Sides<'_>, stats: &BTreeMap<Inside, Stat>, counts: &BTreeMap<State, usize>) -> Finding {
    let count = |states: &[State]| states.iter().filter_map(|state| counts.get(state)).sum::<usize>();
    let parts = [
        ("same", count(&[State::Same])),
        ("only there", count(&[State::OnlyThere])),
        ("only here", count(&[State::OnlyHere])),
        ("edited by hand", count(&[State::Edited, State::Removed, State::Both, State::Mode])),
        ("pending", count(&[State::Pending, State::Left])),
        ("different", count(&[State::Differs])),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}")).collect();
    let files = stats.len();
    let known = !sides.manifest.entries.is_empty();
    let how =
        if known { "" } else { "; windlass has deployed nothing there, so only two sides were compared" };
    let parts_told = if told.is_empty() { "nothing on either side".to_string() } else { told.join(", ") };
    let seen = format!("{} there: {parts_told}{how}", counted(files, "file"));
    let finding = Finding::new("tree", sides.dest, Verdict::Info, seen).detail("files", files);
    let finding = finding.detail("three_way", known);
    parts.iter().fold(finding, |finding, (name, count)| finding.detail(&name.replace(' ', "_"), *count))
}

#[cfg(all(test, feature = "controller"))]
mod tests;
