//! `windlass apply`: does what a saved plan says, or refuses where a host has changed since.

use super::options::{Hosts, Options, Reach};
use super::printed::PrintedOptions;
use super::request::{Request, Spread};
use super::start::{self, Chosen};
use super::{Done, Global, Stop, store};
use crate::inventory::Inventory;
use crate::model::Failure;
use crate::model::job::Mode;
use crate::playbook::params::revealed;
use crate::run::session;
use crate::saved_plan::{HostPart, Opened, SecretSource};
use crate::setting::Setting;
use crate::variables;
use std::path::{Path, PathBuf};

/// Apply a saved plan: exactly what it says, or nothing
///
/// Exit code 7 when a host has changed since the plan was made: then nothing is changed on any host, or with --partial
/// nothing on the hosts that have changed. How hosts are reached is read from the inventory as it is now.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file of the plan
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Apply the plan to the hosts that are as the plan saw them, even when others are not
    #[arg(long)]
    partial: bool,
    /// Change nothing; report whether a host has changed
    #[arg(short = 'C', long)]
    check: bool,
    /// Show how files change
    #[arg(short = 'D', long)]
    diff: bool,
    /// Give a secret whose source is not in the plan; other variables are ignored
    #[arg(short = 'e', long = "var", value_name = "K=V|@FILE")]
    vars: Vec<String>,
    /// Of the plan's hosts, only the ones that this pattern has too
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    /// The inventories to read, instead of every file in inventories/
    #[arg(short, long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
    /// The user to work as, and how fast.
    #[command(flatten)]
    reach: Reach,
    /// What is shown and kept of the output of commands.
    #[command(flatten)]
    printed: PrintedOptions,
}

/// Applies it. Without `--partial` all hosts are looked at before any is changed.
pub fn run(args: Args, global: &Global) -> Done {
    let opened = read(&args.file)?;
    let chosen = choose(&opened, &args, global)?;
    let options = Options {
        check: args.check,
        diff: args.diff,
        vars: args.vars.clone(),
        reach: args.reach.clone(),
        printed: args.printed.clone(),
        ..Options::default()
    };
    let secrets = secrets(&opened, &chosen, &options)?;
    if !args.check && !args.partial && chosen.names.len() > 1 {
        let look = Options { check: true, printed: PrintedOptions::default(), ..options.clone() };
        let mut session = start::session(request(&opened, &secrets, &look)?, &chosen, &look, global)?;
        session.only_when_refused = true;
        match session::execute(session, store(global)?)? {
            0 => {}
            exit => {
                eprintln!("nothing was changed on any host; --partial changes those that have not moved");
                return Ok(exit);
            }
        }
    }
    start::run(request(&opened, &secrets, &options)?, &chosen, &options, global)
}

fn read(file: &Path) -> Result<Opened, Stop> {
    let opened = Opened::read(file).map_err(Stop::misused)?;
    let (made, own) = (&opened.plan.windlass, env!("CARGO_PKG_VERSION"));
    match made == own {
        true => Ok(opened),
        false => {
            let why = format!(
                "windlass {made} made it, and this is windlass {own}, which may do its steps otherwise"
            );
            let failure = Failure::new(format!("apply the plan {}", file.display()), why);
            Err(Stop::misused(failure.hint("make a new plan")))
        }
    }
}

/// The plan's hosts, as the inventory has them now.
fn choose(opened: &Opened, args: &Args, global: &Global) -> Result<Chosen, Stop> {
    let project = global.project_or_here()?;
    let mut inventory = Inventory::load(&project, &args.inventory)?;
    inventory.add_addresses(&opened.plan.pattern, &project)?;
    let names: Vec<&str> = opened.plan.hosts.iter().map(|host| host.name.as_str()).collect();
    let hosts = Hosts { limit: args.limit.clone(), ..Hosts::default() };
    let mut chosen = start::choose_in(project, inventory, &hosts, names.join(","))?;
    chosen.pattern.clone_from(&opened.plan.pattern);
    Ok(chosen)
}

fn request(opened: &Opened, secrets: &[String], options: &Options) -> Result<Request, Stop> {
    let plan = &opened.plan;
    let mode = if options.check { Mode::Check } else { Mode::Apply };
    let parts: Vec<HostPart> = opened.parts(secrets, mode, options.diff).map_err(Stop::misused)?;
    let spread = Spread {
        serial: plan.serial.clone(),
        max_failures: plan.max_failures,
        on_failure: plan.on_failure,
        stages: plan.stages.clone(),
        becomes: plan.becomes_of.clone(),
    };
    Ok(Request::plan(plan, spread, parts))
}

/// The plan's secrets, read again from where they come.
fn secrets(opened: &Opened, chosen: &Chosen, options: &Options) -> Result<Vec<String>, Stop> {
    let given = variables::from_command_line(&options.vars, &chosen.project)?;
    opened.plan.secrets.iter().map(|source| secret(source, chosen, &given).map_err(Stop::misused)).collect()
}

fn secret(source: &SecretSource, chosen: &Chosen, given: &[Setting]) -> Result<String, Failure> {
    let named = |settings: &[Setting]| {
        let setting = settings.iter().rfind(|setting| setting.name == source.param)?;
        setting.typed.as_deref().or(setting.value.as_str()).map(str::to_string)
    };
    let of_host = || named(&variables::of_host(None, chosen.inventory.host(&source.host)?, &[]));
    let text = named(given).or_else(|| source.from.clone()).or_else(of_host).ok_or_else(|| {
        let why = format!("the plan does not hold the secret `{}` of {}", source.param, source.host);
        Failure::new("apply the plan", why).hint(format!("give it again: -e {}=…", source.param))
    })?;
    revealed(&source.param, &text, &chosen.project)
}
