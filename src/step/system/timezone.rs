//! The host's time zone.

use crate::model::op::{Content, Meta, Op, Plan};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;

/// Where the zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// What programs read.
const LOCAL: &str = "/etc/localtime";

/// What Debian has beside it.
const NAME_FILE: &str = "/etc/timezone";

/// Sets the time zone. Programs that run already keep the old one until they are restarted.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timezone {
    /// As below `/usr/share/zoneinfo`: `UTC`, `Europe/Berlin`.
    name: String,
}

impl Kind for Timezone {
    const NAME: &'static str = "timezone";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "clocks show UTC"
[steps.timezone]
name = "UTC"
"#;
}

impl Step for Timezone {
    fn check(&self) -> Result<(), WrongKey> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
        let part = |part: &str| !part.is_empty() && part.bytes().all(fits);
        match self.name.split('/').all(part) {
            true => Ok(()),
            false => Err(WrongKey::new("name", format!("{:?} is not the name of a time zone", self.name))),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        self.expect_zone(host)?;
        let mut ops = self.link(host)?;
        // Only Debian's family has this file; elsewhere it would only get out of date.
        let debian = host.stat(&HostPath::from("/etc/debian_version"))?.is_some();
        let named = wanted::text(host, &NAME_FILE.into())?;
        if (debian || named.is_some()) && named.as_deref().map(str::trim) != Some(&self.name) {
            let content = Content::Bytes(format!("{}\n", self.name).into_bytes());
            ops.extend(wanted::file(host, &NAME_FILE.into(), content, &Meta::default())?);
        }
        Ok(Plan::of(ops))
    }
}

impl Timezone {
    fn zone(&self) -> HostPath {
        HostPath::from(ZONES).join(&self.name)
    }

    /// After changes that are only pretended, the zones may still be to come, with a package.
    fn expect_zone(&self, host: &dyn Probe) -> Result<()> {
        let doing = format!("look for the time zone {}", self.name);
        let there = host.stat(&wanted::followed(host, &self.zone())?)?;
        match there.map(|stat| stat.kind) {
            Some(FileKind::File) => Ok(()),
            _ if host.stat(&HostPath::from(ZONES))?.is_none() => match host.pretends() {
                true => Ok(()),
                false => Err(Failure::new(doing, "the host has no time zones")
                    .hint("install the package tzdata first")),
            },
            _ => Err(Failure::new(doing, format!("{ZONES} has no such zone"))
                .hint("it is a place such as Europe/Berlin; `timedatectl list-timezones` lists them")),
        }
    }

    /// timedatectl makes the link relative; both say the same.
    fn link(&self, host: &dyn Probe) -> Result<Vec<Op>> {
        let there = host.stat(&HostPath::from(LOCAL))?;
        let target = there.and_then(|stat| stat.target).unwrap_or_default();
        let relative = format!("..{}", self.zone());
        if target == self.zone().as_path() || target == std::path::Path::new(&relative) {
            return Ok(Vec::new());
        }
        Ok(vec![Op::Link { path: LOCAL.into(), target: self.zone() }])
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::system::System;
    use crate::testing::{apply, host, parse, planned, pretend_a_change, text};
    use std::path::Path;

    const ZONE: (&str, &str) = ("/usr/share/zoneinfo/Europe/Berlin", "TZif");

    #[test]
    fn sets_link_and_name() {
        let host = host(&[ZONE, ("/etc/timezone", "Etc/UTC\n")]);
        let told = apply(&host, "timezone", "name = 'Europe/Berlin'").unwrap();
        assert_eq!(told, "link /etc/localtime to /usr/share/zoneinfo/Europe/Berlin\nwrite /etc/timezone\n");
        assert_eq!(text(&host, "/etc/timezone"), "Europe/Berlin\n");
    }

    #[test]
    fn a_relative_link_says_the_same() {
        let host = host(&[ZONE, ("/etc/x", "")]);
        host.link(Path::new("/etc/localtime"), Path::new("../usr/share/zoneinfo/Europe/Berlin")).unwrap();
        assert_eq!(apply(&host, "timezone", "name = 'Europe/Berlin'").unwrap(), "");
    }

    #[test]
    fn a_zone_must_exist() {
        let failed = |files: &[(&str, &str)], name: &str| {
            apply(&host(files), "timezone", &format!("name = '{name}'")).unwrap_err().to_string()
        };
        assert_eq!(
            failed(&[ZONE], "Europe/Berlln"),
            "look for the time zone Europe/Berlln: /usr/share/zoneinfo has no such zone\n  hint: it is a place such as \
             Europe/Berlin; `timedatectl list-timezones` lists them"
        );
        assert_eq!(
            failed(&[], "UTC"),
            "look for the time zone UTC: the host has no time zones\n  hint: install the package tzdata first"
        );
        let later = host(&[("/etc/x", "")]);
        pretend_a_change(&later);
        assert_eq!(
            planned(&later, "timezone", "name = 'UTC'").unwrap(),
            "link /etc/localtime to /usr/share/zoneinfo/UTC\n"
        );
        assert!(parse("timezone", "name = '../passwd'").is_err());
    }
}
