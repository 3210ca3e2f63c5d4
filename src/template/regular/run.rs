//! Runs a pattern over a text: one way after the other, the last choice first.

use super::super::fault::{Fault, Result};
use super::parse::{Assertion, Set, is_word};

/// A search may take this many steps, about a tenth of a second: a pattern can have very many ways.
pub const STEPS: u64 = 10_000_000;

/// One instruction.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// A letter; the flag says that case does not matter.
    Char(char, bool),
    /// Any letter; the flag says that a newline is one.
    Any(bool),
    /// A letter of a set.
    Set(Set),
    /// A place as said.
    Assert(Assertion),
    /// What a group has matched, once more.
    Back(usize, bool),
    /// Notes the place.
    Save(usize),
    /// Goes on at the first; at the second when that fails.
    Split(usize, usize),
    /// Goes on there.
    Jump(usize),
    /// Notes the place at the beginning of a round.
    Mark(usize),
    /// Fails when the round has got nowhere.
    Moved(usize),
    /// What follows up to `end` must, or must not, match here.
    Look {
        /// Where the program goes on.
        end: usize,
        /// So many letters back.
        behind: Option<usize>,
        /// It must not match.
        negative: bool,
    },
    /// What follows up to `end` is matched once, in its first way.
    Atomic {
        /// Where the program goes on.
        end: usize,
    },
    /// It matches.
    Match,
}

/// A match: where the whole and each group begin and end, in letters.
#[derive(Clone, Debug)]
pub struct Found(Vec<Option<usize>>);

impl Found {
    /// Where it begins and ends.
    pub fn whole(&self) -> (usize, usize) {
        (self.0[0].unwrap_or(0), self.0[1].unwrap_or(0))
    }

    /// The text of a group, when it took part.
    pub fn text(&self, group: usize, letters: &[char]) -> Option<String> {
        let (start, end) = ((*self.0.get(group * 2)?)?, (*self.0.get(group * 2 + 1)?)?);
        Some(letters[start..end].iter().collect())
    }
}

/// A program over a text.
pub struct Machine<'a> {
    /// What it does.
    pub program: &'a [Instruction],
    /// What it looks at.
    pub text: &'a [char],
    /// How many places it notes.
    pub slots: usize,
    /// How many rounds it watches.
    pub counters: usize,
}

/// What is undone when a way fails.
enum Undo {
    Try(usize, usize),
    Slot(usize, Option<usize>),
    Counter(usize, usize),
}

struct State {
    slots: Vec<Option<usize>>,
    counters: Vec<usize>,
}

