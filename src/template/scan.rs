//! What can be known of a template before any value is: the names it refers to, and what is wrong in it in any case.

use super::fault::Fault;
use super::machine::{path_of, unknown};
use super::tree::{Comparison, Expr, Include, Kind, Macro, Named, Node, Passed, Target};
use super::value::Datum;
use super::{filters, functions, lookup, methods, tests_of_values};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// What a scan finds.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Every reference to a name that the template does not set itself.
    pub uses: Vec<Use>,
    /// What is wrong whatever the values are: filters, tests, functions and methods that do not exist.
    pub faults: Vec<Fault>,
    /// The templates that it names, and where.
    pub includes: Vec<(String, Range<usize>)>,
    /// It computes the name of a template.
    pub includes_any: bool,
    /// The names that it sets itself and that templates see which it includes.
    pub handed_on: BTreeSet<String>,
    /// What is looked up on the controller: where it stands, and the names it refers to.
    pub lookups: Vec<(Range<usize>, BTreeSet<String>)>,
}

/// A reference to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The name.
    pub name: String,
    /// `["docker", "installed"]` for `facts.docker.installed`.
    pub path: Vec<String>,
    /// Where it stands.
    pub range: Range<usize>,
    /// The template says itself what happens when this is undefined.
    pub guarded: bool,
}

impl Scanned {
    /// Whether the template says somewhere what happens when a name is undefined.
    pub fn guards(&self, name: &str) -> bool {
        self.uses.iter().any(|used| used.guarded && used.name == name)
    }

    /// Whether the template says somewhere what happens when the field is undefined that a reference names.
    pub fn guards_field(&self, of: &Use) -> bool {
        let same = |used: &Use| used.name == of.name && used.path.first() == of.path.first();
        self.uses.iter().any(|used| used.guarded && same(used))
    }
}

/// Scans a template.
pub fn template(nodes: &[Node]) -> Scanned {
    let mut scanner = Scanner::default();
    scanner.nodes(nodes);
    scanner.found
}

/// Scans an expression.
pub fn expression(expr: &Expr) -> Scanned {
    let mut scanner = Scanner::default();
    scanner.expr(expr);
    scanner.found
}

/// Whether the body of a macro looks at `varargs`, `kwargs` or `caller`, also in a `{% call %}` inside it.
pub fn looks_at(body: &[Node], name: &str) -> bool {
    let mut scanner = Scanner { names_of_macros: true, ..Scanner::default() };
    scanner.nodes(body);
    scanner.found.uses.iter().any(|used| used.name == name)
}

#[derive(Default)]
struct Scanner {
    found: Scanned,
    /// The names that are set around here.
    local: Vec<BTreeSet<Arc<str>>>,
    guarded: bool,
    /// What a macro is given without naming it counts as a name like any other.
    names_of_macros: bool,
    /// Inside something that is looked up on the controller.
    inside_lookup: bool,
}

impl Scanner {
    fn is_local(&self, name: &str) -> bool {
        self.local.iter().any(|frame| frame.contains(name))
    }

    fn declare(&mut self, name: &Arc<str>) {
        if self.local.is_empty() {
            self.local.push(BTreeSet::new());
        }
        if let Some(frame) = self.local.last_mut() {
            frame.insert(Arc::clone(name));
        }
    }

    fn framed(&mut self, scan: impl FnOnce(&mut Scanner)) {
        if self.local.is_empty() {
            self.local.push(BTreeSet::new());
        }
        self.local.push(BTreeSet::new());
        scan(self);
        self.local.pop();
    }

