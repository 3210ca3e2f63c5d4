//! A copy of a host's file on the controller.

use crate::model::digest::Digest;
use crate::model::op::{Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Values};
use crate::step::{Fetches, Kind, Step, WrongKey};
use crate::system::{FileKind, Probe, Stat};
use crate::wanted;
use serde::Deserialize;
use std::path::Component;

/// A larger file than this is rather a backup, 1 GiB; `max` raises it.
const DEFAULT_MAX: u64 = 1 << 30;

/// Copies a file from the host to the controller, below `fetched/HOST/` of the project.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The file on the host.
    path: HostPath,
    /// Where it is kept below `fetched/HOST/`; by default as on the host, `fetched/web1/etc/motd`.
    to: Option<RelativePath>,
    /// A missing file is fine.
    #[serde(default)]
    missing_ok: bool,
    /// The most bytes that are copied; a larger file fails. 1 GiB by default.
    #[serde(default = "default_max")]
    max: u64,
    /// The digest of what the controller has there from an earlier run. Filled in by the controller, never by people.
    #[serde(default)]
    #[cfg_attr(feature = "controller", schemars(skip))]
    have: Option<Digest>,
}

impl Kind for Fetch {
    const NAME: &'static str = "fetch";
    const STAYS: Option<&'static str> =
        Some("each host has a directory of its own for the files that are fetched from it");
    const RESULT: &'static [&'static str] = &["path", "to", "size"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "keep the certificate's public part"
[steps.fetch]
path = "/etc/ssl/certs/site.pem"
to = "certificates/site.pem"            # fetched/HOST/certificates/site.pem
missing_ok = true
max = 1048576
"#;
}

fn default_max() -> u64 {
    DEFAULT_MAX
}

impl Step for Fetch {
    fn check(&self) -> Result<(), WrongKey> {
        self.kept_as().map(drop).map_err(|failure| WrongKey::new("path", failure.why))
    }

    fn fetches(&self) -> Option<Fetches> {
        Some(Fetches { kept_as: self.kept_as().ok()?, have: "have" })
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let to = self.kept_as()?;
        let path = wanted::followed(host, &self.path)?;
        let Some(stat) = host.stat(&path)? else {
            return self.missing();
        };
        self.refuse_unfit(&stat)?;
        let same = self.have.is_some() && host.digest(&path)? == self.have;
        let ops = if same { Vec::new() } else { vec![Op::Fetch { path, to: to.clone(), size: stat.size }] };
        Ok(Plan { once: true, result: self.told(&to, stat.size), ..Plan::of(ops) })
    }
}

impl Fetch {
    /// Where the file is kept below `fetched/HOST/`: `to`, else `path` without its first `/`.
    fn kept_as(&self) -> Result<String> {
        let kept = self.to.clone().map_or_else(|| RelativePath::of_path(&self.path), Ok);
        kept.map(|kept| kept.0)
            .map_err(|why| Failure::new(format!("fetch {}", self.path), why).hint("give it a name with to"))
    }

    fn missing(&self) -> Result<Plan> {
        if self.missing_ok {
            return Ok(Plan { notes: vec![format!("there is no {}", self.path)], ..Plan::nothing() });
        }
        Err(Failure::new(format!("fetch {}", self.path), "there is no such file")
            .hint("give missing_ok = true if that is fine"))
    }

    fn refuse_unfit(&self, stat: &Stat) -> Result<()> {
        let failure = |why: String| Failure::new(format!("fetch {}", self.path), why);
        match stat.kind {
            FileKind::File if stat.size > self.max => {
                let why = format!("it has {} bytes, more than max = {}", stat.size, self.max);
                Err(failure(why).hint("raise max if it is meant"))
            }
            FileKind::File => Ok(()),
            other => Err(failure(format!("it is a {}, not a file", other.as_str()))),
        }
    }

    fn told(&self, to: &str, size: u64) -> Values {
        [("path", self.path.to_string().into()), ("to", to.into()), ("size", size.into())]
            .map(|(name, value)| (name.to_string(), value))
            .into_iter()
            .collect()
    }
}

