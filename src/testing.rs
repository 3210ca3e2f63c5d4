//! What unit tests of steps share: a pretended host, and a step applied to it.

use crate::engine::link::Assets;
use crate::engine::perform;
use crate::model::digest::Digest;
use crate::model::job::RunId;
use crate::model::op::{Answer, Asset, Command, Condition, Meta, Observed, Op, Prediction, Run};
use crate::model::tree::{Entry, Inside, Tree, TreeNode};
use crate::model::{Failure, Result, Value, Values};
use crate::step;
use crate::system::dressed::Dressed;
use crate::system::pretend::{Empty, Pretend};
use crate::system::{Brought, Probe, Stat, System};
use crate::tree::manifest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No kind that is tested here has more stages.
const ROUNDS: usize = 10;

/// An empty host with these files, whose directories are made.
pub fn host(files: &[(&str, &str)]) -> Pretend<'static> {
    let host = Pretend::over(&Empty);
    for (path, content) in files {
        make_parents(&host, Path::new(path));
        host.write(Path::new(path), &mut content.as_bytes(), &Meta::default()).expect("a pretended write");
    }
    host.settle();
    host
}

/// Lets the host answer a question, given as words, with a status and standard output.
pub fn answer(host: &Pretend<'_>, question: &str, status: i32, stdout: &str) {
    answer_to(host, question.split(' ').map(str::to_string).collect(), status, stdout);
}

/// Lets the host answer a question whose words hold spaces.
pub fn answer_to(host: &Pretend<'_>, argv: Vec<String>, status: i32, stdout: &str) {
    let mut run = Run::from(Command::new(["true"]));
    run.predicts.push(Prediction { argv, answer: Answer::said(status, stdout) });
    host.suppose(&run);
    host.settle();
}

/// Lets the host be one on which `--check` has already pretended a change.
pub fn pretend_a_change(host: &Pretend<'_>) {
    host.suppose(&Run::from(Command::new(["true"])));
}

/// The text of a file.
pub fn text(host: &Pretend<'_>, path: &str) -> String {
    let bytes =
        host.read(Path::new(path)).expect("a pretended read").unwrap_or_else(|| panic!("no file {path}"));
    String::from_utf8(bytes).expect("text")
}

/// Plans a step whose keys are given as TOML, performs the plan, plans again, and says what was done, a line an op.
/// Panics when the second plan is not empty (unless the plan settles by being performed once): every kind is idempotent.
pub fn apply(host: &Pretend<'_>, kind: &str, keys: &str) -> Result<String> {
    let step = parse(kind, keys)?;
    let brought = brought();
    host.furnish(&brought.memory);
    let dressed = Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
    let plan = step.plan(&dressed)?;
    let mut told = String::new();
    for op in &plan.ops {
        perform::change(host, op, &TestAssets)?;
        if let Op::Run(run) = op {
            host.suppose(run);
            run.effects.iter().try_for_each(|effect| host.take_effect(effect))?;
        }
        host.settle();
        if !is_memory(op) {
            writeln!(told, "{}", perform::describe(op)).expect("writing to a string");
        }
    }
    if !plan.once {
        assert_eq!(step.plan(&dressed)?.ops, [], "the second plan must be empty");
    }
    Ok(told)
}

/// Plans and performs until nothing is left to do, as the engine does, and says what was done, a line an op and an empty
/// one after each round: for kinds with stages. Waits hold, and commands do to files what they say.
pub fn converge(host: &Pretend<'_>, kind: &str, keys: &str) -> Result<String> {
    let step = parse(kind, keys)?;
    let brought = brought();
    host.furnish(&brought.memory);
    let dressed = Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
    let mut told = String::new();
    for _ in 0..ROUNDS {
        let plan = step.plan(&dressed)?;
        for op in &plan.ops {
            perform::change(host, op, &TestAssets)?;
            if let Op::Run(run) = op {
                host.suppose(run);
                run.effects.iter().try_for_each(|effect| host.take_effect(effect))?;
            }
            if !is_memory(op) {
                writeln!(told, "{}", perform::describe(op)).expect("writing to a string");
            }
        }
        host.settle();
        if plan.is_empty() || plan.once {
            return Ok(told);
        }
        told.push('\n');
    }
    panic!("it does not settle: {told}");
}

