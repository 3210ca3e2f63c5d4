//! Packages of the host's distribution.

mod apt;

use crate::model::duration::TimeSpan;
use crate::model::op::{Answer, Op, Plan, Prediction, Run};
use crate::model::{Failure, Result, Value, Values};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use apt::{Installed, Simulated};
use serde::Deserialize;

/// Installs or removes packages with apt (Debian, Ubuntu and their kin; other package managers are refused). Nothing
/// is asked, edited configuration files are kept, and another apt that is at work is waited for. `register` gets
/// `packages`, the installed versions by name.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// One package, as `name` or, where it must be a certain version, `name=version`; the version may end in `*`.
    name: Option<String>,
    /// Several packages, installed together.
    #[serde(default)]
    names: Vec<String>,
    /// `present` when not given; `latest` upgrades too; `absent` removes and leaves configuration files.
    #[serde(default)]
    state: State,
    /// Refresh the package lists before something is installed, when they are older than `cache_valid`.
    #[serde(default)]
    update: bool,
    /// How old package lists may be with `update`; an hour when not given.
    #[serde(default = "an_hour")]
    cache_valid: TimeSpan,
    /// Whether packages that the package recommends are installed too, as apt does by itself; true when not given.
    #[serde(default = "yes")]
    recommends: bool,
}

/// How packages should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// Installed, in any version or in the one that is named.
    #[default]
    Present,
    /// Installed in the newest version that the package lists know.
    Latest,
    /// Not installed.
    Absent,
}

impl Kind for Package {
    const NAME: &'static str = "package";
    const RESULT: &'static [&'static str] = &["packages"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx and what it is looked after with"
[steps.package]
names = ["nginx", "curl=7.88*"]     # a version may be asked for
state = "present"                   # or "latest", "absent"
update = true                       # package lists first, when they are older than
cache_valid = "1h"
recommends = false

[[steps]]
name = "no other web server"
[steps.package]
name = "apache2"
state = "absent"
"#;
}

