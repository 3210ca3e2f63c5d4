//! A user of the host.

mod change;

use crate::accounts::{self, Accounts, User as Account, check_name};
use crate::model::op::{Command, Condition, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted::{self, lines::State};
use serde::Deserialize;

/// Creates, changes or removes a user, with useradd and usermod, or busybox's adduser. What is not given stays as
/// it is. A new user has no password that fits and is not locked, so that keys work with every sshd. `register` gets `uid`,
/// `gid`, `home`, `shell` and `groups` as they were found.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The login name.
    name: String,
    /// `present` when not given.
    #[serde(default)]
    state: State,
    /// User id; a new user gets the next one when it is not given.
    uid: Option<u32>,
    /// Primary group, by name or id, which must exist. A new user gets one of its own name when it is not given.
    group: Option<String>,
    /// The other groups it is in, which must exist: exactly these, unless `append` is true.
    groups: Option<Vec<String>>,
    /// Leave it in the groups that `groups` does not name.
    #[serde(default)]
    append: bool,
    /// Login shell. A new user gets bash where there is one, a new `system` user nologin.
    shell: Option<HostPath>,
    /// Home directory; `/home/NAME` for a new user. That of an existing user is not moved.
    home: Option<HostPath>,
    /// Create the home directory, from `/etc/skel`, when it is missing; true when not given, except for `system` users.
    create_home: Option<bool>,
    /// A new user is one for a service: an id below 1000, no home directory.
    #[serde(default)]
    system: bool,
    /// The password as a hash, as `openssl passwd -6` makes it; `*` is one that nothing fits. Keep it in a param of type
    /// secret.
    password: Option<String>,
    /// Whether the password is locked. Keys are another matter: empty `authorized_keys` to keep the user out.
    lock: Option<bool>,
    /// Who it is, for people.
    comment: Option<String>,
    /// With `state = "absent"`, remove the home directory with all that is in it.
    #[serde(default)]
    remove_home: bool,
}

impl Kind for User {
    const NAME: &'static str = "user";
    const RESULT: &'static [&'static str] = &["uid", "gid", "home", "shell", "groups"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the admin"
[steps.user]
name = "deploy"
state = "present"
uid = 1500
group = "users"
groups = ["sudo", "docker"]
append = true                       # stays in its other groups
shell = "/bin/bash"
home = "/home/deploy"
create_home = true
system = false
password = "$6$salt$hash"           # better: "{{ admin_password }}", a param of type secret
lock = false
comment = "Deployment"

[[steps]]
name = "the user of an old colleague is gone"
[steps.user]
name = "sam"
state = "absent"
remove_home = true
"#;
}

impl Step for User {
    fn check(&self) -> Result<(), WrongKey> {
        check_name(&self.name).map_err(|why| WrongKey::new("name", why))?;
        for (index, group) in self.groups.iter().flatten().enumerate() {
            check_name(group).map_err(|why| WrongKey::new(&format!("groups[{index}]"), why))?;
        }
        let paths = [("shell", &self.shell), ("home", &self.home)];
        for (key, path) in paths.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?))) {
            let fits = path.is_absolute() && path.to_str().is_some_and(is_field);
            fits.then_some(())
                .ok_or_else(|| WrongKey::new(key, format!("{path} is not an absolute path without :")))?;
        }
        if !self.comment.as_deref().is_none_or(is_field) {
            return Err(WrongKey::new("comment", "it holds a : or more than one line"));
        }
        if !self.password.as_deref().is_none_or(is_hash) {
            return Err(WrongKey::new("password", "it is not a hash; `openssl passwd -6` makes one"));
        }
        match self.remove_home && self.state == State::Present {
            true => Err(WrongKey::new("remove_home", "it is only for state = \"absent\"")),
            false => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let accounts = Accounts::read(host)?;
        let there = accounts.user(&self.name);
        if let Some((failure, command)) = self.refused(&accounts, there.as_ref()) {
            return wanted::unless_later(host, failure, Condition::Succeeds { command });
        }
        let leaves = there.as_ref().filter(|_| self.state == State::Absent);
        if let Some(failure) = leaves.map(|user| change::in_use(host, user)).transpose()?.flatten() {
            let command = accounts::no_process(&self.name);
            return wanted::unless_later(host, failure, Condition::Succeeds { command });
        }
        let ops = match (self.state, &there) {
            (State::Absent, None) => Vec::new(),
            (State::Absent, Some(user)) => change::removal(host, &accounts, user, self.remove_home)?,
            (State::Present, None) => {
                change::creation(host, &accounts, self.new_one(host, &accounts)?, self)?
            }
            (State::Present, Some(user)) => self.difference(host, &accounts, user)?,
        };
        Ok(Plan { result: registered(&accounts, there.as_ref()), ..Plan::of(ops) })
    }
}

