//! A parsed template: its expressions and its tags, each with where it stands.

use super::value::Datum;
use std::ops::Range;
use std::sync::Arc;

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes of the source.
    pub range: Range<usize>,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `1`, `'a'`, `none`.
    Constant(Datum),
    /// A variable or a function.
    Name(Arc<str>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `(a, b)`.
    Tuple(Vec<Expr>),
    /// `{a: b}`.
    Map(Vec<(Expr, Expr)>),
    /// `a.b`.
    Attribute(Box<Expr>, Arc<str>),
    /// `a[b]`.
    Index(Box<Expr>, Box<Expr>),
    /// `a[b:c:d]`.
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    /// `a(b)`.
    Call(Box<Expr>, Passed),
    /// `a | b(c)`; without `a` in `{% filter %}`.
    Filter(Option<Box<Expr>>, Named, Passed),
    /// `a is b(c)`; the flag is for `is not`.
    Test(Box<Expr>, Named, Passed, bool),
    /// `not a`.
    Not(Box<Expr>),
    /// `-a`.
    Negative(Box<Expr>),
    /// `+a`.
    Positive(Box<Expr>),
    /// `a + b` and its like.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a < b <= c`.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a and b`.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a ~ b`.
    Concat(Vec<Expr>),
    /// `a if b else c`: the condition comes first here.
    Conditional(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
}

/// The name of a filter or a test, and where it stands.
#[derive(Clone, Debug)]
pub struct Named {
    /// Without the collection in front.
    pub name: Arc<str>,
    /// In bytes.
    pub range: Range<usize>,
}

/// What is passed to a function, a filter or a test.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// In order.
    pub positional: Vec<Expr>,
    /// By name.
    pub named: Vec<(Arc<str>, Expr)>,
    /// `*list`.
    pub spread: Option<Box<Expr>>,
    /// `**map`.
    pub spread_named: Option<Box<Expr>>,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `//`
    FloorDivide,
    /// `%`
    Modulo,
    /// `**`
    Power,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub enum Node {
    /// Text that stays as it is.
    Text(Arc<str>),
    /// `{{ a }}`
    Output(Expr),
    /// `{% if a %}…{% elif b %}…{% else %}…{% endif %}`
    If(Vec<(Expr, Vec<Node>)>, Vec<Node>),
    /// `{% for a in b if c %}…{% else %}…{% endfor %}`
    For(Arc<For>),
    /// `{% set a = b %}`
    Set(Target, Expr),
    /// `{% set a | filter %}…{% endset %}`: the filters are applied to the text.
    SetText(Target, Vec<Expr>, Vec<Node>),
    /// `{% with a = b %}…{% endwith %}`
    With(Vec<(Target, Expr)>, Vec<Node>),
    /// `{% macro a(b) %}…{% endmacro %}`
    Macro(Arc<Macro>),
    /// `{% call(a) b() %}…{% endcall %}`
    CallBlock(Expr, Arc<Macro>),
    /// `{% filter a %}…{% endfilter %}`
    FilterBlock(Vec<Expr>, Vec<Node>),
    /// `{% include a %}`
    Include(Include),
    /// `{% import a as b %}`
    Import(Include, Arc<str>),
    /// `{% from a import b as c %}`
    From(Include, Vec<(Arc<str>, Arc<str>)>),
    /// `{% extends a %}`
    Extends(Expr),
    /// `{% block a %}…{% endblock %}`
    Block(Arc<Block>),
    /// `{% do a %}`
    Do(Expr),
    /// `{% break %}`
    Break,
    /// `{% continue %}`
    Continue,
}

/// A loop.
#[derive(Clone, Debug)]
pub struct For {
    /// What an item is called.
    pub target: Target,
    /// What is iterated over.
    pub items: Expr,
    /// Which items.
    pub filter: Option<Expr>,
    /// Whether `loop(…)` runs it again inside.
    pub recursive: bool,
    /// For each item.
    pub body: Vec<Node>,
    /// When there is no item.
    pub otherwise: Vec<Node>,
}

/// A macro, or the body of a `{% call %}`.
#[derive(Clone, Debug)]
pub struct Macro {
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters, with their defaults.
    pub params: Vec<(Arc<str>, Option<Expr>)>,
    /// What it renders.
    pub body: Vec<Node>,
    /// It looks at `varargs`: more values may be passed than it has parameters.
    pub takes_more: bool,
    /// It looks at `kwargs`: values of any name may be passed.
    pub takes_names: bool,
    /// It looks at `caller`.
    pub takes_caller: bool,
}

/// A block that another template can replace.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name.
    pub name: Arc<str>,
    /// What it renders.
    pub body: Vec<Node>,
}

/// Which template is included or imported.
#[derive(Clone, Debug)]
pub struct Include {
    /// A name, or a list of names of which the first that exists is taken.
    pub name: Expr,
    /// Nothing happens when it does not exist.
    pub ignore_missing: bool,
    /// Whether it sees the variables of the template that includes it.
    pub with_context: bool,
}

/// What a value is given to.
#[derive(Clone, Debug)]
pub enum Target {
    /// A variable.
    Name(Arc<str>),
    /// `a, b`.
    Tuple(Vec<Target>),
    /// `a.b`, where `a` is a namespace.
    Attribute(Arc<str>, Arc<str>, Range<usize>),
}

impl Target {
    /// The variables that it sets.
    pub fn names(&self) -> Vec<Arc<str>> {
        match self {
            Target::Name(name) => vec![Arc::clone(name)],
            Target::Tuple(targets) => targets.iter().flat_map(Target::names).collect(),
            Target::Attribute(..) => Vec::new(),
        }
    }
}

impl Passed {
    /// Every expression that is passed.
    pub fn all(&self) -> impl Iterator<Item = &Expr> {
        let named = self.named.iter().map(|(_, expr)| expr);
        self.positional.iter().chain(named).chain(self.spread.as_deref()).chain(self.spread_named.as_deref())
    }
}
