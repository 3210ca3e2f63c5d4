//! Environment variables that a tree needs, against those that a host sets.

use crate::audit::dotenv;
use crate::audit::needs::Needs;
use crate::audit::settings::{self, EnvFile};
use crate::audit::usual;
use crate::model::Result;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::Plan;
use crate::model::path::HostPath;
use crate::model::tree::Inside;
use crate::model::tree::pattern::Pattern;
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Compares the variables that a tree here reads with those that a file on the host sets: missing, empty, placeholders
/// that were never filled in, set twice, unused. JavaScript and TypeScript are parsed; Python, Ruby, PHP, Go and shell are
/// read by their text; compose files, Dockerfiles and `.env.example` too. A variable with a default may be missing.
/// Values never leave the host: not into the output, the record or a message. It reads only.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvAudit {
    /// A directory here, below `files/` or the project, or anywhere when it begins with `/`.
    source: Audited,
    /// The file on the host that sets variables, or several, of which a later one overrules.
    env_file: Files,
    /// The example in `source`, by its path there; `.env.example`, `.env.sample` and the like when not given.
    example: Option<String>,
    /// Variables that nothing is said of; `*` stands for anything.
    #[serde(default)]
    ignore: Vec<Pattern>,
    /// Files and directories of `source` that are not looked into, as for `imports_audit`.
    #[serde(default = "usual")]
    #[expect(dead_code, reason = "the controller reads with it what the step gets as source")]
    exclude: Vec<Pattern>,
}

/// What the controller found in the directory that a playbook names.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(deny_unknown_fields)]
struct Audited {
    needs: Needs,
}

/// One path or several.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Files {
    One(HostPath),
    Several(Vec<HostPath>),
}

impl Kind for EnvAudit {
    const NAME: &'static str = "env_audit";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Variables)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "every variable that the app reads is set"
[steps.env_audit]
source = "app"
env_file = "/srv/app/.env"              # or a list: ["/srv/app/.env", "/srv/app/.env.local"]
example = ".env.example"
ignore = ["SENTRY_*", "DEBUG"]
exclude = [".git", "node_modules", "test"]
"#;
}

impl Step for EnvAudit {
    fn check(&self) -> Result<(), WrongKey> {
        match self.paths() {
            [] => Err(WrongKey::new("env_file", "name at least one file")),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut findings = Vec::new();
        let mut files = Vec::new();
        for path in self.paths() {
            let path = wanted::absolute(path)?;
            match host.read(&path)? {
                Some(bytes) => {
                    findings.extend(readable_by_all(host, &path)?);
                    files.push(read(&path, &bytes));
                }
                None => findings.push(self.no_file(&path)),
            }
        }
        let mut all = settings::compare(&self.source.needs, &files, &|name| self.ignores(name));
        all.splice(0..0, findings);
        Ok(Plan::found(all))
    }
}

impl EnvAudit {
    fn paths(&self) -> &[HostPath] {
        match &self.env_file {
            Files::One(path) => std::slice::from_ref(path),
            Files::Several(paths) => paths,
        }
    }

    fn ignores(&self, name: &str) -> bool {
        Inside::new(name).is_ok_and(|name| self.ignore.iter().any(|pattern| pattern.matches(&name)))
    }

    fn no_file(&self, path: &HostPath) -> Finding {
        let finding = Finding::new("files", path, Verdict::Fail, "there is no such file");
        match &self.example {
            Some(example) => finding.hint(format!("begin with a copy of {example}")),
            None => finding,
        }
    }
}

fn read(path: &HostPath, bytes: &[u8]) -> EnvFile {
    let (set, mistakes) = dotenv::read(&String::from_utf8_lossy(bytes));
    EnvFile { path: path.to_string(), set, mistakes }
}

/// A file with secrets that others on the host may read.
fn readable_by_all(host: &dyn Probe, path: &HostPath) -> Result<Option<Finding>> {
    let mode = host.stat(&wanted::followed(host, path)?)?.map_or(0, |stat| stat.mode);
    let seen = format!("everyone on the host may read it: its mode is {mode:04o}");
    Ok((mode & 0o004 != 0).then(|| Finding::new("files", path, Verdict::Info, seen)))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::audit::needs::Needs;
    use crate::model::Value;
    use crate::step;
    use crate::testing::host;
    use serde_json::json;

    fn keys(env_file: Value) -> Value {
        let mut needs = Needs { source: "app".to_string(), ..Needs::default() };
        needs.read("DATABASE_URL", "a.js:1".to_string(), false);
        needs.read("SENTRY_DSN", "a.js:2".to_string(), false);
        json!({ "source": { "needs": needs }, "env_file": env_file, "example": ".env.example", "ignore": ["SENTRY_*"] })
    }

    fn told(files: &[(&str, &str)], env_file: Value) -> String {
        let plan = step::parse("env_audit", &keys(env_file)).unwrap().plan(&host(files)).unwrap();
        assert!(plan.is_empty());
        plan.findings
            .iter()
            .map(|finding| format!("{finding} {}\n", finding.hint.as_deref().unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_file_is_compared_and_never_shown() {
        assert_eq!(
            told(&[("/e", "DATABASE_URL=canary")], json!("/e")),
            "info    files /e: everyone on the host may read it: its mode is 0644 \n\
             pass    environment DATABASE_URL: set in /e:1 \n\
             info    environment app: 1 of 1 variables that 0 files name are set \n"
        );
    }

    #[test]
    fn a_later_file_overrules_and_a_missing_one_is_told() {
        let files = [("/e", "DATABASE_URL=your-url-here"), ("/f", "DATABASE_URL=real")];
        assert!(told(&files, json!(["/e", "/f"])).contains("set in /f:1"));
        assert!(told(&files, json!(["/f", "/e"])).contains("a placeholder in /e:1: it begins with your-"));
        let told = told(&[], json!("/e"));
        assert!(told.starts_with("fail    files /e: there is no such file begin with a copy of .env.example\nfail    environment DATABASE_URL: not set"), "{told}");
    }

    #[test]
    fn at_least_one_file_is_named() {
        let refused = step::parse("env_audit", &keys(json!([]))).err().unwrap();
        assert_eq!(refused.to_string(), "read env_audit.env_file: name at least one file");
    }
}
