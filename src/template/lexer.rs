//! Expressions in words: names, numbers, strings, operators, each with where it stands.

use super::fault::{Fault, Result};
use std::ops::Range;

/// One word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub word: Word,
    /// Where, in bytes of the whole source.
    pub range: Range<usize>,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// A name or a keyword.
    Name(String),
    /// The text in quotes, escapes resolved.
    Text(String),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// An operator or a bracket.
    Sign(&'static str),
    /// `}}`, `%}` or the end of the source.
    End,
}

/// How backslashes in strings are read. In a playbook's text TOML has read them once already, so that inside `{{ … }}`
/// they stand for themselves, as in Ansible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Escapes {
    /// `\n` is a newline, as in Python; an unknown escape stays as it is.
    Python,
    /// A backslash is a backslash.
    None,
}

/// Longer signs first.
const SIGNS: &[&str] = &[
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{",
    "}", ",", ".", ":", "|", ";", "!",
];

/// Reads words until `close` (or the end of the source, when it is empty); gives them and where they end.
pub fn words(source: &str, start: usize, close: &str, escapes: Escapes) -> Result<(Vec<Token>, usize)> {
    let mut lexer = Lexer { source, at: start, close, escapes, open: Vec::new() };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ends = token.word == Word::End;
        tokens.push(token);
        if ends {
            return Ok((tokens, lexer.at));
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    close: &'a str,
    escapes: Escapes,
    /// Brackets that are open: `}}` inside a map's braces ends no block.
    open: Vec<(&'static str, usize)>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token> {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let word = self.word()?;
        Ok(Token { word, range: start..self.at.max(start) })
    }

    fn word(&mut self) -> Result<Word> {
        let rest = &self.source[self.at..];
        if self.ends(rest)? {
            return Ok(Word::End);
        }
        match rest.chars().next() {
            Some('"' | '\'') => self.text(),
            Some('0'..='9') => self.number(),
            Some(letter) if letter == '_' || letter.is_alphabetic() => Ok(self.name()),
            Some(letter) => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => self.sign(sign),
                None => Err(self.fault(format!("`{letter}` means nothing here"), letter.len_utf8())),
            },
            None => Err(self.unexpected_end()),
        }
    }

    /// Whether the block or the source ends here; the closing sign is left to the reader of the block.
    fn ends(&self, rest: &str) -> Result<bool> {
        if self.close.is_empty() {
            return match rest.is_empty() && !self.open.is_empty() {
                true => Err(self.unexpected_end()),
                false => Ok(rest.is_empty()),
            };
        }
        let closes = rest.strip_prefix(['-', '+']).unwrap_or(rest).starts_with(self.close);
        Ok(closes && (self.open.is_empty() || !self.close.starts_with('}')))
    }

    fn unexpected_end(&self) -> Fault {
        if let Some((sign, at)) = self.open.last() {
            return Fault::new(format!("`{sign}` is never closed")).at(None, *at..*at + 1);
        }
        let what = if self.close.is_empty() { "the expression" } else { "the block" };
        let fault = Fault::new(format!("{what} ends too early"));
        let fault = match self.close {
            "" => fault,
            close => fault.hint(format!("close it with `{close}`")),
        };
        fault.at(None, self.at..self.at)
    }

    fn fault(&self, why: String, length: usize) -> Fault {
        Fault::new(why).at(None, self.at..self.at + length)
    }

    fn sign(&mut self, sign: &'static str) -> Result<Word> {
        match sign {
            "(" | "[" | "{" => self.open.push((sign, self.at)),
            ")" | "]" | "}" => {
                let opened = match sign {
                    ")" => "(",
                    "]" => "[",
                    _ => "{",
                };
                match self.open.pop() {
                    Some((open, _)) if open == opened => {}
                    Some((open, _)) => return Err(self.fault(format!("`{sign}` does not close `{open}`"), 1)),
                    None => return Err(self.fault(format!("`{sign}` closes nothing"), 1)),
                }
            }
            _ => {}
        }
        self.at += sign.len();
        Ok(Word::Sign(sign))
    }

    fn name(&mut self) -> Word {
        let rest = &self.source[self.at..];
        let length =
            rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric()).unwrap_or(rest.len());
        self.at += length;
        Word::Name(rest[..length].to_string())
    }

    fn number(&mut self) -> Result<Word> {
        let rest = &self.source[self.at..];
        let digits = |text: &str| {
            text.len()
                - text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_').len()
        };
        if let Some(base) = base_of(rest) {
            let length = 2 + rest[2..]
                .find(|letter: char| !letter.is_digit(base) && letter != '_')
                .unwrap_or(rest.len() - 2);
            let number = i128::from_str_radix(&rest[2..length].replace('_', ""), base);
            return self.take(length, number.ok().map(Word::Int));
        }
        let whole = digits(rest);
        let mut length = whole;
        if rest[length..].starts_with('.') && digits(&rest[length + 1..]) > 0 {
            length += 1 + digits(&rest[length + 1..]);
        }
        if rest[length..].starts_with(['e', 'E']) {
            let signed = rest[length + 1..].strip_prefix(['+', '-']).map_or(1, |_| 2);
            let exponent = rest.get(length + signed..).map_or(0, digits);
            length += if exponent > 0 { signed + exponent } else { 0 };
        }
        let text = rest[..length].replace('_', "");
        if length > whole {
            return self.take(length, text.parse().ok().map(Word::Float));
        }
        if text.len() > 1 && text.starts_with('0') && !text.trim_start_matches('0').is_empty() {
            let fault = self.fault(format!("`{text}` is no number: it starts with 0"), length);
            return Err(fault.hint(format!("write it in quotes: '{text}'")));
        }
        self.take(length, text.parse().ok().map(Word::Int))
    }

    fn take(&mut self, length: usize, word: Option<Word>) -> Result<Word> {
        let word = word.ok_or_else(|| self.fault("this number is too large".to_string(), length))?;
        self.at += length;
        Ok(word)
    }

    fn text(&mut self) -> Result<Word> {
        let rest = &self.source[self.at..];
        let quote = rest.chars().next().unwrap_or('"');
        let mut letters = rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == '\\' {
                letters.next();
            } else if letter == quote {
                let inside = &rest[1..at];
                self.at += at + 1;
                return Ok(Word::Text(match self.escapes {
                    Escapes::Python => unescaped(inside),
                    // A quote that is escaped can only be meant as a quote.
                    Escapes::None => inside.replace(&format!("\\{quote}"), &quote.to_string()),
                }));
            }
        }
        Err(self.fault("this text has no closing quote".to_string(), 1))
    }
}

