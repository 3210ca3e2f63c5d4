//! Small trees, and what is said of them.

use super::of;
use crate::audit::usual;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::Meta;
use crate::system::pretend::{Empty, Pretend};
use crate::system::{Probe, System};
use proptest::prelude::*;
use std::path::Path;

/// A host with these files below `/t`; a content that begins with `->` is a link.
fn tree(files: &[(&str, &str)]) -> Pretend<'static> {
    let host = Pretend::over(&Empty);
    host.make_dir(Path::new("/t"), &Meta::default()).unwrap();
    for (path, content) in files {
        let path = Path::new("/t").join(path);
        let mut above: Vec<_> = path.ancestors().skip(1).collect();
        above.reverse();
        for folder in above {
            if host.stat(folder).unwrap().is_none() {
                host.make_dir(folder, &Meta::default()).unwrap();
            }
        }
        match content.strip_prefix("->") {
            Some(target) => host.link(&path, Path::new(target)).unwrap(),
            None => host.write(&path, &mut content.as_bytes(), &Meta::default()).unwrap(),
        }
    }
    host
}

fn audit(files: &[(&str, &str)]) -> Vec<Finding> {
    of(&tree(files), Path::new("/t"), &usual()).unwrap()
}

/// What fails and what is only reported, without the summary: a line for each, with its hint.
#[track_caller]
fn told(files: &[(&str, &str)]) -> String {
    let mut findings = audit(files);
    findings.pop();
    let line = |finding: &Finding| match &finding.hint {
        Some(hint) => format!("{finding} ({hint})\n"),
        None => format!("{finding}\n"),
    };
    findings.iter().map(line).collect()
}

/// The imports of one file, in a tree with others; nothing is reported.
#[track_caller]
fn fine(text: &str, others: &[(&str, &str)]) {
    fine_in("a.js", text, others);
}

#[track_caller]
fn fine_in(name: &str, text: &str, others: &[(&str, &str)]) {
    let files: Vec<_> = std::iter::once((name, text)).chain(others.iter().copied()).collect();
    assert_eq!(told(&files), "", "{text}");
}

#[track_caller]
fn bad(text: &str, others: &[(&str, &str)], expected: &str) {
    bad_in("a.js", text, others, expected);
}

#[track_caller]
fn bad_in(name: &str, text: &str, others: &[(&str, &str)], expected: &str) {
    let files: Vec<_> = std::iter::once((name, text)).chain(others.iter().copied()).collect();
    assert_eq!(told(&files).trim_end(), expected, "{text}");
}

