//! A host's files, databases, volumes and containers, streamed to the controller's store.

use crate::model::backup::{self, Label, PartKind, Planned};
use crate::model::item::Item;
use crate::model::keep::Keep;
use crate::model::op::{Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Result, Value};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

mod containers;
mod databases;
mod files;
mod redis;
#[cfg(all(test, feature = "controller"))]
mod tests;

use containers::Container;
use databases::Source;
use files::Tree;
use redis::Redis;

/// Streams files, databases, Docker volumes and metadata of containers to the controller's store: compressed on the way,
/// nothing of it on a disk of the host. The backup is in the store when all of it is there, and else not at all. An item
/// that is written as a text is its first key. It is taken each time, and counts as a change. `register` gets `id`, `bytes`,
/// `stored_bytes` and `parts`. All keys must be known before the host is contacted.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// What the backups of this host are called that are of the same things: letters, digits and `.-_`.
    #[serde(default = "default_name")]
    name: String,
    /// Files and directories: `path`, with `exclude`, a list of patterns of tar's.
    #[serde(default)]
    files: Vec<Item<Tree>>,
    /// PostgreSQL databases: `database` (a name, or a URL as seen from the host, or from inside `container`), `user`,
    /// `container`, `format` (`custom`, for `pg_restore`, when not given; or `plain` SQL), `assertion` (SQL that a restore test
    /// must answer with true).
    #[serde(default)]
    postgres: Vec<Item<Source>>,
    /// MySQL and MariaDB databases: `database`, `user`, `container`, `assertion`.
    #[serde(default)]
    mysql: Vec<Item<Source>>,
    /// Redis servers: `address` (`"127.0.0.1:6379"` or the path of a socket), `container`, `password`.
    #[serde(default)]
    redis: Vec<Item<Redis>>,
    /// Docker volumes that lie on the host's own disk.
    #[serde(default)]
    volumes: Vec<String>,
    /// Containers of which `docker inspect` is kept: `name`, with `export = true` their files too. It holds their environment,
    /// passwords among it: encrypt.
    #[serde(default)]
    containers: Vec<Item<Container>>,
    /// Of the databases that are reached over the network and whose URL has none.
    password: Option<String>,
    /// SQL that a restore test of each database must answer with true, where the database has no assertion of its own.
    assertion: Option<String>,
    /// The store: a name from `windlass.toml` or a directory here; `.windlass/backups` when not given.
    to: Option<String>,
    /// Which older backups of this host and name are kept: `last`, `hourly`, `daily`, `weekly`, `monthly`, `yearly`, each a
    /// number; all of them when not given.
    keep: Option<Keep>,
    /// Age recipients: only the holder of the identity of one can read it. Those of the store when not given.
    #[serde(default)]
    encrypt_to: Vec<String>,
}

impl Kind for Backup {
    const NAME: &'static str = "backup";
    const STAYS: Option<&'static str> = Some("a backup is kept under the name of its host");
    const RESULT: &'static [&'static str] = &["id", "bytes", "stored_bytes", "parts"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[
        ("name", KeyUse::Known),
        ("files", KeyUse::Known),
        ("postgres", KeyUse::Known),
        ("mysql", KeyUse::Known),
        ("redis", KeyUse::Known),
        ("volumes", KeyUse::Known),
        ("containers", KeyUse::Known),
        ("password", KeyUse::Known),
        ("assertion", KeyUse::Known),
        ("to", KeyUse::Known),
        ("keep", KeyUse::Known),
        ("encrypt_to", KeyUse::Known),
    ];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the shop is kept"
timeout = "6h"
[steps.backup]
name = "nightly"
files = ["/etc/nginx", { path = "/srv/shop", exclude = ["node_modules", "*.log"] }]
postgres = ["shop", { database = "postgres://crm@127.0.0.1/crm", format = "plain" }]
mysql = [{ database = "blog", user = "root", container = "blog-db", assertion = "SELECT count(*) > 0 FROM posts" }]
redis = ["127.0.0.1:6379"]
volumes = ["shop_uploads"]
containers = ["shop", { name = "worker", export = true }]
password = "{{ database_password }}"             # a param of type secret
assertion = "SELECT count(*) > 100 FROM users"
to = "offsite"                                   # [store.offsite] of windlass.toml
keep = { daily = 7, weekly = 4, monthly = 12 }
encrypt_to = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
"#;
}

fn default_name() -> String {
    "backup".to_string()
}

impl Step for Backup {
    fn check(&self) -> Result<(), WrongKey> {
        plain(&self.name).map_err(|why| WrongKey::new("name", why))?;
        check_all("files", &self.files, |item| item.0.check())?;
        check_all("postgres", &self.postgres, |item| item.0.check(databases::POSTGRES))?;
        check_all("mysql", &self.mysql, |item| item.0.check(databases::MYSQL))?;
        check_all("redis", &self.redis, |item| item.0.check())?;
        check_all("volumes", &self.volumes, |name| containers::check_name(name))?;
        check_all("containers", &self.containers, |item| containers::check_name(&item.0.name))?;
        check_all("encrypt_to", &self.encrypt_to, |recipient| is_recipient(recipient))?;
        match self.planned().is_empty() {
            true => Err(WrongKey::new(
                "",
                "give at least one of files, postgres, mysql, redis, volumes and containers",
            )),
            false => Ok(()),
        }
    }

