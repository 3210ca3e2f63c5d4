//! Which environment variables a program reads, and whether it can do without them.

use super::import::{is_import_meta, is_name, literal};
use super::parse::Lines;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::operator::{AssignmentOperator, BinaryOperator, LogicalOperator, UnaryOperator};
use std::collections::BTreeSet;

/// One place that reads a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The variable.
    pub name: String,
    /// Counted from 1.
    pub line: u32,
    /// There is a default, or it is only looked whether it is set.
    pub optional: bool,
}

/// What one program reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// In the order of the text.
    pub all: Vec<Read>,
    /// Lines on which the environment is used as a whole, so that it cannot be seen which variables are meant.
    pub whole: Vec<u32>,
}

/// Reads a program.
pub fn of(program: &Program<'_>, lines: &Lines) -> Reads {
    let mut reader = Reader { lines, found: Reads::default(), aliases: BTreeSet::new() };
    reader.visit_program(program);
    reader.found
}

struct Reader<'l> {
    lines: &'l Lines,
    found: Reads,
    /// Names that hold the environment: `const env = process.env`.
    aliases: BTreeSet<String>,
}

/// Functions that pass on that something is missing.
const PASSING: &[&str] = &["Number", "String", "Boolean", "parseInt", "parseFloat"];

impl Reader<'_> {
    fn add(&mut self, name: &str, span: Span, optional: bool) {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain {
            let line = self.lines.line(span.start);
            self.found.all.push(Read { name: name.to_string(), line, optional });
        }
    }

    /// Whether it is the environment: `process.env`, `import.meta.env`, `Bun.env`, or a name for it.
    fn is_environment(&self, expression: &Expression<'_>) -> bool {
        match expression.get_inner_expression() {
            Expression::StaticMemberExpression(member) => is_env(member),
            Expression::ChainExpression(chain) => {
                matches!(&chain.expression, ChainElement::StaticMemberExpression(member) if is_env(member))
            }
            Expression::Identifier(name) => self.aliases.contains(name.name.as_str()),
            _ => false,
        }
    }

    /// The variable that this reads, when it is nothing but a read.
    fn read(&self, expression: &Expression<'_>) -> Option<String> {
        match expression.get_inner_expression() {
            Expression::StaticMemberExpression(member) if self.is_environment(&member.object) => {
                Some(member.property.name.to_string())
            }
            Expression::ComputedMemberExpression(member) if self.is_environment(&member.object) => {
                literal(&member.expression)
            }
            Expression::ChainExpression(chain) => match &chain.expression {
                ChainElement::StaticMemberExpression(member) if self.is_environment(&member.object) => {
                    Some(member.property.name.to_string())
                }
                ChainElement::ComputedMemberExpression(member) if self.is_environment(&member.object) => {
                    literal(&member.expression)
                }
                _ => None,
            },
            Expression::CallExpression(call) if is_deno_get(&call.callee) => {
                call.arguments.first().and_then(Argument::as_expression).and_then(literal)
            }
            _ => None,
        }
    }

    /// Visits what may be missing without harm.
    fn visit_optional<'a>(&mut self, expression: &Expression<'a>) {
        if let Some(name) = self.read(expression) {
            return self.add(&name, expression.span(), true);
        }
        match expression.get_inner_expression() {
            Expression::LogicalExpression(logical) => {
                self.visit_optional(&logical.left);
                self.visit_optional(&logical.right);
            }
            Expression::CallExpression(call) if PASSING.iter().any(|name| is_name(&call.callee, name)) => {
                match &call.arguments[..] {
                    [one, ..] if one.as_expression().is_some() => {
                        one.as_expression().into_iter().for_each(|one| self.visit_optional(one))
                    }
                    _ => self.visit_expression(expression),
                }
            }
            other => self.visit_expression(other),
        }
    }

    fn pattern(&mut self, pattern: &ObjectPattern<'_>) {
        for property in &pattern.properties {
            let optional = matches!(property.value, BindingPattern::AssignmentPattern(_));
            match property.key.static_name() {
                Some(name) => self.add(&name, property.span, optional),
                None => self.found.whole.push(self.lines.line(property.span.start)),
            }
        }
        if let Some(rest) = &pattern.rest {
            self.found.whole.push(self.lines.line(rest.span.start));
        }
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_expression(&mut self, it: &Expression<'a>) {
        if let Some(name) = self.read(it) {
            return self.add(&name, it.span(), false);
        }
        if self.is_environment(it) {
            return self.found.whole.push(self.lines.line(it.span().start));
        }
        walk::walk_expression(self, it);
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        match it.optional {
            true => self.visit_optional(&it.object),
            false => self.visit_expression(&it.object),
        }
    }

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
        self.visit_optional(&it.left);
        match it.operator {
            LogicalOperator::And => self.visit_expression(&it.right),
            // What stands last is what is taken when nothing else is there.
            LogicalOperator::Or | LogicalOperator::Coalesce => self.visit_expression(&it.right),
        }
    }

    fn visit_conditional_expression(&mut self, it: &ConditionalExpression<'a>) {
        self.visit_optional(&it.test);
        self.visit_expression(&it.consequent);
        self.visit_expression(&it.alternate);
    }

    /// `if (!process.env.A) throw …` needs it; any other test only asks.
    fn visit_if_statement(&mut self, it: &IfStatement<'a>) {
        let before = self.found.all.len();
        self.visit_optional(&it.test);
        if gives_up(&it.consequent) {
            self.found.all[before..].iter_mut().for_each(|read| read.optional = false);
        }
        self.visit_statement(&it.consequent);
        it.alternate.iter().for_each(|alternate| self.visit_statement(alternate));
    }

    fn visit_unary_expression(&mut self, it: &UnaryExpression<'a>) {
        match it.operator {
            UnaryOperator::Delete => {}
            UnaryOperator::LogicalNot | UnaryOperator::Typeof => self.visit_optional(&it.argument),
            _ => self.visit_expression(&it.argument),
        }
    }

    fn visit_binary_expression(&mut self, it: &BinaryExpression<'a>) {
        if it.operator == BinaryOperator::In && self.is_environment(&it.right) {
            return literal(&it.left).iter().for_each(|name| self.add(name, it.span, true));
        }
        for side in [&it.left, &it.right] {
            match it.operator.is_equality() {
                true => self.visit_optional(side),
                false => self.visit_expression(side),
            }
        }
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let member = it.left.as_member_expression();
        let name = member
            .filter(|member| self.is_environment(member.object()))
            .and_then(|member| member.static_property_name());
        match name {
            Some(name) if it.operator != AssignmentOperator::Assign => self.add(name, it.span, true),
            Some(_) => {}
            None => self.visit_assignment_target(&it.left),
        }
        self.visit_expression(&it.right);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        let Some(init) = it.init.as_ref().filter(|init| self.is_environment(init)) else {
            return walk::walk_variable_declarator(self, it);
        };
        match &it.id {
            BindingPattern::BindingIdentifier(name) => drop(self.aliases.insert(name.name.to_string())),
            BindingPattern::ObjectPattern(pattern) => self.pattern(pattern),
            _ => self.visit_expression(init),
        }
    }

    /// `import { env } from "node:process"`
    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        if !["process", "node:process"].contains(&it.source.value.as_str()) {
            return;
        }
        for specifier in it.specifiers.iter().flatten() {
            if let ImportDeclarationSpecifier::ImportSpecifier(one) = specifier
                && one.imported.name() == "env"
            {
                self.aliases.insert(one.local.name.to_string());
            }
        }
    }
}

