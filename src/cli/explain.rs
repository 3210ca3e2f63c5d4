//! `windlass explain var HOST.NAME`: every place that sets a variable, and which one won.

use super::{Done, Global, answer};
use crate::inventory::Inventory;
use crate::model::Value;
use crate::playbook::Playbook;
use crate::report::{Format, escape};
use crate::variables::{self, Explanation, Setting};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

/// Explain where a value comes from
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every place that sets a variable for a host, weakest first, with file and line
    Var {
        /// The host and the variable
        #[arg(value_name = "HOST.NAME", value_parser = host_and_name)]
        var: (String, String),
        /// A playbook whose params, vars and steps count too
        #[arg(long, value_name = "NAME|PATH")]
        playbook: Option<String>,
        /// Inventories to read, instead of all of inventories/
        #[arg(short, long, value_name = "PATH")]
        inventory: Vec<PathBuf>,
        /// As in `run`
        #[arg(short = 'e', long = "var", value_name = "K=V|@FILE")]
        vars: Vec<String>,
    },
}

/// Prints the places.
pub fn run(args: Args, global: &Global) -> Done {
    let What::Var { var: (host, name), playbook, inventory, vars } = args.what;
    let project = global.project()?;
    let inventory = Inventory::load(&project, &inventory)?;
    let playbook = playbook.map(|name| Playbook::find(&project, &name)).transpose()?;
    let vars = variables::from_command_line(&vars, &project)?;
    let explanation = variables::explain(&inventory, playbook.as_ref(), &vars, &host, &name)?;
    match global.format() {
        Format::Human => answer(&escape::block(&explanation.to_string())),
        _ => answer(&format!("{:#}\n", described(&explanation))),
    }
}

/// A list, weakest first: `name value origin file line`; the last one wins.
fn described(explanation: &Explanation) -> Value {
    let place = |setting: &Setting| {
        let (line, _) = setting.place.line_and_column();
        json!({
            "name": setting.name, "value": setting.value, "origin": setting.origin.to_string(),
            "file": setting.place.source.name, "line": line,
        })
    };
    explanation.settings.iter().map(place).collect()
}

/// Host names have dots and variables have none, so the last one parts them.
fn host_and_name(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('.') {
        Some((host, name)) if !host.is_empty() && !name.is_empty() => {
            Ok((host.to_string(), name.to_string()))
        }
        _ => Err("write it as HOST.NAME, for example web1.app_port".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dot_parts_host_and_name() {
        let parted = host_and_name("web1.example.com.port").unwrap();
        assert_eq!(parted, ("web1.example.com".to_string(), "port".to_string()));
        assert!(host_and_name("port").is_err() && host_and_name(".port").is_err());
    }
}
