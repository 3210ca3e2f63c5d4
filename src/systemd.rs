//! systemd as questions and commands, and what its answers mean.

pub mod install;
mod start_limit;

use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Advice, Answer, Command, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Probe};
pub use start_limit::{count_again, refused_as_too_often};
use std::path::Path;

/// What is asked of a unit.
const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Type,RemainAfterExit,CanReload,NeedDaemonReload,\
                          FragmentPath,DropInPaths,TriggeredBy";

/// Finds the unit file that has an alias.
const ALIAS: &[u8] = include_bytes!("systemd/alias.sh");

/// Says why a unit does not run.
const LOG: &[u8] = include_bytes!("systemd/log.sh");

/// How `systemd-analyze verify` says that systemd refuses a unit's file.
const VERDICTS: &[&str] = &["has a bad unit file setting", "failed to load properly"];

/// Asks the same of a file that a dry run only says it writes.
const VERIFY: &str = include_str!("systemd/verify.sh");

/// Where an administrator's own unit files are.
pub const OWN_UNITS: &str = "/etc/systemd/system";

/// Where unit files are.
const UNIT_DIRECTORIES: &[&str] =
    &[OWN_UNITS, "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Files of a unit that are larger than this together, in bytes, are not verified beforehand.
const MOST_VERIFIED: usize = 256 * 1024;

/// Names less alike than this are different names, not typing errors.
const ALIKE: f64 = 0.8;

/// What to try, by what systemctl says.
const HINTS: &[(&str, &str)] = &[
    ("authentication required", BECOME_ROOT),
    ("Access denied", BECOME_ROOT),
    ("is masked", "set masked = false"),
];

/// What to try when a mask is refused.
const MASK_HINT: (&str, &str) =
    ("already exists", "its unit file is where the mask would stand: set enabled = false instead");

/// A unit as systemd describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unit {
    /// Its own name, which is another one than that of an alias; empty when systemd does not say.
    pub id: String,
    /// `loaded`, `not-found`, `masked`, `bad-setting` …
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// `enabled`, `disabled`, `static`, `masked` …; empty for what has no unit file.
    pub file: String,
    /// `simple`, `forking`, `oneshot` …; empty for what is no service.
    pub kind: String,
    /// Whether a oneshot counts as active once it has run.
    pub remains: bool,
    /// Whether it can be reloaded.
    pub can_reload: bool,
    /// Whether its files have changed since systemd read them.
    pub stale: bool,
    /// Its unit file; empty for what has none.
    pub fragment: String,
    /// Its drop-ins.
    pub drop_ins: Vec<String>,
    /// Sockets, timers and paths that start it.
    pub triggered_by: Vec<String>,
}

