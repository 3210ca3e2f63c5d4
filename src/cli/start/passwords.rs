//! The passwords that are asked for once, for all hosts of a run, when they are first needed.

use crate::cli::options::Options;
use crate::cli::{Stop, prompt};
use crate::inventory::Host;
use crate::model::Failure;
use std::cell::OnceCell;

/// What was typed so far.
pub struct Passwords<'a> {
    options: &'a Options,
    login: OnceCell<Option<String>>,
    becoming: OnceCell<Option<String>>,
}

impl<'a> Passwords<'a> {
    /// Nothing has been asked yet.
    pub fn new(options: &'a Options) -> Self {
        Passwords { options, login: OnceCell::new(), becoming: OnceCell::new() }
    }

    /// The password to log in with, where it is to be asked for.
    pub fn login(&self) -> Result<Option<String>, Stop> {
        once(&self.login, self.options.reach.ask_pass, "password to log in")
    }

    /// The password to become another user with, where it is to be asked for.
    pub fn becoming(&self, hosts: &[&Host]) -> Result<Option<String>, Stop> {
        let prompted = |host: &&Host| host.ssh.become_password_from.as_deref() == Some("prompt");
        let asked = self.options.reach.ask_become_pass || hosts.iter().any(prompted);
        once(&self.becoming, asked, "password to become root")
    }
}

fn once(typed: &OnceCell<Option<String>>, asked: bool, what: &str) -> Result<Option<String>, Stop> {
    if let Some(typed) = typed.get() {
        return Ok(typed.clone());
    }
    let answer = match asked {
        true => Some(prompt::secret(what).ok_or_else(no_terminal)?),
        false => None,
    };
    Ok(typed.get_or_init(|| answer).clone())
}

fn no_terminal() -> Stop {
    Stop::misused(Failure::new("ask for a password", "there is no terminal to ask on"))
}
