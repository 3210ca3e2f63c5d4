//! What a change does to a file, as people read it.

use super::summary::DIFF_BYTES;
use crate::model::digest::Digest;
use crate::model::op::{Asset, Content, Op};
use crate::model::path::HostPath;
use crate::system::Probe;
use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, DiffOp, group_diff_ops};
use std::collections::{BTreeMap, BTreeSet};

/// Texts longer than this are reported by size only, in bytes.
const TEXT_LIMIT: u64 = 256 * 1024;

/// Of a tree, files longer than this are not sent for their diff alone, in bytes.
const ASSET_LIMIT: u64 = 64 * 1024;

/// Lines around a change.
const CONTEXT: usize = 3;

/// What is to be written from assets, as far as it is here already.
pub type Texts = BTreeMap<Digest, Vec<u8>>;

/// The assets of these ops that are short enough for a diff, each once and all together no more than is ever shown.
pub fn short_assets(ops: &[Op]) -> Vec<Asset> {
    let asset = |op: &Op| match op {
        Op::Write { content: Content::Asset(asset), .. } if asset.size <= ASSET_LIMIT => Some(asset.clone()),
        _ => None,
    };
    let (mut room, mut seen) = (DIFF_BYTES as u64, BTreeSet::new());
    let mut fits = |asset: &Asset| {
        if !seen.insert(asset.digest.clone()) {
            return false;
        }
        let left = room.checked_sub(asset.size.max(1));
        room = left.unwrap_or(0);
        left.is_some()
    };
    ops.iter().filter_map(asset).filter(|asset| fits(asset)).collect()
}

/// The unified diff of an op, looking at the host before the op is performed; `None` when there is none to show.
pub fn of(host: &dyn Probe, op: &Op, texts: &Texts) -> Option<String> {
    match op {
        Op::Write { path, content, .. } => Some(of_write(host, path, content, texts)),
        Op::Remove { path } => of_removal(host, path),
        _ => None,
    }
}

fn of_write(host: &dyn Probe, path: &HostPath, content: &Content, texts: &Texts) -> String {
    let after = match content {
        Content::Bytes(bytes) => text(bytes.clone()),
        Content::Asset(asset) => texts.get(&asset.digest).cloned().map_or(Text::Other(asset.size), text),
    };
    unified(path, before(host, path), after)
}

fn of_removal(host: &dyn Probe, path: &HostPath) -> Option<String> {
    let is_file =
        host.stat(path).ok().flatten().is_some_and(|stat| stat.kind == crate::system::FileKind::File);
    is_file.then(|| unified(path, before(host, path), Text::Nothing))
}

enum Text {
    Nothing,
    Lines(String),
    Other(u64),
}

fn before(host: &dyn Probe, path: &HostPath) -> Text {
    let size = host.stat(path).ok().flatten().map(|stat| stat.size);
    match size {
        None => Text::Nothing,
        Some(size) if size > TEXT_LIMIT => Text::Other(size),
        Some(size) => host.read(path).ok().flatten().map_or(Text::Other(size), text),
    }
}

fn text(bytes: Vec<u8>) -> Text {
    let size = bytes.len() as u64;
    match String::from_utf8(bytes) {
        Ok(text) if size <= TEXT_LIMIT && !text.contains('\0') => Text::Lines(text),
        _ => Text::Other(size),
    }
}

fn unified(path: &HostPath, before: Text, after: Text) -> String {
    let name =
        |text: &Text| if matches!(text, Text::Nothing) { "/dev/null".to_string() } else { path.to_string() };
    let (old_name, new_name) = (name(&before), name(&after));
    match (lines(before), lines(after)) {
        (Ok(old), Ok(new)) => match hunks(&old, &new) {
            hunks if hunks.is_empty() => hunks,
            hunks => format!("--- {old_name}\n+++ {new_name}\n{hunks}"),
        },
        (old, new) => format!("--- {old_name}\n+++ {new_name}\n{}\n", sizes(size_of(old), size_of(new))),
    }
}

/// Not by `TextDiff`, which links every algorithm there is for every type there is: 0.2 MB of each agent.
fn hunks(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut found = Compact::new(Replace::new(Capture::new()), &old[..], &new[..]);
    let Ok(()) = myers::diff(&mut found, &old[..], 0..old.len(), &new[..], 0..new.len());
    let ops = found.into_inner().into_inner().into_ops();
    group_diff_ops(ops, CONTEXT)
        .iter()
        .filter(|ops| !ops.is_empty())
        .map(|ops| hunk(ops, &old, &new))
        .collect()
}

fn hunk(ops: &[DiffOp], old: &[&str], new: &[&str]) -> String {
    let mut text = format!("{}\n", UnifiedHunkHeader::new(ops));
    for change in ops.iter().flat_map(|op| op.iter_changes(old, new)) {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let line = change.value();
        let ending = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
        text.extend([sign.encode_utf8(&mut [0; 4]), line, ending]);
    }
    text
}

fn lines(text: Text) -> Result<String, u64> {
    match text {
        Text::Nothing => Ok(String::new()),
        Text::Lines(text) => Ok(text),
        Text::Other(size) => Err(size),
    }
}

fn size_of(text: Result<String, u64>) -> u64 {
    text.map_or_else(|size| size, |text| text.len() as u64)
}

/// What is said of a file that is no text, or too long to be shown.
fn sizes(old: u64, new: u64) -> String {
    match old == new {
        true => format!("{new} bytes, of which some differ; the diff is left out"),
        false => format!("{old} bytes become {new}; the diff is left out"),
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn changes_are_hunks_with_their_surroundings() {
        let old: String = (1..=20).map(|line| format!("{line}\n")).collect();
        let new = old.replace("\n2\n", "\ntwo\n").replace("19\n20\n", "19\n20");
        expect![[r#"
            @@ -1,5 +1,5 @@
             1
            -2
            +two
             3
             4
             5
            @@ -17,4 +17,4 @@
             17
             18
             19
            -20
            +20
            \ No newline at end of file
        "#]]
        .assert_eq(&hunks(&old, &new));
    }

    #[test]
    fn a_new_file_is_all_additions_and_an_equal_one_is_nothing() {
        expect![[r#"
            @@ -0,0 +1,2 @@
            +a
            +b
        "#]]
        .assert_eq(&hunks("", "a\nb\n"));
        assert_eq!(hunks("a\n", "a\n"), "");
    }
}
