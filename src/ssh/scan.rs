//! Asks a host for its key without logging in: `windlass hosts --scan`.

use super::algorithms::Algorithms;
use super::connect::host_key;
use super::known_hosts::{Rules, Verified, show};
use super::{Class, ConnectError, Shared, Target};
use crate::model::failure::Failure;
use std::time::SystemTime;

/// The key that a host shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// `ssh-ed25519 SHA256:…`
    pub key: String,
    pub standing: Standing,
}

/// What known_hosts says about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is the known one.
    Known,
    /// Nothing is known of this host.
    New,
    /// Nothing was known; the key is now written down.
    Written,
    /// Another key is known, or this one is revoked.
    Wrong(Failure),
}

/// Asks a host for its key. A new one is written to known_hosts when `write` says so; a changed one never is.
pub async fn scan(target: &Target, shared: &Shared, write: bool) -> Result<Scanned, ConnectError> {
    let shown = host_key(target, shared).await?;
    let key = show(&shown.key);
    let checked = shown.knowledge.check(&shown.key.clone().into(), SystemTime::now(), &Algorithms::default());
    let standing = match checked {
        Ok(Verified::Known) => Standing::Known,
        Ok(Verified::Unknown(_)) if !write => Standing::New,
        Ok(Verified::Unknown(key)) => {
            let rules = Rules { write: true, hash: target.hash_known_hosts, ..Rules::default() };
            let learned = shared.known_hosts.learn(&shown.knowledge, &key, &rules);
            learned.map_err(|why| ConnectError::new(Class::HostKey, why))?;
            Standing::Written
        }
        Err(why) => Standing::Wrong(why),
    };
    Ok(Scanned { key, standing })
}