fn base_of(rest: &str) -> Option<u32> {
    let base = match rest.get(..2)? {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    rest[2..].starts_with(|letter: char| letter.is_digit(base)).then_some(base)
}

/// An expression in which backslashes stand for themselves, written such that Python reads the same.
pub fn as_python(source: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    let mut letters = source.chars();
    while let Some(letter) = letters.next() {
        out.push(letter);
        match (letter, open) {
            ('"' | '\'', None) => open = Some(letter),
            ('\\', Some(quote)) => match letters.next() {
                Some(next) if next == quote => out.push(next),
                Some('\\') => out.push_str("\\\\\\"),
                next => out.extend(std::iter::once('\\').chain(next)),
            },
            (letter, Some(quote)) if letter == quote => open = None,
            _ => {}
        }
    }
    out
}

/// Escapes as in Python; one that does not exist stays as it is written.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (letter, length) = escape(&rest[at..]);
        match letter {
            Some(letter) => out.push(letter),
            None if rest[at..].starts_with("\\\n") => {}
            None => out.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length..];
    }
    out + rest
}

/// The letter that an escape stands for, and how long the escape is.
fn escape(text: &str) -> (Option<char>, usize) {
    let simple = |letter: char| (Some(letter), 2);
    let hex = |digits: usize| {
        let code = text.get(2..2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        code.and_then(char::from_u32).map_or((None, 2), |letter| (Some(letter), 2 + digits))
    };
    match text[1..].chars().next() {
        Some('n') => simple('\n'),
        Some('t') => simple('\t'),
        Some('r') => simple('\r'),
        Some('a') => simple('\x07'),
        Some('b') => simple('\x08'),
        Some('f') => simple('\x0c'),
        Some('v') => simple('\x0b'),
        Some(letter @ ('\\' | '\'' | '"')) => simple(letter),
        Some('x') => hex(2),
        Some('u') => hex(4),
        Some('U') => hex(8),
        Some('0'..='7') => {
            let length = text[1..].find(|letter: char| !letter.is_digit(8)).unwrap_or(text.len() - 1).min(3);
            let code = u32::from_str_radix(&text[1..1 + length], 8).ok().and_then(char::from_u32);
            (code, 1 + length)
        }
        Some(letter) => (None, 1 + letter.len_utf8()),
        None => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str, escapes: Escapes) -> Vec<Word> {
        words(source, 0, "", escapes).unwrap().0.into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn what_stands_for_itself_is_written_for_python() {
        for source in [r"'\d'", r"'\\d'", r"'it\'s'", r#"'a\"b'"#, r#""a\"b\n""#, r"'\\'", "x | y('a')"] {
            let there = read(&as_python(source), Escapes::Python);
            assert_eq!(there, read(source, Escapes::None), "{source}");
        }
    }

    #[test]
    fn backslashes_are_read_once() {
        let text = |source, escapes| read(source, escapes)[0].clone();
        let cases = [
            (r"'\1'", "\x01"),
            (r"'\b'", "\x08"),
            (r"'\d'", r"\d"),
            (r"'\n'", "\n"),
            (r"'\x41\u00e9'", "Aé"),
        ];
        for (source, python) in cases {
            assert_eq!(text(source, Escapes::Python), Word::Text(python.to_string()));
            assert_eq!(text(source, Escapes::None), Word::Text(source.trim_matches('\'').to_string()));
        }
    }

    #[test]
    fn numbers_are_pythons() {
        let words = read("1_000 0x1f 0b101 1.5 1e3 2.5e-3 3.x", Escapes::Python);
        let expected = [
            Word::Int(1000),
            Word::Int(31),
            Word::Int(5),
            Word::Float(1.5),
            Word::Float(1000.0),
            Word::Float(0.0025),
        ];
        assert_eq!(words[..6], expected);
        assert_eq!(words[6..9], [Word::Int(3), Word::Sign("."), Word::Name("x".to_string())]);
        assert_eq!(
            super::words("0644", 0, "", Escapes::Python).unwrap_err().why,
            "`0644` is no number: it starts with 0"
        );
    }

    #[test]
    fn brackets_must_fit() {
        let why = |source: &str| words(source, 0, "", Escapes::Python).unwrap_err().why;
        assert_eq!(why("(1]"), "`]` does not close `(`");
        assert_eq!(why("[1"), "`[` is never closed");
        assert_eq!(why("'a"), "this text has no closing quote");
    }
}
