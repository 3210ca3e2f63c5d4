//! Rules about the source tree that a machine can hold, read from it as text.
//!
//! A failure names file and line, and the rule. `tests/figures` prints the lengths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `src/`, lowest first. A module may speak of those of lower rows; of its own row only when the other
/// does not speak of it.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["wire", "template", "source"],
    &["system", "diagnostic"],
    &["wanted", "keys", "yaml", "nginx", "sql", "docker", "javascript", "accounts", "systemd", "fstab"],
    &["trust"],
    &["tree", "audit", "redact"],
    &["step"],
    &["engine"],
    &["agent", "agent_binary", "store", "secrets"],
    &[
        "ssh",
        "project",
        "schema",
        "setting",
        "variables",
        "inventory",
        "playbook",
        "render",
        "record",
        "report",
        "schedule",
    ],
    &["run", "saved_plan", "serve"],
    &["cli", "demo"],
    &["main", "lib", "fuzzing", "agent_javascript"],
];

/// Mentions that point up all the same, each with its reason. They are debts: new ones need a better reason.
const UPWARD: &[(&str, &str, &str)] =
    &[("src/source.rs", "diagnostic", "its readers collect diagnostics, which point at its places")];

/// Neighbours that speak of each other all the same, each with its reason. Debts too.
const KNOTS: &[(&str, &str, &str)] = &[];

/// Files of one module that speak of each other in a circle all the same. A file and the directory of its name count as
/// one; the module's own file does not count, since it declares the others and they use its types. Debts too.
const CIRCLES: &[(&str, &[&str], &str)] = &[
    ("docker", &["commands", "container", "spec"], "a container's spec, and the commands that make it true"),
    ("model", &["backup", "op"], "a backup is an op, and its parts have commands, which are ops' data"),
    (
        "report",
        &["findings", "recap"],
        "the recap counts findings, and their tables are drawn as the recap's",
    ),
    ("schedule", &["files", "notice", "notify", "state"], "a schedule's state says which notice was sent"),
    ("step/files/json", &["document", "edit", "render"], "an edit renders values into the document it edits"),
    (
        "step/data/restore",
        &["databases", "mysql", "postgres"],
        "what both databases share stands in `databases`",
    ),
    ("store", &["index", "part"], "an index is a part, and parts are listed in an index"),
    (
        "template",
        &[
            "addresses",
            "arithmetic",
            "call",
            "filters",
            "format",
            "functions",
            "lookup",
            "machine",
            "methods",
            "render",
            "repeat",
            "show",
            "tests_of_values",
            "tree",
            "value",
            "versions",
            "yaml_writer",
        ],
        "an expression calls filters, which evaluate expressions; a value can be a macro, whose body is a template",
    ),
    ("system/shell", &["location", "told"], "a reply names a location, and a location is read from a reply"),
];

/// What hosts run: synchronous, and without the controller's libraries.
const ON_HOSTS: &[&str] = &[
    "model",
    "wire",
    "template",
    "system",
    "wanted",
    "nginx",
    "sql",
    "docker",
    "javascript",
    "accounts",
    "systemd",
    "fstab",
    "tree",
    "audit",
    "redact",
    "step",
    "engine",
    "agent",
];

/// The most lines a file may have, tests included.
const LINES: usize = 500;

/// Longer files, each with its reason.
const LONG: &[(&str, &str)] = &[];

#[test]
fn imports_point_down() {
    let broken = |file: &Source| {
        let from = file.module();
        let upward = |to: &str| LAYERS.iter().position(|row| row.contains(&to)) > Some(layer(&from));
        file.complaints(|code| {
            let to = mentioned(code).into_iter().find(|to| upward(to) && !file.excused(to))?;
            Some(format!("{from} speaks of {to}, which stands above it"))
        })
    };
    complain(sources().iter().flat_map(broken));
}

#[test]
fn neighbours_do_not_speak_of_each_other_both_ways() {
    let edges: BTreeSet<(String, String)> = sources().iter().flat_map(Source::edges).collect();
    let back = |(from, to): &(String, String)| edges.contains(&(to.clone(), from.clone()));
    let knots: BTreeSet<(&str, &str)> = edges
        .iter()
        .filter(|edge| edge.0 < edge.1 && back(edge))
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    let known: BTreeSet<(&str, &str)> = KNOTS.iter().map(|(from, to, _)| (*from, *to)).collect();
    complain(
        knots.difference(&known).map(|(from, to)| format!("src/{from} and src/{to} speak of each other")),
    );
    complain(known.difference(&knots).map(|(from, to)| format!("{from} and {to}: take them out of KNOTS")));
}