/// Tells what a step would do, a line an op, and does nothing.
pub fn planned(host: &Pretend<'_>, kind: &str, keys: &str) -> Result<String> {
    let brought = brought();
    host.furnish(&brought.memory);
    let dressed = Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
    let plan = parse(kind, keys)?.plan(&dressed)?;
    Ok(plan.ops.iter().filter(|op| !is_memory(op)).map(|op| perform::describe(op) + "\n").collect())
}

/// Tells what a step finds, a line a finding.
pub fn found(host: &dyn Probe, kind: &str, keys: &str) -> Result<String> {
    let plan = parse(kind, keys)?.plan(host)?;
    Ok(plan.findings.iter().map(|finding| format!("{finding}\n")).collect())
}

/// Reads a step's keys, given as TOML.
pub fn parse(kind: &str, keys: &str) -> Result<Box<dyn step::Step>> {
    let keys: Value = toml::from_str(keys).expect("TOML");
    step::parse(kind, &keys)
}

/// A host on which every condition holds.
pub struct Sees {
    details: Values,
    nothing: Empty,
}

impl Sees {
    /// Whoever looks at a condition sees these details.
    pub fn holding(details: Value) -> Self {
        Sees { details: details.as_object().expect("an object").clone(), nothing: Empty }
    }
}

impl Probe for Sees {
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.nothing.stat(path)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.nothing.read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.nothing.read_at(path, offset, length)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        self.nothing.list(path)
    }

    fn digest(&self, path: &Path) -> Result<Option<Digest>> {
        self.nothing.digest(path)
    }

    fn follow(&self, path: &Path) -> Result<PathBuf> {
        self.nothing.follow(path)
    }

    fn ask(&self, question: &Command) -> Result<Answer> {
        self.nothing.ask(question)
    }

    fn observe(&self, _: &Condition) -> Result<Observed> {
        Ok(Observed { holds: true, seen: "it holds".to_string(), details: self.details.clone() })
    }
}

thread_local! {
    /// What the job of this test's steps brings: trees, and the bytes of their files.
    static TREES: RefCell<BTreeMap<Digest, Arc<Tree>>> = RefCell::default();
    static BYTES: RefCell<BTreeMap<Digest, Vec<u8>>> = RefCell::default();
}

/// A tree for a step's key: `PATH`, `PATH -> TARGET` for a link, `PATH/` for a directory, with the content of files.
/// What it gives is the key's value as TOML.
pub fn tree(source: &str, entries: &[(&str, &str)]) -> String {
    let entry = |(path, content): &(&str, &str)| {
        let (path, what, mode) = match (path.split_once(" -> "), path.strip_suffix('/')) {
            (Some((path, target)), _) => (path, TreeNode::Link(target.into()), 0o777),
            (None, Some(path)) => (path, TreeNode::Dir, 0o755),
            (None, None) => (*path, TreeNode::File(asset(content)), 0o644),
        };
        Entry { path: Inside::new(path).expect("a path inside"), what, mode }
    };
    let tree = Tree::new(entries.iter().map(entry).collect()).expect("a tree");
    let name = tree.name().expect("a name");
    TREES.with_borrow_mut(|trees| trees.insert(name.clone(), Arc::new(tree)));
    format!("{{ source = '{source}', tree = '{name}' }}")
}

fn asset(content: &str) -> Asset {
    let asset = Asset { digest: Digest::of(content.as_bytes()), size: content.len() as u64 };
    BYTES.with_borrow_mut(|bytes| bytes.insert(asset.digest.clone(), content.as_bytes().to_vec()));
    asset
}

/// What a job of this test brings.
pub fn brought() -> Brought {
    let run = RunId::try_from("1-test".to_string()).expect("a run's name");
    Brought { run, memory: "/var/lib/windlass".into(), trees: TREES.with_borrow(Clone::clone) }
}

fn is_memory(op: &Op) -> bool {
    op.path().is_some_and(|path| path.starts_with(manifest::folder(&brought())))
}

struct TestAssets;

impl Assets for TestAssets {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        let bytes = BYTES.with_borrow(|bytes| bytes.get(&asset.digest).cloned());
        let missing = || Failure::new(format!("open asset {}", asset.digest), "no tree of this test has it");
        Ok(Box::new(Cursor::new(bytes.ok_or_else(missing)?)))
    }
}

fn make_parents(host: &Pretend<'_>, path: &Path) {
    let mut parents: Vec<_> = path.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents.into_iter().filter(|parent| host.stat(parent).expect("a pretended stat").is_none())
    {
        host.make_dir(parent, &Meta::default()).expect("a pretended directory");
    }
}
