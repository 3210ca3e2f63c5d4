//! Puts a release together beside the live tree: a copy of that, the source laid over it, and the checks in it. Nothing
//! that serves is touched.

use super::Release;
use super::scripts;
use super::shared;
use super::shelf::{Record, ServingTree, Shelf, State, called};
use crate::model::digest::Digest;
use crate::model::op::{Command, Content, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::tree::Inside;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::tree::enter;
use crate::tree::manifest::{self, Manifest};
use crate::tree::overlay::some_of;
use crate::wanted;

/// More files than this are not copied twice: then it is the app that writes into its tree all the time.
const CATCH_UP: usize = 500;

impl Release {
    /// Begins release `number`.
    pub(super) fn begin(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        source: &Digest,
        number: u32,
    ) -> Result<Plan> {
        let mut ops = wanted::parents(host, &shelf.folder)?;
        if host.stat(&shelf.folder)?.is_none() {
            ops.push(Op::Dir { path: shelf.folder.clone(), meta: Meta::default() });
        }
        ops.extend(shelf.leftovers().into_iter().map(|left| scripts::remove(shelf, left)));
        let live = shelf.live.as_ref();
        if let Some(live) = live {
            ops.extend(shared::ops(host, shelf, &live.tree, &self.shared)?);
        }
        let record = Record::staging(source, live.map(|live| &live.tree));
        ops.push(copy(host, shelf, number, live, record)?);
        if live.is_none() {
            ops.push(Op::Dir { path: shelf.tree(number), meta: Meta::default() });
        }
        if let Some(live) = live {
            ops.extend(inherit(host, &live.tree, &shelf.tree(number))?);
        }
        Ok(Plan::of(ops))
    }

    /// Lays the source over the copy and lets the checks run in it.
    pub(super) fn fill(&self, host: &dyn Probe, shelf: &Shelf, number: u32, record: &Record) -> Result<Plan> {
        let tree = shelf.tree(number);
        let links = shared::ops(host, shelf, &tree, &self.shared)?;
        if !links.is_empty() {
            return Ok(Plan::of(links));
        }
        let laid = self.lay(host, &tree)?;
        let mut plan = laid.plan;
        plan.ops.extend(self.check.iter().map(|words| self.checked(words.to_vec(), &tree)));
        plan.ops.push(shelf.write(number, &record.come_to(State::Ready))?);
        plan.notes.insert(0, format!("release {} is put together in {tree}", called(number)));
        Ok(plan)
    }

    /// A check may build something too; all of it is in the stage, which goes as a whole.
    fn checked(&self, argv: Vec<String>, tree: &HostPath) -> Op {
        let command =
            Command { directory: Some(tree.clone()), user: self.user.clone(), ..Command::new(argv) };
        Run { undo: Undo::NotNeeded, ..Run::from(command) }.into()
    }

    /// Copies again, once, what was written to the live tree since it was copied; the source's own files are newer.
    pub(super) fn catch_up(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        number: u32,
        record: &Record,
    ) -> Result<Option<Plan>> {
        let Some(live) = shelf.live.as_ref().filter(|_| !record.caught_up && !host.pretends()) else {
            return Ok(None);
        };
        let paths = self.written_since(host, shelf, live, number)?;
        if paths.is_empty() {
            return Ok(None);
        }
        let tree = shelf.tree(number);
        let [from, to] =
            [host.follow(&live.tree)?, host.follow(&tree)?].map(|path| path.display().to_string());
        let words = [from, to].into_iter().chain(paths.clone());
        let copy = Run {
            undo: Undo::NotNeeded,
            ..Run::from(scripts::sh(
                format!("copy {} files of {} again", paths.len(), live.tree),
                enter::script(include_str!("catch-up.sh")).as_bytes(),
                words,
            ))
        };
        let record = shelf.write(number, &Record { caught_up: true, ..record.clone() })?;
        let told = some_of(&paths).join(", ");
        let note = format!("written while the release was put together, so copied again: {told}");
        Ok(Some(Plan { notes: vec![note], ..Plan::of(vec![copy.into(), record]) }))
    }

    fn written_since(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        live: &ServingTree,
        number: u32,
    ) -> Result<Vec<String>> {
        let words = [host.follow(&live.tree)?.display().to_string(), shelf.since(number).to_string()];
        let title = format!("look what was written to {}", live.tree);
        let script = enter::script(include_str!("changed.sh"));
        let question = scripts::sh(title, script.as_bytes(), words);
        let answer = host.ask(&question)?;
        if !answer.ok() {
            return Err(refused(&question, &answer));
        }
        let names = answer.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let names: Vec<String> =
            names.map(|name| String::from_utf8_lossy(name).trim_start_matches("./").to_string()).collect();
        if names.len() > CATCH_UP || answer.stdout.len() as u64 + answer.stderr.len() as u64 != answer.total {
            let why = format!("at least {} files were written to {} since", names.len(), live.tree);
            return Err(Failure::new(format!("copy {} again", live.tree), why)
                .hint("name what the app writes in `shared`, so that every release uses the same"));
        }
        let tree = self.source_tree(host)?;
        let from_source =
            |name: &String| Inside::new(name.clone()).is_ok_and(|path| tree.find(&path).is_some());
        Ok(names.into_iter().filter(|name| !from_source(name)).collect())
    }
}

/// Scripts that follow enter.sh: they work in directories that another user may control.
const COPY: &str = concat!(include_str!("copy-tree.sh"), include_str!("copy.sh"));
const UNSTAGE: &str = include_str!("unstage.sh");

fn copy(
    host: &dyn Probe,
    shelf: &Shelf,
    number: u32,
    live: Option<&ServingTree>,
    record: Record,
) -> Result<Op> {
    let (tree, record_path) = (shelf.tree(number), shelf.record_path(number));
    let text = record.text()?;
    let from = live.map(|live| host.follow(&live.tree)).transpose()?.unwrap_or_default();
    let words = [shelf.entered.to_string(), called(number), text.clone(), from.display().to_string()];
    let back = scripts::sh(
        format!("take release {} away", called(number)),
        enter::script(UNSTAGE).as_bytes(),
        [shelf.entered.to_string(), called(number), shelf.dest.to_string(), tree.to_string()],
    );
    let title = match live {
        Some(live) => format!("copy {} to {tree}", live.tree),
        None => format!("begin release {}", called(number)),
    };
    let mut effects = vec![Effect::Writes { path: record_path.clone(), bytes: text.into_bytes() }];
    effects.extend(live.map(|live| Effect::Copies { from: live.tree.clone(), to: tree.clone() }));
    Ok(Run {
        undo: Undo::Command(back),
        effects,
        covers: vec![tree, record_path, shelf.since(number)],
        ..Run::from(scripts::sh(title, enter::script(COPY).as_bytes(), words))
    }
    .into())
}

/// What windlass put into the one tree, it has put into its copy too.
pub fn inherit(host: &dyn Probe, from: &HostPath, to: &HostPath) -> Result<Vec<Op>> {
    let Some(brought) = host.brought() else { return Ok(Vec::new()) };
    let (manifest, _) = Manifest::read(host, brought, from)?;
    if manifest.entries.is_empty() {
        return Ok(Vec::new());
    }
    let content = Content::Bytes(manifest.bytes(to)?);
    let meta = Meta { mode: Some(0o600), ..Meta::default() };
    Ok(vec![Op::Write { path: manifest::place(brought, to), content, meta }])
}
