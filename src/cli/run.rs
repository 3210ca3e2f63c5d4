//! `windlass run`: what can be asked for; `start` prepares it and [`crate::run`] does it.

use super::options::{Hosts, Options, Reach};
use super::printed::PrintedOptions;
use super::request::Request;
use super::start::{self, Chosen};
use super::{Done, Global, Stop, answer, prompt};
use crate::keys::Share;
use crate::model::op::Command;
use crate::model::run::RunKind;
use crate::model::{Failure, Value};
use crate::playbook::Playbook;
use crate::project::Project;
use crate::render::Selection;
use crate::source::Source;
use crate::template;
use crate::trust;
use clap::Subcommand;
use std::path::{Path, PathBuf};

/// Run something on hosts
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to run.
    #[command(subcommand)]
    pub what: RunCommand,
}

/// What to run.
#[derive(Clone, Debug, Subcommand)]
pub enum RunCommand {
    /// Run a playbook
    Playbook {
        /// Its name below playbooks/, or a path
        #[arg(value_name = "NAME|PATH")]
        playbook: String,
        /// Which hosts.
        #[command(flatten)]
        hosts: Hosts,
        /// How.
        #[command(flatten)]
        options: Options,
        /// Run only steps with one of these tags, separated by commas
        #[arg(short, long, value_name = "TAGS", value_delimiter = ',')]
        tags: Vec<String>,
        /// Skip steps with one of these tags
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        skip_tags: Vec<String>,
        /// Start at the step with this name; skip those before it
        #[arg(long, value_name = "NAME")]
        start_at_step: Option<String>,
        /// Print the steps and stop
        #[arg(long)]
        list_steps: bool,
        /// Ask before each step, once for all hosts: y runs it, n skips it, c runs it and all later steps without
        /// asking, q stops the run
        #[arg(long)]
        step: bool,
        /// Work in rolling batches of N hosts (or of this share, `25%`); the next batch starts when no host of this one
        /// has failed
        #[arg(long, value_name = "N|P%")]
        serial: Option<String>,
        /// Stop after N failed hosts (or this share of all): no further host is started. 1 stops at the first failure
        #[arg(long, value_name = "N|P%")]
        max_failures: Option<String>,
    },
    /// Run one command on every host, without an agent, and show its output; it has no dry run
    Command {
        /// Which hosts.
        #[command(flatten)]
        hosts: Hosts,
        /// The user to work as, and how fast.
        #[command(flatten)]
        reach: Reach,
        /// What is shown and kept of its output.
        #[command(flatten)]
        printed: PrintedOptions,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Run a local script on hosts
    Script {
        /// The script: a file on this machine
        #[arg(value_name = "FILE")]
        script: PathBuf,
        /// Which hosts.
        #[command(flatten)]
        hosts: Hosts,
        /// How.
        #[command(flatten)]
        options: Options,
        /// Arguments for the script
        #[arg(last = true, value_name = "ARG")]
        arguments: Vec<String>,
    },
    /// Run one step
    Step {
        /// Its kind; `windlass steps` lists them
        #[arg(value_name = "KIND")]
        kind: String,
        /// Its keys; a value is TOML where it can be read as TOML, else text
        #[arg(value_name = "KEY=VALUE", value_parser = key_and_value)]
        keys: Vec<(String, String)>,
        /// Which hosts.
        #[command(flatten)]
        hosts: Hosts,
        /// How.
        #[command(flatten)]
        options: Options,
    },
}

/// Does it.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.project_or_here()?;
    match args.what {
        RunCommand::Playbook {
            playbook,
            hosts,
            options,
            tags,
            skip_tags,
            start_at_step,
            list_steps,
            step,
            serial,
            max_failures,
        } => {
            let playbook = Playbook::find(&project, &playbook)?;
            let chosen = start::choose_for(project, &hosts, &playbook)?;
            if hosts.list_hosts {
                return start::list_hosts(&chosen, global);
            }
            let selection = Selection { tags, skip_tags, start_at_step };
            if list_steps {
                return print_steps(&playbook, &selection);
            }
            let serial = share("--serial", serial)?;
            let max_failures = share("--max-failures", max_failures)?;
            let request = Request::playbook(RunKind::Playbook, playbook, selection).asking(asks_each(step)?);
            start::run(request.in_batches(serial, max_failures), &chosen, &options, global)
        }
        RunCommand::Command { hosts, reach, printed, command } => {
            let options = Options { reach, printed, ..Options::default() };
            on_hosts(project, &hosts, &options, global, |_| Ok(Request::command(line_of(command))))
        }
        RunCommand::Script { script, hosts, options, arguments } => {
            on_hosts(project, &hosts, &options, global, |chosen| {
                let text = script_step(&script, &arguments)?;
                one_step(RunKind::Script, &script.display().to_string(), text, chosen)
            })
        }
        RunCommand::Step { kind, keys, hosts, options } => {
            on_hosts(project, &hosts, &options, global, |chosen| {
                one_step(RunKind::Step, &kind, ad_hoc_step(&kind, &keys), chosen)
            })
        }
    }
}

/// Runs what is made for the chosen hosts, or lists them.
fn on_hosts(
    project: Project,
    hosts: &Hosts,
    options: &Options,
    global: &Global,
    request: impl FnOnce(&Chosen) -> Result<Request, Stop>,
) -> Done {
    let chosen = start::choose(project, hosts, hosts.pattern.clone())?;
    if hosts.list_hosts {
        return start::list_hosts(&chosen, global);
    }
    start::run(request(&chosen)?, &chosen, options, global)
}

