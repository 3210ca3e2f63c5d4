//! How much is left on a host's disks.

use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Command, Plan};
use crate::model::path::HostPath;
use crate::model::size::{Part, Size};
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// `df` waits for file servers that do not answer.
const DF_TIME: Duration = Duration::from_secs(20);

/// File systems that are full from the start, and are meant to be.
const READ_ONLY: &[&str] = &["squashfs", "iso9660", "erofs", "cramfs"];

/// Fails when less is left on a disk than wanted. Only looks. `register` gets `findings`, whose `details` are
/// `path device total_bytes free_bytes free_percent`, and for inodes `total_inodes free_inodes`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Directories; of each, the disk that it is on is looked at. Every disk of the host when not given.
    #[serde(default)]
    paths: Vec<HostPath>,
    /// What must be free at least: a share such as `"10%"`, or a size such as `"2 GiB"`; 10% when not given.
    #[serde(default = "tenth")]
    free_min: Part,
    /// The share of inodes that must be free at least, `"5%"`; they are not looked at when not given.
    inodes_min: Option<Part>,
}

impl Kind for Disk {
    const NAME: &'static str = "disk";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "there is room for the new image"
[steps.disk]
paths = ["/", "/var/lib/docker"]    # every disk, when not given
free_min = "10%"                    # or a size: "2 GiB"
inodes_min = "5%"
"#;
}

impl Step for Disk {
    fn check(&self) -> Result<(), WrongKey> {
        match self.inodes_min {
            Some(Part::Bytes(_)) => {
                Err(WrongKey::new("inodes_min", "inodes have no size: give a share such as \"5%\""))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut findings = Vec::new();
        for line in self.lines(host, "-kP", 1024)? {
            findings.push(self.space(&line, host.pretends()));
        }
        if let Some(least) = self.inodes_min {
            for line in self.lines(host, "-iP", 1)?.iter().filter(|line| line.total > 0) {
                findings.push(inodes(line, least, host.pretends()));
            }
        }
        Ok(Plan::found(findings))
    }
}

/// A line of `df`.
#[derive(Debug)]
struct Line {
    device: String,
    total: u64,
    used: u64,
    free: u64,
    path: String,
}

impl Disk {
    fn lines(&self, host: &dyn Probe, flag: &str, unit: u64) -> Result<Vec<Line>> {
        let mut argv = vec!["df".to_string(), flag.to_string()];
        if !self.paths.is_empty() {
            argv.push("--".to_string());
        }
        for path in &self.paths {
            argv.push(wanted::absolute(path)?.display().to_string());
        }
        let question = Command { timeout: Some(DF_TIME), ..Command::new(argv) };
        let answer = host.ask(&question)?;
        let lines: Vec<Line> = answer.text().lines().skip(1).filter_map(|text| line(text, unit)).collect();
        if lines.is_empty() || (!self.paths.is_empty() && !answer.ok()) {
            let why = answer.last_words().unwrap_or_else(|| format!("exit status {}", answer.status));
            return Err(Failure::new(format!("ask {}", question.shown()), why));
        }
        let lines = if self.paths.is_empty() { disks(lines, host)? } else { lines };
        let mut seen = BTreeSet::new();
        Ok(lines.into_iter().filter(|line| seen.insert(line.path.clone())).collect())
    }

    fn space(&self, line: &Line, pretended: bool) -> Finding {
        let (free, all) = (line.free, line.used + line.free);
        let percent = free.saturating_mul(100).checked_div(all).unwrap_or(0);
        let seen = format!("{percent}% free ({} of {})", Size(free), Size(line.total));
        let verdict = if pretended { Verdict::Unknown } else { Verdict::of(self.free_min.holds(free, all)) };
        Finding::new("disk", &line.path, verdict, seen)
            .cell(format!("{percent}%"))
            .wanted(format!("at least {} free", self.free_min))
            .hint(format!("du -xh {} | sort -h | tail shows what is large", line.path))
            .detail("path", line.path.as_str())
            .detail("device", line.device.as_str())
            .detail("total_bytes", line.total)
            .detail("free_bytes", free)
            .detail("free_percent", percent)
    }
}

fn inodes(line: &Line, least: Part, pretended: bool) -> Finding {
    let percent = line.free.saturating_mul(100).checked_div(line.total).unwrap_or(0);
    let verdict = if pretended { Verdict::Unknown } else { Verdict::of(least.holds(line.free, line.total)) };
    let seen = format!("{percent}% of the inodes free ({} of {})", line.free, line.total);
    Finding::new("disk", format!("{} inodes", line.path), verdict, seen)
        .cell(format!("{percent}%"))
        .wanted(format!("at least {least} free"))
        .detail("path", line.path.as_str())
        .detail("device", line.device.as_str())
        .detail("total_inodes", line.total)
        .detail("free_inodes", line.free)
        .detail("free_percent", percent)
}

/// Device, blocks of `unit` bytes (or inodes), used, free, use in percent, and where it is mounted.
fn line(text: &str, unit: u64) -> Option<Line> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [device, total, used, free, _, path @ ..] = &words[..] else { return None };
    let number = |word: &str| Some(word.parse::<u64>().ok()?.saturating_mul(unit));
    Some(Line {
        device: device.to_string(),
        total: number(total)?,
        used: number(used)?,
        // What is kept for root can make it less than nothing.
        free: number(free).unwrap_or(0),
        path: path.join(" "),
    })
    .filter(|line| !line.path.is_empty())
}

/// Of everything that is mounted, the disks that can be written to, each once.
fn disks(lines: Vec<Line>, host: &dyn Probe) -> Result<Vec<Line>> {
    let mounts = host.read(Path::new("/proc/mounts"))?.unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts).into_owned();
    let mut seen = BTreeSet::new();
    let mut disks = Vec::new();
    for line in lines {
        let disk = line.device.starts_with('/') || line.device.contains(":/") || line.path == "/";
        if !disk || line.total == 0 || sealed(&mounts, &line.path) {
            continue;
        }
        // A container's own files, /etc/resolv.conf among them, are mounted one by one.
        let folder = host.stat(Path::new(&line.path))?.is_none_or(|stat| stat.kind == FileKind::Dir);
        if folder && seen.insert(line.device.clone()) {
            disks.push(line);
        }
    }
    Ok(disks)
}