#[test]
fn files_of_a_module_do_not_speak_of_each_other_in_a_circle() {
    let found: BTreeSet<(String, String)> = circles(&sources());
    let known: BTreeSet<(String, String)> =
        CIRCLES.iter().map(|(module, files, _)| (module.to_string(), files.join(", "))).collect();
    let new = found.difference(&known);
    complain(new.map(|(module, files)| format!("src/{module}: {files} speak of each other in a circle")));
    complain(
        known.difference(&found).map(|(module, files)| format!("src/{module}: take {files} out of CIRCLES")),
    );
}

#[test]
fn every_module_has_a_layer() {
    let missing = |file: &Source| {
        let module = file.module();
        let known = module == "testing" || LAYERS.iter().any(|row| row.contains(&module.as_str()));
        (!known).then(|| format!("{}: {module} has no row in LAYERS of tests/local/structure.rs", file.path))
    };
    complain(sources().iter().filter_map(missing));
}

#[test]
fn only_ssh_and_demo_name_russh() {
    let others = sources().into_iter().filter(|file| !["ssh", "demo"].contains(&file.module().as_str()));
    complain(others.flat_map(|file| {
        file.complaints(|code| {
            code.contains("russh::").then(|| "only src/ssh and src/demo name russh".to_string())
        })
    }));
}

#[test]
fn what_hosts_run_is_synchronous() {
    let on_hosts = sources().into_iter().filter(|file| ON_HOSTS.contains(&file.module().as_str()));
    complain(on_hosts.flat_map(|file| {
        file.complaints(|code| code.contains("tokio::").then(|| "no tokio in what hosts run".to_string()))
    }));
}

#[test]
fn a_step_kind_is_one_file_and_one_row() {
    let domains = rust_files_in("src/step").into_iter().filter(|domain| domain != "tests");
    complain(domains.flat_map(|domain| {
        let rows = rows_of(&domain);
        let kinds = rust_files_in(&format!("src/step/{domain}"));
        let silent = kinds.difference(&rows).map(|kind| format!("src/step/{domain}/{kind}.rs has no row"));
        let lost = rows.difference(&kinds).map(|kind| format!("src/step/{domain}.rs: {kind} has no file"));
        silent.chain(lost).collect::<Vec<_>>()
    }));
}

/// The kinds in the table of a domain.
fn rows_of(domain: &str) -> BTreeSet<String> {
    let text = read(format!("src/step/{domain}.rs"));
    let (_, rows) = text.split_once("kinds! {").expect("a domain's file has a table of kinds");
    let (rows, _) = rows.split_once("\n}").expect("the table has an end");
    let row = |line: &str| Some(line.trim().strip_suffix(',')?.split_once("::")?.0.to_string());
    rows.lines().filter_map(row).collect()
}

/// The names of the `.rs` files directly in `directory`.
fn rust_files_in(directory: &str) -> BTreeSet<String> {
    let paths = files(directory, "rs").into_iter();
    paths.filter(|path| path.parent() == Some(Path::new(directory))).map(|path| stem(&path)).collect()
}

#[test]
fn only_steps_name_a_step_kind() {
    let outside = sources().into_iter().filter(|file| file.module() != "step");
    let domains = rust_files_in("src/step");
    complain(outside.flat_map(|file| {
        file.complaints(|code| {
            let named = domains.iter().find(|domain| names_a_module(code, domain))?;
            Some(format!("step::{named}: ask a step by a method of Step, whatever its kind"))
        })
    }));
}

/// Whether a line of code names what is in the module `step::domain`.
fn names_a_module(code: &str, domain: &str) -> bool {
    let path = format!("step::{domain}::");
    let listed = code.split_once("crate::step::{").map(|(_, names)| names);
    let in_list =
        |names: &str| names.split([',', '}']).any(|name| name.trim().starts_with(&format!("{domain}::")));
    code.match_indices(&path).any(|(at, _)| !in_a_name(code, at)) || listed.is_some_and(in_list)
}

fn in_a_name(code: &str, at: usize) -> bool {
    code[..at].chars().next_back().is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent = |path: &PathBuf| !fs::read_to_string(path).unwrap_or_default().starts_with("//!");
    let rust =
        ["src", "tests"].iter().flat_map(|folder| files(folder, "rs")).chain([PathBuf::from("build.rs")]);
    complain(rust.filter(silent).map(|path| format!("{}:1: it does not open with //!", path.display())));
}

