//! Docker on a host, through its command line: what is there, as data, and the commands that change it. The step kinds
//! that work with containers and images share it.

use crate::model::failure::BECOME_ROOT;
use crate::model::op::{Answer, Command, Condition, Op, Plan, Prediction, Run};
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::cell::{Cell, RefCell};

pub mod commands;
pub mod container;
pub mod image;
pub mod instant;
pub mod kept;
pub mod ports;
pub mod reference;
pub mod spec;

/// What Docker says when it cannot be asked, and what to try.
const CANNOT: &[(&str, &str, &str)] = &[
    (
        "Cannot connect to the Docker daemon",
        "dockerd does not answer",
        "`systemctl status docker` on the host shows why",
    ),
    (
        "Is the docker daemon running",
        "dockerd does not answer",
        "`systemctl status docker` on the host shows why",
    ),
    ("permission denied", "this user may not use Docker", BECOME_ROOT),
];

/// One look at a host's Docker. It remembers the answers, since every command that changes something there
/// predicts what the same questions will be answered afterwards.
pub struct Docker<'a> {
    host: &'a dyn Probe,
    answers: RefCell<Vec<Prediction>>,
    past: RefCell<Option<Command>>,
    asked_now: Cell<Option<i64>>,
}

/// Plans with a look at the host's Docker. After changes that are only pretended its answers would be about the past,
/// unless they were predicted: then what is wanted cannot be known, and the plan says so.
pub fn plan(host: &dyn Probe, plan: impl FnOnce(&Docker) -> Result<Plan>) -> Result<Plan> {
    let docker =
        Docker { host, answers: RefCell::default(), past: RefCell::default(), asked_now: Cell::default() };
    let planned = plan(&docker);
    match docker.past.take() {
        Some(command) => Ok(Plan::awaiting(Condition::Succeeds { command })),
        None => planned,
    }
}

impl Docker<'_> {
    /// The host as it is without Docker.
    pub fn host(&self) -> &dyn Probe {
        self.host
    }

    /// Asks. That Docker cannot be asked is a failure; another status is for the caller to judge.
    pub fn ask(&self, question: &Command) -> Result<Answer> {
        if self.host.pretends() && !self.host.foretells(question) {
            self.past.borrow_mut().get_or_insert_with(|| question.clone());
            return Ok(Answer::said(1, ""));
        }
        let answer = self.host.ask(question)?;
        able(question, &answer)?;
        let prediction = Prediction { argv: question.argv.clone(), answer: answer.clone() };
        self.answers.borrow_mut().push(prediction);
        Ok(answer)
    }

    /// Fails when the host has no network of this name. What Docker itself brings, and another container's, are there.
    pub fn expect_network(&self, doing: &str, name: &str) -> Result<()> {
        if ["bridge", "host", "none", "default"].contains(&name) || name.starts_with("container:") {
            return Ok(());
        }
        let question = Command::new(["docker", "network", "inspect", "--format", "{{.Name}}", name]);
        match self.ask(&question)?.ok() {
            true => Ok(()),
            false => Err(Failure::new(doing, format!("the host has no network {name}"))
                .hint("`docker network ls` on the host names the networks it has")),
        }
    }

    /// Asks for text; any other status than 0 is a failure.
    pub fn text(&self, question: &Command) -> Result<String> {
        let answer = self.ask(question)?;
        let whole = answer.stdout.len() + answer.stderr.len() == answer.total as usize;
        match answer.ok() {
            true if whole => Ok(answer.text()),
            true => Err(Failure::new(
                format!("run {}", question.shown()),
                "its answer is too long to be kept whole",
            )),
            false => Err(refused(question, &answer)),
        }
    }

    /// The host's clock, in seconds since 1970. Docker's times are of the same clock.
    pub fn now(&self) -> Result<i64> {
        if let Some(now) = self.asked_now.get() {
            return Ok(now);
        }
        let question = Command::new(["date", "-u", "+%s"]);
        let answer = self.host.ask(&question)?;
        let now = answer.text().parse().map_err(|_| refused(&question, &answer))?;
        self.asked_now.set(Some(now));
        Ok(now)
    }

    /// These commands, each of which predicts what was asked: as it was answered, but for `changes`.
    pub fn ops(&self, runs: Vec<Run>, changes: &[Prediction]) -> Vec<Op> {
        let mut after = self.answers.borrow().clone();
        after.extend(changes.iter().cloned());
        runs.into_iter().map(|run| Op::from(Run { predicts: after.clone(), ..run })).collect()
    }

    /// Ops that change nothing in Docker: what was learned of it stays true after each of their commands.
    pub fn beside(&self, mut ops: Vec<Op>) -> Vec<Op> {
        for op in &mut ops {
            if let Op::Run(run) = op {
                run.predicts.extend(self.answers.borrow().iter().cloned());
            }
        }
        ops
    }
}

/// Refuses an answer that only says that Docker cannot be asked.
fn able(question: &Command, answer: &Answer) -> Result<()> {
    let doing = format!("run {}", question.shown());
    if answer.status == 127 {
        return Err(Failure::new(doing, "the host has no Docker")
            .hint("install it first: a step of kind package, docker.io on Debian and Ubuntu"));
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    match CANNOT.iter().find(|(text, ..)| !answer.ok() && said.contains(text)) {
        Some((_, why, hint)) => Err(Failure::new(doing, why).hint(hint)),
        None => Ok(()),
    }
}

/// Whether an answer says that there is no such thing.
fn is_absent(answer: &Answer) -> bool {
    let said = String::from_utf8_lossy(&answer.stderr).to_lowercase();
    said.contains("no such container") || said.contains("no such image") || said.contains("no such object")
}

/// What Docker will answer about something that is not there.
fn absent(question: Command, what: &str, name: &str) -> Prediction {
    let stderr = format!("Error: No such {what}: {name}\n").into_bytes();
    let answer = Answer { status: 1, total: stderr.len() as u64, stderr, ..Answer::default() };
    Prediction { argv: question.argv, answer }
}

/// Names of containers as Docker takes them.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.len() > 1 && text.as_bytes()[0].is_ascii_alphanumeric() && text.bytes().all(fits)
}
