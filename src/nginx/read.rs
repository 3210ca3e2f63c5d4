//! Splits a file into words as `ngx_conf_read_token` does, and words into directives.

use super::{Body, Directive, Places, Span, Word, line, raw};
use crate::model::Failure;
use std::fmt;

/// Blocks that nest deeper are no configuration: nginx's own modules need six levels.
const DEPTH: usize = 64;

/// The most characters of a line that a message shows.
const SHOWN: usize = 80;

/// Why a file cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// What is wrong, in nginx's own words where it has some.
    pub why: String,
    /// The line, as far as it is shown.
    pub text: String,
}

impl SyntaxError {
    fn at(bytes: &[u8], at: usize, why: impl Into<String>) -> Self {
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let end =
            bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
        let text = String::from_utf8_lossy(&bytes[start..end]).chars().take(SHOWN).map(printable).collect();
        SyntaxError { line: line(bytes, at), column: at - start + 1, why: why.into(), text }
    }

    /// The failure of reading the file at `path`.
    pub fn in_file(self, path: impl fmt::Display) -> Failure {
        let place = format!("read {path}:{}:{}", self.line, self.column);
        Failure::new(place, format!("{}\n  {} | {}", self.why, self.line, self.text.trim_end()))
            .hint("`nginx -t` on the host says what nginx thinks of it; nothing was changed")
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

/// The directives of a whole file.
pub fn directives(bytes: &[u8]) -> Result<Vec<Directive>, SyntaxError> {
    let mut reader = Reader { bytes, at: 0 };
    let (directives, ended) = reader.block(0)?;
    match ended {
        BlockEnd::File => Ok(directives),
        BlockEnd::Brace => Err(reader.wrong(reader.at - 1, "unexpected \"}\"")),
    }
}

/// What ended a row of directives.
enum BlockEnd {
    File,
    Brace,
}

/// What ended the words of a directive.
enum Mark {
    Semicolon,
    Open,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn block(&mut self, depth: usize) -> Result<(Vec<Directive>, BlockEnd), SyntaxError> {
        let mut directives = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok((directives, BlockEnd::File)),
                Some(b'}') => {
                    self.at += 1;
                    return Ok((directives, BlockEnd::Brace));
                }
                Some(_) => directives.push(self.directive(depth)?),
            }
        }
    }

    fn directive(&mut self, depth: usize) -> Result<Directive, SyntaxError> {
        let start = self.at;
        let (words, mark) = self.words()?;
        let body = match mark {
            Mark::Semicolon => Body::Semicolon,
            Mark::Open => match raw::language(&words[0].text()) {
                Some(language) => self.raw(language)?,
                None => self.nested(depth + 1)?,
            },
        };
        Ok(Directive { words, body, span: start..self.at })
    }

    fn nested(&mut self, depth: usize) -> Result<Body, SyntaxError> {
        let open = self.at - 1;
        if depth > DEPTH {
            return Err(self.wrong(open, format!("blocks nest deeper than {DEPTH} levels")));
        }
        match self.block(depth)? {
            (directives, BlockEnd::Brace) => Ok(Body::Block(directives)),
            (_, BlockEnd::File) => Err(self.wrong(open, "the block that begins here has no \"}\"")),
        }
    }

    fn raw(&mut self, language: raw::Language) -> Result<Body, SyntaxError> {
        let start = self.at;
        let Some(end) = raw::end(self.bytes, start, language) else {
            return Err(self.wrong(start - 1, "the block that begins here has no \"}\""));
        };
        self.at = end + 1;
        Ok(Body::Raw(start..end))
    }

    fn words(&mut self) -> Result<(Vec<Word>, Mark), SyntaxError> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            let mark = match self.peek() {
                None => return Err(self.wrong(self.at, "unexpected end of file, expecting \";\" or \"}\"")),
                Some(b';') => Mark::Semicolon,
                Some(b'{') => Mark::Open,
                Some(b'}') => return Err(self.wrong(self.at, "unexpected \"}\"")),
                Some(quote @ (b'"' | b'\'')) => {
                    words.push(self.quoted(quote)?);
                    continue;
                }
                Some(_) => {
                    words.push(self.plain());
                    continue;
                }
            };
            if words.is_empty() {
                let unexpected = char::from(self.bytes[self.at]);
                return Err(self.wrong(self.at, format!("unexpected \"{unexpected}\"")));
            }
            self.at += 1;
            return Ok((words, mark));
        }
    }

    /// A word in quotes. Only white space, `;`, `{` and `)` may follow it.
    fn quoted(&mut self, quote: u8) -> Result<Word, SyntaxError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.wrong(start, "the quote that begins here is not closed")),
                Some(b'\\') => self.at += 2,
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        break;
                    }
                }
            }
        }
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') => {}
            Some(other) => {
                return Err(
                    self.wrong(self.at, format!("unexpected \"{}\" after a quote", char::from(other)))
                );
            }
        }
        Ok(word(self.bytes, start..self.at, start + 1..self.at - 1))
    }

    /// A word without quotes: up to white space, `;` or `{`, but `${` belongs to it.
    fn plain(&mut self) -> Word {
        let start = self.at;
        let mut variable = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if variable => self.at += 1,
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => break,
                b'\\' => {
                    variable = false;
                    self.at += 2;
                }
                other => {
                    variable = other == b'$';
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.bytes.len());
        word(self.bytes, start..self.at, start..self.at)
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => {
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self, at: usize, why: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.bytes, at.min(self.bytes.len()), why)
    }
}

/// The word whose text, without quotes, is `inner`.
fn word(bytes: &[u8], span: Span, inner: Span) -> Word {
    let text = &bytes[inner.clone()];
    if !text.contains(&b'\\') {
        return Word { value: text.to_vec(), span, places: Places::From(inner.start) };
    }
    let (mut value, mut places, mut at) = (Vec::new(), Vec::new(), inner.start);
    while at < inner.end {
        let next = bytes.get(at + 1).filter(|_| bytes[at] == b'\\' && at + 1 < inner.end);
        let escaped = next.and_then(|next| meaning(*next));
        places.push(at);
        value.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 2 } else { 1 };
    }
    places.push(inner.end);
    Word { value, span, places: Places::Each(places) }
}

/// What a character behind a backslash stands for; any other leaves the backslash in the word.
fn meaning(escaped: u8) -> Option<u8> {
    match escaped {
        b'"' | b'\'' | b'\\' => Some(escaped),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'n' => Some(b'\n'),
        _ => None,
    }
}

fn printable(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}
