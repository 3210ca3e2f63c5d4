//! A swap file.

use crate::fstab::{self, Entry};
use crate::model::op::{Advice, Command, Effect, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::model::size::Size;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::tree::enter;
use crate::wanted::lines::State;
use serde::Deserialize;
use std::path::Path;

/// What is swapped to now.
const SWAPS: &str = "/proc/swaps";

/// The first page holds mkswap's header and is not swapped to. In bytes.
const PAGE: u64 = 4096;

/// mkswap writes this to the end of the first page.
const SIGNATURE: &[u8] = b"SWAPSPACE2";

/// Makes the file: size in bytes, directory, name.
const CREATE: &str = include_str!("swap/create.sh");

/// Removes the file: directory, name.
const REMOVE: &str = include_str!("swap/remove.sh");

/// Runs swapon or swapoff: program, directory, name.
const SWITCH: &str = include_str!("swap/switch.sh");

/// Undoes a swapon or swapoff, also one that has failed: program, directory, name.
const BACK: &str = include_str!("swap/back.sh");

/// What to try, by what swapon says.
const HINTS: &[(&str, &str)] = &[
    ("Operation not permitted", CONTAINER),
    ("ermission denied", CONTAINER),
    (
        "Invalid argument",
        "the file system cannot hold a swap file (overlay, ZFS, Btrfs without +C): give another path",
    ),
    ("No space left", "free space on the disk, or ask for less"),
];

/// For hosts without a kernel of their own.
const CONTAINER: &str = "only root of a machine with a kernel of its own may swap: this host is a container, or become is missing";

/// Gives the host swap space in a file, now and at boot. When it has another size it is created again, which needs enough
/// memory for what is swapped out at that moment.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Where; `/swapfile` when not given.
    #[serde(default = "usual_path")]
    path: HostPath,
    /// How much: `2 GiB`.
    size: Option<Size>,
    /// `absent` swaps nothing there any more and removes the file.
    #[serde(default)]
    state: State,
}

impl Kind for Swap {
    const NAME: &'static str = "swap";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "a small host outlives a large build"
[steps.swap]
path = "/swapfile"
size = "2 GiB"
state = "present"       # or "absent"
"#;
}

