//! What a Redis server has in memory.

use super::{Planned, label};
use crate::docker;
use crate::model::Result;
use crate::model::backup::PartKind;
use crate::model::op::{Accept, Command};
use serde::Deserialize;
use serde_json::json;

const REDIS: &str = include_str!("redis.sh");

/// A server, asked with its own client.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `127.0.0.1:6379`, or the path of a socket, as seen from the host or from inside the container.
    #[serde(default = "usual")]
    address: String,
    /// The container in which the client is run.
    container: Option<String>,
    /// Keep it in a param of type secret.
    password: Option<String>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Redis({})", self.address)
    }
}

fn usual() -> String {
    "127.0.0.1:6379".to_string()
}

impl From<String> for Redis {
    fn from(address: String) -> Self {
        Redis { address, container: None, password: None }
    }
}

impl Redis {
    pub fn check(&self) -> Result<(), String> {
        if let Some(container) = self.container.as_ref().filter(|name| !docker::is_name(name)) {
            return Err(format!("{container:?} is not a name that Docker takes"));
        }
        if self.password.as_deref().is_some_and(|password| password.chars().any(char::is_control)) {
            return Err("its password holds a control character".to_string());
        }
        match self.arguments() {
            Some(_) => Ok(()),
            None => Err("an address is written as 127.0.0.1:6379, or as the path of a socket".to_string()),
        }
    }

    pub fn planned(&self) -> Planned {
        let place = [self.container.as_deref().unwrap_or_default(), &self.address].join("-");
        let from = json!({ "redis": self.address, "container": self.container });
        Planned { label: label(PartKind::Rdb, "redis", &place), from }
    }

    pub fn command(&self) -> (Command, Accept) {
        let inside = self.container.iter().flat_map(|name| ["docker", "exec", "--interactive", name]);
        let has_password = if self.password.is_some() { "password" } else { "none" };
        let script = ["sh", "-c", REDIS, "windlass", has_password].into_iter();
        let arguments = self.arguments().unwrap_or_default();
        let argv = inside.chain(script).map(str::to_string).chain(arguments).collect();
        let stdin =
            self.password.as_ref().map(|password| format!("{password}\n").into_bytes()).unwrap_or_default();
        let title = Some(format!("dump of Redis at {}", self.address));
        (Command { argv, stdin, title, ..Command::default() }, Accept::Zero)
    }

    fn arguments(&self) -> Option<Vec<String>> {
        if self.address.starts_with('/') {
            return Some(vec!["-s".to_string(), self.address.clone()]);
        }
        let (host, port) = self.address.rsplit_once(':')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        let fits = !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain);
        port.parse::<u16>().ok().filter(|_| fits)?;
        let host = host.trim_matches(['[', ']']);
        Some(["-h", host, "-p", port].map(str::to_string).to_vec())
    }
}
