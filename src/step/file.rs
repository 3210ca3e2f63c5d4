//! A regular file with a given content, mode and owner.

use super::{Kind, KeyUse, Step};
use crate::model::mode::Mode;
use crate::model::op::{Asset, Content, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Makes a regular file. With neither `content` nor `source`, sets only mode and owner of a file that exists.
/// Missing parent directories are made.
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
    const GROUP: &'static str = "files";
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
            (Some(_), Some(_)) => {
                Err(Failure::new(format!("plan {}", self.path), "both content and source are given; one is enough"))
            }
            (Some(text), None) => Ok(Some(Content::Bytes(text.clone().into_bytes()))),
            (None, Some(asset)) => Ok(Some(Content::Asset(asset.clone()))),
            (None, None) => Ok(None),
        }
    }

    fn plan_meta(&self, host: &dyn Probe, meta: &crate::model::op::Meta) -> Result<Vec<Op>> {
        match host.stat(&wanted::followed(host, &self.path)?)? {
            Some(_) => wanted::meta_of_existing(host, &self.path, meta),
            None => Err(Failure::new(format!("set mode and owner of {}", self.path), "there is no such file")
                .hint("give content or source to make it")),
        }
    }
}
