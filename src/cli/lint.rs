//! `windlass lint [PATH…]`: checks inventories, playbooks and templates without connecting.

use super::{Done, Global, Stop, answer};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Inventory;
use crate::playbook::Playbook;
use crate::project::Project;
use crate::report::Format;
use crate::source::Place;
use crate::template::Templates;
use std::path::{Path, PathBuf};

/// Check inventories, playbooks and templates without connecting
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to check, instead of all of the project's
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What a file is checked as.
enum Kind {
    Inventory,
    Playbook,
    Template,
}

/// Prints every problem; exit code 5 when one is an error.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.project()?;
    let files = match args.paths.as_slice() {
        [] => all(&project)?,
        paths => named(paths, &project)?,
    };
    let mut problems = Diagnostics::default();
    for (kind, path) in &files {
        check(kind, path, &project, &mut problems);
    }
    match (global.format(), problems.errors()) {
        (Format::Human, 0) => {
            answer(&format!("{}{} files checked, no errors\n", problems.plain(), files.len()))
        }
        (Format::Human, _) => Err(Stop::Misused(problems)),
        (_, errors) => answer(&format!("{:#}\n", problems.json()))
            .map(|fine| if errors == 0 { fine } else { super::MISUSED }),
    }
}

/// All inventories, playbooks and templates of the project.
fn all(project: &Project) -> Result<Vec<(Kind, PathBuf)>, Stop> {
    let inventories = project.files("inventories", false)?.into_iter().map(|path| (Kind::Inventory, path));
    let playbooks = project.files("playbooks", true)?.into_iter().filter(|path| is_toml(path));
    let templates = project.files("templates", true)?.into_iter().map(|path| (Kind::Template, path));
    let playbooks = playbooks.map(|path| (Kind::Playbook, path));
    Ok(inventories.chain(playbooks).chain(templates).collect())
}

/// The named files, checked as what their folder says; elsewhere, as playbooks.
fn named(paths: &[PathBuf], project: &Project) -> Result<Vec<(Kind, PathBuf)>, Stop> {
    let kind_of = |path: &Path| match path {
        path if path.starts_with(project.root.join("inventories")) => Kind::Inventory,
        path if path.starts_with(project.root.join("templates")) => Kind::Template,
        _ => Kind::Playbook,
    };
    let absolute = |path: &PathBuf| {
        use crate::model::Doing;
        let path = path.canonicalize().doing(format!("check {}", path.display())).map_err(Stop::Refused)?;
        Ok((kind_of(&path), path))
    };
    paths.iter().map(absolute).collect()
}

fn check(kind: &Kind, path: &Path, project: &Project, problems: &mut Diagnostics) {
    let found = match kind {
        Kind::Inventory => Inventory::load(project, &[path.to_path_buf()]).err(),
        Kind::Playbook => playbook(path, project).err(),
        Kind::Template => template(path, project).err(),
    };
    problems.append(found.unwrap_or_default());
}

fn playbook(path: &Path, project: &Project) -> Result<(), Diagnostics> {
    Playbook::read(project, &project.read(path)?).map(drop)
}

fn template(path: &Path, project: &Project) -> Result<(), Diagnostics> {
    let source = project.read(path)?;
    let names = Templates::names(&source.text, false);
    names.map(drop).map_err(|failure| Diagnostic::failure(&failure, &Place::whole(&source)).into())
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}
