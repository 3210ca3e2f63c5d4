//! A new release of an application beside the old one, checked before it serves, and gone back from when it does not.

mod restart;
mod scripts;
mod shared;
mod shelf;
mod stage;
mod switch;
#[cfg(all(test, feature = "controller"))]
mod tests;

use crate::model::duration::TimeSpan;
use crate::model::op::{Answer, Op, Plan, Run};
use crate::model::path::HostPath;
use crate::model::tree::pattern::Pattern;
use crate::model::tree::{Named, Tree};
use crate::model::words::Words;
use crate::model::{Failure, Result};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use crate::tree::overlay::{Laid, Wish, lay};
use restart::Restart;
use serde::{Deserialize, Deserializer};
use shared::Shared;
use shelf::{Shelf, State, called, number};
use std::path::Component;
use std::sync::Arc;

/// Of what a check says, so many lines are reported.
const LINES_TOLD: usize = 10;

/// Brings a new release of an application into service, or goes back to an earlier one: exactly one of `source` and
/// `to`. What serves is copied beside itself, the source is copied over that copy, and the checks run in it; then `dest` leads to
/// the new release from one moment to the next, what serves is restarted, and must answer. When it does not, `dest` leads
/// back, what serves is restarted once more, and the release is known to be bad. Nothing is done when `dest` already
/// holds the source.
///
/// The releases are in `DEST.releases`, and `dest` becomes a link to one of them. What the app writes into its tree is
/// lost to later releases unless it is `shared`: files that it writes while a release is put together are copied again,
/// those that it writes between that and its restart are not.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// A directory or a tar archive (plain, .gz, .zst): below `files/`, else in the project, else `/…` or `~/…`.
    source: Option<Named>,
    /// An earlier release to go back to: its number, or `previous`, the newest good one before what serves. A release that
    /// is known to be bad is refused.
    #[serde(default, deserialize_with = "text_given")]
    to: Option<String>,
    /// Where the application is on the host.
    dest: HostPath,
    /// What is left out of the source and left alone there, as in `.gitignore`.
    #[serde(default)]
    exclude: Vec<Pattern>,
    /// What the app itself writes, as paths in the tree: moved once to `DEST.shared`, and a link in each release. With a
    /// `/` at its end it is a directory, and made when it is missing.
    #[serde(default)]
    shared: Vec<Shared>,
    /// Commands, each a list or a line, that must exit 0 in the new release before it serves. They may build something.
    #[serde(default)]
    check: Vec<Words>,
    /// Who runs the checks, and whose pm2 it is; who runs windlass there when not given.
    #[serde(default, deserialize_with = "text_given")]
    user: Option<String>,
    /// What serves: a systemd unit, `reload:UNIT`, `compose:SERVICE` or `pm2:APP`; nothing is reloaded when not given.
    #[serde(default, deserialize_with = "restart::given")]
    #[cfg_attr(feature = "controller", schemars(with = "Option<String>"))]
    restart: Option<Restart>,
    /// A URL, as the host sees it, that must answer with status 200 or 204 once the release serves.
    #[serde(default, deserialize_with = "text_given")]
    health: Option<String>,
    /// How long to wait for that answer; 30 seconds when not given.
    #[serde(default = "half_a_minute")]
    within: TimeSpan,
    /// How many good releases stay, what serves among them; 5 when not given, and never less than 2.
    #[serde(default = "five")]
    keep: u32,
}

impl Kind for Release {
    const NAME: &'static str = "release";
    const RESULT: &'static [&'static str] = &["release"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Tree)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the app's new release serves"
[steps.release]
source = "app"                          # files/app, or an archive: app.tar.gz
dest = "/srv/app"
exclude = [".git", "*.test.js"]
shared = ["uploads/", ".env"]           # what the app writes, and every release uses
check = ["node --check src/index.js", ["npm", "run", "build"]]
user = "deploy"
restart = "pm2:app"                     # or a systemd unit, "reload:UNIT", "compose:SERVICE"
health = "http://127.0.0.1:3000/health"
within = "30s"
keep = 5

