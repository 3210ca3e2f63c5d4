//! What enables and masks a unit: links in its own name, and those of the units that its [Install] section names in Also=,
//! which systemctl enables and disables together with it.

use super::{UNIT_DIRECTORIES, Unit, full, look};
use crate::model::Result;
use crate::model::op::{Command, Undo};
use crate::model::refusal::refused;
use crate::system::Probe;

/// Prints what is asked for here.
const INSTALLED: &[u8] = include_bytes!("installed.sh");

/// Makes the links what they were.
const RELINK: &[u8] = include_bytes!("relink.sh");

/// Where systemctl makes its links: until they are removed, and until the next boot.
const LASTING: &str = "/etc/systemd/system";
const RUNTIME: &str = "/run/systemd/system";

/// What a mask points to.
const NOTHING: &str = "/dev/null";

/// The links that enable and mask a unit, as they are before a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Install {
    name: String,
    /// The units that are enabled and disabled together with it, by name.
    pub also: Vec<(String, Unit)>,
    /// Path and target.
    links: Vec<(String, String)>,
}

impl Install {
    /// Asks the host, for a unit by its own name.
    pub fn of(host: &dyn Probe, name: &str) -> Result<Self> {
        let name = full(name);
        let argv = ["/bin/sh", "-s", "--", &name, LASTING, RUNTIME];
        let title = Some(format!("look at what enables {name}"));
        let question = Command { stdin: INSTALLED.to_vec(), title, ..Command::new(argv) };
        let answer = host.ask(&question)?;
        if !answer.ok() {
            return Err(refused(&question, &answer));
        }
        let mut install = Install { name, ..Install::default() };
        for line in answer.text().lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["also", unit] => install.also.push((unit.to_string(), look(host, unit)?)),
                ["link", path, target] => install.links.push((path.to_string(), target.to_string())),
                _ => {}
            }
        }
        Ok(install)
    }

    /// What undoes `systemctl VERB`: the links as they are now, and its init script, if it has one, as `back` makes it.
    pub fn undo(&self, back: &str) -> Undo {
        let family = [&self.name].into_iter().chain(self.also.iter().map(|(name, _)| name));
        let links = self.links.iter().flat_map(|(path, target)| [path, target]);
        let mut argv =
            ["/bin/sh", "-s", "--", back, &self.name, LASTING, RUNTIME, "--"].map(str::to_string).to_vec();
        argv.extend(family.cloned());
        argv.push("--".to_string());
        argv.extend(links.cloned());
        let title = Some(format!("restore what enables {}", self.name));
        Undo::Command(Command { stdin: RELINK.to_vec(), title, ..Command::new(argv) })
    }

    /// Whether links enable it, or what goes with it, until the next boot.
    pub fn is_enabled_until_boot(&self) -> bool {
        self.links.iter().any(|(path, target)| {
            target != NOTHING && path.strip_prefix(RUNTIME).is_some_and(|rest| rest[1..].contains('/'))
        })
    }

    /// Where the link is that masks it for good, and the one that masks it until the next boot.
    pub fn masks(&self) -> [bool; 2] {
        [LASTING, RUNTIME].map(|directory| {
            let mask = format!("{directory}/{}", self.name);
            self.links.iter().any(|(path, target)| *path == mask && target == NOTHING)
        })
    }

    /// The unit file outside the directories of systemd that it is linked from.
    pub fn linked_from(&self) -> Option<&str> {
        let link = format!("{LASTING}/{}", self.name);
        let (_, target) = self.links.iter().find(|(path, _)| *path == link)?;
        let directory = target.rsplit_once('/')?.0;
        (target != NOTHING && target.starts_with('/') && !UNIT_DIRECTORIES.contains(&directory))
            .then_some(target)
    }
}
