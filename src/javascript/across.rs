//! The resolver's file system, which several threads may share, over a [`View`], which belongs to one: the resolver
//! works on a thread of its own and sends what it wants to know to the thread that can look.

use super::view::View;
use crate::model::Failure;
use crate::system::{FileKind, Stat};
use oxc_resolver::{FileMetadata, FileSystem, ResolveError};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What the resolver may ask, and whom to answer.
pub enum Question {
    Stat(PathBuf, Sender<Answer<Option<Stat>>>),
    Real(PathBuf, Sender<Answer<Option<PathBuf>>>),
    Read(PathBuf, Sender<Answer<Option<Vec<u8>>>>),
}

type Answer<T> = std::result::Result<T, Failure>;

/// The resolver's end.
pub struct Asking(Mutex<Sender<Question>>);

/// Both ends. The receiver sees the end when the resolver is gone.
pub fn pair() -> (Asking, Receiver<Question>) {
    let (sender, receiver) = channel();
    (Asking(Mutex::new(sender)), receiver)
}

/// Answers until nobody asks any more.
pub fn serve(view: &View<'_>, questions: &Receiver<Question>) {
    // Whoever asked and is gone needs no answer.
    for question in questions {
        match question {
            Question::Stat(path, to) => drop(to.send(view.stat(&path))),
            Question::Real(path, to) => drop(to.send(view.real(&path))),
            Question::Read(path, to) => drop(to.send(view.read(&path))),
        }
    }
}

impl Asking {
    fn ask<T>(&self, question: impl FnOnce(Sender<Answer<Option<T>>>) -> Question) -> Result<T> {
        let (sender, receiver) = channel();
        let gone = || Error::other("what looks at the host is gone");
        let to_host = self.0.lock().map_err(|_| gone())?;
        to_host.send(question(sender)).map_err(|_| gone())?;
        match receiver.recv().map_err(|_| gone())? {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(ErrorKind::NotFound.into()),
            Err(failure) => Err(Error::other(failure)),
        }
    }

    fn stat(&self, path: &Path) -> Result<Stat> {
        self.ask(|to| Question::Stat(path.to_path_buf(), to))
    }
}

impl FileSystem for Asking {
    /// Only for resolvers that make their own file system; nobody would answer this one.
    fn new() -> Self {
        pair().0
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.ask(|to| Question::Read(path.to_path_buf(), to))
    }

    fn read_to_string(&self, path: &Path) -> Result<String> {
        String::from_utf8(self.read(path)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata> {
        let real = self.canonicalize(path)?;
        self.stat(&real).map(|stat| metadata(&stat))
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata> {
        self.stat(path).map(|stat| metadata(&stat))
    }

    fn read_link(&self, path: &Path) -> std::result::Result<PathBuf, ResolveError> {
        let target = self.stat(path)?.target;
        target.ok_or_else(|| Error::from(ErrorKind::InvalidInput).into())
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.ask(|to| Question::Real(path.to_path_buf(), to))
    }
}

fn metadata(stat: &Stat) -> FileMetadata {
    let is = |kind| stat.kind == kind;
    FileMetadata::new(is(FileKind::File), is(FileKind::Dir), is(FileKind::Link))
}
