//! `windlass schedule`: what runs at times of the day, when it does, and how it went.

use super::{Done, Global, Stop};
use crate::model::{Doing, Failure};
use crate::project::Project;
use crate::schedule::Schedule;
use crate::schedule::attempt::{Ask, ScheduleAttempt};
use clap::Subcommand;

mod check;
mod install;
mod list;

/// Run playbooks at times of the day: the [schedule.NAME] tables of windlass.toml
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the schedules: when each runs next, how its last run ended, whether it is late
    List,
    /// Show the next times, of all schedules together
    Next {
        /// How many
        #[arg(value_name = "N", default_value_t = 10)]
        many: usize,
        /// Only of this schedule
        #[arg(long, value_name = "NAME")]
        schedule: Option<String>,
    },
    /// Run a schedule now, unless one of its runs has not finished
    Run {
        /// Its name
        name: String,
        /// Only when it is due; timers and `windlass serve` use this
        #[arg(long)]
        due: bool,
    },
    /// Report failed and late schedules, and notify the receivers of those that are new to them; exit code 2 when
    /// there are any
    Check,
    /// Write systemd units for the schedules, one timer each, and start them; units of schedules that no longer exist
    /// are removed
    Install(install::Args),
    /// Remove the units that `install` wrote
    Uninstall(install::Whether),
}

/// Does it.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    match args.command {
        Command::List => list::list(&project, global),
        Command::Next { many, schedule } => list::next(&project, many, schedule.as_deref(), global),
        Command::Check => check::run(&project, global),
        Command::Install(args) => install::install(&project, &args),
        Command::Uninstall(whether) => install::uninstall(&project, &whether),
        Command::Run { name, due } => run_one(&project, &name, if due { Ask::Due } else { Ask::Hand }),
    }
}

/// The schedule of this name.
pub fn find<'a>(project: &'a Project, name: &str) -> Result<&'a Schedule, Stop> {
    let schedules = &project.config.schedules;
    schedules.iter().find(|schedule| schedule.name == name).ok_or_else(|| {
        let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        let failure = Failure::new(format!("find the schedule {name}"), "windlass.toml has no such table");
        Stop::misused(match names.is_empty() {
            true => failure.hint(format!("write one: [schedule.{name}] with playbook, hosts and cron")),
            false => failure.hint(format!("there are: {}", names.join(", "))),
        })
    })
}

fn run_one(project: &Project, name: &str, ask: Ask) -> Done {
    let attempt = ScheduleAttempt {
        schedule: find(project, name)?,
        channels: &project.config.channels,
        root: project.root.clone(),
        state: project.state(),
        program: std::env::current_exe().doing("find windlass's own program")?,
        ask,
    };
    let runtime = tokio::runtime::Runtime::new().doing("start the threads of a run")?;
    Ok(runtime.block_on(attempt.make())?)
}
