//! A project: the folder with `inventories/`, `playbooks/`, `templates/`, `files/` and, if wanted, `windlass.toml`.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::host::SshSettings;
use crate::model::{Doing, Failure, Result};
use crate::schedule::{self, Channel, Schedule};
use crate::schema;
use crate::secrets::{self, AskPassphrase, Vault};
use crate::source::{Node, Source};
use crate::trust;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stores::Stores;

mod identity;
pub mod stores;

/// What makes a folder a project.
const MARKS: &[&str] = &["windlass.toml", "playbooks", "inventories"];

/// A project file that is text is at most this large; beyond it someone meant another file.
const TEXT_BYTES: u64 = 16 << 20;

/// Where everything is that windlass reads.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// What `windlass.toml` says.
    pub config: Config,
    /// Its secrets.
    pub vault: Vault,
    /// Where runs are kept, when not in the project itself: there is none, and this is the folder of the day.
    state: Option<PathBuf>,
}

/// The keys of `windlass.toml`. A flag on the command line is stronger.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What hosts know the project by.
    pub name: Option<String>,
    /// How many hosts are worked at once.
    pub forks: Option<u32>,
    /// The inventories to read, relative to the project, instead of all of `inventories/`.
    pub inventory: Vec<String>,
    /// For the whole of one host's run.
    pub timeout: Option<Duration>,
    /// How hosts are reached where the inventory does not say it.
    pub ssh: SshSettings,
    /// What runs at times of the day.
    pub schedules: Vec<Schedule>,
    /// Where it can be reported.
    pub channels: Vec<Channel>,
    /// Where backups are kept, by name.
    pub stores: Stores,
    /// Who can read the project's secrets, and with which key we do.
    pub secrets: secrets::Config,
}

impl Project {
    /// What hosts know it by, on any controller; `None` where neither windlass.toml nor git says it.
    pub fn identity(&self) -> Option<String> {
        identity::of(self.config.name.as_deref(), &self.root)
    }

    /// Opens `folder`, or else the nearest project at or above `here`.
    pub fn find(folder: Option<&Path>, here: &Path) -> Result<Project, Diagnostics> {
        let root = match folder {
            Some(folder) => Some(here.join(folder)),
            None => nearest(here).map(Path::to_path_buf),
        };
        match root {
            Some(root) => Project::open(&root),
            None => Err(Failure::new(
                format!("find the project of {}", here.display()),
                "neither it nor a directory above it is one",
            )
            .hint("name one with --project, or make one with `windlass init`")
            .into()),
        }
    }

    /// Whether `here` is in a project.
    pub fn is_near(here: &Path) -> bool {
        nearest(here).is_some()
    }

    fn open(root: &Path) -> Result<Project, Diagnostics> {
        let doing = format!("open the project {}", root.display());
        let root = root.canonicalize().doing(&doing)?;
        let folder = fs::metadata(&root).doing(&doing)?;
        if !folder.is_dir() {
            return Err(Failure::new(doing, "it is no directory").into());
        }
        trust::project(&root, &doing)?;
        let mut project = Project { root, config: Config::default(), vault: Vault::default(), state: None };
        if project.root.join("windlass.toml").exists() {
            project.config = Config::read(&project.read(Path::new("windlass.toml"))?, &project.root)?;
        }
        Ok(project.asking(None))
    }

    /// The same project, which asks for passphrases of keys that way.
    pub fn asking(self, ask: Option<AskPassphrase>) -> Project {
        Project { vault: Vault::new(&self.root, &self.config.secrets, ask), ..self }
    }

    /// No project, but the folder `here`: for hosts that are in no inventory. Runs are kept in `state`.
    pub fn without(here: &Path, state: PathBuf) -> Project {
        let (root, config) = (here.to_path_buf(), Config::default());
        Project { root, config, vault: Vault::default(), state: Some(state) }.asking(None)
    }

    /// Whether there is a project, and not only a folder.
    pub fn is_one(&self) -> bool {
        self.state.is_none()
    }

