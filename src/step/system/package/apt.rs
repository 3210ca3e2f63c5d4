//! apt and dpkg as questions and commands, and what their answers mean.

use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Advice, Answer, Command, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::collections::BTreeMap;
use std::path::Path;

/// How long to wait for another apt or dpkg, in seconds: a daily upgrade takes minutes, rarely more.
const LOCK_SECONDS: &str = "600";

/// Touched when the package lists were refreshed. Ubuntu's apt has always touched it; on Debian this step does.
const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";

/// Touched by Debian's own daily refresh.
const DAILY_STAMP: &str = "/var/lib/apt/periodic/update-stamp";

/// dpkg notes here what it is in the middle of; nothing is here when it is at rest.
const JOURNAL: &str = "/var/lib/dpkg/updates";

/// What dpkg-query prints for each package.
const ROW: &str = "${Package} ${Architecture} ${Version} ${db:Status-Status}\n";

/// Nothing asks, configuration files that were edited are kept, and no service restarts behind the playbook's back.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("UCF_FORCE_CONFFOLD", "1"),
];

/// What to try, by what apt says.
const HINTS: &[(&str, &str)] = &[
    ("are you root?", BECOME_ROOT),
    ("Permission denied", BECOME_ROOT),
    ("Unable to locate package", "check the name, or refresh the package lists with update = true"),
    ("has no installation candidate", "it is no package by itself: name one that provides it"),
    ("' was not found", "`apt-cache madison NAME` on the host lists the versions there are"),
    ("404  Not Found", "the package lists are old: refresh them with update = true"),
    ("Could not get lock", "another apt or dpkg was busy all the time; its output names the process"),
    ("No space left on device", "free space on /, for example with `apt-get clean`"),
];

/// Installed packages and their versions, by the names they were asked for.
pub type Installed = BTreeMap<String, String>;

/// What apt would do, as it says when asked to simulate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulated {
    /// Name, version now (when it is installed), version then.
    pub installs: Vec<(String, Option<String>, String)>,
    /// Name and version.
    pub removes: Vec<(String, String)>,
}

/// Fails where there is no apt.
pub fn expect_apt(host: &dyn Probe) -> Result<()> {
    let places = ["/usr/bin/apt-get", "/bin/apt-get"];
    for place in places {
        if host.stat(Path::new(place))?.is_some() {
            return Ok(());
        }
    }
    Err(Failure::new("look for apt-get", "the host has none; packages are installed only with apt so far")
        .hint("run the host's own package manager with a step of kind command"))
}

/// The question which of these packages are installed.
pub fn installed_question(names: &[&str]) -> Command {
    Command::new(["dpkg-query", "--show", "--showformat", ROW].iter().chain(names).copied())
}

/// Which of these packages are installed.
pub fn installed(host: &dyn Probe, names: &[&str]) -> Result<Installed> {
    let question = installed_question(names);
    let answer = host.ask(&question)?;
    // 1: at least one is not known, which is an answer.
    if !matches!(answer.status, 0 | 1) {
        return Err(refused(&question, &answer));
    }
    let rows = answer.text();
    let version = |name: &str| rows.lines().find_map(|row| version_in(row, name));
    Ok(names.iter().filter_map(|name| Some((name.to_string(), version(name)?))).collect())
}

fn version_in(row: &str, name: &str) -> Option<String> {
    let [package, architecture, version, status] = row.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let (wanted, qualifier) = name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch)));
    let same = package == wanted && qualifier.is_none_or(|qualifier| qualifier == architecture);
    (same && status == "installed").then(|| version.to_string())
}

/// What the question which packages are installed will be answered.
pub fn installed_prediction(names: &[&str], installed: &Installed) -> Prediction {
    let row = |(name, version): (&String, &String)| {
        let (package, architecture) = name.split_once(':').unwrap_or((name, "all"));
        format!("{package} {architecture} {version} installed\n")
    };
    let rows: String = installed.iter().map(row).collect();
    Prediction { argv: installed_question(names).argv, answer: Answer::said(0, rows) }
}

/// The question whether the package lists were refreshed in the last so many minutes: it answers with a name or nothing.
pub fn fresh_question(minutes: u64) -> Command {
    Command::new(["find", STAMP, DAILY_STAMP, "-maxdepth", "0", "-mmin", &format!("-{minutes}")])
}