/// One word is shell text as it is, as with ssh; several are words, kept apart by quotes.
fn line_of(command: Vec<String>) -> String {
    match &command[..] {
        [line] => line.clone(),
        _ => Command::new(command).shown(),
    }
}

/// Reads a number of hosts, or a share of them, that was given with `flag`.
pub fn share(flag: &str, text: Option<String>) -> Result<Option<Share>, Stop> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || {
        Failure::new(format!("read {flag} {text}"), "it is neither a number of hosts nor a share like 25%")
    };
    match Share::read(&Value::from(text.as_str())) {
        Some(Share::Count(0)) => {
            Err(Stop::misused(Failure::new(format!("read {flag} {text}"), "it must be at least 1")))
        }
        Some(share) => Ok(Some(share)),
        None => Err(Stop::misused(wrong())),
    }
}

/// `--step` needs someone to ask.
fn asks_each(step: bool) -> Result<bool, Stop> {
    if step && !prompt::can_ask() {
        let why = "there is no terminal to ask on";
        let failure = Failure::new("ask before each step (--step)", why);
        return Err(Stop::misused(failure.hint("use --check to see what would change, or leave --step out")));
    }
    Ok(step)
}

fn print_steps(playbook: &Playbook, selection: &Selection) -> Done {
    let mut of = None;
    let lines = selection.steps(playbook)?.into_iter().map(|step| {
        let play =
            playbook.plays.get(step.play as usize).filter(|_| of.replace(step.play) != Some(step.play));
        let play = play.map(|play| format!("{} ({}):\n", play.title, play.hosts.text)).unwrap_or_default();
        let tags = if step.tags.is_empty() { String::new() } else { format!("  [{}]", step.tags.join(", ")) };
        format!("{play}{}{tags}\n", step.title())
    });
    answer(&lines.collect::<String>())
}

/// A playbook of one step, made from its text.
fn one_step(kind: RunKind, name: &str, text: String, chosen: &Chosen) -> Result<Request, Stop> {
    let mut playbook = Playbook::read(&chosen.project, &Source::new("command line", text))?;
    playbook.name = name.to_string();
    Ok(Request::playbook(kind, playbook, Selection::default()))
}

fn ad_hoc_step(kind: &str, keys: &[(String, String)]) -> String {
    let mut text = format!("[[steps]]\n[steps.{kind}]\n");
    for (key, value) in keys {
        let is_toml =
            toml::from_str::<toml::Table>(&format!("value = {value}")).is_ok_and(|table| table.len() == 1);
        let value = if is_toml { value.clone() } else { quoted(value) };
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

/// The script's text goes in as a value, so nothing in it is taken for a template.
fn script_step(script: &Path, arguments: &[String]) -> Result<String, Stop> {
    let doing = format!("read {}", script.display());
    let text = trust::text(script, None, doing).map_err(Stop::misused)?;
    let literal = |text: &str| quoted(&template::literal(text));
    let arguments: Vec<String> = arguments.iter().map(|argument| literal(argument)).collect();
    let name = literal(&script.display().to_string());
    Ok(format!(
        "[[steps]]\nname = {name}\n[steps.script]\ncontent = {}\nargs = [{}]\n",
        literal(&text),
        arguments.join(", ")
    ))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = split.ok_or_else(|| "write it as key=value".to_string())?;
    Ok((key.to_string(), value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &str) -> Result<RunCommand, String> {
        let words = ["run"].into_iter().chain(line.split_whitespace());
        Alone::try_parse_from(words).map(|alone| alone.args.what).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definitions_are_consistent() {
        Alone::command().debug_assert();
    }

    #[test]
    fn short_forms_are_the_ones_people_know() {
        let line = "playbook fix-dns --hosts prod -l web* -t dns,web -CD -f 8 -e a=1 -e @x.toml -u deploy -bK -i lab";
        let RunCommand::Playbook { hosts, options, tags, .. } = parsed(line).unwrap() else {
            panic!("no playbook")
        };
        assert_eq!(
            (hosts.pattern.as_deref().unwrap_or_default(), hosts.limit.as_deref()),
            ("prod", Some("web*"))
        );
        assert_eq!(hosts.inventory, [PathBuf::from("lab")]);
        assert_eq!(tags, ["dns", "web"]);
        assert!(options.check && options.diff && options.reach.becomes && options.reach.ask_become_pass);
        assert_eq!(
            (options.reach.forks, options.vars),
            (Some(8), vec!["a=1".to_string(), "@x.toml".to_string()])
        );
    }

    #[test]
    fn everything_after_two_dashes_is_the_command() {
        let RunCommand::Command { command, .. } = parsed("command --hosts all -- ls -l --color").unwrap()
        else {
            panic!("no command")
        };
        assert_eq!(command, ["ls", "-l", "--color"]);
    }

    #[test]
    fn keys_of_a_step_have_values() {
        let RunCommand::Step { keys, .. } =
            parsed("step file path=/etc/motd content=a=b --hosts all").unwrap()
        else {
            panic!("no step")
        };
        let pairs = [("path", "/etc/motd"), ("content", "a=b")];
        assert_eq!(keys, pairs.map(|(key, value)| (key.to_string(), value.to_string())));
        assert!(parsed("step file path --hosts all").unwrap_err().contains("write it as key=value"));
    }

    #[test]
    fn a_playbook_may_name_its_hosts_and_forks_cannot_be_none() {
        assert!(parsed("playbook fix-dns").is_ok());
        assert!(parsed("playbook fix-dns --hosts a -f 0").is_err());
    }
}
