//! `windlass schedule install` and `uninstall`: units for systemd, shown before they are written.

use crate::cli::{Done, Stop, answer, prompt};
use crate::model::{Doing, Failure, Result};
use crate::project::Project;
use crate::record;
use crate::schedule::files::Folder;
use crate::schedule::systemd::{self, Site, Unit};
use jiff::Timestamp;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One service that runs `windlass serve`, instead of a timer for each schedule
    #[arg(long)]
    serve: bool,
    /// With --serve: where metrics are served
    #[arg(long, value_name = "ADDRESS:PORT", requires = "serve")]
    listen: Option<SocketAddr>,
    /// A directory that runs write to besides .windlass, fetched/ and the stores of windlass.toml; can be given several
    /// times
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,
    /// Print the units and stop
    #[arg(long)]
    print: bool,
    /// Whether to ask.
    #[command(flatten)]
    whether: Whether,
}

/// Whether to ask, and where units are.
#[derive(Debug, clap::Args)]
pub struct Whether {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// The directory of systemd's units
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    dir: PathBuf,
}

/// What is to be done in the directory of units.
struct Changes {
    write: Vec<Unit>,
    remove: Vec<String>,
}

/// Writes the units of all schedules and starts them.
pub fn install(project: &Project, args: &Args) -> Done {
    let now = Timestamp::now();
    let site = site(project, args)?;
    let wanted = match args.serve {
        true => systemd::server(&site, args.listen.map(|address| address.to_string()).as_deref()),
        false => systemd::timers(&site, &project.config.schedules, now),
    };
    let wanted = wanted.map_err(Stop::misused)?;
    if args.print {
        return answer(&wanted.iter().map(printed).collect::<Vec<_>>().join("\n"));
    }
    if project.config.schedules.is_empty() {
        let failure = Failure::new("install the schedules", "windlass.toml has no [schedule.NAME] table");
        return Err(Stop::misused(failure.hint("`windlass schedule uninstall` removes units")));
    }
    prepare_state(project, now)?;
    let changes = changes(project, &args.whether.dir, wanted)?;
    make(&changes, &args.whether)
}

/// Removes all units of this project.
pub fn uninstall(project: &Project, whether: &Whether) -> Done {
    let changes = changes(project, &whether.dir, Vec::new())?;
    make(&changes, whether)
}

fn printed(unit: &Unit) -> String {
    format!("# {}\n{}", unit.name, unit.text)
}

fn site(project: &Project, args: &Args) -> Result<Site, Stop> {
    let root = project.root.clone();
    let hidden = ["/tmp", "/var/tmp"].iter().any(|folder| root.starts_with(folder));
    if hidden {
        let failure =
            Failure::new("install the schedules", format!("services cannot see {}", root.display()));
        return Err(Stop::misused(failure.hint("they have a /tmp of their own: move the project elsewhere")));
    }
    let program = std::env::current_exe().doing("find windlass's own program")?;
    let owner = fs::metadata(&root).doing(format!("look at {}", root.display()))?.uid();
    let stores = project.config.stores.values().map(|store| store.url.as_str());
    let folders = stores.filter(|url| !url.contains("://")).map(|folder| root.join(folder));
    let writable = folders.chain(args.writable.iter().map(|path| root.join(path))).collect();
    Ok(Site { root, program, user: owner.to_string(), writable })
}

/// From now on the schedules' times count, for the first run too. All of it belongs to whom the project belongs to, also
/// when root installs.
fn prepare_state(project: &Project, now: Timestamp) -> Result<()> {
    let state = project.state();
    record::make_folder(&state)?;
    let folder = Folder::open(&state)?;
    for schedule in &project.config.schedules {
        folder.change(schedule, now, |_| ())?;
    }
    let owner = fs::metadata(&project.root).doing("look at the project")?;
    let mut all = vec![state.clone(), state.join(".gitignore"), state.join("schedule")];
    let doing = format!("hand {} to the owner of the project", state.display());
    for entry in fs::read_dir(state.join("schedule")).doing(&doing)? {
        all.push(entry.doing(&doing)?.path());
    }
    for path in all {
        let there = fs::symlink_metadata(&path).doing(&doing)?;
        if there.uid() != owner.uid() {
            chown(&path, Some(owner.uid()), Some(owner.gid())).doing(&doing)?;
        }
    }
    Ok(())
}

