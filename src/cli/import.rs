//! `windlass import`: what other programs have, as files of a project.

use super::{Done, Global, Stop, answer, prompt};
use crate::inventory::import;
use crate::model::Failure;
use crate::model::counted::counted;
use crate::secrets::replace;
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// The file differs from its source: it is written, and what differs is named.
const DIFFERS: u8 = 2;

/// Import inventories of other programs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Convert an Ansible inventory to TOML: hosts, groups, group_vars, host_vars, how hosts are reached
    ///
    /// The file is read back and compared with its source. What TOML cannot express becomes a comment with the reason.
    /// Exit code 2 when something differs.
    Ansible {
        /// The inventory: a file, a program, or a directory
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The file to write [default: inventories/NAME.toml, as the source is called]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Replace the file when it exists
        #[arg(long)]
        force: bool,
    },
}

/// Imports.
pub fn run(args: Args, global: &Global) -> Done {
    let What::Ansible { path, to, force } = args.what;
    let project = global.project_or_here()?;
    let named = to.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    let imported = import::import(&project, &path, named.as_deref())?;
    let file = to.unwrap_or_else(|| project.root.join(format!("inventories/{}.toml", imported.stem)));
    check_free(&file, force)?;
    replace(&file, imported.text.as_bytes())?;
    global.warn(&imported.warnings);
    let (hosts, groups) = imported.counts;
    let shown = project.name_of(&file);
    let mut text = format!("wrote {shown}: {}, {}\n", counted(hosts, "host"), counted(groups, "group"));
    match imported.differences.is_empty() {
        true => text += "read back and compared with its source: the same hosts, groups and variables\n",
        false => text += "read back and compared with its source, this differs:\n",
    }
    imported.differences.iter().for_each(|difference| text += &format!("  {difference}\n"));
    if is_read_too(&project.root, &path) {
        text += &format!("windlass reads {} too: move it out of inventories/\n", path.display());
    }
    answer(&text)?;
    Ok(if imported.differences.is_empty() { 0 } else { DIFFERS })
}

/// A file that is there is replaced only when a person says so.
fn check_free(file: &Path, force: bool) -> Result<(), Stop> {
    if force || !file.exists() {
        return Ok(());
    }
    match prompt::confirm(&format!("{} exists. Replace it?", file.display())) {
        Some(true) => Ok(()),
        answer => {
            let why = if answer.is_none() { "it exists" } else { "it exists, and stays as it is" };
            let failure = Failure::new(format!("write {}", file.display()), why);
            Err(Stop::misused(failure.hint("name another file with --to, or replace it with --force")))
        }
    }
}

fn is_read_too(root: &Path, path: &Path) -> bool {
    let inventories = root.join("inventories");
    std::path::absolute(path).is_ok_and(|path| path.starts_with(&inventories))
}
