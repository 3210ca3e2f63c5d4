//! The keys with which someone may log in.

mod key;

use crate::accounts::{Accounts, Missing, User};
use crate::model::op::{Content, Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe, Stat};
use crate::wanted;
use crate::wanted::lines::{Lines, State};
use key::Key;
use serde::Deserialize;

/// Allows keys to log in as a user, by `~/.ssh/authorized_keys`. A key that is there already keeps its place, its
/// comment and, unless other ones are given, its options; comments and other lines stay. Directory and file get the
/// modes that sshd requires. A link in place of either is refused: the user could have put it there.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKey {
    /// Whose.
    user: String,
    /// Public keys, a line each, as `~/.ssh/id_ed25519.pub` has it, options in front allowed. Text with several lines is
    /// several keys.
    keys: Vec<String>,
    /// `present` when not given; `absent` removes these keys.
    #[serde(default)]
    state: State,
    /// Remove every other key.
    #[serde(default)]
    exclusive: bool,
}

impl Kind for AuthorizedKey {
    const NAME: &'static str = "authorized_key";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "who may log in as deploy"
[steps.authorized_key]
user = "deploy"
keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJibM1QNndcvTu9EzkQ44Lmgo0rjw/elJ8PPnmQ23R+p anna@laptop",
    'from="203.0.113.0/24",no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK4aBNUbCXgw1tDMOBXQAB9LrGrdauH43iOcR5b/SP6t ci',
]
state = "present"       # or "absent"
exclusive = true        # no other key
"#;
}

impl Step for AuthorizedKey {
    fn check(&self) -> Result<(), WrongKey> {
        self.wanted().map_err(|(index, why)| WrongKey::new(&format!("keys[{index}]"), why))?;
        match (self.state, self.exclusive) {
            (State::Absent, true) => Err(WrongKey::new("exclusive", "it is only for state = \"present\"")),
            // Whoever loses the list by mistake would be locked out.
            (State::Present, true) if self.keys.is_empty() => {
                Err(WrongKey::new("keys", "with exclusive, no key at all would lock the user out"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let Some(user) = Accounts::read(host)?.user(&self.user) else { return self.unknown_user(host) };
        let place = KeyFile::of(host, &user)?;
        let old = place.text(host)?;
        let new = self.edited(&old);
        if place.file.is_none() && new.is_empty() {
            return Ok(Plan::nothing());
        }
        let ops = place.ops(&user, (new != old || place.file.is_none()).then_some(new));
        Ok(Plan { within: Some(place.home), ..Plan::of(ops) })
    }
}

impl AuthorizedKey {
    /// The keys, or which one is none and why.
    fn wanted(&self) -> Result<Vec<Key>, (usize, String)> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, text) in self.keys.iter().enumerate() {
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let key = Key::parse(line).map_err(|why| (index, why))?;
                if !keys.iter().any(|other| other.is_same(&key)) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    fn edited(&self, old: &str) -> String {
        let wanted = self.wanted().unwrap_or_default();
        let mut lines = Lines::of(old);
        let is_wanted =
            |line: &str| Key::parse(line).is_ok_and(|key| wanted.iter().any(|one| one.is_same(&key)));
        match self.state {
            State::Absent => lines.remove_if(is_wanted),
            State::Present => {
                if self.exclusive {
                    lines.remove_if(|line| Key::parse(line).is_ok() && !is_wanted(line));
                }
                wanted.iter().for_each(|key| put(&mut lines, key));
            }
        }
        lines.text()
    }

    /// Only a user with a line in `/etc/passwd` has a home directory that is known.
    fn unknown_user(&self, host: &dyn Probe) -> Result<Plan> {
        match self.state {
            State::Absent => Ok(Plan::nothing()),
            State::Present => Missing::named(&self.user).plan(host),
        }
    }
}

/// Adds a key, or gives the line that has it already the options that are asked for.
fn put(lines: &mut Lines<'_>, key: &Key) {
    let there = lines.iter().enumerate().find_map(|(index, line)| {
        let other = Key::parse(line).ok().filter(|other| other.is_same(key))?;
        Some((index, other))
    });
    match there {
        None => lines.push(&key.line()),
        Some((index, other)) if !key.options.is_empty() && key.options != other.options => {
            lines.replace(index, &other.with_options(&key.options).line());
        }
        Some(_) => {}
    }
}

/// Where a user's keys are, and what stands there.
struct KeyFile {
    home: HostPath,
    folder: Option<Stat>,
    file: Option<Stat>,
}

impl KeyFile {
    fn of(host: &dyn Probe, user: &User) -> Result<Self> {
        let home = HostPath::from(user.home.as_str());
        if host.stat(&wanted::followed(host, &home)?)?.is_none() {
            let why = format!("there is no home directory {home}");
            return Err(Failure::new(format!("look at the keys of {}", user.name), why)
                .hint("create it with a step of kind user and create_home = true"));
        }
        let home = wanted::followed(host, &home)?;
        let (folder, file) = (home.join(".ssh"), home.join(".ssh/authorized_keys"));
        let folder_stat = host.stat(&folder)?;
        wanted::expect_kind(&folder, folder_stat.as_ref(), FileKind::Dir)?;
        let file_stat = if folder_stat.is_some() { host.stat(&file)? } else { None };
        wanted::expect_kind(&file, file_stat.as_ref(), FileKind::File)?;
        Ok(KeyFile { home, folder: folder_stat, file: file_stat })
    }

    fn folder_path(&self) -> HostPath {
        self.home.join(".ssh")
    }

    fn file_path(&self) -> HostPath {
        self.home.join(".ssh/authorized_keys")
    }

    fn text(&self, host: &dyn Probe) -> Result<String> {
        match self.file {
            Some(_) => Ok(wanted::text(host, &self.file_path())?.unwrap_or_default()),
            None => Ok(String::new()),
        }
    }

    fn ops(&self, user: &User, new: Option<String>) -> Vec<Op> {
        let meta = |mode| Meta { mode: Some(mode), owner: Some(user.uid), group: Some(user.gid) };
        let folder = match &self.folder {
            None => Some(Op::Dir { path: self.folder_path(), meta: meta(0o700) }),
            Some(stat) => wanted::meta_op(self.folder_path(), stat, &closed(stat, meta(0o700))),
        };
        let file = match (&self.file, new) {
            (_, Some(text)) => {
                let content = Content::Bytes(text.into_bytes());
                Some(Op::Write { path: self.file_path(), content, meta: meta(0o600) })
            }
            (Some(stat), None) => wanted::meta_op(self.file_path(), stat, &closed(stat, meta(0o600))),
            (None, None) => None,
        };
        folder.into_iter().chain(file).collect()
    }
}

/// A mode that is stricter already is left alone: sshd only minds what others may do.
fn closed(stat: &Stat, wanted: Meta) -> Meta {
    let strict = stat.mode & 0o077 == 0;
    Meta { mode: wanted.mode.filter(|_| !strict), ..wanted }
}

#[cfg(all(test, feature = "controller"))]
mod tests;
