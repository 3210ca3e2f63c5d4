//! The scripts that work on whole trees, as commands.

use super::shelf::{Shelf, called};
use crate::model::op::{Command, Effect, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::tree::enter;

/// A script, given on standard input, with these words. Messages use its title.
pub fn sh<S: Into<String>>(
    title: impl Into<String>,
    script: &[u8],
    words: impl IntoIterator<Item = S>,
) -> Command {
    let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter();
    let argv = argv.chain(words.into_iter().map(Into::into));
    Command { stdin: script.to_vec(), title: Some(title.into()), ..Command::new(argv) }
}

/// Removes a release that is one too many (`keep`). Nothing restores it, and an undo that needs it is refused by
/// [`way_back`]; others do not miss it.
pub fn remove(shelf: &Shelf, number: u32) -> Op {
    let title = format!("remove release {}", called(number));
    let script = enter::script(include_str!("remove.sh"));
    let command = sh(title, script.as_bytes(), [shelf.entered.to_string(), called(number)]);
    let paths = [shelf.tree(number), shelf.since(number), shelf.record_path(number)];
    let effects = paths.map(|path| Effect::Removes { path }).to_vec();
    Run { effects, undo: Undo::NotNeeded, ..Run::from(command) }.into()
}

/// What copies and checks wrote is durable before anything leads there. Where sync knows no file systems, all are synced.
pub fn settle(tree: &HostPath) -> Op {
    let command = sh(format!("sync {tree}"), include_bytes!("settle.sh"), [tree.to_string()]);
    Run { undo: Undo::NotNeeded, ..Run::from(command) }.into()
}

/// Nothing to do now. When the run is taken back, this comes before the link is: a release that `keep` has removed since
/// must not be led to.
pub fn way_back(before: &HostPath) -> Op {
    let command = Command { title: Some(format!("keep the way back to {before}")), ..Command::new(["true"]) };
    let back = sh(format!("look for {before}"), include_bytes!("way-back.sh"), [before.to_string()]);
    Run { undo: Undo::Command(back), ..Run::from(command) }.into()
}
