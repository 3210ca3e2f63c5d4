//! `windlass backups restore`: the playbook of that name, once the person has said yes; and the restore test of
//! `backups verify --restore`.

use super::Found;
use crate::cli::options::{Hosts, Options, Reach};
use crate::cli::request::Request;
use crate::cli::start::{self, Chosen};
use crate::cli::{Done, Global, Stop, prompt};
use crate::inventory::fold::fold;
use crate::model::backup::ABOUT;
use crate::model::run::RunKind;
use crate::model::{Doing, Failure};
use crate::playbook::{Playbook, shipped};
use crate::render::Selection;
use crate::source::Source;
use crate::store::Manifest;
use std::path::{Path, PathBuf};

/// What tests a restore: one step, whose params are as the playbook's.
const TRIAL: &str = include_str!("trial.toml");

/// Restore a backup on the host it came from, or on another; asks first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup: an id of `backups list`, or HOST/NAME for the newest one
    #[arg(value_name = "ID")]
    backup: String,
    /// On these hosts, instead of the one it came from
    #[arg(long = "hosts", value_name = "PATTERN")]
    hosts: Option<String>,
    /// Only this part; can be given several times
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<String>,
    /// Replace what exists, and keep the old under another name
    #[arg(long)]
    replace: bool,
    /// Make the restoring user the owner of everything in a PostgreSQL database
    #[arg(long)]
    no_owners: bool,
    /// Restore to another place: a path, or a database's name; for one part
    #[arg(long, value_name = "PATH|DB")]
    to: Option<String>,
    /// How the host reaches a database.
    #[command(flatten)]
    server: Server,
    /// Where the backup is.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// A file with an age identity, for a backup that is encrypted
    #[arg(long, value_name = "FILE")]
    age_identity: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// How.
    #[command(flatten)]
    options: Options,
}

/// How a host reaches the server of a database that is restored.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Server {
    /// The URL of the database: env:NAME or file:PATH, where it takes a password or is another server's
    #[arg(long, value_name = "WHERE")]
    database: Option<String>,
    /// The container that has the database's client, when it is not the one that the backup came from
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
}

/// Restores it.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    let (_, manifest) = project.backup(&args.backup, args.store.as_deref()).map_err(Stop::misused)?;
    let source = Source::new("playbooks/restore.toml", shipped::find("restore").unwrap_or_default());
    let mut playbook = Playbook::read(&project, &source)?;
    playbook.name = "restore".to_string();
    let pattern = args.hosts.clone().unwrap_or_else(|| manifest.host.clone());
    let chosen = start::choose(project, &Hosts::default(), Some(pattern))?;
    let options = Options { vars: vars_of(&args, &manifest)?, ..args.options.clone() };
    if !args.yes && !options.check {
        ask(&args, &manifest, &chosen)?;
    }
    let request = Request::playbook(RunKind::Playbook, playbook, Selection::default());
    start::run(request, &chosen, &options, global)
}

/// Restores a backup into something that is thrown away, on the host it came from or on another.
pub fn test(
    found: &Found,
    on: Option<&str>,
    identity: Option<&Path>,
    server: &Server,
    global: &Global,
) -> Done {
    let project = global.project_or_here()?;
    let place = &found.entry.place;
    let mut playbook = Playbook::read(&project, &Source::new("restore test", TRIAL))?;
    playbook.name = format!("restore test of {}", place.id);
    let pattern = on.map_or_else(|| place.host.clone(), str::to_string);
    let chosen = start::choose(project, &Hosts::default(), Some(pattern))?;
    let mut vars = vec![var("backup", place.id.as_str()), var("store", &found.store_name)];
    vars.extend(identity_var(identity)?);
    vars.extend(server.vars());
    let request = Request::playbook(RunKind::Step, playbook, Selection::default());
    let options = Options { vars, reach: Reach::default(), ..Options::default() };
    start::run(request, &chosen, &options, global)
}

impl Server {
    fn vars(&self) -> Vec<String> {
        let database = self.database.as_deref().map(|database| var("database", database));
        let container = self.container.as_deref().map(|container| var("container", container));
        database.into_iter().chain(container).collect()
    }
}

/// What the playbook is given.
fn vars_of(args: &Args, manifest: &Manifest) -> Result<Vec<String>, Stop> {
    let parts: Vec<toml::Value> = args.parts.iter().map(|part| part.as_str().into()).collect();
    let mut vars = vec![var("backup", manifest.id.as_str()), format!("parts={}", toml::Value::from(parts))];
    vars.push(format!("replace={}", args.replace));
    vars.push(format!("owners={}", !args.no_owners));
    vars.extend(args.to.as_deref().map(|to| var("to", to)));
    vars.extend(args.store.as_deref().map(|store| var("store", store)));
    vars.extend(identity_var(args.age_identity.as_deref())?);
    vars.extend(args.server.vars());
    vars.extend(args.options.vars.iter().cloned());
    Ok(vars)
}

/// A relative path is relative to the directory windlass is started in, and for the playbook to the project.
fn identity_var(file: Option<&Path>) -> Result<Option<String>, Stop> {
    let Some(file) = file else { return Ok(None) };
    let path = std::path::absolute(file).doing(format!("find {}", file.display()))?;
    Ok(Some(var("identity", &path.display().to_string())))
}

fn var(name: &str, text: &str) -> String {
    format!("{name}={}", toml::Value::from(text))
}

fn ask(args: &Args, manifest: &Manifest, chosen: &Chosen) -> Result<(), Stop> {
    let parts = if args.parts.is_empty() { names(manifest) } else { args.parts.join(", ") };
    let what = match args.replace {
        true => "in place of what is there, which is kept under another name",
        false => "where nothing is yet",
    };
    let place = args.to.as_ref().map(|to| format!(", as {to}")).unwrap_or_default();
    let question = format!("restore {} ({parts}) on {}{place}, {what}?", manifest.id, fold(&chosen.names));
    let doing = || format!("restore {}", manifest.id);
    match prompt::confirm(&question) {
        Some(true) => Ok(()),
        Some(false) => Err(Stop::misused(Failure::new(doing(), "it was not wanted after all"))),
        None => {
            let failure = Failure::new(doing(), "there is no terminal to ask on");
            Err(Stop::misused(failure.hint("look with --check, then say --yes")))
        }
    }
}

fn names(manifest: &Manifest) -> String {
    let names = manifest.parts.iter().map(|part| part.name.as_str()).filter(|name| *name != ABOUT);
    names.collect::<Vec<_>>().join(", ")
}
