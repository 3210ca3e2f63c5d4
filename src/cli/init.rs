//! `windlass init [DIR]`: a starter project.

use super::{Done, Stop, answer, schema};
use crate::model::{Doing, Failure, Result};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Create a starter project: an inventory, a playbook and a template, with comments
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory; created when it does not exist
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Only set up editors in an existing project: write this version's JSON Schemas
    #[arg(long)]
    editors: bool,
}

/// What a starter project holds.
const FILES: &[(&str, &str)] = &[
    ("windlass.toml", include_str!("init/windlass.toml")),
    ("inventories/prod.toml", include_str!("init/inventory.toml")),
    ("playbooks/hello.toml", include_str!("init/playbook.toml")),
    ("templates/motd", include_str!("init/motd")),
    (".gitignore", "/.windlass/\n/fetched/\n"),
];

/// Which files an editor checks against which schema: for Tombi, and for Even Better TOML (VS Code), which reads Taplo's.
const EDITORS: &[(&str, &str)] =
    &[("tombi.toml", include_str!("init/tombi.toml")), (".taplo.toml", include_str!("init/taplo.toml"))];

/// Where a project has the schemas that these name.
const SCHEMAS: &str = ".schemas";

/// Where a starter project's windlass.toml has the name that hosts know the project by.
const NAME: &str = "\"PROJECT\"";

/// What to do with it, after going there.
const NEXT: &str = "  put your hosts into inventories/prod.toml
  windlass lint                                              check the files
  windlass run playbook hello --hosts prod --check --diff    show what would change
  windlass run playbook hello --hosts prod                   make the change
  windlass runs undo last                                    undo it
";

/// Creates the project. When one of its files exists already, nothing is written.
pub fn run(args: Args) -> Done {
    if args.editors {
        return answer(&editors(&args.dir)?);
    }
    if let Some((name, _)) = FILES.iter().find(|(name, _)| args.dir.join(name).exists()) {
        let doing = format!("create a project in {}", args.dir.display());
        let failure = Failure::new(doing, format!("it has a {name} already"));
        return Err(Stop::misused(failure.hint("name another directory: windlass init DIR")));
    }
    directory(&args.dir.join("files"))?;
    let mut created = String::new();
    for (name, text) in FILES {
        let path = args.dir.join(name);
        write_new(&path, &text.replace(NAME, &new_name()))?;
        created += &format!("created {}\n", path.display());
    }
    created += &editors(&args.dir)?;
    answer(&format!("{created}\nnext:\n{}{NEXT}", way_into(&args.dir)))
}

/// Writes the schemas, and the settings of editors that do not exist yet. Returns what it says about it.
fn editors(dir: &Path) -> Result<String> {
    for (name, document) in schema::of_files() {
        let path = dir.join(SCHEMAS).join(format!("{name}.json"));
        write(&path, &format!("{document:#}\n"), OpenOptions::new().write(true).create(true).truncate(true))?;
    }
    let mut said = format!("created {}, for editors\n", dir.join(SCHEMAS).display());
    for (name, text) in EDITORS {
        let path = dir.join(name);
        if path.exists() {
            said += &format!("kept {}\n", path.display());
            continue;
        }
        write_new(&path, text)?;
        said += &format!("created {}\n", path.display());
    }
    Ok(said)
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
    let created = DirBuilder::new().recursive(true).mode(0o755).create(path);
    created.doing(format!("create {}", path.display()))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    write(path, text, OpenOptions::new().write(true).create_new(true))
}

fn write(path: &Path, text: &str, options: &mut OpenOptions) -> Result<()> {
    let doing = format!("write {}", path.display());
    if let Some(parent) = path.parent() {
        directory(parent)?;
    }
    // Whatever the umask is: a file that a group may write is not read.
    let mut file = options.mode(0o644).open(path).doing(&doing)?;
    file.write_all(text.as_bytes()).doing(doing)
}