#[test]
fn lints_are_expected_and_never_allowed() {
    let attribute = concat!("[all", "ow(");
    let unfinished = [concat!("to", "do!("), concat!("unimpl", "emented!(")];
    complain(sources().iter().flat_map(|file| {
        file.complaints_in_all(|code| {
            let allowed =
                code.contains(attribute).then(|| "expect(lint, reason = …), never allow".to_string());
            let unfinished = unfinished.iter().find(|name| code.contains(*name));
            allowed.or_else(|| unfinished.map(|name| format!("{name}) is not for a commit")))
        })
    }));
}

#[test]
fn nothing_names_a_developers_machine() {
    let names = [concat!("/wo", "rk/"), concat!("../sha", "red"), concat!("/root/", ".cargo")];
    let folders = ["src", "tests", "docs", "playbooks", "inventories", "templates", "files", ".ci"];
    let top = ["README.md", "ARCHITECTURE.md", "Cargo.toml", "build.rs", "clippy.toml"];
    let all = folders.iter().flat_map(|folder| files(folder, "")).chain(top.iter().map(PathBuf::from));
    complain(all.flat_map(|path| {
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().enumerate();
        let named = lines.filter(|(_, line)| names.iter().any(|name| begins_a_path(line, name)));
        let report =
            named.map(|(index, _)| format!("{}:{}: a path of one machine", path.display(), index + 1));
        report.collect::<Vec<_>>()
    }));
}

#[test]
fn files_are_short() {
    let long = |file: &&Source| file.text.lines().count() > LINES;
    let excused = |path: &str| LONG.iter().any(|(excused, _)| *excused == path);
    let sources = sources();
    let too_long = sources.iter().filter(long).filter(|file| !excused(&file.path));
    complain(
        too_long.map(|file| format!("{}: more than {LINES} lines; look for the second idea", file.path)),
    );
    let short = LONG.iter().filter(|(path, _)| !sources.iter().filter(long).any(|file| file.path == *path));
    complain(short.map(|(path, _)| format!("{path} is short by now: take it out of LONG")));
}

#[test]
fn no_test_is_forgotten() {
    let programs = ["tests/local", "tests/lab"];
    let stray = files("tests", "rs").into_iter().filter(|path| path.parent() == Some(Path::new("tests")));
    complain(stray.map(|path| format!("{}: move it to tests/local or tests/lab", path.display())));
    for program in programs {
        let absent = |path: &PathBuf| {
            let directory = path.parent().expect("it is in a directory");
            let above = match directory == Path::new(program) {
                true => directory.join("main.rs"),
                false => directory.with_extension("rs"),
            };
            let declared = *path == above || read(&above).contains(&format!("\nmod {};\n", stem(path)));
            (!declared).then(|| format!("{}: mod {} is missing", above.display(), stem(path)))
        };
        complain(files(program, "rs").iter().filter_map(absent));
    }
}

/// Examples are constants that tests run (`EXAMPLE` of a step). One in a comment would need a stage of its own in `.ci/run`,
/// which compiles the library once more.
#[test]
fn comments_hold_no_examples_to_compile() {
    let fence = concat!("``", "`");
    let comment = |line: &str| line.starts_with("///") || line.starts_with("//!");
    complain(sources().iter().flat_map(|file| {
        file.complaints_in_all(|line| {
            let line = line.trim_start();
            (comment(line) && line.contains(fence)).then(|| "make the example a test".to_string())
        })
    }));
}

#[test]
fn no_test_is_ignored() {
    let attribute = concat!("#[", "ignore");
    let all = ["src", "tests"].iter().flat_map(|folder| files(folder, "rs"));
    let ignored = all.filter(|path| read(path).contains(attribute));
    complain(ignored.map(|path| format!("{}: tests/runner says which tests are left out", path.display())));
}

#[test]
fn the_map_shows_every_module() {
    let Ok(map) = fs::read_to_string("ARCHITECTURE.md") else { return };
    let modules: BTreeSet<String> =
        sources().iter().map(Source::module).filter(|name| name != "testing").collect();
    let shown =
        |module: &&String| map.contains(&format!("{module}.rs")) || map.contains(&format!("src/{module}"));
    complain(
        modules
            .iter()
            .filter(|module| !shown(module))
            .map(|name| format!("ARCHITECTURE.md: src/{name} is missing")),
    );
}

