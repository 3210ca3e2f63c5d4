//! All that nginx reads, beginning with its main file: every file that an `include` reaches, and every directive of them
//! in its place.

use super::statement::Statement;
use super::{Body, Directive, Document, Span, glob};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::wanted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Files that include files that include files: more levels are a mistake.
const INCLUDE_DEPTH: usize = 16;

/// More files than this are no configuration; a file counts each time it is included.
const FILES: usize = 4096;

/// More directives than this are no configuration; those of a file count each time it is included.
const STATEMENTS: usize = 500_000;

/// What nginx reads.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Each file once, in the order in which it is read first; the main one first.
    pub files: Vec<Reached>,
    /// Every directive in the order in which nginx reads them.
    pub statements: Vec<Statement>,
}

/// A file that nginx reads.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Where it really is, links followed.
    pub path: HostPath,
    /// What it holds.
    pub document: Document,
    /// The files that it includes itself, by number.
    pub includes: BTreeSet<usize>,
}

/// A span of a file and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, by its number in the configuration.
    pub file: usize,
    /// What is replaced; an empty span is where the text is put.
    pub span: Span,
    /// What takes its place.
    pub text: String,
}

impl Configuration {
    /// Reads `main` and all that it includes. Relative includes begin in the main file's folder, as nginx has it.
    pub fn read(host: &dyn Probe, main: &HostPath) -> Result<Self> {
        let mut reading = Reading::new(host, main, true);
        reading.file(main, None)?;
        Ok(reading.configuration)
    }

    /// Reads `main` alone: enough for where nginx keeps its files, also when a site is broken.
    pub fn read_alone(host: &dyn Probe, main: &HostPath) -> Result<Self> {
        let mut reading = Reading::new(host, main, false);
        reading.file(main, None)?;
        Ok(reading.configuration)
    }

    /// What a file at `path` would say if it held these bytes, without what it includes.
    pub fn of(host: &dyn Probe, path: &HostPath, bytes: &[u8]) -> Result<Self> {
        let document = Document::read(bytes).map_err(|error| error.in_file(path))?;
        let mut reading = Reading::new(host, path, false);
        let directives = document.directives.clone();
        reading.configuration.files.push(Reached { path: path.clone(), document, includes: BTreeSet::new() });
        reading.directives(0, directives, None)?;
        Ok(reading.configuration)
    }

    /// The number of the file at `path`, links followed; `None` when nginx does not read it.
    pub fn file(&self, host: &dyn Probe, path: &HostPath) -> Result<Option<usize>> {
        let real = real(host, path)?;
        Ok(self.files.iter().position(|file| file.path == real))
    }

    /// A file and all that it includes, directly or not.
    pub fn scope(&self, file: usize) -> BTreeSet<usize> {
        let (mut scope, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            if scope.insert(file) {
                open.extend(&self.files[file].includes);
            }
        }
        scope
    }

    /// The directives whose block holds a statement, from the innermost.
    pub fn parents(&self, statement: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.statements[statement].parent, |parent| self.statements[*parent].parent)
    }

    /// Whether one of the blocks around a statement has this name.
    pub fn is_within(&self, statement: usize, name: &str) -> bool {
        self.parents(statement).any(|parent| self.statements[parent].is(name))
    }

    /// The innermost block of this name around a statement.
    pub fn around(&self, statement: usize, name: &str) -> Option<usize> {
        self.parents(statement).find(|parent| self.statements[*parent].is(name))
    }

    /// `file:line` of a statement, for messages.
    pub fn place(&self, statement: usize) -> String {
        let statement = &self.statements[statement];
        format!("{}:{}", self.files[statement.file].path, statement.line)
    }

    /// Each file that the edits change, with its new bytes.
    pub fn with(&self, edits: Vec<Edit>) -> Vec<(HostPath, Vec<u8>)> {
        let mut by_file: BTreeMap<usize, Vec<(Span, String)>> = BTreeMap::new();
        for Edit { file, span, text } in edits {
            by_file.entry(file).or_default().push((span, text));
        }
        let changed = by_file.into_iter().map(|(file, edits)| {
            let Reached { path, document, .. } = &self.files[file];
            (path.clone(), document.with(edits))
        });
        changed.collect()
    }
}

