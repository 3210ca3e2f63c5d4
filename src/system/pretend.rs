//! A host whose writes are held in memory. Check mode is the engine over this, so what it predicts is what apply
//! does; unit tests of steps use it over an empty host.

use super::walk::{ByPath, Last};
use super::{Background, Details, FileKind, Listener, Lock, Probe, READ_LIMIT, Ran, Stat, System};
use crate::model::attributes::Attributes;
use crate::model::digest::Digest;
use crate::model::op::{Answer, Asset, Command, Condition, Meta, Observed, Run};
use crate::model::{Doing, Failure, Result, Values};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use trees::Moved;

mod empty;
mod rights;
mod trees;

pub use empty::Empty;

/// What a new file or directory belongs to: the user that runs. In memory that is no one in particular.
const NOBODY: u32 = 0;

/// So many steps are named that an unknown one waits for.
const STEPS_NAMED: usize = 3;

/// Another host's view with changes on top that only this value knows.
pub struct Pretend<'a> {
    under: &'a dyn Probe,
    paths: RefCell<BTreeMap<PathBuf, Entry>>,
    /// Extended attributes that were set.
    attributes: RefCell<BTreeMap<PathBuf, Attributes>>,
    answers: RefCell<BTreeMap<Vec<String>, Answer>>,
    moved: RefCell<Vec<Moved>>,
    touched: Cell<bool>,
    /// The steps that pretended something, in order.
    changers: RefCell<Vec<String>>,
}

/// What a path holds after the pretended changes.
#[derive(Clone)]
enum Entry {
    Missing,
    There(Stat, Bytes),
}

/// Where a pretended file's bytes are.
#[derive(Clone)]
enum Bytes {
    /// In the host underneath, or nowhere because it is no file.
    Under,
    /// In memory.
    Held(Vec<u8>),
    /// Only named: an asset is not fetched for pretending.
    Named(Asset),
}

impl<'a> Pretend<'a> {
    /// A pretended host that begins as the one underneath is.
    pub fn over(under: &'a dyn Probe) -> Self {
        Pretend {
            under,
            paths: RefCell::default(),
            attributes: RefCell::default(),
            answers: RefCell::default(),
            moved: RefCell::default(),
            touched: Cell::new(false),
            changers: RefCell::default(),
        }
    }

    /// Whether anything was pretended so far: what daemons answer can then no longer be known.
    pub fn touched(&self) -> bool {
        self.touched.get()
    }

    /// A step of this name pretended something.
    pub fn changed_by(&self, step: &str) {
        self.changers.borrow_mut().push(step.to_string());
    }

    /// What a question waits for that can only be answered once the changes so far are made.
    pub fn awaited(&self) -> String {
        let changers = self.changers.borrow();
        let named = changers.iter().take(STEPS_NAMED).map(|step| format!("`{step}`")).collect::<Vec<_>>();
        match (changers.len(), named.join(", ")) {
            (0, _) => "it looks at what the changes above would make of the host".to_string(),
            (all, named) if all > STEPS_NAMED => {
                format!("it waits for {named} and {} more to be applied", all - STEPS_NAMED)
            }
            (_, named) => format!("it waits for {named} to be applied"),
        }
    }

    /// Takes what was pretended so far for the host's real state: how unit tests make a host.
    #[cfg(test)]
    pub fn settle(&self) {
        self.touched.set(false);
    }

    /// Lets a directory be there, private, as a run would make it before its first change. That is no pretended change.
    pub fn furnish(&self, folder: &Path) {
        let missing = folder.ancestors().take_while(|path| matches!(self.under.stat(path), Ok(None)));
        let entry =
            |path: &Path| (path.to_path_buf(), Entry::There(fresh(FileKind::Dir, 0o700), Bytes::Under));
        self.paths.borrow_mut().extend(missing.map(entry));
    }

    /// Supposes that a command has run: what it predicts is answered from now on.
    pub fn suppose(&self, run: &Run) {
        self.touched.set(true);
        let predicted = run.predicts.iter().map(|one| (one.argv.clone(), one.answer.clone()));
        self.answers.borrow_mut().extend(predicted);
    }

    /// Like [`System::write`] with an asset's bytes, which stay with the controller.
    pub fn write_asset(&self, path: &Path, asset: &Asset, meta: &Meta) -> Result<()> {
        self.put_file(path, Bytes::Named(asset.clone()), asset.size, meta)
    }

