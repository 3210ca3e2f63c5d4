//! Which environment variables a tree on the controller needs: its code, its compose files, its examples.

mod compose;
mod text;

use super::dotenv;
use super::needs::Needs;
use super::walk;
use crate::javascript::view::View;
use crate::javascript::{parse, variables};
use crate::model::Result;
use crate::model::tree::pattern::Pattern;
use crate::system::Probe;
use std::path::Path;

/// Larger files are no source that someone wrote, in bytes.
const BYTES_LIMIT: u64 = 1 << 20;

/// Names of examples, when none is given.
const EXAMPLES: &[&str] =
    &[".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "example.env"];

/// What the tree at `root` needs. `example` is the path of an example below it; without one, those that are usually
/// there are read.
pub fn of(host: &dyn Probe, root: &Path, exclude: &[Pattern], example: Option<&str>) -> Result<Needs> {
    let view = View::of(host, root)?;
    let mut needs = Needs::default();
    for path in walk::files(&view, exclude)? {
        let name = view.name(&path);
        if !is_read(&name, &path, example) {
            continue;
        }
        if view.stat(&path)?.is_some_and(|stat| stat.size > BYTES_LIMIT) {
            let why = format!("it is larger than {} KiB and was not read", BYTES_LIMIT >> 10);
            needs.unread.push((name, why));
            continue;
        }
        let bytes = view.read(&path)?.unwrap_or_default();
        add(&mut needs, &name, &path, &String::from_utf8_lossy(&bytes), example);
        needs.files += 1;
    }
    Ok(needs)
}

fn is_read(name: &str, path: &Path, example: Option<&str>) -> bool {
    is_example(name, example)
        || compose::is_compose(name)
        || is_dockerfile(name)
        || parse::is_source(path)
        || text::language(path).is_some()
}

fn is_example(name: &str, example: Option<&str>) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    example.map_or_else(|| EXAMPLES.contains(&file), |example| name == example.trim_start_matches("./"))
}

fn is_dockerfile(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file == "Dockerfile" || file.starts_with("Dockerfile.") || file.ends_with(".Dockerfile")
}

fn add(needs: &mut Needs, name: &str, path: &Path, text: &str, example: Option<&str>) {
    if is_example(name, example) {
        let (assignments, _) = dotenv::read(text);
        assignments.iter().for_each(|one| needs.name_in_example(&one.name, format!("{name}:{}", one.line)));
    } else if compose::is_compose(name) {
        compose::add(needs, name, text);
    } else if is_dockerfile(name) {
        text::gives(text)
            .into_iter()
            .for_each(|(variable, line)| needs.give(&variable, format!("{name}:{line}")));
    } else if let Some(language) = text::language(path) {
        for (variable, line, optional) in language.reads(text) {
            needs.read(&variable, format!("{name}:{line}"), optional);
        }
    } else {
        add_javascript(needs, name, path, text);
    }
}

fn add_javascript(needs: &mut Needs, name: &str, path: &Path, text: &str) {
    // Most files read nothing, and need not be parsed to know it.
    if !["env", "process"].iter().any(|word| text.contains(word)) {
        return;
    }
    let (programs, errors) = parse::each(path, text, variables::of);
    for read in
        programs.iter().flat_map(|program| &program.all).filter(|read| !is_made_by_a_bundler(&read.name))
    {
        needs.read(&read.name, format!("{name}:{}", read.line), read.optional);
    }
    needs
        .whole
        .extend(programs.iter().flat_map(|program| &program.whole).map(|line| format!("{name}:{line}")));
    needs.unread.extend(errors.into_iter().map(|error| (format!("{name}:{}", error.line), error.why)));
}

/// Vite puts these into `import.meta.env` itself.
fn is_made_by_a_bundler(name: &str) -> bool {
    ["MODE", "DEV", "PROD", "SSR", "BASE_URL"].contains(&name)
}

#[cfg(test)]
mod tests;
