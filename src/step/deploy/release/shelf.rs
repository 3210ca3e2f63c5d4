//! What a host has of one application: the path that everybody uses, the releases beside it, and what is known of each.
//!
//! `/srv/app` is a link to `/srv/app.releases/0007`; `/srv/app.releases/0007.json` is that release's [`Record`]. Before
//! the first release `/srv/app` is a directory, afterwards that directory is release 0001.

use crate::model::digest::Digest;
use crate::model::op::{Content, Meta, Op};
use crate::model::path::HostPath;
use crate::model::{Doing, Failure, Result};
use crate::system::{FileKind, Probe};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The path that everybody uses, and the releases beside it.
pub struct Shelf {
    /// The path that everybody uses.
    pub dest: HostPath,
    /// The directory with the releases.
    pub folder: HostPath,
    /// Where that really is: scripts enter it by a path without links.
    pub entered: HostPath,
    /// What serves now; `None` when nothing stands at `dest`.
    pub live: Option<ServingTree>,
    /// By number. One whose copy was cut off may have only a record, one that someone put there only a directory.
    pub releases: BTreeMap<u32, Release>,
}

/// The tree that serves now.
#[derive(Clone, Debug, PartialEq)]
pub struct ServingTree {
    /// Where it really is.
    pub tree: HostPath,
    /// Whether `dest` is a link to it; else `dest` is this directory itself.
    pub is_linked: bool,
}

/// A release on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    /// Whether its directory is there.
    pub has_tree: bool,
    /// What is known of it.
    pub record: Option<Record>,
}

/// What is known of a release. It is written before the release serves, so that what is not known to be good is never
/// taken for good, whenever the host dies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// How far it came.
    pub state: State,
    /// Names the source that was copied over the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
    /// What served before: where to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<HostPath>,
    /// Whether files that were written to the live tree since it was copied were copied again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caught_up: bool,
    /// Why it is bad, or where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How far a release came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being put together.
    Staging,
    /// Its checks have passed.
    Ready,
    /// It is about to serve, or serves and is not proven yet.
    Trying,
    /// It has served and answered.
    Good,
    /// It has not. Nothing ever goes back to it.
    Bad,
}

impl Record {
    /// The record of a release that is being put together.
    pub fn staging(source: &Digest, before: Option<&HostPath>) -> Self {
        Record {
            state: State::Staging,
            source: Some(source.clone()),
            before: before.cloned(),
            caught_up: false,
            why: None,
        }
    }

    /// The record of the directory that stood there before the first release.
    pub fn original(dest: &HostPath) -> Self {
        let why = format!("it stood at {dest} before the first release");
        Record { state: State::Good, source: None, before: None, caught_up: false, why: Some(why) }
    }

    /// The same release, come so far.
    pub fn come_to(&self, state: State) -> Self {
        Record { state, ..self.clone() }
    }

    /// As it is written.
    pub fn text(&self) -> Result<String> {
        serde_json::to_string(self).map(|text| text + "\n").doing("encode the record of a release")
    }
}

impl Shelf {
    /// Looks at what is there.
    pub fn look(host: &dyn Probe, dest: &HostPath) -> Result<Shelf> {
        let folder = HostPath::from(format!("{dest}.releases"));
        let entered = host.follow(&folder)?.into();
        let live = live(host, dest)?;
        let releases = match host.stat(&folder)? {
            Some(_) => releases(host, &folder)?,
            None => BTreeMap::new(),
        };
        Ok(Shelf { dest: dest.clone(), folder, entered, live, releases })
    }

    /// Where a release is.
    pub fn tree(&self, number: u32) -> HostPath {
        self.folder.join(called(number))
    }

    /// Where its record is.
    pub fn record_path(&self, number: u32) -> HostPath {
        self.folder.join(called(number) + ".json")
    }

    /// A file that is as old as the beginning of its copy, and later as its switch: what is younger was written since.
    pub fn since(&self, number: u32) -> HostPath {
        self.folder.join(called(number) + ".since")
    }

