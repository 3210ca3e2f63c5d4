//! `windlass trust [DIR]`: whose projects may be used although they belong to another user.

use super::{Done, Stop, answer};
use crate::trust::directories;
use std::path::PathBuf;

/// Trust the project of another user, who can then run anything as you
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's directory; without one, what is trusted is listed
    dir: Option<PathBuf>,
    /// Do not trust it any more
    #[arg(long, requires = "dir")]
    remove: bool,
}

/// Keeps, forgets or lists directories. What `WINDLASS_TRUST` names is not among them.
pub fn run(args: Args) -> Done {
    let Some(dir) = args.dir else {
        let all = directories::list()?;
        return answer(&all.iter().map(|dir| format!("{}\n", dir.display())).collect::<String>());
    };
    if args.remove {
        return answer(match directories::remove(&dir)? {
            true => "no longer trusted\n",
            false => "it was not trusted\n",
        });
    }
    let (dir, owner) = directories::add(&dir).map_err(Stop::misused)?;
    answer(&format!("trusted: what belongs to {owner} in {}\n", dir.display()))
}
