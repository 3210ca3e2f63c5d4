//! The host's own users and groups: `/etc/passwd`, `/etc/group` and `/etc/shadow` read, and as they will be.

use crate::model::op::{Command, Condition, Effect, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::wanted::{self, lines::Lines};
use std::path::Path;

/// Users.
pub const PASSWD: &str = "/etc/passwd";
/// Groups and who is in them.
pub const GROUP: &str = "/etc/group";
/// Password hashes; only root can read it.
pub const SHADOW: &str = "/etc/shadow";

/// All files in which a user or group may have a line of its own.
const FILES: &[&str] = &[PASSWD, SHADOW, GROUP, "/etc/gshadow", "/etc/subuid", "/etc/subgid"];

/// Where programs that look after accounts are.
const FOLDERS: &[&str] = &["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// The longest name that useradd takes.
const NAME_LIMIT: usize = 32;

/// Puts lines back into those files.
const PUT_BACK: &str = include_str!("accounts/put-back.sh");

/// Puts a user back into groups, each with its members in the order that it had.
const REGROUP: &str = include_str!("accounts/regroup.sh");

/// Removes an account that is there.
const REMOVE: &str = include_str!("accounts/remove.sh");

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Who it is, for people.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Users that have it as one more group.
    pub members: Vec<String>,
}

/// The users and groups of a host.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// `/etc/passwd` as it is.
    pub passwd: String,
    /// `/etc/group` as it is.
    pub group: String,
}

impl Accounts {
    /// Reads both files.
    pub fn read(host: &dyn Probe) -> Result<Self> {
        Ok(Accounts { passwd: text(host, PASSWD)?, group: text(host, GROUP)? })
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<User> {
        self.users().find(|user| user.name == name)
    }

    /// A group by name or id.
    pub fn group(&self, name: &str) -> Option<Group> {
        let by_name = self.groups().find(|group| group.name == name);
        by_name.or_else(|| self.groups().find(|group| Some(group.gid) == name.parse().ok()))
    }

    /// The names of the groups that a user is in beside the primary one, in the file's order.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        let has = |group: &Group| group.members.iter().any(|member| member == user);
        self.groups().filter(has).map(|group| group.name).collect()
    }

    /// The user with this id.
    pub fn user_of(&self, uid: u32) -> Option<User> {
        self.users().find(|user| user.uid == uid)
    }

    /// The names of everyone in the group with this id: as their primary group, or beside it.
    pub fn everyone_in(&self, gid: u32) -> Vec<String> {
        let primary = self.users().filter(|user| user.gid == gid).map(|user| user.name);
        let beside = self.groups().filter(|group| group.gid == gid).flat_map(|group| group.members);
        primary.chain(beside).collect()
    }

    /// The group with this id.
    pub fn group_of(&self, gid: u32) -> Option<Group> {
        self.groups().find(|group| group.gid == gid)
    }

    /// The first user whose primary group has this id.
    pub fn user_in(&self, gid: u32) -> Option<User> {
        self.users().find(|user| user.gid == gid)
    }

    /// Whether no user has this id.
    pub fn is_free_uid(&self, uid: u32) -> bool {
        self.users().all(|user| user.uid != uid)
    }

    /// Whether no group has this id.
    pub fn is_free_gid(&self, gid: u32) -> bool {
        self.groups().all(|group| group.gid != gid)
    }

    /// An id for a new account, as useradd would choose it: for people above the highest one in use, for services
    /// below. `fits` says whether it may be taken.
    pub fn new_id(&self, range: &Range, fits: impl Fn(u32) -> bool) -> Result<u32> {
        let used = self.users().map(|user| user.uid).chain(self.groups().map(|group| group.gid));
        let highest = used.filter(|id| (range.first..=range.last).contains(id)).max();
        let upwards = highest.map_or(range.first, |id| id.saturating_add(1));
        let found = match range.downwards {
            true => (range.first..=range.last).rev().find(|id| fits(*id)),
            false => (upwards..=range.last).chain(range.first..=range.last).find(|id| fits(*id)),
        };
        found.ok_or_else(|| {
            Failure::new("choose an id", format!("all from {} to {} are taken", range.first, range.last))
        })
    }

    fn users(&self) -> impl Iterator<Item = User> + '_ {
        self.passwd.lines().filter_map(User::of)
    }

    fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        self.group.lines().filter_map(Group::of)
    }
}

impl User {
    fn of(line: &str) -> Option<Self> {
        let [name, _, uid, gid, comment, home, shell] =
            line.split(':').collect::<Vec<_>>().try_into().ok()?;
        let text = str::to_string;
        Some(User {
            name: text(name),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            comment: text(comment),
            home: text(home),
            shell: text(shell),
        })
    }

    /// Its line.
    pub fn line(&self) -> String {
        let User { name, uid, gid, comment, home, shell } = self;
        format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}")
    }
}