impl Step for Package {
    fn check(&self) -> Result<(), WrongKey> {
        if self.name.is_some() != self.names.is_empty() {
            return Err(WrongKey::new("", "give exactly one of name and names"));
        }
        for (index, name) in self.names.iter().enumerate() {
            check_name(name).map_err(|why| WrongKey::new(&format!("names[{index}]"), why))?;
        }
        self.name.as_deref().map_or(Ok(()), check_name).map_err(|why| WrongKey::new("name", why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        apt::expect_apt(host)?;
        let names: Vec<&str> = self.wanted().map(bare_name).collect();
        let installed = apt::installed(host, &names)?;
        let result = registered(&installed);
        let plan = self.plan_from(host, &names, &installed)?;
        Ok(Plan { result, ..plan })
    }
}

impl Package {
    fn wanted(&self) -> impl Iterator<Item = &str> {
        self.name.iter().chain(&self.names).map(String::as_str)
    }

    fn plan_from(&self, host: &dyn Probe, names: &[&str], installed: &Installed) -> Result<Plan> {
        let concerned: Vec<&str> = match self.state {
            State::Present => self.wanted().filter(|wanted| !is_there(wanted, installed)).collect(),
            State::Latest => self.wanted().collect(),
            State::Absent => names.iter().copied().filter(|name| installed.contains_key(*name)).collect(),
        };
        if concerned.is_empty() {
            return Ok(Plan::nothing());
        }
        if let Some(update) = self.update_first(host)? {
            return Ok(Plan::of(with_repair(host, update)?));
        }
        let what = self.what(&concerned);
        let simulated = self.simulated(host, &what, &concerned, installed)?;
        if simulated.is_empty() {
            return Ok(Plan::nothing());
        }
        let (undo, leaves) = simulated.undo(host)?;
        let run = Run {
            undo,
            leaves,
            predicts: predictions(names, &simulated.after(names, installed), &what),
            ..apt::apt_get(&what)
        };
        Ok(Plan::of(with_repair(host, run)?))
    }

    fn update_first(&self, host: &dyn Probe) -> Result<Option<Run>> {
        if !self.update || self.state == State::Absent {
            return Ok(None);
        }
        let minutes = self.cache_valid.get().as_secs().div_ceil(60);
        let fresh = !host.ask(&apt::fresh_question(minutes))?.text().is_empty();
        Ok((!fresh).then(|| apt::update(minutes)))
    }

    /// apt's verb, names and options.
    fn what(&self, concerned: &[&str]) -> Vec<String> {
        let verb = if self.state == State::Absent { "remove" } else { "install" };
        let mut what: Vec<String> =
            [&[verb][..], concerned].concat().iter().map(|word| word.to_string()).collect();
        if self.state != State::Absent && !self.recommends {
            what.push("--no-install-recommends".to_string());
        }
        if concerned.iter().any(|name| name.contains('=')) {
            what.push("--allow-downgrades".to_string());
        }
        what
    }

    /// What apt would do. After changes that are only pretended (package lists that were not refreshed, a source that was
    /// not added) its word says nothing about them, so it is not held against the packages.
    fn simulated(
        &self,
        host: &dyn Probe,
        what: &[String],
        concerned: &[&str],
        installed: &Installed,
    ) -> Result<Simulated> {
        match apt::simulate(host, what).and_then(|simulated| self.expect_all(simulated, concerned, installed))
        {
            Err(_) if host.pretends() => Ok(self.assumed(concerned, installed)),
            other => other,
        }
    }

    /// apt takes a name that is no package for a pattern or for something that others provide: such a step would never
    /// settle.
    fn expect_all(
        &self,
        simulated: Simulated,
        concerned: &[&str],
        installed: &Installed,
    ) -> Result<Simulated> {
        let after =
            simulated.after(&concerned.iter().map(|name| bare_name(name)).collect::<Vec<_>>(), installed);
        let lacks = |wanted: &&&str| self.state != State::Absent && !after.contains_key(bare_name(wanted));
        match concerned.iter().find(lacks) {
            None => Ok(simulated),
            Some(wanted) => {
                let others: Vec<&str> = simulated.installs.iter().map(|(name, ..)| name.as_str()).collect();
                let why = format!("it is no package by itself; apt would install {}", others.join(", "));
                Err(Failure::new(format!("install {wanted}"), why).hint("name the package that is meant"))
            }
        }
    }

    fn assumed(&self, concerned: &[&str], installed: &Installed) -> Simulated {
        let mut simulated = Simulated::default();
        for (name, version) in concerned.iter().map(|wanted| (bare_name(wanted), version_of(wanted))) {
            match (self.state, installed.get(name)) {
                (State::Absent, Some(there)) => simulated.removes.push((name.to_string(), there.clone())),
                (State::Absent, None) => {}
                (_, there) => {
                    let version = version.unwrap_or("unknown").to_string();
                    simulated.installs.push((name.to_string(), there.cloned(), version));
                }
            }
        }
        simulated
    }
}

/// Letters, digits and `+ - . :`, as Debian's policy has them, and a version: nothing that apt takes for an option or,
/// at a name's end, for an order to remove.
fn check_name(wanted: &str) -> Result<(), String> {
    let (name, version) =
        wanted.split_once('=').map_or((wanted, None), |(name, version)| (name, Some(version)));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good_name = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        && name.bytes().all(|byte| plain(byte) || b"+-.:".contains(&byte))
        && !name.ends_with('-');
    let good_version = version.is_none_or(|version| {
        let (stem, fits) = (version.strip_suffix('*').unwrap_or(version), |byte: u8| {
            byte.is_ascii_alphanumeric() || b"+-.:~".contains(&byte)
        });
        !version.is_empty() && stem.bytes().all(fits)
    });
    match good_name && good_version {
        true => Ok(()),
        false => Err(format!("{wanted:?} is not a package; write name or name=version")),
    }
}

fn bare_name(wanted: &str) -> &str {
    wanted.split('=').next().unwrap_or(wanted)
}

fn version_of(wanted: &str) -> Option<&str> {
    wanted.split_once('=').map(|(_, version)| version)
}

/// Whether a package is installed, in the version that was asked for.
fn is_there(wanted: &str, installed: &Installed) -> bool {
    let fits = |there: &String| match version_of(wanted).map(|version| (version, version.strip_suffix('*'))) {
        None => true,
        Some((_, Some(stem))) => there.starts_with(stem),
        Some((version, None)) => there == version,
    };
    installed.get(bare_name(wanted)).is_some_and(fits)
}

/// Afterwards the packages are as simulated, and apt would do nothing more.
fn predictions(names: &[&str], after: &Installed, what: &[String]) -> Vec<Prediction> {
    let nothing_more = Prediction { argv: apt::simulation(what).argv, answer: Answer::default() };
    vec![apt::installed_prediction(names, after), nothing_more]
}

fn with_repair(host: &dyn Probe, run: Run) -> Result<Vec<Op>> {
    Ok(apt::repair(host)?.into_iter().chain([run]).map(Op::from).collect())
}

fn registered(installed: &Installed) -> Values {
    let versions: Values =
        installed.iter().map(|(name, version)| (name.clone(), Value::from(version.as_str()))).collect();
    Values::from_iter([("packages".to_string(), Value::Object(versions))])
}

fn an_hour() -> TimeSpan {
    TimeSpan::seconds(3600)
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests;
