//! Parses templates: text with `{{ … }}`, `{% … %}` and `{# … #}` in it.

use super::fault::{Fault, Result};
use super::lexer::{self, Escapes, Word};
use super::parser::Parser;
use super::scan;
use super::tree::{Block, Expr, For, Include, Kind, Macro, Node, Passed, Target};
use crate::model::nearest::did_you_mean;
use std::sync::Arc;

/// Tags may be nested this deep.
const DEPTH_LIMIT: usize = 40;

/// Every tag that starts something.
const TAGS: &[&str] = &[
    "if",
    "for",
    "set",
    "with",
    "macro",
    "call",
    "filter",
    "include",
    "import",
    "from",
    "extends",
    "block",
    "do",
    "break",
    "continue",
    "raw",
    "autoescape",
];

/// Tags that end or divide what another one starts.
pub(super) const ENDS: &[&str] = &[
    "endif",
    "elif",
    "else",
    "endfor",
    "endset",
    "endwith",
    "endmacro",
    "endcall",
    "endfilter",
    "endblock",
    "endraw",
    "endautoescape",
];

/// Parses an expression that stands alone, written without braces.
pub fn expression(source: &str, escapes: Escapes) -> Result<Expr> {
    let (tokens, _) = lexer::words(source, 0, "", escapes)?;
    let mut parser = Parser::new(tokens);
    let expr = parser.tuple()?;
    parser.expect_end()?;
    Ok(expr)
}

/// Parses a template. `escapes` is for what stands in `{{ … }}`; tags read escapes as Python does.
pub fn template(source: &str, escapes: Escapes) -> Result<Vec<Node>> {
    let mut reader = Reader { source, at: 0, escapes, trim: false, depth: 0, opened: Vec::new() };
    let (nodes, end) = reader.nodes(&[])?;
    match end {
        None => Ok(nodes),
        Some(_) => Err(Fault::new("this tag ends nothing")),
    }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    escapes: Escapes,
    /// The block before said to drop white space behind it.
    trim: bool,
    depth: usize,
    /// The tags that are open, and where: what is never closed is shown there.
    opened: Vec<(String, usize)>,
}

/// The tag that ended a list of nodes.
struct Ended {
    name: String,
    parser: Parser,
}