/// What differs between the units that are wanted and those that are there.
fn changes(project: &Project, dir: &Path, wanted: Vec<Unit>) -> Result<Changes, Stop> {
    let doing = format!("list {}", dir.display());
    let mut remove = Vec::new();
    for entry in fs::read_dir(dir).doing(&doing)? {
        let name = entry.doing(&doing)?.file_name().to_string_lossy().into_owned();
        let known = wanted.iter().any(|unit| unit.name == name);
        if !known && name.starts_with("windlass-") && is_ours(&dir.join(&name), &project.root) {
            remove.push(name);
        }
    }
    remove.sort();
    let mut write = Vec::new();
    for unit in wanted {
        let path = dir.join(&unit.name);
        match fs::read_to_string(&path) {
            Ok(text) if text == unit.text => {}
            Ok(text) if !systemd::is_ours(&text, &project.root) => {
                let failure =
                    Failure::new(format!("write {}", path.display()), "it is there, and not of this project");
                return Err(Stop::misused(
                    failure.hint("remove it, or give the project's directory another name"),
                ));
            }
            _ => write.push(unit),
        }
    }
    Ok(Changes { write, remove })
}

fn is_ours(path: &Path, root: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| systemd::is_ours(&text, root))
}

/// Shows the changes, asks, makes them.
fn make(changes: &Changes, whether: &Whether) -> Done {
    if changes.write.is_empty() && changes.remove.is_empty() {
        return answer("the units are as they should be\n");
    }
    let path = |name: &str| whether.dir.join(name).display().to_string();
    let writes = changes.write.iter().map(|unit| format!("write   {}\n", path(&unit.name)));
    let removes = changes.remove.iter().map(|name| format!("remove  {}\n", path(name)));
    answer(&writes.chain(removes).collect::<String>())?;
    if !whether.yes && !agreed()? {
        return answer("nothing was changed\n").map(|_| 1);
    }
    for name in &changes.remove {
        // A unit that is not loaded cannot be stopped, which is as well.
        let _not_loaded = systemctl(&["disable", "--now", name]);
        fs::remove_file(whether.dir.join(name)).doing(format!("remove {}", path(name)))?;
    }
    for unit in &changes.write {
        write(&whether.dir, unit)?;
    }
    systemctl(&["daemon-reload"])?;
    let starts = |unit: &&Unit| unit.name.ends_with(".timer") || unit.name.ends_with("-serve.service");
    for unit in changes.write.iter().filter(starts) {
        systemctl(&["enable", &unit.name])?;
        systemctl(&["restart", &unit.name])?;
    }
    answer("done; `systemctl list-timers 'windlass-*'` and `windlass schedule list` show them\n")
}

fn agreed() -> Result<bool, Stop> {
    prompt::confirm("go on?").ok_or_else(|| {
        let failure = Failure::new("ask whether to go on", "there is no terminal to ask on");
        Stop::misused(failure.hint("say --yes, or --print to see the units"))
    })
}

/// Writes a unit whole or not at all.
fn write(dir: &Path, unit: &Unit) -> Result<()> {
    let (path, new) = (dir.join(&unit.name), dir.join(format!(".{}.new", unit.name)));
    let doing = format!("write {}", path.display());
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o644).open(&new);
    let mut file = file.map_err(|error| {
        let failure = Failure::new(&doing, &error);
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            return failure.hint("run it as root: sudo windlass schedule install");
        }
        failure
    })?;
    file.write_all(unit.text.as_bytes()).and_then(|()| file.sync_all()).doing(&doing)?;
    fs::rename(&new, &path).doing(doing)
}

#[expect(clippy::disallowed_methods, reason = "units are started on the controller, at its owner's wish")]
fn systemctl(words: &[&str]) -> Result<()> {
    let doing = format!("run systemctl {}", words.join(" "));
    let output = Command::new("systemctl").args(words).output().doing(&doing)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::new(doing, String::from_utf8_lossy(&output.stderr).trim())),
    }
}
