//! Imports of real open-source trees, brought in through the npm registry in fixed versions: nothing that resolves is
//! reported missing, and what is removed is missed exactly where it is imported. Node itself is asked too.
#![expect(
    clippy::disallowed_methods,
    reason = "trees are fetched with npm and asked of Node, as people do it"
)]

use crate::stage::finish;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use windlass::audit::imports;
use windlass::javascript::import::{self, Form, Import};
use windlass::javascript::resolve::{self, Asked, Led};
use windlass::javascript::view::View;
use windlass::javascript::{parse, resolve::Elsewhere};
use windlass::model::finding::{Finding, Verdict};
use windlass::model::tree::pattern::Pattern;
use windlass::system::local::Local;

/// Package, version, what of it is left out because it needs what npm does not bring, and what fails in it for good.
const TREES: &[(&str, &str, &[&str], &[&str])] = &[
    // CommonJS.
    ("express", "5.1.0", &[], &[]),
    // CommonJS with declarations; its tests import what only its developers install, and bundles that they make.
    ("fastify", "5.6.1", &["test", "examples"], &[]),
    // ES modules, `imports` and `exports` with conditions.
    ("svelte", "5.39.0", &[], &[]),
    // TypeScript sources that import `.js`.
    ("zod", "4.1.12", &["tests", "benchmarks"], &[]),
    // TypeScript sources, `paths`-like package imports, declarations in three flavours.
    ("msw", "2.11.3", &[], &[]),
    // It ships two folders that point at what it does not ship, and imports itself by a name that it does not export.
    (
        "@trpc/server",
        "11.6.0",
        &["node_modules"],
        &[
            "adapters/node-http/content-type/form-data/index.d.ts:1",
            "adapters/node-http/content-type/form-data/index.js:1",
            "adapters/node-http/content-type/json/index.d.ts:1",
            "adapters/node-http/content-type/json/index.js:1",
            "@trpc/server",
        ],
    ),
];

/// npm is asked once for each tree; a finished one lies below `target/`.
fn tree(package: &str, version: &str) -> PathBuf {
    let name = format!("{}-{version}", package.replace(['@', '/'], "_"));
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    let folder = trees.join(&name);
    fs::create_dir_all(&trees).unwrap();
    let lock = fs::File::create(trees.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !folder.join("ready").exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        run(&folder, &["npm", "pack", "--silent", &format!("{package}@{version}")]);
        run(&folder, &["sh", "-c", "tar xzf *.tgz"]);
        let install =
            ["npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--silent"];
        run(&folder.join("package"), &install);
        fs::write(folder.join("ready"), "").unwrap();
    }
    folder.join("package")
}

fn run(folder: &Path, words: &[&str]) {
    let finished = finish(Command::new(words[0]).args(&words[1..]).current_dir(folder));
    assert_eq!(finished.code, 0, "{words:?}: {finished:?}");
}

fn patterns(names: &[&str]) -> Vec<Pattern> {
    let all = [".git", "node_modules"].iter().chain(names);
    all.map(|name| Pattern::try_from(name.to_string()).unwrap()).collect()
}

/// What fails: places of imports, and names of modules.
fn failing(root: &Path, exclude: &[Pattern]) -> BTreeSet<String> {
    let findings = imports::of(&Local::new(), root, exclude).unwrap();
    let failing = findings.into_iter().filter(|finding| finding.verdict == Verdict::Fail);
    failing.map(|finding: Finding| finding.what).collect()
}

#[test]
fn what_is_there_is_never_missed() {
    for (package, version, exclude, expected) in TREES {
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(failing(&tree(package, version), &patterns(exclude)), expected, "{package}");
    }
}

/// An import of a file that is no test, and where it leads.
struct Known {
    file: PathBuf,
    import: Import,
    led: Led,
}

fn known(root: &Path, exclude: &[Pattern]) -> Vec<Known> {
    let host = Local::new();
    let view = View::of(&host, root).unwrap();
    let files = windlass::audit::walk::files(&view, exclude).unwrap();
    let read = |path: &PathBuf| {
        let (programs, _) = parse::each(path, &fs::read_to_string(path).unwrap_or_default(), import::of);
        let imports = programs.into_iter().flat_map(|program| program.all);
        imports.map(|import| (path.clone(), import)).collect::<Vec<_>>()
    };
    let all: Vec<(PathBuf, Import)> =
        files.iter().filter(|path| parse::is_source(path)).flat_map(read).collect();
    let asked: Vec<Asked> = all.iter().map(|(file, import)| Asked { file, import }).collect();
    let (led, _) = resolve::all(&view, &asked).unwrap();
    all.into_iter().zip(led).map(|((file, import), led)| Known { file, import, led }).collect()
}

