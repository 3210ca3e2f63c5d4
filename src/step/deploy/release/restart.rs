//! How what serves learns that there is a new release: a systemd unit, a service of a compose file, an app of pm2.

use super::shelf::Shelf;
use crate::model::op::{Advice, Command, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::{FileKind, Probe};
use crate::systemd;
use serde::{Deserialize, Deserializer, de};

/// The files that compose looks for, the first that is there, and those it adds to them.
const COMPOSE_FILES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
const COMPOSE_OVERRIDES: &[&str] = &[
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// Lines of a log that are looked through for the reason when what serves does not answer.
const LOG_LINES: &str = "60";

/// What serves, and how it takes on a new release.
#[derive(Clone, Debug, PartialEq)]
pub enum Restart {
    /// A unit of systemd, restarted.
    Unit(String),
    /// A unit of systemd, which reads its files again.
    Reload(String),
    /// A service of the compose file in the release, its container made again.
    Compose(String),
    /// An app of pm2, reloaded: one process after the other where it runs as a cluster.
    Pm2(String),
}

/// What there is to do, and where to look when it does not help.
pub struct RestartPlan {
    /// In order.
    pub ops: Vec<Op>,
    /// Its answer ends with why what serves does not.
    pub log: Command,
}

impl TryFrom<&str> for Restart {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        let (restart, name): (fn(String) -> Restart, &str) = match text.split_once(':') {
            Some(("compose", name)) => (Restart::Compose, name),
            Some(("pm2", name)) => (Restart::Pm2, name),
            Some(("reload", name)) => (Restart::Reload, name),
            _ => (Restart::Unit, text),
        };
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
        match name.is_empty() || name.starts_with('-') || name.contains(odd) {
            true => Err(format!("{text:?}: write a systemd unit, reload:UNIT, compose:SERVICE or pm2:APP")),
            false => Ok(restart(name.to_string())),
        }
    }
}

impl Restart {
    /// What there is to do for the release at `tree`. `user` is whose pm2 it is. There is a way back only when something
    /// served before.
    pub fn means(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        tree: &HostPath,
        user: Option<&str>,
    ) -> Result<RestartPlan> {
        let undo = if shelf.live.is_some() { Undo::Again } else { Undo::NotNeeded };
        match self {
            Restart::Unit(name) => unit(host, name, "restart", undo),
            Restart::Reload(name) => unit(host, name, "reload", undo),
            Restart::Compose(service) => compose(host, shelf, tree, service, undo),
            Restart::Pm2(app) => pm2(host, shelf, app, user, undo),
        }
    }
}

fn unit(host: &dyn Probe, name: &str, verb: &str, undo: Undo) -> Result<RestartPlan> {
    let unit = systemd::look(host, name)?;
    if unit.load == "not-found" {
        return Err(systemd::unknown(host, name));
    }
    if verb == "reload" && !unit.can_reload {
        return Err(Failure::new(format!("reload {name}"), "it cannot be reloaded")
            .hint("write the unit's name alone to restart it"));
    }
    // A unit file that systemd refuses would be read by the way back, too.
    if unit.stale
        && let Some(why) = systemd::refusal(host, name)?
    {
        let why = format!("systemd refuses its unit file: {why}");
        return Err(Failure::new(format!("look at service {name}"), why).hint("correct the unit file"));
    }
    let run = Run { confirm: unit.proof(name), ..systemd::run(verb, name, undo.clone()) };
    let log = run.advice.question.clone().unwrap_or_default();
    // A release that ends at once is started so often that systemd would refuse to start the old one again.
    let forget = Run { ..systemd::run("reset-failed", name, undo) };
    let reload = unit.stale.then(systemd::daemon_reload);
    let ops = reload.into_iter().chain([forget, run]).map(Op::from).collect();
    Ok(RestartPlan { ops, log })
}

fn compose(
    host: &dyn Probe,
    shelf: &Shelf,
    tree: &HostPath,
    service: &str,
    undo: Undo,
) -> Result<RestartPlan> {
    let compose = compose_words(host, shelf, tree)?;
    let words = |more: &[&str]| {
        let more = more.iter().map(|word| word.to_string());
        Command::new(compose.iter().cloned().chain(more))
    };
    let up = words(&["up", "--detach", "--no-deps", "--build", "--force-recreate", service]);
    let log = words(&["logs", "--no-color", "--tail", LOG_LINES, service]);
    let sh = ["/bin/sh", "-s", "--", service].map(str::to_string);
    let confirm = Command {
        stdin: include_bytes!("compose-runs.sh").to_vec(),
        title: Some(format!("a look at the container of {service}")),
        ..Command::new(sh.into_iter().chain(compose))
    };
    Ok(RestartPlan { ops: vec![started(up, confirm, &log, undo)], log })
}

fn started(command: Command, confirm: Command, log: &Command, undo: Undo) -> Op {
    let advice = Advice { question: Some(log.clone()), ..Advice::default() };
    Run { undo, confirm: Some(confirm), advice, ..Run::from(command) }.into()
}

/// Everything is named by the path that everybody uses: the link's target would give the project another name with each
/// release, and the containers the files of that release for ever.
fn compose_words(host: &dyn Probe, shelf: &Shelf, tree: &HostPath) -> Result<Vec<String>> {
    let has_plugin = host.ask(&Command::new(["docker", "compose", "version"]))?.ok();
    let program: &[&str] = if has_plugin { &["docker", "compose"] } else { &["docker-compose"] };
    let mut words: Vec<String> = program.iter().map(|word| word.to_string()).collect();
    words.extend(["--project-directory".to_string(), shelf.dest.to_string()]);
    for file in compose_files(host, tree)? {
        words.extend(["--file".to_string(), shelf.dest.join(file).to_string()]);
    }
    Ok(words)
}

fn compose_files(host: &dyn Probe, tree: &HostPath) -> Result<Vec<&'static str>> {
    let first_of = |names: &[&'static str]| -> Result<Option<&'static str>> {
        for name in names {
            if host.stat(&tree.join(name))?.is_some_and(|stat| stat.kind != FileKind::Dir) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    };
    let file = first_of(COMPOSE_FILES)?.ok_or_else(|| {
        let why = format!("the release has none of {}", COMPOSE_FILES.join(", "));
        Failure::new(format!("find the compose file in {tree}"), why)
    })?;
    Ok([Some(file), first_of(COMPOSE_OVERRIDES)?].into_iter().flatten().collect())
}

fn pm2(host: &dyn Probe, shelf: &Shelf, app: &str, user: Option<&str>, undo: Undo) -> Result<RestartPlan> {
    let as_user =
        |words: &[&str]| Command { user: user.map(str::to_string), ..Command::new(words.iter().copied()) };
    expect_started_by_link(host, shelf, app, &as_user(&["pm2", "pid", app]))?;
    let script = |text: &[u8], words: &[&str]| Command {
        stdin: text.to_vec(),
        title: Some(format!("a look at {app} in pm2")),
        ..as_user(&[&["/bin/sh", "-s", "--"], words].concat())
    };
    let log = script(include_bytes!("pm2-log.sh"), &[app, LOG_LINES]);
    let confirm = script(include_bytes!("pm2-runs.sh"), &[app]);
    Ok(RestartPlan { ops: vec![started(as_user(&["pm2", "reload", app]), confirm, &log, undo)], log })
}

/// pm2 remembers the paths that an app was started with. Started from inside a release, it would run that one for ever.
fn expect_started_by_link(host: &dyn Probe, shelf: &Shelf, app: &str, question: &Command) -> Result<()> {
    let answer = host.ask(question)?;
    if !answer.ok() {
        return Err(refused(question, &answer));
    }
    let Some(pid) = answer.text().lines().find(|line| !line.is_empty() && *line != "0").map(str::to_string)
    else {
        let hint = format!(
            "start it once, from the path that stays: `pm2 start --name {app} --cwd {} …`",
            shelf.dest
        );
        return Err(Failure::new(format!("find {app} in pm2"), "no process of it runs").hint(hint));
    };
    let environment = host.read(&HostPath::from(format!("/proc/{pid}/environ")))?.unwrap_or_default();
    let inside = format!("{}/", shelf.folder);
    match paths_of_pm2(&environment).into_iter().find(|path| path.starts_with(&inside)) {
        None => Ok(()),
        Some(path) => {
            let why = format!("it was started as {path}, so it would go on running that release");
            let hint =
                format!("`pm2 delete {app}`, then start it with --cwd {} and a path below that", shelf.dest);
            Err(Failure::new(format!("reload {app} with pm2"), why).hint(hint))
        }
    }
}

/// What a process knows from pm2 of where it runs: variables of their own, or all in one as JSON where it is of a cluster.
fn paths_of_pm2(environment: &[u8]) -> Vec<String> {
    const NAMES: [&str; 2] = ["pm_cwd", "pm_exec_path"];
    let text = String::from_utf8_lossy(environment);
    let variables: Vec<(&str, &str)> = text.split('\0').filter_map(|line| line.split_once('=')).collect();
    let own = variables.iter().filter(|(name, _)| NAMES.contains(name)).map(|(_, value)| value.to_string());
    let in_json = variables.iter().filter(|(name, _)| *name == "pm2_env").flat_map(|(_, json)| {
        let values: crate::model::Values = serde_json::from_str(json).unwrap_or_default();
        NAMES.iter().filter_map(|name| Some(values.get(*name)?.as_str()?.to_string())).collect::<Vec<_>>()
    });
    own.chain(in_json).collect()
}

/// Nothing is as good as no key: a playbook hands on what it was given.
pub fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Restart>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => Restart::try_from(text).map(Some).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_serves() {
        for (text, restart) in [
            ("app", Restart::Unit("app".into())),
            ("app@1.service", Restart::Unit("app@1.service".into())),
            ("reload:nginx", Restart::Reload("nginx".into())),
            ("compose:web", Restart::Compose("web".into())),
            ("pm2:api", Restart::Pm2("api".into())),
        ] {
            assert_eq!(Restart::try_from(text).unwrap(), restart);
        }
        for text in ["pm2:", "compose:a b", "-x", "a/b"] {
            assert!(Restart::try_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_found_in_both_shapes() {
        let paths = |text: &str| paths_of_pm2(text.as_bytes());
        assert_eq!(
            paths("A=1\0pm_cwd=/srv/app\0pm_exec_path=/srv/app/a.js\0"),
            ["/srv/app", "/srv/app/a.js"]
        );
        assert_eq!(paths("pm2_env={\"pm_cwd\":\"/srv/app\",\"x\":1}\0"), ["/srv/app"]);
    }
}