impl User {
    /// Why the host's programs would refuse the user, and what says that they no longer would.
    fn refused(&self, accounts: &Accounts, there: Option<&Account>) -> Option<(Failure, Command)> {
        if self.state == State::Absent {
            return None;
        }
        let mut groups = self.group.iter().chain(self.groups.iter().flatten());
        if let Some(name) = groups.find(|name| accounts.group(name).is_none()) {
            return Some((no_group(name), Command::new(["getent", "group", name])));
        }
        let doing = format!("set user {}", self.name);
        let taken =
            |uid| accounts.user_of(uid).filter(|other| other.name != self.name).map(|other| (uid, other));
        if let Some((uid, other)) = self.uid.and_then(taken) {
            let failure = Failure::new(doing, format!("the user {} has the id {uid}", other.name))
                .hint("give another uid, or give the other user one first");
            return Some((failure, accounts::absence("passwd", &uid.to_string())));
        }
        // A new user gets a group of the same name, unless it is given one.
        let is_there = |name: &String| accounts.group(name).is_some_and(|group| group.name == *name);
        (there.is_none() && self.group.is_none() && is_there(&self.name)).then(|| {
            let failure =
                Failure::new(doing, "a group of that name exists, and a new user gets one of its own")
                    .hint(format!("to make it the primary group, give group = {:?}", self.name));
            (failure, accounts::absence("group", &self.name))
        })
    }

    fn difference(&self, host: &dyn Probe, accounts: &Accounts, there: &Account) -> Result<Vec<Op>> {
        let mut ops = change::fields(host, there, &self.wanted(accounts, there)?)?;
        ops.extend(self.set_groups(host, accounts)?);
        ops.extend(self.set_password(host)?);
        if self.create_home.unwrap_or(!self.system) {
            ops.extend(change::home(host, &self.wanted(accounts, there)?)?);
        }
        Ok(ops)
    }

    /// The line of a user that exists as it should be.
    fn wanted(&self, accounts: &Accounts, there: &Account) -> Result<Account> {
        Ok(Account {
            uid: self.uid.unwrap_or(there.uid),
            gid: self.primary(accounts)?.unwrap_or(there.gid),
            comment: self.comment.clone().unwrap_or(there.comment.clone()),
            home: self.home.as_ref().map_or(there.home.clone(), HostPath::to_string),
            shell: self.shell.as_ref().map_or(there.shell.clone(), HostPath::to_string),
            ..there.clone()
        })
    }

    /// The line of a user that does not exist yet.
    fn new_one(&self, host: &dyn Probe, accounts: &Accounts) -> Result<Account> {
        let own_group = self.group.is_none();
        let fits = |id: u32| accounts.is_free_uid(id) && (!own_group || accounts.is_free_gid(id));
        let range = accounts::Range::of(host, "UID", self.system)?;
        let uid = self.uid.map_or_else(|| accounts.new_id(&range, fits), Ok)?;
        Ok(Account {
            name: self.name.clone(),
            uid,
            gid: self.primary(accounts)?.unwrap_or(uid),
            comment: self.comment.clone().unwrap_or_default(),
            home: self.home.as_ref().map_or(format!("/home/{}", self.name), HostPath::to_string),
            shell: self.shell.as_ref().map_or(usual_shell(host, self.system)?, HostPath::to_string),
        })
    }

    fn primary(&self, accounts: &Accounts) -> Result<Option<u32>> {
        let gid = |name: &String| accounts.group(name).map(|group| group.gid).ok_or_else(|| no_group(name));
        self.group.as_ref().map(gid).transpose()
    }

    fn set_groups(&self, host: &dyn Probe, accounts: &Accounts) -> Result<Vec<Op>> {
        let Some(names) = &self.groups else { return Ok(Vec::new()) };
        let now = accounts.groups_of(&self.name);
        let mut wanted = if self.append { now.clone() } else { Vec::new() };
        wanted.extend(names.iter().filter(|name| !now.contains(name) || !self.append).cloned());
        change::groups(host, accounts, &self.name, &now, &wanted)
    }

    fn set_password(&self, host: &dyn Probe) -> Result<Option<Op>> {
        if self.password.is_none() && self.lock.is_none() {
            return Ok(None);
        }
        let now = accounts::password(host, &self.name)?.unwrap_or_default();
        let hash = self.password.as_deref().unwrap_or(now.trim_start_matches('!'));
        let hash = if hash.is_empty() { "*" } else { hash };
        let wanted = match self.lock.unwrap_or(now.starts_with('!') && self.password.is_none()) {
            true => format!("!{hash}"),
            false => hash.to_string(),
        };
        (wanted != now).then(|| change::password(host, &self.name, &wanted)).transpose()
    }
}

fn no_group(name: &str) -> Failure {
    Failure::new(format!("look up group {name}"), "the host has no such group")
        .hint("create it with a step of kind group, or install the package that brings it")
}

fn usual_shell(host: &dyn Probe, system: bool) -> Result<String> {
    let choices: &[&str] =
        if system { &["/usr/sbin/nologin", "/sbin/nologin", "/bin/false"] } else { &["/bin/bash"] };
    for shell in choices {
        if host.stat(&HostPath::from(*shell))?.is_some() {
            return Ok(shell.to_string());
        }
    }
    Ok(if system { "/bin/false" } else { "/bin/sh" }.to_string())
}

/// Whether it fits into one field of a line.
fn is_field(text: &str) -> bool {
    !text.contains([':', '\n', '\r'])
}

/// As crypt(5) writes hashes, or the one sign that no password fits. A password itself must not get into the file.
fn is_hash(text: &str) -> bool {
    text == "*" || (text.starts_with('$') && text.matches('$').count() >= 3 && is_field(text))
}

fn registered(accounts: &Accounts, there: Option<&Account>) -> Values {
    let Some(user) = there else { return Values::new() };
    let values = [
        ("uid", user.uid.into()),
        ("gid", user.gid.into()),
        ("home", user.home.as_str().into()),
        ("shell", user.shell.as_str().into()),
        ("groups", accounts.groups_of(&user.name).into()),
    ];
    values.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

#[cfg(all(test, feature = "controller"))]
mod tests;
