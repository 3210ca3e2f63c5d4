//! A tree here against a directory there and what was last deployed into it.

use crate::audit::trees::{self, Sides};
use crate::audit::usual;
use crate::model::op::Plan;
use crate::model::path::HostPath;
use crate::model::tree::Named;
use crate::model::tree::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::step::{KeyUse, Kind, Step};
use crate::system::{FileKind, Probe};
use crate::tree::manifest::Manifest;
use crate::wanted;
use serde::Deserialize;

/// Compares a directory or archive here with a directory on the host and with what `overlay` last put there: what is
/// only there, only here, edited by hand since, or pending because it changed here since. Where windlass has put
/// nothing, only two sides are compared, and the report says so. Files that are only there or were edited fail. It
/// reads only.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TreeAudit {
    /// A directory or a tar archive here, as for `overlay`.
    source: Named,
    /// The directory on the host.
    dest: HostPath,
    /// What is left out on both sides, as in `.gitignore`: a name at any depth, or a path from the top.
    /// `[".git", "node_modules"]` when not given.
    #[serde(default = "usual")]
    exclude: Vec<Pattern>,
}

impl Kind for TreeAudit {
    const NAME: &'static str = "tree_audit";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Tree)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nothing there is unknown here"
[steps.tree_audit]
source = "app"                          # files/app
dest = "/srv/app"
exclude = [".git", "node_modules", "uploads", "*.log"]
"#;
}

impl Step for TreeAudit {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let comparing = || format!("compare {} with {}", self.source.source, self.dest);
        let brought =
            host.brought().ok_or_else(|| Failure::new(comparing(), "there is no job that brings it"))?;
        let tree = brought.trees.get(&self.source.tree);
        let tree = tree.ok_or_else(|| Failure::new(comparing(), "its job did not bring it"))?;
        let dest = wanted::followed(host, &self.dest)?;
        let stat = host.stat(&dest)?;
        if stat.is_none() {
            return Err(Failure::new(comparing(), format!("there is no directory {dest}")));
        }
        wanted::expect_kind(&dest, stat.as_ref(), FileKind::Dir)?;
        let (manifest, _) = Manifest::read(host, brought, &dest)?;
        let sides = Sides { tree, dest: &dest, manifest: &manifest, exclude: &self.exclude };
        Ok(Plan::found(trees::compare(host, &sides)?))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse, tree};

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let source = tree("app", &[("a", "A")]);
        let step = parse("tree_audit", &format!("source = {source}\ndest = '/srv/app'")).unwrap();
        let failure = step.plan(&host(&[])).unwrap_err().to_string();
        assert!(failure.contains("compare app with /srv/app: "), "{failure}");
    }
}
