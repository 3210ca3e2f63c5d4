//! A host without the lab: an SSH server in this process whose host is a folder, as `windlass demo` has them. The commands
//! of its steps are real processes of this machine.

use crate::stage::Project;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use windlass::demo::hosts::{self, HOSTS};
use windlass::demo::server::{FolderHost, Server, USER};

/// A project with its hosts. All of it is gone when it is dropped.
pub struct FolderStage {
    pub project: Project,
    _servers: Vec<Server>,
    _runtime: tokio::runtime::Runtime,
}

impl FolderStage {
    /// One host, `web1`.
    pub fn set() -> FolderStage {
        FolderStage::of(&["web1"])
    }

    /// Hosts of these names, in this order.
    pub fn of(names: &[&str]) -> FolderStage {
        let project = Project::without_inventory();
        let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
        let key = new_key();
        project.write("key", key.to_openssh(LineEnding::LF).expect("a key can be written").as_bytes());
        fs::set_permissions(project.path().join("key"), fs::Permissions::from_mode(0o600))
            .expect("it is ours");
        let path = |name: &str| project.path().join(name).display().to_string();
        let mut inventory = format!(
            "[ssh]\nuser = \"{USER}\"\nidentity = {:?}\nidentities_only = true\nknown_hosts = {:?}\n",
            path("key"),
            path("known_hosts"),
        );
        let (mut servers, mut known_hosts) = (Vec::new(), String::new());
        for name in names {
            let folder = project.path().join(name);
            hosts::prepare(&folder, &HOSTS[0]).expect("the host can be made");
            let host_key = new_key();
            let known = host_key.public_key().to_openssh().expect("a key can be written");
            let host = FolderHost { folder, host_key, client_key: key.public_key().clone() };
            let server = runtime.block_on(Server::start(host)).expect("the host comes up");
            let port = server.address.port();
            known_hosts += &format!("[127.0.0.1]:{port} {known}\n");
            inventory += &format!("[hosts.{name}]\naddress = \"127.0.0.1\"\nssh = {{ port = {port} }}\n");
            servers.push(server);
        }
        project.write("known_hosts", known_hosts);
        project.write("inventories/demo.toml", inventory);
        FolderStage { project, _servers: servers, _runtime: runtime }
    }

    /// A file of the project that steps write to from the host.
    pub fn file(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }
}

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).expect("a key can be made")
}
