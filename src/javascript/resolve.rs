//! Where imports lead, as Node, TypeScript and the usual bundlers would find it, in this order; the first that finds
//! something is believed. Which of them runs a tree cannot be known from it, so only what none of them finds is missing.

use super::across::{self, Asking};
use super::import::{Form, Import};
use super::parse;
use super::view::View;
use crate::model::{Failure, Result};
use oxc_resolver::{
    JSONError, ResolveContext, ResolveError, ResolveOptions, ResolverGeneric, TsconfigDiscovery,
};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::thread;

/// A configuration further up than this many directories does not speak of a file.
const CONFIGS_LIMIT: usize = 8;

/// Endings that may be left out, in the order of Node, then of others. `.cjs` and `.cts` are none: neither Node nor
/// TypeScript nor a bundler tries them.
const ENDINGS: &[&str] =
    &[".js", ".json", ".node", ".mjs", ".jsx", ".ts", ".tsx", ".mts", ".d.ts", ".vue", ".svelte"];

/// What TypeScript takes for an ending that only exists once it has compiled.
const SUBSTITUTES: &[(&str, &[&str])] = &[
    (".js", &[".js", ".ts", ".tsx", ".jsx", ".d.ts"]),
    (".jsx", &[".jsx", ".tsx", ".d.ts"]),
    (".mjs", &[".mjs", ".mts", ".d.mts"]),
    (".cjs", &[".cjs", ".cts", ".d.cts"]),
];

/// Conditions of `exports` and `imports` that bundlers and other runtimes set.
const BUNDLERS: &[&str] = &[
    "import",
    "require",
    "module",
    "module-sync",
    "browser",
    "worker",
    "development",
    "production",
    "types",
    "source",
    "svelte",
    "deno",
    "bun",
    "edge-light",
    "workerd",
    "react-server",
    "style",
    "sass",
    "node",
];

/// Where an import leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led {
    /// To this file.
    To(PathBuf),
    /// To something that is not looked for in files: a module of Node's own, a URL, what a tool makes.
    Elsewhere(Elsewhere),
    /// Nowhere. With the paths, endings left out, where a file was looked for when it is not a package's.
    Nowhere(String, Vec<PathBuf>),
}

/// What is not looked for in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// `node:fs`, `path`.
    Node,
    /// `https:`, `data:`.
    Url,
    /// `virtual:…`, `bun:…`: a bundler or another runtime makes it.
    Tool,
    /// A `package.json` on the way to it cannot be read, which is reported once and not for each import.
    Unread,
}

/// An import and the file it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Without links.
    pub file: &'a Path,
    /// What is imported there.
    pub import: &'a Import,
}

/// Configurations that cannot be read, and why.
pub type Broken = Vec<(PathBuf, String)>;

/// Where each of these leads, in the same order, and what is wrong with configurations that were read on the way.
pub fn all(view: &View<'_>, asked: &[Asked<'_>]) -> Result<(Vec<Led>, Broken)> {
    let (asking, questions) = across::pair();
    let root = view.root().to_path_buf();
    thread::scope(|scope| {
        let resolving = scope.spawn(move || {
            let mut resolver = Resolver::new(asking, root);
            let led = asked.iter().map(|one| resolver.lead(*one)).collect();
            (led, resolver.broken.into_iter().collect())
        });
        across::serve(view, &questions);
        resolving.join().map_err(|_| Failure::new("resolve imports", "the resolver gave up"))
    })
}

type Oxc = ResolverGeneric<Asking>;

/// One resolver for each way of looking; they share what they have seen.
struct Resolver {
    import: Oxc,
    require: Oxc,
    typescript: Oxc,
    bundler: Oxc,
    /// TypeScript that does not know `exports` (`moduleResolution: node10`).
    typescript_of_old: Oxc,
    /// As `import`, `require` and `bundler`, for files whose tsconfig.json cannot be read.
    plain: Oxc,
    root: PathBuf,
    /// The tsconfig.json and jsconfig.json files that may speak of the files of a directory.
    configs: HashMap<PathBuf, Vec<PathBuf>>,
    /// Configurations that cannot be read, and why.
    broken: HashMap<PathBuf, String>,
}

