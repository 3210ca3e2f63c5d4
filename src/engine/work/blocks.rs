//! Blocks of steps with `rescue` and `always`: which of their steps run, and which failures nothing has rescued.

use crate::model::Failure;
use crate::model::job::{BlockPart, InBlock};

/// The blocks that the work is in.
#[derive(Debug, Default)]
pub struct Blocks {
    /// The outermost first.
    open: Vec<Open>,
}

/// A block that has begun.
#[derive(Debug)]
struct Open {
    /// Where it is: the blocks around it, and itself.
    path: Vec<InBlock>,
    body: Option<Failure>,
    rescue: Option<Failure>,
    always: Option<Failure>,
}

impl Blocks {
    /// Leaves the blocks that the next step is not in, and enters those that it is in. Returns a failure of what is left
    /// that no block around it takes.
    pub fn go_to(&mut self, path: &[InBlock]) -> Option<Failure> {
        let mut raised = None;
        while self.open.last().is_some_and(|open| !open.holds(path)) {
            let failure = self.open.pop().and_then(|mut left| {
                let own = left.path.pop()?;
                let outer = std::mem::take(&mut left.path);
                Some((outer, left.unrescued(own.rescues)?))
            });
            if let Some((outer, failure)) = failure {
                raised = raised.or(self.fail(&outer, failure));
            }
        }
        for depth in self.open.len()..path.len() {
            let path = path[..=depth].to_vec();
            self.open.push(Open { path, body: None, rescue: None, always: None });
        }
        raised
    }

    /// Whether a step in these blocks runs.
    pub fn runs(&self, path: &[InBlock]) -> bool {
        path.iter().zip(&self.open).all(|(at, open)| match at.part {
            BlockPart::Body => open.body.is_none(),
            BlockPart::Rescue => open.body.is_some() && open.rescue.is_none(),
            BlockPart::Always => open.always.is_none(),
        })
    }

    /// A step in these blocks has failed. Returns the failure when it is in none.
    pub fn fail(&mut self, path: &[InBlock], failure: Failure) -> Option<Failure> {
        let Some((at, open)) =
            path.last().zip(path.len().checked_sub(1).and_then(|at| self.open.get_mut(at)))
        else {
            return Some(failure);
        };
        let part = match at.part {
            BlockPart::Body => &mut open.body,
            BlockPart::Rescue => &mut open.rescue,
            BlockPart::Always => &mut open.always,
        };
        part.get_or_insert(failure);
        None
    }
}

impl Open {
    /// Whether a step in these blocks is in this one.
    fn holds(&self, path: &[InBlock]) -> bool {
        let here = self.path.len() - 1;
        path.get(here).is_some_and(|at| at.block == self.path[here].block)
    }

    /// The failure that is left when the block ends.
    fn unrescued(self, rescues: bool) -> Option<Failure> {
        self.rescue.or(self.body.filter(|_| !rescues)).or(self.always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps, each written as its blocks (`0b` is the body of block 0, `1r` the rescue of 1, `a` is always; blocks
    /// with a rescue are odd) and its name; those whose names are capitals fail.
    fn run(steps: &[&str]) -> String {
        let (mut blocks, mut names) = (Blocks::default(), String::new());
        let mut failed = false;
        for step in steps {
            let (path, name) = step.rsplit_once(' ').unwrap_or(("", step));
            let path: Vec<InBlock> = path.split_whitespace().map(at).collect();
            if blocks.go_to(&path).is_some() {
                failed = true;
                break;
            }
            if !blocks.runs(&path) {
                continue;
            }
            names += name;
            if name.chars().all(char::is_uppercase)
                && blocks.fail(&path, Failure::new(name, "failed")).is_some()
            {
                failed = true;
                break;
            }
        }
        failed |= blocks.go_to(&[]).is_some();
        format!("{names}{}", if failed { " failed" } else { "" })
    }

    fn at(text: &str) -> InBlock {
        let (block, part) = text.split_at(1);
        let block = block.parse().expect("a digit");
        let part = match part {
            "b" => BlockPart::Body,
            "r" => BlockPart::Rescue,
            _ => BlockPart::Always,
        };
        InBlock { block, part, rescues: block % 2 == 1 }
    }

    #[test]
    fn a_rescue_runs_after_a_failure_and_makes_it_good() {
        assert_eq!(run(&["1b x", "1b y", "1r r", "1a a", "z"]), "xyaz");
        assert_eq!(run(&["1b X", "1b y", "1r r", "1r s", "1a a", "z"]), "Xrsaz");
    }

    #[test]
    fn what_is_not_rescued_fails_after_always() {
        assert_eq!(run(&["0b X", "0b y", "0a a", "z"]), "Xa failed");
        assert_eq!(run(&["1b X", "1r R", "1r s", "1a a", "z"]), "XRa failed");
        assert_eq!(run(&["1b x", "1r r", "1a A", "1a b", "z"]), "xA failed");
        assert_eq!(run(&["1b X", "1r r", "1a a"]), "Xra");
    }

    #[test]
    fn an_outer_block_rescues_what_an_inner_one_does_not() {
        assert_eq!(run(&["1b 2b X", "1b 2a a", "1b y", "1r r", "1a b", "z"]), "Xarbz");
        assert_eq!(run(&["1b 3b X", "1b 3r r", "1b y", "1r s", "z"]), "Xryz");
        assert_eq!(run(&["1b X", "1b 3b y", "1b 3r r", "1b 3a a", "1r s", "z"]), "Xsz");
        assert_eq!(run(&["0b 2b X", "0b 2a a", "0a b", "z"]), "Xab failed");
    }
}