    fn put_file(&self, path: &Path, bytes: Bytes, size: u64, meta: &Meta) -> Result<()> {
        let path = self.followed(path)?;
        self.expect_parent(&path)?;
        let old = self.stat(&path)?;
        if let Some(stat) = old.as_ref().filter(|stat| stat.kind != FileKind::File) {
            return Err(Failure::new(
                format!("write {}", path.display()),
                format!("a {} is there", stat.kind.as_str()),
            ));
        }
        self.may_write(&path, true)?;
        let stat = Stat { size, ..old.unwrap_or(self.fresh(FileKind::File, 0o644)) };
        self.may_own(&path, &stat, meta)?;
        let stat = with_meta(stat, meta);
        self.put(path, Entry::There(stat, bytes));
        Ok(())
    }

    fn put(&self, path: PathBuf, entry: Entry) {
        self.touched.set(true);
        if matches!(entry, Entry::Missing) {
            self.attributes.borrow_mut().remove(&path);
        }
        self.paths.borrow_mut().insert(path, entry);
    }

    /// The attributes that were set on a pretended file, else those of the file whose bytes it still has. A new file has none.
    fn attributes_of(&self, path: &Path, entry: Option<&Entry>) -> Result<Option<Attributes>> {
        match (self.attributes.borrow().get(path), entry) {
            (Some(set), Some(Entry::There(..))) => Ok(Some(set.clone())),
            (None, Some(Entry::There(_, Bytes::Under))) => {
                Ok(self.under.details(&self.beneath(path))?.attributes)
            }
            _ => Ok(Details::default().attributes),
        }
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        self.paths.borrow().get(path).cloned()
    }

    fn expect_parent(&self, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        match self.stat(parent)?.map(|stat| stat.kind) {
            Some(FileKind::Dir) => Ok(()),
            Some(other) => Err(Failure::new(
                format!("write {}", path.display()),
                format!("{} is a {}, not a directory", parent.display(), other.as_str()),
            )),
            None => Err(Failure::new(
                format!("write {}", path.display()),
                format!("there is no directory {}", parent.display()),
            )),
        }
    }

    /// The path with links in its directories resolved, so that one place has one name. While nothing is pretended
    /// the host underneath resolves by itself, which saves looking at each part.
    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        if self.paths.borrow().is_empty() {
            return Ok(path.to_path_buf());
        }
        self.reached(path, Last::Kept)
    }

    fn followed(&self, path: &Path) -> Result<PathBuf> {
        if self.paths.borrow().is_empty() {
            return self.under.follow(path);
        }
        self.reached(path, Last::Followed)
    }

    fn reached(&self, path: &Path, last: Last) -> Result<PathBuf> {
        let look = |path: &Path| self.stat_raw(path);
        let doing = format!("follow {}", path.display());
        Ok(ByPath::new(look, self.under.runs_as(), self.under, doing).reach(path, last)?.path)
    }

    /// The state of a canonical path.
    fn stat_raw(&self, path: &Path) -> Result<Option<Stat>> {
        match self.entry(path) {
            Some(Entry::There(stat, _)) => Ok(Some(stat)),
            Some(Entry::Missing) => Ok(None),
            None if self.below_missing(path) => Ok(None),
            None => self.under.stat(&self.beneath(path)),
        }
    }

    fn below_missing(&self, path: &Path) -> bool {
        let mut above = path.ancestors().skip(1).filter_map(|parent| self.entry(parent));
        above.any(|entry| matches!(entry, Entry::Missing))
    }

    fn held(&self, path: &Path) -> Result<Option<Bytes>> {
        match self.entry(path) {
            Some(Entry::There(_, bytes)) => Ok(Some(bytes)),
            Some(Entry::Missing) => Ok(None),
            None if self.below_missing(path) => Ok(None),
            None => Ok(Some(Bytes::Under)),
        }
    }
}