impl Resolver {
    fn new(asking: Asking, root: PathBuf) -> Resolver {
        let auto = || options(&["node", "import", "module-sync"], &["main"], &root);
        let import = Oxc::new_with_file_system(asking, auto());
        let with = |options| import.clone_with_options(options);
        let require = with(options(&["node", "require", "module-sync"], &["main"], &root));
        let typescript = with(with_substitutes(options(
            &["types", "import", "require", "node"],
            &["types", "typings", "main"],
            &root,
        )));
        let before_exports = ResolveOptions { exports_fields: Vec::new(), ..typescript.options().clone() };
        let typescript_of_old = with(before_exports);
        let fields = ["module", "browser", "main", "svelte", "types", "typings"];
        let bundler = with(options(BUNDLERS, &fields, &root));
        let plain =
            with(with_substitutes(ResolveOptions { tsconfig: None, ..options(BUNDLERS, &fields, &root) }));
        Resolver {
            import,
            require,
            typescript,
            typescript_of_old,
            bundler,
            plain,
            root,
            configs: HashMap::new(),
            broken: HashMap::new(),
        }
    }

    fn lead(&mut self, asked: Asked<'_>) -> Led {
        let specifier = bare(&asked.import.specifier);
        if let Some(elsewhere) = scheme(specifier) {
            return Led::Elsewhere(elsewhere);
        }
        if asked.import.form == Form::Url {
            return self.url(asked.file, specifier);
        }
        match self.tries(asked, specifier) {
            Ok(led) => led,
            Err(ResolveError::Json(_)) => Led::Elsewhere(Elsewhere::Unread),
            Err(_) if is_made(specifier) => Led::Elsewhere(Elsewhere::Tool),
            Err(error) => Led::Nowhere(why(specifier, &error), self.aimed_at(asked.file, specifier)),
        }
    }

    /// Where a file was looked for: beside the one that imports it, or where a configuration's `paths` say.
    fn aimed_at(&mut self, file: &Path, specifier: &str) -> Vec<PathBuf> {
        let folder = file.parent().unwrap_or(Path::new("/"));
        match specifier.as_bytes().first() {
            Some(b'.') => vec![joined(folder, specifier)],
            Some(b'/') => vec![joined(&self.root, specifier.trim_start_matches('/'))],
            _ => {
                self.configs_above(folder).iter().flat_map(|config| self.aliased(config, specifier)).collect()
            }
        }
    }

    fn aliased(&self, config: &Path, specifier: &str) -> Vec<PathBuf> {
        let Ok(config) = self.typescript.resolve_tsconfig(config) else { return Vec::new() };
        let Some(paths) = &config.compiler_options.paths else { return Vec::new() };
        let fitting =
            paths.iter().filter_map(|(pattern, targets)| Some((wildcard(pattern, specifier)?, targets)));
        fitting
            .flat_map(|(rest, targets)| {
                targets.iter().map(move |target| target.to_string_lossy().replace('*', rest))
            })
            .map(PathBuf::from)
            .collect()
    }

    /// The first error is the one that is reported: Node's own.
    fn tries(&mut self, asked: Asked<'_>, specifier: &str) -> Result<Led, ResolveError> {
        let first = match asked.import.form {
            Form::Require => &self.require,
            _ => &self.import,
        };
        let error = match led(first.resolve_file(asked.file, specifier)) {
            Err(error) => error,
            found => return found,
        };
        self.note(&error);
        let typed = parse::is_typescript(asked.file) || asked.import.types_only;
        let found = typed
            .then(|| led(self.typescript.resolve_file(asked.file, specifier)).ok())
            .flatten()
            .or_else(|| typed.then(|| led(self.typescript.resolve_dts(asked.file, specifier)).ok()).flatten())
            .or_else(|| typed.then(|| self.by_old_typescript(asked, specifier)).flatten())
            .or_else(|| led(self.bundler.resolve_file(asked.file, specifier)).ok())
            .or_else(|| {
                led(self.plain.resolve_file(asked.file, specifier))
                    .ok()
                    .filter(|_| typed || is_config(&error))
            })
            .or_else(|| self.by_other_configs(asked.file, specifier))
            .or_else(|| self.looked_for_from_top(asked.file, specifier));
        found.ok_or(if is_config(&error) { ResolveError::NotFound(specifier.to_string()) } else { error })
    }

