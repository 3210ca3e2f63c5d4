//! Compares what a path should be with what is there; the difference is ops. Every step that writes files uses it.

use crate::model::mode::Mode;
use crate::model::op::{Command, Condition, Content, Meta, Op, Plan, Wait};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::walk::LINK_LIMIT;
use crate::system::{FileKind, Probe, Stat};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

pub mod lines;

/// This failure. After changes that are only pretended, the wait for what may hold by then.
pub fn unless_later(host: &dyn Probe, failure: Failure, condition: Condition) -> Result<Plan> {
    if host.pretends() { Ok(Plan::awaiting(condition)) } else { Err(failure) }
}

/// The ops that make `path` a regular file with this content. Missing parent directories are created.
pub fn file(host: &dyn Probe, path: &HostPath, content: Content, meta: &Meta) -> Result<Vec<Op>> {
    let path = followed(host, path)?;
    let there = host.stat(&path)?;
    expect_kind(&path, there.as_ref(), FileKind::File)?;
    let differs = there.is_none() || host.digest(&path)?.as_ref() != Some(&content.digest());
    if differs {
        let mut ops = parents(host, &path)?;
        ops.push(Op::Write { path, content, meta: meta.clone() });
        return Ok(ops);
    }
    Ok(there.and_then(|stat| meta_op(path, &stat, meta)).into_iter().collect())
}

/// The ops that make `path` a directory. Missing parents are made.
pub fn directory(host: &dyn Probe, path: &HostPath, meta: &Meta) -> Result<Vec<Op>> {
    let path = followed(host, path)?;
    let there = host.stat(&path)?;
    expect_kind(&path, there.as_ref(), FileKind::Dir)?;
    if let Some(stat) = there {
        return Ok(meta_op(path, &stat, meta).into_iter().collect());
    }
    let mut ops = parents(host, &path)?;
    ops.push(Op::Dir { path, meta: meta.clone() });
    Ok(ops)
}

/// The ops that set mode and owner of what stands at `path`, whatever it is.
pub fn meta_of_existing(host: &dyn Probe, path: &HostPath, meta: &Meta) -> Result<Vec<Op>> {
    let path = followed(host, path)?;
    let there = host.stat(&path)?;
    Ok(there.and_then(|stat| meta_op(path, &stat, meta)).into_iter().collect())
}

/// The ops that make the directories above `path`, outermost first.
pub fn parents(host: &dyn Probe, path: &HostPath) -> Result<Vec<Op>> {
    let mut missing = Vec::new();
    for parent in path.ancestors().skip(1) {
        if host.stat(parent)?.is_some() {
            break;
        }
        missing.push(Op::Dir { path: HostPath::from(parent), meta: Meta::default() });
    }
    missing.reverse();
    Ok(missing)
}

/// Where `path` really ends when its last part is a link.
pub fn followed(host: &dyn Probe, path: &HostPath) -> Result<HostPath> {
    let path = absolute(path)?;
    match host.stat(&path)?.and_then(|stat| stat.target) {
        None => Ok(path),
        Some(_) => host.follow(&path).map(HostPath::from),
    }
}

/// `path` as the kernel calls it: every link in it followed, without `.`, `..` and slashes that mean nothing. What does not
/// exist, or cannot be looked at, is no link.
pub fn resolved(host: &dyn Probe, path: &HostPath) -> Result<HostPath> {
    let mut left: Vec<OsString> = parts(&absolute(path)?);
    let mut done = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        match host.stat(&next).ok().flatten().and_then(|stat| stat.target) {
            None => done = next,
            Some(_) if links == LINK_LIMIT => {
                let why = "there are too many links, one behind another";
                return Err(Failure::new(format!("follow {path}"), why));
            }
            Some(target) => {
                links += 1;
                done = if target.is_absolute() { PathBuf::from("/") } else { done };
                left.extend(parts(&target));
            }
        }
    }
    Ok(done.into())
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.rev().map(|part| part.as_os_str().to_os_string()).collect()
}

/// Reads a text file; a missing one is `None`, one that is not UTF-8 a failure.
pub fn text(host: &dyn Probe, path: &HostPath) -> Result<Option<String>> {
    expect_kind(path, host.stat(&followed(host, path)?)?.as_ref(), FileKind::File)?;
    let bytes = host.read(path)?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("read {path}"), format!("it is not text: byte {at} is not UTF-8"))
    })
}

/// Mode, owner and group as ids. Names are looked up on the host.
pub fn meta(host: &dyn Probe, mode: Option<Mode>, owner: Option<&str>, group: Option<&str>) -> Result<Meta> {
    Ok(Meta {
        mode: mode.map(Mode::bits),
        owner: owner.map(|name| id_of(host, "passwd", "user", name)).transpose()?,
        group: group.map(|name| id_of(host, "group", "group", name)).transpose()?,
    })
}

/// Refuses a path whose type is not the wanted one: nothing is ever replaced by something of another type.
pub fn expect_kind(path: &HostPath, there: Option<&Stat>, kind: FileKind) -> Result<()> {
    match there {
        Some(stat) if stat.kind != kind => {
            let why = format!("a {} is there, not a {}", stat.kind.as_str(), kind.as_str());
            Err(Failure::new(format!("look at {path}"), why)
                .hint("remove it with a step of kind absent first, if it may go"))
        }
        _ => Ok(()),
    }
}

/// Refuses a path that does not begin with `/`: it would depend on who runs.
pub fn absolute(path: &HostPath) -> Result<HostPath> {
    if path.is_absolute() {
        return Ok(path.clone());
    }
    Err(Failure::new(format!("look at {path}"), "a path on a host must begin with /"))
}

/// The op that sets what differs between what stands at `path` and what is wanted.
pub fn meta_op(path: HostPath, stat: &Stat, wanted: &Meta) -> Option<Op> {
    let differing = Meta {
        mode: wanted.mode.filter(|mode| *mode != stat.mode),
        owner: wanted.owner.filter(|owner| *owner != stat.owner),
        group: wanted.group.filter(|group| *group != stat.group),
    };
    (!differing.is_empty()).then_some(Op::Meta { path, meta: differing })
}

/// The id of a user or group: a number as it is, a name from the host's own file, else from its name service.
fn id_of(host: &dyn Probe, database: &str, what: &str, name: &str) -> Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let file = host.read(Path::new("/etc").join(database).as_path())?.unwrap_or_default();
    if let Some(id) = id_in(&String::from_utf8_lossy(&file), name) {
        return Ok(id);
    }
    let answer = host.ask(&Command::new(["getent", database, name]))?;
    id_in(&answer.text(), name)
        .ok_or_else(|| Failure::new(format!("look up {what} {name}"), format!("the host has no such {what}")))
}

fn id_in(lines: &str, name: &str) -> Option<u32> {
    let line = lines.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}
/// The waits that do not hold yet.
pub fn unmet(host: &dyn Probe, waits: Vec<Wait>) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for Wait { condition, within, every } in waits {
        if !host.observe(&condition)?.holds {
            ops.push(Op::Await { condition, within, every });
        }
    }
    Ok(ops)
}

/// Whether what a command would make is there, or what it would remove is gone.
pub fn is_done(host: &dyn Probe, creates: Option<&HostPath>, removes: Option<&HostPath>) -> Result<bool> {
    let exists = |path: &HostPath| Ok(host.stat(&followed(host, path)?)?.is_some());
    let made = creates.map(exists).transpose()?;
    let there = removes.map(exists).transpose()?;
    Ok(made == Some(true) || there == Some(false))
}