#[test]
fn what_is_removed_is_missed_exactly_where_it_is_imported() {
    for (package, version, exclude, already) in TREES {
        let (original, exclude) = (tree(package, version), patterns(exclude));
        let copy = tempfile::tempdir().unwrap();
        run(copy.path(), &["cp", "-r", &original.display().to_string(), "tree"]);
        let root = copy.path().join("tree").canonicalize().unwrap();

        let known = known(&root, &exclude);
        let gone = taken_away(&root, &known);
        assert!(!gone.is_empty(), "{package}");
        gone.iter().for_each(|path| fs::remove_file(path).unwrap());

        let place = |known: &Known| {
            let file = known.file.strip_prefix(&root).unwrap();
            format!("{}:{}", file.display(), known.import.line)
        };
        let lost = known.iter().filter(|known| !gone.contains(&known.file) && !known.import.optional);
        // `declare module` gives declarations as much as a file does.
        let lost = lost
            .filter(|known| !parse::is_declaration(&known.file) || known.import.specifier.starts_with('.'));
        let lost = lost.filter(|known| matches!(&known.led, Led::To(path) if gone.contains(path)));
        let mut expected: BTreeSet<String> = lost.map(place).collect();
        expected.extend(already.iter().map(ToString::to_string));
        assert_eq!(failing(&root, &exclude), expected, "{package} without {gone:#?}");
        println!("{package}: {} files taken away, {} imports missed", gone.len(), expected.len());
    }
}

/// Every seventh file that something imports by its path, unless another file could be found in its place.
fn taken_away(root: &Path, known: &[Known]) -> BTreeSet<PathBuf> {
    let targets = known.iter().filter_map(|known| match &known.led {
        Led::To(path) if path.starts_with(root) && !path.iter().any(|part| part == "node_modules") => {
            Some(path.clone())
        }
        _ => None,
    });
    // A package may lead bundlers to another file than Node, and either is enough.
    let by_name =
        known.iter().filter(|known| !known.import.specifier.starts_with('.')).map(|known| &known.led);
    let by_name: Vec<&Led> = by_name.collect();
    let only_by_path = |path: &PathBuf| !by_name.contains(&&Led::To(path.clone()));
    let targets: BTreeSet<PathBuf> =
        targets.filter(|path| stands_alone(path) && only_by_path(path)).collect();
    targets.into_iter().step_by(7).collect()
}

fn stands_alone(path: &Path) -> bool {
    let stem = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or_default().to_string()
    };
    let folder = path.parent().unwrap();
    let beside =
        folder.read_dir().unwrap().filter(|entry| stem(&entry.as_ref().unwrap().path()) == stem(path));
    beside.count() == 1 && stem(path) != "index" && path.extension().is_some_and(|ending| ending != "json")
}

/// Node knows nothing of TypeScript and of bundlers, so only what it loads is asked: plain JavaScript.
#[test]
fn node_finds_what_is_found_and_nothing_else() {
    for (package, version, exclude, _) in
        TREES.iter().filter(|tree| ["express", "fastify", "svelte"].contains(&tree.0))
    {
        let root = tree(package, version).canonicalize().unwrap();
        let known = known(&root, &patterns(exclude));
        let plain = |known: &&Known| {
            let ending = known.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            ["js", "mjs", "cjs"].contains(&ending)
                && known.import.form != Form::Url
                && !known.import.types_only
        };
        let asked: Vec<&Known> = known.iter().filter(plain).collect();
        let answers = node(&asked);
        let found = |known: &Known| matches!(known.led, Led::To(_) | Led::Elsewhere(Elsewhere::Node));
        let disagreed = asked.iter().zip(&answers).filter(|(known, node)| found(known) != **node);
        let disagreed: Vec<String> = disagreed
            .map(|(known, node)| {
                format!(
                    "{}:{} {}: Node {node}",
                    known.file.display(),
                    known.import.line,
                    known.import.specifier
                )
            })
            .collect();
        assert_eq!(disagreed, Vec::<String>::new(), "{package}");
        println!("{package}: {} imports, Node agrees on all", asked.len());
    }
}

fn node(asked: &[&Known]) -> Vec<bool> {
    let form = |known: &Known| if known.import.form == Form::Require { "require" } else { "import" };
    let questions: Vec<_> =
        asked.iter().map(|known| (&known.file, &known.import.specifier, form(known))).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/node.mjs");
    let mut child = Command::new("node")
        .args(["--no-warnings", "--experimental-import-meta-resolve"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&questions).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