#[test]
fn files_are_found_as_node_finds_them() {
    fine("require('./b')", &[("b.js", "")]);
    fine("require('./b')", &[("b.json", "{}")]);
    fine("require('./b')", &[("b/index.js", "")]);
    fine("require('./b')", &[("b/package.json", r#"{"main": "lib/c"}"#), ("b/lib/c.js", "")]);
    fine("require('.'); require('./')", &[("index.js", "")]);
    fine(
        "import './b.js'; import data from './c.json' with { type: 'json' }",
        &[("b.js", ""), ("c.json", "{}")],
    );
    fine("import './style.css'", &[("style.css", "")]);
    fine(
        "new URL('./w.js', import.meta.url); new URL('.', import.meta.url); new URL('./d', import.meta.url)",
        &[("w.js", ""), ("d/e", "")],
    );
    fine("require('./b')", &[("b.js", "->real.js"), ("real.js", "")]);
    fine("import fs from 'fs'; import 'node:path'; require('fs/promises')", &[]);
    fine("import 'https://a.b/c.js'; import 'data:text/javascript,1'", &[]);
    fine("import './b.js?raw'; import './b.js?worker&inline'; require('raw!./b.js')", &[("b.js", "")]);
}

#[test]
fn a_missing_file_is_told_with_what_is_nearest() {
    bad("\nrequire('./b')", &[], "fail    imports a.js:2: ./b does not exist");
    bad(
        "import './lib/Foo'",
        &[("lib/foo.js", "")],
        "fail    imports a.js:1: ./lib/Foo does not exist (lib/foo.js differs in capital letters only)",
    );
    bad(
        "import './Lib/foo.js'",
        &[("lib/foo.js", "")],
        "fail    imports a.js:1: ./Lib/foo.js does not exist (lib/foo.js differs in capital letters only)",
    );
    bad(
        "import './lib/user.js'",
        &[("lib/users.js", "")],
        "fail    imports a.js:1: ./lib/user.js does not exist (did you mean lib/users.js?)",
    );
    bad(
        "import './lib/db.js'",
        &[("old/db.js", ""), ("lib/x.js", "")],
        "fail    imports a.js:1: ./lib/db.js does not exist (there is old/db.js)",
    );
    bad(
        "import './b.js'",
        &[("b.ts", "")],
        "fail    imports a.js:1: ./b.js does not exist (did you mean b.ts?)",
    );
    bad("new URL('./w.js', import.meta.url)", &[], "fail    imports a.js:1: ./w.js does not exist");
    bad(
        "require('./b')",
        &[("b.js", "->gone.js")],
        "fail    imports a.js:1: ./b does not exist (b.js is a link, and what it points to is not there)",
    );
}

#[test]
fn what_is_caught_is_only_told() {
    bad(
        "try { require('./b') } catch {}; import('c').catch(d)",
        &[],
        "info    imports 2 imports: name what does not exist, and the failure is caught: a.js:1 ./b, a.js:1 c",
    );
}

#[test]
fn packages_are_found_as_node_finds_them() {
    let package = |json| {
        [("node_modules/b/package.json", json), ("node_modules/b/lib/c.js", ""), ("node_modules/b/d.mjs", "")]
    };
    fine("require('b')", &package(r#"{"main": "lib/c.js"}"#));
    fine("require('b/lib/c')", &package("{}"));
    fine(
        "require('b'); import('b')",
        &package(r#"{"exports": {"require": "./lib/c.js", "import": "./d.mjs"}}"#),
    );
    fine("import 'b/x'", &package(r#"{"exports": {"./x": {"browser": "./gone.js", "default": "./d.mjs"}}}"#));
    fine("import 'b/features/c.js'", &package(r#"{"exports": {"./features/*": "./lib/*"}}"#));
    fine_in("x/y/a.js", "require('b')", &package(r#"{"main": "lib/c.js"}"#));
    fine("import '@s/b'", &[("node_modules/@s/b/index.js", "")]);
    fine(
        "import 'w'",
        &[
            ("node_modules/w", "->../packages/w"),
            ("packages/w/package.json", r#"{"main": "w.js"}"#),
            ("packages/w/w.js", ""),
        ],
    );
    fine(
        "import 'self/x'",
        &[("package.json", r#"{"name": "self", "exports": {"./x": "./b.js"}}"#), ("b.js", "")],
    );
    fine("import '#x'", &[("package.json", r##"{"imports": {"#x": {"node": "./b.js"}}}"##), ("b.js", "")]);
}

#[test]
fn modules_that_are_not_there_are_told_apart() {
    bad(
        "import 'b'",
        &[],
        "fail    modules b: no package.json declares it, and it is not installed; imported once: a.js:1",
    );
    let declared = (
        "package.json",
        r#"{"dependencies": {"b": "1"}, "devDependencies": {"d": "1"}, "optionalDependencies": {"o": "1"}}"#,
    );
    let installed = ("node_modules/c/index.js", "");
    bad(
        "import 'b'\nimport 'b/x'",
        &[declared, installed],
        "fail    modules b: package.json declares it, and it is not installed; imported 2 times: a.js:1, a.js:2",
    );
    bad(
        "import 'd'",
        &[declared, installed],
        "info    modules d: declared for development, and not installed; imported once: a.js:1",
    );
    bad(
        "import 'o'",
        &[declared, installed],
        "info    modules o: declared as optional, and not installed; imported once: a.js:1",
    );
    bad(
        "import 'b'",
        &[declared],
        "info    modules b: declared; no package is installed here, so it was not checked; imported once: a.js:1",
    );
    bad_in(
        "a.ts",
        "import type { B } from 'b'",
        &[declared, installed],
        "info    modules b: declared, not installed, and imported for its types only; imported once: a.ts:1",
    );
    let package =
        [("node_modules/b/package.json", r#"{"exports": {"./y": "./y.js"}}"#), ("node_modules/b/y.js", "")];
    bad("import 'b/x'", &package, "fail    imports a.js:1: b/x is not among the exports of its package");
    let pattern = [
        ("node_modules/b/package.json", r#"{"exports": {"./features/*": "./lib/*", "./z": "./gone.js"}}"#),
        ("node_modules/b/lib/c.js", ""),
    ];
    bad("import 'b/features/gone.js'", &pattern, "fail    imports a.js:1: b/features/gone.js does not exist");
    bad("import 'b/z'", &pattern, "fail    imports a.js:1: b/z does not exist");
    bad("require('b/features/gone')", &pattern, "fail    imports a.js:1: b/features/gone does not exist");
    bad(
        "import '#x'",
        &[("package.json", r##"{"imports": {"#y": "./b.js"}}"##)],
        "fail    imports a.js:1: #x is not among the imports of package.json",
    );
}

#[test]
fn typescript_is_resolved_as_typescript_does() {
    fine_in(
        "a.ts",
        "import './b.js'; import './c'; import './d.mjs'",
        &[("b.ts", ""), ("c.tsx", ""), ("d.mts", "")],
    );
    fine_in("a.ts", "import type { X } from './b'", &[("b.d.ts", "")]);
    fine_in("a.ts", "import type { X } from 'estree'", &[("node_modules/@types/estree/index.d.ts", "")]);
    fine_in("a.ts", "import b = require('./b'); type C = import('./b').C", &[("b.ts", "")]);
    fine_in(
        "a.ts",
        "import 'virtual:x'; import icon from './i.svg'; import 'made'",
        &[("env.d.ts", "declare module 'made' {}\ndeclare module '*.svg' {}\ndeclare module 'virtual:x';")],
    );
    bad_in(
        "a.ts",
        "import type { X } from './b'",
        &[],
        "fail    imports a.ts:1: ./b does not exist (for its types only)",
    );
    bad_in(
        "A.vue",
        "<script lang=ts>\nimport B from './B.vue'\n</script>",
        &[],
        "fail    imports A.vue:2: ./B.vue does not exist",
    );
}

#[test]
fn a_declaration_is_no_help_to_javascript_that_is_run() {
    let declared = ("env.d.ts", "declare module 'made' {}");
    fine_in("a.ts", "import 'made'", &[declared]);
    bad(
        "import 'made'",
        &[declared],
        "fail    modules made: no package.json declares it, and it is not installed; imported once: a.js:1",
    );
}

#[test]
fn what_no_program_looks_for_is_missing() {
    let package = [
        ("node_modules/pkg/package.json", r#"{"name": "pkg", "exports": {".": "./dist/i.mjs"}}"#),
        ("node_modules/pkg/dist/i.mjs", ""),
        ("node_modules/pkg/dist/t.d.ts", ""),
        ("package.json", r#"{"type": "module", "dependencies": {"pkg": "1"}}"#),
    ];
    let exported = "pkg/dist/i.mjs is not among the exports of its package";
    assert!(told(&[&package[..], &[("a.ts", "import 'pkg/dist/i.mjs'")]].concat()).contains(exported));
    assert_eq!(told(&[&package[..], &[("a.ts", "import type { T } from 'pkg/dist/t'")]].concat()), "");
    let lost = |files: &[(&str, &str)]| told(files).contains("does not exist");
    assert!(lost(&[("a.cjs", "require('./c')"), ("c.cjs", "")]));
    assert!(lost(&[("A.vue", "<script src=\"./missing.ts\" lang=\"ts\"></script>")]));
    assert!(!lost(&[("A.vue", "<script src=\"./b.ts\" lang=\"ts\"></script>"), ("b.ts", "")]));
    assert!(lost(&[("a.js", "import(`./lang/${a}.js`)")]));
    assert!(!lost(&[("a.js", "import(`./lang/${a}.js`)"), ("lang/en.js", "")]));
    assert!(lost(&[("a.ts", "/// <reference path=\"./gone.d.ts\" />\n")]));
}

#[test]
fn what_frameworks_make_is_only_told() {
    fine_in("src/routes/a.svelte", "<script>import '$lib/b.js'</script>", &[("src/lib/b.js", "")]);
    bad(
        "import '$app/navigation'; import '$env/static/private'",
        &[],
        "info    imports 2 imports: name what a bundler or another runtime makes, and were not looked for: a.js:1 $app/navigation, a.js:1 $env/static/private",
    );
}

#[test]
fn path_aliases_are_followed() {
    let config = (
        "tsconfig.json",
        "{ // why\n \"compilerOptions\": { \"baseUrl\": \".\", \"paths\": { \"@app/*\": [\"src/*\"], } } }",
    );
    fine_in("x/a.ts", "import '@app/b'; import 'src/b'", &[config, ("src/b.ts", "")]);
    fine_in("x/a.js", "import '@app/b'", &[config, ("src/b.ts", "")]);
    fine_in("x/a.vue", "<script>import '@app/b'</script>", &[config, ("src/b.ts", "")]);
    let base = ("base.json", r#"{ "compilerOptions": { "paths": { "~lib/*": ["./lib/*"] } } }"#);
    fine_in(
        "x/a.ts",
        "import '~lib/b'",
        &[base, ("tsconfig.json", r#"{ "extends": "./base.json" }"#), ("lib/b.ts", "")],
    );
    let references = [
        ("tsconfig.json", r#"{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }"#),
        (
            "tsconfig.app.json",
            r#"{ "include": ["x"], "compilerOptions": { "paths": { "@/*": ["./x/*"] } } }"#,
        ),
    ];
    fine_in("x/a.ts", "import '@/b'", &[references[0], references[1], ("x/b.ts", "")]);
    fine(
        "import '~/b.js'",
        &[
            ("jsconfig.json", r#"{ "compilerOptions": { "paths": { "~/*": ["./lib/*"] } } }"#),
            ("lib/b.js", ""),
        ],
    );
    fine_in("src/x/a.js", "import '@/b.js'; import '/src/b.js'", &[("src/b.js", "")]);
    bad_in(
        "x/a.ts",
        "import '@app/c'",
        &[config, ("src/C.ts", "")],
        "fail    imports x/a.ts:1: @app/c does not exist (src/C.ts differs in capital letters only)",
    );
}

#[test]
fn broken_configurations_hide_nothing_else() {
    let found = told(&[("a.ts", "import './b'; import './c'"), ("b.ts", ""), ("tsconfig.json", "{\n oops")]);
    assert!(
        found.starts_with(
            "fail    imports a.ts:1: ./c does not exist\ninfo    configuration tsconfig.json: line 2: "
        ),
        "{found}"
    );
    let found = told(&[
        ("a.ts", "import './b'"),
        ("b.ts", ""),
        ("tsconfig.json", r#"{"extends": "@tsconfig/node22/tsconfig.json"}"#),
    ]);
    assert_eq!(
        found,
        "info    configuration @tsconfig/node22/tsconfig.json: a tsconfig.json extends it, and it is not there (what it says of paths was not followed)\n"
    );
    let found = told(&[("a.js", "import 'b'"), ("node_modules/b/index.js", ""), ("package.json", "{ oops")]);
    assert!(found.starts_with("fail    configuration package.json: line 1: "), "{found}");
}

#[test]
fn what_cannot_be_read_is_told() {
    bad("one();\ntwo(;", &[], "fail    syntax a.js:2: Unexpected token");
    bad(
        "// @flow\nconst a: ?string = 1; type B = {| a: 1 |};",
        &[],
        "info    syntax a.js:1: it is written in Flow, which is not read",
    );
    bad(
        "require(x); import(`./${y}`)",
        &[],
        "info    imports 2 imports: have a name that exists only at run time, and were not followed: a.js:1, a.js:1",
    );
    bad(
        "import 'bun:sqlite'; import 'astro:content'",
        &[],
        "info    imports 2 imports: name what a bundler or another runtime makes, and were not looked for: a.js:1 bun:sqlite, a.js:1 astro:content",
    );
    let module = ("package.json", r#"{"type": "module"}"#);
    bad(
        "import './b'",
        &[module, ("b.js", "")],
        "info    imports 1 import: leave out the file's ending, which Node accepts in no ES module (bundlers do): a.js:1 ./b",
    );
}

#[test]
fn what_is_skipped_is_not_read_and_can_be_imported() {
    fine("import 'b'", &[("node_modules/b/index.js", "import './gone'"), (".git/x.js", "import './gone'")]);
}

#[test]
fn a_summary_counts() {
    let last = |files: &[(&str, &str)]| audit(files).pop().unwrap();
    let summary = last(&[("a.js", "import './b.js'; import './c'; import 'fs'"), ("b.js", "")]);
    assert_eq!(summary.to_string(), "info    imports /t: 2 of 3 imports in 2 files exist");
    assert_eq!(last(&[("a.txt", "")]).verdict, Verdict::Unknown);
    let failure = of(&tree(&[]), Path::new("/gone"), &[]).unwrap_err();
    assert_eq!(failure.to_string(), "look at /gone: there is no such directory");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_specifier_and_no_configuration_makes_it_panic(
        specifier in r"[ab@#./:?!%*~\\ -]{0,12}|\PC{0,8}",
        exports in r#"(\{|\}|"\./\*"|"\."|"\./b"|:|,|null|"import"|\[|\]|"\*")*"#,
    ) {
        let package = format!(r##"{{"name": "b", "imports": {{"#b": {exports}}}, "exports": {exports}}}"##);
        let config = format!(r#"{{"compilerOptions": {{"baseUrl": {specifier:?}, "paths": {{{specifier:?}: ["*", {exports}]}}}}}}"#);
        let text = format!("import {specifier:?}; require({specifier:?}); new URL({specifier:?}, import.meta.url)");
        audit(&[
            ("x/a.ts", &text),
            ("x/a.js", &text),
            ("package.json", &package),
            ("tsconfig.json", &config),
            ("node_modules/b/package.json", &package),
            ("node_modules/b/index.js", ""),
        ]);
    }
}
