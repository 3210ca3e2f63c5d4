//! Reads a pattern as a tree.

use super::Options;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Groups may be nested this deep.
const DEPTH_LIMIT: usize = 100;

/// A counted repetition counts at most this far.
const COUNT_LIMIT: usize = 1000;

/// A part of a pattern.
#[derive(Clone, Debug)]
pub enum Node {
    /// Nothing.
    Empty,
    /// A letter; the flag says that case does not matter.
    Char(char, bool),
    /// `.`; the flag says that a newline counts.
    Any(bool),
    /// `[a-z]`
    Set(Set),
    /// `^`, `\b` and their like.
    Assert(Assertion),
    /// `\1`
    Back(usize, bool),
    /// One after the other.
    Concat(Vec<Node>),
    /// `a|b`
    Alternatives(Vec<Node>),
    /// `(a)`
    Group(usize, Box<Node>),
    /// `a{min,max}`
    Repeat {
        /// What is repeated.
        inside: Box<Node>,
        /// At least so often.
        min: usize,
        /// At most so often.
        max: Option<usize>,
        /// As often as possible, not as rarely.
        greedy: bool,
        /// What it has taken it never gives back.
        possessive: bool,
    },
    /// `(?>a)`
    Atomic(Box<Node>),
    /// `(?=a)`, `(?<!a)`
    Look {
        /// What is looked for.
        inside: Box<Node>,
        /// How many letters back, when it looks back.
        behind: Option<usize>,
        /// It must not be there.
        negative: bool,
    },
}

/// A place that must be as said.
#[derive(Clone, Copy, Debug)]
pub enum Assertion {
    /// The beginning of the text.
    Start,
    /// The beginning of a line.
    LineStart,
    /// The end of the text.
    End,
    /// The end of the text, or the newline that ends it.
    LastLineEnd,
    /// The end of a line.
    LineEnd,
    /// Between a word and what is none.
    Boundary,
    /// Not there.
    NoBoundary,
}

/// A set of letters.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// All other letters.
    pub negative: bool,
    /// Case does not matter.
    pub fold: bool,
    /// From and to, both included.
    pub ranges: Vec<(char, char)>,
    /// `\d` and its like; upper case is the opposite.
    pub classes: Vec<char>,
}

impl Set {
    /// Whether it has a letter.
    pub fn has(&self, letter: char) -> bool {
        let within = |letter: char| self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter));
        let folded = || self.fold && (letter.to_lowercase().any(within) || letter.to_uppercase().any(within));
        let has = within(letter) || folded() || self.classes.iter().any(|class| is_of(*class, letter));
        has != self.negative
    }
}

fn is_of(class: char, letter: char) -> bool {
    match class {
        'd' => letter.is_ascii_digit() || (!letter.is_ascii() && letter.is_numeric()),
        'D' => !is_of('d', letter),
        's' => letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter),
        'S' => !is_of('s', letter),
        'W' => !is_word(letter),
        _ => is_word(letter),
    }
}

/// Whether a letter is part of a word.
pub fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A pattern that was read.
pub struct Parsed {
    /// All of it.
    pub node: Node,
    /// How many groups it has.
    pub groups: usize,
    /// Those with names.
    pub names: BTreeMap<String, usize>,
}

/// Reads a pattern; says why it is none.
pub fn parse(pattern: &str, options: Options) -> Result<Parsed, String> {
    let flags =
        Flags { fold: options.ignore_case, multi: options.multi_line, dot: options.dot_all, verbose: false };
    let mut parser =
        Parser { letters: pattern.chars().peekable(), flags, groups: 0, names: BTreeMap::new(), depth: 0 };
    let node = parser.alternatives()?;
    match parser.letters.next() {
        None => Ok(Parsed { node, groups: parser.groups, names: parser.names }),
        Some(_) => Err("a `)` closes nothing".to_string()),
    }
}

#[derive(Clone, Copy)]
struct Flags {
    fold: bool,
    multi: bool,
    dot: bool,
    verbose: bool,
}

struct Parser<'a> {
    letters: Peekable<Chars<'a>>,
    flags: Flags,
    groups: usize,
    names: BTreeMap<String, usize>,
    depth: usize,
}

type Parse<T> = Result<T, String>;