impl Group {
    fn of(line: &str) -> Option<Self> {
        let [name, _, gid, members] = line.split(':').collect::<Vec<_>>().try_into().ok()?;
        let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_string).collect();
        Some(Group { name: name.to_string(), gid: gid.parse().ok()?, members })
    }

    /// Its line.
    pub fn line(&self) -> String {
        format!("{}:x:{}:{}", self.name, self.gid, self.members.join(","))
    }
}

/// A user that the host does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing(String);

/// Whether the host lacks this user, also where users come from a directory service. There is always a root.
pub fn missing(host: &dyn Probe, name: &str) -> Result<Option<Missing>> {
    if name == "root" || Accounts::read(host)?.user(name).is_some() {
        return Ok(None);
    }
    let known = host.ask(&Command::new(["getent", "passwd", name]))?.ok();
    Ok((!known).then(|| Missing(name.to_string())))
}

impl Missing {
    /// This user.
    pub fn named(name: &str) -> Self {
        Missing(name.to_string())
    }

    /// The failure; after changes that are only pretended the wait for what may make the user.
    pub fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let Missing(name) = self;
        let failure = Failure::new(format!("look up user {name}"), "the host has no such user")
            .hint("create it with a step of kind user first");
        let command = Command::new(["getent", "passwd", name]);
        wanted::unless_later(host, failure, Condition::Succeeds { command })
    }
}

/// Succeeds once the table (`passwd` or `group`) has no such name or id.
pub fn absence(table: &str, key: &str) -> Command {
    let title = Some(format!("the absence of {key} in {table}"));
    Command { title, ..Command::new(["/bin/sh", "-c", "! getent \"$1\" \"$2\"", "sh", table, key]) }
}

/// Ids that may be given to new accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    first: u32,
    last: u32,
    downwards: bool,
}

impl Range {
    /// The ids of `/etc/login.defs` for people or for services. `what` is `UID` or `GID`.
    pub fn of(host: &dyn Probe, what: &str, system: bool) -> Result<Self> {
        let settings = text(host, "/etc/login.defs")?;
        let prefix = if system { "SYS_" } else { "" };
        let (first, last) = if system { (100, 999) } else { (1000, 60_000) };
        let setting =
            |end: &str, usual: u32| number(&settings, &format!("{prefix}{what}_{end}")).unwrap_or(usual);
        Ok(Range { first: setting("MIN", first), last: setting("MAX", last), downwards: system })
    }
}

/// The mode of new home directories, as `/etc/login.defs` has it.
pub fn home_mode(host: &dyn Probe) -> Result<u32> {
    let settings = text(host, "/etc/login.defs")?;
    let octal = setting(&settings, "HOME_MODE").and_then(|word| u32::from_str_radix(word, 8).ok());
    Ok(octal.unwrap_or(0o755) & 0o7777)
}

fn number(settings: &str, name: &str) -> Option<u32> {
    setting(settings, name)?.parse().ok()
}

fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = settings.lines().map(str::split_ascii_whitespace);
    lines.find_map(|mut words| if words.next() == Some(name) { words.next() } else { None })
}

/// The hash field of a user's line in `/etc/shadow`; `None` when there is no such line.
pub fn password(host: &dyn Probe, user: &str) -> Result<Option<String>> {
    let shadow = text(host, SHADOW)?;
    let line = line_of(&shadow, user).map(|(_, line)| line);
    Ok(line.and_then(|line| line.split(':').nth(1)).map(str::to_string))
}

/// That `path` will hold what it does with this line for `name`, or without one.
pub fn effect(host: &dyn Probe, path: &str, name: &str, line: Option<&str>) -> Result<Effect> {
    let bytes = with_line(&text(host, path)?, name, line).into_bytes();
    Ok(Effect::Writes { path: path.into(), bytes })
}

/// The same text with this line for `name` where its line was, else at the end; or without one.
pub fn with_line(text: &str, name: &str, line: Option<&str>) -> String {
    let mut lines = Lines::of(text);
    let index = lines.position(|line| line.split(':').next() == Some(name));
    match (index, line) {
        (Some(index), Some(line)) => lines.replace(index, line),
        (Some(index), None) => lines.remove(index..index + 1),
        (None, Some(line)) => lines.push(line),
        (None, None) => {}
    }
    lines.text()
}

/// The command that puts the lines of these names back as they are now, each where it stands.
pub fn put_back(host: &dyn Probe, what: &str, names: &[&str]) -> Result<Command> {
    put_back_in(host, what, FILES, names)
}