impl Machine<'_> {
    /// A match that begins at `start`; with `advance` it must not be empty.
    pub fn run(&self, start: usize, advance: bool, steps: &mut u64) -> Result<Option<Found>> {
        let mut state = State { slots: vec![None; self.slots], counters: vec![usize::MAX; self.counters] };
        let empty = advance.then_some(start);
        Ok(self.way(0, start, empty, &mut state, steps)?.map(|_| Found(state.slots)))
    }

    /// Runs from an instruction on; gives where it ended.
    fn way(
        &self,
        from: usize,
        start: usize,
        not_at: Option<usize>,
        state: &mut State,
        steps: &mut u64,
    ) -> Result<Option<usize>> {
        let (mut pc, mut at) = (from, start);
        let mut undo: Vec<Undo> = Vec::new();
        loop {
            *steps = steps
                .checked_sub(1)
                .ok_or_else(|| Fault::new("the regular expression takes too many steps"))?;
            let next = match &self.program[pc] {
                Instruction::Match if Some(at) != not_at => return Ok(Some(at)),
                Instruction::Match => None,
                Instruction::Char(letter, fold) => {
                    self.letter(at, |found| same(*letter, found, *fold)).then_some((pc + 1, at + 1))
                }
                Instruction::Any(newline) => {
                    self.letter(at, |found| *newline || found != '\n').then_some((pc + 1, at + 1))
                }
                Instruction::Set(set) => self.letter(at, |found| set.has(found)).then_some((pc + 1, at + 1)),
                Instruction::Assert(assertion) => self.asserts(*assertion, at).then_some((pc + 1, at)),
                Instruction::Back(group, fold) => self.again(*group, *fold, at, state).map(|at| (pc + 1, at)),
                Instruction::Save(slot) => {
                    undo.push(Undo::Slot(*slot, state.slots[*slot]));
                    state.slots[*slot] = Some(at);
                    Some((pc + 1, at))
                }
                Instruction::Split(first, second) => {
                    undo.push(Undo::Try(*second, at));
                    Some((*first, at))
                }
                Instruction::Jump(to) => Some((*to, at)),
                Instruction::Mark(counter) => {
                    undo.push(Undo::Counter(*counter, state.counters[*counter]));
                    state.counters[*counter] = at;
                    Some((pc + 1, at))
                }
                // An empty round is the last one.
                Instruction::Moved(counter) if state.counters[*counter] == at => Some((pc + 2, at)),
                Instruction::Moved(_) => Some((pc + 1, at)),
                Instruction::Look { end, behind, negative } => {
                    let before = state.slots.clone();
                    let place = at.checked_sub(behind.unwrap_or(0));
                    let found = match place {
                        Some(place) => self.way(pc + 1, place, None, state, steps)?.is_some(),
                        None => false,
                    };
                    self.keep(found && !negative, before, state, &mut undo);
                    (found != *negative).then_some((*end, at))
                }
                Instruction::Atomic { end } => {
                    let before = state.slots.clone();
                    let found = self.way(pc + 1, at, None, state, steps)?;
                    self.keep(found.is_some(), before, state, &mut undo);
                    found.map(|at| (*end, at))
                }
            };
            (pc, at) = match next {
                Some(next) => next,
                None => match back(&mut undo, state) {
                    Some(other) => other,
                    None => return Ok(None),
                },
            };
        }
    }

    /// Keeps the groups of a part that matched, so that they can be undone; else they are as before.
    fn keep(&self, matched: bool, before: Vec<Option<usize>>, state: &mut State, undo: &mut Vec<Undo>) {
        if !matched {
            state.slots = before;
            return;
        }
        for (slot, old) in before.into_iter().enumerate() {
            if state.slots[slot] != old {
                undo.push(Undo::Slot(slot, old));
            }
        }
    }

    fn letter(&self, at: usize, fits: impl Fn(char) -> bool) -> bool {
        self.text.get(at).is_some_and(|letter| fits(*letter))
    }

    fn asserts(&self, assertion: Assertion, at: usize) -> bool {
        let (length, newline) = (self.text.len(), |at: usize| self.letter(at, |letter| letter == '\n'));
        let word = |at: Option<usize>| at.is_some_and(|at| self.letter(at, is_word));
        match assertion {
            Assertion::Start => at == 0,
            Assertion::LineStart => at == 0 || newline(at - 1),
            Assertion::End => at == length,
            Assertion::LastLineEnd => at == length || (at + 1 == length && newline(at)),
            Assertion::LineEnd => at == length || newline(at),
            Assertion::Boundary => word(at.checked_sub(1)) != word(Some(at)),
            Assertion::NoBoundary => word(at.checked_sub(1)) == word(Some(at)),
        }
    }

    fn again(&self, group: usize, fold: bool, at: usize, state: &State) -> Option<usize> {
        let (start, end) = (state.slots[group * 2]?, state.slots[group * 2 + 1]?);
        let there = self.text.get(at..at + (end - start))?;
        let fits = self.text[start..end].iter().zip(there).all(|(one, other)| same(*one, *other, fold));
        fits.then_some(at + (end - start))
    }
}

/// Undoes up to the last choice, and takes its other way.
fn back(undo: &mut Vec<Undo>, state: &mut State) -> Option<(usize, usize)> {
    while let Some(last) = undo.pop() {
        match last {
            Undo::Try(pc, at) => return Some((pc, at)),
            Undo::Slot(slot, old) => state.slots[slot] = old,
            Undo::Counter(counter, old) => state.counters[counter] = old,
        }
    }
    None
}

fn same(one: char, other: char, fold: bool) -> bool {
    one == other
        || (fold
            && (one.to_lowercase().eq(other.to_lowercase()) || one.to_uppercase().eq(other.to_uppercase())))
}
