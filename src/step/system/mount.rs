//! A file system and where it is mounted.

use crate::fstab::{self, Entry, FSTAB, MOUNTS, entries};
use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Advice, Answer, Command, Condition, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;
use std::path::Path;

/// Takes back a mount or umount, also one that has failed.
const BACK: &str = include_str!("mount/back.sh");

/// Mounts, unmounts, and undoes both, where another user can exchange the mount point meanwhile.
const GUARDED: &str = include_str!("mount/guarded.sh");

/// Tags that name a device, and where udev has a link for each value.
const TAGS: &[(&str, &str)] = &[
    ("UUID", "/dev/disk/by-uuid"),
    ("LABEL", "/dev/disk/by-label"),
    ("PARTUUID", "/dev/disk/by-partuuid"),
    ("PARTLABEL", "/dev/disk/by-partlabel"),
];

/// File systems that mount hands on to a program of their own, and the package that brings it.
const HELPED: &[(&str, &str)] =
    &[("nfs", "nfs-common"), ("nfs4", "nfs-common"), ("cifs", "cifs-utils"), ("smb3", "cifs-utils")];

/// Where mount looks for such a program.
const HELPERS: [&str; 2] = ["/sbin", "/usr/sbin"];

/// File systems whose files are gone once they are unmounted.
const MEMORY: &[&str] = &["tmpfs", "ramfs"];

/// What to try, by what mount says.
const HINTS: &[(&str, &str)] = &[
    ("must be superuser", BECOME_ROOT),
    (
        "permission denied",
        "a container may not mount: its kernel is another machine's. Give state = \"present\"",
    ),
    ("unknown filesystem type", "install what brings it, for example nfs-common or cifs-utils"),
    ("bad option", "the file system has no such option, or its helper program is missing"),
    ("target is busy", "`fuser -vm PATH` on the host names who uses it"),
];

/// Mounts a file system, now and at boot. A missing mount point is created. When its line in `/etc/fstab` changes while it
/// is mounted, it is mounted again with what the line says then.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where. A link in it is followed, as the kernel does.
    path: HostPath,
    /// What: a device, `UUID=…`, `LABEL=…`, a share, or a word such as `tmpfs`.
    source: Option<String>,
    /// Type of the file system: `ext4`, `nfs`, `tmpfs`, `none` with the option `bind`.
    fstype: Option<String>,
    /// Options, separated by commas; `defaults` when not given.
    #[serde(default = "defaults")]
    options: String,
    /// Whether dump saves it: 0 or 1.
    #[serde(default)]
    dump: u32,
    /// When fsck looks at it at boot: 0 is never, 1 for `/`, else 2.
    #[serde(default)]
    pass: u32,
    /// `mounted` when not given; `present` only in `/etc/fstab`, `unmounted` in there but not mounted now, `absent`
    /// neither.
    #[serde(default)]
    state: State,
}

/// What becomes of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// In `/etc/fstab`, and mounted.
    #[default]
    Mounted,
    /// In `/etc/fstab`.
    Present,
    /// In `/etc/fstab`, and not mounted now.
    Unmounted,
    /// Not in `/etc/fstab`, and not mounted.
    Absent,
}

impl Kind for Mount {
    const NAME: &'static str = "mount";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the data disk"
[steps.mount]
path = "/srv/data"
source = "LABEL=data"
fstype = "ext4"
options = "noatime,nofail"
dump = 0
pass = 2
state = "mounted"       # or "present", "unmounted", "absent"
"#;
}

