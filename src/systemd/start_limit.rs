//! Units that systemd does not start because they were started too often in a short time (`StartLimitBurst=`).

use crate::model::op::{Answer, Command};
use crate::system::Probe;
use std::collections::BTreeSet;

/// So many levels of dependencies are looked at: one question each, and only after a failure.
const LEVELS: usize = 4;

/// What is asked of each unit.
const PROPERTIES: &str = "Id,Result,ActiveState,Requires,BindsTo";

/// The units that hit the limit, when that is why `command` failed: the unit itself, or else those that it depends on. Runs
/// that follow one another are enough for it; `reset-failed` makes systemd count again. A unit that then fails again does so
/// for a reason of its own. The user's own commands stay as they are written.
pub fn refused_as_too_often(host: &dyn Probe, command: &Command, answer: &Answer) -> Vec<String> {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let ["systemctl", "start" | "restart" | "try-restart" | "reload-or-restart", unit] = words[..] else {
        return Vec::new();
    };
    if answer.ok() || command.login {
        return Vec::new();
    }
    let is_dependency = String::from_utf8_lossy(&answer.stderr).contains("A dependency job");
    let levels = if is_dependency { LEVELS } else { 1 };
    let mut seen = BTreeSet::new();
    let mut units = vec![unit.to_string()];
    for _ in 0..levels {
        let states = look(host, &units);
        let hit: Vec<String> = states
            .iter()
            .filter(|state| state.result == "start-limit-hit")
            .map(|state| state.id.clone())
            .collect();
        if !hit.is_empty() {
            return hit;
        }
        let stopped = states.into_iter().filter(|state| !state.is_active);
        units = stopped.flat_map(|state| state.requires).filter(|unit| seen.insert(unit.clone())).collect();
        if units.is_empty() {
            break;
        }
    }
    Vec::new()
}

/// The command that makes systemd count the starts of these units again.
pub fn count_again(units: &[String]) -> Command {
    Command::new(["systemctl", "reset-failed"].into_iter().chain(units.iter().map(String::as_str)))
}

#[derive(Default)]
struct State {
    id: String,
    result: String,
    is_active: bool,
    requires: Vec<String>,
}

/// Nothing where systemd cannot be asked: then the command's own failure is what is reported.
fn look(host: &dyn Probe, units: &[String]) -> Vec<State> {
    let words = ["systemctl", "show", "--property", PROPERTIES, "--"];
    let question = Command::new(words.into_iter().chain(units.iter().map(String::as_str)));
    let text = host.ask(&question).map(|answer| answer.text()).unwrap_or_default();
    text.split("\n\n").map(State::read).collect()
}

impl State {
    fn read(text: &str) -> Self {
        let mut state = State::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "Id" => state.id = value.to_string(),
                "Result" => state.result = value.to_string(),
                "ActiveState" => state.is_active = value == "active",
                _ => state.requires.extend(value.split_ascii_whitespace().map(str::to_string)),
            }
        }
        state
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing;

    const DEPENDENCY: &str = "A dependency job for app.service failed. See 'journalctl -xe' for details.\n";

    fn refused(stderr: &str) -> Vec<String> {
        let host = testing::host(&[]);
        let show = |units: &str, said: &str| {
            testing::answer(&host, &format!("systemctl show --property {PROPERTIES} -- {units}"), 0, said);
        };
        show(
            "app",
            "Requires=db.service sysinit.target\nId=app.service\nActiveState=inactive\nResult=success\n",
        );
        show(
            "db.service sysinit.target",
            "Requires=disk.service\nId=db.service\nActiveState=inactive\nResult=success\n\n\
             Requires=never.service\nId=sysinit.target\nActiveState=active\n",
        );
        show("disk.service", "Id=disk.service\nActiveState=failed\nResult=start-limit-hit\n");
        let answer = Answer { status: 1, stderr: stderr.into(), ..Answer::default() };
        refused_as_too_often(&host, &Command::new(["systemctl", "start", "app"]), &answer)
    }

    #[test]
    fn a_dependency_that_hit_the_limit_is_found() {
        assert_eq!(refused(DEPENDENCY), ["disk.service"]);
        assert!(refused("Job for app.service failed.\n").is_empty());
    }

    #[test]
    fn the_unit_itself_is_found_and_commands_of_the_user_are_not_touched() {
        let host = testing::host(&[]);
        let question = format!("systemctl show --property {PROPERTIES} -- app");
        testing::answer(&host, &question, 0, "Id=app.service\nActiveState=failed\nResult=start-limit-hit\n");
        let answer = Answer { status: 1, ..Answer::default() };
        let command = Command::new(["systemctl", "restart", "app"]);
        assert_eq!(refused_as_too_often(&host, &command, &answer), ["app.service"]);
        let own = Command { login: true, ..command };
        assert!(refused_as_too_often(&host, &own, &answer).is_empty());
    }
}
