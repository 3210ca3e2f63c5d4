//! The host's own name.

use crate::model::Result;
use crate::model::op::{Command, Content, Effect, Meta, Op, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::Lines;
use serde::Deserialize;

/// The name in force.
const RUNNING: &str = "/proc/sys/kernel/hostname";

/// The name from the next boot on.
const FILE: &str = "/etc/hostname";

/// Names that need no name server.
const HOSTS: &str = "/etc/hosts";

/// Debian gives a host's own name this address, so that it can be looked up without a network.
const OWN_ADDRESS: &str = "127.0.1.1";

/// Names the host: now, after a boot, and in `/etc/hosts`, without which sudo and mail programs complain.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name, with or without its domain.
    name: String,
    /// Whether `/etc/hosts` gets a line for it; true when not given.
    #[serde(default = "yes")]
    hosts: bool,
}

impl Kind for Hostname {
    const NAME: &'static str = "hostname";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the host knows its own name"
[steps.hostname]
name = "web1.example.com"
hosts = true
"#;
}

impl Step for Hostname {
    fn check(&self) -> Result<(), WrongKey> {
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(fits)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match self.name.len() <= 64 && self.name.split('.').all(label) {
            true => Ok(()),
            false => Err(WrongKey::new("name", format!("{:?} is not the name of a host", self.name))),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut ops = Vec::new();
        if self.hosts {
            ops.extend(self.hosts_file(host)?);
        }
        let line = Content::Bytes(format!("{}\n", self.name).into_bytes());
        if wanted::text(host, &FILE.into())?.is_none_or(|text| text.trim() != self.name) {
            ops.extend(wanted::file(host, &FILE.into(), line, &Meta::default())?);
        }
        ops.extend(self.running(host)?);
        Ok(Plan::of(ops))
    }
}

impl Hostname {
    fn running(&self, host: &dyn Probe) -> Result<Option<Op>> {
        let now = host.read(&HostPath::from(RUNNING))?.unwrap_or_default();
        let now = String::from_utf8_lossy(&now).trim().to_string();
        if now == self.name {
            return Ok(None);
        }
        let bytes = format!("{}\n", self.name).into_bytes();
        let run = Run {
            undo: Undo::Command(Command::new(["hostname", &now])),
            effects: vec![Effect::Writes { path: RUNNING.into(), bytes }],
            ..Run::from(Command::new(["hostname", &self.name]))
        };
        Ok(Some(run.into()))
    }

    fn hosts_file(&self, host: &dyn Probe) -> Result<Vec<Op>> {
        let old = wanted::text(host, &HOSTS.into())?.unwrap_or_default();
        let mut lines = Lines::of(&old);
        if lines.iter().any(|line| names(line).any(|name| name == self.name)) {
            return Ok(Vec::new());
        }
        let line = format!("{OWN_ADDRESS}\t{}", self.all_names());
        match lines.position(|line| address(line) == Some(OWN_ADDRESS)) {
            Some(index) => lines.replace(index, &line),
            None => {
                let local = lines.position(|line| address(line) == Some("127.0.0.1"));
                lines.insert(local.map_or(0, |index| index + 1), [line.as_str()]);
            }
        }
        wanted::file(host, &HOSTS.into(), Content::Bytes(lines.text().into_bytes()), &Meta::default())
    }

    /// The full name comes first, as `hostname -f` wants it.
    fn all_names(&self) -> String {
        match self.name.split_once('.') {
            Some((short, _)) => format!("{} {short}", self.name),
            None => self.name.clone(),
        }
    }
}

fn address(line: &str) -> Option<&str> {
    line.split('#').next()?.split_ascii_whitespace().next()
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split_ascii_whitespace().skip(1)
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, converge, host, parse, text};
    use expect_test::expect;

    #[test]
    fn names_the_host_everywhere() {
        let hosts = "# ours\n127.0.0.1\tlocalhost\n::1 localhost\n";
        let files =
            [("/proc/sys/kernel/hostname", "vps-17\n"), ("/etc/hostname", "vps-17\n"), ("/etc/hosts", hosts)];
        let host = host(&files);
        expect![[r#"
            write /etc/hosts
            write /etc/hostname
            run hostname web1.example.com

        "#]]
        .assert_eq(&converge(&host, "hostname", "name = 'web1.example.com'").unwrap());
        assert_eq!(text(&host, "/etc/hostname"), "web1.example.com\n");
        assert_eq!(
            text(&host, "/etc/hosts"),
            "# ours\n127.0.0.1\tlocalhost\n127.0.1.1\tweb1.example.com web1\n::1 localhost\n"
        );
        apply(&host, "hostname", "name = 'db1'").unwrap();
        assert!(text(&host, "/etc/hosts").contains("\n127.0.1.1\tdb1\n"));
    }

    #[test]
    fn a_name_that_hosts_has_already_is_left_alone() {
        let files = [
            ("/proc/sys/kernel/hostname", "web1\n"),
            ("/etc/hostname", "web1"),
            ("/etc/hosts", "10.0.0.5 web1 # x\n"),
        ];
        assert_eq!(apply(&host(&files), "hostname", "name = 'web1'").unwrap(), "");
        let files = [("/proc/sys/kernel/hostname", "web1\n"), ("/etc/hostname", "web1\n")];
        assert_eq!(apply(&host(&files), "hostname", "name = 'web1'\nhosts = false").unwrap(), "");
    }

    #[test]
    fn refuses_what_is_no_name() {
        for name in ["", "-a", "a_b", "a..b", "a b", "-F /etc/x"] {
            let failure = parse("hostname", &format!("name = '{name}'")).err().unwrap();
            assert_eq!(failure.why, format!("{name:?} is not the name of a host"));
        }
    }
}