/// The command that refreshes the package lists.
pub fn update(minutes: u64) -> Run {
    let mut run = Run { undo: Undo::NotNeeded, ..patient(&["apt-get", "update", "-q"]) };
    run.command.environment.insert("STAMP".to_string(), STAMP.to_string());
    let answer = Answer::said(0, format!("{STAMP}\n"));
    run.predicts.push(Prediction { argv: fresh_question(minutes).argv, answer });
    run
}

/// The command that finishes what an interrupted dpkg began, when there is such a thing.
pub fn repair(host: &dyn Probe) -> Result<Option<Run>> {
    let journal = HostPath::from(JOURNAL);
    let interrupted = host.stat(&journal)?.is_some() && !host.list(&journal)?.is_empty();
    let configure = ["dpkg", "--configure", "--pending", "--force-confdef", "--force-confold"];
    Ok(interrupted.then(|| Run { undo: Undo::NotNeeded, ..patient(&configure) }))
}

/// A command that waits for the lock in a script, because it does not do so by itself.
fn patient(words: &[&str]) -> Run {
    let argv = ["/bin/sh", "-s", "--", LOCK_SECONDS].iter().chain(words).copied();
    let stdin = include_bytes!("patient.sh").to_vec();
    run(Command { stdin, ..Command::new(argv) })
}

/// The command that installs or removes, and its simulation. `what` is apt's verb with names and options.
pub fn apt_get(what: &[String]) -> Run {
    let lock = format!("DPkg::Lock::Timeout={LOCK_SECONDS}");
    let options = ["-y", "-q", "-o", lock.as_str(), "-o", "Dpkg::Options::=--force-confdef", "-o"];
    let options = options.into_iter().chain(["Dpkg::Options::=--force-confold"]);
    run(Command::new(["apt-get"].into_iter().chain(what.iter().map(String::as_str)).chain(options)))
}

/// The question what that command would do.
pub fn simulation(what: &[String]) -> Command {
    Command::new(["apt-get", "--simulate"].into_iter().chain(what.iter().map(String::as_str)))
}

/// Asks apt what it would do. What it cannot do is a failure with what to try.
pub fn simulate(host: &dyn Probe, what: &[String]) -> Result<Simulated> {
    let question = simulation(what);
    let answer = host.ask(&question)?;
    if !answer.ok() {
        let failure = refused(&question, &answer);
        let said = String::from_utf8_lossy(&answer.stderr).into_owned() + &answer.text();
        let hint = HINTS.iter().find(|(text, _)| said.contains(text));
        return Err(match hint {
            Some((_, hint)) => failure.hint(hint),
            None => failure,
        });
    }
    Ok(Simulated::read(&answer.text()))
}

impl Simulated {
    /// From lines such as `Inst curl [7.88.1-10] (7.88.1-12 Debian:12.8/stable [amd64])` and `Remv curl [7.88.1-10]`.
    pub fn read(text: &str) -> Self {
        let mut simulated = Simulated::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["Inst", name, old, new, ..] if old.starts_with('[') => {
                    simulated.installs.push((name.to_string(), Some(bare(old)), bare(new)));
                }
                ["Inst", name, new, ..] => simulated.installs.push((name.to_string(), None, bare(new))),
                ["Remv", name, version, ..] => simulated.removes.push((name.to_string(), bare(version))),
                _ => {}
            }
        }
        simulated
    }

    /// Whether apt would do nothing.
    pub fn is_empty(&self) -> bool {
        self.installs.is_empty() && self.removes.is_empty()
    }

    /// What of these packages is installed afterwards.
    pub fn after(&self, names: &[&str], before: &Installed) -> Installed {
        let mut after = before.clone();
        after.retain(|name, _| !self.removes.iter().any(|(removed, _)| removed == name));
        for (name, _, version) in self.installs.iter().filter(|(name, ..)| names.contains(&name.as_str())) {
            after.insert(name.clone(), version.clone());
        }
        after
    }

    /// How it is undone, and what is not as before even then: versions that no package source has any more.
    pub fn undo(&self, host: &dyn Probe) -> Result<(Undo, Option<String>)> {
        let before = Before::of(host, self)?;
        let command = self.undo_command(&before);
        let replaced: Vec<String> =
            self.replaced().map(|(name, version)| format!("{name}={version}")).collect();
        let undo = match replaced.is_empty() {
            true => Undo::Command(command),
            false => Undo::Asked { command, question: lost_question(&replaced) },
        };
        Ok((undo, before.lost(self)))
    }

    /// The packages that are there before and not afterwards in this version: names and versions.
    fn replaced(&self) -> impl Iterator<Item = (&str, &str)> {
        let upgraded = self.installs.iter().filter_map(|(name, old, _)| Some((&**name, &**old.as_ref()?)));
        upgraded.chain(self.removes.iter().map(|(name, version)| (&**name, &**version)))
    }

    fn undo_command(&self, before: &Before) -> Command {
        let back = |name: &str, version: &str| format!("{name}={version}");
        let installs = self.installs.iter().map(|(name, old, _)| match old {
            None if before.is_new(name) => format!("{name}_"),
            None => format!("{name}-"),
            Some(version) => back(name, version),
        });
        let removes = self.removes.iter().map(|(name, version)| back(name, version));
        let words: Vec<String> = installs.chain(removes).collect();
        let shown: Vec<String> = words.iter().map(|word| word.replace('_', "-")).collect();
        let auto = before.auto.iter().map(|name| format!("+{name}"));
        let argv = ["/bin/sh", "-s", "--", LOCK_SECONDS].map(str::to_string);
        let accounts = before.accounts.iter().map(|name| format!("@{name}"));
        let argv = argv.into_iter().chain(words.iter().cloned()).chain(auto).chain(accounts);
        let title = Some(format!("apt-get install {} --allow-downgrades", shown.join(" ")));
        let stdin = concat!(include_str!("versions.sh"), include_str!("undo.sh")).into();
        run(Command { stdin, title, ..Command::new(argv) }).command
    }
}