/// A relative path with `/` between its parts that cannot lead out of the directory it is in.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(try_from = "String")]
struct RelativePath(String);

impl RelativePath {
    /// The host's path without its first `/`.
    fn of_path(path: &HostPath) -> Result<Self, String> {
        let parts = path.components().filter(|part| *part != Component::RootDir);
        let parts = parts.map(|part| part.as_os_str().to_str().ok_or("its name is not UTF-8".to_string()));
        RelativePath::try_from(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
    }
}

impl TryFrom<String> for RelativePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        match text.split('/').all(fits) {
            true => Ok(RelativePath(text)),
            false => Err(format!("{text:?} is no relative path, or has an empty part, . or .. in it")),
        }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::digest::Digest;
    use crate::model::op::Op;
    use crate::system::System;
    use crate::testing::{host, parse};
    use expect_test::expect;
    use std::path::Path;

    /// What is fetched from a host with one file, as `FROM to TO` lines, or why nothing is.
    fn fetch(keys: &str) -> String {
        let host = host(&[("/etc/motd", "hi"), ("/etc/ssl/ü", "")]);
        host.link(Path::new("/etc/link"), Path::new("motd")).unwrap();
        let plan = match parse("fetch", keys).and_then(|step| step.plan(&host)) {
            Ok(plan) => plan,
            Err(failure) => return failure.to_string(),
        };
        assert!(plan.once || plan.is_empty());
        let told = plan.ops.iter().map(|op| match op {
            Op::Fetch { path, to, .. } => format!("{path} to {to}"),
            other => panic!("{other:?}"),
        });
        told.chain(plan.notes.clone()).collect()
    }

    #[test]
    fn keeps_a_file_under_its_own_name_or_another() {
        assert_eq!(fetch("path = '/etc/motd'"), "/etc/motd to etc/motd");
        assert_eq!(fetch("path = '/etc/ssl/ü'"), "/etc/ssl/ü to etc/ssl/ü");
        assert_eq!(fetch("path = '/etc/motd'\nto = 'a/b'"), "/etc/motd to a/b");
        assert_eq!(fetch("path = '/etc/link'"), "/etc/motd to etc/link");
    }

    #[test]
    fn leaves_what_the_controller_has() {
        let have = |text: &str| format!("path = '/etc/motd'\nhave = '{}'", Digest::of(text.as_bytes()));
        assert_eq!(fetch(&have("hi")), "");
        assert_eq!(fetch(&have("older")), "/etc/motd to etc/motd");
    }

    #[test]
    fn says_why_not() {
        let told = [
            "path = '/etc/nothing'",
            "path = '/etc/nothing'\nmissing_ok = true",
            "path = '/etc/ssl'",
            "path = '/etc/motd'\nmax = 1",
            "path = 'etc/motd'",
            "path = '/etc/ssl/../motd'",
            "path = '/'",
            "path = '/etc/motd'\nto = '../../.ssh/authorized_keys'",
            "path = '/etc/motd'\nto = '/root/x'",
            "path = '/etc/motd'\nto = ''",
            "path = '/etc/motd'\nto = 'a\\b'",
        ]
        .map(fetch)
        .join("\n");
        expect![[r#"
            fetch /etc/nothing: there is no such file
              hint: give missing_ok = true if that is fine
            there is no /etc/nothing
            fetch /etc/ssl: it is a directory, not a file
            fetch /etc/motd: it has 2 bytes, more than max = 1
              hint: raise max if it is meant
            look at etc/motd: a path on a host must begin with /
            read fetch.path: "etc/ssl/../motd" is no relative path, or has an empty part, . or .. in it
            read fetch.path: "" is no relative path, or has an empty part, . or .. in it
            read fetch.to: "../../.ssh/authorized_keys" is no relative path, or has an empty part, . or .. in it
            read fetch.to: "/root/x" is no relative path, or has an empty part, . or .. in it
            read fetch.to: "" is no relative path, or has an empty part, . or .. in it
            read fetch.to: "a\\b" is no relative path, or has an empty part, . or .. in it"#]]
        .assert_eq(&told);
    }
}
