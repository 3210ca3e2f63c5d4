//! A boot of the host, after which the run goes on there.

use crate::model::Result;
use crate::model::duration::TimeSpan;
use crate::model::op::{Command, Effect, Plan, Run, Undo};
use crate::model::path::HostPath;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use std::path::Path;

/// Where Debian and Ubuntu say that a boot is needed. It goes with the boot.
const REQUIRED: &str = "/run/reboot-required";

/// Which packages want it.
const PACKAGES: &str = "/run/reboot-required.pkgs";

/// Reboots the host where that is needed (`/run/reboot-required`), or in any case, waits until it is up again, logs in
/// again and continues with the steps after this one, in the same run. Registered results stay known. A host that
/// another run is changing is not rebooted.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// Reboots in any case, each time; false when not given.
    #[serde(default)]
    always: bool,
    /// How long it may take until windlass is logged in again; 10 minutes when not given.
    #[serde(default = "ten_minutes")]
    within: TimeSpan,
}

impl Kind for Reboot {
    const NAME: &'static str = "reboot";
    const STAYS: Option<&'static str> = Some("the other host would end this run there");
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the new kernel runs"
[steps.reboot]          # only where the host says that it is needed
within = "10m"

[[handlers]]
name = "boot"
[handlers.reboot]
always = true
"#;
}

impl Step for Reboot {
    fn check(&self) -> Result<(), WrongKey> {
        match self.within.get().is_zero() {
            true => Err(WrongKey::new("within", "give the host some time to boot")),
            false => Ok(()),
        }
    }

    fn boots(&self) -> bool {
        true
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let required = host.stat(Path::new(REQUIRED))?.is_some();
        if !required && !self.always {
            return Ok(Plan::nothing());
        }
        let program: &[&str] = match host.stat(Path::new("/run/systemd/system"))? {
            Some(_) => &["systemctl", "reboot"],
            None => &["reboot"],
        };
        let effects = vec![Effect::Removes { path: HostPath::from(REQUIRED) }];
        let run = Run { effects, undo: Undo::NotNeeded, ..Run::from(Command::new(program.iter().copied())) };
        let mut plan =
            Plan { once: self.always, boot: Some(self.within.get()), ..Plan::of(vec![run.into()]) };
        if let Some(packages) = host.read(Path::new(PACKAGES))?.filter(|_| required) {
            let mut names: Vec<String> =
                String::from_utf8_lossy(&packages).lines().map(str::to_string).collect();
            names.sort();
            names.dedup();
            plan.notes.push(format!("wanted by {}", names.join(", ")));
        }
        Ok(plan)
    }
}

fn ten_minutes() -> TimeSpan {
    TimeSpan::seconds(600)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, parse, planned};
    use std::time::Duration;

    #[test]
    fn boots_only_where_it_is_needed() {
        assert_eq!(planned(&host(&[]), "reboot", "").unwrap(), "");
        let needs =
            host(&[(super::REQUIRED, "*** System restart required ***\n"), (super::PACKAGES, "b\na\nb\n")]);
        assert_eq!(planned(&needs, "reboot", "").unwrap(), "run reboot\n");
        let plan = parse("reboot", "within = '5m'").unwrap().plan(&needs).unwrap();
        assert_eq!((plan.boot, plan.once), (Some(Duration::from_secs(300)), false));
        assert_eq!(plan.notes, ["wanted by a, b"]);
    }

    #[test]
    fn boots_each_time_when_told_to() {
        let host = host(&[("/run/systemd/system/unit", "")]);
        assert_eq!(apply(&host, "reboot", "always = true").unwrap(), "run systemctl reboot\n");
        assert!(parse("reboot", "within = 0").is_err());
    }
}