impl Probe for Pretend<'_> {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.stat_raw(&self.canonical(path)?)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let path = self.followed(path)?;
        match self.held(&path)? {
            None => Ok(None),
            Some(Bytes::Under) => self.under.read(&self.beneath(&path)),
            Some(Bytes::Held(bytes)) => Ok(Some(bytes)),
            Some(Bytes::Named(_)) => Err(Failure::new(
                format!("read {}", path.display()),
                "it is still on the controller: check mode does not send files",
            )),
        }
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        let path = self.followed(path)?;
        match self.held(&path)? {
            Some(Bytes::Under) => self.under.read_at(&self.beneath(&path), offset, length),
            _ => {
                let bytes = self.read(&path)?.unwrap_or_default();
                let rest = bytes.get(offset as usize..).unwrap_or_default();
                Ok(rest[..rest.len().min(length)].to_vec())
            }
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let path = self.followed(path)?;
        let pretended = self.paths.borrow().get(&path).is_some_and(|entry| matches!(entry, Entry::There(..)));
        let mut names: BTreeSet<OsString> = match self.under.stat(&self.beneath(&path))? {
            Some(_) if !self.below_missing(&path) => {
                self.under.list(&self.beneath(&path))?.into_iter().collect()
            }
            None if !pretended => return self.under.list(&self.beneath(&path)),
            _ => BTreeSet::new(),
        };
        for (child, entry) in self.paths.borrow().iter().filter(|(child, _)| child.parent() == Some(&path)) {
            let name = child.file_name().unwrap_or_default().to_os_string();
            match entry {
                Entry::Missing => drop(names.remove(&name)),
                Entry::There(..) => drop(names.insert(name)),
            }
        }
        Ok(names.into_iter().collect())
    }

    fn details(&self, path: &Path) -> Result<Details> {
        let path = self.canonical(path)?;
        match (self.entry(&path), self.below_missing(&path)) {
            (None, false) => self.under.details(&self.beneath(&path)),
            (entry, _) => {
                let attributes = self.attributes_of(&path, entry.as_ref())?;
                Ok(Details { stat: self.stat(&path)?, attributes, ..Details::default() })
            }
        }
    }

    fn same_file_system(&self, one: &Path, other: &Path) -> Result<bool> {
        self.under.same_file_system(one, other)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        let path = self.followed(path)?;
        match self.held(&path)? {
            None => Ok(None),
            Some(Bytes::Under) => self.under.digest(&self.beneath(&path)),
            Some(Bytes::Held(bytes)) => Ok(Some(Digest::of(&bytes))),
            Some(Bytes::Named(asset)) => Ok(Some(asset.digest)),
        }
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        self.followed(path)
    }

    fn runs_as(&self) -> u32 {
        self.under.runs_as()
    }

    fn refuse_change(&self, path: &Path) -> Result<()> {
        match self.held(path)? {
            Some(Bytes::Under) => self.under.refuse_change(&self.beneath(path)),
            _ => Ok(()),
        }
    }

    fn ask(&self, question: &Command) -> Result<Answer> {
        match self.answers.borrow().get(&question.argv) {
            Some(answer) => Ok(answer.clone()),
            None => self.under.ask(question),
        }
    }

    fn pretends(&self) -> bool {
        self.touched()
    }

    fn foretells(&self, question: &Command) -> bool {
        self.answers.borrow().contains_key(&question.argv)
    }

    fn observe(&self, condition: &Condition) -> Result<Observed> {
        match condition {
            Condition::Path { path, exists } => {
                let there = self.stat(&self.followed(path)?)?.is_some();
                let seen = if there { format!("{path} exists") } else { format!("{path} does not exist") };
                Ok(Observed { holds: there == *exists, seen, details: Values::new() })
            }
            Condition::Matches { path, pattern } => {
                let pattern = regex_lite::Regex::new(pattern).doing(format!("read the pattern {pattern}"))?;
                let text = self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let holds = text.is_some_and(|text| pattern.is_match(&text));
                let seen = if holds { format!("{path} matches") } else { format!("{path} does not match") };
                Ok(Observed { holds, seen, details: Values::new() })
            }
            _ if self.touched() => Ok(Observed {
                holds: false,
                seen: "cannot be known before the changes above are applied".to_string(),
                details: Values::new(),
            }),
            other => self.under.observe(other),
        }
    }
}

