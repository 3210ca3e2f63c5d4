//! The command line. One file for each subcommand; this one has what they share.

use crate::diagnostic::Diagnostics;
use crate::model::{Doing, Failure};
use crate::project::Project;
use crate::record::{Opened, Sqlite};
use crate::report::escape;
use crate::report::{Format, Progress, Style, Verbosity, View, style};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

mod again;
mod apply;
mod backups;
mod completions;
mod demo;
mod doctor;
mod explain;
mod facts;
mod filters;
mod hosts;
mod import;
mod init;
mod lint;
mod man;
mod meant;
mod options;
mod plan;
mod playbooks;
mod printed;
mod prompt;
mod prune_options;
mod request;
pub mod run;
mod runs;
mod schedule;
mod schema;
mod secrets;
mod serve;
mod start;
mod steps;
mod trust;

/// windlass itself failed.
const BROKEN: u8 = 1;

/// Options or files are wrong; nothing was contacted.
const MISUSED: u8 = 5;

/// Operates a fleet of hosts over SSH: playbooks that make only the changes that are missing, and a record of every run.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, long_version = LONG_VERSION.as_str(), subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every subcommand takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Show more: what was skipped and why, what was done, what commands printed
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Show only failures and the recap
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    quiet: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// What to write to standard output
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    output: Format,
    /// The project's directory, instead of the nearest one at or above this directory
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Hosts(hosts::Args),
    Explain(explain::Args),
    Lint(lint::Args),
    Runs(runs::Args),
    Backups(backups::Args),
    Schedule(schedule::Args),
    Secrets(secrets::Args),
    Import(import::Args),
    Serve(serve::Args),
    Playbooks(playbooks::Args),
    Steps(steps::Args),
    Filters(filters::Args),
    Facts(facts::Args),
    Schema(schema::Args),
    Doctor(doctor::Args),
    Trust(trust::Args),
    Demo(demo::Args),
    Init(init::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Why a subcommand could not do what was asked.
#[derive(Debug)]
pub enum Stop {
    /// Files are wrong: exit code 5.
    Misused(Diagnostics),
    /// Options are wrong, in a way that only this program can know: exit code 5.
    Refused(Failure),
    /// windlass itself failed: exit code 1.
    Broken(Failure),
}

/// What a subcommand returns: the exit code.
pub type Done = Result<u8, Stop>;

/// `--version`: with the agents inside.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let agents = crate::agent_binary::described().unwrap_or_default();
    let lines = agents.iter().map(|agent| format!("\nagent: {agent}"));
    env!("CARGO_PKG_VERSION").to_string() + &lines.collect::<String>()
});

/// Reads the arguments, runs the subcommand, prints what went wrong.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if completions::answered(&arguments) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelp && playbooks::help(&arguments) => {
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // There is nowhere to tell that even this could not be printed.
            let _printed_or_not = error.print();
            let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
            if let Some(hint) = meant::hint(&words, error.kind()) {
                eprintln!("  hint: {hint}");
            }
            return ExitCode::from(if error.use_stderr() { MISUSED } else { 0 });
        }
    };
    let global = cli.global.clone();
    ExitCode::from(dispatch(cli).unwrap_or_else(|stop| stop.tell(&global)))
}

fn dispatch(Cli { global, command }: Cli) -> Done {
    match command {
        Command::Run(args) => run::run(args, &global),
        Command::Plan(args) => plan::run(args, &global),
        Command::Apply(args) => apply::run(args, &global),
        Command::Hosts(args) => hosts::run(args, &global),
        Command::Explain(args) => explain::run(args, &global),
        Command::Lint(args) => lint::run(args, &global),
        Command::Filters(args) => filters::run(args, &global),
        Command::Facts(args) => facts::run(args, &global),
        Command::Schema(args) => schema::run(args),
        Command::Doctor(args) => doctor::run(args, &global),
        Command::Demo(args) => demo::run(args),
        Command::Runs(args) => runs::run(args, &global),
        Command::Backups(args) => backups::run(args, &global),
        Command::Schedule(args) => schedule::run(args, &global),
        Command::Secrets(args) => secrets::run(args, &global),
        Command::Import(args) => import::run(args, &global),
        Command::Serve(args) => serve::run(args, &global),
        Command::Playbooks(args) => playbooks::run(args, &global),
        Command::Steps(args) => steps::run(args, &global),
        Command::Trust(args) => trust::run(args),
        Command::Init(args) => init::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}

impl Global {
    /// What standard output gets.
    pub fn format(&self) -> Format {
        self.output
    }

    /// How much is reported.
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, 1..) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }

    /// How text for people looks on standard output.
    pub fn view(&self, diff: bool) -> View {
        let terminal = std::io::stdout().is_terminal();
        let columns = if terminal { style::columns() } else { None };
        View { style: self.style(terminal), verbosity: self.verbosity(), diff, columns }
    }

    /// How progress looks on standard error.
    pub fn progress(&self) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let style = self.style(terminal);
        match (self.quiet, terminal && !is_dumb()) {
            (true, _) => Progress::None,
            (false, true) => Progress::Bars(style),
            (false, false) => Progress::Lines(style),
        }
    }

    /// The project that is named, or the nearest one.
    pub fn open_project(&self) -> Result<Project, Stop> {
        let here = std::env::current_dir().doing("find the current directory")?;
        Ok(Project::find(self.project.as_deref(), &here)?.asking(Some(prompt::secret)))
    }

    /// The same, or the current directory where no project is: for hosts that are in no inventory.
    pub fn project_or_here(&self) -> Result<Project, Stop> {
        let here = std::env::current_dir().doing("find the current directory")?;
        match self.project.is_none() && !Project::is_near(&here) {
            true => Ok(no_project(&here)),
            false => self.open_project(),
        }
    }

    /// The directory of the project's runs and other state.
    pub fn state(&self) -> Result<PathBuf, Stop> {
        Ok(self.project_or_here()?.state())
    }

    /// Diagnostics for standard error.
    pub fn shown(&self, problems: &Diagnostics) -> String {
        match self.style(std::io::stderr().is_terminal()).color {
            true => problems.coloured(),
            false => problems.plain(),
        }
    }

    /// Prints what is odd in files on standard error, unless only failures are wanted.
    pub fn warn(&self, warnings: &Diagnostics) {
        if !warnings.is_empty() && !self.quiet {
            eprintln!("{}", self.shown(warnings).trim_end());
        }
    }

    fn style(&self, terminal: bool) -> Style {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Style { color: wants_color(self.color, terminal && !is_dumb(), set("NO_COLOR")) }
    }
}