    /// TypeScript that does not know `exports` finds files that a package does not export. Types among them are all that it
    /// needs; code that was found so is not loaded by anything.
    fn by_old_typescript(&self, asked: Asked<'_>, specifier: &str) -> Option<Led> {
        let found = led(self.typescript_of_old.resolve_file(asked.file, specifier)).ok()?;
        let Import { types_only, elided, .. } = asked.import;
        let is_typed = *types_only || (*elided && !parse::is_component(asked.file));
        match &found {
            Led::To(path) if !is_typed && !parse::is_declaration(path) => None,
            _ => Some(found),
        }
    }

    /// jsconfig.json and configurations that do not say that they mean this file: bundlers' plugins read them too.
    fn by_other_configs(&mut self, file: &Path, specifier: &str) -> Option<Led> {
        if specifier.starts_with('.') {
            return None;
        }
        let folder = file.parent()?;
        let configs = self.configs_above(folder);
        configs.iter().find_map(|config| {
            let config = self.typescript.resolve_tsconfig(config).map_err(|error| self.note(&error)).ok()?;
            let mut context = ResolveContext::default();
            let found = self.bundler.resolve_with_context(folder, specifier, Some(&config), &mut context);
            found.ok().map(|found| Led::To(found.into_path_buf()))
        })
    }

    /// `/src/a.js`, `@/a`, `~/a` and `$lib/a` without a configuration that says so: what bundlers usually do.
    fn looked_for_from_top(&self, file: &Path, specifier: &str) -> Option<Led> {
        let rest = ["@/", "~/", "/", "$"].iter().find_map(|start| specifier.strip_prefix(start))?;
        let folders = file.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root));
        folders.take(CONFIGS_LIMIT).find_map(|folder| {
            ["", "src", "public", "app"].iter().find_map(|below| {
                let found = self.plain.resolve(folder.join(below), &format!("./{rest}")).ok()?;
                Some(Led::To(found.into_path_buf()))
            })
        })
    }

    /// A file beside this one, exactly; or a directory.
    fn url(&self, file: &Path, specifier: &str) -> Led {
        if specifier.starts_with('/') {
            return Led::Elsewhere(Elsewhere::Url);
        }
        let path = specifier.split(['?', '#']).next().unwrap_or_default();
        let target = file.parent().unwrap_or(Path::new("/")).join(path);
        let options = ResolveOptions { resolve_to_context: true, ..ResolveOptions::default() };
        let folder = || self.plain.clone_with_options(options).resolve(&self.root, &target.to_string_lossy());
        match self.plain.resolve(&self.root, &target.to_string_lossy()).or_else(|_| folder()) {
            Ok(found) => Led::To(found.into_path_buf()),
            Err(error) => {
                Led::Nowhere(error.to_string(), vec![joined(&self.root, &target.to_string_lossy())])
            }
        }
    }

    fn configs_above(&mut self, folder: &Path) -> Vec<PathBuf> {
        if let Some(known) = self.configs.get(folder) {
            return known.clone();
        }
        let folders =
            folder.ancestors().take_while(|above| above.starts_with(&self.root)).take(CONFIGS_LIMIT);
        let names = ["tsconfig.json", "jsconfig.json", "tsconfig.base.json", "tsconfig.app.json"];
        let paths = folders.flat_map(|above| names.map(|name| above.join(name)));
        let there = paths
            .filter(|path| self.plain.resolve(&self.root, &path.to_string_lossy()).is_ok())
            .collect::<Vec<_>>();
        self.configs.insert(folder.to_path_buf(), there.clone());
        there
    }

    fn note(&mut self, error: &ResolveError) {
        match error {
            ResolveError::Json(json) => {
                let why = format!("line {}: {}", json.line, json.message);
                self.broken.insert(json.path.clone(), why);
            }
            ResolveError::TsconfigNotFound(path) => {
                self.broken
                    .insert(path.clone(), "a tsconfig.json extends it, and it is not there".to_string());
            }
            _ => {}
        }
    }
}

