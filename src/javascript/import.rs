//! What a program imports, in every form that names it by a literal.

use super::parse::Lines;
use super::values;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::operator::BinaryOperator;
use oxc_syntax::scope::ScopeFlags;
use std::collections::HashSet;

/// One mention of another module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// As written: `./app.js`, `express`.
    pub specifier: String,
    /// Counted from 1.
    pub line: u32,
    /// How it is looked for.
    pub form: Form,
    /// It gives types only; nothing is loaded at run time.
    pub types_only: bool,
    /// Its failure is caught where it stands.
    pub optional: bool,
    /// Only types are made of its names, so that TypeScript leaves it out of what it compiles, unless a template around
    /// the program uses them.
    pub elided: bool,
}

/// How a module is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `import`, `export … from`, `import()`, `import.meta.resolve()`.
    Import,
    /// `require()`, `require.resolve()`, `import a = require()`.
    Require,
    /// `new URL("./a", import.meta.url)`: a file beside this one, exactly.
    Url,
}

/// What one program imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// In the order of the text.
    pub all: Vec<Import>,
    /// Lines of imports whose name is only made at run time.
    pub computed: Vec<u32>,
    /// Modules that it declares: `declare module "virtual:a"`; `*` stands for anything.
    pub declared: Vec<String>,
}

/// Reads a program.
pub fn of(program: &Program<'_>, lines: &Lines) -> Imports {
    let values = if program.source_type.is_typescript() { Some(values::of(program)) } else { None };
    let mut reader =
        Reader { lines, found: Imports::default(), values, guards: 0, shadows: 0, own_require: false };
    reader.references(program.source_text);
    reader.visit_program(program);
    if reader.own_require {
        reader.found.all.retain(|import| import.form != Form::Require);
        reader.found.computed.clear();
    }
    reader.found
}

struct Reader<'l> {
    lines: &'l Lines,
    found: Imports,
    /// In TypeScript, the names that are used as values.
    values: Option<HashSet<String>>,
    /// How many `try` blocks and `.catch()` are around.
    guards: u32,
    /// How many functions around have a parameter `require`: bundles do, and it is not Node's then.
    shadows: u32,
    /// The file defines a `require` of its own, not by `createRequire`.
    own_require: bool,
}