/// Whether the terminal can neither colour text nor move its cursor.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// A directory that is no project: shipped playbooks, and hosts that are in no inventory.
fn no_project(here: &Path) -> Project {
    Project::without(here, state_without_project())
}

/// Where runs are kept that belong to no project.
fn state_without_project() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || set("HOME").unwrap_or_else(|| "/".into()).join(".local/state");
    set("XDG_STATE_HOME").unwrap_or_else(home).join("windlass/controller")
}

fn wants_color(choice: ColorChoice, terminal: bool, no_color: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !no_color,
    }
}

impl Stop {
    /// Options are wrong in a way that only this program can know.
    pub fn misused(failure: Failure) -> Stop {
        Stop::Refused(failure)
    }

    /// What is wrong, in one line.
    fn first_line(&self) -> String {
        match self {
            Stop::Misused(problems) => problems.plain().lines().next().unwrap_or_default().to_string(),
            Stop::Refused(failure) | Stop::Broken(failure) => format!("{}: {}", failure.doing, failure.why),
        }
    }

    /// As it failed in the middle of something larger.
    fn of(self, doing: &str) -> Stop {
        let within = |failure: Failure| Failure {
            doing: doing.to_string(),
            why: format!("{}: {}", failure.doing, failure.why),
            ..failure
        };
        match self {
            Stop::Refused(failure) => Stop::Refused(within(failure)),
            Stop::Broken(failure) => Stop::Broken(within(failure)),
            Stop::Misused(_) => self,
        }
    }

    fn tell(&self, global: &Global) -> u8 {
        let style = global.style(std::io::stderr().is_terminal());
        let (text, code) = match self {
            Stop::Misused(problems) if style.color => (problems.coloured(), MISUSED),
            Stop::Misused(problems) => (problems.plain(), MISUSED),
            Stop::Refused(failure) => (told_as_error(failure), MISUSED),
            Stop::Broken(failure) => (told_as_error(failure), BROKEN),
        };
        eprintln!("{}", text.trim_end());
        code
    }
}

/// Says on standard error what did not stop the work.
pub fn warn_of(failure: &Failure) {
    eprintln!("warning: {}", escape::block(&failure.to_string()));
}

/// A failure may quote a host, a server or a file.
fn told_as_error(failure: &Failure) -> String {
    format!("error: {}", escape::block(&failure.to_string()))
}

impl From<Diagnostics> for Stop {
    fn from(problems: Diagnostics) -> Self {
        Stop::Misused(problems)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Broken(failure)
    }
}

/// Opens the record of the project's runs and says how it was found; `None` when nothing has ever been run there.
pub fn existing_store(global: &Global) -> Result<Option<Sqlite>, Stop> {
    Ok(Sqlite::open_existing(&global.state()?)?.map(told))
}

/// Opens the record of the project's runs, making it where it is missing, and says how it was found.
pub fn store(global: &Global) -> Result<Sqlite, Stop> {
    Ok(told(Sqlite::open(&global.state()?)?))
}

fn told(opened: Opened) -> Sqlite {
    opened.notices.iter().for_each(|notice| eprintln!("warning: {notice}"));
    opened.store
}

/// Writes an answer to standard output. That nobody reads it to its end is fine.
pub fn answer(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).doing("write to standard output")?
        }
        _ => Ok(0),
    }
}

/// The same for a program that reads JSON.
pub fn answer_json(value: &serde_json::Value) -> Done {
    answer(&(escape::json(format!("{value:#}")) + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn colours_are_for_terminals_unless_asked_for() {
        for (choice, terminal, no_color, wanted) in [
            (ColorChoice::Auto, true, false, true),
            (ColorChoice::Auto, false, false, false),
            (ColorChoice::Auto, true, true, false),
            (ColorChoice::Always, false, true, true),
            (ColorChoice::Never, true, false, false),
        ] {
            assert_eq!(wants_color(choice, terminal, no_color), wanted);
        }
    }
}
