//! Settings of the kernel.

use crate::fstab::{MOUNTS, entries};
use crate::model::op::{Advice, Command, Condition, Content, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::words::Word;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::{Lines, State};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where the kernel shows its settings.
const RUNNING: &str = "/proc/sys";

/// What to try where the kernel's settings are read-only.
const CONTAINER: &str = "the host is a container and its kernel is another machine's: give running = false";

/// The mode bits with which someone may write.
const ANY_WRITES: u32 = 0o222;

/// What to try, by what sysctl says.
const HINTS: &[(&str, &str)] = &[
    ("Read-only file system", CONTAINER),
    (
        "ermission denied",
        "become root: -b, or become = true; in a container the kernel is another machine's: give running = false",
    ),
    ("Invalid argument", "the kernel takes no such value for it"),
];

/// Sets the kernel's settings, now and for every boot. Other lines of the file stay as they are.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// Names and values.
    settings: BTreeMap<String, Word>,
    /// The file that sets them at boot; `/etc/sysctl.d/99-windlass.conf` when not given.
    #[serde(default = "usual_file")]
    file: HostPath,
    /// `absent` removes the lines from the file; what is in force stays so until the next boot.
    #[serde(default)]
    state: State,
    /// Whether they are set at once too; true when not given.
    #[serde(default = "yes")]
    running: bool,
}

impl Kind for Sysctl {
    const NAME: &'static str = "sysctl";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "Redis may overcommit, and many connections may wait"
[steps.sysctl]
settings = { "vm.overcommit_memory" = 1, "net.core.somaxconn" = 1024 }
file = "/etc/sysctl.d/60-redis.conf"
state = "present"       # or "absent"
running = true
"#;
}