/// The question what a unit is like.
pub fn question(name: &str) -> Command {
    Command::new(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", name])
}

/// What a unit is like.
pub fn look(host: &dyn Probe, name: &str) -> Result<Unit> {
    let answer = host.ask(&question(name))?;
    if answer.ok() {
        let mut unit = Unit::read(&answer.text());
        unit.see_new_files(host, name)?;
        return if unit.file == "generated" { enabled_by_script(host, name, unit) } else { Ok(unit) };
    }
    let said = String::from_utf8_lossy(&answer.stderr).into_owned() + &answer.text();
    if answer.status == 127
        || said.contains("not been booted with systemd")
        || said.contains("connect to bus")
    {
        return Err(Failure::new(format!("look at service {name}"), "the host is not run by systemd")
            .hint("start it with a step of kind command and the host's own service program"));
    }
    Err(refused(&question(name), &answer))
}

/// A unit that systemd makes of a script in `/etc/init.d`, enabled or disabled as the script is.
fn enabled_by_script(host: &dyn Probe, name: &str, unit: Unit) -> Result<Unit> {
    let answer = host.ask(&systemctl("is-enabled", name))?.text();
    let word = answer.lines().last().map(str::trim).filter(|word| ["enabled", "disabled"].contains(word));
    Ok(Unit { file: word.unwrap_or("generated").to_string(), ..unit })
}

/// The unit that `name` means: its own name, and what it is like. An alias is gone once its unit is disabled; its unit file
/// says then which unit it belonged to.
pub fn find(host: &dyn Probe, name: &str) -> Result<(String, Unit)> {
    let unit = look(host, name)?;
    if unit.load != "not-found" {
        let own =
            if unit.id.is_empty() || unit.id == full(name) { name.to_string() } else { unit.id.clone() };
        return Ok((own, unit));
    }
    match aliased(host, name)? {
        Some(own) => look(host, &own).map(|unit| (own, unit)),
        None => Ok((name.to_string(), unit)),
    }
}

/// The unit whose unit file has the alias `name`.
fn aliased(host: &dyn Probe, name: &str) -> Result<Option<String>> {
    let words = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain([full(name)]);
    let argv = words.chain(UNIT_DIRECTORIES.iter().map(|directory| directory.to_string()));
    let title = Some(format!("look for the alias {name}"));
    let answer = host.ask(&Command { stdin: ALIAS.to_vec(), title, ..Command::new(argv) })?;
    let own = answer.text().trim().to_string();
    Ok((answer.ok() && !own.is_empty()).then_some(own))
}

/// A name with its ending, as systemd completes it.
fn full(name: &str) -> String {
    let ends = [
        "service",
        "socket",
        "timer",
        "target",
        "path",
        "mount",
        "automount",
        "swap",
        "slice",
        "device",
        "scope",
    ];
    match name.rsplit_once('.') {
        Some((_, end)) if ends.contains(&end) => name.to_string(),
        _ => format!("{name}.service"),
    }
}

/// The failure for a unit that does not exist, with the one that is probably meant.
pub fn unknown(host: &dyn Probe, name: &str) -> Failure {
    let failure = Failure::new(format!("look at service {name}"), "the host has no such unit");
    match alike(host, name) {
        Some(near) => failure.hint(format!("it has {near}")),
        None => failure.hint("install what brings it first"),
    }
}

/// The unit of the host whose name is nearest.
pub fn alike(host: &dyn Probe, name: &str) -> Option<String> {
    nearest(&unit_files(host), name)
}

/// The unit files of the host. A directory that cannot be read has none: this is only for a hint.
fn unit_files(host: &dyn Probe) -> Vec<String> {
    let listed = UNIT_DIRECTORIES.iter().filter_map(|folder| host.list(&HostPath::from(*folder)).ok());
    listed.flatten().filter_map(|name| name.into_string().ok()).filter(|name| name.contains('.')).collect()
}

fn nearest(units: &[String], name: &str) -> Option<String> {
    let stem = |unit: &str| unit.rsplit_once('.').map_or(unit, |(stem, _)| stem).to_string();
    let wanted = stem(name);
    let likeness = |unit: &&String| strsim::jaro_winkler(&stem(unit), &wanted);
    let best = units.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&best) >= ALIKE).then(|| best.clone())
}

/// Why systemd will refuse the files of a unit when it reads them again, or once they are written as a dry run says. `None`
/// where it will take them, or no one can say.
pub fn refusal(host: &dyn Probe, name: &str) -> Result<Option<String>> {
    if !host.pretends() {
        return refusal_now(host, name);
    }
    let file = match fragment(host, name)? {
        none if none.is_empty() => HostPath::from(OWN_UNITS).join(full(name)).to_string(),
        file => file,
    };
    match verify_pretended(host, &full(name), &file)? {
        Some(verify) => verdict(host, name, &verify),
        None => Ok(None),
    }
}

