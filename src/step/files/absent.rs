//! Nothing at a path.

use crate::model::Result;
use crate::model::op::{Op, Plan};
use crate::model::path::HostPath;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use std::os::unix::ffi::OsStrExt;

/// Directories without which a host is no host. What is in them may go, they may not.
const SYSTEM: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "dev/pts",
    "dev/shm",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib32",
    "usr/lib64",
    "usr/libexec",
    "usr/local",
    "usr/local/bin",
    "usr/local/lib",
    "usr/local/sbin",
    "usr/sbin",
    "usr/share",
    "usr/src",
    "var",
    "var/backups",
    "var/cache",
    "var/lib",
    "var/lib/dpkg",
    "var/lib/docker",
    "var/lock",
    "var/log",
    "var/mail",
    "var/run",
    "var/spool",
    "var/tmp",
    "etc/ssh",
    "etc/systemd",
    "etc/pam.d",
];

/// Below these are no files but views of the kernel, some of which lead back to `/`.
const VIEWS: &[&str] = &["proc", "sys"];

/// Removes files, links and whole directories. Of a link, what it points to stays.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// What goes.
    path: Option<HostPath>,
    /// What else goes.
    #[serde(default)]
    paths: Vec<HostPath>,
}

impl Kind for Absent {
    const NAME: &'static str = "absent";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the distribution's default site is gone"
[steps.absent]
path = "/etc/nginx/sites-enabled/default"
paths = ["/var/www/html/index.nginx-debian.html", "/srv/app/cache"]
"#;
}

impl Step for Absent {
    fn check(&self) -> Result<(), WrongKey> {
        if self.path.is_none() && self.paths.is_empty() {
            return Err(WrongKey::new("", "neither path nor paths is given"));
        }
        let listed = self.paths.iter().enumerate().map(|(index, path)| (format!("paths[{index}]"), path));
        let mut all = self.path.iter().map(|path| ("path".to_string(), path)).chain(listed);
        all.try_for_each(|(key, path)| refuse_dangerous(path).map_err(|why| WrongKey::new(&key, why)))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let wanted: Vec<_> = self.path.iter().chain(&self.paths).collect();
        let mut ops = Vec::new();
        for (index, path) in wanted.iter().enumerate() {
            if !goes_with_another(&wanted, index) && host.stat(path)?.is_some() {
                ops.push(Op::Remove { path: (*path).clone() });
            }
        }
        Ok(Plan::of(ops))
    }
}

/// Whether the path at `index` is below another of the list, or is there a second time.
fn goes_with_another(wanted: &[&HostPath], index: usize) -> bool {
    let path = wanted[index];
    let mut others = wanted.iter().enumerate().filter(|(other, _)| *other != index);
    others.any(|(other, above)| path.starts_with(above.as_path()) && (*above != path || other < index))
}

/// Refuses what nobody means to remove. An empty variable is how most of these come about: `/srv/{{ app }}`.
fn refuse_dangerous(path: &HostPath) -> Result<(), String> {
    let Some(inner) = path.as_os_str().as_bytes().strip_prefix(b"/") else {
        return Err(format!("{:?} does not begin with /", path.as_path()));
    };
    let parts: Vec<_> = inner.split(|byte| *byte == b'/').collect();
    let why = match () {
        () if inner.is_empty() || SYSTEM.iter().any(|system| system.as_bytes() == inner) => {
            "is part of every host; name what inside it is to be removed"
        }
        () if parts.contains(&&b""[..]) => "has an empty part; look for an empty variable, or a / too many",
        () if parts.iter().any(|part| matches!(*part, b"." | b"..")) => {
            "has . or .. in it; write where it really is"
        }
        () if VIEWS.iter().any(|view| view.as_bytes() == parts[0]) => "is a view of the kernel, not a file",
        () => return Ok(()),
    };
    Err(format!("{path} {why}"))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::system::{Probe, System};
    use crate::testing::{apply, host};
    use expect_test::expect;
    use std::path::Path;

    #[test]
    fn removes_files_and_whole_directories_once() {
        let host = host(&[("/srv/app/a/b", ""), ("/srv/ü x", ""), ("/srv/kept", "")]);
        let keys =
            "path = '/srv/app'\npaths = ['/srv/app/a', '/srv/ü x', '/srv/app', '/srv/ü x', '/srv/never']";
        assert_eq!(apply(&host, "absent", keys).unwrap(), "remove /srv/app\nremove /srv/ü x\n");
        assert_eq!(host.list(Path::new("/srv")).unwrap(), ["kept"]);
    }

    #[test]
    fn removes_a_link_and_not_its_target() {
        let host = host(&[("/srv/data/x", "")]);
        host.link(Path::new("/srv/link"), Path::new("/srv/data")).unwrap();
        assert_eq!(apply(&host, "absent", "path = '/srv/link'").unwrap(), "remove /srv/link\n");
        assert!(host.stat(Path::new("/srv/data/x")).unwrap().is_some());
    }

    #[test]
    fn refuses_what_nobody_means() {
        let host = host(&[("/etc/x", "")]);
        let paths = [
            "/",
            "",
            "/etc",
            "/home",
            "/usr/lib",
            "/srv/",
            "/opt//app",
            "/opt/app/",
            "/opt/../etc",
            "srv/x",
            "/proc/1/root/x",
        ];
        let told: String = paths
            .iter()
            .map(|path| apply(&host, "absent", &format!("path = '{path}'")).unwrap_err().to_string() + "\n")
            .collect();
        expect![[r#"
            read absent.path: / is part of every host; name what inside it is to be removed
            read absent.path: "" does not begin with /
            read absent.path: /etc is part of every host; name what inside it is to be removed
            read absent.path: /home is part of every host; name what inside it is to be removed
            read absent.path: /usr/lib is part of every host; name what inside it is to be removed
            read absent.path: /srv/ has an empty part; look for an empty variable, or a / too many
            read absent.path: /opt//app has an empty part; look for an empty variable, or a / too many
            read absent.path: /opt/app/ has an empty part; look for an empty variable, or a / too many
            read absent.path: /opt/../etc has . or .. in it; write where it really is
            read absent.path: "srv/x" does not begin with /
            read absent.path: /proc/1/root/x is a view of the kernel, not a file
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn one_dangerous_path_stops_all() {
        let host = host(&[("/srv/x", "")]);
        assert!(apply(&host, "absent", "paths = ['/srv/x', '/etc']").is_err());
        assert!(host.stat(Path::new("/srv/x")).unwrap().is_some());
        assert_eq!(
            apply(&host, "absent", "").unwrap_err().to_string(),
            "read the keys of absent: neither path nor paths is given"
        );
    }
}
