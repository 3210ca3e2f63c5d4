//! `windlass completions SHELL`, and what the script that it prints asks for at each Tab.

use super::{Cli, Done, answer};
use crate::model::Doing;
use clap::{Arg, Command, CommandFactory};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, Shell};
use std::ffi::OsString;
use std::path::Path;

mod line;
mod values;

/// The script sets it when it asks what can come next.
const ASKED: &str = "WINDLASS_COMPLETE";

/// Print a completion script for a shell
///
/// It completes the names of the project too: hosts, groups, playbooks and their params, tags, steps, runs, backups,
/// schedules. bash: `source <(windlass completions bash)` in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit.
/// fish: `windlass completions fish | source` in ~/.config/fish/config.fish
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

/// Prints the script.
pub fn run(args: Args) -> Done {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&args.shell.to_string()) {
        let written = shell.write_registration(ASKED, "windlass", "windlass", &program(), &mut script);
        written.doing("make the completion script")?;
    }
    answer(&String::from_utf8_lossy(&script))
}

/// Answers the script's question, when that is what the process was started for. Whether it was.
pub fn answered(arguments: &[OsString]) -> bool {
    let here = std::env::current_dir().ok();
    let environment = CompleteEnv::with_factory(command).var(ASKED);
    // Nothing to complete is all that a shell can show of an error.
    environment.try_complete(arguments, here.as_deref()).unwrap_or(true)
}

/// What the script calls: the name, where that was typed, else the path.
fn program() -> String {
    let typed = std::env::args_os().next().unwrap_or_else(|| "windlass".into());
    let is_path = Path::new(&typed).components().count() > 1;
    let path = std::path::absolute(&typed).ok().filter(|_| is_path);
    path.map_or(typed, OsString::from).to_string_lossy().into_owned()
}

/// The command line, whose arguments know their values.
fn command() -> Command {
    completed(Cli::command(), "")
}

/// `command`, which was reached by the words `path`, with the values of its arguments.
fn completed(command: Command, path: &str) -> Command {
    let of_argument = |argument: Arg| match values::of(path, argument.get_id().as_str()) {
        // Its name cannot be typed, so that it is not completed when nothing else fits.
        _ if argument.is_hide_set() && argument.get_long().is_some() => argument.long("\0"),
        Some(values) => {
            argument.add(ArgValueCompleter::new(move |typed: &std::ffi::OsStr| values.starting(typed)))
        }
        None => argument,
    };
    command.mut_args(of_argument).mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        completed(below, path.trim_start())
    })
}
