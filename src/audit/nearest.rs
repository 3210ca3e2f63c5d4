//! What exists nearest to a path that does not.

use crate::javascript::view::View;
use crate::model::Result;
use crate::model::nearest::nearest;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// A path that exists, and how it differs from the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Below the tree's top.
    pub path: String,
    /// How it differs.
    pub how: How,
}

/// How a path that exists differs from the one that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Only capital letters. A Mac or Windows machine finds it, a Linux host does not.
    Case,
    /// The same name in another directory.
    Elsewhere,
    /// A similar name in the same directory.
    Similar,
    /// It is a link, and what it points to is not there.
    BrokenLink,
}

/// Names of fewer letters are all similar.
const LETTERS: usize = 3;

/// Finds what is near.
pub struct Nearest<'v> {
    view: &'v View<'v>,
    /// The tree's files by their names, in small letters and without endings.
    by_name: HashMap<String, Vec<&'v PathBuf>>,
}

impl<'v> Nearest<'v> {
    /// Among these files, and what stands in the directories that are named.
    pub fn of(view: &'v View<'v>, files: &'v [PathBuf]) -> Nearest<'v> {
        let mut by_name: HashMap<String, Vec<&PathBuf>> = HashMap::new();
        for file in files {
            by_name.entry(stem(file)).or_default().push(file);
        }
        Nearest { view, by_name }
    }

    /// What is nearest to any of these paths, whose endings may be left out.
    pub fn to(&self, wanted: &[PathBuf]) -> Result<Option<Near>> {
        for path in wanted {
            if let Some(same) = self.but_for_case(path)? {
                let how = if self.view.kind(&same)?.is_some() { How::Case } else { How::BrokenLink };
                return Ok(Some(self.near(&same, how)));
            }
        }
        for path in wanted {
            if let Some(similar) = self.similar(path)? {
                return Ok(Some(self.near(&similar, How::Similar)));
            }
        }
        Ok(wanted.iter().find_map(|path| self.elsewhere(path)).map(|path| self.near(path, How::Elsewhere)))
    }

    fn near(&self, path: &Path, how: How) -> Near {
        Near { path: self.view.name(path), how }
    }

    /// The path that differs only in capital letters.
    fn but_for_case(&self, wanted: &Path) -> Result<Option<PathBuf>> {
        let mut real = PathBuf::from("/");
        let parts: Vec<&OsStr> = wanted
            .components()
            .filter(|part| *part != Component::RootDir)
            .map(Component::as_os_str)
            .collect();
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            if !last && self.view.kind(&real.join(part))?.is_some() {
                real.push(part);
                continue;
            }
            let lower = part.to_string_lossy().to_lowercase();
            let fits = |name: &str| name == lower || (last && without_ending(name) == lower);
            let Some(names) = self.view.names(&real)? else { return Ok(None) };
            let same = names.iter().find(|name| fits(&name.to_string_lossy().to_lowercase()));
            let Some(same) = same else { return Ok(None) };
            real.push(same);
        }
        Ok(Some(real))
    }

    fn similar(&self, wanted: &Path) -> Result<Option<PathBuf>> {
        let (Some(folder), Some(name)) = (wanted.parent(), wanted.file_name()) else { return Ok(None) };
        let Some(names) = self.view.names(folder)? else { return Ok(None) };
        let names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let wanted_stem = stem(Path::new(name));
        let same_stem = names.iter().find(|name| stem(Path::new(name)) == wanted_stem);
        let stems: Vec<String> = names.iter().map(|name| stem(Path::new(name))).collect();
        let like = || {
            (wanted_stem.chars().count() >= LETTERS).then_some(())?;
            let near = nearest(&wanted_stem, stems.iter().map(String::as_str))?;
            Some(&names[stems.iter().position(|stem| stem == near)?])
        };
        Ok(same_stem.or_else(like).map(|name| folder.join(name)))
    }

    /// A file of the same name in the directory that shares most with the wanted one. `index` is everywhere.
    fn elsewhere(&self, wanted: &Path) -> Option<&'v PathBuf> {
        let name = stem(wanted);
        let shared = |path: &Path| {
            path.components().zip(wanted.components()).take_while(|(one, other)| one == other).count()
        };
        let others = self.by_name.get(&name).filter(|_| name != "index")?;
        others.iter().copied().max_by_key(|path| shared(path))
    }
}

/// The file name in small letters without its ending.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    without_ending(&name).to_string()
}

fn without_ending(name: &str) -> &str {
    let endings = [
        ".d.ts", ".d.mts", ".d.cts", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue",
        ".svelte", ".json",
    ];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

impl fmt::Display for Near {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::Case => write!(out, "{} differs in capital letters only", self.path),
            How::BrokenLink => write!(out, "{} is a link, and what it points to is not there", self.path),
            How::Elsewhere => write!(out, "there is {}", self.path),
            How::Similar => write!(out, "did you mean {}?", self.path),
        }
    }
}
