//! `windlass lint`: inventories, playbooks and templates, checked without connecting.

use super::{Done, Global, MISUSED, answer};
use crate::render;
use crate::report::Format;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Check inventories, playbooks and templates without connecting
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to check; the whole project when not given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Checks; the exit code is 5 when something is wrong.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    let problems = render::lint(&project, &args.paths);
    let text = match (global.format(), global.style(std::io::stdout().is_terminal()).color) {
        (Format::Human, _) if problems.is_empty() => "nothing to complain about\n".to_string(),
        (Format::Human, true) => problems.coloured(),
        (Format::Human, false) => problems.plain(),
        _ => format!("{:#}\n", problems.json()),
    };
    answer(&text)?;
    Ok(if problems.errors() > 0 { MISUSED } else { 0 })
}
