//! A file system and where it is mounted.

use crate::fstab::{self, Entry, MOUNTS, entries};
use crate::model::Result;
use crate::model::op::{Advice, Command, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Takes back a mount or umount, also one that has failed.
const BACK: &str = include_str!("mount/back.sh");

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

/// Mounts a file system, now and at boot. A missing mount point is made. When its line in `/etc/fstab` changes while it
/// is mounted, it is mounted anew with what the line says then.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where.
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
        let here = |entry: &Entry| entry.target == self.target();
        let wanted = (self.state != State::Absent).then(|| self.entry());
        let line = fstab::edit(host, wanted.as_ref(), here)?;
        let mounts = text(host, MOUNTS)?;
        let mounted = entries(&mounts).filter(here).last();
        let ops = match (self.state, &mounted) {
            (State::Mounted, None) => self.mount(host, &mounts, line)?,
            (State::Mounted, Some(there)) if !line.is_empty() => self.mount_anew(&mounts, there, line),
            (State::Unmounted | State::Absent, Some(_)) => {
                // While the line is there, undo finds what to mount.
                [vec![self.umount(&mounts)], line].concat()
            }
            _ => line,
        };
        Ok(Plan::of(ops))
    }
}

impl Mount {
    fn target(&self) -> String {
        self.path.to_string()
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

    fn mount(&self, host: &dyn Probe, mounts: &str, line: Vec<Op>) -> Result<Vec<Op>> {
        let mut ops = wanted::directory(host, &self.path, &Meta::default())?;
        ops.extend(line);
        let after = format!("{mounts}{}\n", self.entry().line());
        ops.push(self.run(&["mount", &self.target()], self.back("umount"), after));
        Ok(ops)
    }

    /// Other options need no break; another source does.
    fn mount_anew(&self, mounts: &str, there: &Entry, line: Vec<Op>) -> Vec<Op> {
        let same_kind = self.fstype.as_deref() == Some(&there.kind) && self.fstype.as_deref() != Some("none");
        let mut ops = line;
        if same_kind {
            // Taken back after the old line is: then it has the old options.
            ops.push(self.run(&["mount", "-o", "remount", &self.target()], Undo::Again, mounts.to_string()));
            return ops;
        }
        let without = without(mounts, &self.target());
        let after = format!("{without}{}\n", self.entry().line());
        ops.insert(0, self.umount(mounts));
        ops.push(self.run(&["mount", &self.target()], self.back("umount"), after));
        ops
    }

    fn umount(&self, mounts: &str) -> Op {
        self.run(&["umount", &self.target()], self.back("mount"), without(mounts, &self.target()))
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

fn without(mounts: &str, target: &str) -> String {
    let others = mounts
        .split_inclusive('\n')
        .filter(|line| Entry::of(line).is_none_or(|entry| entry.target != target));
    others.collect()
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
    use crate::testing::{apply, converge, host, parse, text};
    use expect_test::expect;

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
    fn needs_to_know_what_to_mount() {
        let failure = parse("mount", "path = '/srv'").err().unwrap();
        assert_eq!(failure.to_string(), "read mount.source: it is not given");
    }
}
