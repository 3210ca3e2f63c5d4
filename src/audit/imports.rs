//! Imports of a JavaScript or TypeScript tree that do not exist.

use super::nearest::Nearest;
use super::packages::{Packages, Wish, package_of};
use super::walk;
use crate::javascript::import::{self, Form, Import, Imports};
use crate::javascript::parse::{self, NotParsed};
use crate::javascript::resolve::{self, Asked, Elsewhere, Led};
use crate::javascript::view::View;
use crate::model::Result;
use crate::model::counted::counted;
use crate::model::finding::{Finding, Verdict};
use crate::model::tree::pattern::Pattern;
use crate::system::Probe;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The group of findings about imports.
const GROUP: &str = "imports";

/// Of places that say the same, so many are named.
const PLACES: usize = 3;

/// What the imports of the tree at `root` lead to. `exclude` chooses files and directories that are not looked into;
/// they can be imported all the same.
pub fn of(host: &dyn Probe, root: &Path, exclude: &[Pattern]) -> Result<Vec<Finding>> {
    let view = View::of(host, root)?;
    let files = walk::files(&view, exclude)?;
    let sources = read(&view, &files)?;
    let asked: Vec<Asked<'_>> = sources
        .iter()
        .flat_map(|source| source.imports.all.iter().map(|import| Asked { file: &source.path, import }))
        .collect();
    let (led, broken) = resolve::all(&view, &asked)?;
    let mut audit = Audit::new(&view, &files, &sources);
    for (asked, led) in asked.iter().zip(&led) {
        audit.judge(*asked, led)?;
    }
    Ok(audit.findings(asked.len(), &broken))
}

/// A file and what it imports.
struct Source {
    path: PathBuf,
    imports: Imports,
    errors: Vec<NotParsed>,
}

fn read(view: &View<'_>, files: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files.iter().filter(|path| parse::is_source(path)) {
        let too_large = view.stat(path)?.is_some_and(|stat| stat.size > parse::BYTES_LIMIT as u64);
        let bytes = if too_large { None } else { view.read(path)? };
        sources.push(match bytes {
            Some(bytes) => source(path, &String::from_utf8_lossy(&bytes)),
            None => Source {
                path: path.clone(),
                imports: Imports::default(),
                errors: vec![NotParsed::too_large()],
            },
        });
    }
    Ok(sources)
}

fn source(path: &Path, text: &str) -> Source {
    let (programs, errors) = parse::each(path, text, import::of);
    let mut imports = Imports::default();
    for one in programs {
        imports.all.extend(one.all);
        imports.computed.extend(one.computed);
        imports.declared.extend(one.declared);
    }
    if parse::is_declaration(path) {
        imports.all.iter_mut().for_each(|import| import.types_only = true);
    }
    Source { path: path.to_path_buf(), imports, errors }
}

/// What was found so far.
struct Audit<'v> {
    view: &'v View<'v>,
    packages: Packages<'v>,
    nearest: Nearest<'v>,
    sources: &'v [Source],
    declared: Vec<&'v str>,
    /// Imports that do not exist, one finding each.
    missing: Vec<Finding>,
    /// Packages that are not there, by name: how it is reported, and where they are imported.
    modules: BTreeMap<(String, Absent), Vec<String>>,
    /// Reported together: places by what is said of them.
    told: BTreeMap<&'static str, Vec<String>>,
}

/// Why a package is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Absent {
    Undeclared,
    NotInstalled(Wish),
    /// Nothing at all is installed.
    NothingInstalled,
    /// Only where the failure is caught, or for types.
    Optional,
}

const COMPUTED: &str = "have a name that exists only at run time, and were not followed";
const TOOLS: &str = "name what a bundler or another runtime makes, and were not looked for";
const SHORT: &str = "leave out the file's ending, which Node accepts in no ES module (bundlers do)";
const CAUGHT: &str = "name what does not exist, and the failure is caught";