impl Step for Mount {
    fn check(&self) -> Result<(), WrongKey> {
        if !self.path.is_absolute() {
            return Err(WrongKey::new("path", format!("{} does not begin with /", self.path)));
        }
        let given = [("source", &self.source), ("fstype", &self.fstype)];
        match given.iter().find(|(_, value)| value.as_deref().is_none_or(str::is_empty)) {
            Some((key, _)) if self.state != State::Absent => Err(WrongKey::new(key, "it is not given")),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mounts = text(host, MOUNTS)?;
        let target = self.place(host, &mounts)?;
        let names = self.names(host, &mounts, &target)?;
        let wanted = (self.state != State::Absent).then(|| self.entry());
        let line = fstab::edit(host, wanted.as_ref(), |entry| names.contains(&entry.target))?;
        let mounted = entries(&mounts).filter(|entry| entry.target == target).last();
        let reach = || self.reach(host, &target, &names, mounted.as_ref());
        if self.state == State::Mounted
            && (mounted.is_none() || !line.is_empty())
            && let Some(later) = self.expect_source(host)?
        {
            return Ok(later);
        }
        let ops = match (self.state, &mounted) {
            (State::Mounted, None) => self.mount(host, &reach()?, &mounts, line)?,
            (State::Mounted, Some(there)) if !line.is_empty() => {
                self.mount_anew(host, &reach()?, &mounts, there, line)?
            }
            (State::Unmounted | State::Absent, Some(_)) => {
                // While the line is there, undo finds what to mount.
                [self.unmount(&reach()?, &mounts), line].concat()
            }
            _ => line,
        };
        Ok(Plan::of(ops))
    }
}

impl Mount {
    /// The mount point as the line in `/etc/fstab` has it.
    fn target(&self) -> String {
        fstab::plain_path(&self.path.to_string())
    }

    /// Where the mount point is as the kernel has it. A link in it that another user controls must not lead to a place of
    /// another owner.
    fn place(&self, host: &dyn Probe, mounts: &str) -> Result<String> {
        let path = fstab::plain_path(&self.target());
        if entries(mounts).any(|entry| entry.target == path) {
            return Ok(path);
        }
        Ok(HostPath::from(host.follow(Path::new(&path))?).to_string())
    }

    /// How lines of `/etc/fstab` spell the mount point: with a slash at the end, through a link, or as the kernel does.
    fn names(&self, host: &dyn Probe, mounts: &str, target: &str) -> Result<Vec<String>> {
        let mut names = vec![self.target(), target.to_string()];
        for Entry { target: other, .. } in entries(&text(host, FSTAB)?) {
            if other.starts_with('/') && real_path(host, mounts, &other)? == target {
                names.push(other);
            }
        }
        Ok(names)
    }

    /// Fails where there is nothing to mount, or no program that could; after changes that are only pretended, both may be
    /// there by then.
    fn expect_source(&self, host: &dyn Probe) -> Result<Option<Plan>> {
        let (source, kind) =
            (self.source.as_deref().unwrap_or_default(), self.fstype.as_deref().unwrap_or_default());
        let doing = format!("mount {}", self.target());
        if let Some((_, package)) = HELPED.iter().find(|(helped, _)| *helped == kind) {
            let helpers = HELPERS.map(|directory| HostPath::from(directory).join(format!("mount.{kind}")));
            if !any_is_there(host, &helpers)? {
                let failure = Failure::new(doing, format!("the host has no mount.{kind}"))
                    .hint(format!("install what brings it, for example {package}"));
                return wanted::unless_later(
                    host,
                    failure,
                    Condition::Path { path: helpers[0].clone(), exists: true },
                )
                .map(Some);
            }
            return Ok(None);
        }
        let missing = |what: &str| Failure::new(&doing, format!("the host has no {what}"));
        if source.starts_with('/') && !source.starts_with("//") {
            let path = HostPath::from(fstab::plain_source(source));
            return match host.stat(&path)? {
                Some(_) => Ok(None),
                None => wanted::unless_later(host, missing(source), Condition::Path { path, exists: true })
                    .map(Some),
            };
        }
        let is_tag =
            source.split_once('=').is_some_and(|(tag, _)| TAGS.iter().any(|(known, _)| *known == tag));
        if !is_tag || device(host, source)?.is_some() {
            return Ok(None);
        }
        // udev may not run there: findfs looks at the devices themselves.
        let command = Command::new(["findfs", &fstab::plain_source(source)]);
        match host.ask(&command)?.status {
            0 | Answer::NO_PROGRAM => Ok(None),
            _ => {
                let failure = missing(&format!("device with {source}"));
                wanted::unless_later(host, failure, Condition::Succeeds { command }).map(Some)
            }
        }
    }

    fn entry(&self) -> Entry {
        Entry {
            source: self.source.clone().unwrap_or_default(),
            target: self.target(),
            kind: self.fstype.clone().unwrap_or_default(),
            options: self.options.clone(),
            dump: self.dump,
            pass: self.pass,
        }
    }

