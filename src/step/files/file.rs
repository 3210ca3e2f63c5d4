//! A regular file with a given content, mode and owner.

use crate::model::mode::Mode;
use crate::model::op::{Asset, Content, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{KeyUse, Kind, Step};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Creates a regular file. With neither `content` nor `source`, sets only mode and owner of a file that exists.
/// Missing parent directories are created.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is on the host.
    path: HostPath,
    /// What it holds.
    content: Option<String>,
    /// A file below `files/` of the project whose bytes it gets.
    source: Option<Asset>,
    /// Permission bits: `"0644"`.
    mode: Option<Mode>,
    /// User name or id.
    owner: Option<String>,
    /// Group name or id.
    group: Option<String>,
}

impl Kind for File {
    const NAME: &'static str = "file";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Asset)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "a message for those who log in"
[steps.file]
path = "/etc/motd"
content = "operated by windlass\n"      # or source = "motd", a file below files/
mode = "0644"
owner = "root"
group = "root"
"#;
}

impl Step for File {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let ops = match self.wanted_content()? {
            Some(content) => wanted::file(host, &self.path, content, &meta)?,
            None => self.plan_meta(host, &meta)?,
        };
        Ok(Plan::of(ops))
    }
}

impl File {
    fn wanted_content(&self) -> Result<Option<Content>> {
        match (&self.content, &self.source) {
            (Some(_), Some(_)) => Err(Failure::new(
                format!("plan {}", self.path),
                "both content and source are given; one is enough",
            )),
            (Some(text), None) => Ok(Some(Content::Bytes(text.clone().into_bytes()))),
            (None, Some(asset)) => Ok(Some(Content::Asset(asset.clone()))),
            (None, None) => Ok(None),
        }
    }

    fn plan_meta(&self, host: &dyn Probe, meta: &crate::model::op::Meta) -> Result<Vec<Op>> {
        match host.stat(&wanted::followed(host, &self.path)?)? {
            Some(_) => wanted::meta_of_existing(host, &self.path, meta),
            None => {
                Err(Failure::new(format!("set mode and owner of {}", self.path), "there is no such file")
                    .hint("give content or source to create it"))
            }
        }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text};
    use expect_test::expect;

    #[test]
    fn writes_a_missing_file_and_its_directories() {
        let host = host(&[]);
        let told = apply(&host, "file", "path = '/etc/app/motd'\ncontent = 'hi'\nmode = '0600'").unwrap();
        expect![[r#"
            make directory /etc
            make directory /etc/app
            write /etc/app/motd
        "#]]
        .assert_eq(&told);
        assert_eq!(text(&host, "/etc/app/motd"), "hi");
    }

    #[test]
    fn leaves_what_is_already_so() {
        let host = host(&[("/etc/motd", "hi")]);
        assert_eq!(apply(&host, "file", "path = '/etc/motd'\ncontent = 'hi'").unwrap(), "");
    }

    #[test]
    fn sets_only_the_mode_when_the_content_is_right() {
        let host = host(&[("/etc/motd", "hi")]);
        let told = apply(&host, "file", "path = '/etc/motd'\ncontent = 'hi'\nmode = '0600'").unwrap();
        assert_eq!(told, "set mode 0600 of /etc/motd\n");
    }

    #[test]
    fn looks_owners_up_on_the_host() {
        let passwd = "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n";
        let host = host(&[("/etc/passwd", passwd), ("/etc/motd", "hi")]);
        let told = apply(&host, "file", "path = '/etc/motd'\nowner = 'www'").unwrap();
        assert_eq!(told, "set owner 33 of /etc/motd\n");
        let failure = apply(&host, "file", "path = '/etc/motd'\nowner = 'nobody-here'").unwrap_err();
        assert_eq!(failure.to_string(), "look up user nobody-here: the host has no such user");
    }

    #[test]
    fn never_replaces_a_directory() {
        let host = host(&[("/etc/motd/x", "")]);
        let failure = apply(&host, "file", "path = '/etc/motd'\ncontent = 'hi'").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "look at /etc/motd: a directory is there, not a file\n  hint: remove it with a step of kind absent first, if it may go"
        );
    }
}
