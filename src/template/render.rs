//! Renders templates: text, tags, macros, includes, blocks.

use super::call::{Arguments, Callable, MacroValue, surplus};
use super::fault::{Fault, Result};
use super::lexer::Escapes;
use super::machine::{Frame, Machine, unknown};
use super::repeat::Repeat;
use super::tree::{Block, Expr, For, Include, Kind, Macro, Node, Target};
use super::value::{Datum, Map, locked};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A block, and the name of its template.
type NamedBlock = (Arc<Block>, Option<Arc<str>>);

/// The blocks of a template and of those it extends; the one that counts comes first.
#[derive(Default)]
pub struct Blocks {
    by_name: BTreeMap<Arc<str>, Vec<NamedBlock>>,
    /// The block that is rendered just now, and how far up in its list.
    current: Vec<(Arc<str>, usize)>,
    /// The template that is extended.
    parent: Option<String>,
}

/// Whether a list of nodes was rendered to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It was.
    Next,
    /// `{% break %}`
    Break,
    /// `{% continue %}`
    Continue,
}

impl Machine<'_> {
    /// Renders a whole template, with those that it extends.
    pub fn template(&mut self, nodes: &[Node]) -> Result<()> {
        self.find_blocks(nodes);
        let start = self.out.len();
        self.nodes(nodes)?;
        while let Some(parent) = self.blocks.parent.take() {
            self.out.truncate(start);
            self.nested(|machine| {
                let nodes = machine.parsed(&parent)?;
                machine.template = Some(parent.as_str().into());
                machine.find_blocks(&nodes);
                machine.nodes(&nodes).map(drop)
            })?;
        }
        Ok(())
    }

    fn find_blocks(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Block(block) => {
                    let own = (Arc::clone(block), self.template.clone());
                    self.blocks.by_name.entry(Arc::clone(&block.name)).or_default().push(own);
                    self.find_blocks(&block.body);
                }
                Node::If(branches, otherwise) => {
                    branches.iter().for_each(|(_, body)| self.find_blocks(body));
                    self.find_blocks(otherwise);
                }
                Node::For(repeat) => {
                    self.find_blocks(&repeat.body);
                    self.find_blocks(&repeat.otherwise);
                }
                Node::With(_, body) | Node::FilterBlock(_, body) => self.find_blocks(body),
                _ => {}
            }
        }
    }

    /// The nodes of a template of the project.
    fn parsed(&self, name: &str) -> Result<Arc<Vec<Node>>> {
        let sources = self.templates.sources();
        let source =
            sources.get(name).ok_or_else(|| unknown("template", name, sources.keys().map(String::as_str)))?;
        // As Jinja has it, what is included ends without its last line break.
        let source = source.strip_suffix('\n').unwrap_or(source);
        self.templates.parsed(source, Escapes::Python).map_err(|fault| {
            let fault = fault.at(None, 0..0);
            let spot =
                fault.spot.clone().map(|spot| super::fault::Spot { template: Some(name.into()), ..spot });
            Fault { spot, ..fault }
        })
    }

    /// Renders nodes one after the other.
    pub fn nodes(&mut self, nodes: &[Node]) -> Result<Flow> {
        for node in nodes {
            self.step()?;
            let flow = self.node(node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node) -> Result<Flow> {
        match node {
            Node::Text(text) => self.out.push(Datum::Text(Arc::clone(text))),
            Node::Output(expr) => self.output(expr)?,
            Node::If(branches, otherwise) => return self.conditional(branches, otherwise),
            Node::For(repeat) => self.repeat(repeat)?,
            Node::Set(target, expr) => {
                let value = self.eval(expr)?;
                self.assign(target, value)?;
            }
            Node::SetText(target, filters, body) => {
                let value = self.captured_value(body)?;
                let value = self.filtered(value, filters)?;
                self.assign(target, value)?;
            }
            Node::With(values, body) => return self.with(values, body),
            Node::Macro(definition) => {
                let value = self.macro_value(definition);
                self.set(&definition.name, value);
            }
            Node::CallBlock(called, body) => self.call_block(called, body)?,
            Node::FilterBlock(filters, body) => {
                let text = self.captured(body)?;
                let value = self.filtered(Datum::text(text), filters)?;
                self.out.push(value);
            }
            Node::Include(include) => self.include(include)?,
            Node::Import(include, alias) => {
                let module = self.module(include)?;
                self.set(alias, Datum::map(module));
            }
            Node::From(include, names) => self.from(include, names)?,
            Node::Extends(name) => self.blocks.parent = Some(self.eval(name)?.to_text()?),
            Node::Block(block) => self.block(&block.name, 0)?,
            Node::Do(expr) => drop(self.eval(expr)?),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn output(&mut self, expr: &Expr) -> Result<()> {
        let value = self.eval(expr)?;
        if value.is_left_out() {
            return Ok(());
        }
        let value = value.defined();
        let value = value.map_err(|fault| fault.at(self.template.as_ref(), expr.range.clone()))?;
        if !matches!(value, Datum::None) {
            self.out.push(value);
        }
        Ok(())
    }

    fn conditional(&mut self, branches: &[(Expr, Vec<Node>)], otherwise: &[Node]) -> Result<Flow> {
        for (condition, body) in branches {
            if self.holds(condition)? {
                return self.nodes(body);
            }
        }
        self.nodes(otherwise)
    }

    /// Does something with a frame of its own.
    pub(super) fn framed<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.frames.push(Frame::default());
        let result = self.nested(run);
        self.frames.pop();
        result
    }

    fn repeat(&mut self, repeat: &Arc<For>) -> Result<()> {
        let items = self.eval(&repeat.items)?.items();
        let items = items.map_err(|fault| fault.at(self.template.as_ref(), repeat.items.range.clone()))?;
        self.repeat_over(repeat, items, 0)
    }

    fn repeat_over(&mut self, repeat: &Arc<For>, items: Vec<Datum>, depth: usize) -> Result<()> {
        let items = match &repeat.filter {
            None => items,
            Some(filter) => self.chosen(repeat, items, filter)?,
        };
        if items.is_empty() {
            return self.framed(|machine| machine.nodes(&repeat.otherwise)).map(drop);
        }
        let all = Arc::new(items);
        let state = Repeat::new(Arc::clone(&all), depth);
        self.loops.push(Arc::clone(repeat));
        for at in 0..all.len() {
            let state = Datum::Object(Arc::new(state.at(at)));
            let flow = self.framed(|machine| {
                machine.set(&"loop".into(), state);
                machine.assign(&repeat.target, all[at].clone())?;
                machine.nodes(&repeat.body)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        self.loops.pop();
        Ok(())
    }

    fn chosen(&mut self, repeat: &For, items: Vec<Datum>, filter: &Expr) -> Result<Vec<Datum>> {
        let mut chosen = Vec::new();
        for item in items {
            let keeps = self.framed(|machine| {
                machine.assign(&repeat.target, item.clone())?;
                machine.holds(filter)
            })?;
            if keeps {
                chosen.push(item);
            }
        }
        Ok(chosen)
    }

    /// `loop(items)`: the loop once more, inside itself.
    pub(super) fn recurse(&mut self, mut arguments: Arguments) -> Result<Datum> {
        let repeat = self.loops.last().filter(|repeat| repeat.recursive).cloned();
        let repeat = repeat.ok_or_else(|| {
            Fault::new("this loop is not recursive").hint("write {% for … in … recursive %}")
        })?;
        let items = arguments.required("items")?.items()?;
        let depth = self.loops.len();
        let start = self.out.len();
        self.nested(|machine| machine.repeat_over(&repeat, items, depth))?;
        self.taken(start).map(Datum::text)
    }

    fn assign(&mut self, target: &Target, value: Datum) -> Result<()> {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Tuple(targets) => {
                let items = value.items()?;
                if items.len() != targets.len() {
                    let why = format!("{} names are given {} values", targets.len(), items.len());
                    return Err(Fault::new(why));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
            }
            Target::Attribute(name, attribute, range) => match self.variable(name) {
                Some(Datum::Namespace(map)) => {
                    locked(&map).insert(Datum::text(attribute), value);
                }
                _ => {
                    let fault = Fault::new(format!(
                        "`{name}` is no namespace, so `{name}.{attribute}` cannot be set"
                    ));
                    let fault = fault.hint(format!("start with {{% set {name} = namespace() %}}"));
                    return Err(fault.at(self.template.as_ref(), range.clone()));
                }
            },
        }
        Ok(())
    }

    fn with(&mut self, values: &[(Target, Expr)], body: &[Node]) -> Result<Flow> {
        // Each value is evaluated outside, as in Jinja.
        let mut given = Vec::new();
        for (target, expr) in values {
            given.push((target, self.eval(expr)?));
        }
        self.framed(|machine| {
            for (target, value) in given {
                machine.assign(target, value)?;
            }
            machine.nodes(body)
        })
    }

    /// What nodes render, as text, with a frame of their own.
    fn captured(&mut self, body: &[Node]) -> Result<String> {
        let start = self.out.len();
        self.framed(|machine| machine.nodes(body))?;
        self.taken(start)
    }

    /// The same, where one value alone keeps its type.
    fn captured_value(&mut self, body: &[Node]) -> Result<Datum> {
        let start = self.out.len();
        self.framed(|machine| machine.nodes(body))?;
        self.taken_value(start)
    }

    fn taken_value(&mut self, start: usize) -> Result<Datum> {
        Ok(match self.out.len() - start {
            1 => self.out.pop().unwrap_or(Datum::None),
            _ => Datum::text(self.taken(start)?),
        })
    }

    /// Takes what was rendered since `start` as text.
    pub(super) fn taken(&mut self, start: usize) -> Result<String> {
        self.out.drain(start..).map(|value| value.shown()).collect()
    }

    fn filtered(&mut self, mut value: Datum, filters: &[Expr]) -> Result<Datum> {
        for filter in filters {
            let Kind::Filter(None, named, passed) = &filter.kind else { continue };
            let arguments = self.arguments(passed)?.with_value(value);
            let applied = self.apply_filter(&named.name, arguments);
            value = applied.map_err(|fault| fault.at(self.template.as_ref(), named.range.clone()))?;
        }
        Ok(value)
    }

    fn macro_value(&self, definition: &Arc<Macro>) -> Datum {
        Datum::Callable(Arc::new(Callable::Macro(MacroValue {
            definition: Arc::clone(definition),
            frames: self.frames.clone(),
            template: self.template.clone(),
        })))
    }

    /// Renders a macro: in the variables around its definition, with its parameters on top.
    pub(super) fn call_macro(&mut self, called: &MacroValue, arguments: Arguments) -> Result<Datum> {
        let frames = std::mem::replace(&mut self.frames, called.frames.clone());
        let template = std::mem::replace(&mut self.template, called.template.clone());
        let start = self.out.len();
        let rendered = self.framed(|machine| {
            machine.give_params(&called.definition, arguments)?;
            machine.nodes(&called.definition.body)
        });
        (self.frames, self.template) = (frames, template);
        rendered?;
        self.taken_value(start)
    }

    fn give_params(&mut self, definition: &Macro, mut arguments: Arguments) -> Result<()> {
        let (positional, mut named) = (arguments.rest(), arguments.rest_named());
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_ref()).collect();
        if let Some(fault) = surplus(definition, positional.len(), &names) {
            return Err(fault);
        }
        let mut positional = positional.into_iter();
        for (name, default) in &definition.params {
            let by_name = named.iter().position(|(given, _)| given == name);
            let given = by_name.map(|at| named.swap_remove(at).1).or_else(|| positional.next());
            let value = match (given, default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.eval(default)?,
                (None, None) => super::machine::undefined(name.as_ref(), Vec::new()),
            };
            self.set(name, value);
        }
        if let Some(at) = named.iter().position(|(name, _)| name.as_ref() == "caller") {
            let caller = named.swap_remove(at).1;
            self.set(&"caller".into(), caller);
        }
        self.set(&"varargs".into(), Datum::tuple(positional.collect()));
        let rest: Map = named.into_iter().map(|(name, value)| (Datum::text(name), value)).collect();
        self.set(&"kwargs".into(), Datum::map(rest));
        Ok(())
    }

    fn call_block(&mut self, called: &Expr, body: &Arc<Macro>) -> Result<()> {
        let Kind::Call(callee, passed) = &called.kind else { return Ok(()) };
        let function = self.eval(callee)?.defined();
        let function = function.map_err(|fault| fault.at(self.template.as_ref(), callee.range.clone()))?;
        let mut arguments = self.arguments(passed)?;
        let mut named = arguments.rest_named();
        named.push(("caller".into(), self.macro_value(body)));
        let value = self.call_value(&function, Arguments::new(arguments.rest(), named))?;
        self.out.push(value);
        Ok(())
    }

    /// The first of the templates that an include names and that exists.
    fn find(&mut self, include: &Include) -> Result<Option<String>> {
        let name = self.eval(&include.name)?.defined()?;
        let names = match name.as_list() {
            Some(list) => list.iter().map(Datum::to_text).collect::<Result<Vec<_>>>()?,
            None => vec![name.to_text()?],
        };
        if let Some(found) = names.iter().find(|name| self.templates.sources().contains_key(*name)) {
            return Ok(Some(found.clone()));
        }
        if include.ignore_missing {
            return Ok(None);
        }
        let known = self.templates.sources().keys().map(String::as_str);
        let fault = unknown("template", &names.join("`, `"), known);
        Err(fault.at(self.template.as_ref(), include.name.range.clone()))
    }

    fn include(&mut self, include: &Include) -> Result<()> {
        let Some(name) = self.find(include)? else { return Ok(()) };
        let frames = if include.with_context { self.frames.clone() } else { Vec::new() };
        self.elsewhere(&name, frames, |machine, nodes| machine.template(nodes))
    }

    /// What an imported template sets and defines.
    fn module(&mut self, include: &Include) -> Result<Map> {
        let Some(name) = self.find(include)? else { return Ok(Map::new()) };
        let frames = if include.with_context { self.frames.clone() } else { Vec::new() };
        let start = self.out.len();
        let module = self.elsewhere(&name, frames, |machine, nodes| {
            machine.template(nodes)?;
            let frame = machine.frames.last().map(|frame| locked(frame).clone()).unwrap_or_default();
            Ok(frame.into_iter().map(|(name, value)| (Datum::text(name), value)).collect())
        });
        self.out.truncate(start);
        module
    }

    /// Does something in another template, with a frame of its own over `frames`.
    fn elsewhere<T>(
        &mut self,
        name: &str,
        frames: Vec<Frame>,
        run: impl FnOnce(&mut Self, &[Node]) -> Result<T>,
    ) -> Result<T> {
        let nodes = self.parsed(name)?;
        let frames = std::mem::replace(&mut self.frames, frames);
        let template = self.template.replace(name.into());
        let blocks = std::mem::take(&mut self.blocks);
        let result = self.framed(|machine| run(machine, &nodes));
        (self.frames, self.template, self.blocks) = (frames, template, blocks);
        result
    }

    fn from(&mut self, include: &Include, names: &[(Arc<str>, Arc<str>)]) -> Result<()> {
        let module = self.module(include)?;
        for (name, alias) in names {
            let Some(value) = module.get(&Datum::text(name)) else {
                let known: Vec<&str> = module.keys().filter_map(Datum::as_text).collect();
                return Err(
                    unknown("macro", name, known).at(self.template.as_ref(), include.name.range.clone())
                );
            };
            self.set(alias, value.clone());
        }
        Ok(())
    }

    /// Renders the block of this name, `up` steps up from the one that counts.
    fn block(&mut self, name: &Arc<str>, up: usize) -> Result<()> {
        if self.blocks.parent.is_some() {
            return Ok(());
        }
        let found = self.blocks.by_name.get(name).and_then(|list| list.get(up)).cloned();
        let (block, template) = found.ok_or_else(|| {
            Fault::new(if up > 0 {
                format!("no block is above `{name}`")
            } else {
                format!("there is no block `{name}`")
            })
        })?;
        self.blocks.current.push((Arc::clone(name), up));
        let outer = std::mem::replace(&mut self.template, template);
        let rendered = self.framed(|machine| machine.nodes(&block.body));
        self.template = outer;
        self.blocks.current.pop();
        rendered.map(drop)
    }

    /// `super()`: what the block of the extended template renders.
    pub(super) fn render_super(&mut self) -> Result<Datum> {
        let current = self.blocks.current.last().cloned();
        let (name, up) = current.ok_or_else(|| Fault::new("`super()` stands in no block"))?;
        let start = self.out.len();
        self.block(&name, up + 1)?;
        self.taken(start).map(Datum::text)
    }

    /// `self.name()`: the block once more.
    pub(super) fn render_block_value(&mut self, name: &Arc<str>) -> Result<Datum> {
        let start = self.out.len();
        self.block(name, 0)?;
        self.taken(start).map(Datum::text)
    }
}

impl Machine<'_> {
    /// The text of another template in this one's variables.
    pub(super) fn rendered(&mut self, name: &str, variables: &Map) -> Result<String> {
        let start = self.out.len();
        let name = name.trim_start_matches("templates/");
        let frames = self.frames.clone();
        self.elsewhere(name, frames, |machine, nodes| {
            for (name, value) in variables {
                machine.set(&name.to_text()?.into(), value.clone());
            }
            machine.template(nodes)
        })?;
        self.taken(start)
    }
}
