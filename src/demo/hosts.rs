//! The hosts of `windlass demo`: folders that look like small VPSes, with programs that play Docker and systemd.

use crate::model::{Doing, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// One host of the demo.
pub struct Host {
    /// Its name in the inventory, and its folder's.
    pub name: &'static str,
    /// What `/etc/docker/daemon.json` holds; `None` when there is none.
    pub daemon_json: Option<&'static str>,
    /// The resolvers that dockerd was started with.
    resolvers: &'static str,
    /// What runs there: id, name and image of each container.
    containers: &'static str,
    /// In words, for the screen.
    pub about: &'static str,
}

/// Where dockerd's configuration is, below a host's folder.
pub const DAEMON_JSON: &str = "etc/docker/daemon.json";

/// What systemd-resolved offers: it works on the host and nowhere else.
const STUB_RESOLVER: &str = "127.0.0.53\n";

/// The three hosts.
pub const HOSTS: &[Host] = &[
    Host {
        name: "web1",
        daemon_json: Some(
            "{\n\t\"log-driver\":\"json-file\",\n    \"log-opts\": { \"max-size\": \"10m\",   \"max-file\":\"3\" },\n  \
             \"live-restore\" : true\n}\n",
        ),
        resolvers: STUB_RESOLVER,
        containers: "3f1c9a7e52d0 web node:22-alpine\n9b2d4e6f8a1c redis redis:7-alpine\n",
        about: "its daemon.json has other keys, oddly formatted, and no resolvers",
    },
    Host {
        name: "web2",
        daemon_json: None,
        resolvers: STUB_RESOLVER,
        containers: "c0ffee12ab34 web node:22-alpine\n",
        about: "it has no daemon.json at all",
    },
    Host {
        name: "db1",
        daemon_json: Some("{\n  \"dns\": [\"8.8.8.8\", \"8.8.4.4\"]\n}\n"),
        resolvers: "8.8.8.8\n8.8.4.4\n",
        containers: "d15ea5e0bb01 postgres postgres:17-alpine\n",
        about: "it is already as it should be",
    },
];

/// Programs of this machine that a host may use. Its shell finds no other, above all no package manager.
const PROGRAMS: &[&str] = &[
    "awk",
    "base64",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cksum",
    "cmp",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "env",
    "expr",
    "false",
    "find",
    "flock",
    "fold",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nice",
    "nohup",
    "od",
    "printf",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "xargs",
];

/// The programs that are played by scripts.
const PLAYED: &[(&str, &str)] = &[
    ("docker", include_str!("docker.sh")),
    ("dockerd", include_str!("dockerd.sh")),
    ("systemctl", include_str!("systemctl.sh")),
];

/// Makes `folder` a host.
pub fn prepare(folder: &Path, host: &Host) -> Result<()> {
    let folders = ["etc/docker", "root", "run/demo/units", "tmp", "usr/bin", "var/lib", "var/log"];
    folders.iter().try_for_each(|name| make_dir(&folder.join(name)))?;
    files(host).iter().try_for_each(|(path, text)| write(&folder.join(path), text))?;
    host.daemon_json.map_or(Ok(()), |text| write(&folder.join(DAEMON_JSON), text))?;
    symlink("usr/bin", folder.join("bin")).doing(format_args!("link {}/bin", folder.display()))?;
    unit(folder, "docker")?;
    unit(folder, "ssh")?;
    PROGRAMS.iter().try_for_each(|name| lend(folder, name))?;
    PLAYED.iter().try_for_each(|(name, script)| play(folder, name, script))
}

fn files(host: &Host) -> Vec<(&'static str, String)> {
    vec![
        ("etc/hostname", format!("{}\n", host.name)),
        (
            "etc/os-release",
            "PRETTY_NAME=\"Ubuntu 24.04 LTS (played)\"\nID=ubuntu\nVERSION_ID=\"24.04\"\n".into(),
        ),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n".into()),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n".into()),
        ("etc/resolv.conf", format!("nameserver {STUB_RESOLVER}options edns0 trust-ad\n")),
        ("run/demo/containers", host.containers.into()),
        ("run/demo/images", "alpine\nbusybox\nnode:22-alpine\nredis:7-alpine\npostgres:17-alpine\n".into()),
        ("run/demo/resolvers", host.resolvers.into()),
    ]
}

/// A systemd unit that runs.
fn unit(folder: &Path, name: &str) -> Result<()> {
    let unit = folder.join("run/demo/units").join(name);
    make_dir(&unit)?;
    let state = [("active", "active\n"), ("enabled", "enabled\n"), ("starts", "1\n")];
    state.iter().try_for_each(|(file, text)| write(&unit.join(file), text))
}

/// Lets the host use a program of this machine, by a script, because a link that leaves the folder is not followed
/// there. One that this machine does not have, the host does not have either.
fn lend(folder: &Path, name: &str) -> Result<()> {
    let Some(program) = found(name) else { return Ok(()) };
    play(folder, name, &format!("#!/bin/sh\nexec {} \"$@\"\n", program.display()))
}

fn found(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];
    places.iter().map(|place| Path::new(place).join(name)).find(|program| program.exists())
}

fn play(folder: &Path, name: &str, script: &str) -> Result<()> {
    let path = folder.join("usr/bin").join(name);
    write(&path, script)?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, executable).doing(format_args!("make {} executable", path.display()))
}

fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).doing(format_args!("make {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(format_args!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