/// `process.env`, `globalThis.process.env`, `import.meta.env`, `Bun.env`.
fn is_env(member: &StaticMemberExpression<'_>) -> bool {
    let of_process = |object: &Expression<'_>| match object.get_inner_expression() {
        Expression::StaticMemberExpression(inner) => inner.property.name == "process",
        _ => false,
    };
    let object = &member.object;
    member.property.name == "env"
        && (is_name(object, "process")
            || is_name(object, "Bun")
            || is_import_meta(object)
            || of_process(object))
}

/// `Deno.env.get`
fn is_deno_get(callee: &Expression<'_>) -> bool {
    let Expression::StaticMemberExpression(get) = callee.get_inner_expression() else { return false };
    let Expression::StaticMemberExpression(env) = get.object.get_inner_expression() else { return false };
    get.property.name == "get" && env.property.name == "env" && is_name(&env.object, "Deno")
}

/// Throws, or ends the process.
fn gives_up(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ThrowStatement(_) => true,
        Statement::BlockStatement(block) => block.body.iter().any(gives_up),
        Statement::ExpressionStatement(it) => match it.expression.get_inner_expression() {
            Expression::CallExpression(call) => match call.callee.get_inner_expression() {
                Expression::StaticMemberExpression(member) => {
                    member.property.name == "exit" && is_name(&member.object, "process")
                }
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::javascript::parse;
    use std::path::Path;

    /// The variables, those that can be missing with a `?`, and `*` where all of them may be meant.
    fn told(text: &str) -> String {
        let (found, errors) = parse::each(Path::new("a.ts"), text, of);
        assert_eq!(errors, [], "{text}");
        let name = |read: &Read| if read.optional { format!("{}?", read.name) } else { read.name.clone() };
        let whole = found[0].whole.iter().map(|_| "*".to_string());
        found[0].all.iter().map(name).chain(whole).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_is_found() {
        let cases = [
            ("process.env.A", "A"),
            ("f(process.env['A'], process.env[`B`])", "A B"),
            ("process?.env?.A; globalThis.process.env.B", "A B"),
            ("process.env.A!; process.env.B as string; (process.env.C)", "A B C"),
            ("const { A, B: b, C = 1, ...rest } = process.env", "A B C? *"),
            ("const { DATABASE_URL } = process.env; const { X } = other", "DATABASE_URL"),
            ("import.meta.env.VITE_A; Bun.env.B; Deno.env.get('C')", "VITE_A B C"),
            ("const env = process.env; env.A; env['B']", "A B"),
            ("import { env } from 'node:process'; env.A", "A"),
            ("f(process.env); ({ ...process.env })", "* *"),
            ("other.env.A; process.argv.B", ""),
            ("`${process.env.A}/x`", "A"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_has_a_default_is_optional() {
        let cases = [
            ("a = process.env.A ?? 'x'; b = process.env.B || 'y'", "A? B?"),
            ("a = process.env.A || process.env.B || 3", "A? B?"),
            ("a = process.env.A || process.env.B", "A? B"),
            ("a = Number(process.env.A) || 3; b = parseInt(process.env.B ?? '1')", "A? B?"),
            ("process.env.A ??= 'x'; process.env.B = 'y'; delete process.env.C", "A?"),
            ("a = process.env.A?.split(',')", "A?"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn asking_whether_it_is_set_needs_nothing_unless_it_gives_up() {
        let cases = [
            ("if (process.env.A) b()", "A?"),
            ("a = process.env.A ? 1 : 2; !process.env.B; process.env.C === 'x'", "A? B? C?"),
            ("a = process.env.A && process.env.A", "A? A"),
            ("if (!process.env.A) throw new Error('x')", "A"),
            ("if (!process.env.A) { log('x'); process.exit(1) }", "A"),
            ("'A' in process.env", "A?"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
