//! `windlass init [DIR]`: a starter project.

use super::{Done, Stop, answer};
use crate::model::{Doing, Failure, Result};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Make a starter project: an inventory, a playbook and a template, with comments
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory; it is created where it is missing
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// What a starter project holds.
const FILES: &[(&str, &str)] = &[
    ("windlass.toml", include_str!("init/windlass.toml")),
    ("inventories/prod.toml", include_str!("init/inventory.toml")),
    ("playbooks/hello.toml", include_str!("init/playbook.toml")),
    ("templates/motd", include_str!("init/motd")),
    (".gitignore", "/.windlass/\n/fetched/\n"),
];

/// Where a starter project's windlass.toml has the name that hosts know the project by.
const NAME: &str = "\"PROJECT\"";

/// What a person does with it, behind the way into it.
const NEXT: &str = "  put your hosts into inventories/prod.toml
  windlass lint                                              looks whether all files are right
  windlass run playbook hello --hosts prod --check --diff    shows what would change
  windlass run playbook hello --hosts prod                   changes it
  windlass runs undo last                                    takes it back
";

/// Makes the project; a file that is there stays as it is, and then nothing at all is written.
pub fn run(args: Args) -> Done {
    if let Some((name, _)) = FILES.iter().find(|(name, _)| args.dir.join(name).exists()) {
        let doing = format!("make a project in {}", args.dir.display());
        let failure = Failure::new(doing, format!("it has a {name} already"));
        return Err(Stop::misused(failure.hint("name another directory: windlass init DIR")));
    }
    directory(&args.dir.join("files"))?;
    for (name, text) in FILES {
        write_new(&args.dir.join(name), &text.replace(NAME, &new_name()))?;
    }
    let made: String =
        FILES.iter().map(|(name, _)| format!("made {}\n", args.dir.join(name).display())).collect();
    answer(&format!("{made}\nnext:\n{}{NEXT}", way_into(&args.dir)))
}

/// A name that no other project has: 64 random bits, in quotes.
fn new_name() -> String {
    format!("\"{:016x}\"", rand::random::<u64>())
}

/// Commands look for their project at or above the current directory.
fn way_into(dir: &Path) -> String {
    if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", dir.display()) }
}

fn directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.doing(format!("make {}", path.display()))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let doing = format!("write {}", path.display());
    if let Some(folder) = path.parent() {
        directory(folder)?;
    }
    // Whatever the umask is: a file that a group may write is not read.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).doing(&doing)?;
    file.write_all(text.as_bytes()).doing(doing)
}
