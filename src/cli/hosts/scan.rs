//! `windlass hosts --scan`: the keys that hosts show, to compare before they are trusted.

use super::super::{Done, Global, Stop, answer, start};
use crate::inventory::Host;
use crate::model::Doing;
use crate::report::{escape, style};
use crate::ssh::scan::{Scanned, Standing, scan};
use crate::ssh::{Config, ConnectError, Target};
use futures::stream::{self, StreamExt};

/// Hosts that are asked at once.
const AT_ONCE: usize = 64;
/// A host shows a key that is not the known one. As in a run, the two codes add up.
const FAILED: u8 = 2;
/// A host did not answer.
const UNREACHABLE: u8 = 4;

/// Asks each host for its key and prints the fingerprints.
pub fn run(hosts: &[&Host], config: &Config, write: bool, global: &Global) -> Done {
    let targets: Vec<Target> = hosts
        .iter()
        .map(|host| Target::or_unusable(host.name.as_str(), host.given_address(), &host.ssh, config))
        .collect();
    let shared = start::shared(None);
    let runtime = tokio::runtime::Runtime::new().doing("start the runtime").map_err(Stop::Broken)?;
    let scanned: Vec<(&Target, Result<Scanned, ConnectError>)> = runtime.block_on(
        stream::iter(&targets)
            .map(async |target| (target, scan(target, &shared, write).await))
            .buffered(AT_ONCE)
            .collect(),
    );
    let title = ["host", "key", "known_hosts"].map(str::to_string);
    let found = scanned.iter().map(|(target, scanned)| row(target, scanned));
    let rows: Vec<[String; 3]> = std::iter::once(title).chain(found).collect();
    answer(&style::table(&rows, global.view(false).style))?;
    Ok(scanned.iter().fold(0, |code, (_, scanned)| code | code_of(scanned)))
}

fn code_of(scanned: &Result<Scanned, ConnectError>) -> u8 {
    match scanned {
        Ok(Scanned { standing: Standing::Wrong(_), .. }) => FAILED,
        Ok(_) => 0,
        Err(_) => UNREACHABLE,
    }
}

fn row(target: &Target, scanned: &Result<Scanned, ConnectError>) -> [String; 3] {
    let one_line = |text: String| escape::line(&text.lines().collect::<Vec<_>>().join(" ")).into_owned();
    match scanned {
        Err(error) => [target.name.clone(), "-".to_string(), one_line(error.to_string())],
        Ok(Scanned { key, standing }) => {
            let standing = match standing {
                Standing::Known => "known".to_string(),
                Standing::New => "new: compare it, then write it with --write-known-hosts".to_string(),
                Standing::Written => "written to known_hosts".to_string(),
                Standing::Wrong(why) => one_line(why.to_string()),
            };
            [target.name.clone(), key.clone(), standing]
        }
    }
}
