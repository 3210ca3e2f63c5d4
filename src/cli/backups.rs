//! `windlass backups`: what is kept of hosts, whether it is whole, and what of it goes.

use super::{Done, Global, Stop};
use crate::inventory::{Inventory, pattern};
use crate::model::{Failure, Result};
use crate::project::Project;
use crate::store::{Entry, Store};
use clap::Subcommand;

mod list;
mod prune;
mod verify;

/// Look at backups: list, check, thin out
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Verify(verify::Args),
    Prune(prune::Args),
}

/// Which backups.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Only of these hosts; those that are in no inventory any more can be named too
    #[arg(long = "hosts", value_name = "PATTERN")]
    hosts: Option<String>,
    /// Only of this name
    #[arg(long)]
    name: Option<String>,
    /// Only in this store: a [store.NAME] of windlass.toml, `default`, or a path
    #[arg(long)]
    store: Option<String>,
}

/// A backup, and where it is.
pub struct Found {
    /// The store's name, as it can be typed.
    pub store_name: String,
    /// The store.
    pub store: Store,
    /// What its catalogue says.
    pub entry: Entry,
}

/// Answers from the stores.
pub fn run(args: Args, global: &Global) -> Done {
    match args.command {
        Command::List(args) => list::run(&args, global),
        Command::Verify(args) => verify::run(&args, global),
        Command::Prune(args) => prune::run(&args, global),
    }
}

impl Which {
    /// The stores that are meant, with their names.
    pub fn stores(&self, project: &Project) -> Result<Vec<(String, Store)>, Stop> {
        let names = self.store.clone().map_or_else(|| project.store_names(), |name| vec![name]);
        let open = |name: String| project.store(Some(&name)).map(|store| (name, store));
        names.into_iter().map(open).collect::<Result<_>>().map_err(Stop::misused)
    }

    /// The backups that are meant, newest first.
    pub fn backups(&self, project: &Project) -> Result<Vec<Found>, Stop> {
        let mut found = Vec::new();
        for (store_name, store) in self.stores(project)? {
            let entries = store.list()?;
            found.extend(entries.into_iter().map(|entry| Found {
                store_name: store_name.clone(),
                store: store.clone(),
                entry,
            }));
        }
        let hosts: Vec<&str> = found.iter().map(|found| found.entry.place.host.as_str()).collect();
        let chosen = self.hosts_among(&hosts, project)?;
        found.retain(|found| chosen.contains(&found.entry.place.host));
        found.retain(|found| self.name.as_ref().is_none_or(|name| *name == found.entry.place.name));
        found.sort_by(|a, b| b.entry.place.id.cmp(&a.entry.place.id));
        Ok(found)
    }

    /// Those of the hosts that are meant: by their own names, or by the inventory's groups.
    fn hosts_among(&self, hosts: &[&str], project: &Project) -> Result<Vec<String>, Stop> {
        let Some(wanted) = &self.hosts else { return Ok(hosts.iter().map(ToString::to_string).collect()) };
        let doing = || format!("choose the hosts `{wanted}`");
        let by_name =
            pattern::among(wanted, hosts).map_err(|why| Stop::misused(Failure::new(doing(), why)))?;
        let mut chosen: Vec<String> = by_name.into_iter().map(str::to_string).collect();
        if let Ok(inventory) = Inventory::load(project, &[])
            && let Ok(of_groups) = inventory.select(wanted, project)
        {
            chosen.extend(of_groups.iter().map(|host| host.name.to_string()));
        }
        Ok(chosen)
    }
}
