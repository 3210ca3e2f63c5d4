//! `windlass explain`: where a value comes from.

use super::{Done, Global, Stop, answer, answer_json};
use crate::inventory::Inventory;
use crate::model::Failure;
use crate::playbook::Playbook;
use crate::report::{Format, escape};
use crate::variables;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Explain where a value comes from
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every place that sets a variable of a host, weakest first, and which one wins
    Var {
        /// The host's name, a dot, the variable's name
        #[arg(value_name = "HOST.NAME")]
        variable: String,
        /// With the variables of this playbook too
        #[arg(short, long, value_name = "NAME|PATH")]
        playbook: Option<String>,
        /// The inventories to read, instead of every file in inventories/
        #[arg(short, long, value_name = "PATH")]
        inventory: Vec<PathBuf>,
        /// As with `windlass run`
        #[arg(short = 'e', long = "var", value_name = "K=V|@FILE")]
        vars: Vec<String>,
    },
}

/// Explains.
pub fn run(args: Args, global: &Global) -> Done {
    let What::Var { variable, playbook, inventory, vars } = args.what;
    let project = global.open_project()?;
    let inventory = Inventory::load(&project, &inventory)?;
    let playbook = playbook.map(|name| Playbook::find(&project, &name)).transpose()?;
    let command_line = variables::from_command_line(&vars, &project)?;
    // Host names hold dots and names of variables do not.
    let (host, name) = variable.rsplit_once('.').ok_or_else(|| {
        Stop::misused(Failure::new(
            format!("explain {variable}"),
            "write the host's name, a dot, the variable's name",
        ))
    })?;
    let settings = variables::explain(&inventory, playbook.as_ref(), &command_line, host, name)?.settings;
    let last = settings.len().saturating_sub(1);
    let lines = settings.iter().enumerate().map(|(place, setting)| {
        let mark = if place == last { "=>" } else { "  " };
        let (at, origin) = (setting.place.to_string(), setting.origin.to_string());
        (mark, at, origin, &setting.value)
    });
    if global.format() != Format::Human {
        let list = lines.map(|(mark, at, origin, value)| {
            json!({ "at": at, "origin": origin, "value": value, "wins": mark == "=>" })
        });
        return answer_json(&Value::from_iter(list));
    }
    answer(
        &lines
            .map(|(mark, at, origin, value)| {
                format!("{mark} {}\n", escape::line(&format!("{value}  {origin}, {at}")))
            })
            .collect::<String>(),
    )
}