#[test]
fn excuses_are_still_needed() {
    let needed = |(path, to, _): &&(&str, &str, &str)| {
        let file = sources().into_iter().find(|file| file.path == *path);
        file.is_some_and(|file| file.code().any(|(_, code)| mentioned(code).contains(&to.to_string())))
    };
    let stale = UPWARD.iter().filter(|excuse| !needed(excuse));
    complain(stale.map(|(path, to, _)| format!("{path} no longer speaks of {to}: take it out of UPWARD")));
}

/// A file of `src/`.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module of `src/` that it belongs to.
    fn module(&self) -> String {
        let below = self.path.trim_start_matches("src/").trim_start_matches("bin/");
        below.split(['/', '.']).next().unwrap_or_default().to_string()
    }

    /// Whether it is only compiled for tests.
    fn is_test(&self) -> bool {
        self.module() == "testing" || self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// Its lines before its tests, numbered, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = if self.is_test() { "" } else { &self.text };
        let before_tests = all.split("\nmod tests").next().unwrap_or_default();
        let lines = before_tests.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `src/engine/work/one.rs` is engine, work, one.
    fn path_in_crate(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').map(str::to_string).collect()
    }

    /// The paths in this crate that its code names with `crate::` or `super::`.
    fn paths_named(&self) -> Vec<Vec<String>> {
        let code = self.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        let here = self.path_in_crate();
        let starts = |root: &'static str| {
            let found = code.match_indices(root).filter(|(at, _)| !in_a_word(&code, *at));
            found.map(|(at, root)| at + root.len()).collect::<Vec<_>>()
        };
        let absolute = starts("crate::").into_iter().flat_map(|at| paths_at(&[], &code[at..]));
        let relative = starts("super::").into_iter().flat_map(|at| {
            let (mut base, mut rest) = (&here[..here.len() - 1], &code[at..]);
            while let Some(further) = rest.strip_prefix("super::") {
                (base, rest) = (&base[..base.len().saturating_sub(1)], further);
            }
            paths_at(base, rest)
        });
        absolute.chain(relative).collect()
    }

    fn excused(&self, to: &str) -> bool {
        UPWARD.iter().any(|(path, module, _)| *path == self.path && *module == to)
    }

    fn complaints(&self, rule: impl Fn(&str) -> Option<String>) -> Vec<String> {
        self.code()
            .filter_map(|(line, code)| Some(format!("{}:{line}: {}", self.path, rule(code)?)))
            .collect()
    }

    fn complaints_in_all(&self, rule: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        lines
            .filter_map(|(index, code)| Some(format!("{}:{}: {}", self.path, index + 1, rule(code)?)))
            .collect()
    }

    fn edges(&self) -> Vec<(String, String)> {
        let from = self.module();
        let to = self.code().flat_map(|(_, code)| mentioned(code)).collect::<Vec<_>>();
        to.into_iter().filter(|to| *to != from && !self.excused(to)).map(|to| (from.clone(), to)).collect()
    }
}

/// The circles among files of one module, as module and members.
fn circles(sources: &[Source]) -> BTreeSet<(String, String)> {
    let names: BTreeSet<Vec<String>> = sources.iter().map(Source::path_in_crate).collect();
    let mut edges: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for source in sources {
        let from = source.path_in_crate();
        for to in source.paths_named() {
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) else { continue };
            if shared > 0 && names.contains(&to[..=shared]) {
                edges.entry(from[..shared].join("/")).or_default().insert((one.clone(), other.clone()));
            }
        }
    }
    edges.iter().flat_map(|(module, edges)| knotted(edges).map(|knot| (module.clone(), knot))).collect()
}

/// The sets of names that reach each other.
fn knotted(edges: &BTreeSet<(String, String)>) -> impl Iterator<Item = String> {
    let reach = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from.clone()];
        while let Some(one) = next.pop() {
            let to = edges.iter().filter(|edge| edge.0 == one).map(|edge| edge.1.clone());
            next.extend(to.filter(|to| seen.insert(to.clone())));
        }
        seen
    };
    let names: BTreeSet<&String> = edges.iter().map(|edge| &edge.0).collect();
    let reached: BTreeMap<&String, BTreeSet<String>> =
        names.into_iter().map(|name| (name, reach(name))).collect();
    let in_circle = reached.iter().filter(|(name, reached)| reached.contains(**name));
    let knots: BTreeSet<String> = in_circle
        .map(|(name, to)| {
            let back = to.iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(*name)));
            back.cloned().collect::<Vec<_>>().join(", ")
        })
        .collect();
    knots.into_iter()
}

