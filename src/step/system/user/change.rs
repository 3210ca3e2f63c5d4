//! What changes users: useradd, usermod and userdel, or what busybox has, each with what it does to the files of accounts.

use crate::accounts::{self, Accounts, GROUP, Group, PASSWD, SHADOW, User};
use crate::model::op::{Command, Content, Effect, Meta, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Probe};
use crate::wanted;

/// Where crontabs of users are. usermod leaves them to the old id, and cron runs none that belongs to another user.
const CRONTABS: &str = "/var/spool/cron/crontabs";

/// What new home directories begin with.
const SKELETON: &str = "/etc/skel";

/// So many processes are named.
const SHOWN: usize = 5;

/// More than this is no skeleton.
const SKELETON_LIMIT: usize = 200;

/// The ops that make a user without a home directory: that is made afterwards, so that undo rolls back only what is
/// still as it was made.
pub fn creation(host: &dyn Probe, accounts: &Accounts, new: User, keys: &super::User) -> Result<Vec<Op>> {
    let own_group = keys.group.is_none();
    let effects = creation_effects(host, accounts, &new, own_group)?;
    if accounts::has(host, "useradd")? {
        let undo = Undo::Command(accounts::remove(PASSWD, &new.name, "userdel"));
        let command = Command::new(useradd(&new, own_group, keys.system));
        return Ok(vec![Run { undo, effects, ..Run::from(command) }.into()]);
    }
    if !accounts::has(host, "adduser")? {
        return Err(Failure::new(
            format!("make user {}", new.name),
            "the host has neither useradd nor adduser",
        )
        .hint("install the package passwd or shadow"));
    }
    let group = accounts.group(&new.gid.to_string()).filter(|_| !own_group);
    let undo = Undo::Command(accounts::remove(PASSWD, &new.name, "deluser"));
    let made = Run { undo, effects, ..Run::from(Command::new(adduser(&new, group, keys.system))) };
    Ok(vec![made.into(), set_password(&new.name, "*").into()])
}

fn useradd(new: &User, own_group: bool, system: bool) -> Vec<String> {
    let (uid, gid) = (new.uid.to_string(), new.gid.to_string());
    let mut words = vec!["useradd", "--no-create-home", "--uid", &uid];
    match own_group {
        true => words.push("--user-group"),
        false => words.extend(["--no-user-group", "--gid", &gid]),
    }
    if system {
        words.push("--system");
    }
    words.extend(["--home-dir", &new.home, "--shell", &new.shell, "--comment", &new.comment]);
    // Neither empty, which lets everybody in, nor !, which sshd without PAM takes for a locked account.
    words.extend(["--password", "*", &new.name]);
    words.into_iter().map(str::to_string).collect()
}

fn adduser(new: &User, group: Option<Group>, system: bool) -> Vec<String> {
    let uid = new.uid.to_string();
    let mut words =
        vec!["adduser", "-D", "-H", "-u", &uid, "-h", &new.home, "-s", &new.shell, "-g", &new.comment];
    if let Some(group) = &group {
        words.extend(["-G", &group.name]);
    }
    if system {
        words.push("-S");
    }
    words.push(&new.name);
    words.into_iter().map(str::to_string).collect()
}

fn creation_effects(
    host: &dyn Probe,
    accounts: &Accounts,
    new: &User,
    own_group: bool,
) -> Result<Vec<Effect>> {
    let mut effects = vec![accounts::effect(host, PASSWD, &new.name, Some(&new.line()))?];
    if own_group && accounts.group(&new.name).is_none() {
        let group = Group { name: new.name.clone(), gid: new.gid, members: Vec::new() };
        effects.push(accounts::effect(host, GROUP, &new.name, Some(&group.line()))?);
    }
    if host.stat(&HostPath::from(SHADOW))?.is_some() {
        let line = format!("{}:*:0:0:99999:7:::", new.name);
        effects.push(accounts::effect(host, SHADOW, &new.name, Some(&line))?);
    }
    Ok(effects)
}