impl Step for Swap {
    fn check(&self) -> Result<(), WrongKey> {
        if !self.path.is_absolute()
            || self.path.to_str().is_none_or(|path| path.contains(char::is_whitespace))
        {
            return Err(WrongKey::new(
                "path",
                format!("{} is not an absolute path without blanks", self.path),
            ));
        }
        match (self.state, self.size) {
            (State::Present, None) => Err(WrongKey::new("size", "it is not given")),
            (State::Present, Some(size)) if size.0 < 10 * PAGE => {
                Err(WrongKey::new("size", "mkswap wants 40 KiB at least"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let swaps = text(host, SWAPS)?;
        let active = swaps.lines().find_map(|line| self.active_size(line));
        let is_it = |entry: &Entry| entry.source == self.path.to_string();
        let wanted = (self.state == State::Present).then(|| self.entry());
        let line = fstab::edit(host, wanted.as_ref(), is_it)?;
        let placed = Placed { swap: self, directory: self.directory(host)? };
        let mut ops = match (self.state, self.size) {
            (State::Present, Some(size)) => placed.present(host, &swaps, active, whole_pages(size))?,
            _ => placed.absent(host, &swaps, active)?,
        };
        ops.extend(line);
        Ok(Plan::of(ops))
    }
}

impl Swap {
    /// The file's size in bytes, when this line of the kernel's list is about it.
    fn active_size(&self, line: &str) -> Option<u64> {
        let mut words = line.split_ascii_whitespace();
        let path = words.next()?;
        let kibibytes: u64 = words.nth(1)?.parse().ok()?;
        (path == self.path.to_string()).then(|| kibibytes * 1024 + PAGE)
    }

    /// The size in bytes of a swap file that is not in use. Anything else there is not ours to overwrite.
    fn there(&self, host: &dyn Probe) -> Result<Option<u64>> {
        let Some(stat) = host.stat(&self.path)? else { return Ok(None) };
        let is_file = stat.kind == FileKind::File;
        let offset = PAGE - SIGNATURE.len() as u64;
        if is_file && host.read_at(&self.path, offset, SIGNATURE.len())? == SIGNATURE {
            return Ok(Some(stat.size));
        }
        Err(Failure::new(format!("make the swap file {}", self.path), "something else is there")
            .hint("give another path, or remove it with a step of kind absent, if it may go"))
    }

    /// Where the directory of the file really is, so that no one can exchange what is on the way.
    fn directory(&self, host: &dyn Probe) -> Result<HostPath> {
        host.follow(self.path.parent().unwrap_or(Path::new("/"))).map(HostPath::from)
    }

    fn without(&self, swaps: &str) -> String {
        swaps.split_inclusive('\n').filter(|line| self.active_size(line).is_none()).collect()
    }

    fn entry(&self) -> Entry {
        let text = str::to_string;
        Entry {
            source: self.path.to_string(),
            target: text("none"),
            kind: text("swap"),
            options: text("sw"),
            dump: 0,
            pass: 0,
        }
    }
}

/// A swap file in a directory that was walked to. Only its owner may be able to put anything there.
struct Placed<'a> {
    swap: &'a Swap,
    directory: HostPath,
}

impl Placed<'_> {
    fn present(&self, host: &dyn Probe, swaps: &str, active: Option<u64>, size: u64) -> Result<Vec<Op>> {
        let on = format!(
            "{}{}\tfile\t{}\t0\t-2\n",
            self.swap.without(swaps),
            self.swap.path,
            (size - PAGE) / 1024
        );
        match active {
            Some(now) if now == size => Ok(Vec::new()),
            Some(now) => Ok(vec![self.swapoff(swaps), self.create(size, Some(now)), self.swapon(on)]),
            None => match self.swap.there(host)? {
                Some(now) if now == size => Ok(vec![self.swapon(on)]),
                there => Ok(vec![self.create(size, there), self.swapon(on)]),
            },
        }
    }

    fn absent(&self, host: &dyn Probe, swaps: &str, active: Option<u64>) -> Result<Vec<Op>> {
        let off = active.map(|_| self.swapoff(swaps));
        let there = if active.is_some() { active } else { self.swap.there(host)? };
        let remove = there.map(|size| {
            let undo = Undo::Command(self.creation(size));
            let effects = vec![Effect::Removes { path: self.swap.path.clone() }];
            Op::from(Run { undo, effects, ..Run::from(self.removal()) })
        });
        Ok(off.into_iter().chain(remove).collect())
    }

    /// Its undo makes one of the old size, or takes it away when there was none.
    fn create(&self, size: u64, before: Option<u64>) -> Op {
        let undo = Undo::Command(before.map_or_else(|| self.removal(), |size| self.creation(size)));
        let mut header = vec![0; PAGE as usize];
        header[PAGE as usize - SIGNATURE.len()..].copy_from_slice(SIGNATURE);
        let effects = vec![Effect::Writes { path: self.swap.path.clone(), bytes: header }];
        Run { undo, effects, advice: advice(), ..Run::from(self.creation(size)) }.into()
    }

    fn creation(&self, size: u64) -> Command {
        let title = format!("mkswap {} ({})", self.swap.path, Size(size));
        self.command(CREATE, Some(&size.to_string()), title)
    }

    fn removal(&self) -> Command {
        self.command(REMOVE, None, format!("rm -f -- {}", self.swap.path))
    }

    fn swapon(&self, swaps_after: String) -> Op {
        self.switch("swapon", "swapoff", swaps_after)
    }

    fn swapoff(&self, swaps: &str) -> Op {
        self.switch("swapoff", "swapon", self.swap.without(swaps))
    }

    fn switch(&self, program: &str, back: &str, swaps_after: String) -> Op {
        let titled = |program: &str| format!("{program} {}", self.swap.path);
        let undo = Undo::Command(self.command(BACK, Some(back), titled(back)));
        let effects = vec![Effect::Writes { path: SWAPS.into(), bytes: swaps_after.into_bytes() }];
        let command = self.command(SWITCH, Some(program), titled(program));
        Run { undo, effects, advice: advice(), ..Run::from(command) }.into()
    }

    /// A script that works in the directory; it may get a word before those that name the file.
    fn command(&self, script: &str, word: Option<&str>, title: String) -> Command {
        let directory = self.directory.to_string();
        let name = self.swap.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let words = ["/bin/sh", "-s", "--"].into_iter().chain(word).map(str::to_string);
        let argv = words.chain([directory, name]);
        Command { stdin: enter::script(script).into_bytes(), title: Some(title), ..Command::new(argv) }
    }
}

fn whole_pages(size: Size) -> u64 {
    size.0 / PAGE * PAGE
}

fn advice() -> Advice {
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    Advice { hints, question: None }
}

fn text(host: &dyn Probe, path: &str) -> Result<String> {
    let bytes = host.read(&HostPath::from(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn usual_path() -> HostPath {
    HostPath::from("/swapfile")
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, converge, host, parse, text};
    use expect_test::expect;

    const NONE: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn makes_it_now_and_for_each_boot() {
        let host = host(&[("/proc/swaps", NONE), ("/etc/fstab", "UUID=1 / ext4 rw 0 1\n")]);
        expect![[r#"
            run mkswap /swapfile (2.0 GiB)
            run swapon /swapfile
            write /etc/fstab

        "#]]
        .assert_eq(&converge(&host, "swap", "size = '2 GiB'").unwrap());
        assert_eq!(text(&host, "/etc/fstab"), "UUID=1 / ext4 rw 0 1\n/swapfile none swap sw 0 0\n");
        expect![[r#"
            run swapoff /swapfile
            run mkswap /swapfile (1.0 GiB)
            run swapon /swapfile

        "#]]
        .assert_eq(&converge(&host, "swap", "size = '1 GiB'").unwrap());
        let told = converge(&host, "swap", "state = 'absent'").unwrap();
        assert_eq!(told, "run swapoff /swapfile\nrun rm -f -- /swapfile\nwrite /etc/fstab\n\n");
        assert_eq!(text(&host, "/proc/swaps"), NONE);
    }

    #[test]
    fn what_is_swapped_to_already_is_left_alone() {
        let swaps = format!("{NONE}/swapfile                               file\t\t1048572\t\t0\t\t-2\n");
        let host = host(&[
            ("/proc/swaps", &swaps),
            ("/etc/fstab", "/swapfile swap swap defaults 0 0\n/swapfile none swap sw 0 0\n"),
        ]);
        assert_eq!(apply(&host, "swap", "size = '1 GiB'").unwrap(), "");
    }

    #[test]
    fn a_file_that_is_no_swap_file_is_never_overwritten() {
        let host = host(&[("/proc/swaps", NONE), ("/swapfile", "precious")]);
        let failure = apply(&host, "swap", "size = '1 GiB'").unwrap_err();
        expect![[r#"
            make the swap file /swapfile: something else is there
              hint: give another path, or remove it with a step of kind absent, if it may go"#]]
        .assert_eq(&failure.to_string());
        assert!(apply(&host, "swap", "state = 'absent'").is_err());
    }

    #[test]
    fn needs_a_size() {
        let refused =
            |keys: &str| parse("swap", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
        assert_eq!(refused(""), "read swap.size: it is not given");
        assert_eq!(refused("size = 100"), "read swap.size: mkswap wants 40 KiB at least");
        assert_eq!(
            refused("size = '1 GiB'\npath = 'x'"),
            "read swap.path: x is not an absolute path without blanks"
        );
    }
}