    fn mount(&self, host: &dyn Probe, at: &Reach, mounts: &str, line: Vec<Op>) -> Result<Vec<Op>> {
        let mut ops = wanted::directory(host, &HostPath::from(at.place.as_str()), &Meta::default())?;
        ops.extend(line);
        let mount = at.program(&["mount", &self.target()], "mount", Some(&self.entry()));
        ops.push(self.run(mount, self.back(at, "umount"), self.with(mounts, &at.place)));
        Ok(ops)
    }

    /// How the place was mounted before: as its line in `/etc/fstab` says, or as the kernel does.
    fn before(&self, host: &dyn Probe, names: &[String], mounted: Option<&Entry>) -> Result<Entry> {
        let fstab = text(host, FSTAB)?;
        let line = entries(&fstab).find(|entry| names.contains(&entry.target));
        Ok(line.or(mounted.cloned()).unwrap_or_else(|| self.entry()))
    }

    fn reach(
        &self,
        host: &dyn Probe,
        place: &str,
        names: &[String],
        mounted: Option<&Entry>,
    ) -> Result<Reach> {
        let mut is_exchangeable = false;
        for above in Path::new(place).ancestors().skip(1) {
            let stat = host.stat(above)?;
            is_exchangeable |= stat.is_some_and(|stat| stat.owner != 0 || stat.mode & 0o022 != 0);
        }
        let exchangeable = if is_exchangeable { Some(self.before(host, names, mounted)?) } else { None };
        Ok(Reach { place: place.to_string(), exchangeable })
    }

    /// The kernel's list once it is mounted.
    fn with(&self, mounts: &str, target: &str) -> String {
        format!("{mounts}{}\n", Entry { target: target.to_string(), ..self.entry() }.line())
    }

    /// Other options need no break; another source does.
    fn mount_anew(
        &self,
        host: &dyn Probe,
        at: &Reach,
        mounts: &str,
        there: &Entry,
        line: Vec<Op>,
    ) -> Result<Vec<Op>> {
        let same_kind = self.fstype.as_deref() == Some(&there.kind) && self.fstype.as_deref() != Some("none");
        let mut ops = line;
        if same_kind && !is_other(host, self.source.as_deref().unwrap_or_default(), &there.source)? {
            let remount = |entry| at.program(&["mount", "-o", "remount", &self.target()], "remount", entry);
            // Undone after the old line is there again: then it has the old options.
            let undo = match &at.exchangeable {
                Some(_) => Undo::Command(remount(None)),
                None => Undo::Again,
            };
            ops.push(self.run(remount(Some(&self.entry())), undo, mounts.to_string()));
            return Ok(ops);
        }
        let unmount = self.unmount(at, mounts);
        let after = self.with(&without(mounts, &there.target, usize::MAX), &there.target);
        ops.splice(0..0, unmount);
        let mount = at.program(&["mount", &self.target()], "mount", Some(&self.entry()));
        ops.push(self.run(mount, self.back(at, "umount"), after));
        Ok(ops)
    }

    /// One command for each file system there: they can lie one over the other, and the last one goes first.
    fn unmount(&self, at: &Reach, mounts: &str) -> Vec<Op> {
        let kinds = entries(mounts).filter(|entry| entry.target == at.place).map(|entry| entry.kind);
        let kinds: Vec<String> = kinds.collect();
        let one = |(index, kind): (usize, &String)| {
            let undo = match MEMORY.contains(&kind.as_str()) {
                true => Undo::Impossible(format!(
                    "what is in a {kind} is gone once it is unmounted; `mount {}` mounts it again, empty",
                    self.target()
                )),
                false => self.back(at, "mount"),
            };
            let unmount = at.program(&["umount", &self.target()], "umount", None);
            self.run(unmount, undo, without(mounts, &at.place, index + 1))
        };
        kinds.iter().rev().enumerate().map(one).collect()
    }

    fn back(&self, at: &Reach, program: &str) -> Undo {
        let words = [program, &self.target()];
        if at.exchangeable.is_some() {
            return Undo::Command(at.program(&words, &format!("back {program}"), None));
        }
        let title = Some(Command::new(words).shown());
        let words = ["/bin/sh", "-s", "--", program, &self.target()].map(str::to_string);
        Undo::Command(Command { stdin: BACK.into(), title, ..Command::new(words) })
    }