/// The ops that remove a user, and the home directory too when asked.
pub fn removal(host: &dyn Probe, accounts: &Accounts, user: &User, with_home: bool) -> Result<Vec<Op>> {
    let groups = accounts.groups_of(&user.name);
    let names: Vec<&str> = groups.iter().chain([&user.name]).map(String::as_str).collect();
    let back = accounts::put_back(host, &format!("user {}", user.name), &names)?;
    let program = if accounts::has(host, "userdel")? { "userdel" } else { "deluser" };
    let run = Run {
        undo: Undo::Command(back),
        effects: removal_effects(host, accounts, user)?,
        ..Run::from(match program {
            "userdel" => accounts::remove(PASSWD, &user.name, program),
            _ => Command::new([program, &user.name]),
        })
    };
    let home = HostPath::from(user.home.as_str());
    let is_home = with_home && home.components().count() > 2 && host.stat(&home)?.is_some();
    Ok([run.into()].into_iter().chain(is_home.then_some(Op::Remove { path: home })).collect())
}

/// Why the user cannot be removed yet: processes that run as that user.
pub fn in_use(host: &dyn Probe, user: &User) -> Result<Option<Failure>> {
    if !accounts::has(host, "userdel")? {
        return Ok(None);
    }
    let answer = host.ask(&accounts::no_process(&user.name))?;
    let text = answer.text();
    let processes: Vec<&str> = text.lines().take(SHOWN).collect();
    if answer.status != 1 || processes.is_empty() {
        return Ok(None);
    }
    let more = if text.lines().count() > SHOWN { ", …" } else { "" };
    let why = format!("processes run as that user: {}{more}", processes.join(", "));
    let failure = Failure::new(format!("remove user {}", user.name), why);
    Ok(Some(failure.hint(format!("stop what they belong to first, or end them: pkill -u {}", user.name))))
}

fn removal_effects(host: &dyn Probe, accounts: &Accounts, user: &User) -> Result<Vec<Effect>> {
    let mut effects = vec![accounts::effect(host, PASSWD, &user.name, None)?];
    let mut groups = accounts.group.clone();
    for name in accounts.groups_of(&user.name) {
        groups = with_members(&groups, &name, |members| members.retain(|member| *member != user.name));
    }
    if accounts.group(&user.name).is_some_and(|group| group.gid == user.gid) {
        groups = accounts::with_line(&groups, &user.name, None);
    }
    effects.push(Effect::Writes { path: GROUP.into(), bytes: groups.into_bytes() });
    if host.stat(&HostPath::from(SHADOW))?.is_some() {
        effects.push(accounts::effect(host, SHADOW, &user.name, None)?);
    }
    Ok(effects)
}

fn with_members(text: &str, group: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let accounts = Accounts { passwd: String::new(), group: text.to_string() };
    let Some(mut found) = accounts.group(group) else { return text.to_string() };
    change(&mut found.members);
    accounts::with_line(text, group, Some(&found.line()))
}

/// The ops that change the user's own line. busybox has no program for that: there the file is written.
pub fn fields(host: &dyn Probe, there: &User, wanted: &User) -> Result<Vec<Op>> {
    if there == wanted {
        return Ok(Vec::new());
    }
    let passwd = accounts::effect(host, PASSWD, &wanted.name, Some(&wanted.line()))?;
    if !accounts::has(host, "usermod")? {
        let Effect::Writes { path, bytes } = passwd else { return Ok(Vec::new()) };
        return wanted::file(host, &path, Content::Bytes(bytes), &Meta::default());
    }
    // With another id the files in the home directory belong to it too, which only usermod rolls back.
    let undo = match there.uid == wanted.uid {
        true => accounts::put_back_in(host, &format!("user {}", there.name), &[PASSWD], &[&there.name])?,
        false => Command::new(usermod(wanted, there)),
    };
    let run = Run {
        undo: Undo::Command(undo),
        effects: vec![passwd],
        ..Run::from(Command::new(usermod(there, wanted)))
    };
    let mut ops = vec![Op::from(run)];
    let crontab = HostPath::from(CRONTABS).join(&there.name);
    if there.uid != wanted.uid && host.stat(&crontab)?.is_some() {
        ops.push(Op::Meta { path: crontab, meta: Meta { owner: Some(wanted.uid), ..Meta::default() } });
    }
    Ok(ops)
}

fn usermod(from: &User, to: &User) -> Vec<String> {
    let fields = [
        ("--uid", from.uid.to_string(), to.uid.to_string()),
        ("--gid", from.gid.to_string(), to.gid.to_string()),
        ("--comment", from.comment.clone(), to.comment.clone()),
        ("--home", from.home.clone(), to.home.clone()),
        ("--shell", from.shell.clone(), to.shell.clone()),
    ];
    let differing = fields.into_iter().filter(|(_, from, to)| from != to);
    let options = differing.flat_map(|(option, _, to)| [option.to_string(), to]);
    ["usermod".to_string()].into_iter().chain(options).chain([to.name.clone()]).collect()
}