impl Reader<'_> {
    /// Nodes until one of the tags `ends`, which is given back, or the end of the source.
    fn nodes(&mut self, ends: &[&str]) -> Result<(Vec<Node>, Option<Ended>)> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(self.fault("tags are nested too deep", 2));
        }
        let mut nodes = Vec::new();
        loop {
            self.text(&mut nodes);
            let rest = &self.source[self.at..];
            if rest.is_empty() {
                self.depth -= 1;
                return match self.opened.last() {
                    Some((name, at)) if !ends.is_empty() => {
                        Err(Fault::new(format!("`{name}` is never closed"))
                            .hint(format!("close it with {{% end{name} %}}"))
                            .at(None, *at..*at + name.len()))
                    }
                    _ => Ok((nodes, None)),
                };
            }
            if rest.starts_with("{{") {
                nodes.push(self.output()?);
            } else if rest.starts_with("{#") {
                self.comment()?;
            } else if let Some(ended) = self.tag(ends, &mut nodes)? {
                self.depth -= 1;
                return Ok((nodes, Some(ended)));
            }
        }
    }

    /// The text up to the next block, white space trimmed as the blocks around it say.
    fn text(&mut self, nodes: &mut Vec<Node>) {
        let rest = &self.source[self.at..];
        let next = rest
            .match_indices('{')
            .map(|(at, _)| at)
            .find(|at| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
        let end = next.unwrap_or(rest.len());
        let mut text = &rest[..end];
        if std::mem::take(&mut self.trim) {
            text = text.trim_start();
        }
        if rest.as_bytes().get(end + 2) == Some(&b'-') {
            text = text.trim_end();
        }
        if !text.is_empty() {
            nodes.push(Node::Text(text.into()));
        }
        self.at += end;
    }

    fn fault(&self, why: &str, length: usize) -> Fault {
        Fault::new(why).at(None, self.at..(self.at + length).min(self.source.len()))
    }

    /// The place behind `{{` or `{%` and the sign for white space.
    fn inside(&self) -> usize {
        self.at + 2 + usize::from(matches!(self.source.as_bytes().get(self.at + 2), Some(b'-' | b'+')))
    }

    fn output(&mut self) -> Result<Node> {
        let (tokens, end) = lexer::words(self.source, self.inside(), "}}", self.escapes)?;
        let mut parser = Parser::new(tokens);
        let expr = parser.tuple()?;
        parser.expect_end()?;
        self.close(end, false);
        Ok(Node::Output(expr))
    }

    /// Goes behind the closing sign. A tag takes the newline behind it along.
    fn close(&mut self, end: usize, is_tag: bool) {
        let sign = self.source[end..].chars().next();
        self.at = end + 2 + usize::from(matches!(sign, Some('-' | '+')));
        self.trim = sign == Some('-');
        if is_tag && sign != Some('+') && self.source[self.at..].starts_with('\n') {
            self.at += 1;
        }
    }

    fn comment(&mut self) -> Result<()> {
        let Some(length) = self.source[self.at + 2..].find("#}") else {
            return Err(self.fault("this comment is never closed", 2).hint("close it with `#}`"));
        };
        let end = self.at + 2 + length;
        let sign = end - usize::from(length > 0 && matches!(self.source.as_bytes()[end - 1], b'-' | b'+'));
        self.close(sign, true);
        Ok(())
    }

    /// Reads a tag; one of `ends` is given back.
    fn tag(&mut self, ends: &[&str], nodes: &mut Vec<Node>) -> Result<Option<Ended>> {
        let (tokens, end) = lexer::words(self.source, self.inside(), "%}", Escapes::Python)?;
        let mut parser = Parser::new(tokens);
        let range = parser.range();
        let name = parser.expect_name()?;
        self.close(end, true);
        if ends.contains(&name.as_ref()) {
            return Ok(Some(Ended { name: name.to_string(), parser }));
        }
        self.opened.push((name.to_string(), range.start));
        let node = self.statement(&name, &mut parser).map_err(|fault| fault.at(None, range))?;
        self.opened.pop();
        parser.expect_end()?;
        nodes.extend(node);
        Ok(None)
    }

    fn statement(&mut self, name: &str, parser: &mut Parser) -> Result<Vec<Node>> {
        let node = match name {
            "if" => self.conditional(parser)?,
            "for" => self.repeat(parser)?,
            "set" => self.set(parser)?,
            "with" => self.with(parser)?,
            "macro" => Node::Macro(Arc::new(self.define(parser)?)),
            "call" => self.call(parser)?,
            "filter" => {
                let filters = filters(parser)?;
                Node::FilterBlock(filters, self.body("endfilter")?)
            }
            "include" => Node::Include(include(parser, true)?),
            "import" => import(parser)?,
            "from" => from(parser)?,
            "extends" => Node::Extends(parser.expression()?),
            "block" => self.block(parser)?,
            "do" => Node::Do(parser.tuple()?),
            "break" => Node::Break,
            "continue" => Node::Continue,
            "raw" => Node::Text(self.raw()?.into()),
            // Nothing is escaped in the first place.
            "autoescape" => {
                parser.expression()?;
                return self.body("endautoescape");
            }
            other => return Err(self.unknown(other)),
        };
        Ok(vec![node])
    }

    fn unknown(&self, name: &str) -> Fault {
        if ENDS.contains(&name) {
            let open = self.opened.iter().rev().nth(1);
            let fault = Fault::new(format!("`{name}` ends nothing"));
            return match open {
                Some((open, _)) => fault.hint(format!("`{open}` is still open")),
                None => fault,
            };
        }
        let fault = Fault::new(format!("there is no tag `{name}`"));
        match did_you_mean(name, TAGS.iter().copied()) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    /// Everything up to the tag `end`.
    fn body(&mut self, end: &str) -> Result<Vec<Node>> {
        let (nodes, ended) = self.nodes(&[end])?;
        if let Some(mut ended) = ended {
            // `{% endblock name %}` and `{% endmacro name %}` may say what they end.
            if matches!(ended.parser.peek(), Word::Name(_)) {
                ended.parser.take();
            }
            ended.parser.expect_end()?;
        }
        Ok(nodes)
    }

    fn conditional(&mut self, parser: &mut Parser) -> Result<Node> {
        let mut branches = Vec::new();
        let mut condition = parser.tuple()?;
        loop {
            let (body, ended) = self.nodes(&["elif", "else", "endif"])?;
            branches.push((condition, body));
            match ended {
                Some(mut ended) if ended.name == "elif" => {
                    condition = ended.parser.tuple()?;
                    ended.parser.expect_end()?;
                }
                Some(ended) if ended.name == "else" => {
                    ended.parser.expect_end()?;
                    return Ok(Node::If(branches, self.body("endif")?));
                }
                _ => return Ok(Node::If(branches, Vec::new())),
            }
        }
    }

    fn repeat(&mut self, parser: &mut Parser) -> Result<Node> {
        let target = target(parser, false)?;
        if !parser.skip_name("in") {
            return Err(parser.unexpected("`in`"));
        }
        let start = parser.range().start;
        let first = parser.or()?;
        let mut items = vec![first];
        while parser.skip_sign(",") {
            items.push(parser.or()?);
        }
        let items = match items.len() {
            1 => items.swap_remove(0),
            _ => Expr { range: start..parser.range().start, kind: Kind::Tuple(items) },
        };
        let filter = if parser.skip_name("if") { Some(parser.expression()?) } else { None };
        let recursive = parser.skip_name("recursive");
        let (body, ended) = self.nodes(&["else", "endfor"])?;
        let otherwise = match ended {
            Some(ended) if ended.name == "else" => self.body("endfor")?,
            _ => Vec::new(),
        };
        Ok(Node::For(Arc::new(For { target, items, filter, recursive, body, otherwise })))
    }

    fn set(&mut self, parser: &mut Parser) -> Result<Node> {
        let target = target(parser, true)?;
        if parser.skip_sign("=") {
            return Ok(Node::Set(target, parser.tuple()?));
        }
        let mut applied = Vec::new();
        if parser.skip_sign("|") {
            applied = filters(parser)?;
        }
        Ok(Node::SetText(target, applied, self.body("endset")?))
    }

    fn with(&mut self, parser: &mut Parser) -> Result<Node> {
        let mut values = Vec::new();
        while *parser.peek() != Word::End {
            let target = target(parser, true)?;
            parser.expect_sign("=")?;
            values.push((target, parser.expression()?));
            parser.skip_sign(",");
        }
        Ok(Node::With(values, self.body("endwith")?))
    }

    fn define(&mut self, parser: &mut Parser) -> Result<Macro> {
        let name = parser.expect_name()?;
        let params = params(parser)?;
        Ok(macro_of(name, params, self.body("endmacro")?))
    }

    fn call(&mut self, parser: &mut Parser) -> Result<Node> {
        let params = if matches!(parser.peek(), Word::Sign("(")) { params(parser)? } else { Vec::new() };
        let called = parser.expression()?;
        if !matches!(called.kind, Kind::Call(..)) {
            return Err(Fault::new("`call` needs the call of a macro").at(None, called.range));
        }
        let body = self.body("endcall")?;
        Ok(Node::CallBlock(called, Arc::new(macro_of("caller".into(), params, body))))
    }

    fn block(&mut self, parser: &mut Parser) -> Result<Node> {
        let name = parser.expect_name()?;
        // Blocks see the variables around them in any case, and nothing is required of templates that extend.
        while parser.skip_name("scoped") || parser.skip_name("required") {}
        Ok(Node::Block(Arc::new(Block { name, body: self.body("endblock")? })))
    }

    /// The text up to `{% endraw %}`.
    fn raw(&mut self) -> Result<String> {
        let start = self.at;
        let trims = std::mem::take(&mut self.trim);
        for (at, _) in self.source[start..].match_indices("{%") {
            self.at = start + at;
            let inside = &self.source[self.inside()..];
            let Some(rest) = inside.trim_start().strip_prefix("endraw") else { continue };
            let Some(length) = rest
                .find("%}")
                .filter(|length| rest[..*length].trim_matches(['-', '+', ' ', '\n', '\t']).is_empty())
            else {
                continue;
            };
            let mut text = &self.source[start..start + at];
            if trims {
                text = text.trim_start();
            }
            if self.source.as_bytes().get(self.at + 2) == Some(&b'-') {
                text = text.trim_end();
            }
            let end = self.source.len() - rest.len() + length;
            let sign = end - usize::from(matches!(self.source.as_bytes()[end - 1], b'-' | b'+'));
            self.close(sign, true);
            return Ok(text.to_string());
        }
        self.at = start;
        Err(Fault::new("`raw` is never closed").hint("close it with {% endraw %}"))
    }
}

/// `a`, `a, b`, `(a, b)`, and `a.b` where an attribute may be set.
fn target(parser: &mut Parser, attributes: bool) -> Result<Target> {
    let one = |parser: &mut Parser| -> Result<Target> {
        if parser.skip_sign("(") {
            let inside = target(parser, false)?;
            parser.expect_sign(")")?;
            return Ok(inside);
        }
        let range = parser.range();
        let name = parser.expect_name()?;
        if attributes && parser.skip_sign(".") {
            return Ok(Target::Attribute(name, parser.expect_name()?, range));
        }
        Ok(Target::Name(name))
    };
    let mut targets = vec![one(parser)?];
    let mut is_tuple = false;
    while parser.skip_sign(",") {
        is_tuple = true;
        if matches!(parser.peek(), Word::Name(name) if name != "in")
            || matches!(parser.peek(), Word::Sign("("))
        {
            targets.push(one(parser)?);
        }
    }
    Ok(if is_tuple { Target::Tuple(targets) } else { targets.swap_remove(0) })
}

fn params(parser: &mut Parser) -> Result<Vec<(Arc<str>, Option<Expr>)>> {
    parser.expect_sign("(")?;
    let mut params = Vec::new();
    while !parser.skip_sign(")") {
        let name = parser.expect_name()?;
        let default = if parser.skip_sign("=") { Some(parser.expression()?) } else { None };
        params.push((name, default));
        if !parser.skip_sign(",") && !matches!(parser.peek(), Word::Sign(")")) {
            return Err(parser.unexpected("`,` or `)`"));
        }
    }
    Ok(params)
}

/// Filters without the value that they are applied to.
fn filters(parser: &mut Parser) -> Result<Vec<Expr>> {
    let mut list = Vec::new();
    loop {
        let start = parser.range().start;
        let (named, passed): (_, Passed) = parser.filter()?;
        list.push(Expr { range: start..named.range.end, kind: Kind::Filter(None, named, passed) });
        if !parser.skip_sign("|") {
            return Ok(list);
        }
    }
}

/// What follows `include`, `import` and `from`.
fn include(parser: &mut Parser, with_context: bool) -> Result<Include> {
    let name = parser.expression()?;
    let ignore_missing = parser.is_name("ignore");
    if ignore_missing {
        parser.take();
        if !parser.skip_name("missing") {
            return Err(parser.unexpected("`missing`"));
        }
    }
    Ok(Include { name, ignore_missing, with_context: context(parser, with_context) })
}

/// `with context` or `without context`.
fn context(parser: &mut Parser, usual: bool) -> bool {
    let with = parser.is_name("with");
    if !with && !parser.is_name("without") {
        return usual;
    }
    parser.take();
    parser.skip_name("context");
    with
}

fn import(parser: &mut Parser) -> Result<Node> {
    let name = parser.expression()?;
    if !parser.skip_name("as") {
        return Err(parser.unexpected("`as`"));
    }
    let alias = parser.expect_name()?;
    let with_context = context(parser, false);
    Ok(Node::Import(Include { name, ignore_missing: false, with_context }, alias))
}

fn from(parser: &mut Parser) -> Result<Node> {
    let name = parser.expression()?;
    if !parser.skip_name("import") {
        return Err(parser.unexpected("`import`"));
    }
    let mut names = Vec::new();
    loop {
        if parser.is_name("with") || parser.is_name("without") {
            break;
        }
        let imported = parser.expect_name()?;
        let alias = if parser.skip_name("as") { parser.expect_name()? } else { Arc::clone(&imported) };
        names.push((imported, alias));
        if !parser.skip_sign(",") {
            break;
        }
    }
    let with_context = context(parser, false);
    Ok(Node::From(Include { name, ignore_missing: false, with_context }, names))
}

fn macro_of(name: Arc<str>, params: Vec<(Arc<str>, Option<Expr>)>, body: Vec<Node>) -> Macro {
    let [takes_more, takes_names, takes_caller] =
        ["varargs", "kwargs", "caller"].map(|name| scan::looks_at(&body, name));
    Macro { name, params, body, takes_more, takes_names, takes_caller }
}
