//! The commands that change containers, each with what takes it back.

use super::container::Container;
use super::spec::Spec;
use crate::model::digest::Digest;
use crate::model::op::{Advice, Command, Run, Undo};
use std::time::Duration;

/// Lines of a container's log that are looked through for the reason of a failure.
const LOG_LINES: &str = "60";

/// Beyond its own limit a script that waits is given this long to say so.
const SLACK: Duration = Duration::from_secs(30);

/// What to try when a port is taken.
pub const OTHER_PORT: &str = "give it another port, or stop what holds this one";

/// What to try, by what Docker says.
const HINTS: &[(&str, &str)] = &[
    ("is already allocated", OTHER_PORT),
    ("network", "`docker network ls` on the host names the networks it has"),
    ("Unable to find image", "bring it with a step of kind image first"),
];

/// How long a container may take to be ready, and how long it must stay up where nothing else shows that it is.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// At most.
    pub within: Duration,
    /// At least, without a health check.
    pub stays: Duration,
}

/// Makes a container, which is removed when that is rolled back.
pub fn create(spec: &Spec, name: &str, digest: &Digest) -> Run {
    Run {
        undo: Undo::Command(script(include_bytes!("back.sh"), ["remove", name])),
        advice: advice(None),
        ..Run::from(spec.create(name, digest))
    }
}

/// Starts a container and proves that it is ready; the end of its log is reported when it is not.
pub fn start(name: &str, ready: Readiness, undo: Undo) -> Run {
    Run {
        undo,
        confirm: Some(proof(name, ready)),
        advice: advice(Some(log_of(name))),
        ..Run::from(telling_holder(Command::new(["docker", "container", "start", name])))
    }
}

/// Succeeds once a container is ready.
pub fn proof(name: &str, ready: Readiness) -> Command {
    let [within, stays] = [ready.within, ready.stays].map(|time| time.as_secs().to_string());
    let timeout = Some(ready.within + SLACK);
    Command { timeout, ..script(include_bytes!("ready.sh"), [name, &within, &stays]) }
}

/// Starts a container again and waits until it is ready: what takes a stop back where requests go to it at once.
pub fn start_again(id: &str, ready: Readiness) -> Command {
    let proof = proof(id, ready);
    let stdin = [include_bytes!("again.sh"), &proof.stdin[..]].concat();
    Command { stdin, ..proof }
}

/// Stops a container, which an undo starts again; one that was paused is paused again.
pub fn stop(container: &Container) -> Run {
    let handle = container.handle();
    let back = match container.status.as_str() {
        "paused" => script(include_bytes!("back.sh"), ["pause", handle]),
        _ => Command::new(["docker", "container", "start", handle]),
    };
    Run { undo: Undo::Command(back), ..Run::from(Command::new(["docker", "container", "stop", handle])) }
}

/// Lets a paused container go on.
pub fn unpause(container: &Container) -> Run {
    let command = |verb| Command::new(["docker", "container", verb, container.handle()]);
    Run { undo: Undo::Command(command("pause")), ..Run::from(command("unpause")) }
}

/// Lets dockerd no longer start a container by itself: a kept one would come back when dockerd is restarted.
pub fn never_restart(container: &Container) -> Option<Run> {
    let update = |policy: &str| {
        Command::new(["docker", "container", "update", &format!("--restart={policy}"), container.handle()])
    };
    let policy = container.restart.shown();
    let undo = Undo::Command(update(&policy));
    (policy != "no").then(|| Run { undo, ..Run::from(update("no")) })
}

/// Gives a container another name.
pub fn rename(id: &str, from: &str, to: &str) -> Run {
    Run {
        undo: Undo::Command(script(include_bytes!("back.sh"), ["rename", id, from])),
        ..Run::from(Command::new(["docker", "container", "rename", id, to]))
    }
}

/// Removes a container that does not run. Nothing brings it back.
pub fn remove(id: &str) -> Run {
    let undo = Undo::impossible("a removed container is not kept");
    Run { undo, ..Run::from(Command::new(["docker", "container", "rm", "--volumes", id])) }
}

/// The end of a container's log, both of its streams.
pub fn log_of(name: &str) -> Command {
    script(include_bytes!("log.sh"), [name, LOG_LINES])
}

/// The same command; when a port that it needs is taken, its last words say by whom.
pub fn telling_holder(command: Command) -> Command {
    let wrapped = script(include_bytes!("start.sh"), []);
    let argv = wrapped.argv.into_iter().chain(command.argv).collect();
    Command { argv, stdin: wrapped.stdin, ..command }
}

/// A script of ours with its arguments.
pub fn script<const N: usize>(text: &[u8], arguments: [&str; N]) -> Command {
    let argv = ["/bin/sh", "-s", "--"].into_iter().chain(arguments);
    Command { stdin: text.to_vec(), ..Command::new(argv) }
}

fn advice(question: Option<Command>) -> Advice {
    let hints = HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    Advice { hints, question }
}