/// Whether `/proc/mounts` says that a file system there can never be written to.
fn sealed(mounts: &str, path: &str) -> bool {
    mounts.lines().any(|line| {
        let mut words = line.split(' ').skip(1);
        words.next() == Some(path) && words.next().is_some_and(|kind| READ_ONLY.contains(&kind))
    })
}

fn tenth() -> Part {
    Part::Percent(10.0)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{answer, found, host, parse, pretend_a_change};

    const DF: &str = "Filesystem 1024-blocks Used Available Capacity Mounted on
overlay 15728640 9437184 6291456 60% /
tmpfs 65536 0 65536 0% /dev
/dev/vda 104857600 99614720 5242880 95% /var/lib/docker
/dev/vda 104857600 99614720 5242880 95% /mnt/the same again
/dev/loop1 65536 65536 0 100% /snap/core
";

    fn a_host() -> crate::system::pretend::Pretend<'static> {
        let host = host(&[("/proc/mounts", "/dev/loop1 /snap/core squashfs ro 0 0\n")]);
        answer(&host, "df -kP", 0, DF);
        answer(
            &host,
            "df -iP",
            0,
            "Filesystem Inodes IUsed IFree IUse% Mounted on\noverlay 1000 990 10 99% /\n",
        );
        host
    }

    #[test]
    fn looks_at_every_disk_once() {
        expect_test::expect![[r#"
            pass    disk /: 40% free (6.0 GiB of 15.0 GiB) (wanted: at least 10% free)
            fail    disk /var/lib/docker: 5% free (5.0 GiB of 100.0 GiB) (wanted: at least 10% free)
        "#]]
        .assert_eq(&found(&a_host(), "disk", "").unwrap());
        expect_test::expect![[r#"
            pass    disk /: 40% free (6.0 GiB of 15.0 GiB) (wanted: at least 6.0 GiB free)
            fail    disk /var/lib/docker: 5% free (5.0 GiB of 100.0 GiB) (wanted: at least 6.0 GiB free)
            fail    disk / inodes: 1% of the inodes free (10 of 1000) (wanted: at least 5% free)
        "#]]
        .assert_eq(&found(&a_host(), "disk", "free_min = '6 GiB'\ninodes_min = '5%'").unwrap());
    }

    #[test]
    fn looks_at_the_disks_of_folders() {
        let host = host(&[]);
        answer(
            &host,
            "df -kP -- /srv",
            0,
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vdb 100 91 9 91% /srv\n",
        );
        assert_eq!(
            found(&host, "disk", "paths = ['/srv']").unwrap(),
            "fail    disk /srv: 9% free (9.0 KiB of 100.0 KiB) (wanted: at least 10% free)\n"
        );
        answer(&host, "df -kP -- /none", 1, "");
        assert!(found(&host, "disk", "paths = ['/none']").is_err());
    }

    #[test]
    fn what_changes_above_will_leave_is_unknown() {
        let host = a_host();
        pretend_a_change(&host);
        assert!(found(&host, "disk", "").unwrap().starts_with("unknown disk /: 40% free"));
    }

    #[test]
    fn inodes_have_no_size() {
        let refused = parse("disk", "inodes_min = '5 GiB'").err().unwrap().to_string();
        assert_eq!(refused, "read disk.inodes_min: inodes have no size: give a share such as \"5%\"");
    }
}
