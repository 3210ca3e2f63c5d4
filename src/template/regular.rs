//! Regular expressions with Python's syntax and meaning: look-around, back-references, Unicode classes. It tries one way
//! after the other, as Python does, within a number of steps. (`regex-lite` has neither look-around nor Unicode, and the
//! crates that have them would make the agent a third larger.)

mod parse;
mod run;

use super::fault::{Fault, Result};
use parse::Node;
pub use run::Found;
use run::Instruction;
use std::collections::BTreeMap;

/// A pattern becomes at most this many instructions: a counted repetition is written out.
const PROGRAM_LIMIT: usize = 20_000;

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// `^` and `$` stand at every line.
    pub multi_line: bool,
    /// `.` is a newline too.
    pub dot_all: bool,
}

/// A regular expression.
#[derive(Debug)]
pub struct Pattern {
    program: Vec<Instruction>,
    groups: usize,
    counters: usize,
    names: BTreeMap<String, usize>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(pattern: &str, options: Options) -> Result<Pattern> {
        let parsed = parse::parse(pattern, options)
            .map_err(|why| Fault::new(format!("`{pattern}` is no regular expression: {why}")))?;
        let mut compiler = Compiler { program: Vec::new(), counters: 0 };
        compiler.push(Instruction::Save(0))?;
        compiler.node(&parsed.node)?;
        compiler.push(Instruction::Save(1))?;
        compiler.push(Instruction::Match)?;
        let Compiler { program, counters } = compiler;
        Ok(Pattern { program, groups: parsed.groups + 1, counters, names: parsed.names })
    }

    /// The number of the group of this name.
    pub fn group(&self, name: &str) -> Option<usize> {
        let number = || name.parse().ok().filter(|number| *number < self.groups);
        self.names.get(name).copied().or_else(number)
    }

    /// How many groups there are, the whole match among them.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Where the pattern matches first.
    pub fn search(&self, text: &[char]) -> Result<Option<Found>> {
        self.from(text, 0, false, &mut run::STEPS.clone())
    }

    /// A match at the beginning.
    pub fn match_start(&self, text: &[char]) -> Result<Option<Found>> {
        self.at(text, 0, false, &mut run::STEPS.clone())
    }

    /// Every match, from left to right, none inside another.
    pub fn find_all(&self, text: &[char], limit: usize) -> Result<Vec<Found>> {
        let mut steps = run::STEPS;
        let (mut all, mut start, mut advance) = (Vec::new(), 0, false);
        while all.len() < limit
            && let Some(found) = self.from(text, start, advance, &mut steps)?
        {
            let (begin, end) = found.whole();
            // Behind an empty match the next one must get on.
            (start, advance) = (end, begin == end);
            all.push(found);
        }
        Ok(all)
    }

