//! The lab: its state, its hosts with a lock each.
#![expect(clippy::disallowed_methods, reason = "tests start scripts of the lab")]

use super::host::Host;
use super::project::finish;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What the full hosts have in common; as the name of a host, any of them.
const FULL: &str = "full";

/// The lab that `tests/lab/up` brought up: its `lab.json`, read.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Holds `lab.json`, `known_hosts`, the keys and `inventories/lab.toml`.
    pub folder: PathBuf,
    record: Record,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct Record {
    /// How docker is called here: `["docker"]` or `["sudo", "docker"]`.
    docker: Vec<String>,
    hosts: BTreeMap<String, HostRecord>,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct HostRecord {
    address: String,
    container: String,
    users: Vec<String>,
}

impl Lab {
    /// The lab named by `WINDLASS_LAB`. A test asked to run without one fails here: it must not pass by not testing.
    pub fn get() -> Lab {
        let folder = std::env::var_os("WINDLASS_LAB")
            .map(PathBuf::from)
            .expect("this test needs the lab: use ./tests/run, or tests/lab/up and WINDLASS_LAB=target/lab");
        Lab::at(folder)
    }

    fn at(folder: PathBuf) -> Lab {
        let path = folder.join("lab.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("no lab is up: {}: {error} (use ./tests/run, or tests/lab/up)", path.display())
        });
        let record =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Lab { folder, record }
    }

    /// One host, for this test alone until it is dropped. `full` is whichever full host is free.
    pub fn host(&self, name: &str) -> Host {
        if name == FULL {
            let (name, lock) = self.any_full();
            return self.locked(&name, lock);
        }
        let [host] = self.hosts([name]);
        host
    }

    /// Several hosts at once. They are locked in the order of their names, so that two tests cannot wait for each other;
    /// for the same reason a test calls this (or `host`) once.
    pub fn hosts<const N: usize>(&self, names: [&str; N]) -> [Host; N] {
        let mut locks: BTreeMap<&str, Option<File>> = names.iter().map(|name| (*name, None)).collect();
        for (name, lock) in &mut locks {
            *lock = Some(self.lock(name));
        }
        names.map(|name| {
            let lock = locks.get_mut(name).and_then(Option::take).expect("no host is named twice");
            self.locked(name, lock)
        })
    }

    fn locked(&self, name: &str, lock: File) -> Host {
        let record = self.record.hosts.get(name).unwrap_or_else(|| panic!("the lab has no host {name}"));
        Host {
            name: name.to_owned(),
            address: record.address.clone(),
            users: record.users.clone(),
            container: record.container.clone(),
            docker: self.record.docker.clone(),
            _lock: lock,
        }
    }

    /// Waits until any of the full hosts is free.
    fn any_full(&self) -> (String, File) {
        let full: Vec<&String> = self.record.hosts.keys().filter(|name| name.starts_with(FULL)).collect();
        loop {
            for name in &full {
                let file = self.lock_file(name);
                if file.try_lock().is_ok() {
                    return (name.to_string(), file);
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// So many hosts as a provider hands them out, `fresh1` and so on, for this test alone until dropped.
    pub fn fresh(&self, count: usize) -> Fresh {
        let lock = self.lock("fresh");
        start_fresh(&self.folder, count);
        let lab = Lab::at(self.folder.join("fresh"));
        Fresh { lab, beside: self.folder.clone(), _lock: lock }
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The key every lab user accepts: ed25519, no passphrase.
    pub fn identity(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// A file lock: it holds between processes (nextest gives each test its own) and goes when its holder dies.
    fn lock(&self, name: &str) -> File {
        let file = self.lock_file(name);
        file.lock().unwrap_or_else(|error| panic!("lock {name}: {error}"));
        file
    }

    fn lock_file(&self, name: &str) -> File {
        let folder = self.folder.join("locks");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let path = folder.join(name);
        File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Hosts as a provider hands them out. They go when this is dropped.
#[derive(Debug)]
pub struct Fresh {
    pub lab: Lab,
    beside: PathBuf,
    _lock: File,
}

impl Fresh {
    /// All of them, by number.
    pub fn hosts(&self) -> Vec<Host> {
        let mut names: Vec<&String> = self.lab.record.hosts.keys().collect();
        names.sort_by_key(|name| (name.len(), name.to_string()));
        names.into_iter().map(|name| self.lab.host(name)).collect()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        start_fresh(&self.beside, 0);
    }
}

fn start_fresh(lab: &Path, count: usize) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/fresh");
    let finished = finish(Command::new(script).arg(count.to_string()).env("WINDLASS_LAB", lab));
    assert!(finished.code == 0 || thread::panicking(), "tests/lab/fresh {count}: {finished:?}");
}
