//! Parses expressions, with Jinja's precedences: `or`, `and`, `not`, comparisons, `+ -`, `~`, `* / // %`, `**`, signs,
//! then filters and tests.

mod applied;

use super::fault::{Fault, Result};
use super::lexer::{Token, Word};
use super::tree::{Comparison, Expr, Kind, Operator};
use super::value::Datum;
use std::ops::Range;
use std::sync::Arc;

/// Brackets and operators may be nested this deep: what is deeper was not written by hand, and would overflow the stack.
const DEPTH_LIMIT: usize = 50;

/// Reads words as an expression.
pub struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// Over these words, of which the last is [`Word::End`].
    pub fn new(tokens: Vec<Token>) -> Parser {
        Parser { tokens, at: 0, depth: 0 }
    }

    /// The word that comes next.
    pub fn peek(&self) -> &Word {
        &self.tokens[self.at.min(self.tokens.len() - 1)].word
    }

    /// Where that word is.
    pub fn range(&self) -> Range<usize> {
        self.tokens[self.at.min(self.tokens.len() - 1)].range.clone()
    }

    fn end_of_last(&self) -> usize {
        self.tokens[self.at.saturating_sub(1)].range.end
    }

    /// Takes the next word.
    pub fn take(&mut self) -> Token {
        let token = self.tokens[self.at.min(self.tokens.len() - 1)].clone();
        self.at += 1;
        token
    }

    /// Takes the next word when it is this sign.
    pub fn skip_sign(&mut self, sign: &str) -> bool {
        let skips = matches!(self.peek(), Word::Sign(found) if *found == sign);
        self.at += usize::from(skips);
        skips
    }

    /// Takes the next word when it is this name.
    pub fn skip_name(&mut self, name: &str) -> bool {
        let skips = self.is_name(name);
        self.at += usize::from(skips);
        skips
    }

    /// Whether the next word is this name.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Word::Name(found) if found == name)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Word::Sign(found) if *found == sign)
    }

    /// Takes this sign, or fails.
    pub fn expect_sign(&mut self, sign: &str) -> Result<()> {
        match self.skip_sign(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    /// Takes a name, or fails.
    pub fn expect_name(&mut self) -> Result<Arc<str>> {
        match self.peek().clone() {
            Word::Name(name) => {
                self.at += 1;
                Ok(name.into())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Fails unless everything was read.
    pub fn expect_end(&self) -> Result<()> {
        match self.peek() {
            Word::End => Ok(()),
            Word::Sign("=") => Err(self.unexpected("the end").hint("compare with `==`")),
            Word::Sign("!") => Err(self.unexpected("the end").hint("write `not` or `!=`")),
            _ => Err(self.unexpected("the end")),
        }
    }

    /// The error for a word that does not fit.
    pub fn unexpected(&self, expected: &str) -> Fault {
        let found = match self.peek() {
            Word::Name(name) => format!("`{name}`"),
            Word::Text(text) => format!("the text {text:?}"),
            Word::Int(number) => format!("the number {number}"),
            Word::Float(number) => format!("the number {number}"),
            Word::Sign(sign) => format!("`{sign}`"),
            Word::End => "the end".to_string(),
        };
        Fault::new(format!("expected {expected}, found {found}")).at(None, self.range())
    }

    fn node(&self, start: usize, kind: Kind) -> Expr {
        Expr { kind, range: start..self.end_of_last() }
    }

    /// A whole expression; several with commas between them are a tuple.
    pub fn tuple(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let first = self.expression()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_sign(",") && *self.peek() != Word::End && !self.is_sign(")") {
            items.push(self.expression()?);
        }
        Ok(self.node(start, Kind::Tuple(items)))
    }

    /// `a if b else c`, or what is stronger.
    pub fn expression(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Fault::new("this is nested too deep").at(None, self.range()));
        }
        let start = self.range().start;
        let mut expr = self.or()?;
        while self.skip_name("if") {
            let condition = self.or()?;
            let otherwise = if self.skip_name("else") { Some(Box::new(self.expression()?)) } else { None };
            expr = self.node(start, Kind::Conditional(Box::new(condition), Box::new(expr), otherwise));
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// An expression without `if`, as the list of a loop is.
    pub fn or(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let mut left = self.and()?;
        while self.skip_name("or") {
            let right = self.and()?;
            left = self.node(start, Kind::Or(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let mut left = self.not()?;
        while self.skip_name("and") {
            let right = self.not()?;
            left = self.node(start, Kind::And(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let mut nots = 0;
        while self.skip_name("not") {
            nots += 1;
        }
        let mut expr = self.compare()?;
        for _ in 0..nots {
            expr = self.node(start, Kind::Not(Box::new(expr)));
        }
        Ok(expr)
    }

    fn compare(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let left = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison() {
            rest.push((comparison, self.sum()?));
        }
        Ok(match rest.is_empty() {
            true => left,
            false => self.node(start, Kind::Compare(Box::new(left), rest)),
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            Word::Sign("==") => Comparison::Equal,
            Word::Sign("!=") => Comparison::Unequal,
            Word::Sign("<") => Comparison::Less,
            Word::Sign("<=") => Comparison::LessOrEqual,
            Word::Sign(">") => Comparison::Greater,
            Word::Sign(">=") => Comparison::GreaterOrEqual,
            Word::Name(name) if name == "in" => Comparison::In,
            Word::Name(name) if name == "not" && self.follows_in() => {
                self.at += 1;
                Comparison::NotIn
            }
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    fn follows_in(&self) -> bool {
        matches!(self.tokens.get(self.at + 1).map(|token| &token.word), Some(Word::Name(name)) if name == "in")
    }

    fn sum(&mut self) -> Result<Expr> {
        let operators = [("+", Operator::Add), ("-", Operator::Subtract)];
        self.binary(&operators, Parser::concat)
    }

    fn concat(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let mut parts = vec![self.product()?];
        while self.skip_sign("~") {
            parts.push(self.product()?);
        }
        Ok(match parts.len() {
            1 => parts.swap_remove(0),
            _ => self.node(start, Kind::Concat(parts)),
        })
    }

    fn product(&mut self) -> Result<Expr> {
        let operators = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Modulo),
        ];
        self.binary(&operators, Parser::power)
    }

    fn power(&mut self) -> Result<Expr> {
        self.binary(&[("**", Operator::Power)], |parser| parser.signed(true))
    }

    fn binary(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Parser) -> Result<Expr>,
    ) -> Result<Expr> {
        let start = self.range().start;
        let mut left = operand(self)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.at += 1;
            let right = operand(self)?;
            left = self.node(start, Kind::Binary(*operator, Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn signed(&mut self, with_filters: bool) -> Result<Expr> {
        let start = self.range().start;
        let expr = if self.skip_sign("-") {
            let inside = self.deeper(|parser| parser.signed(false))?;
            self.node(start, Kind::Negative(Box::new(inside)))
        } else if self.skip_sign("+") {
            let inside = self.deeper(|parser| parser.signed(false))?;
            self.node(start, Kind::Positive(Box::new(inside)))
        } else {
            self.primary()?
        };
        let expr = self.postfix(expr)?;
        if with_filters { self.filters_of(expr) } else { Ok(expr) }
    }

    fn deeper(&mut self, parse: impl FnOnce(&mut Parser) -> Result<Expr>) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Fault::new("this is nested too deep").at(None, self.range()));
        }
        let expr = parse(self)?;
        self.depth -= 1;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr> {
        let start = self.range().start;
        let kind = match self.peek().clone() {
            Word::Name(name) => {
                self.at += 1;
                self.named(&name)?
            }
            Word::Text(_) => self.texts(),
            Word::Int(number) => self.constant(Datum::Int(number)),
            Word::Float(number) => self.constant(Datum::Float(number)),
            Word::Sign("(") => return self.parentheses(),
            Word::Sign("[") => Kind::List(self.list()?),
            Word::Sign("{") => Kind::Map(self.entries()?),
            _ => return Err(self.unexpected("a value")),
        };
        Ok(self.node(start, kind))
    }

    fn constant(&mut self, value: Datum) -> Kind {
        self.at += 1;
        Kind::Constant(value)
    }

    fn named(&self, name: &str) -> Result<Kind> {
        Ok(match name {
            "true" | "True" => Kind::Constant(Datum::Bool(true)),
            "false" | "False" => Kind::Constant(Datum::Bool(false)),
            "none" | "None" => Kind::Constant(Datum::None),
            "if" | "else" | "and" | "or" | "in" | "is" => {
                let range = self.tokens[self.at - 1].range.clone();
                return Err(Fault::new(format!("expected a value, found `{name}`")).at(None, range));
            }
            _ => Kind::Name(name.into()),
        })
    }

    /// Strings side by side are one.
    fn texts(&mut self) -> Kind {
        let mut whole = String::new();
        while let Word::Text(text) = self.peek() {
            whole.push_str(text);
            self.at += 1;
        }
        Kind::Constant(Datum::text(whole))
    }

    fn parentheses(&mut self) -> Result<Expr> {
        let start = self.range().start;
        self.expect_sign("(")?;
        if self.skip_sign(")") {
            return Ok(self.node(start, Kind::Tuple(Vec::new())));
        }
        let inside = self.tuple()?;
        self.expect_sign(")")?;
        Ok(self.node(start, inside.kind))
    }

    fn list(&mut self) -> Result<Vec<Expr>> {
        self.expect_sign("[")?;
        let mut items = Vec::new();
        while !self.skip_sign("]") {
            items.push(self.expression()?);
            if !self.skip_sign(",") && !self.is_sign("]") {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Expr, Expr)>> {
        self.expect_sign("{")?;
        let mut entries = Vec::new();
        while !self.skip_sign("}") {
            let key = self.expression()?;
            self.expect_sign(":")?;
            entries.push((key, self.expression()?));
            if !self.skip_sign(",") && !self.is_sign("}") {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        Ok(entries)
    }

    fn postfix(&mut self, mut expr: Expr) -> Result<Expr> {
        let start = expr.range.start;
        loop {
            let kind = match self.peek() {
                Word::Sign(".") => self.attribute(expr)?,
                Word::Sign("[") => self.subscript(expr)?,
                Word::Sign("(") => Kind::Call(Box::new(expr), self.passed()?),
                _ => return Ok(expr),
            };
            expr = self.node(start, kind);
        }
    }

    fn attribute(&mut self, of: Expr) -> Result<Kind> {
        self.expect_sign(".")?;
        let range = self.range();
        match self.take().word {
            Word::Name(name) => Ok(Kind::Attribute(Box::new(of), name.into())),
            Word::Int(index) => {
                let index = Expr { kind: Kind::Constant(Datum::Int(index)), range };
                Ok(Kind::Index(Box::new(of), Box::new(index)))
            }
            _ => {
                self.at -= 1;
                Err(self.unexpected("a name after `.`"))
            }
        }
    }

    fn subscript(&mut self, of: Expr) -> Result<Kind> {
        self.expect_sign("[")?;
        let mut parts: [Option<Expr>; 3] = [None, None, None];
        let mut colons = 0;
        while !self.skip_sign("]") {
            if colons < 2 && self.skip_sign(":") {
                colons += 1;
            } else if parts[colons].is_none() {
                parts[colons] = Some(self.expression()?);
            } else {
                return Err(self.unexpected("`]`"));
            }
        }
        match (colons, parts) {
            (0, [Some(index), ..]) => Ok(Kind::Index(Box::new(of), Box::new(index))),
            (0, _) => Err(Fault::new("`[]` names no element").at(None, self.range())),
            (_, parts) => Ok(Kind::Slice(Box::new(of), Box::new(parts))),
        }
    }
}