fn options(conditions: &[&str], fields: &[&str], root: &Path) -> ResolveOptions {
    let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    ResolveOptions {
        tsconfig: Some(TsconfigDiscovery::Auto),
        condition_names: owned(conditions),
        main_fields: owned(fields),
        extensions: owned(ENDINGS),
        builtin_modules: true,
        node_path: false,
        roots: vec![root.to_path_buf()],
        ..ResolveOptions::default()
    }
}

fn with_substitutes(options: ResolveOptions) -> ResolveOptions {
    let owned = |(ending, others): &(&str, &[&str])| {
        (ending.to_string(), others.iter().map(|other| other.to_string()).collect())
    };
    ResolveOptions { extension_alias: SUBSTITUTES.iter().map(owned).collect(), ..options }
}

fn led(found: Result<oxc_resolver::Resolution, ResolveError>) -> Result<Led, ResolveError> {
    match found {
        Ok(found) => Ok(Led::To(found.into_path_buf())),
        Err(ResolveError::Builtin { .. }) => Ok(Led::Elsewhere(Elsewhere::Node)),
        // `"browser": { "./a": false }`
        Err(ResolveError::Ignored(_)) => Ok(Led::Elsewhere(Elsewhere::Tool)),
        Err(error) => Err(error),
    }
}

fn why(specifier: &str, error: &ResolveError) -> String {
    match error {
        ResolveError::PackagePathNotExported { .. } => {
            format!("{specifier} is not among the exports of its package")
        }
        ResolveError::PackageImportNotDefined(..) => {
            format!("{specifier} is not among the imports of package.json")
        }
        ResolveError::InvalidPackageTarget(target, ..) => {
            format!("{specifier} leads to {target}, which no package may name")
        }
        ResolveError::NotFound(_) => format!("{specifier} does not exist"),
        other => format!("{specifier} does not exist: {other}"),
    }
}

fn is_config(error: &ResolveError) -> bool {
    use ResolveError::*;
    let of_package = |json: &JSONError| json.path.ends_with("package.json");
    matches!(error, Json(json) if !of_package(json))
        || matches!(error, TsconfigNotFound(_) | TsconfigSelfReference(_) | TsconfigCircularExtend(_))
}

/// Without webpack's loaders: `raw!./a.txt`.
fn bare(specifier: &str) -> &str {
    specifier.rsplit('!').next().unwrap_or(specifier)
}

fn scheme(specifier: &str) -> Option<Elsewhere> {
    let starts = |schemes: &[&str]| schemes.iter().any(|scheme| specifier.starts_with(scheme));
    if starts(&["http:", "https:", "data:", "blob:", "file:", "//"]) {
        return Some(Elsewhere::Url);
    }
    if starts(&["node:"]) {
        return Some(Elsewhere::Node);
    }
    starts(&["bun:", "npm:", "jsr:", "deno:", "cloudflare:", "virtual:", "\0"]).then_some(Elsewhere::Tool)
}

/// Whether a bundler, a framework or another runtime makes it, when no file is it.
fn is_made(specifier: &str) -> bool {
    let of_svelte = ["$app/", "$env/", "$service-worker"].iter().any(|start| specifier.starts_with(start));
    of_svelte || specifier.contains(':') || specifier.starts_with('\0')
}

/// A path below a directory, `.` and `..` taken away.
fn joined(folder: &Path, specifier: &str) -> PathBuf {
    let path = specifier.split(['?']).next().unwrap_or_default();
    let mut joined = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => drop(joined.pop()),
            Component::CurDir => {}
            part => joined.push(part),
        }
    }
    joined
}

/// What `*` stands for when `pattern`, which has at most one, fits. A pattern that is `*` alone says nothing.
fn wildcard<'s>(pattern: &str, specifier: &'s str) -> Option<&'s str> {
    match pattern.split_once('*') {
        None => (pattern == specifier).then_some(""),
        Some(("", "")) => None,
        Some((before, after)) => specifier.strip_prefix(before)?.strip_suffix(after),
    }
}
