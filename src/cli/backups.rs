//! `windlass backups`: what is kept of hosts, whether it is whole, and what of it goes.

use super::{Done, Global, Stop};
use crate::inventory::{Inventory, pattern};
use crate::model::{Failure, Result};
use crate::project::Project;
use crate::store::{BackupPath, BackupStore, Entry};
use clap::Subcommand;

mod list;
mod prune;
mod restore;
mod verify;

/// List, verify, restore and prune backups
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is read for each process")]
enum Command {
    List(list::Args),
    Verify(verify::Args),
    Prune(prune::Args),
    Restore(restore::Args),
}

/// Which backups.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Only backups of these hosts, which need not be in an inventory any more
    #[arg(long = "hosts", value_name = "PATTERN")]
    hosts: Option<String>,
    /// Only backups with this name
    #[arg(long)]
    name: Option<String>,
    /// Only backups in this store: a [store.NAME] of windlass.toml, `default`, or a path
    #[arg(long)]
    store: Option<String>,
}

/// A backup, and where it is.
pub struct Found {
    /// The store's name, as it can be typed.
    pub store_name: String,
    /// The store.
    pub store: BackupStore,
    /// What its catalogue says.
    pub entry: Entry,
}

/// Answers from the stores.
pub fn run(args: Args, global: &Global) -> Done {
    match args.command {
        Command::List(args) => list::run(&args, global),
        Command::Verify(args) => verify::run(&args, global),
        Command::Prune(args) => prune::run(&args, global),
        Command::Restore(args) => restore::run(args, global),
    }
}

impl Which {
    /// The stores that are meant, with their names.
    pub fn stores(&self, project: &Project) -> Result<Vec<(String, BackupStore)>, Stop> {
        let names = self.store.clone().map_or_else(|| project.store_names(), |name| vec![name]);
        let open = |name: String| project.store(Some(&name)).map(|store| (name, store));
        names.into_iter().map(open).collect::<Result<_>>().map_err(Stop::misused)
    }

    /// The backups that are meant, newest first.
    pub fn backups(&self, project: &Project) -> Result<Vec<Found>, Stop> {
        let mut found = Vec::new();
        let groups = self.groups(project)?;
        for (store_name, store) in self.stores(project)? {
            let entries = store.list_those(|place| self.wants(place, &groups))?;
            found.extend(entries.into_iter().map(|entry| Found {
                store_name: store_name.clone(),
                store: store.clone(),
                entry,
            }));
        }
        found.sort_by(|a, b| b.entry.place.id.cmp(&a.entry.place.id));
        Ok(found)
    }

    fn wants(&self, place: &BackupPath, groups: &[String]) -> bool {
        let by_name =
            |wanted: &String| pattern::among(wanted, &[&place.host]).is_ok_and(|found| !found.is_empty());
        let host = self.hosts.as_ref().is_none_or(|wanted| by_name(wanted) || groups.contains(&place.host));
        host && self.name.as_ref().is_none_or(|name| *name == place.name)
    }

    /// The hosts that the pattern chooses by the inventory's groups, where there is one that it fits.
    fn groups(&self, project: &Project) -> Result<Vec<String>, Stop> {
        let Some(wanted) = &self.hosts else { return Ok(Vec::new()) };
        let wrong = |why| Stop::misused(Failure::new(format!("choose the hosts `{wanted}`"), why));
        pattern::among(wanted, &[]).map_err(wrong)?;
        let inventory = Inventory::load(project, &[]);
        let chosen = inventory.as_ref().ok().and_then(|inventory| inventory.select(wanted, project).ok());
        Ok(chosen.unwrap_or_default().iter().map(|host| host.name.to_string()).collect())
    }
}