/// The question which of these, each `NAME=VERSION`, can no longer be installed.
fn lost_question(words: &[String]) -> Command {
    let argv = ["/bin/sh", "-s", "--"].map(str::to_string).into_iter().chain(words.iter().cloned());
    let title = Some(format!("apt-cache madison {}", words.join(" ")));
    let stdin = concat!(include_str!("versions.sh"), include_str!("lost.sh")).into();
    Command { stdin, title, ..Command::new(argv) }
}

/// What dpkg and apt knew of packages before a change.
#[derive(Default)]
struct Before {
    /// Whether they were asked.
    known: bool,
    /// Not installed, but with configuration files.
    configured: Vec<String>,
    /// Installed as dependencies of others.
    auto: Vec<String>,
    /// Users and groups of the host.
    accounts: Vec<String>,
    /// Names and versions that a package source has, of packages that are replaced or removed.
    offered: Vec<(String, String)>,
}

impl Before {
    fn of(host: &dyn Probe, simulated: &Simulated) -> Result<Self> {
        let names = simulated.installs.iter().map(|(name, ..)| name.as_str());
        let names = names.chain(simulated.removes.iter().map(|(name, _)| name.as_str()));
        let replaced = simulated.replaced().map(|(name, version)| format!("{name}={version}"));
        let argv = ["/bin/sh", "-s", "--"].into_iter().chain(names).map(str::to_string).chain(replaced);
        let stdin = include_bytes!("before.sh").to_vec();
        let answer = host.ask(&Command { stdin, ..Command::new(argv) })?;
        let mut before = Before { known: answer.ok() && !host.pretends(), ..Before::default() };
        for line in answer.text().lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["known", name, "config-files"] => before.configured.push(name.to_string()),
                ["auto", name] => before.auto.push(name.to_string()),
                ["account", name] => before.accounts.push(name.to_string()),
                ["offered", name, version] => {
                    before.offered.push((name.to_string(), version.to_string()));
                }
                _ => {}
            }
        }
        Ok(before)
    }

    /// What an undo cannot install again.
    fn lost(&self, simulated: &Simulated) -> Option<String> {
        let is_offered = |name: &str, version: &str| {
            let bare = name.split(':').next().unwrap_or(name);
            self.offered.iter().any(|(other, offered)| (other == name || other == bare) && offered == version)
        };
        let lost = simulated.replaced().filter(|(name, version)| !is_offered(name, version));
        let lost: Vec<String> = lost.map(|(name, version)| format!("{name} {version}")).collect();
        let known = self.known && !lost.is_empty();
        known
            .then(|| format!("an undo cannot restore {}: no package source has it any more", lost.join(", ")))
    }

    /// Whether nothing of it was there, so that undo may remove its configuration too.
    fn is_new(&self, name: &str) -> bool {
        self.known && !self.configured.iter().any(|other| other == name)
    }
}

fn bare(word: &str) -> String {
    word.trim_matches(['[', ']', '(', ')']).to_string()
}

fn run(mut command: Command) -> Run {
    let environment = ENVIRONMENT.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    command.environment = environment.collect();
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    Run { advice: Advice { hints, question: None }, ..Run::from(command) }
}