/// Why systemd refuses the files of a unit as they are.
pub fn refusal_now(host: &dyn Probe, name: &str) -> Result<Option<String>> {
    let file = fragment(host, name)?;
    let verify = Command::new(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", &file]);
    if file.starts_with('/') { verdict(host, name, &verify) } else { Ok(None) }
}

/// The file of a unit; empty when there is none.
fn fragment(host: &dyn Probe, name: &str) -> Result<String> {
    let question = Command::new(["systemctl", "show", "--property", "FragmentPath", "--value", "--", name]);
    let known = host.ask(&question)?.text();
    Ok(own_file(host, &full(name), &known)?.unwrap_or(known))
}

/// The administrator's own file of a unit, or of its template, where systemd knows of another one.
fn own_file(host: &dyn Probe, name: &str, known: &str) -> Result<Option<String>> {
    if known.is_empty() || Path::new(known).starts_with(OWN_UNITS) {
        return Ok(None);
    }
    let template = name
        .split_once('@')
        .zip(name.rsplit_once('.'))
        .map(|((stem, _), (_, kind))| format!("{stem}@.{kind}"));
    for name in [Some(name.to_string()), template].into_iter().flatten() {
        let path = HostPath::from(OWN_UNITS).join(name);
        if has_content(host, &path)? {
            return Ok(Some(path.to_string()));
        }
    }
    Ok(None)
}

/// Whether a file counts: a link to /dev/null, or an empty file, takes a unit or a drop-in away.
fn has_content(host: &dyn Probe, path: &Path) -> Result<bool> {
    Ok(host.stat(path)?.is_some_and(|stat| stat.kind == FileKind::File && stat.size > 0))
}

fn verdict(host: &dyn Probe, name: &str, verify: &Command) -> Result<Option<String>> {
    let answer = host.ask(verify)?;
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    let of_unit = format!("Unit {} ", full(name));
    let is_verdict = |line: &&str| {
        line.starts_with(&of_unit)
            && VERDICTS.iter().any(|verdict| line[of_unit.len()..].starts_with(verdict))
    };
    let verdict = said.lines().find(is_verdict).filter(|_| !answer.ok());
    Ok(verdict.map(|verdict| said.lines().find(|line| !is_verdict(line)).unwrap_or(verdict).to_string()))
}

/// Verifies a unit with the files that it will have, its drop-ins among them. `None` when it has none, too many, or some that
/// cannot be read.
fn verify_pretended(host: &dyn Probe, name: &str, file: &str) -> Result<Option<Command>> {
    let Some(content) = host.read(&HostPath::from(file))? else { return Ok(None) };
    let mut all = Vec::new();
    let mut add = |path: &str, content: &[u8]| {
        all.extend_from_slice(format!("{} {path}\n", content.len()).as_bytes());
        all.extend_from_slice(content);
    };
    add(file, &content);
    let mut directories = Vec::new();
    for parent in UNIT_DIRECTORIES.iter().rev() {
        directories.extend(drop_in_directories(host, parent, name));
    }
    for directory in &directories {
        for path in drop_ins(host, directory) {
            match host.read(&path) {
                Ok(content) => content.into_iter().for_each(|content| add(&path.to_string(), &content)),
                // It takes a drop-in away, as one that is not there does.
                Err(_) if is_mask(host, &path)? => {}
                Err(_) => return Ok(None),
            }
        }
    }
    if all.len() > MOST_VERIFIED {
        return Ok(None);
    }
    let words = ["/bin/sh", "-c", VERIFY, "sh", name, file].map(str::to_string).into_iter();
    let argv = words.chain(directories.iter().map(HostPath::to_string));
    Ok(Some(Command { stdin: all, ..Command::new(argv) }))
}

fn is_mask(host: &dyn Probe, path: &Path) -> Result<bool> {
    Ok(host.stat(path)?.is_some_and(|stat| stat.target.as_deref() == Some(Path::new("/dev/null"))))
}

/// The directories below `parent` with drop-ins of a unit: its own, its template's, those of the names that it begins with, as
/// far as a dash, and of all units of its type. A directory that cannot be read has none.
fn drop_in_directories(host: &dyn Probe, parent: &str, name: &str) -> Vec<HostPath> {
    let Some((stem, kind)) = name.rsplit_once('.') else { return Vec::new() };
    let template = stem.split_once('@').map(|(stem, _)| format!("{stem}@.{kind}.d"));
    let plain = stem.split_once('@').map_or(stem, |(stem, _)| stem);
    let prefixes = plain.match_indices('-').map(|(at, _)| format!("{}.{kind}.d", &plain[..=at]));
    let wanted: Vec<String> =
        [format!("{name}.d"), format!("{kind}.d")].into_iter().chain(template).chain(prefixes).collect();
    let parent = HostPath::from(parent);
    let there = host.list(&parent).unwrap_or_default();
    wanted
        .iter()
        .filter(|name| there.iter().any(|entry| entry == name.as_str()))
        .map(|name| parent.join(name))
        .collect()
}

/// The drop-ins in a directory. systemd reads no hidden ones.
fn drop_ins(host: &dyn Probe, directory: &HostPath) -> Vec<HostPath> {
    let names = host.list(directory).unwrap_or_default();
    let is_read = |name: &&str| name.ends_with(".conf") && !name.starts_with('.') && !name.contains('\n');
    names.iter().filter_map(|name| name.to_str().filter(is_read)).map(|name| directory.join(name)).collect()
}

/// `systemctl VERB NAME`.
pub fn systemctl(verb: &str, name: &str) -> Command {
    Command::new(["systemctl", verb, name])
}

/// `systemctl VERB NAME` as something to run, which `undo` rolls back; when it fails, the unit says why in its log.
pub fn run(verb: &str, name: &str, undo: Undo) -> Run {
    let log = Command { stdin: LOG.to_vec(), ..Command::new(["/bin/sh", "-s", "--", name]) };
    let for_mask = (verb == "mask").then_some(&MASK_HINT);
    let hints =
        HINTS.iter().chain(for_mask).map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    let advice = Advice { hints, question: Some(log) };
    Run { undo, advice, ..Run::from(systemctl(verb, name)) }
}

/// Has systemd read the files of all units again. Undoing what comes after it reads the old ones.
pub fn daemon_reload() -> Run {
    Run { undo: Undo::Again, ..Run::from(Command::new(["systemctl", "daemon-reload"])) }
}

impl Unit {
    fn read(text: &str) -> Self {
        let property = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim().to_string()
        };
        Unit {
            id: property("Id"),
            load: property("LoadState"),
            active: property("ActiveState"),
            file: property("UnitFileState"),
            kind: property("Type"),
            remains: property("RemainAfterExit") == "yes",
            can_reload: property("CanReload") == "yes",
            stale: property("NeedDaemonReload") == "yes",
            fragment: property("FragmentPath"),
            drop_ins: property("DropInPaths").split_ascii_whitespace().map(str::to_string).collect(),
            triggered_by: property("TriggeredBy").split_ascii_whitespace().map(str::to_string).collect(),
        }
    }

    /// systemd notices neither the first drop-in of a unit, whose directory is new to it, nor an administrator's file that
    /// comes before a package's.
    fn see_new_files(&mut self, host: &dyn Probe, name: &str) -> Result<()> {
        if self.load != "loaded" {
            return Ok(());
        }
        let name = if self.id.is_empty() { full(name) } else { self.id.clone() };
        if let Some(own) = own_file(host, &name, &self.fragment)? {
            (self.stale, self.fragment) = (true, own);
        }
        for path in
            drop_in_directories(host, OWN_UNITS, &name).iter().flat_map(|directory| drop_ins(host, directory))
        {
            // Of several with one name, systemd reads one.
            if self.drop_ins.iter().any(|known| Path::new(known).file_name() == path.file_name()) {
                continue;
            }
            if has_content(host, &path)? {
                self.stale = true;
                self.drop_ins.push(path.to_string());
            }
        }
        Ok(())
    }

    /// What systemd will answer once the unit is like this.
    pub fn prediction(&self, name: &str) -> Prediction {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let triggers = self.triggered_by.join(" ");
        let drop_ins = self.drop_ins.join(" ");
        let properties = [
            ("Id", self.id.as_str()),
            ("LoadState", &self.load),
            ("ActiveState", &self.active),
            ("UnitFileState", &self.file),
            ("Type", &self.kind),
            ("RemainAfterExit", yes(self.remains)),
            ("CanReload", yes(self.can_reload)),
            ("NeedDaemonReload", yes(self.stale)),
            ("FragmentPath", &self.fragment),
            ("DropInPaths", &drop_ins),
            ("TriggeredBy", &triggers),
        ];
        let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        Prediction { argv: question(name).argv, answer: Answer::said(0, text) }
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether it does its work and ends, so that it is never found active.
    pub fn only_runs(&self) -> bool {
        self.kind == "oneshot" && !self.remains
    }

    /// The question whether it is really up after it was started. Where systemd cannot know that a service is ready, it is
    /// looked at several times.
    pub fn proof(&self, name: &str) -> Option<Command> {
        let look = systemctl("is-active", name);
        if self.only_runs() {
            return None;
        }
        if !matches!(self.kind.as_str(), "simple" | "exec" | "idle") {
            return Some(look);
        }
        let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain(look.argv.clone());
        let (stdin, title) = (include_bytes!("systemd/stays.sh").to_vec(), Some(look.shown()));
        Some(Command { stdin, title, ..Command::new(argv) })
    }
}