    fn backup(&self) -> Option<backup::Request> {
        Some(backup::Request {
            name: self.name.clone(),
            store: self.to.clone(),
            keep: self.keep.clone(),
            recipients: self.encrypt_to.clone(),
            assertion: self.assertion.clone(),
            parts: self.planned(),
        })
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut commands = Vec::new();
        for item in &self.files {
            commands.push(item.0.command(host)?);
        }
        let mut about = databases::About::default();
        for (source, label) in self.sources().zip(self.planned().into_iter().skip(commands.len())) {
            commands.push(source.command(host, self.password.as_deref(), &label.label.name, &mut about)?);
        }
        commands.extend(self.redis.iter().map(|item| item.0.command()));
        for name in &self.volumes {
            commands.push(containers::volume(host, name)?);
        }
        for item in &self.containers {
            commands.extend(item.0.commands(host)?);
        }
        commands.extend(self.sources().next().map(|_| about.command()));
        let labels = self.planned().into_iter().map(|planned| planned.label);
        let parts =
            labels.zip(commands).map(|(label, (command, accept))| backup::Part { label, command, accept });
        let backup = backup::Backup { name: self.name.clone(), parts: parts.collect() };
        Ok(Plan { once: true, ..Plan::of(vec![Op::Backup(Box::new(backup))]) })
    }
}

impl Backup {
    /// Its parts, in the order in which they are sent. Two never have one name.
    fn planned(&self) -> Vec<Planned> {
        let mut planned: Vec<Planned> = self.files.iter().map(|item| item.0.planned()).collect();
        planned.extend(self.sources().map(|source| source.planned(self.assertion.as_deref())));
        planned.extend(self.redis.iter().map(|item| item.0.planned()));
        planned.extend(self.volumes.iter().map(|name| containers::planned_volume(name)));
        planned.extend(self.containers.iter().flat_map(|item| item.0.planned()));
        if self.sources().next().is_some() {
            planned.push(Planned { label: label(PartKind::Json, "about", ""), from: Value::Null });
        }
        number(&mut planned);
        planned
    }

    fn sources(&self) -> impl Iterator<Item = databases::Typed<'_>> {
        let postgres = self.postgres.iter().map(|item| item.0.typed(databases::POSTGRES));
        postgres.chain(self.mysql.iter().map(|item| item.0.typed(databases::MYSQL)))
    }
}

/// A name from what a part is of and where that is: `files-etc-nginx.tar`.
fn label(kind: PartKind, of: &str, place: &str) -> Label {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let plain: String = place.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let mut stem = format!("{of}-{}", plain.trim_matches('-')).trim_end_matches('-').to_string();
    if stem.len() > STEM {
        let digest = crate::model::digest::Digest::of(place.as_bytes());
        stem = format!("{}-{}", &stem[..STEM], &digest.as_str()[..8]);
    }
    Label { name: format!("{stem}.{}", kind.ending()), kind }
}

/// A part's name without its ending has at most so many letters, of which a digest's are the last when there would be more.
const STEM: usize = 100;

/// Different places can have one name, since a part's name has fewer letters: the later ones are numbered.
fn number(planned: &mut [Planned]) {
    let mut taken: Vec<String> = Vec::new();
    for Planned { label, .. } in planned {
        let (stem, ending) = label.name.rsplit_once('.').unwrap_or((&label.name, ""));
        let names = (2..).map(|number| format!("{stem}-{number}.{ending}"));
        let name = std::iter::once(label.name.clone()).chain(names).find(|name| !taken.contains(name));
        // There is always a number that is not taken.
        label.name = name.unwrap_or_default();
        taken.push(label.name.clone());
    }
}

fn check_all<T>(key: &str, items: &[T], check: impl Fn(&T) -> Result<(), String>) -> Result<(), WrongKey> {
    for (index, item) in items.iter().enumerate() {
        check(item).map_err(|why| WrongKey::new(&format!("{key}[{index}]"), why))?;
    }
    Ok(())
}

fn plain(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let first = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    match first && name.len() <= 60 && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is not a name of at most 60 letters, digits and .-_, a letter or digit first"
        )),
    }
}

fn is_recipient(text: &str) -> Result<(), String> {
    match text.starts_with("age1") || text.starts_with("ssh-") {
        true => Ok(()),
        false => Err("it is not an age recipient: those begin with age1".to_string()),
    }
}

/// A path that is taken or made, below `/`.
fn whole_path(path: &HostPath) -> Result<(HostPath, String), String> {
    let text =
        path.to_str().filter(|text| text.starts_with('/') && !text.contains("//") && !text.contains('\0'));
    let parts = text
        .map(|text| text.split('/').skip(1))
        .filter(|parts| !parts.clone().any(|part| [".", ".."].contains(&part)));
    let name = path.file_name().and_then(|name| name.to_str());
    match (parts, name, path.parent()) {
        (Some(_), Some(name), Some(folder)) => Ok((HostPath::from(folder), name.to_string())),
        _ => Err("a path there begins with / and names something below it, without . and ..".to_string()),
    }
}
