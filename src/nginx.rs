//! nginx's configuration, read as nginx reads it and without losing a byte, so that a few words of it can be replaced
//! while everything else stays as it is.
//!
//! [`Document`] is one file, [`Configuration`] all that nginx reads through `include`, [`Backend`] a place in it that
//! says to which address requests go, [`Entrance`] where they come in, [`Nginx`] the program as questions and commands.

mod address;
mod backend;
mod configuration;
mod entrance;
mod glob;
mod program;
mod raw;
mod read;
mod statement;
pub mod usual;

pub use address::{Address, Port};
pub use backend::Backend;
pub use configuration::{Configuration, Edit, Reached};
pub use entrance::Entrance;
pub use program::{Layout, Nginx, Serving};
pub use read::SyntaxError;
pub use statement::Statement;

use std::borrow::Cow;
use std::ops::Range;

/// Where something stands in a file, in bytes.
pub type Span = Range<usize>;

/// One file: its bytes and what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    bytes: Vec<u8>,
    directives: Vec<Directive>,
}

/// A directive: its name and arguments, and its block when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The name and the arguments; at least one word.
    pub words: Vec<Word>,
    /// What it ends with.
    pub body: Body,
    /// From the first byte of its name to behind its `;` or `}`.
    pub span: Span,
}

/// What a directive ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `;`
    Semicolon,
    /// `{ … }` with directives.
    Block(Vec<Directive>),
    /// `{ … }` with Lua or JavaScript, of which only the end is looked for. The span is what is between the braces.
    Raw(Span),
}

/// A word as nginx takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without quotes, and with escapes made what they stand for.
    pub value: Vec<u8>,
    /// In the file, quotes included.
    pub span: Span,
    /// For each byte of the value and for its end, where it stands in the file.
    places: Places,
}

/// Where the bytes of a word's value stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Places {
    /// One behind the other from here: the word holds no escapes.
    From(usize),
    /// One by one, because escapes lie between.
    Each(Vec<usize>),
}

impl Document {
    /// Reads a file's bytes. They need not be UTF-8: nginx does not care either.
    pub fn read(bytes: impl Into<Vec<u8>>) -> Result<Self, SyntaxError> {
        let bytes = bytes.into();
        let directives = read::directives(&bytes)?;
        Ok(Document { bytes, directives })
    }

    /// The file as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The directives outside all blocks.
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// The number of the line that holds a byte, from 1.
    pub fn line(&self, at: usize) -> usize {
        line(&self.bytes, at)
    }

    /// The file with these spans replaced, and nothing else. Of spans that overlap the later one is left out, as is one
    /// that was given twice.
    pub fn with(&self, mut edits: Vec<(Span, String)>) -> Vec<u8> {
        edits.sort_by_key(|(span, _)| (span.start, span.end));
        let mut new = Vec::with_capacity(self.bytes.len());
        let mut kept = 0;
        let mut last: Option<Span> = None;
        for (span, text) in edits {
            if span.start < kept || last.as_ref() == Some(&span) {
                continue;
            }
            new.extend_from_slice(&self.bytes[kept..span.start]);
            new.extend_from_slice(text.as_bytes());
            kept = span.end;
            last = Some(span);
        }
        new.extend_from_slice(&self.bytes[kept..]);
        new
    }
}

impl Directive {
    /// The directive's name.
    pub fn name(&self) -> Cow<'_, str> {
        self.words[0].text()
    }
}

impl Word {
    /// The value for people and comparisons; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }

    /// The value, when it is UTF-8: only then do bytes of the text and of the value agree.
    pub fn exact(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }

    /// Where a part of the value stands in the file.
    pub fn place(&self, part: Range<usize>) -> Span {
        match &self.places {
            Places::From(start) => start + part.start..start + part.end,
            Places::Each(places) if part.is_empty() => places[part.start]..places[part.start],
            // An escape in the part belongs to it whole, up to where its last byte ends.
            Places::Each(places) => places[part.start]..places[part.end],
        }
    }
}

/// The number of the line that holds a byte, from 1.
fn line(bytes: &[u8], at: usize) -> usize {
    bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a name fits the last part of an include's pattern.
pub fn is_included(pattern: &str, name: &str) -> bool {
    let last = pattern.rsplit('/').next().unwrap_or(pattern);
    glob::matches(last.as_bytes(), name.as_bytes())
}

#[cfg(all(test, feature = "controller"))]
mod tests;
