//! What a backup is called, and the folder of the store it is in.

use crate::model::Failure;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `20261121T084500Z`, the time in UTC.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// The length of a stamp.
const STAMP_LENGTH: usize = 16;

/// How many random letters end an id.
const LETTERS: usize = 4;

/// Letters that cannot be taken for digits or for each other, and spell no words.
const ALPHABET: &[u8] = b"bcdfghjkmnpqrstvwxyz";

/// The longest name of a host and of a backup: the id, which holds both, is the name of a folder.
const HOST_LIMIT: usize = 120;
const NAME_LIMIT: usize = 60;

/// Names a backup: its time, host, name and a few random letters, so that ids sort by age.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// The folder of a backup: `HOST/NAME/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupPath {
    /// Whose backup it is.
    pub host: String,
    /// What the playbook calls the backup.
    pub name: String,
    /// Its id, which holds both.
    pub id: Id,
}

impl Id {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the backup was begun.
    pub fn taken(&self) -> Timestamp {
        stamp(&self.0).unwrap_or_default()
    }

    /// The places it may have: dashes are in names too, so that the id alone does not say where the host's name ends.
    pub fn places(&self) -> Vec<BackupPath> {
        let between = self.0.get(STAMP_LENGTH + 1..self.0.len() - LETTERS - 1).unwrap_or_default();
        let splits = between.match_indices('-').map(|(at, _)| (&between[..at], &between[at + 1..]));
        let fits = splits.filter(|(host, name)| check_host(host).is_ok() && check_name(name).is_ok());
        fits.map(|(host, name)| BackupPath { host: host.into(), name: name.into(), id: self.clone() })
            .collect()
    }
}

impl BackupPath {
    /// The place of a new backup that is begun now.
    pub fn new(host: &str, name: &str, now: Timestamp) -> Result<BackupPath, Failure> {
        let doing = || format!("name a backup {name} of {host}");
        check_host(host).map_err(|why| Failure::new(doing(), why))?;
        check_name(name).map_err(|why| Failure::new(doing(), why))?;
        let mut random = rand::rng();
        let letters = (0..LETTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
        let letters: String = letters.collect();
        let id = Id(format!("{}-{host}-{name}-{letters}", now.strftime(STAMP)));
        Ok(BackupPath { host: host.to_string(), name: name.to_string(), id })
    }

    /// The place that these three names of folders make, when they are a backup's.
    pub fn of(host: &str, name: &str, id: &str) -> Option<BackupPath> {
        let id: Id = id.parse().ok()?;
        id.places().into_iter().find(|place| place.host == host && place.name == name)
    }

    /// The place that `HOST/NAME/ID` is.
    pub fn of_path(path: &str) -> Option<BackupPath> {
        let mut parts = path.split('/');
        let (host, name, id) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then(|| BackupPath::of(host, name, id))?
    }
}

impl fmt::Display for BackupPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.host, self.name, self.id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let id = Id(text.to_string());
        let (head, letters) = text.split_at_checked(text.len().saturating_sub(LETTERS)).unwrap_or_default();
        let random = letters.bytes().all(|byte| ALPHABET.contains(&byte)) && head.ends_with('-');
        match stamp(text) {
            Some(_) if random && !id.places().is_empty() => Ok(id),
            _ => Err(format!(
                "{text:?} is not the id of a backup; one looks like 20261121T084500Z-web1-nightly-kxqz"
            )),
        }
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

fn stamp(text: &str) -> Option<Timestamp> {
    let stamp = text.get(..STAMP_LENGTH)?;
    let time = DateTime::strptime(STAMP, stamp).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    // Read leniently, a stamp could be written in two ways, and an id must be one text only.
    let same = time.strftime(STAMP).to_string() == stamp && text.as_bytes().get(STAMP_LENGTH) == Some(&b'-');
    same.then_some(time)
}

/// What an inventory lets a host be called, and no longer than a folder's name can hold.
fn check_host(host: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    check("a host's name", host, HOST_LIMIT, fits)
}

/// What a backup can be called: it is the name of a folder.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    check("a backup's name", name, NAME_LIMIT, fits)
}

fn check(what: &str, text: &str, limit: usize, fits: impl Fn(u8) -> bool) -> Result<(), String> {
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match text.as_bytes().first() {
        Some(byte) if first(byte) && text.len() <= limit && text.bytes().all(fits) => Ok(()),
        _ => Err(format!(
            "{what} has at most {limit} letters, digits and `.-_`, a letter, digit or `_` first; found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> BackupPath {
        BackupPath::new("web-1.example.com", "nightly-db", "2026-11-21T08:45:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn holds_time_host_and_name() {
        let place = place();
        let text = place.id.to_string();
        assert!(text.starts_with("20261121T084500Z-web-1.example.com-nightly-db-"), "{text}");
        assert_eq!(place.id.taken().to_string(), "2026-11-21T08:45:00Z");
        assert_eq!(text.parse::<Id>().unwrap(), place.id);
        assert!(place.id.places().contains(&place));
        assert_eq!(BackupPath::of_path(&place.to_string()), Some(place));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = format!("20261121T084500Z-{}-n-kxqz", "h".repeat(200));
        for text in [
            "",
            "latest",
            "20261121T084500Z",
            "20261121T084500Z-web-kxqz",
            "20261121T084500Z-web-../x-kxqz",
            "20261121T084500Z-web-n-kxqZ",
            "20261321T084500Z-web-n-kxqz",
            "2026-1121T08450Z-web-n-kxqz",
            "20261121T084500Z-.web-n-kxqz",
            "20261121T084500Z-web-n-kxqz/..",
            "é0261121T084500Z-web-n-kxqz",
            "20261121T084500Z-web-n-kxqé",
            &long,
        ] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
        assert!("20261121T084500Z-web-n-kxqz".parse::<Id>().is_ok());
        assert!(BackupPath::new("web", "../etc", Timestamp::UNIX_EPOCH).is_err());
        assert!(BackupPath::new("..", "n", Timestamp::UNIX_EPOCH).is_err());
        assert!(BackupPath::of("web", "x", "20261121T084500Z-web-n-kxqz").is_none());
    }
}
