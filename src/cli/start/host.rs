//! One host of a run: how it is reached, which user windlass becomes there, and the passwords for both.

use crate::cli::options::Options;
use crate::diagnostic::Diagnostics;
use crate::inventory::Host;
use crate::model::Failure;
use crate::model::host::SshSettings;
use crate::secrets::{SecretOrigin, Vault};
use crate::ssh::ship::{Become, Method};
use crate::ssh::{SecretFrom, Target};
use std::path::Path;

/// How windlass gets to work on a host.
pub struct Login {
    /// How it is reached.
    pub target: Target,
    /// Which user windlass becomes there.
    pub becoming: Option<Become>,
    /// The password for that.
    pub password: Option<String>,
}

/// How windlass gets to work on a host. `becomes`: what the playbook says of becoming another user. `password`: what was
/// typed for that.
pub fn login(
    host: &Host,
    mut target: Target,
    becomes: Option<bool>,
    options: &Options,
    reveal: &Reveal<'_>,
    password: Option<String>,
) -> Result<Login, Diagnostics> {
    let becomes = options.reach.becomes || becomes.or(host.ssh.becomes).unwrap_or(false);
    reveal.login(&mut target);
    let password = match (&host.ssh.become_password_from, options.reach.ask_become_pass) {
        _ if !becomes => None,
        (Some(from), false) if from != "prompt" => {
            let doing = format!("read the password to become another user on {}", host.name);
            let from = SecretFrom::parse(from, reveal.home, &doing)?;
            match from.revealed(&|name| reveal.text(name)).and_then(|from| from.read(&doing)) {
                Ok(password) => Some(password),
                // It fails alone, when its turn comes.
                Err(failure) => {
                    target.unusable.get_or_insert(failure);
                    None
                }
            }
        }
        (None, false) => None,
        _ => password,
    };
    let becoming = if becomes { Some(becoming(host, password.is_some())?) } else { None };
    Ok(Login { target, becoming, password })
}

/// Where passwords are found.
pub struct Reveal<'a> {
    /// The home directory of this user.
    pub home: &'a Path,
    /// The project's secrets.
    pub vault: &'a Vault,
}

impl Reveal<'_> {
    /// The project's secret of a name, as text.
    fn text(&self, name: &str) -> Result<String, Failure> {
        self.vault.text(&SecretOrigin::Age(name.to_string()), name)
    }

    /// Puts the project's secrets in for their names. A host for which that fails cannot be reached, and no other.
    pub fn login(&self, target: &mut Target) {
        let reveal = |name: &str| self.text(name);
        let password = target.password.as_ref().map(|from| from.revealed(&reveal)).transpose();
        match (password, target.passphrase.revealed(&reveal)) {
            (Ok(password), Ok(passphrase)) => (target.password, target.passphrase) = (password, passphrase),
            (Err(failure), _) | (_, Err(failure)) => {
                target.unusable.get_or_insert(failure);
            }
        }
    }
}

/// How a host is reached, as the inventory and the command line say it.
pub fn ssh_settings(host: &Host, options: &Options) -> SshSettings {
    let mut settings = host.ssh.clone();
    if let Some(user) = &options.reach.user {
        settings.user = Some(user.as_str().into());
    }
    if options.reach.ask_pass {
        settings.password_from = Some("prompt".to_string());
    }
    settings
}

fn becoming(host: &Host, password: bool) -> Result<Become, Failure> {
    let doing = || format!("read how to become another user on {}", host.name);
    let method = match host.ssh.become_method.as_deref() {
        None | Some("sudo") => Method::Sudo,
        Some("doas") => Method::Doas,
        Some("su") => Method::Su,
        Some(other) => {
            return Err(Failure::new(doing(), format!("{other} is not known")).hint("use sudo, doas or su"));
        }
    };
    let user = host.ssh.become_user.clone().unwrap_or_else(|| "root".to_string());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(plain) {
        return Err(Failure::new(doing(), format!("{user:?} is not the name of a user")));
    }
    Ok(Become { method, user, password })
}
