//! A symbolic link.

use crate::model::op::{Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;

/// Creates a symbolic link, or changes where one points. Missing parent directories are created.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// Where the link is on the host.
    path: HostPath,
    /// What it points to, written into the link as it is: absolute, or relative to the link's directory. It need not
    /// exist.
    #[cfg_attr(feature = "controller", schemars(with = "String"))]
    target: HostPath,
    /// Replaces a regular file that stands there. A directory is never replaced.
    #[serde(default)]
    force: bool,
}

impl Kind for Symlink {
    const NAME: &'static str = "symlink";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the site is enabled"
[steps.symlink]
path = "/etc/nginx/sites-enabled/site"
target = "../sites-available/site"
force = true                            # replaces a copy that was left there
"#;
}

impl Step for Symlink {
    fn check(&self) -> Result<(), WrongKey> {
        match self.target.as_os_str() {
            target if target.is_empty() => Err(WrongKey::new("target", "it is empty")),
            target if target == self.path.as_os_str() => {
                Err(WrongKey::new("target", "the link would point to itself"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let path = wanted::absolute(&self.path)?;
        match host.stat(&path)? {
            None => {
                let mut ops = wanted::parents(host, &path)?;
                ops.push(self.link());
                Ok(Plan::of(ops))
            }
            Some(stat) if stat.target.as_deref() == Some(self.target.as_path()) => Ok(Plan::nothing()),
            Some(stat) if self.may_replace(stat.kind) => Ok(Plan::of(vec![self.link()])),
            Some(stat) => Err(self.in_the_way(stat.kind)),
        }
    }
}

impl Symlink {
    fn link(&self) -> Op {
        Op::Link { path: self.path.clone(), target: self.target.clone() }
    }

    fn may_replace(&self, there: FileKind) -> bool {
        there == FileKind::Link || self.force && there == FileKind::File
    }

    fn in_the_way(&self, there: FileKind) -> Failure {
        let failure = Failure::new(format!("link {}", self.path), format!("a {} is there", there.as_str()));
        match there {
            FileKind::File => failure.hint("give force = true to replace it"),
            _ => failure.hint("remove it with a step of kind absent first, if it may go"),
        }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::system::System;
    use crate::testing::{apply, host};
    use std::path::Path;

    #[test]
    fn makes_a_link_and_lets_it_point_elsewhere() {
        let host = host(&[]);
        let told = apply(&host, "symlink", "path = '/etc/on/site'\ntarget = '../site'").unwrap();
        assert_eq!(told, "make directory /etc\nmake directory /etc/on\nlink /etc/on/site to ../site\n");
        let told = apply(&host, "symlink", "path = '/etc/on/site'\ntarget = '/srv/ü'").unwrap();
        assert_eq!(told, "link /etc/on/site to /srv/ü\n");
    }

    #[test]
    fn replaces_a_file_only_when_forced() {
        let host = host(&[("/etc/site", "a copy")]);
        let failure = apply(&host, "symlink", "path = '/etc/site'\ntarget = '/x'").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "link /etc/site: a file is there\n  hint: give force = true to replace it"
        );
        let told = apply(&host, "symlink", "path = '/etc/site'\ntarget = '/x'\nforce = true").unwrap();
        assert_eq!(told, "link /etc/site to /x\n");
    }

    #[test]
    fn never_replaces_a_directory() {
        let host = host(&[("/etc/site/x", "")]);
        let failure = apply(&host, "symlink", "path = '/etc/site'\ntarget = '/x'\nforce = true").unwrap_err();
        assert_eq!(failure.why, "a directory is there");
    }

    #[test]
    fn refuses_targets_that_cannot_be_meant() {
        let host = host(&[]);
        let why = |target: &str| {
            apply(&host, "symlink", &format!("path = '/a'\ntarget = '{target}'")).unwrap_err().why
        };
        assert_eq!(why(""), "it is empty");
        assert_eq!(why("/a"), "the link would point to itself");
    }

    #[test]
    fn leaves_a_broken_link_that_is_as_wanted() {
        let host = host(&[]);
        host.link(Path::new("/a"), Path::new("nowhere")).unwrap();
        assert_eq!(apply(&host, "symlink", "path = '/a'\ntarget = 'nowhere'").unwrap(), "");
    }
}
