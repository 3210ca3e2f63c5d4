//! Performs one op on a host. This is the only place where a plan becomes a change.

use super::link::Assets;
use crate::model::Result;
use crate::model::backup::Backup;
use crate::model::op::{Answer, Command, Content, Op, Run};
use crate::system::{Background, FileKind, Flow, Listener, System};
use crate::systemd;
use std::path::Path;

/// Makes a change that is not a wait and not a transfer. The answer is that of a command; [`accept`] judges it.
pub fn change(host: &dyn System, op: &Op, assets: &dyn Assets) -> Result<Option<Answer>> {
    match op {
        Op::Write { path, content: Content::Bytes(bytes), meta } => {
            host.write(path, &mut &bytes[..], meta)?
        }
        Op::Write { path, content: Content::Asset(asset), meta } => match assets.on_host(asset) {
            Some(from) => host.write_copy(path, &from, meta)?,
            None => host.write(path, &mut assets.open(asset)?, meta)?,
        },
        Op::Dir { path, meta } => host.make_dir(path, meta)?,
        Op::Link { path, target } => host.link(path, target)?,
        Op::Meta { path, meta } => host.set_meta(path, meta)?,
        Op::Attributes { path, attributes } => host.set_attributes(path, attributes)?,
        Op::Modified { path, modified } => host.set_modified(path, *modified)?,
        Op::PutBack { path, kept } => host.put_back(path, kept)?,
        Op::Remove { path } => host.remove_all(path)?,
        Op::Exchange { one, other } => host.exchange(one, other)?,
        Op::RemoveEmpty { path } => remove_empty(host, path)?,
        Op::Run(run) => return run_it(host, run, assets, Flow::default()).map(Some),
        Op::Await { .. } | Op::Fetch { .. } | Op::Backup(_) => {}
    }
    Ok(None)
}

/// Runs a command. `flow` says who listens to it meanwhile.
pub fn run_it(host: &dyn System, run: &Run, assets: &dyn Assets, flow: Flow) -> Result<Answer> {
    let Some(asset) = &run.input else {
        let answer = host.stream(&run.command, flow)?;
        let units = systemd::refused_as_too_often(host, &run.command, &answer);
        if units.is_empty() {
            return Ok(answer);
        }
        host.run(&systemd::count_again(&units))?;
        return host.run(&run.command);
    };
    let mut input = assets.open(asset)?;
    let listener = flow.listener.map(|listener| listener as &mut dyn Listener);
    host.stream(&run.command, Flow { input: Some(&mut input), output: None, listener, ..flow })
}

/// Starts a command and does not wait for its end. `listener` hears what it prints, of which so many bytes are kept.
pub fn start(
    host: &dyn System,
    run: &Run,
    kept: usize,
    listener: Box<dyn Listener + Send>,
) -> Result<Box<dyn Background>> {
    host.start(&run.command, kept, listener)
}

/// What is inside may be another's by now: then the directory stays.
fn remove_empty(host: &dyn System, path: &Path) -> Result<()> {
    let is_empty_dir =
        host.stat(path)?.is_some_and(|stat| stat.kind == FileKind::Dir) && host.list(path)?.is_empty();
    if is_empty_dir { host.remove(path) } else { Ok(()) }
}

/// What an op is called in changes, messages and the journal: `write /etc/motd`.
pub fn describe(op: &Op) -> String {
    match op {
        Op::Write { path, .. } => format!("write {path}"),
        Op::Dir { path, .. } => format!("make directory {path}"),
        Op::Link { path, target } => format!("link {path} to {target}"),
        Op::Meta { path, meta } => format!("set {}of {path}", describe_meta(meta)),
        Op::Attributes { path, .. } => format!("set extended attributes of {path}"),
        Op::Modified { path, .. } => format!("set time of {path}"),
        Op::PutBack { path, .. } => format!("put back {path}"),
        Op::Remove { path } => format!("remove {path}"),
        Op::Exchange { one, other } => format!("exchange {one} and {other}"),
        Op::RemoveEmpty { path } => format!("remove directory {path}"),
        Op::Run(run) => format!("run {}", command(&run.command)),
        Op::Await { condition, .. } => format!("wait until {}", describe_condition(condition)),
        Op::Fetch { path, .. } => format!("fetch {path}"),
        Op::Backup(backup) => describe_backup(backup),
    }
}

/// People know a script that is read from standard input by its arguments, and by what it may run, not for how long.
fn command(command: &Command) -> String {
    let arguments =
        command.argv.strip_prefix(&["/bin/sh", "-s", "--"].map(str::to_string)).unwrap_or_default();
    let is_number = |word: &&String| word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<String> = arguments.iter().skip_while(is_number).cloned().collect();
    match command.title.is_some() || words.is_empty() {
        true => command.shown(),
        false => Command::new(words).shown(),
    }
}

fn describe_backup(backup: &Backup) -> String {
    let parts: Vec<&str> = backup.parts.iter().map(|part| part.label.name.as_str()).collect();
    format!("back up {}: {}", backup.name, parts.join(", "))
}

fn describe_meta(meta: &crate::model::op::Meta) -> String {
    let mode = meta.mode.map(|mode| format!("mode {mode:04o} "));
    let owner = meta.owner.map(|owner| format!("owner {owner} "));
    let group = meta.group.map(|group| format!("group {group} "));
    [mode, owner, group].into_iter().flatten().collect()
}

fn describe_condition(condition: &crate::model::op::Condition) -> String {
    use crate::model::op::Condition;
    match condition {
        Condition::Port { host, port, open: true } => format!("{host}:{port} accepts connections"),
        Condition::Port { host, port, open: false } => format!("{host}:{port} accepts no connections"),
        Condition::Path { path, exists: true } => format!("{path} exists"),
        Condition::Path { path, exists: false } => format!("{path} is gone"),
        Condition::Matches { path, pattern } => format!("{path} matches {pattern}"),
        Condition::Succeeds { command } => format!("{} succeeds", command.shown()),
        Condition::Http(check) => format!("{} answers as wanted", check.url),
    }
}