impl<'v> Audit<'v> {
    fn new(view: &'v View<'v>, files: &'v [PathBuf], sources: &'v [Source]) -> Audit<'v> {
        let scripts = sources.iter().flat_map(|source| &source.imports.declared);
        Audit {
            view,
            packages: Packages::of(view),
            nearest: Nearest::of(view, files),
            sources,
            declared: scripts.map(String::as_str).collect(),
            missing: Vec::new(),
            modules: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    fn judge(&mut self, asked: Asked<'_>, led: &Led) -> Result<()> {
        match led {
            Led::To(path) if self.is_short(asked, path)? => self.tell(SHORT, asked),
            Led::Elsewhere(Elsewhere::Tool) if !self.is_declared(asked) => self.tell(TOOLS, asked),
            Led::To(_) | Led::Elsewhere(_) => {}
            Led::Nowhere(..) if self.is_declared(asked) => {}
            Led::Nowhere(why, aims) => self.nowhere(asked, why, aims)?,
        }
        Ok(())
    }

    fn nowhere(&mut self, asked: Asked<'_>, why: &str, aims: &[PathBuf]) -> Result<()> {
        let package = package_of(&asked.import.specifier).filter(|_| aims.is_empty());
        match package {
            _ if asked.import.optional => {
                self.tell(CAUGHT, asked);
                Ok(())
            }
            Some(package) if !self.packages.installed(asked.file, package)? => self.absent(asked, package),
            _ => self.missing(asked, why, aims),
        }
    }

    /// A package that is nowhere to be found.
    fn absent(&mut self, asked: Asked<'_>, package: &str) -> Result<()> {
        let absent = match self.packages.wish(asked.file, package)? {
            None => Absent::Undeclared,
            Some(_) if !self.packages.any_installed(asked.file)? => Absent::NothingInstalled,
            Some(_) if asked.import.types_only => Absent::Optional,
            Some(wish) => Absent::NotInstalled(wish),
        };
        let place = self.place(asked);
        self.modules.entry((package.to_string(), absent)).or_default().push(place);
        Ok(())
    }

    fn missing(&mut self, asked: Asked<'_>, why: &str, aims: &[PathBuf]) -> Result<()> {
        let Import { specifier, line, types_only, .. } = asked.import;
        let marks = if *types_only { " (for its types only)" } else { "" };
        let seen = match aims {
            [] => why.to_string(),
            _ => format!("{specifier} does not exist{marks}"),
        };
        let file = self.view.name(asked.file);
        let mut finding = Finding::new(GROUP, self.place(asked), Verdict::Fail, seen)
            .detail("file", file)
            .detail("line", *line)
            .detail("specifier", specifier.as_str())
            .detail("types_only", *types_only);
        if let Some(near) = self.nearest.to(aims)? {
            finding = finding.detail("nearest", near.path.as_str()).hint(near.to_string());
        }
        self.missing.push(finding);
        Ok(())
    }

    /// An ES module that Node loads needs the whole name of a file.
    fn is_short(&mut self, asked: Asked<'_>, path: &Path) -> Result<bool> {
        let Import { specifier, form, types_only, .. } = asked.import;
        let ending = asked.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if *form != Form::Import
            || *types_only
            || !specifier.starts_with('.')
            || !["js", "mjs"].contains(&ending)
        {
            return Ok(false);
        }
        let whole = path.file_name().is_some_and(|name| specifier.ends_with(&*name.to_string_lossy()));
        Ok(!whole && !specifier.contains('?') && (ending == "mjs" || self.packages.is_module(asked.file)?))
    }

    /// `declare module` says to TypeScript that there is something. With `*` it is said of what bundlers take in; by its
    /// whole name it is no help to JavaScript that is run.
    fn is_declared(&self, asked: Asked<'_>) -> bool {
        let specifier = &asked.import.specifier;
        let typed = asked.import.types_only || parse::is_typescript(asked.file) || specifier.contains(':');
        self.declared.iter().any(|declared| match declared.split_once('*') {
            Some((before, after)) => {
                specifier.len() >= before.len() + after.len()
                    && specifier.starts_with(before)
                    && specifier.ends_with(after)
            }
            None => typed && declared == specifier,
        })
    }

    fn tell(&mut self, what: &'static str, asked: Asked<'_>) {
        let place = format!("{} {}", self.place(asked), asked.import.specifier);
        self.told.entry(what).or_default().push(place);
    }

    fn place(&self, asked: Asked<'_>) -> String {
        format!("{}:{}", self.view.name(asked.file), asked.import.line)
    }

    /// All that there is to tell, what fails first.
    fn findings(mut self, imports: usize, broken: &[(PathBuf, String)]) -> Vec<Finding> {
        let lost = self.missing.len() + self.modules.values().map(Vec::len).sum::<usize>();
        let mut findings = std::mem::take(&mut self.missing);
        findings
            .extend(self.modules.iter().map(|((package, absent), places)| module(package, *absent, places)));
        findings.extend(broken.iter().map(|(path, why)| self.broken(path, why)));
        findings.extend(self.sources.iter().flat_map(|source| self.not_parsed(source)));
        self.add_computed();
        findings.extend(self.told.iter().map(|(what, places)| {
            let count = counted(places.len(), "import");
            Finding::new(GROUP, count, Verdict::Info, format!("{what}: {}", named(places)))
        }));
        findings.push(self.summary(imports, lost));
        findings
    }

    fn summary(&self, imports: usize, lost: usize) -> Finding {
        let files = self.sources.len();
        let seen = format!(
            "{} of {} in {} exist",
            imports - lost,
            counted(imports, "import"),
            counted(files, "file")
        );
        let verdict = if files == 0 { Verdict::Unknown } else { Verdict::Info };
        let finding = Finding::new(GROUP, self.view.root().display(), verdict, seen)
            .detail("imports", imports)
            .detail("files", files)
            .detail("missing", lost);
        match files {
            0 => finding.hint("there is no JavaScript or TypeScript below it"),
            _ => finding,
        }
    }

    fn add_computed(&mut self) {
        let place = |source: &Source, line: &u32| format!("{}:{line}", self.view.name(&source.path));
        let all = self
            .sources
            .iter()
            .flat_map(|source| source.imports.computed.iter().map(|line| place(source, line)));
        let all: Vec<String> = all.collect();
        if !all.is_empty() {
            self.told.insert(COMPUTED, all);
        }
    }

    fn broken(&self, path: &Path, why: &str) -> Finding {
        let package = path.ends_with("package.json");
        let verdict = if package { Verdict::Fail } else { Verdict::Info };
        let hint = match package {
            true => "Node loads nothing that depends on it",
            false => "what it says of paths was not followed",
        };
        Finding::new("configuration", self.view.name(path), verdict, why).hint(hint)
    }

    fn not_parsed(&self, source: &Source) -> Vec<Finding> {
        let told = |error: &NotParsed| {
            let place = format!("{}:{}", self.view.name(&source.path), error.line);
            let verdict = if error.is_syntax { Verdict::Fail } else { Verdict::Info };
            Finding::new("syntax", place, verdict, &error.why)
        };
        source.errors.iter().map(told).collect()
    }
}

/// One package, with every place that imports it.
fn module(package: &str, absent: Absent, places: &[String]) -> Finding {
    let (verdict, why) = match absent {
        Absent::Undeclared => (Verdict::Fail, "no package.json declares it, and it is not installed"),
        Absent::NotInstalled(Wish::Needed) => {
            (Verdict::Fail, "package.json declares it, and it is not installed")
        }
        Absent::NotInstalled(Wish::ForDevelopment) => {
            (Verdict::Info, "declared for development, and not installed")
        }
        Absent::NotInstalled(Wish::Optional) => (Verdict::Info, "declared as optional, and not installed"),
        Absent::NothingInstalled => {
            (Verdict::Info, "declared; no package is installed here, so it was not checked")
        }
        Absent::Optional => (Verdict::Info, "declared, not installed, and imported for its types only"),
    };
    let count = places.len();
    let imported = if count == 1 { "imported once".to_string() } else { format!("imported {count} times") };
    Finding::new("modules", package, verdict, format!("{why}; {imported}: {}", named(places)))
        .detail("places", places.iter().take(100).cloned().collect::<Vec<_>>())
}

fn named(places: &[String]) -> String {
    let mut named = places.iter().take(PLACES).cloned().collect::<Vec<_>>().join(", ");
    if places.len() > PLACES {
        named.push_str(&format!(" and {} more", places.len() - PLACES));
    }
    named
}

#[cfg(test)]
mod tests;
