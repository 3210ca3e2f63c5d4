//! Imports of a JavaScript or TypeScript tree that do not exist.

use crate::audit::{look, usual};
use crate::model::Result;
use crate::model::finding::Finding;
use crate::model::op::Plan;
use crate::model::path::HostPath;
use crate::model::tree::pattern::Pattern;
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Looks up what every import of a tree names, as Node, TypeScript and bundlers would find it: `import`, `export … from`,
/// `import()`, `require`, `new URL(…, import.meta.url)` in `.js .jsx .mjs .cjs .ts .tsx .mts .cts .vue .svelte`. Files
/// and modules that are missing fail, each with the line that imports it and what exists nearest to it. It reads only.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportsAudit {
    /// A directory here, below `files/` or the project, or anywhere when it begins with `/`. It is looked through once
    /// for all hosts.
    source: Option<Audited>,
    /// A directory on the host. Give this or `source`.
    dest: Option<HostPath>,
    /// Files and directories that are not looked into; they can be imported all the same. As in `.gitignore`: a
    /// name at any depth, or a path from the top. `[".git", "node_modules"]` when not given.
    #[serde(default = "usual")]
    exclude: Vec<Pattern>,
}

/// What the controller found in the directory that a playbook names.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(deny_unknown_fields)]
struct Audited {
    findings: Vec<Finding>,
}

impl Kind for ImportsAudit {
    const NAME: &'static str = "imports_audit";
    const KEYS: &'static [(&'static str, KeyUse)] =
        &[("source", KeyUse::Imports), ("dest", KeyUse::Javascript)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "what is about to be deployed is whole"
run_once = true                         # the directory is here: one host's answer is every host's
[steps.imports_audit]
source = "app"

[[steps]]
name = "what runs there is whole"
[steps.imports_audit]
dest = "/srv/app"
exclude = [".git", "node_modules", "*.test.js", "dist/old"]
"#;
}

impl Step for ImportsAudit {
    fn check(&self) -> Result<(), WrongKey> {
        match (&self.source, &self.dest) {
            (None, None) => {
                Err(WrongKey::new("", "name a directory here as source, or one on the host as dest"))
            }
            (Some(_), Some(_)) => Err(WrongKey::new("dest", "source is given too: make two steps of it")),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let findings = match (&self.source, &self.dest) {
            (Some(audited), _) => audited.findings.clone(),
            (None, Some(dest)) => {
                let dest = wanted::absolute(dest)?;
                look::at_imports(host, &dest, &self.exclude)?
            }
            (None, None) => Vec::new(),
        };
        Ok(Plan::found(findings))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse};
    use serde_json::json;

    #[test]
    fn a_tree_on_the_host_is_looked_through() {
        let host = host(&[("/srv/app/a.js", "import './b.js'"), ("/srv/app/old/c.js", "import './d.js'")]);
        let plan =
            parse("imports_audit", "dest = '/srv/app'\nexclude = ['old']").unwrap().plan(&host).unwrap();
        assert!(plan.is_empty());
        let told: Vec<String> = plan.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "fail    imports a.js:1: ./b.js does not exist",
                "info    imports /srv/app: 0 of 1 import in 1 file exist"
            ]
        );
    }

    #[test]
    fn what_the_controller_found_is_told() {
        let keys = json!({ "source": { "findings": [{ "group": "imports", "what": "a.js:1", "verdict": "fail", "seen": "x" }] } });
        let step = crate::step::parse("imports_audit", &keys).unwrap();
        assert_eq!(step.plan(&host(&[])).unwrap().findings[0].to_string(), "fail    imports a.js:1: x");
    }

    #[test]
    fn one_folder_is_named() {
        let refused = |keys| parse("imports_audit", keys).err().unwrap().to_string();
        assert_eq!(
            refused(""),
            "read the keys of imports_audit: name a directory here as source, or one on the host as dest"
        );
        assert_eq!(
            refused("dest = '/a'\nexclude = ['..']"),
            "read imports_audit.exclude[0]: \"..\" is no pattern: write a name, or a path from the top of the tree"
        );
        let failure = parse("imports_audit", "dest = 'a'").unwrap().plan(&host(&[])).unwrap_err();
        assert_eq!(failure.to_string(), "look at a: a path on a host must begin with /");
    }
}
