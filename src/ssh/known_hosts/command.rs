//! `KnownHostsCommand`: a program that prints lines of known_hosts. As in ssh it is asked twice: before the connection,
//! to know which types of key to ask for, and again about the key that the host shows.

use super::HostIdentity;
use crate::model::failure::{Failure, Result};
use crate::ssh::config::tokens::Tokens;
use crate::ssh::config::words;
use crate::ssh::local;
use russh::keys::{HashAlg, PublicKey};

/// The command as it is written, and what its tokens stand for.
#[derive(Clone, Debug)]
pub struct KnownHostsCommand {
    pub written: String,
    pub tokens: Tokens,
}

impl KnownHostsCommand {
    /// The lines for a host whose key is not known yet. It may block.
    pub fn before(&self, identity: &HostIdentity) -> Result<String> {
        let none = || "NONE".to_string();
        self.run(&[
            ('I', "ORDER".to_string()),
            ('H', identity.label()),
            ('t', none()),
            ('f', none()),
            ('K', none()),
        ])
    }

    /// The lines for a host that shows `key`. It may block.
    pub fn for_key(&self, identity: &HostIdentity, key: &PublicKey) -> Result<String> {
        let text = key.to_openssh().unwrap_or_default();
        self.run(&[
            ('I', "HOSTNAME".to_string()),
            ('H', identity.label()),
            ('t', key.algorithm().to_string()),
            ('f', key.fingerprint(HashAlg::Sha256).to_string()),
            ('K', text.split(' ').nth(1).unwrap_or_default().to_string()),
        ])
    }

    fn run(&self, more: &[(char, String)]) -> Result<String> {
        let failed = |why: String| Failure::new(format!("run KnownHostsCommand `{}`", self.written), why);
        let words = words(&self.written).map_err(failed)?;
        let expanded = words.iter().map(|word| self.tokens.expand_with(word, more));
        let argv = expanded.collect::<Result<Vec<String>>>().map_err(|why| failed(why.why))?;
        if !argv.first().is_some_and(|program| program.starts_with('/')) {
            return Err(failed("it has to be an absolute path".to_string()));
        }
        match local::run(&argv, local::DEADLINE).map_err(failed)? {
            ended if ended.success => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
            _ => Err(failed("it failed".to_string())),
        }
    }
}