    fn from(&self, text: &[char], start: usize, advance: bool, steps: &mut u64) -> Result<Option<Found>> {
        for at in start..=text.len() {
            if let Some(found) = self.at(text, at, advance && at == start, steps)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn at(&self, text: &[char], at: usize, advance: bool, steps: &mut u64) -> Result<Option<Found>> {
        let machine =
            run::Machine { program: &self.program, text, slots: self.groups * 2, counters: self.counters };
        machine.run(at, advance, steps)
    }

    /// Text with every match replaced; gives how many there were too.
    pub fn replace(&self, text: &str, with: &str, limit: usize) -> Result<(String, usize)> {
        let letters: Vec<char> = text.chars().collect();
        let all = self.find_all(&letters, limit)?;
        let mut out = String::new();
        let mut at = 0;
        for found in &all {
            let (begin, end) = found.whole();
            out.extend(&letters[at..begin]);
            out.push_str(&self.expanded(with, found, &letters)?);
            at = end;
        }
        out.extend(&letters[at..]);
        Ok((out, all.len()))
    }

    /// A replacement with its groups put in: `\1`, `\g<name>`, `\\`.
    fn expanded(&self, with: &str, found: &Found, text: &[char]) -> Result<String> {
        let mut out = String::new();
        let mut rest = with;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let letter =
                rest.chars().next().ok_or_else(|| Fault::new("the replacement ends with a single `\\`"))?;
            let digits = rest.chars().take_while(char::is_ascii_digit).take(2).count();
            let group = |name: &str| {
                let group = self.group(name).ok_or_else(|| {
                    Fault::new(format!(
                        "the replacement names the group `{name}`, which the pattern does not have"
                    ))
                })?;
                Ok::<_, Fault>(found.text(group, text).unwrap_or_default())
            };
            if letter == '0' {
                out.push('\0');
                rest = &rest[1..];
            } else if digits > 0 {
                out.push_str(&group(&rest[..digits])?);
                rest = &rest[digits..];
            } else if let Some(inside) = rest.strip_prefix("g<") {
                let end =
                    inside.find('>').ok_or_else(|| Fault::new("`\\g<` has no `>` in the replacement"))?;
                out.push_str(&group(&inside[..end])?);
                rest = &inside[end + 1..];
            } else {
                out.push_str(&escape(letter)?);
                rest = &rest[letter.len_utf8()..];
            }
        }
        Ok(out + rest)
    }
}

/// What an escape of a replacement that is no group stands for.
fn escape(letter: char) -> Result<String> {
    let known = [
        ('n', '\n'),
        ('t', '\t'),
        ('r', '\r'),
        ('f', '\x0c'),
        ('v', '\x0b'),
        ('a', '\x07'),
        ('b', '\x08'),
        ('\\', '\\'),
    ];
    match known.iter().find(|(name, _)| *name == letter) {
        Some((_, meant)) => Ok(meant.to_string()),
        None if letter.is_ascii_alphabetic() => {
            Err(Fault::new(format!("`\\{letter}` means nothing in a replacement")))
        }
        None => Ok(format!("\\{letter}")),
    }
}

struct Compiler {
    program: Vec<Instruction>,
    counters: usize,
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<usize> {
        if self.program.len() >= PROGRAM_LIMIT {
            return Err(Fault::new("the regular expression is too large"));
        }
        self.program.push(instruction);
        Ok(self.program.len() - 1)
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        match node {
            Node::Empty => {}
            Node::Char(letter, fold) => drop(self.push(Instruction::Char(*letter, *fold))?),
            Node::Any(newline) => drop(self.push(Instruction::Any(*newline))?),
            Node::Set(set) => drop(self.push(Instruction::Set(set.clone()))?),
            Node::Assert(assertion) => drop(self.push(Instruction::Assert(*assertion))?),
            Node::Back(group, fold) => drop(self.push(Instruction::Back(*group, *fold))?),
            Node::Concat(nodes) => {
                for node in nodes {
                    self.node(node)?;
                }
            }
            Node::Group(group, inside) => {
                self.push(Instruction::Save(group * 2))?;
                self.node(inside)?;
                self.push(Instruction::Save(group * 2 + 1))?;
            }
            Node::Alternatives(nodes) => self.alternatives(nodes)?,
            Node::Repeat { inside, min, max, greedy, possessive: true } => {
                let plain = Node::Repeat {
                    inside: inside.clone(),
                    min: *min,
                    max: *max,
                    greedy: *greedy,
                    possessive: false,
                };
                self.apart(&plain, |end| Instruction::Atomic { end })?;
            }
            Node::Repeat { inside, min, max, greedy, .. } => self.repeat(inside, *min, *max, *greedy)?,
            Node::Atomic(inside) => self.apart(inside, |end| Instruction::Atomic { end })?,
            Node::Look { inside, behind, negative } => {
                let (behind, negative) = (*behind, *negative);
                self.apart(inside, |end| Instruction::Look { end, behind, negative })?;
            }
        }
        Ok(())
    }

    /// A program of its own inside this one.
    fn apart(&mut self, inside: &Node, make: impl Fn(usize) -> Instruction) -> Result<()> {
        let at = self.push(Instruction::Match)?;
        self.node(inside)?;
        self.push(Instruction::Match)?;
        self.program[at] = make(self.program.len());
        Ok(())
    }

    fn alternatives(&mut self, nodes: &[Node]) -> Result<()> {
        let mut jumps = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            if at + 1 == nodes.len() {
                self.node(node)?;
                continue;
            }
            let split = self.push(Instruction::Match)?;
            self.node(node)?;
            jumps.push(self.push(Instruction::Match)?);
            self.program[split] = Instruction::Split(split + 1, self.program.len());
        }
        for jump in jumps {
            self.program[jump] = Instruction::Jump(self.program.len());
        }
        Ok(())
    }