/// The same for some of the files.
pub fn put_back_in(host: &dyn Probe, what: &str, files: &[&str], names: &[&str]) -> Result<Command> {
    let mut kept = Vec::new();
    for file in files {
        // As bytes: a comment may be in any encoding.
        let bytes = host.read(Path::new(file))?.unwrap_or_default();
        let lines = || bytes.split(|byte| *byte == b'\n').enumerate();
        let is_of =
            |line: &[u8], name: &str| line.split(|byte| *byte == b':').next() == Some(name.as_bytes());
        let line_of = |name: &&str| lines().find(|(_, line)| is_of(line, name));
        let mut found: Vec<(usize, &[u8])> = names.iter().filter_map(line_of).collect();
        found.sort_unstable();
        for (index, line) in found {
            kept.extend(format!("{file}\t{}\t", index + 1).into_bytes());
            kept.extend([line, b"\n"].concat());
        }
    }
    let title = Some(format!("put {what} back"));
    // The lines hold hashes, so they travel on standard input.
    Ok(Command { stdin: kept, title, ..Command::new(["/bin/sh", "-c", PUT_BACK, "put-back"]) })
}

/// The command `back`, which puts a user back into these groups. Programs add a member behind the others: where nothing else
/// about such a group has changed, its members are in the same order again.
pub fn regroup(host: &dyn Probe, back: Command, groups: &[&String]) -> Result<Command> {
    if groups.is_empty() {
        return Ok(back);
    }
    let names: Vec<&str> = groups.iter().map(|name| name.as_str()).collect();
    let lines = put_back_in(host, "", &[GROUP, "/etc/gshadow"], &names)?.stdin;
    let title = Some(back.shown());
    let words = ["/bin/sh", "-c", REGROUP, "regroup"].map(str::to_string).into_iter().chain(back.argv);
    Ok(Command { stdin: lines, title, ..Command::new(words) })
}

/// The command that removes a user or a group, and does nothing when it is not there.
pub fn remove(file: &str, name: &str, program: &str) -> Command {
    let words = ["/bin/sh", "-s", "--", file, name, program];
    Command { stdin: REMOVE.into(), title: Some(format!("{program} {name}")), ..Command::new(words) }
}

/// The question whether `userdel` would find no process of a user in its way. The answer names those that are.
pub fn no_process(user: &str) -> Command {
    let title = Some(format!("a look at the processes of {user}"));
    Command { title, ..remove(PASSWD, user, "look") }
}

fn line_of<'a>(text: &'a str, name: &str) -> Option<(usize, &'a str)> {
    text.lines().enumerate().find(|(_, line)| line.split(':').next() == Some(name))
}

/// Whether the host has a program for accounts.
pub fn has(host: &dyn Probe, program: &str) -> Result<bool> {
    for folder in FOLDERS {
        if host.stat(&Path::new(folder).join(program))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The text of a file; empty when there is none.
pub fn text(host: &dyn Probe, path: &str) -> Result<String> {
    let bytes = host.read(&HostPath::from(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names that every program takes: lower case, digits, `_`, `-`, not too long.
pub fn check_name(name: &str) -> Result<(), String> {
    let begins = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    let stem = name.strip_suffix('$').unwrap_or(name);
    match name.starts_with(begins) && stem.bytes().all(fits) && name.len() <= NAME_LIMIT {
        true => Ok(()),
        false => {
            Err(format!("{name:?} is not a name: lower case letters, digits, _ and -, at most {NAME_LIMIT}"))
        }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::host;

    const TEXT: &str =
        "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:A:/home/ann:/bin/sh\nsvc:x:998:998::/:/x\n";

    #[test]
    fn a_line_is_changed_added_or_taken_out() {
        assert_eq!(with_line("a:1\nb:2\n", "a", Some("a:3")), "a:3\nb:2\n");
        assert_eq!(with_line("a:1", "b", Some("b:2")), "a:1\nb:2\n");
        assert_eq!(with_line("a:1\nb:2\n", "a", None), "b:2\n");
    }

    #[test]
    fn lines_are_put_back_in_any_encoding() {
        let host = host(&[(PASSWD, "")]);
        let passwd = b"root:x:0:0::/root:/bin/sh\nann:x:1:1:M\xfcller:/h:/s\n";
        let meta = crate::model::op::Meta::default();
        crate::system::System::write(&host, Path::new(PASSWD), &mut &passwd[..], &meta).unwrap();
        let command = put_back_in(&host, "ann", &[PASSWD], &["ann"]).unwrap();
        assert_eq!(command.stdin, b"/etc/passwd\t2\tann:x:1:1:M\xfcller:/h:/s\n");
    }

    #[test]
    fn new_ids_are_those_that_useradd_would_choose() {
        let host =
            host(&[(PASSWD, TEXT), ("/etc/login.defs", "# UID_MIN 5\nUID_MAX   59999\nSYS_UID_MIN 101\n")]);
        let accounts = Accounts::read(&host).unwrap();
        let id = |system| {
            let range = Range::of(&host, "UID", system).unwrap();
            accounts.new_id(&range, |id| accounts.is_free_uid(id)).unwrap()
        };
        assert_eq!((id(false), id(true)), (1001, 999));
    }

    #[test]
    fn names_that_would_be_options_or_paths_are_refused() {
        assert!(check_name("deploy").is_ok() && check_name("_apt").is_ok() && check_name("pc$").is_ok());
        assert!(["-x", "a/b", "A", "", "a:b", "1a"].iter().all(|name| check_name(name).is_err()));
    }
}
