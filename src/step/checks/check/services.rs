//! Whether services are up, asked the way each of them answers.

use super::{TIME, unseen};
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command, Condition};
use crate::system::Probe;
use serde::Deserialize;

/// A service: exactly one of `unit`, `postgres`, `mysql`, `redis` and `port`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A unit of systemd's, `.service` when nothing else is said: it must be active.
    unit: Option<String>,
    /// A PostgreSQL server, `127.0.0.1:5432`: it must accept connections.
    postgres: Option<String>,
    /// A MySQL or MariaDB server, `127.0.0.1:3306`: it must answer.
    mysql: Option<String>,
    /// A Redis server, `127.0.0.1:6379`: it must answer a ping.
    redis: Option<String>,
    /// A TCP port: it must accept connections.
    port: Option<u16>,
    /// Where the port is; the host itself when not given.
    host: Option<String>,
    /// The container in which the server's client is asked, with the address as it is there.
    container: Option<String>,
}

impl From<String> for Service {
    fn from(unit: String) -> Self {
        Service { unit: Some(unit), ..Service::default() }
    }
}

/// The client that a server is asked with, and how it says that the server is up.
struct Client {
    words: &'static [&'static str],
    host: &'static str,
    port: &'static str,
    task: &'static [&'static str],
    package: &'static str,
    is_up: fn(&Answer) -> bool,
}

const POSTGRES: Client = Client {
    words: &["pg_isready", "-t", "5"],
    host: "-h",
    port: "-p",
    task: &[],
    package: "postgresql-client",
    is_up: Answer::ok,
};

const MYSQL: Client = Client {
    words: &["mysqladmin", "--no-defaults", "--connect-timeout=5", "--protocol=tcp"],
    host: "-h",
    port: "-P",
    task: &["ping"],
    package: "mysql-client or mariadb-client",
    // A server that refuses a user is up.
    is_up: |answer| answer.ok() || says(answer, "Access denied"),
};

const REDIS: Client = Client {
    words: &["redis-cli"],
    host: "-h",
    port: "-p",
    task: &["ping"],
    package: "redis-tools",
    // A server that wants a password is up.
    is_up: |answer| says(answer, "PONG") || says(answer, "NOAUTH"),
};

fn says(answer: &Answer, text: &str) -> bool {
    [&answer.stdout, &answer.stderr].iter().any(|bytes| String::from_utf8_lossy(bytes).contains(text))
}

impl Service {
    /// Refuses an item that names no service, or several.
    pub fn check(&self) -> Result<(), String> {
        let given = [&self.unit, &self.postgres, &self.mysql, &self.redis];
        let given = given.iter().filter(|one| one.is_some()).count() + usize::from(self.port.is_some());
        if given != 1 {
            return Err("give exactly one of unit, postgres, mysql, redis and port".to_string());
        }
        if self.host.is_some() && self.port.is_none() {
            return Err("host belongs to port; the address of a server has its own".to_string());
        }
        if self.container.is_some() && (self.unit.is_some() || self.port.is_some()) {
            return Err("only a server is asked inside a container".to_string());
        }
        match self.server().map(|(_, _, address)| split(address)) {
            Some(None) => Err("an address is written as 127.0.0.1:5432".to_string()),
            _ => Ok(()),
        }
    }

    /// Whether it is up.
    pub fn look(&self, host: &dyn Probe) -> Finding {
        match (self.server(), &self.unit, self.port) {
            (Some((name, client, address)), ..) => self.ask(host, name, client, address),
            (None, Some(unit), _) => of_unit(host, unit),
            (None, None, port) => self.connect(host, port.unwrap_or_default()),
        }
    }

    fn server(&self) -> Option<(&'static str, &'static Client, &str)> {
        let servers = [
            ("postgres", &POSTGRES, &self.postgres),
            ("mysql", &MYSQL, &self.mysql),
            ("redis", &REDIS, &self.redis),
        ];
        servers.into_iter().find_map(|(name, client, address)| Some((name, client, address.as_deref()?)))
    }

    fn ask(&self, host: &dyn Probe, name: &str, client: &Client, address: &str) -> Finding {
        let what = match &self.container {
            Some(container) => format!("{name} {address} in {container}"),
            None => format!("{name} {address}"),
        };
        let Some((at, port)) = split(address) else { return unseen("services", what, "it is no address") };
        let mut argv: Vec<&str> = match &self.container {
            Some(container) => vec!["docker", "exec", container],
            None => Vec::new(),
        };
        argv.extend(client.words);
        argv.extend([client.host, at, client.port, port]);
        argv.extend(client.task);
        let command = Command { timeout: Some(TIME), ..Command::new(argv) };
        match host.ask(&command) {
            Err(failure) => unseen("services", what, failure),
            Ok(answer) if (client.is_up)(&answer) => {
                Finding::new("services", what, Verdict::Pass, "it answers").wanted("answers")
            }
            Ok(answer) if is_missing(&answer) => {
                unseen("services", what, format!("there is no {}", client.words[0]))
                    .wanted("answers")
                    .hint(format!("install {}, or name the container that has it", client.package))
            }
            Ok(answer) => {
                let why = answer.last_words().unwrap_or_else(|| format!("exit status {}", answer.status));
                Finding::new("services", what, Verdict::Fail, why).wanted("answers")
            }
        }
    }

    fn connect(&self, host: &dyn Probe, port: u16) -> Finding {
        let at = self.host.clone().unwrap_or_else(|| "127.0.0.1".to_string());
        let what = format!("{at}:{port}");
        match host.observe(&Condition::Port { host: at, port, open: true }) {
            Err(failure) => unseen("services", what, failure),
            Ok(seen) => Finding::new("services", what, Verdict::of(seen.holds), seen.seen)
                .wanted("accepts connections"),
        }
    }
}

/// The program is missing on the host, or in the container.
fn is_missing(answer: &Answer) -> bool {
    matches!(answer.status, 126 | 127)
}

/// `127.0.0.1:5432`, `[::1]:5432`.
fn split(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && !host.starts_with('-')).then_some((host, port))
}

fn of_unit(host: &dyn Probe, unit: &str) -> Finding {
    let name = if unit.contains('.') { unit.to_string() } else { format!("{unit}.service") };
    let argv = ["systemctl", "show", "--property=LoadState,ActiveState,SubState,Result", "--", &name];
    let answer = match host.ask(&Command { timeout: Some(TIME), ..Command::new(argv) }) {
        Ok(answer) if answer.ok() => answer,
        Ok(answer) => {
            let why = answer.last_words().unwrap_or_else(|| "systemctl cannot be asked".to_string());
            return unseen("services", unit, why).wanted("active");
        }
        Err(failure) => return unseen("services", unit, failure),
    };
    let text = answer.text();
    let property =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
    let (active, sub, result) = (property("ActiveState"), property("SubState"), property("Result"));
    let seen = match (property("LoadState"), active, result) {
        ("not-found", ..) => "there is no such unit".to_string(),
        (_, "failed", result) => format!("failed ({result})"),
        (_, active, _) => format!("{active} ({sub})"),
    };
    let finding = Finding::new("services", unit, Verdict::of(matches!(active, "active" | "reloading")), seen);
    finding.wanted("active").hint(format!("journalctl -u {name} -n 20 shows why"))
}