/// The ops that put a user into exactly these groups.
pub fn groups(
    host: &dyn Probe,
    accounts: &Accounts,
    user: &str,
    now: &[String],
    wanted: &[String],
) -> Result<Vec<Op>> {
    let added: Vec<&String> = wanted.iter().filter(|name| !now.contains(name)).collect();
    let removed: Vec<&String> = now.iter().filter(|name| !wanted.contains(name)).collect();
    if added.is_empty() && removed.is_empty() {
        return Ok(Vec::new());
    }
    let mut text = accounts.group.clone();
    for name in &added {
        text = with_members(&text, name, |members| members.push(user.to_string()));
    }
    for name in &removed {
        text = with_members(&text, name, |members| members.retain(|member| member != user));
    }
    let effects = vec![Effect::Writes { path: GROUP.into(), bytes: text.into_bytes() }];
    if accounts::has(host, "usermod")? {
        let words = |names: &[String]| ["usermod", "--groups", &names.join(","), user].map(str::to_string);
        let back = accounts::regroup(host, Command::new(words(now)), &removed)?;
        let run = Run { undo: Undo::Command(back), effects, ..Run::from(Command::new(words(wanted))) };
        return Ok(vec![run.into()]);
    }
    let one = |program: &str, back: &str, group: &String| {
        let undo = Undo::Command(Command::new([back, user, group]));
        Op::from(Run { undo, effects: effects.clone(), ..Run::from(Command::new([program, user, group])) })
    };
    let add = added.iter().map(|group| one("addgroup", "delgroup", group));
    Ok(add.chain(removed.iter().map(|group| one("delgroup", "addgroup", group))).collect())
}

/// The op that writes a user's field of `/etc/shadow`.
pub fn password(host: &dyn Probe, user: &str, field: &str) -> Result<Op> {
    let back = accounts::put_back_in(host, &format!("the password of {user}"), &[SHADOW], &[user])?;
    let shadow = accounts::text(host, SHADOW)?;
    let old = shadow.lines().find(|line| line.split(':').next() == Some(user));
    let line = old.map_or(format!("{user}:{field}:0:0:99999:7:::"), |line| {
        let mut fields: Vec<&str> = line.split(':').collect();
        fields[1] = field;
        fields.join(":")
    });
    let effects = vec![accounts::effect(host, SHADOW, user, Some(&line))?];
    Ok(Run { undo: Undo::Command(back), effects, ..set_password(user, field) }.into())
}

/// The hash travels on standard input: everybody on a host can see arguments.
fn set_password(user: &str, field: &str) -> Run {
    let stdin = format!("{user}:{field}\n").into_bytes();
    let title = Some(format!("chpasswd for {user}"));
    Run::from(Command { stdin, title, ..Command::new(["chpasswd", "-e"]) })
}

/// The ops that make a home directory that is missing, with what the skeleton has.
pub fn home(host: &dyn Probe, user: &User) -> Result<Vec<Op>> {
    let home = HostPath::from(user.home.as_str());
    if host.stat(&home)?.is_some() {
        return Ok(Vec::new());
    }
    let meta = |mode| Meta { mode: Some(mode), owner: Some(user.uid), group: Some(user.gid) };
    let mut ops = wanted::parents(host, &home)?;
    ops.push(Op::Dir { path: home.clone(), meta: meta(accounts::home_mode(host)?) });
    let mut open = vec![(HostPath::from(SKELETON), home)];
    while let Some((from, to)) = open.pop() {
        if host.stat(&from)?.is_none() {
            continue;
        }
        for name in host.list(&from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            let Some(stat) = host.stat(&from)? else { continue };
            match (stat.kind, stat.target) {
                (FileKind::File, _) => {
                    let content = Content::Bytes(host.read(&from)?.unwrap_or_default());
                    ops.push(Op::Write { path: to, content, meta: meta(stat.mode) });
                }
                (FileKind::Dir, _) => {
                    ops.push(Op::Dir { path: to.clone(), meta: meta(stat.mode) });
                    open.push((from, to));
                }
                (FileKind::Link, Some(target)) => ops.push(Op::Link { path: to, target: target.into() }),
                _ => {}
            }
        }
        if ops.len() > SKELETON_LIMIT {
            let why = format!("{SKELETON} holds more than {SKELETON_LIMIT} files");
            return Err(Failure::new(format!("make the home directory of {}", user.name), why));
        }
    }
    Ok(ops)
}
