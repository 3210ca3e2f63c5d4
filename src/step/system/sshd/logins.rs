//! Who could still log in: passwords are not turned off for everybody while nobody has a key.

use super::effective::Effective;
use crate::model::{Failure, Result};
use crate::nginx;
use crate::system::Probe;
use std::path::{Path, PathBuf};

/// Refuses to turn passwords off when nobody could log in with a key.
pub fn expect_one(host: &dyn Probe, before: &Effective, after: &Effective) -> Result<()> {
    if takes_passwords(after) || !takes_passwords(before) || others_decide(after) {
        return Ok(());
    }
    let doing = "turn passwords off in sshd";
    if !after.is("pubkeyauthentication", "yes") {
        return Err(Failure::new(doing, "keys are turned off too, so that no user could log in any more")
            .hint("set PubkeyAuthentication = true"));
    }
    let users = host.read(Path::new("/etc/passwd"))?.unwrap_or_default();
    let users = String::from_utf8_lossy(&users).into_owned();
    match users.lines().filter_map(User::read).any(|user| user.may_log_in(after) && user.has_key(host, after))
    {
        true => Ok(()),
        false => Err(Failure::new(doing, "no user who may log in has an authorized key")
            .hint("give a user one first, with a step of kind authorized_key")),
    }
}

fn takes_passwords(sshd: &Effective) -> bool {
    !sshd.is("passwordauthentication", "no") || !sshd.is("kbdinteractiveauthentication", "no")
}

/// Where a program or a certificate authority says whose key is good, no look at files can tell.
fn others_decide(sshd: &Effective) -> bool {
    ["authorizedkeyscommand", "trustedusercakeys"]
        .iter()
        .any(|keyword| !sshd.get(keyword).is_empty() && !sshd.is(keyword, "none"))
}

struct User<'a> {
    name: &'a str,
    home: &'a str,
    shell: &'a str,
}

impl<'a> User<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, _, _, _, home, shell] = fields[..] else { return None };
        Some(User { name, home, shell })
    }

    fn may_log_in(&self, sshd: &Effective) -> bool {
        let closed = ["nologin", "false", "sync", "halt", "shutdown"];
        let shell = self.shell.rsplit('/').next().unwrap_or_default();
        if closed.contains(&shell) || (self.name == "root" && !root_may(sshd)) {
            return false;
        }
        let named = |keyword: &str| {
            let patterns = sshd.get(keyword).iter().map(|word| word.split('@').next().unwrap_or_default());
            patterns.into_iter().any(|pattern| nginx::is_included(pattern, self.name))
        };
        (sshd.get("allowusers").is_empty() || named("allowusers")) && !named("denyusers")
    }

    fn has_key(&self, host: &dyn Probe, sshd: &Effective) -> bool {
        let files = sshd.get("authorizedkeysfile").iter().flat_map(|line| line.split_whitespace());
        let mut paths = files.filter(|file| *file != "none").map(|file| self.expand(file));
        // A file that cannot be read lets nobody in.
        paths.any(|path| host.read(&path).ok().flatten().is_some_and(|bytes| holds_key(&bytes)))
    }

    fn expand(&self, file: &str) -> PathBuf {
        let file = file.replace("%h", self.home).replace("%u", self.name).replace("%%", "%");
        Path::new(self.home).join(file)
    }
}

fn root_may(sshd: &Effective) -> bool {
    ["yes", "without-password", "prohibit-password"].iter().any(|value| sshd.is("permitrootlogin", value))
}

fn holds_key(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}