    /// The folder of runs and other state; it need not exist yet.
    pub fn state(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.root.join(".windlass"))
    }

    /// Reads a text file. A relative path is relative to the project.
    pub fn read(&self, path: &Path) -> Result<Arc<Source>> {
        let path = self.root.join(path);
        let name = self.name_of(&path);
        let doing = format!("read {name}");
        let mut bytes = Vec::new();
        let file = self.open_file(&path, &doing)?;
        let read = file.take(TEXT_BYTES + 1).read_to_end(&mut bytes);
        read.doing(&doing)?;
        if bytes.len() as u64 > TEXT_BYTES {
            return Err(Failure::new(doing, format!("it is larger than {} MiB", TEXT_BYTES >> 20)));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_text(&name, &error))?;
        Ok(Source::new(name, text))
    }

    /// Opens a file, unless another user can have written it. A relative path is relative to the project.
    pub fn open_file(&self, path: &Path, doing: &str) -> Result<fs::File> {
        trust::open(&self.root.join(path), Some(&self.root), doing)
    }

    /// Refuses a directory or a program that another user can have written.
    pub fn check(&self, path: &Path, doing: &str) -> Result<()> {
        trust::check(&self.root.join(path), Some(&self.root), doing)
    }

    /// A path as messages show it: relative to the project where it is inside.
    pub fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// The names of the regular files below `folder` of the project, without hidden ones, in order. `deep` goes into
    /// folders too. A folder that does not exist is empty.
    pub fn files(&self, folder: &str, deep: bool) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut waiting = vec![self.root.join(folder)];
        while let Some(folder) = waiting.pop().filter(|folder| folder.is_dir()) {
            let doing = format!("list {}", self.name_of(&folder));
            self.check(&folder, &doing)?;
            for entry in fs::read_dir(&folder).doing(&doing)? {
                let path = entry.doing(&doing)?.path();
                match path.is_dir() {
                    _ if is_hidden(&path) => {}
                    true if deep => waiting.push(path),
                    true => {}
                    false => found.push(path),
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The nearest project at or above `here`.
fn nearest(here: &Path) -> Option<&Path> {
    here.ancestors().find(|folder| MARKS.iter().any(|mark| folder.join(mark).exists()))
}

/// Where a file stops being text.
fn not_text(name: &str, error: &std::string::FromUtf8Error) -> Failure {
    let valid = error.utf8_error().valid_up_to();
    let (before, rest) = error.as_bytes().split_at(valid);
    let before = String::from_utf8_lossy(before);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let why = format!("the byte 0x{:02x} is not UTF-8", rest.first().copied().unwrap_or_default());
    Failure::new(format!("read {name}:{line}:{column}"), why).hint("save the file as UTF-8")
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~')
}

impl Config {
    fn read(source: &Arc<Source>, root: &Path) -> Result<Config, Diagnostics> {
        let node = Node::parse(source)?;
        let mut problems = Diagnostics::default();
        let mut keys = Keys::of(&node, "windlass.toml", &mut problems);
        let forks = keys.count("forks");
        if forks == Some(0) {
            keys.problem(Diagnostic::error("must be at least 1", node.place_of("forks")));
        }
        let name = keys.read("project", "1 to 64 letters, digits, `.`, `_` and `-`", |node| {
            node.as_str().filter(|text| identity::is_name(text)).map(str::to_string)
        });
        let (inventory, timeout) = (keys.strings("inventory"), keys.duration("timeout"));
        let (ssh, store) = (keys.node("ssh"), keys.node("store"));
        let secrets = keys.node("secrets");
        let (_schedules, _channels) = (keys.entries("schedule"), keys.entries("notify"));
        keys.finish();
        let ssh = ssh.map(|node| schema::read(node, "`ssh`", &mut problems)).unwrap_or_default();
        let stores = store.map(|node| stores::read(node, root, &mut problems)).unwrap_or_default();
        let channels = schedule::config::channels(&node, &mut problems);
        let schedules = schedule::config::schedules(&node, &channels, &mut problems);
        let secrets = secrets.map(|node| secrets::Config::read(node, &mut problems)).unwrap_or_default();
        problems.unless_errors(Config {
            name,
            forks,
            inventory,
            timeout,
            ssh,
            schedules,
            channels,
            stores,
            secrets,
        })
    }
}

#[cfg(test)]
pub mod tests;