[[steps]]
name = "back to the release before"
[steps.release]
to = "previous"                         # or its number
dest = "/srv/app"
restart = "pm2:app"
user = "deploy"
"#;
}

impl Step for Release {
    fn check(&self) -> Result<(), WrongKey> {
        if self.source.is_some() == self.to.is_some() {
            return Err(WrongKey::new("", "give exactly one of source and to"));
        }
        check_dest(&self.dest).map_err(|why| WrongKey::new("dest", why))?;
        match &self.health {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                return Err(WrongKey::new(
                    "health",
                    format!("{url:?} does not begin with http:// or https://"),
                ));
            }
            _ => {}
        }
        match self.to.as_deref() {
            Some(to) if to != "previous" && number(&format!("{to:0>4}")).is_none() => {
                Err(WrongKey::new("to", format!("{to:?} is neither `previous` nor a release's number")))
            }
            _ => shared::check(&self.shared),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let shelf = Shelf::look(host, &self.dest)?;
        match &self.to {
            Some(to) => self.go_back(host, &shelf, to),
            None => self.deploy(host, &shelf),
        }
    }

    /// A check says first what is wrong, and last which version of the program says so.
    fn explain(&self, run: &Run, answer: &Answer) -> Option<Failure> {
        let folder = format!("{}.releases", self.dest);
        run.command.directory.as_ref().filter(|directory| directory.starts_with(folder))?;
        let said = [&answer.stderr[..], &answer.stdout[..]].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<String> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(LINES_TOLD)
            .map(|line| format!("\n    {line}"))
            .collect();
        let why = format!("exit status {}{}", answer.status, lines.concat());
        Some(Failure::new(format!("check the new release with {}", run.command.shown()), why))
    }

    fn after_failure(&self, host: &dyn Probe, failure: &Failure) -> Result<Plan> {
        self.condemn(host, &Shelf::look(host, &self.dest)?, failure)
    }
}

impl Release {
    /// The next stage, from what is there.
    fn deploy(&self, host: &dyn Probe, shelf: &Shelf) -> Result<Plan> {
        if let Some(number) = shelf.unproven() {
            return self.finish(host, shelf, number);
        }
        if let Some(settled) = self.settled(host, shelf)? {
            return Ok(settled);
        }
        let source = &self.named()?.tree;
        let before = shelf.live.as_ref().map(|live| &live.tree);
        let fits = |number: &u32| {
            let record = shelf.record(*number);
            record.is_some_and(|record| {
                record.source.as_ref() == Some(source) && record.before.as_ref() == before
            }) && shelf.releases[number].has_tree
        };
        let stage =
            shelf.leftovers().into_iter().find(fits).and_then(|number| Some((number, shelf.record(number)?)));
        match stage {
            None => self.begin(host, shelf, source, shelf.next()),
            Some((number, record)) if record.state == State::Staging => {
                self.fill(host, shelf, number, record)
            }
            Some((number, record)) => match self.catch_up(host, shelf, number, record)? {
                Some(plan) => Ok(plan),
                None => self.switch(host, shelf, number, record),
            },
        }
    }

    /// What is left to do when what serves holds the source already; `None` when it does not.
    fn settled(&self, host: &dyn Probe, shelf: &Shelf) -> Result<Option<Plan>> {
        let Some(live) = &shelf.live else { return Ok(None) };
        let laid = self.lay(host, &live.tree)?;
        let changes = |op: &Op| op.path().is_some_and(|path| path.starts_with(&live.tree));
        if laid.plan.ops.iter().any(changes) {
            return Ok(None);
        }
        let mut plan = Plan { ops: laid.plan.ops, ..Plan::nothing() };
        if shelf.live_number().is_some() {
            plan.ops.extend(shared::ops(host, shelf, &live.tree, &self.shared)?);
            plan.ops.extend(self.clear(host, shelf)?);
        }
        plan.result.insert("release".to_string(), shelf.live_number().map(called).into());
        Ok(Some(plan))
    }