impl System for Pretend<'_> {
    fn write(&self, path: &Path, content: &mut dyn Read, meta: &Meta) -> Result<()> {
        let mut bytes = Vec::new();
        content.take(READ_LIMIT + 1).read_to_end(&mut bytes).doing(format!("write {}", path.display()))?;
        let size = bytes.len() as u64;
        self.put_file(path, Bytes::Held(bytes), size, meta)
    }

    fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        let path = self.followed(path)?;
        match self.stat(&path)?.map(|stat| stat.kind) {
            Some(FileKind::Dir) => return self.set_meta(&path, meta),
            Some(other) => {
                let doing = format!("make directory {}", path.display());
                return Err(Failure::new(doing, format!("a {} is there", other.as_str())));
            }
            None => {}
        }
        self.expect_parent(&path)?;
        self.may_write(&path, true)?;
        let stat = self.fresh(FileKind::Dir, 0o755);
        self.may_own(&path, &stat, meta)?;
        self.put(path, Entry::There(with_meta(stat, meta), Bytes::Under));
        Ok(())
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        let path = self.canonical(path)?;
        self.expect_parent(&path)?;
        self.may_write(&path, true)?;
        let stat = Stat { target: Some(target.to_path_buf()), ..self.fresh(FileKind::Link, 0o777) };
        self.put(path, Entry::There(stat, Bytes::Under));
        Ok(())
    }

    fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        let path = self.canonical(path)?;
        let Some(stat) = self.stat(&path)? else {
            return Err(Failure::new(
                format!("set mode and owner of {}", path.display()),
                "there is nothing",
            ));
        };
        self.refuse_change(&path)?;
        self.may_write(&path, false)?;
        self.may_own(&path, &stat, meta)?;
        let bytes = self.held(&path)?.unwrap_or(Bytes::Under);
        self.put(path, Entry::There(with_meta(stat, meta), bytes));
        Ok(())
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> Result<()> {
        let path = self.canonical(path)?;
        self.attributes.borrow_mut().insert(path, attributes.clone());
        Ok(())
    }

    fn put_back(&self, path: &Path, kept: &Path) -> Result<()> {
        let (path, stat) = (self.canonical(path)?, self.stat(kept)?);
        let (Some(stat), Some(digest)) = (stat, self.digest(kept)?) else {
            return Err(Failure::new(format!("put back {}", path.display()), "there is nothing"));
        };
        let asset = Asset { digest, size: stat.size };
        self.put(path, Entry::There(stat, Bytes::Named(asset)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let path = self.canonical(path)?;
        if self.stat(&path)?.is_some_and(|stat| stat.kind == FileKind::Dir) && !self.list(&path)?.is_empty() {
            return Err(Failure::new(format!("remove {}", path.display()), "the directory is not empty"));
        }
        self.may_write(&path, true)?;
        self.put(path, Entry::Missing);
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> Result<()> {
        self.exchange_trees(self.canonical(one)?, self.canonical(other)?)
    }

    fn run(&self, command: &Command) -> Result<Answer> {
        self.suppose(&Run::from(command.clone()));
        Ok(Answer::default())
    }

    fn start(&self, command: &Command, _: usize, _: Box<dyn Listener + Send>) -> Result<Box<dyn Background>> {
        let answer = self.run(command)?;
        Ok(Box::new(Ran { answer, started: true, ..Ran::default() }))
    }

    fn refuse_background(&self) -> Result<()> {
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let bytes = self.read(from)?.unwrap_or_default();
        self.write(to, &mut &bytes[..], &Meta { mode: Some(0o600), ..Meta::default() })
    }

    fn write_copy(&self, path: &Path, from: &Path, meta: &Meta) -> Result<()> {
        let (size, digest) = (self.stat(from)?.map(|stat| stat.size), self.digest(from)?);
        let (Some(size), Some(digest)) = (size, digest) else {
            let why = format!("{} is gone", from.display());
            return Err(Failure::new(format!("write {}", path.display()), why));
        };
        let bytes = match self.held(&self.followed(from)?)? {
            Some(Bytes::Held(bytes)) => Bytes::Held(bytes),
            _ => Bytes::Named(Asset { digest, size }),
        };
        self.put_file(path, bytes, size, meta)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut all = self.read(path)?.unwrap_or_default();
        all.extend_from_slice(bytes);
        self.write(path, &mut &all[..], &Meta::default())
    }

    fn lock(&self, _: &Path, _: &str) -> Result<Lock> {
        Ok(Lock::Ours)
    }
}

fn fresh(kind: FileKind, mode: u32) -> Stat {
    Stat { kind, mode, owner: NOBODY, group: NOBODY, size: 0, target: None }
}

fn with_meta(stat: Stat, meta: &Meta) -> Stat {
    Stat {
        mode: meta.mode.unwrap_or(stat.mode),
        owner: meta.owner.unwrap_or(stat.owner),
        group: meta.group.unwrap_or(stat.group),
        ..stat
    }
}
