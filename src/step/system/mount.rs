//! A file system and where it is mounted.

use crate::fstab::{self, Entry, FSTAB, MOUNTS, entries};
use crate::model::Result;
use crate::model::op::{Advice, Command, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;
use std::path::Path;

/// Takes back a mount or umount, also one that has failed.
const BACK: &str = include_str!("mount/back.sh");

/// Tags that name a device, and where udev has a link for each value.
const TAGS: &[(&str, &str)] = &[
    ("UUID", "/dev/disk/by-uuid"),
    ("LABEL", "/dev/disk/by-label"),
    ("PARTUUID", "/dev/disk/by-partuuid"),
    ("PARTLABEL", "/dev/disk/by-partlabel"),
];

/// File systems whose files are gone once they are unmounted.
const MEMORY: &[&str] = &["tmpfs", "ramfs"];

/// What to try, by what mount says.
const HINTS: &[(&str, &str)] = &[
    ("must be superuser", "set become = true"),
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
        let ops = match (self.state, &mounted) {
            (State::Mounted, None) => self.mount(host, &target, &mounts, line)?,
            (State::Mounted, Some(there)) if !line.is_empty() => {
                self.mount_anew(host, &mounts, there, line)?
            }
            (State::Unmounted | State::Absent, Some(_)) => {
                // While the line is there, undo finds what to mount.
                [self.unmount(&mounts, &target), line].concat()
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

    fn mount(&self, host: &dyn Probe, target: &str, mounts: &str, line: Vec<Op>) -> Result<Vec<Op>> {
        let mut ops = wanted::directory(host, &HostPath::from(target), &Meta::default())?;
        ops.extend(line);
        ops.push(self.run(&["mount", &self.target()], self.back("umount"), self.with(mounts, target)));
        Ok(ops)
    }

    /// The kernel's list once it is mounted.
    fn with(&self, mounts: &str, target: &str) -> String {
        format!("{mounts}{}\n", Entry { target: target.to_string(), ..self.entry() }.line())
    }

    /// Other options need no break; another source does.
    fn mount_anew(&self, host: &dyn Probe, mounts: &str, there: &Entry, line: Vec<Op>) -> Result<Vec<Op>> {
        let same_kind = self.fstype.as_deref() == Some(&there.kind) && self.fstype.as_deref() != Some("none");
        let mut ops = line;
        if same_kind && !is_other(host, self.source.as_deref().unwrap_or_default(), &there.source)? {
            // Taken back after the old line is: then it has the old options.
            ops.push(self.run(&["mount", "-o", "remount", &self.target()], Undo::Again, mounts.to_string()));
            return Ok(ops);
        }
        let unmount = self.unmount(mounts, &there.target);
        let after = self.with(&without(mounts, &there.target, usize::MAX), &there.target);
        ops.splice(0..0, unmount);
        ops.push(self.run(&["mount", &self.target()], self.back("umount"), after));
        Ok(ops)
    }

    /// One command for each file system there: they can lie one over the other, and the last one goes first.
    fn unmount(&self, mounts: &str, target: &str) -> Vec<Op> {
        let kinds = entries(mounts).filter(|entry| entry.target == target).map(|entry| entry.kind);
        let kinds: Vec<String> = kinds.collect();
        let one = |(index, kind): (usize, &String)| {
            let undo = match MEMORY.contains(&kind.as_str()) {
                true => Undo::Impossible(format!(
                    "what is in a {kind} is gone once it is unmounted; `mount {}` mounts it again, empty",
                    self.target()
                )),
                false => self.back("mount"),
            };
            self.run(&["umount", &self.target()], undo, without(mounts, target, index + 1))
        };
        kinds.iter().rev().enumerate().map(one).collect()
    }

    fn back(&self, program: &str) -> Undo {
        let title = Some(Command::new([program, &self.target()]).shown());
        let words = ["/bin/sh", "-s", "--", program, &self.target()].map(str::to_string);
        Undo::Command(Command { stdin: BACK.into(), title, ..Command::new(words) })
    }

    fn run(&self, words: &[&str], undo: Undo, mounts_after: String) -> Op {
        let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
        let effects = vec![Effect::Writes { path: MOUNTS.into(), bytes: mounts_after.into_bytes() }];
        let advice = Advice { hints, question: None };
        Run { undo, effects, advice, ..Run::from(Command::new(words.iter().copied())) }.into()
    }
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
mod tests {
    use crate::system::System;
    use crate::testing::{apply, converge, host, parse, text};
    use expect_test::expect;
    use std::path::Path;

    const FSTAB: &str = "# ours\nUUID=1 / ext4 errors=remount-ro 0 1\n";
    const MOUNTS: &str = "/dev/sda1 / ext4 rw 0 0\n";
    const KEYS: &str = "path = '/srv/my data'\nsource = 'tmpfs'\nfstype = 'tmpfs'\n";

    fn files() -> [(&'static str, &'static str); 3] {
        [("/etc/fstab", FSTAB), ("/proc/self/mounts", MOUNTS), ("/srv/x", "")]
    }

    #[test]
    fn mounts_now_and_at_boot_and_takes_it_away_again() {
        let host = host(&files());
        expect![[r#"
            make directory /srv/my data
            write /etc/fstab
            run mount '/srv/my data'

        "#]]
        .assert_eq(&converge(&host, "mount", KEYS).unwrap());
        assert_eq!(text(&host, "/etc/fstab"), format!("{FSTAB}tmpfs /srv/my\\040data tmpfs defaults 0 0\n"));
        let told = converge(&host, "mount", "path = '/srv/my data'\nstate = 'absent'").unwrap();
        assert_eq!(told, "run umount '/srv/my data'\nwrite /etc/fstab\n\n");
        assert_eq!(text(&host, "/etc/fstab"), FSTAB);
    }

    #[test]
    fn other_options_are_taken_up_without_a_break() {
        let host = host(&files());
        converge(&host, "mount", KEYS).unwrap();
        let told = converge(&host, "mount", &format!("{KEYS}options = 'size=1m'")).unwrap();
        assert_eq!(told, "write /etc/fstab\nrun mount -o remount '/srv/my data'\n\n");
        let told = converge(
            &host,
            "mount",
            "path = '/srv/my data'\nsource = '/srv/x'\nfstype = 'none'\noptions = 'bind'",
        );
        assert_eq!(
            told.unwrap(),
            "run umount '/srv/my data'\nwrite /etc/fstab\nrun mount '/srv/my data'\n\n"
        );
    }

    #[test]
    fn present_only_writes_and_unmounted_only_unmounts() {
        let host = host(&files());
        assert_eq!(apply(&host, "mount", &format!("{KEYS}state = 'present'")).unwrap(), "write /etc/fstab\n");
        converge(&host, "mount", KEYS).unwrap();
        let told = apply(&host, "mount", &format!("{KEYS}state = 'unmounted'")).unwrap();
        assert_eq!(told, "run umount '/srv/my data'\n");
    }

    #[test]
    fn a_line_that_says_the_same_is_left_as_it_is_written() {
        let host = host(&[
            ("/etc/fstab", "/dev/b  /srv\text4 noatime\n"),
            ("/proc/self/mounts", "/dev/b /srv ext4 rw 0 0\n"),
        ]);
        let keys = "path = '/srv'\nsource = '/dev/b'\nfstype = 'ext4'\noptions = 'noatime'";
        assert_eq!(apply(&host, "mount", keys).unwrap(), "");
    }

    #[test]
    fn a_mount_point_is_found_in_each_spelling() {
        let host = host(&[("/etc/fstab", FSTAB), ("/proc/self/mounts", MOUNTS), ("/srv/real/x", "")]);
        host.link(Path::new("/mnt"), Path::new("srv/real")).unwrap();
        let keys = |path: &str| format!("path = '{path}'\nsource = 'tmpfs'\nfstype = 'tmpfs'");
        expect![[r#"
            make directory /srv/real/sub
            write /etc/fstab
            run mount /mnt/sub

        "#]]
        .assert_eq(&converge(&host, "mount", &keys("/mnt/sub/")).unwrap());
        assert!(text(&host, "/proc/self/mounts").contains("tmpfs /srv/real/sub tmpfs"));
        assert_eq!(converge(&host, "mount", &keys("/mnt/./sub")).unwrap(), "");
        let told = converge(&host, "mount", "path = '/srv/real/sub'\nstate = 'absent'").unwrap();
        assert_eq!(told, "run umount /srv/real/sub\nwrite /etc/fstab\n\n");
        assert_eq!(text(&host, "/etc/fstab"), FSTAB);
    }

    #[test]
    fn each_of_several_layers_is_unmounted() {
        let twice = "tmpfs /srv tmpfs rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
        let host = host(&[("/etc/fstab", ""), ("/proc/self/mounts", twice)]);
        let told = converge(&host, "mount", "path = '/srv'\nstate = 'absent'").unwrap();
        assert_eq!(told, "run umount /srv\nrun umount /srv\n\n");
    }

    #[test]
    fn files_that_an_unmount_loses_are_said_to_be_lost() {
        let layers = "/dev/b /srv ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
        let host = host(&[("/etc/fstab", ""), ("/proc/self/mounts", layers)]);
        let plan = parse("mount", "path = '/srv'\nstate = 'absent'").unwrap().plan(&host).unwrap();
        let lost = "what is in a tmpfs is gone once it is unmounted; `mount /srv` mounts it again, empty";
        assert_eq!(plan.ops.iter().map(|op| op.no_undo()).collect::<Vec<_>>(), [Some(lost), None]);
    }

    #[test]
    fn another_device_is_mounted_anew_and_another_name_of_it_is_not() {
        let files = [
            ("/etc/fstab", "/dev/sda1 /srv ext4 defaults 0 0\n"),
            ("/proc/self/mounts", "/dev/sda1 /srv ext4 rw 0 0\n"),
            ("/dev/sda1", ""),
            ("/dev/sdb1", ""),
            ("/dev/disk/by-uuid/x", ""),
            ("/dev/disk/by-label/x", ""),
        ];
        let host = host(&files);
        host.link(Path::new("/dev/disk/by-uuid/1"), Path::new("../../sda1")).unwrap();
        host.link(Path::new("/dev/disk/by-label/my\\x20data"), Path::new("../../sdb1")).unwrap();
        let keys = |source: &str| format!("path = '/srv'\nsource = '{source}'\nfstype = 'ext4'");
        let told = converge(&host, "mount", &keys("UUID=\"1\"")).unwrap();
        assert_eq!(told, "write /etc/fstab\nrun mount -o remount /srv\n\n");
        let told = converge(&host, "mount", &keys("LABEL=my data")).unwrap();
        assert_eq!(told, "run umount /srv\nwrite /etc/fstab\nrun mount /srv\n\n");
    }

    #[test]
    fn needs_to_know_what_to_mount() {
        let failure = parse("mount", "path = '/srv'").err().unwrap();
        assert_eq!(failure.to_string(), "read mount.source: it is not given");
    }
}
