//! What unit tests of steps share: a pretended host, and a step applied to it.

use crate::engine::perform::{self, Assets};
use crate::model::digest::Digest;
use crate::model::op::{Answer, Asset, Command, Condition, Meta, Observed, Prediction, Run};
use crate::model::{Failure, Result, Value, Values};
use crate::step;
use crate::system::pretend::{Empty, Pretend};
use crate::system::{Probe, Stat, System};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

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

/// Plans a step whose keys are given as TOML, performs the plan, plans again, and tells what was done, a line an op.
/// Panics when the second plan is not empty (unless the plan settles by being performed once): every kind is idempotent.
pub fn apply(host: &Pretend<'_>, kind: &str, keys: &str) -> Result<String> {
    let step = parse(kind, keys)?;
    let plan = step.plan(host)?;
    let mut told = String::new();
    for op in &plan.ops {
        perform::change(host, op, &NoAssets)?;
        if let crate::model::op::Op::Run(run) = op {
            host.suppose(run);
        }
        host.settle();
        writeln!(told, "{}", perform::describe(op)).expect("writing to a string");
    }
    if !plan.once {
        assert_eq!(step.plan(host)?.ops, [], "the second plan must be empty");
    }
    Ok(told)
}

/// Tells what a step would do, a line an op, and does nothing.
pub fn planned(host: &Pretend<'_>, kind: &str, keys: &str) -> Result<String> {
    let plan = parse(kind, keys)?.plan(host)?;
    Ok(plan.ops.iter().map(|op| perform::describe(op) + "\n").collect())
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

    fn ask(&self, question: &Command) -> Result<Answer> {
        self.nothing.ask(question)
    }

    fn observe(&self, _: &Condition) -> Result<Observed> {
        Ok(Observed { holds: true, seen: "it holds".to_string(), details: self.details.clone() })
    }
}

struct NoAssets;

impl Assets for NoAssets {
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>> {
        Err(Failure::new(format!("open asset {}", asset.digest), "unit tests have none"))
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
