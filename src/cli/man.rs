//! `windlass man DIR`.

use super::{Cli, Done};
use crate::model::Doing;
use clap::CommandFactory;
use std::path::PathBuf;

/// Write manual pages into a directory: one for windlass, one for each subcommand
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory; created when it does not exist
    dir: PathBuf,
}

/// Writes the pages.
pub fn run(args: Args) -> Done {
    let doing = format!("write manual pages into {}", args.dir.display());
    std::fs::create_dir_all(&args.dir).doing(&doing)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).doing(&doing)?;
    Ok(0)
}
