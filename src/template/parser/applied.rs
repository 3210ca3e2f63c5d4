//! What is applied to a value: calls with what is passed, filters, tests.

use super::super::fault::Result;
use super::super::lexer::Word;
use super::super::tree::{Expr, Kind, Named, Passed};
use super::Parser;

impl Parser {
    /// What stands in the parentheses of a call.
    pub fn passed(&mut self) -> Result<Passed> {
        self.expect_sign("(")?;
        let mut passed = Passed::default();
        while !self.skip_sign(")") {
            self.one_passed(&mut passed)?;
            if !self.skip_sign(",") && !self.is_sign(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        Ok(passed)
    }

    fn one_passed(&mut self, passed: &mut Passed) -> Result<()> {
        if self.skip_sign("**") {
            passed.spread_named = Some(Box::new(self.expression()?));
        } else if self.skip_sign("*") {
            passed.spread = Some(Box::new(self.expression()?));
        } else if let (Word::Name(name), Some(Word::Sign("="))) =
            (self.peek().clone(), self.tokens.get(self.at + 1).map(|token| &token.word))
        {
            self.at += 2;
            passed.named.push((name.into(), self.expression()?));
        } else if passed.named.is_empty() {
            passed.positional.push(self.expression()?);
        } else {
            return Err(self.unexpected("`name=value`"));
        }
        Ok(())
    }

    pub(super) fn filters_of(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            let start = expr.range.start;
            let kind = if self.skip_sign("|") {
                let (named, passed) = self.filter()?;
                Kind::Filter(Some(Box::new(expr)), named, passed)
            } else if self.is_name("is") {
                self.at += 1;
                self.test(expr)?
            } else if self.is_sign("(") {
                Kind::Call(Box::new(expr), self.passed()?)
            } else {
                return Ok(expr);
            };
            expr = self.node(start, kind);
        }
    }

    /// The name of a filter and what is passed to it.
    pub fn filter(&mut self) -> Result<(Named, Passed)> {
        let named = self.dotted()?;
        let passed = if self.is_sign("(") { self.passed()? } else { Passed::default() };
        Ok((named, passed))
    }

    /// A name that may have its collection in front: `ansible.utils.ipaddr` is `ipaddr`.
    fn dotted(&mut self) -> Result<Named> {
        let range = self.range();
        let mut name = self.expect_name()?;
        while self.skip_sign(".") {
            name = self.expect_name()?;
        }
        Ok(Named { name, range: range.start..self.end_of_last() })
    }

    fn test(&mut self, of: Expr) -> Result<Kind> {
        let negated = self.skip_name("not");
        let named = self.dotted()?;
        let passed = if self.is_sign("(") {
            self.passed()?
        } else if self.starts_value() {
            let value = self.primary()?;
            Passed { positional: vec![self.postfix(value)?], ..Passed::default() }
        } else {
            Passed::default()
        };
        Ok(Kind::Test(Box::new(of), named, passed, negated))
    }

    /// Whether the next word is the argument of a test without parentheses: `x is divisibleby 3`.
    fn starts_value(&self) -> bool {
        match self.peek() {
            Word::Name(name) => !matches!(name.as_str(), "else" | "or" | "and" | "is" | "if" | "in" | "not"),
            Word::Text(_) | Word::Int(_) | Word::Float(_) | Word::Sign("[" | "{") => true,
            _ => false,
        }
    }
}