struct Reading<'a> {
    host: &'a dyn Probe,
    /// Whether includes are followed.
    follows: bool,
    folder: HostPath,
    known: BTreeMap<HostPath, usize>,
    /// The files that are being read, each included by the one before.
    chain: Vec<usize>,
    visits: usize,
    configuration: Configuration,
}

impl<'a> Reading<'a> {
    fn new(host: &'a dyn Probe, main: &HostPath, follows: bool) -> Self {
        Reading {
            host,
            follows,
            folder: HostPath::from(main.parent().unwrap_or(Path::new("/"))),
            known: BTreeMap::new(),
            chain: Vec::new(),
            visits: 0,
            configuration: Configuration::default(),
        }
    }

    fn file(&mut self, path: &HostPath, parent: Option<usize>) -> Result<()> {
        let file = self.load(path)?;
        self.expect_bounds(file, path)?;
        if let Some(includer) = self.chain.last() {
            self.configuration.files[*includer].includes.insert(file);
        }
        self.chain.push(file);
        let directives = self.configuration.files[file].document.directives.clone();
        self.directives(file, directives, parent)?;
        self.chain.pop();
        Ok(())
    }

    fn load(&mut self, path: &HostPath) -> Result<usize> {
        let path = real(self.host, path)?;
        if let Some(file) = self.known.get(&path) {
            return Ok(*file);
        }
        let bytes = self.host.read(&path)?.ok_or_else(|| self.missing(&path))?;
        let document = Document::read(bytes).map_err(|error| error.in_file(&path))?;
        let file = self.configuration.files.len();
        self.configuration.files.push(Reached { path: path.clone(), document, includes: BTreeSet::new() });
        self.known.insert(path, file);
        Ok(file)
    }

    fn missing(&self, path: &HostPath) -> Failure {
        let why = match self.chain.last() {
            Some(file) => {
                format!("there is no such file; {} includes it", self.configuration.files[*file].path)
            }
            None => "there is no such file".to_string(),
        };
        Failure::new(format!("read {path}"), why)
    }

    fn expect_bounds(&mut self, file: usize, path: &HostPath) -> Result<()> {
        self.visits += 1;
        let refuse = |why: String| Err(Failure::new(format!("read {path}"), why));
        if self.chain.contains(&file) {
            return refuse("it includes itself".to_string());
        }
        if self.chain.len() >= INCLUDE_DEPTH {
            return refuse(format!("includes nest deeper than {INCLUDE_DEPTH} levels"));
        }
        if self.visits > FILES {
            return refuse(format!("more than {FILES} files are included"));
        }
        if self.configuration.statements.len() > STATEMENTS {
            return refuse(format!("the configuration has more than {STATEMENTS} directives"));
        }
        Ok(())
    }

    fn directives(&mut self, file: usize, directives: Vec<Directive>, parent: Option<usize>) -> Result<()> {
        for directive in directives {
            let line = self.configuration.files[file].document.line(directive.span.start);
            let index = self.configuration.statements.len();
            let raw = if let Body::Raw(span) = &directive.body { Some(span.clone()) } else { None };
            let statement =
                Statement { file, line, words: directive.words, span: directive.span, parent, raw };
            let includes = self.follows && statement.is("include");
            let included = includes.then(|| statement.argument(0)).flatten();
            self.configuration.statements.push(statement);
            match directive.body {
                Body::Block(inside) => self.directives(file, inside, Some(index))?,
                Body::Semicolon => included.map_or(Ok(()), |path| self.include(&path, parent))?,
                Body::Raw(_) => {}
            }
        }
        Ok(())
    }

    fn include(&mut self, path: &str, parent: Option<usize>) -> Result<()> {
        let full = self.folder.join(path);
        let paths = match glob::is_pattern(path) {
            true => glob::expand(self.host, &full)?,
            false => vec![full],
        };
        paths.iter().try_for_each(|path| self.file(path, parent))
    }
}

/// Where a path really is: links of its last part followed, and `..` taken away, so that one file has one name. Links
/// among its folders stay, since every path to a file goes through the same ones in practice.
fn real(host: &dyn Probe, path: &HostPath) -> Result<HostPath> {
    let followed = wanted::followed(host, path)?;
    let mut real = PathBuf::from("/");
    for part in followed.components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            Component::Normal(name) => real.push(name),
            _ => {}
        }
    }
    Ok(real.into())
}