    /// What is known of a release.
    pub fn record(&self, number: u32) -> Option<&Record> {
        self.releases.get(&number)?.record.as_ref()
    }

    /// How far a release came.
    pub fn state(&self, number: u32) -> Option<State> {
        Some(self.record(number)?.state)
    }

    /// The release that serves now, when it is one.
    pub fn live_number(&self) -> Option<u32> {
        let live = self.live.as_ref()?;
        self.releases.keys().copied().find(|number| self.tree(*number) == live.tree)
    }

    /// The release that serves now although nothing has proven it: a run was cut off there.
    pub fn unproven(&self) -> Option<u32> {
        self.live_number().filter(|number| self.state(*number).is_some_and(|state| state != State::Good))
    }

    /// The number of a new release. The directory that becomes the first one needs a number before it.
    pub fn next(&self) -> u32 {
        let first = if self.live.as_ref().is_some_and(|live| !live.is_linked) { 2 } else { 1 };
        self.releases.keys().last().map_or(first, |last| (last + 1).max(first))
    }

    /// A number for the directory that stood there before the first release.
    pub fn original(&self, new: u32) -> u32 {
        let free = (1..new).rev().find(|number| !self.releases.contains_key(number));
        free.unwrap_or(self.releases.keys().last().map_or(1, |last| last + 1))
    }

    /// Releases that never served: a run that put them together was cut off, or could not clear away.
    pub fn leftovers(&self) -> Vec<u32> {
        let cut_off = |number: &u32| matches!(self.state(*number), Some(State::Staging | State::Ready));
        self.releases
            .keys()
            .copied()
            .filter(cut_off)
            .filter(|number| self.live_number() != Some(*number))
            .collect()
    }

    /// The op that writes a release's record.
    pub fn write(&self, number: u32, record: &Record) -> Result<Op> {
        let content = Content::Bytes(record.text()?.into_bytes());
        Ok(Op::Write { path: self.record_path(number), content, meta: Meta::default() })
    }
}

/// What people call a release: names sort as numbers do.
pub fn called(number: u32) -> String {
    format!("{number:04}")
}

fn live(host: &dyn Probe, dest: &HostPath) -> Result<Option<ServingTree>> {
    let Some(stat) = host.stat(dest)? else { return Ok(None) };
    let tree = crate::wanted::followed(host, dest)?;
    let doing = format!("look at {dest}");
    match host.stat(&tree)?.map(|stat| stat.kind) {
        Some(FileKind::Dir) => Ok(Some(ServingTree { tree, is_linked: stat.kind == FileKind::Link })),
        None => Err(Failure::new(doing, format!("it is a link to {tree}, and nothing is there"))
            .hint("remove the link, or let it point to what is to serve")),
        Some(other) => Err(Failure::new(doing, format!("a {} is there, not a directory", other.as_str()))),
    }
}

fn releases(host: &dyn Probe, folder: &HostPath) -> Result<BTreeMap<u32, Release>> {
    let mut releases: BTreeMap<u32, Release> = BTreeMap::new();
    for name in host.list(folder)? {
        let Some(name) = name.to_str() else { continue };
        let (stem, is_record) = name.strip_suffix(".json").map_or((name, false), |stem| (stem, true));
        let Some(number) = number(stem) else { continue };
        let release = releases.entry(number).or_default();
        match is_record {
            true => release.record = record(host, &folder.join(name))?,
            false => release.has_tree = true,
        }
    }
    Ok(releases)
}

/// The number that a directory's name is, if it is one.
pub fn number(name: &str) -> Option<u32> {
    let is_number = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| is_number)
}

fn record(host: &dyn Probe, path: &HostPath) -> Result<Option<Record>> {
    let Some(bytes) = host.read(path)? else { return Ok(None) };
    let record = serde_json::from_slice(&bytes).doing(format!("read {path}"));
    record.map(Some).map_err(|failure| {
        failure.hint("remove that release, its directory and this file, if it does not serve")
    })
}
