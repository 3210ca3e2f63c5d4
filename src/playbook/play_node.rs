//! One of `[[plays]]` as it is written, and the keys that it has in common with a playbook of one play.

use super::plays::Play;
use super::step::{hosts, written};
use super::{Playbook, ansible};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{Keys, Share};
use crate::setting::{Origin, Setting};
use crate::source::{Data, Node};

/// A play without what is made of its steps.
pub struct PlayNode<'a> {
    /// What is kept of it.
    pub play: Play,
    /// For all of its steps.
    pub vars: Vec<Setting>,
    /// For all of its steps.
    pub tags: Vec<String>,
    /// Steps, handlers, rescue and always.
    pub lists: [&'a [Node]; 4],
}

/// Numbers of hosts that cannot be 0: why, and what to write.
const NOT_NONE: &[(&str, [&str; 2])] = &[
    ("serial", ["a batch has at least 1 host", "write serial = 1 for one host after the other"]),
    (
        "max_failures",
        ["a run stops after at least 1 failure", "write max_failures = 1 to stop it at the first"],
    ),
];

const NONE: Share = Share::Count(0);

impl<'a> PlayNode<'a> {
    /// Reads a play, except for its steps. Nothing when it has no hosts.
    pub fn read(node: &'a Node, playbook: &Playbook, problems: &mut Diagnostics) -> Option<PlayNode<'a>> {
        let first = node.entries().and_then(|entries| entries.first());
        let place = first.map_or_else(|| node.place.clone(), |entry| entry.place.clone());
        let mut keys = Keys::of(node, "a play", problems);
        let (name, hosts, becomes) = (written(&mut keys, "name"), hosts(&mut keys), keys.boolean("become"));
        // It is for those who read the file.
        keys.string("description");
        let (serial, max_failures) = batches(&mut keys);
        let (vars, tags) = (keys.node("vars"), keys.strings("tags"));
        let lists = ["steps", "handlers", "rescue", "always"].map(|key| keys.list(key));
        keys.finish_with(of_play);
        let vars = vars.map(|node| Setting::table(node, &Origin::Playbook, problems)).unwrap_or_default();
        let place = name.as_ref().map_or(place, |name| name.place.clone());
        let Some(hosts) = hosts else {
            if node.get("hosts").is_none() {
                let problem = Diagnostic::error("a play needs `hosts`", &place);
                problems.push(problem.hint("write the pattern of its hosts: hosts = \"web\""));
            }
            return None;
        };
        let max_failures = max_failures.or(playbook.max_failures);
        let number = playbook.plays.len() + 1;
        let title = name.map_or_else(|| format!("play {number}"), |name| name.text);
        let play = Play { title, place, hosts, becomes, serial, max_failures };
        Some(PlayNode { play, vars, tags, lists })
    }
}

/// What stands at the top of the file, and what people who know Ansible write.
fn of_play(key: &str) -> Option<&'static str> {
    match key {
        "params" | "on_failure" | "secrets" => Some("it is for all plays: write it at the top of the file"),
        "plays" => Some("a play has no plays: write one after the other"),
        _ => ansible::of_playbook(key),
    }
}

/// `serial` and `max_failures`.
pub fn batches(keys: &mut Keys) -> (Vec<Share>, Option<Share>) {
    let serial = keys.read("serial", "a number of hosts, a string like \"20%\", or a list of them", shares);
    let max_failures = keys.share("max_failures");
    for (key, [why, hint]) in NOT_NONE {
        let none = |node: &&Node| shares(node).is_some_and(|all| all.contains(&NONE));
        if let Some(node) = keys.node(key).filter(none) {
            keys.problem(Diagnostic::error(*why, &node.place).hint(*hint));
        }
    }
    (serial.unwrap_or_default(), max_failures)
}

fn shares(node: &Node) -> Option<Vec<Share>> {
    match &node.data {
        Data::List(list) => list.iter().map(|item| Share::read(&item.value())).collect(),
        _ => Share::read(&node.value()).map(|share| vec![share]),
    }
}