    fn repeat(&mut self, inside: &Node, min: usize, max: Option<usize>, greedy: bool) -> Result<()> {
        for _ in 0..min {
            self.node(inside)?;
        }
        let split = |first: usize, second: usize| match greedy {
            true => Instruction::Split(first, second),
            false => Instruction::Split(second, first),
        };
        match max {
            None => {
                let counter = self.counters;
                self.counters += 1;
                let start = self.push(Instruction::Match)?;
                self.push(Instruction::Mark(counter))?;
                self.node(inside)?;
                // An empty round ends the repetition, which would go on for ever.
                self.push(Instruction::Moved(counter))?;
                self.push(Instruction::Jump(start))?;
                self.program[start] = split(start + 1, self.program.len());
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Instruction::Match)?);
                    self.node(inside)?;
                }
                for at in splits {
                    self.program[at] = split(at + 1, self.program.len());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        let pattern = Pattern::new(pattern, Options::default()).unwrap();
        let all = pattern.find_all(&letters, usize::MAX).unwrap();
        all.iter().map(|found| found.text(0, &letters).unwrap()).collect()
    }

    fn replaced(pattern: &str, with: &str, text: &str) -> String {
        Pattern::new(pattern, Options::default()).unwrap().replace(text, with, usize::MAX).unwrap().0
    }

    #[test]
    fn finds_what_python_finds() {
        let cases: &[(&str, &str, &[&str])] = &[
            (r"\d+", "a1b22", &["1", "22"]),
            (r"a*", "baac", &["", "aa", "", ""]),
            (r"(?<=v)\d+(?!\d|x)", "v12 v3x v4", &["12", "4"]),
            (r"(\w)\1", "aabbc", &["aa", "bb"]),
            (r"(?i)WEB|db", "web DB", &["web", "DB"]),
            (r"\bfoo\b", "foo food foo", &["foo", "foo"]),
            (r"<.+?>", "<a><b>", &["<a>", "<b>"]),
            (r"(a|b)*c{2,3}", "abcc ccccc", &["abcc", "ccc", "cc"]),
            (r"[^\s,]+", "a, b", &["a", "b"]),
            (r"ü\w+", "über", &["über"]),
            (r"(?m)^\w$", "a\nb", &["a", "b"]),
            (r"x$", "x\n", &["x"]),
            (r"x\Z", "x\n", &[]),
            (r"(?P<q>['\x22]).*?(?P=q)", r#"'a' "b""#, &["'a'", "\"b\""]),
            (r"(a*)*b", "aab", &["aab"]),
            (r"[]a-]+", "a]-", &["a]-"]),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(found(pattern, text), *expected, "{pattern}");
        }
    }

    #[test]
    fn replaces_as_python_does() {
        assert_eq!(replaced("x*", "-", "abxd"), "-a-b--d-");
        assert_eq!(replaced(r"(\w+)@(?P<host>\w+)", r"\g<host>:\1", "me@there"), "there:me");
        assert_eq!(replaced("a", r"\\n", "a"), r"\n");
    }

    #[test]
    fn says_what_is_no_pattern() {
        let why = |pattern: &str| Pattern::new(pattern, Options::default()).unwrap_err().why;
        assert_eq!(why("("), "`(` is no regular expression: a `(` is never closed");
        assert_eq!(why("a)"), "`a)` is no regular expression: a `)` closes nothing");
        assert_eq!(why("*"), "`*` is no regular expression: there is nothing to repeat");
        assert_eq!(why("[a"), "`[a` is no regular expression: a `[` is never closed");
    }

    #[test]
    fn does_not_try_for_ever() {
        let letters: Vec<char> = "a".repeat(40).chars().collect();
        let pattern = Pattern::new("(a|aa)+$|(a+)+b", Options::default()).unwrap();
        assert!(pattern.search(&letters).is_ok());
        let pattern = Pattern::new("(a+)+b", Options::default()).unwrap();
        assert_eq!(pattern.search(&letters).unwrap_err().why, "the regular expression takes too many steps");
    }
}