    fn run(&self, command: Command, undo: Undo, mounts_after: String) -> Op {
        let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
        let effects = vec![Effect::Writes { path: MOUNTS.into(), bytes: mounts_after.into_bytes() }];
        let advice = Advice { hints, question: None };
        Run { undo, effects, advice, ..Run::from(command) }.into()
    }
}

/// How the mount point is reached.
struct Reach {
    /// The mount point as the kernel has it.
    place: String,
    /// How it was mounted before, where another user can put something else at its path meanwhile: one of the directories
    /// above it is not root's alone.
    exchangeable: Option<Entry>,
}

impl Reach {
    /// The program as an operator would type it. Where the mount point can be exchanged, a script does the same, and
    /// nothing elsewhere: with this entry, or with the one of before.
    fn program(&self, words: &[&str], action: &str, entry: Option<&Entry>) -> Command {
        let command = Command::new(words.iter().copied());
        let Some(before) = &self.exchangeable else { return command };
        let entry = entry.unwrap_or(before);
        let title = Some(command.shown());
        let words = ["/bin/sh", "-s", "--"].into_iter().chain(action.split(' ')).map(str::to_string);
        let source = fstab::plain_source(&entry.source);
        let words = words.chain([self.place.clone(), source, entry.kind.clone(), entry.options.clone()]);
        Command { stdin: GUARDED.into(), title, ..Command::new(words) }
    }
}

fn any_is_there<P: AsRef<Path>>(host: &dyn Probe, paths: &[P]) -> Result<bool> {
    for path in paths {
        if host.stat(path.as_ref())?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The kernel's list without the last `count` file systems at `target`.
fn without(mounts: &str, target: &str, count: usize) -> String {
    let is_it = |line: &&str| Entry::of(line).is_some_and(|entry| entry.target == target);
    let keep = mounts.lines().filter(is_it).count().saturating_sub(count);
    let mut seen = 0;
    let others = mounts.split_inclusive('\n').filter(|line| {
        seen += usize::from(is_it(line));
        !is_it(line) || seen <= keep
    });
    others.collect()
}

/// A mount point as the kernel lists it. One that is listed is taken as it is, since looking at a file system whose server
/// is gone can take for ever.
fn real_path(host: &dyn Probe, mounts: &str, path: &str) -> Result<String> {
    let path = fstab::plain_path(path);
    if entries(mounts).any(|entry| entry.target == path) {
        return Ok(path);
    }
    Ok(wanted::resolved(host, &HostPath::from(path.as_str()))?.to_string())
}

/// Whether two sources are certainly different: other devices, or other shares.
fn is_other(host: &dyn Probe, wanted: &str, there: &str) -> Result<bool> {
    let share = |source: &str| source.starts_with("//") || source.contains(":/");
    if share(wanted) && share(there) {
        return Ok(wanted.trim_end_matches('/') != there.trim_end_matches('/'));
    }
    let devices = (device(host, wanted)?, device(host, there)?);
    Ok(matches!(devices, (Some(wanted), Some(there)) if wanted != there))
}

/// The device that a source names, by path or by tag; none when the host has no such path.
fn device(host: &dyn Probe, source: &str) -> Result<Option<HostPath>> {
    let plain = fstab::plain_source(source);
    let path = match plain.split_once('=') {
        Some((tag, value)) => match TAGS.iter().find(|(known, _)| *known == tag) {
            Some((_, directory)) => HostPath::from(*directory).join(udev_name(value)),
            None => return Ok(None),
        },
        None => HostPath::from(plain.as_str()),
    };
    if !path.is_absolute() || host.stat(&path)?.is_none() {
        return Ok(None);
    }
    wanted::resolved(host, &path).map(Some)
}

/// The name of udev's link for a tag's value: letters that it does not take are written as `\x20`.
fn udev_name(value: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte) || byte >= 0x80;
    let mut name = Vec::new();
    for byte in value.bytes() {
        match fits(byte) {
            true => name.push(byte),
            false => name.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}

fn text(host: &dyn Probe, path: &str) -> Result<String> {
    let bytes = host.read(&HostPath::from(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn defaults() -> String {
    "defaults".to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests;
