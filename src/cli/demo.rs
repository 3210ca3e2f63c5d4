//! `windlass demo`: throw-away hosts on loopback, and a real playbook run on them.

use super::Done;
use crate::demo::{self, Options};
use crate::model::Doing;

/// Start three throw-away hosts on loopback, run a real playbook on them, clean up
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the hosts running until Ctrl-C, to try things by hand
    #[arg(long)]
    keep: bool,
}

/// Shows it.
pub fn run(args: Args) -> Done {
    let program = std::env::current_exe().doing("find windlass's own program")?;
    let runtime = tokio::runtime::Runtime::new().doing("start the threads of the demo's hosts")?;
    Ok(runtime.block_on(demo::run(&Options { keep: args.keep, program }))?)
}
