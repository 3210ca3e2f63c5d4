//! A directive in its place among all that nginx reads, whichever file it stands in.

use super::{Span, Word};

/// A directive of a configuration. Those of a file that is included twice are there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The file that holds it, by its number in the configuration.
    pub file: usize,
    /// The line on which it begins.
    pub line: usize,
    /// Name and arguments.
    pub words: Vec<Word>,
    /// In its file.
    pub span: Span,
    /// The directive whose block it stands in, by its number; across `include`s.
    pub parent: Option<usize>,
    /// The text of a block in another language.
    pub raw: Option<Span>,
}

impl Statement {
    /// The directive's name.
    pub fn name(&self) -> String {
        self.words[0].text().into_owned()
    }

    /// Whether this is its name.
    pub fn is(&self, name: &str) -> bool {
        self.words[0].value == name.as_bytes()
    }

    /// The argument at `index`, from 0.
    pub fn argument(&self, index: usize) -> Option<String> {
        self.words.get(index + 1).map(|word| word.text().into_owned())
    }

    /// Whether one of the arguments is this word.
    pub fn has(&self, word: &str) -> bool {
        self.words[1..].iter().any(|one| one.value == word.as_bytes())
    }
}