impl Parser<'_> {
    fn alternatives(&mut self) -> Parse<Node> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("it is nested too deep".to_string());
        }
        let mut list = vec![self.concat()?];
        while self.letters.next_if_eq(&'|').is_some() {
            list.push(self.concat()?);
        }
        self.depth -= 1;
        Ok(if list.len() == 1 { list.swap_remove(0) } else { Node::Alternatives(list) })
    }

    fn concat(&mut self) -> Parse<Node> {
        let mut list = Vec::new();
        loop {
            self.skip_blank();
            match self.letters.peek() {
                None | Some('|' | ')') => return Ok(Node::Concat(list)),
                Some(_) => {
                    let atom = self.atom()?;
                    list.push(self.repeated(atom)?);
                }
            }
        }
    }

    /// White space and comments mean nothing under `(?x)`.
    fn skip_blank(&mut self) {
        while self.flags.verbose {
            match self.letters.peek() {
                Some(letter) if letter.is_whitespace() => drop(self.letters.next()),
                Some('#') => while self.letters.next_if(|letter| *letter != '\n').is_some() {},
                _ => return,
            }
        }
    }

    fn repeated(&mut self, mut atom: Node) -> Parse<Node> {
        loop {
            self.skip_blank();
            let Some((min, max)) = self.quantifier()? else { return Ok(atom) };
            if matches!(atom, Node::Assert(_) | Node::Empty) && !matches!(atom, Node::Look { .. }) {
                return Err("there is nothing to repeat".to_string());
            }
            if max.is_some_and(|max| max < min) {
                return Err("the least number of a repetition is more than the most".to_string());
            }
            let greedy = self.letters.next_if_eq(&'?').is_none();
            let possessive = greedy && self.letters.next_if_eq(&'+').is_some();
            atom = Node::Repeat { inside: Box::new(atom), min, max, greedy, possessive };
        }
    }

    fn quantifier(&mut self) -> Parse<Option<(usize, Option<usize>)>> {
        let range = match self.letters.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(),
            _ => return Ok(None),
        };
        self.letters.next();
        Ok(Some(range))
    }

    /// `{2}`, `{2,}`, `{,3}`, `{2,3}`; any other brace is a letter.
    fn counted(&mut self) -> Parse<Option<(usize, Option<usize>)>> {
        let ahead: String = self.letters.clone().skip(1).take_while(|letter| *letter != '}').collect();
        let closed = self.letters.clone().nth(1 + ahead.chars().count()) == Some('}');
        let number = |text: &str| text.parse::<usize>().ok();
        let range = match ahead.split_once(',') {
            None => number(&ahead).map(|count| (count, Some(count))),
            Some(("", "")) => None,
            Some((min, "")) => number(min).map(|min| (min, None)),
            Some(("", max)) => number(max).map(|max| (0, Some(max))),
            Some((min, max)) => number(min).zip(number(max)).map(|(min, max)| (min, Some(max))),
        };
        let Some((min, max)) = range.filter(|_| closed) else { return Ok(None) };
        if min.max(max.unwrap_or(0)) > COUNT_LIMIT {
            return Err(format!("a repetition counts at most to {COUNT_LIMIT}"));
        }
        for _ in 0..ahead.chars().count() + 2 {
            self.letters.next();
        }
        Ok(Some((min, max)))
    }

    fn atom(&mut self) -> Parse<Node> {
        let Some(letter) = self.letters.next() else { return Ok(Node::Empty) };
        Ok(match letter {
            '.' => Node::Any(self.flags.dot),
            '^' if self.flags.multi => Node::Assert(Assertion::LineStart),
            '^' => Node::Assert(Assertion::Start),
            '$' if self.flags.multi => Node::Assert(Assertion::LineEnd),
            '$' => Node::Assert(Assertion::LastLineEnd),
            '(' => self.group()?,
            '[' => Node::Set(self.set()?),
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err("there is nothing to repeat".to_string()),
            letter => Node::Char(letter, self.flags.fold),
        })
    }

    fn escape(&mut self) -> Parse<Node> {
        let letter = self.letters.next().ok_or("it ends with a single `\\`")?;
        Ok(match letter {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Node::Set(Set { classes: vec![letter], ..Set::default() }),
            'A' => Node::Assert(Assertion::Start),
            'Z' | 'z' => Node::Assert(Assertion::End),
            'b' => Node::Assert(Assertion::Boundary),
            'B' => Node::Assert(Assertion::NoBoundary),
            '1'..='9' => {
                let mut number = letter.to_string();
                number.extend(self.letters.next_if(char::is_ascii_digit));
                let group: usize = number.parse().unwrap_or(0);
                if group > self.groups {
                    return Err(format!("there is no group {group}"));
                }
                Node::Back(group, self.flags.fold)
            }
            letter => Node::Char(self.letter(letter)?, self.flags.fold),
        })
    }

    /// The letter that an escape stands for.
    fn letter(&mut self, letter: char) -> Parse<char> {
        Ok(match letter {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'f' => '\x0c',
            'v' => '\x0b',
            'a' => '\x07',
            '0' => '\0',
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            letter if letter.is_ascii_alphabetic() => return Err(format!("`\\{letter}` means nothing")),
            letter => letter,
        })
    }

    fn hex(&mut self, digits: usize) -> Parse<char> {
        let code: String = self.letters.by_ref().take(digits).collect();
        u32::from_str_radix(&code, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or(format!("`{code}` is no letter's number"))
    }

    fn set(&mut self) -> Parse<Set> {
        let mut set = Set {
            negative: self.letters.next_if_eq(&'^').is_some(),
            fold: self.flags.fold,
            ..Set::default()
        };
        let mut first = true;
        loop {
            let letter = self.letters.next().ok_or("a `[` is never closed")?;
            if letter == ']' && !first {
                return Ok(set);
            }
            first = false;
            let Some(from) = self.one_of_set(letter, &mut set)? else { continue };
            let mut ahead = self.letters.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|letter| letter != ']');
            if !is_range {
                set.ranges.push((from, from));
                continue;
            }
            self.letters.next();
            let letter = self.letters.next().ok_or("a `[` is never closed")?;
            let to = self.one_of_set(letter, &mut set)?.ok_or("a range in `[]` ends with a class")?;
            if to < from {
                return Err(format!("the range {from}-{to} is the wrong way round"));
            }
            set.ranges.push((from, to));
        }
    }

    /// A letter of a set, or `None` when it was a class.
    fn one_of_set(&mut self, letter: char, set: &mut Set) -> Parse<Option<char>> {
        if letter != '\\' {
            return Ok(Some(letter));
        }
        match self.letters.next().ok_or("a `[` is never closed")? {
            class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W') => {
                set.classes.push(class);
                Ok(None)
            }
            'b' => Ok(Some('\x08')),
            letter => self.letter(letter).map(Some),
        }
    }

    fn group(&mut self) -> Parse<Node> {
        if self.letters.next_if_eq(&'?').is_none() {
            self.groups += 1;
            let group = self.groups;
            return Ok(Node::Group(group, Box::new(self.closed()?)));
        }
        match self.letters.next().ok_or("a `(` is never closed")? {
            ':' => self.closed(),
            '>' => Ok(Node::Atomic(Box::new(self.closed()?))),
            '=' => Ok(Node::Look { inside: Box::new(self.closed()?), behind: None, negative: false }),
            '!' => Ok(Node::Look { inside: Box::new(self.closed()?), behind: None, negative: true }),
            '#' => {
                while self.letters.next().ok_or("a `(` is never closed")? != ')' {}
                Ok(Node::Concat(Vec::new()))
            }
            '<' => match self.letters.peek() {
                Some(sign @ ('=' | '!')) => {
                    let negative = *sign == '!';
                    self.letters.next();
                    self.behind(negative)
                }
                _ => self.named(),
            },
            'P' => match self.letters.next() {
                Some('<') => self.named(),
                Some('=') => {
                    let name = self.until(')')?;
                    let group = *self.names.get(&name).ok_or(format!("there is no group `{name}`"))?;
                    Ok(Node::Back(group, self.flags.fold))
                }
                _ => Err("`(?P` is followed by `<name>` or `=name`".to_string()),
            },
            letter => self.flags(letter),
        }
    }

    fn closed(&mut self) -> Parse<Node> {
        let flags = self.flags;
        let inside = self.alternatives()?;
        self.flags = flags;
        match self.letters.next() {
            Some(')') => Ok(inside),
            _ => Err("a `(` is never closed".to_string()),
        }
    }

    fn until(&mut self, end: char) -> Parse<String> {
        let mut text = String::new();
        loop {
            match self.letters.next().ok_or("a `(` is never closed")? {
                letter if letter == end => return Ok(text),
                letter => text.push(letter),
            }
        }
    }

    fn named(&mut self) -> Parse<Node> {
        let name = self.until('>')?;
        self.groups += 1;
        let group = self.groups;
        if self.names.insert(name.clone(), group).is_some() {
            return Err(format!("two groups are called `{name}`"));
        }
        Ok(Node::Group(group, Box::new(self.closed()?)))
    }

    fn behind(&mut self, negative: bool) -> Parse<Node> {
        let inside = self.closed()?;
        let width = width(&inside).ok_or("what is looked for behind must have one length")?;
        Ok(Node::Look { inside: Box::new(inside), behind: Some(width), negative })
    }

    /// `(?i)` for the rest, `(?i:…)` for a part.
    fn flags(&mut self, first: char) -> Parse<Node> {
        let before = self.flags;
        let mut on = true;
        let mut next = Some(first);
        loop {
            match next.ok_or("a `(` is never closed")? {
                'i' => self.flags.fold = on,
                'm' => self.flags.multi = on,
                's' => self.flags.dot = on,
                'x' => self.flags.verbose = on,
                'a' | 'u' | 'L' => {}
                '-' => on = false,
                ')' => return Ok(Node::Concat(Vec::new())),
                ':' => {
                    let inside = self.closed()?;
                    self.flags = before;
                    return Ok(inside);
                }
                letter => return Err(format!("`(?{letter}` means nothing")),
            }
            next = self.letters.next();
        }
    }
}

/// How many letters a part takes, when that is always the same number.
fn width(node: &Node) -> Option<usize> {
    match node {
        Node::Empty | Node::Assert(_) | Node::Look { .. } => Some(0),
        Node::Char(..) | Node::Any(_) | Node::Set(_) => Some(1),
        Node::Back(..) => None,
        Node::Concat(list) => list.iter().map(width).sum(),
        Node::Alternatives(list) => {
            let first = width(list.first()?)?;
            list.iter().all(|node| width(node) == Some(first)).then_some(first)
        }
        Node::Group(_, inside) | Node::Atomic(inside) => width(inside),
        Node::Repeat { inside, min, max, .. } => Some(width(inside)? * min).filter(|_| *max == Some(*min)),
    }
}
