//! A directory with a given mode and owner.

use crate::model::mode::Mode;
use crate::model::op::{Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe, Stat};
use crate::wanted;
use serde::Deserialize;

/// The most files and directories that `recurse` looks at: each costs a look, and on a host without the agent a round
/// trip. A larger tree is a matter for `command` and `chown -R`.
const RECURSE_LIMIT: usize = 100_000;

/// Bits that `recurse` does not give to files: set-user-id, set-group-id, sticky.
const SPECIAL: u32 = 0o7000;

/// Execute bits.
const EXECUTE: u32 = 0o111;

/// Creates a directory and the directories above it that are missing.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Where it is on the host.
    path: HostPath,
    /// Permission bits: `"0755"`.
    mode: Option<Mode>,
    /// User name or id.
    owner: Option<String>,
    /// Group name or id.
    group: Option<String>,
    /// Gives mode, owner and group to everything below it too. Files get the execute bits of `mode` only when their
    /// owner can execute them already, and no set-id or sticky bit; links are left alone.
    #[serde(default)]
    recurse: bool,
}

impl Kind for Directory {
    const NAME: &'static str = "directory";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "uploads belong to the web server"
[steps.directory]
path = "/srv/app/uploads"
mode = "0750"
owner = "root"
group = "0"
recurse = true
"#;
}

impl Step for Directory {
    fn check(&self) -> Result<(), WrongKey> {
        if self.recurse && self.mode.is_none() && self.owner.is_none() && self.group.is_none() {
            return Err(WrongKey::new("recurse", "there is nothing to give: no mode, owner or group"));
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let mut ops = wanted::directory(host, &self.path, &meta)?;
        if self.recurse {
            ops.extend(self.plan_below(host, &meta)?);
        }
        Ok(Plan::of(ops))
    }
}

impl Directory {
    fn plan_below(&self, host: &dyn Probe, meta: &Meta) -> Result<Vec<Op>> {
        let top = wanted::followed(host, &self.path)?;
        if host.stat(&top)?.is_none() {
            return Ok(Vec::new());
        }
        let below = below(host, &top)?;
        Ok(below
            .into_iter()
            .filter_map(|(path, stat)| wanted::meta_op(path, &stat, &fitting(meta, &stat)))
            .collect())
    }
}

/// Files and directories below `top`, each directory before what is in it. Links are neither listed nor followed.
fn below(host: &dyn Probe, top: &HostPath) -> Result<Vec<(HostPath, Stat)>> {
    let mut found = Vec::new();
    let mut open = vec![top.clone()];
    while let Some(directory) = open.pop() {
        for name in host.list(&directory)? {
            let path = directory.join(name);
            match host.stat(&path)? {
                None => continue,
                Some(stat) if stat.kind == FileKind::Link => continue,
                Some(stat) => {
                    if stat.kind == FileKind::Dir {
                        open.push(path.clone());
                    }
                    found.push((path, stat));
                }
            }
        }
        if found.len() > RECURSE_LIMIT {
            let why = format!("there are more than {RECURSE_LIMIT} files below it");
            return Err(Failure::new(format!("look at {top}"), why)
                .hint("set them with a step of kind command: chown -R, chmod -R"));
        }
    }
    Ok(found)
}

/// What of `meta` suits a thing of this type: a file must not become executable because its directory can be entered.
fn fitting(meta: &Meta, stat: &Stat) -> Meta {
    let executable = stat.mode & 0o100 != 0;
    let mode = meta.mode.map(|mode| match (stat.kind, executable) {
        (FileKind::Dir, _) => mode,
        (_, true) => mode & !SPECIAL,
        (_, false) => mode & !SPECIAL & !EXECUTE,
    });
    Meta { mode, ..meta.clone() }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::Meta;
    use crate::system::System;
    use crate::testing::{apply, host};
    use expect_test::expect;
    use std::path::Path;

    #[test]
    fn makes_it_and_what_is_above() {
        let host = host(&[("/srv/x", "")]);
        let told = apply(&host, "directory", "path = '/srv/app/up loads'\nmode = '0700'").unwrap();
        assert_eq!(told, "make directory /srv/app\nmake directory /srv/app/up loads\n");
        let told =
            apply(&host, "directory", "path = '/srv/app/up loads'\nmode = '0750'\nowner = '33'").unwrap();
        assert_eq!(told, "set mode 0750 owner 33 of /srv/app/up loads\n");
    }

    #[test]
    fn recurse_gives_files_no_execute_bits() {
        let host = host(&[("/srv/app/bin/run", ""), ("/srv/app/ü.txt", "")]);
        host.set_meta(Path::new("/srv/app/bin/run"), &Meta { mode: Some(0o744), ..Meta::default() }).unwrap();
        host.link(Path::new("/srv/app/link"), Path::new("/etc")).unwrap();
        let told = apply(&host, "directory", "path = '/srv/app'\nmode = '2775'\nrecurse = true").unwrap();
        expect![[r#"
            set mode 2775 of /srv/app
            set mode 2775 of /srv/app/bin
            set mode 0664 of /srv/app/ü.txt
            set mode 0775 of /srv/app/bin/run
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn recurse_is_fine_with_a_missing_one_and_refuses_to_do_nothing() {
        let missing = host(&[]);
        let told = apply(&missing, "directory", "path = '/new'\nmode = '0700'\nrecurse = true").unwrap();
        assert_eq!(told, "make directory /new\n");
        let failure = apply(&missing, "directory", "path = '/new'\nrecurse = true").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "read directory.recurse: there is nothing to give: no mode, owner or group"
        );
    }

    #[test]
    fn never_replaces_a_file() {
        let host = host(&[("/srv", "a file")]);
        let failure = apply(&host, "directory", "path = '/srv'").unwrap_err();
        assert_eq!(failure.why, "a file is there, not a directory");
    }
}