impl Reader<'_> {
    fn add(&mut self, specifier: &str, span: Span, form: Form, types_only: bool) {
        let line = self.lines.line(span.start);
        let optional = self.guards > 0;
        let specifier = specifier.to_string();
        self.found.all.push(Import { specifier, line, form, types_only, optional, elided: false });
    }

    fn add_expression(&mut self, expression: &Expression<'_>, form: Form) {
        match literal(expression) {
            Some(specifier) => self.add(&specifier, expression.span(), form, false),
            None => {
                self.found.computed.push(self.lines.line(expression.span().start));
                self.beginning(expression);
            }
        }
    }

    /// `/// <reference path="./a.d.ts" />` at the top of a file: a file beside this one, for its types.
    fn references(&mut self, text: &str) {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start_matches('\u{feff}').trim();
            if !trimmed.is_empty() && !trimmed.starts_with("//") {
                return;
            }
            if let Some(path) = reference(trimmed) {
                let start = u32::try_from(at).unwrap_or_default();
                self.add(path, Span::new(start, start), Form::Url, true);
            }
            at += line.len();
        }
    }

    /// A directory that the fixed beginning of a computed name leads to: `import(`./languages/${name}.js`)`.
    fn beginning(&mut self, expression: &Expression<'_>) {
        let Expression::TemplateLiteral(text) = expression.get_inner_expression() else { return };
        let first = text.quasis.first().and_then(|first| first.value.cooked.as_ref());
        let directory = first.and_then(|first| first.rfind('/').map(|end| &first[..=end]));
        if let Some(directory) = directory.filter(|path| path.starts_with("./") || path.starts_with("../")) {
            self.add(directory, expression.span(), Form::Url, false);
        }
    }

    fn call(&mut self, call: &CallExpression<'_>) {
        let form = match self.called(&call.callee) {
            Some(form) => form,
            None => return,
        };
        if let Some(argument) = call.arguments.first().and_then(Argument::as_expression) {
            self.add_expression(argument, form);
        }
    }

    /// The form of import that calling this is.
    fn called(&self, callee: &Expression<'_>) -> Option<Form> {
        match callee.get_inner_expression() {
            Expression::Identifier(name) if name.name == "require" => self.nodes_require(),
            Expression::CallExpression(call) if makes_require(&call.callee) => Some(Form::Require),
            Expression::StaticMemberExpression(member) => match member.property.name.as_str() {
                "resolve" if is_name(&member.object, "require") => self.nodes_require(),
                "require" if is_name(&member.object, "module") => self.nodes_require(),
                "resolve" if is_import_meta(&member.object) => Some(Form::Import),
                _ => None,
            },
            _ => None,
        }
    }

    fn nodes_require(&self) -> Option<Form> {
        (self.shadows == 0).then_some(Form::Require)
    }

    fn shadowed(&mut self, parameters: &FormalParameters<'_>, inside: impl FnOnce(&mut Self)) {
        let shadows = parameters
            .items
            .iter()
            .any(|one| one.pattern.get_identifier_name().is_some_and(|name| name == "require"));
        self.shadows += u32::from(shadows);
        inside(self);
        self.shadows -= u32::from(shadows);
    }

    fn guarded(&mut self, is: bool, inside: impl FnOnce(&mut Self)) {
        self.guards += u32::from(is);
        inside(self);
        self.guards -= u32::from(is);
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let inline =
            it.specifiers.as_ref().is_some_and(|all| !all.is_empty() && all.iter().all(is_inline_type));
        self.add(&it.source.value, it.span, Form::Import, it.import_kind.is_type() || inline);
        if let (Some(values), Some(import)) = (&self.values, self.found.all.last_mut()) {
            let names = it.specifiers.iter().flatten().map(|one| one.local().name.as_str());
            let used = names.clone().any(|name| values.contains(name));
            import.elided = !used && names.count() > 0;
        }
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        if let Some(source) = &it.source {
            self.add(&source.value, it.span, Form::Import, it.export_kind.is_type());
        }
        walk::walk_export_named_declaration(self, it);
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.add(&it.source.value, it.span, Form::Import, it.export_kind.is_type());
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        self.add_expression(&it.source, Form::Import);
        walk::walk_import_expression(self, it);
    }

    fn visit_ts_import_type(&mut self, it: &TSImportType<'a>) {
        self.add(&it.source.value, it.span, Form::Import, true);
        walk::walk_ts_import_type(self, it);
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        if let TSModuleReference::ExternalModuleReference(module) = &it.module_reference {
            self.add(&module.expression.value, it.span, Form::Require, it.import_kind.is_type());
        }
    }

    fn visit_ts_module_declaration(&mut self, it: &TSModuleDeclaration<'a>) {
        if let TSModuleDeclarationName::StringLiteral(name) = &it.id {
            self.found.declared.push(name.value.to_string());
        }
        walk::walk_ts_module_declaration(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        self.call(it);
        // import("a").catch(…): what comes before .catch is guarded.
        self.guarded(catches(it), |reader| reader.visit_expression(&it.callee));
        self.visit_arguments(&it.arguments);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        let arguments: Vec<_> = it.arguments.iter().filter_map(Argument::as_expression).collect();
        if let (true, [name, base]) = (is_name(&it.callee, "URL"), &arguments[..])
            && is_import_meta_url(base)
            && let Some(specifier) = literal(name)
        {
            self.add(&specifier, it.span, Form::Url, false);
        }
        walk::walk_new_expression(self, it);
    }

    fn visit_try_statement(&mut self, it: &TryStatement<'a>) {
        self.guarded(it.handler.is_some(), |reader| reader.visit_block_statement(&it.block));
        it.handler.iter().for_each(|handler| self.visit_catch_clause(handler));
        it.finalizer.iter().for_each(|finalizer| self.visit_block_statement(finalizer));
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.own_require |=
            it.is_function_declaration() && it.id.as_ref().is_some_and(|id| id.name == "require");
        self.shadowed(&it.params, |reader| walk::walk_function(reader, it, flags));
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.shadowed(&it.params, |reader| walk::walk_arrow_function_expression(reader, it));
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let (true, Some(init)) =
            (it.id.get_identifier_name().is_some_and(|name| name == "require"), &it.init)
        {
            let made = matches!(init.get_inner_expression(), Expression::CallExpression(call) if makes_require(&call.callee));
            self.own_require |= !made;
        }
        walk::walk_variable_declarator(self, it);
    }
}

