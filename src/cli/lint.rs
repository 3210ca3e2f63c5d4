//! `windlass lint`: inventories, playbooks and templates, checked without connecting.

use super::options::Reach;
use super::{Done, Global, MISUSED, Stop, answer};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Inventory;
use crate::render;
use crate::report::{Format, Verbosity, escape};
use crate::ssh::{Target, explain};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Check inventories, playbooks and templates without connecting
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to check: files, directories, names of playbooks; the whole project when not given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Checks; the exit code is 5 when something is wrong.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    let problems = match args.paths[..] {
        [] => {
            let (mut problems, inventory) = render::lint_project(&project);
            inventory.iter().for_each(|inventory| problems.append(connections(inventory, global)));
            problems
        }
        _ => render::lint(&project, &args.paths),
    };
    let text = match (global.format(), global.style(std::io::stdout().is_terminal()).color) {
        (Format::Human, _) if problems.is_empty() => "no problems found\n".to_string(),
        (Format::Human, true) => problems.coloured(),
        (Format::Human, false) => problems.plain(),
        _ => escape::json(format!("{:#}", problems.json())) + "\n",
    };
    answer(&text)?;
    Ok(if problems.errors() > 0 { MISUSED } else { 0 })
}

/// Hosts that the ssh configuration of this user keeps from being reached. With `-v`, what of it is not used.
fn connections(inventory: &Inventory, global: &Global) -> Diagnostics {
    let mut problems = Diagnostics::default();
    let config = match Reach::default().ssh_config() {
        Ok(config) => config,
        Err(Stop::Misused(found)) => return found,
        Err(Stop::Refused(failure) | Stop::Broken(failure)) => return failure.into(),
    };
    let asked: Vec<_> =
        inventory.hosts.iter().map(|host| (host.name.as_str(), host.given_address(), &host.ssh)).collect();
    let targets = Target::resolve_all(&asked, &config);
    for target in &targets {
        if let Some(failure) = &target.unusable {
            let message = format!("{} cannot be reached: {}: {}", target.name, failure.doing, failure.why);
            problems
                .push(Diagnostic { hint: failure.hint.clone(), ..Diagnostic::elsewhere(message).warning() });
        }
    }
    if global.verbosity() == Verbosity::Verbose {
        explain::notes(&targets).iter().for_each(|note| eprintln!("note: {note}"));
    }
    problems
}