impl Step for Sysctl {
    fn check(&self) -> Result<(), WrongKey> {
        if self.settings.is_empty() {
            return Err(WrongKey::new("settings", "it names none"));
        }
        for (name, value) in &self.settings {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
            let dots = name.split(['.', '/']).any(str::is_empty);
            if dots || !name.bytes().all(fits) {
                return Err(WrongKey::new("settings", format!("{name:?} is not the name of a setting")));
            }
            if value.as_str().contains(['\n', '\r']) {
                return Err(WrongKey::new("settings", format!("the value of {name} is more than one line")));
            }
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let old = wanted::text(host, &self.file)?;
        let new = self.edited(old.as_deref().unwrap_or_default());
        let mut ops = match (&old, new.is_empty()) {
            (None, true) => Vec::new(),
            _ => wanted::file(host, &self.file, Content::Bytes(new.into_bytes()), &Meta::default())?,
        };
        if self.running && self.state == State::Present {
            for (name, value) in &self.settings {
                match set(host, name, value.as_str()) {
                    Err(_) if host.pretends() => return Ok(later(name)),
                    set => ops.extend(set?),
                }
            }
        }
        Ok(Plan::of(ops))
    }
}

impl Sysctl {
    fn edited(&self, old: &str) -> String {
        let mut lines = Lines::of(old);
        for (name, value) in &self.settings {
            let line = format!("{name} = {}", value.as_str());
            let last = lines.last_position(|line| sets(line, name));
            match (self.state, last) {
                (State::Absent, _) => lines.remove_if(|line| sets(line, name)),
                (State::Present, None) => lines.push(&line),
                (State::Present, Some(index)) => {
                    if lines.get(index).and_then(value_of) != Some(squeezed(value.as_str())) {
                        lines.replace(index, &line);
                    }
                }
            }
        }
        lines.text()
    }
}

/// Sets what is in force, when it is something else.
fn set(host: &dyn Probe, name: &str, value: &str) -> Result<Option<Op>> {
    let path = path_of(name);
    let Some(now) = host.read(&path)? else {
        return Err(Failure::new(format!("look at {name}"), "the kernel has no such setting")
            .hint("a module may have to be loaded first; running = false only writes the file"));
    };
    let now = squeezed(&String::from_utf8_lossy(&now));
    if now == squeezed(value) {
        return Ok(None);
    }
    expect_writable(host, name, &path)?;
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    let run = Run {
        undo: Undo::Command(write(name, &now)),
        effects: vec![Effect::Writes { path, bytes: format!("{value}\n").into_bytes() }],
        advice: Advice { hints, question: None },
        ..Run::from(write(name, value))
    };
    Ok(Some(run.into()))
}

/// Fails where the kernel lets no one change it: it says so itself, or shows its settings read-only, as in a container.
fn expect_writable(host: &dyn Probe, name: &str, path: &HostPath) -> Result<()> {
    let read_only = host.stat(path)?.is_some_and(|stat| stat.mode & ANY_WRITES == 0);
    let mounts = wanted::text(host, &HostPath::from(MOUNTS))?.unwrap_or_default();
    let above = entries(&mounts).filter(|mount| path.starts_with(&mount.target));
    let mount = above.max_by_key(|mount| mount.target.len());
    let shown_only = mount.is_some_and(|mount| mount.options.split(',').any(|option| option == "ro"));
    let failure = |why: &str| Err(Failure::new(format!("set {name}"), why));
    match (read_only, shown_only) {
        (true, _) => failure("the kernel lets no one change it"),
        (_, true) => {
            Err(Failure::new(format!("set {name}"), "the kernel's settings are read-only there")
                .hint(CONTAINER))
        }
        _ => Ok(()),
    }
}

/// After changes that are only pretended, a module may have been loaded that brings the setting.
fn later(name: &str) -> Plan {
    Plan::awaiting(Condition::Path { path: path_of(name), exists: true })
}

/// A value may begin with anything, so it goes behind the name in one word.
fn write(name: &str, value: &str) -> Command {
    Command::new(["sysctl", "-q", "-w", &format!("{name}={value}")])
}

/// As sysctl has it: dots separate unless the first separator is a slash; then slashes do, and dots are part of names.
fn path_of(name: &str) -> HostPath {
    let slashes = name.find(['.', '/']).is_some_and(|at| name.as_bytes()[at] == b'/');
    let swap = |letter: char| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = if slashes { name.to_string() } else { name.chars().map(swap).collect() };
    HostPath::from(RUNNING).join(path)
}

fn sets(line: &str, name: &str) -> bool {
    let line = line.trim();
    let named = line.split_once('=').map(|(left, _)| left.trim().trim_start_matches('-'));
    !line.starts_with(['#', ';']) && named.is_some_and(|left| path_of(left) == path_of(name))
}

fn value_of(line: &str) -> Option<String> {
    line.split_once('=').map(|(_, value)| squeezed(value))
}

/// The kernel writes tabs where people write spaces.
fn squeezed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn usual_file() -> HostPath {
    HostPath::from("/etc/sysctl.d/99-windlass.conf")
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::Meta;
    use crate::system::System;
    use crate::testing::{apply, converge, host, parse, text};
    use expect_test::expect;
    use std::path::Path;

    const FILE: &str = "/etc/sysctl.d/99-windlass.conf";

    #[test]
    fn sets_what_is_in_force_and_what_will_be() {
        let host = host(&[
            ("/proc/sys/vm/swappiness", "60\n"),
            ("/proc/sys/net/ipv4/tcp_rmem", "4\t5\t6\n"),
            ("/etc/x", ""),
        ]);
        let keys = "settings = { 'vm.swappiness' = 10, 'net.ipv4.tcp_rmem' = '4 5 6' }";
        expect![[r#"
            make directory /etc/sysctl.d
            write /etc/sysctl.d/99-windlass.conf
            run sysctl -q -w vm.swappiness=10

        "#]]
        .assert_eq(&converge(&host, "sysctl", keys).unwrap());
        assert_eq!(text(&host, FILE), "net.ipv4.tcp_rmem = 4 5 6\nvm.swappiness = 10\n");
        assert_eq!(apply(&host, "sysctl", keys).unwrap(), "");
    }

    #[test]
    fn what_the_kernel_lets_no_one_change_is_known_beforehand() {
        let said = |files: &[(&str, &str)], keys: &str| {
            let host = host(files);
            let path = Path::new("/proc/sys/kernel/version");
            host.set_meta(path, &Meta { mode: Some(0o444), ..Meta::default() }).unwrap();
            host.settle();
            crate::testing::planned(&host, "sysctl", keys)
                .map_or_else(|failure| failure.to_string(), |_| "fine".into())
        };
        let files = [
            ("/proc/sys/kernel/version", "1\n"),
            ("/proc/sys/vm/swappiness", "60\n"),
            ("/etc/sysctl.d/x", ""),
        ];
        let version = "settings = { 'kernel.version' = 2 }";
        assert_eq!(said(&files, version), "set kernel.version: the kernel lets no one change it");
        assert_eq!(said(&files, "settings = { 'kernel.version' = 1 }"), "fine");
        let mounts = "proc /proc proc rw 0 0\nproc /proc/sys proc ro,nosuid 0 0\n";
        let contained = [&files[..], &[("/proc/self/mounts", mounts)]].concat();
        let swappiness = "settings = { 'vm.swappiness' = 10 }";
        assert_eq!(said(&files, swappiness), "fine");
        assert_eq!(
            said(&contained, swappiness),
            "set vm.swappiness: the kernel's settings are read-only there\n  hint: the host is a container and its kernel is another machine's: give running = false"
        );
        assert_eq!(said(&contained, &format!("{swappiness}\nrunning = false")), "fine");
    }

    #[test]
    fn touches_no_other_line() {
        let before = "# ours\nvm/swappiness=60\n;vm.swappiness = 1\nkernel.panic=5";
        let host = host(&[(FILE, before)]);
        apply(&host, "sysctl", "settings = { 'vm.swappiness' = 10 }\nrunning = false").unwrap();
        assert_eq!(text(&host, FILE), "# ours\nvm.swappiness = 10\n;vm.swappiness = 1\nkernel.panic=5");
        apply(&host, "sysctl", "settings = { 'vm.swappiness' = 1 }\nstate = 'absent'").unwrap();
        assert_eq!(text(&host, FILE), "# ours\n;vm.swappiness = 1\nkernel.panic=5");
    }

    #[test]
    fn names_with_dots_in_an_interface_are_written_with_slashes() {
        let host = host(&[("/proc/sys/net/ipv4/conf/eth0.1/forwarding", "0\n"), (FILE, "")]);
        let said = apply(&host, "sysctl", "settings = { 'net/ipv4/conf/eth0.1/forwarding' = 1 }").unwrap();
        assert!(said.ends_with("run sysctl -q -w net/ipv4/conf/eth0.1/forwarding=1\n"), "{said}");
    }

    #[test]
    fn a_setting_that_the_kernel_has_not_is_a_failure() {
        let failure = apply(&host(&[]), "sysctl", "settings = { 'vm.swapiness' = 10 }").unwrap_err();
        expect![[r#"
            look at vm.swapiness: the kernel has no such setting
              hint: a module may have to be loaded first; running = false only writes the file"#]]
        .assert_eq(&failure.to_string());
        let later = host(&[]);
        crate::testing::pretend_a_change(&later);
        let said = crate::testing::planned(&later, "sysctl", "settings = { 'vm.swapiness' = 10 }").unwrap();
        assert_eq!(said, "wait until /proc/sys/vm/swapiness exists\n");
        let refused = |keys: &str| parse("sysctl", keys).err().map(|failure| failure.why).unwrap_or_default();
        assert_eq!(refused("settings = { 'vm..x' = 1 }"), "\"vm..x\" is not the name of a setting");
        assert_eq!(refused("settings = { '../etc/x' = 1 }"), "\"../etc/x\" is not the name of a setting");
    }
}