    fn nodes(&mut self, nodes: &[Node]) {
        nodes.iter().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Output(expr) | Node::Do(expr) => self.expr(expr),
            Node::If(branches, otherwise) => self.branches(branches, otherwise),
            Node::For(repeat) => {
                self.expr(&repeat.items);
                self.framed(|scanner| {
                    scanner.target(&repeat.target);
                    scanner.declare(&"loop".into());
                    repeat.filter.iter().for_each(|filter| scanner.expr(filter));
                    scanner.nodes(&repeat.body);
                });
                self.framed(|scanner| scanner.nodes(&repeat.otherwise));
            }
            Node::Set(target, expr) => {
                self.expr(expr);
                self.target(target);
            }
            Node::SetText(target, filters, body) => {
                self.framed(|scanner| scanner.nodes(body));
                filters.iter().for_each(|filter| self.expr(filter));
                self.target(target);
            }
            Node::With(values, body) => {
                values.iter().for_each(|(_, expr)| self.expr(expr));
                self.framed(|scanner| {
                    values.iter().for_each(|(target, _)| scanner.target(target));
                    scanner.nodes(body);
                });
            }
            Node::Macro(definition) => {
                self.declare(&definition.name);
                self.macro_body(definition);
            }
            Node::CallBlock(called, body) => {
                self.expr(called);
                self.macro_body(body);
            }
            Node::FilterBlock(filters, body) => {
                filters.iter().for_each(|filter| self.expr(filter));
                self.framed(|scanner| scanner.nodes(body));
            }
            Node::Include(include) => self.include(include),
            Node::Import(include, alias) => {
                self.include(include);
                self.declare(alias);
            }
            Node::From(include, names) => {
                self.include(include);
                names.iter().for_each(|(_, alias)| self.declare(alias));
            }
            Node::Extends(name) => self.included(name, false),
            Node::Block(block) => self.framed(|scanner| scanner.nodes(&block.body)),
        }
    }

    /// Whether a name is set does not depend on the branch: what one of them sets is known behind them.
    fn branches(&mut self, branches: &[(Expr, Vec<Node>)], otherwise: &[Node]) {
        for (condition, body) in branches {
            self.expr(condition);
            self.nodes(body);
        }
        self.nodes(otherwise);
    }

    fn macro_body(&mut self, definition: &Macro) {
        self.framed(|scanner| {
            for (name, default) in &definition.params {
                default.iter().for_each(|default| scanner.expr(default));
                scanner.declare(name);
            }
            if !scanner.names_of_macros {
                ["caller", "varargs", "kwargs"].iter().for_each(|name| scanner.declare(&(*name).into()));
            }
            scanner.nodes(&definition.body);
        });
    }

    fn target(&mut self, target: &Target) {
        target.names().iter().for_each(|name| self.declare(name));
    }

    fn include(&mut self, include: &Include) {
        if include.with_context {
            self.found.handed_on.extend(self.local.iter().flatten().map(|name| name.to_string()));
        }
        self.included(&include.name, include.ignore_missing);
    }

    fn included(&mut self, name: &Expr, may_be_missing: bool) {
        match &name.kind {
            Kind::Constant(Datum::Text(text)) => {
                let range = if may_be_missing { 0..0 } else { name.range.clone() };
                self.found.includes.push((text.to_string(), range));
            }
            Kind::List(names) | Kind::Tuple(names) => names.iter().for_each(|name| self.included(name, true)),
            _ => {
                self.found.includes_any = true;
                self.expr(name);
            }
        }
    }

    fn fault(&mut self, fault: Fault, range: &Range<usize>) {
        self.found.faults.push(fault.at(None, range.clone()));
    }

    fn all<'e>(&mut self, list: impl IntoIterator<Item = &'e Expr>) {
        let guarded = std::mem::take(&mut self.guarded);
        list.into_iter().for_each(|expr| self.expr(expr));
        self.guarded = guarded;
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Constant(_) => {}
            Kind::Name(_) | Kind::Attribute(..) | Kind::Index(..) => self.reference(expr),
            Kind::List(items) | Kind::Tuple(items) | Kind::Concat(items) => self.all(items),
            Kind::Map(entries) => self.all(entries.iter().flat_map(|(key, value)| [key, value])),
            Kind::Slice(of, parts) => {
                self.expr(of);
                self.all(parts.iter().flatten());
            }
            Kind::Call(callee, passed) => self.call(expr, callee, passed),
            Kind::Filter(of, named, passed) => self.filter(expr, of.as_deref(), named, passed),
            Kind::Test(of, named, passed, _) => self.test(expr, of, named, passed),
            Kind::Not(of) | Kind::Negative(of) | Kind::Positive(of) => self.expr(of),
            Kind::Binary(_, left, right) | Kind::And(left, right) | Kind::Or(left, right) => {
                self.all([left.as_ref(), right.as_ref()]);
            }
            Kind::Compare(first, rest) => self.compare(first, rest),
            Kind::Conditional(condition, then, otherwise) => {
                self.all([condition.as_ref()]);
                self.expr(then);
                otherwise.iter().for_each(|otherwise| self.expr(otherwise));
            }
        }
    }

    /// A name, with the keys behind it.
    fn reference(&mut self, expr: &Expr) {
        let (mut path, mut here) = (Vec::new(), expr);
        loop {
            match &here.kind {
                Kind::Name(name) => {
                    path.reverse();
                    if !self.is_local(name) {
                        self.used(name, path, expr.range.clone());
                    }
                    return;
                }
                Kind::Attribute(of, key) => {
                    path.push(key.to_string());
                    here = of;
                }
                Kind::Index(of, index) => {
                    match &index.kind {
                        Kind::Constant(Datum::Text(key)) => path.push(key.to_string()),
                        // What is behind a number or a variable is not known.
                        _ => {
                            path.clear();
                            self.all([index.as_ref()]);
                        }
                    }
                    here = of;
                }
                _ => return self.expr(here),
            }
        }
    }

    fn used(&mut self, name: &str, path: Vec<String>, range: Range<usize>) {
        let guarded = self.guarded;
        let name = name.to_string();
        self.found.uses.push(Use { name, path, range, guarded });
    }

    fn call(&mut self, expr: &Expr, callee: &Expr, passed: &Passed) {
        let mut lookup = false;
        match &callee.kind {
            Kind::Name(name) if !self.is_local(name) => {
                lookup = functions::LOOKUPS.contains(&name.as_ref());
                self.used(name, Vec::new(), callee.range.clone());
                if lookup
                    && let Some(Kind::Constant(Datum::Text(kind))) =
                        passed.positional.first().map(|first| &first.kind)
                {
                    self.lookup_kind(name, kind, passed);
                }
            }
            Kind::Attribute(of, name) => {
                self.all([of.as_ref()]);
                self.method(of, name, &callee.range);
            }
            _ => self.expr(callee),
        }
        self.looked_up(lookup, expr, |scanner| scanner.all(passed.all()));
    }

    fn lookup_kind(&mut self, function: &str, kind: &str, passed: &Passed) {
        let short = kind.rsplit('.').next().unwrap_or(kind);
        if matches!(function, "lookup" | "query" | "q") && !lookup::KINDS.contains(&short) {
            let fault = unknown("lookup", short, lookup::KINDS.iter().copied());
            self.fault(fault, &passed.positional[0].range.clone());
        }
    }

    /// A method that no value has. What is held by a map or a template can be called by any name.
    fn method(&mut self, of: &Expr, name: &str, range: &Range<usize>) {
        let held = match path_of(of).split('.').next() {
            Some("") | None => false,
            Some(first) => self.is_local(first) || first == "self",
        };
        if !held && !methods::all().any(|known| known == name) {
            let fault = unknown("method", name, methods::all());
            self.fault(fault, &(range.end - name.len()..range.end));
        }
    }

    /// Scans what is looked up on the controller, and notes the names in it.
    fn looked_up(&mut self, is_lookup: bool, expr: &Expr, scan: impl FnOnce(&mut Scanner)) {
        let outermost = is_lookup && !self.inside_lookup;
        let before = self.found.uses.len();
        self.inside_lookup |= outermost;
        scan(self);
        if outermost {
            self.inside_lookup = false;
            let names = self.found.uses[before..].iter().map(|used| used.name.clone()).collect();
            self.found.lookups.push((expr.range.clone(), names));
        }
    }

    fn filter(&mut self, expr: &Expr, of: Option<&Expr>, named: &Named, passed: &Passed) {
        let name = named.name.as_ref();
        if !filters::names().any(|known| known == name) {
            let fault = unknown("filter", name, filters::names());
            self.fault(fault, &named.range);
        }
        let guards = filters::ACCEPT_UNDEFINED.contains(&name);
        self.looked_up(filters::LOOKUPS.contains(&name), expr, |scanner| {
            let outer = std::mem::replace(&mut scanner.guarded, guards);
            of.iter().for_each(|of| scanner.expr(of));
            scanner.guarded = outer;
            scanner.all(passed.all());
        });
        self.inner_name(name, passed);
    }

    /// `map('filter')` and `select('test')` name another one.
    fn inner_name(&mut self, name: &str, passed: &Passed) {
        let at = match name {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        let Some(Expr { kind: Kind::Constant(Datum::Text(inner)), range }) = passed.positional.get(at) else {
            return;
        };
        let inner = inner.rsplit('.').next().unwrap_or(inner);
        let fault = match name {
            "map" => (!filters::names().any(|known| known == inner))
                .then(|| unknown("filter", inner, filters::names())),
            _ => {
                let known = tests_of_values::is_test(inner);
                (!known).then(|| unknown("test", inner, tests_of_values::names()))
            }
        };
        let range = range.clone();
        fault.into_iter().for_each(|fault| self.fault(fault, &range));
    }

    fn test(&mut self, expr: &Expr, of: &Expr, named: &Named, passed: &Passed) {
        let name = named.name.as_ref();
        if !tests_of_values::is_test(name) {
            let fault = unknown("test", name, tests_of_values::names());
            self.fault(fault, &named.range);
        }
        let guards = matches!(name, "defined" | "undefined");
        self.looked_up(tests_of_values::LOOKUPS.contains(&name), expr, |scanner| {
            let outer = std::mem::replace(&mut scanner.guarded, guards);
            scanner.expr(of);
            scanner.guarded = outer;
            scanner.all(passed.all());
        });
    }

    fn compare(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) {
        self.all(std::iter::once(first).chain(rest.iter().map(|(_, expr)| expr)));
    }
}