/// The paths that begin at `at` in code: one, or those of a group in braces.
fn paths_at(prefix: &[String], code: &str) -> Vec<Vec<String>> {
    let code = code.trim_start();
    if let Some(group) = code.strip_prefix('{') {
        return split_group(group).into_iter().flat_map(|part| paths_at(prefix, part)).collect();
    }
    let code = code.strip_prefix("r#").unwrap_or(code);
    let end = code.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let path = [prefix, &[name.to_string()]].concat();
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => paths_at(&path, rest),
        _ => vec![path],
    }
}

/// The parts of a group in braces, up to the brace that ends it.
fn split_group(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[from..at]);
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// The modules of `src/` that a line of code names: `crate::model::op`, `use crate::{model, step}`, `windlass::cli`.
fn mentioned(code: &str) -> Vec<String> {
    let paths = ["crate::", "windlass::"]
        .iter()
        .flat_map(|root| code.match_indices(root).map(move |found| (found.0, root)));
    paths
        .filter(|(at, _)| !in_a_word(code, *at))
        .flat_map(|(at, root)| heads(&code[at + root.len()..]))
        .collect()
}

/// The first names of what follows `crate::`: one, or those of a group.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
    };
    match rest.strip_prefix('{') {
        Some(group) => group.split(',').map(name).filter(|name| !name.is_empty()).collect(),
        None => vec![name(rest)],
    }
}

fn in_a_word(code: &str, at: usize) -> bool {
    code[..at]
        .chars()
        .next_back()
        .is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
}

fn begins_a_path(line: &str, name: &str) -> bool {
    let part_of_one = |letter: char| letter.is_alphanumeric() || "_.-/}".contains(letter);
    line.match_indices(name).any(|(at, _)| !line[..at].chars().next_back().is_some_and(part_of_one))
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|row| row.contains(&module)).unwrap_or(LAYERS.len())
}

fn sources() -> Vec<Source> {
    let all = files("src", "rs");
    assert!(!all.is_empty(), "the tests run in the package's folder");
    all.into_iter().map(|path| Source { text: read(&path), path: path.display().to_string() }).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.as_ref().display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files below `folder` that end with `extension` (empty: all), sorted; none when there is no such folder.
fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let fits = |path: &Path| extension.is_empty() || path.extension().is_some_and(|end| end == extension);
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path, extension),
        false => Vec::from_iter(fits(&path).then_some(path)),
    };
    paths.into_iter().flat_map(below).collect()
}

fn complain(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn mentions_are_found_in_every_spelling() {
    let found = |code| mentioned(code).join(" ");
    assert_eq!(found("use crate::model::op::Op;"), "model");
    assert_eq!(found("use crate::{model, step::Step};"), "model step");
    assert_eq!(found("let x = crate::run::go(crate::wire::read());"), "run wire");
    assert_eq!(found("windlass::agent::main()"), "agent");
    assert_eq!(found("pub(crate) fn of(subcrate::model: u8)"), "");
}

#[test]
fn a_module_of_a_step_kind_is_found() {
    assert!(names_a_module("use crate::step::files::fetch;", "files"));
    assert!(names_a_module("    step::files::fetch::kept_as(path)", "files"));
    assert!(names_a_module("use crate::step::{Kind, files::fetch};", "files"));
    assert!(!names_a_module("use super::step::files;", "files"));
    assert!(!names_a_module("use crate::step::{Kind, Step};", "files"));
}

#[test]
fn a_path_of_one_machine_differs_from_a_module() {
    let folder = concat!("/wo", "rk/");
    assert!(begins_a_path(&format!("cd {folder}main"), folder));
    assert!(!begins_a_path(&format!("src/engine{folder}tests.rs"), folder));
}

#[test]
fn circles_are_found_in_groups_and_through_others() {
    let source = |path: &str, text: &str| Source { path: path.to_string(), text: text.to_string() };
    let sources = [
        source("src/m.rs", "mod a;\nmod b;\nmod c;\nuse a::A;"),
        source("src/m/a.rs", "use super::{b::{self, B}, Root};"),
        source("src/m/b.rs", "use crate::m::c;"),
        source("src/m/c.rs", "fn f() { super::a::g() }"),
        source("src/m/d.rs", "use super::a;\n// super::e"),
        source("src/m/d/e.rs", "use super::super::b;\nuse super::D;"),
    ];
    let found = circles(&sources);
    assert_eq!(found, [("m".to_string(), "a, b, c".to_string())].into());
}
