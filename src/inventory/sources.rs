//! Which files are an inventory, and in what form each is.

use super::ansible;
use super::file::{self, File};
use super::name::HostName;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::project::Project;
use crate::source::{Node, Source};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that stand in directories of inventories and are none, as Ansible has it.
const IGNORED: &[&str] =
    &["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "orig", "cfg", "retry", "log", "lock"];

/// Directories that stand there and hold no inventories.
const NO_INVENTORIES: &[&str] = &["group_vars", "host_vars", "vars_plugins"];

/// Behind the name of a program where its output is meant.
pub const PRINTED: &str = " (printed)";

/// What hosts of the command line are read from.
pub const TYPED: &str = "-i.ini";

/// What becomes of inventories that are programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// They are run.
    Run,
    /// They are left out.
    LeaveOut,
}

/// What was read.
pub struct Read {
    /// The files in order.
    pub files: Vec<File>,
    /// Their texts, and what programs printed.
    pub sources: Vec<Arc<Source>>,
    /// Where `group_vars` and `host_vars` are looked for: the directories that were named, and those of named files.
    pub directories: Vec<PathBuf>,
}

/// Reads the inventories: `typed` when some are given, else those `windlass.toml` names, else all of `inventories/`.
pub fn read(
    project: &Project,
    typed: &[PathBuf],
    programs: Programs,
    problems: &mut Diagnostics,
) -> Result<Read, Diagnostics> {
    let mut read = Read { files: Vec::new(), sources: Vec::new(), directories: Vec::new() };
    let (lists, paths): (Vec<&PathBuf>, Vec<&PathBuf>) = typed.iter().partition(|path| is_list(path));
    for path in named(project, &paths, typed.is_empty())? {
        let beside = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        if let Some(beside) = beside.filter(|beside| !read.directories.iter().any(|known| known == beside)) {
            read.directories.push(beside.to_path_buf());
        }
        let wanted = |path: &PathBuf| programs == Programs::Run || !is_program(path);
        for path in files(project, &path)?.into_iter().filter(wanted) {
            let source = problems.keep(source(project, &path));
            read.sources.extend(source);
        }
    }
    for list in lists {
        let hosts = list.to_string_lossy().replace(',', "\n");
        read.sources.push(Source::new(TYPED, hosts));
    }
    for source in &read.sources {
        let file = parse(source, problems);
        read.files.extend(problems.keep(file));
    }
    Ok(read)
}

/// `-i web1,web2`: hosts, as Ansible takes them.
fn is_list(path: &Path) -> bool {
    path.to_string_lossy().contains(',') && !path.exists()
}

/// What is named, each a file or a directory that is there.
fn named(project: &Project, typed: &[&PathBuf], by_default: bool) -> Result<Vec<PathBuf>, Diagnostics> {
    if !by_default {
        return typed.iter().map(|path| typed_path(project, path)).collect();
    }
    if project.config.inventory.is_empty() {
        return Ok(Some(project.root.join("inventories")).filter(|path| path.is_dir()).into_iter().collect());
    }
    let configured = |path: &String| {
        let path = project.root.join(path);
        let missing =
            || Diagnostic::elsewhere(format!("read the inventory {}: it does not exist", path.display()));
        match path.exists() {
            true => Ok(path),
            false => Err(missing().hint("windlass.toml names it as `inventory`").into()),
        }
    };
    project.config.inventory.iter().map(configured).collect()
}

/// A path that was typed is relative to where it was typed.
fn typed_path(project: &Project, path: &Path) -> Result<PathBuf, Diagnostics> {
    let here = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if here.exists() {
        return Ok(here);
    }
    let problem = Diagnostic::elsewhere(format!("read the inventory {}: it does not exist", path.display()));
    let of_project = project.root.join(path);
    Err(match of_project.exists() {
        true => problem
            .hint(format!("the path is relative to the current directory; write {}", of_project.display())),
        false => problem.hint("name a file or a directory; relative paths start at the current directory"),
    }
    .into())
}

/// A file is itself. In a directory all files are, and those of directories in it, but for what is clearly none.
fn files(project: &Project, path: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let is_inventory = |file: &PathBuf| {
        let below = file.strip_prefix(path).unwrap_or(file);
        let directories = below.parent().into_iter().flat_map(Path::iter);
        let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        let elsewhere =
            |name: &std::ffi::OsStr| hidden(name) || NO_INVENTORIES.iter().any(|known| name == *known);
        let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        !directories.into_iter().any(elsewhere) && !IGNORED.contains(&ending.as_str())
    };
    let all = project.files(&path.display().to_string(), true)?;
    Ok(all.into_iter().filter(is_inventory).collect())
}

/// A file's text, or what it prints when it is a program.
fn source(project: &Project, path: &Path) -> Result<Arc<Source>, Diagnostics> {
    if !is_program(path) {
        return Ok(project.read(path)?);
    }
    let name = project.name_of(path);
    project.check(path, &format!("run {name}"))?;
    let answer = ansible::ask(path, &name)?;
    Ok(Source::new(format!("{name}{PRINTED}"), answer.to_text()))
}

/// Reads one source in the form that its name and text say.
pub fn parse(source: &Arc<Source>, problems: &mut Diagnostics) -> Result<File, Diagnostics> {
    let printed = source.name.strip_suffix(PRINTED);
    let path = Path::new(printed.unwrap_or(&source.name));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = match stem.as_ref() {
        // Their hosts are in no group because of it.
        "all" | "-i" => String::new(),
        _ => HostName::parse(&stem)
            .map_err(|why| Diagnostic::elsewhere(format!("read {}: {why}", path.display())))?
            .to_string(),
    };
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    Ok(match ending.as_ref() {
        _ if printed.is_some() => {
            ansible::printed(&stem, &path.display().to_string(), &source.text, problems)?
        }
        "toml" => file::read(&stem, &Node::parse(source)?, problems),
        "ini" => ansible::ini(&stem, source, problems),
        "yml" | "yaml" | "json" => ansible::yaml(&stem, source, problems),
        _ if ansible::looks_like_yaml(source) => ansible::yaml(&stem, source, problems),
        _ => ansible::ini(&stem, source, problems),
    })
}

/// Whether an inventory is run and its output read.
fn is_program(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let is_text = matches!(ending.as_ref(), "toml" | "ini" | "yml" | "yaml" | "json");
    is_executable(path) && ending != "toml" && (!is_text || starts_a_program(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Whether a file can be run; on some file systems every file has the mode of a program.
fn starts_a_program(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start));
    read.is_ok_and(|_| start.starts_with(b"#!") || start == *b"\x7fELF")
}