/// The text of a string, of a template without anything to fill in, or of a sum of these.
pub(super) fn literal(expression: &Expression<'_>) -> Option<String> {
    match expression.get_inner_expression() {
        Expression::StringLiteral(text) => Some(text.value.to_string()),
        Expression::TemplateLiteral(text) => text.single_quasi().map(|text| text.to_string()),
        Expression::BinaryExpression(sum) if sum.operator == BinaryOperator::Addition => {
            Some(literal(&sum.left)? + &literal(&sum.right)?)
        }
        _ => None,
    }
}

/// `name`, and not something of that name inside another.
pub(super) fn is_name(expression: &Expression<'_>, name: &str) -> bool {
    matches!(expression.get_inner_expression(), Expression::Identifier(it) if it.name == name)
}

pub(super) fn is_import_meta(expression: &Expression<'_>) -> bool {
    matches!(expression.get_inner_expression(), Expression::MetaProperty(it) if it.meta.name == "import" && it.property.name == "meta")
}

fn is_import_meta_url(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::StaticMemberExpression(it) => it.property.name == "url" && is_import_meta(&it.object),
        _ => false,
    }
}

/// The path of a reference directive of TypeScript's.
fn reference(line: &str) -> Option<&str> {
    let attributes = line.strip_prefix("///")?.trim_start().strip_prefix("<reference")?;
    let (_, value) = attributes.split_once("path=")?;
    let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// `createRequire(…)`, `module.createRequire(…)`.
fn makes_require(callee: &Expression<'_>) -> bool {
    match callee.get_inner_expression() {
        Expression::Identifier(name) => name.name == "createRequire",
        Expression::StaticMemberExpression(member) => member.property.name == "createRequire",
        _ => false,
    }
}

/// `….catch(…)`, and `….then(…, …)`.
fn catches(call: &CallExpression<'_>) -> bool {
    let Expression::StaticMemberExpression(member) = call.callee.get_inner_expression() else { return false };
    match member.property.name.as_str() {
        "catch" => !call.arguments.is_empty(),
        "then" => call.arguments.len() > 1,
        _ => false,
    }
}

fn is_inline_type(specifier: &ImportDeclarationSpecifier<'_>) -> bool {
    matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(it) if it.import_kind.is_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::javascript::parse;
    use std::path::Path;

    fn read(name: &str, text: &str) -> Imports {
        let (mut found, errors) = parse::each(Path::new(name), text, of);
        assert_eq!(errors, [], "{text}");
        found.remove(0)
    }

    /// A line for each import: the line, the form, the specifier, its marks.
    fn told(name: &str, text: &str) -> String {
        let mark = |is: bool, mark: &str| if is { format!(" {mark}") } else { String::new() };
        let line = |it: &Import| {
            let marks = mark(it.types_only, "types") + &mark(it.optional, "optional");
            format!("{} {:?} {}{marks}", it.line, it.form, it.specifier).to_lowercase()
        };
        read(name, text).all.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_form_is_found() {
        let cases = [
            ("import a from './a'", "1 import ./a"),
            ("import './a'", "1 import ./a"),
            ("import * as a from 'a' with { type: 'json' }", "1 import a"),
            (
                "export { a } from './a'; export * from './b'; export * as c from './c'",
                "1 import ./a; 1 import ./b; 1 import ./c",
            ),
            ("\n\nconst a = require('./a')", "3 require ./a"),
            ("require.resolve('a/b'); module.require('c')", "1 require a/b; 1 require c"),
            ("import('./a'); import(`./b`)", "1 import ./a; 1 import ./b"),
            ("const u = new URL('./w.js', import.meta.url); new URL('./x', base)", "1 url ./w.js"),
            ("import.meta.resolve('a')", "1 import a"),
            ("import('./a' + '.js'); require('./' + `b`)", "1 import ./a.js; 1 require ./b"),
            ("import(`./lang/${a}.js`); import(`${b}/c`); import(`./${d}`)", "1 url ./lang/; 1 url ./"),
            (
                "import { createRequire } from 'module'; const require = createRequire(import.meta.url); require('a'); createRequire(x)('b')",
                "1 import module; 1 require a; 1 require b",
            ),
            ("obj.require('a'); requires('b'); foo.resolve('c')", ""),
            ("a(b(() => { if (c) { d = [require('e')] } }))", "1 require e"),
        ];
        for (text, expected) in cases {
            assert_eq!(told("a.js", text), expected, "{text}");
        }
    }

    #[test]
    fn types_are_told_from_what_is_loaded() {
        let cases = [
            ("import type { A } from './a'", "1 import ./a types"),
            ("import { type A, type B } from './a'", "1 import ./a types"),
            ("import { type A, b } from './a'", "1 import ./a"),
            ("import {} from './a'", "1 import ./a"),
            (
                "export type { A } from './a'; export type * from './b'",
                "1 import ./a types; 1 import ./b types",
            ),
            ("let a: import('./a').A; let b: typeof import('./b')", "1 import ./a types; 1 import ./b types"),
            ("import a = require('a'); import b = c.d", "1 require a"),
            (
                "// a\n/// <reference path='./a.d.ts' />\na()\n/// <reference path='./b.d.ts' />",
                "2 url ./a.d.ts types",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(told("a.ts", text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_makes_types_is_left_out() {
        let cases = [
            ("import { A } from 'a'; let b: A", true),
            ("import * as a from 'a'; type B = a.C; interface D extends a.E {}", true),
            ("import A from 'a'; class B implements A {}; let c: typeof A; f<A>()", true),
            ("import 'a'", false),
            ("import { A } from 'a'; let b: A = A.c", false),
            ("import A from 'a'; class B extends A {}", false),
            ("import { A, B } from 'a'; let b: A; B()", false),
            ("import { A } from 'a'; export { A }", false),
            ("import A from 'a'; import b = A.c", false),
        ];
        for (text, expected) in cases {
            assert_eq!(read("a.ts", text).all[0].elided, expected, "{text}");
        }
        assert!(!read("a.tsx", "import A from 'a'; const b = <A/>").all[0].elided);
        assert!(!read("a.js", "import A from 'a'").all[0].elided, "only TypeScript leaves out");
    }

    #[test]
    fn what_is_caught_is_optional() {
        let cases = [
            ("try { require('a') } catch { require('b') }", "1 require a optional; 1 require b"),
            ("try { require('a') } finally { b() }", "1 require a"),
            ("import('a').catch(() => null); import('b').then(c)", "1 import a optional; 1 import b"),
            (
                "import('a').then(b, c); import('d').then(e).catch(f)",
                "1 import a optional; 1 import d optional",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(told("a.js", text), expected, "{text}");
        }
    }

    #[test]
    fn somebody_elses_require_is_not_nodes() {
        let cases = [
            "(function (require, module) { require('./a') })({})",
            "define((require) => { require('./a') })",
            "function require(a) { return b[a] } require('./a')",
            "var require = other; require('./a')",
        ];
        for text in cases {
            assert_eq!(told("a.js", text), "", "{text}");
        }
        assert_eq!(told("a.js", "((require) => 1)(); require('a')"), "1 require a");
    }

    #[test]
    fn what_is_computed_or_declared_is_told() {
        let found = read(
            "a.ts",
            "require(a)\nimport(`./${b}.js`)\ndeclare module 'virtual:c' {}\ndeclare module '*.svg'",
        );
        assert_eq!(
            (found.computed, found.declared),
            (vec![1, 2], vec!["virtual:c".to_string(), "*.svg".to_string()])
        );
        assert_eq!(found.all.len(), 1, "the directory of the second");
    }

    #[test]
    fn components_and_jsx_are_read() {
        assert_eq!(
            told("a.vue", "<template/>\n<script setup lang='ts'>\nimport type A from './A.vue'\n</script>"),
            "3 import ./a.vue types"
        );
        assert_eq!(
            told("a.js", "const a = <A b={require('./b')}>{import('./c')}</A>"),
            "1 require ./b; 1 import ./c"
        );
    }
}