    fn lay(&self, host: &dyn Probe, dest: &HostPath) -> Result<Laid> {
        let source = self.named()?;
        let mut exclude = self.exclude.clone();
        exclude.extend(shared::patterns(&self.shared)?);
        lay(
            host,
            &Wish {
                source,
                layer: "release",
                dest,
                exclude: &exclude,
                file_mode: None,
                dir_mode: None,
                owner: None,
                group: None,
                edited: None,
            },
        )
    }

    fn named(&self) -> Result<&Named> {
        self.source
            .as_ref()
            .ok_or_else(|| Failure::new(format!("release {}", self.dest), "no source is given"))
    }

    fn source_tree(&self, host: &dyn Probe) -> Result<Arc<Tree>> {
        let named = self.named()?;
        let tree = host.brought().and_then(|brought| brought.trees.get(&named.tree).cloned());
        tree.ok_or_else(|| Failure::new(format!("read {}", named.source), "its job did not bring it"))
    }

    fn go_back(&self, host: &dyn Probe, shelf: &Shelf, to: &str) -> Result<Plan> {
        let going = format!("go back to release {to} of {}", self.dest);
        let live = shelf.live_number();
        let number = match to {
            "previous" => previous(shelf, live),
            name => number(&format!("{name:0>4}")).filter(|number| shelf.releases.contains_key(number)),
        };
        let Some(number) = number else {
            return Err(Failure::new(going, "there is no such release").hint(known(shelf)));
        };
        match shelf.record(number) {
            _ if live == Some(number) => Ok(Plan::nothing()),
            Some(record) if record.state == State::Good => self.return_to(host, shelf, number),
            Some(record) if record.state == State::Bad => {
                let why = record.why.as_deref().unwrap_or("it did not answer");
                Err(Failure::new(going, format!("it is known to be bad: {why}")).hint(known(shelf)))
            }
            _ => Err(Failure::new(going, "it has never served").hint(known(shelf))),
        }
    }
}

/// The newest good release before what serves.
fn previous(shelf: &Shelf, live: Option<u32>) -> Option<u32> {
    let mut before = shelf.releases.keys().rev().copied().filter(|number| Some(*number) < live);
    before.find(|number| shelf.state(*number) == Some(State::Good))
}

/// The releases that one can go back to, as a hint.
fn known(shelf: &Shelf) -> String {
    let live = shelf.live_number();
    let good = shelf
        .releases
        .keys()
        .filter(|number| shelf.state(**number) == Some(State::Good) && live != Some(**number));
    match good.map(|number| called(*number)).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "there is none to go back to".to_string(),
        good => format!("good ones are {good}"),
    }
}

/// The release that is at `tree`.
fn number_of(shelf: &Shelf, tree: &HostPath) -> Option<u32> {
    shelf.releases.keys().copied().find(|number| shelf.tree(*number) == *tree)
}

/// The directory becomes a link, so it must be one that may go, and be called the same by everybody.
fn check_dest(dest: &HostPath) -> Result<(), String> {
    let parts: Vec<Component<'_>> = dest.components().collect();
    let plain = parts.iter().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let text = dest.display().to_string();
    if !dest.is_absolute() || !plain || text.ends_with('/') || text.contains("//") || text.contains("/./") {
        return Err(format!("{text:?}: write the whole path, without . and .. and without a / at its end"));
    }
    match parts.len() {
        0..=2 => Err(format!("{text} is part of every host; an application is deeper, as /srv/app")),
        _ => Ok(()),
    }
}

/// Nothing is as good as no key: a playbook hands on what it was given.
fn text_given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

fn half_a_minute() -> TimeSpan {
    TimeSpan::seconds(30)
}

fn five() -> u32 {
    5
}
