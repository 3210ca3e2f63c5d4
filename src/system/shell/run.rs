//! Commands: what the script needs to run one, and what it prints of how it ended.

use super::location::refuse_nul;
use super::wire::{Reply, Request};
use super::{Shell, encode, told};
use crate::model::op::{Answer, Command};
use crate::model::{Failure, Result};
use crate::system::output::join;
use crate::system::user::Identity;
use crate::system::{Flow, OUTPUT_KEPT, Probe};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a command without a time limit is waited for.
const UNLIMITED: Duration = Duration::from_secs(30 * 60);

/// Exits 0 when the first argument names a program that may be run: a script only with the interpreter in its first line.
const HAS_PROGRAM: &str = include_str!("has_program.sh");

impl Shell {
    /// Runs a command and keeps `kept` bytes of each end of its output.
    pub(super) fn execute(&self, command: &Command, kept: usize) -> Result<Answer> {
        self.execute_noted(command, &Flow { kept: Some(kept), ..Flow::default() })
    }

    /// The same, and notes whether the program may have run.
    pub(super) fn execute_noted(&self, command: &Command, flow: &Flow) -> Result<Answer> {
        let doing = format!("run {}", command.shown());
        let kept = flow.kept.unwrap_or(OUTPUT_KEPT);
        let request = self.run_request(command, kept, &doing)?;
        let reply = self.ask_script(&request, b"", &doing).inspect_err(|_| flow.starts())?;
        if reply.status != 0 {
            // The script refuses before it starts anything.
            return Err(told::refused(&doing, &reply));
        }
        let answer = answer(reply, kept);
        if answer.as_ref().is_none_or(|answer| !says_no_program(answer) || self.has_program(command)) {
            flow.starts();
        }
        answer.ok_or_else(|| Failure::new(doing, "the shell on the host answered something else"))
    }

    /// Whether the command's program is there and may be run. A program may itself end with the status that stands for a
    /// missing one. Where that cannot be asked, the program may have run.
    fn has_program(&self, command: &Command) -> bool {
        let Some(name) = command.program.as_deref().or(command.argv.first().map(String::as_str)) else {
            return false;
        };
        let question = Command {
            argv: ["/bin/sh", "-c", HAS_PROGRAM, "sh", name].map(str::to_string).to_vec(),
            stdin: Vec::new(),
            ..command.clone()
        };
        self.execute(&question, 0).map_or(true, |answer| answer.ok())
    }

    fn run_request(&self, command: &Command, kept: usize, doing: &str) -> Result<Request> {
        if command.argv.is_empty() {
            return Err(Failure::new("run a command", "it is empty"));
        }
        let user = command.user.as_deref().map(|user| Identity::of(self, user)).transpose()?;
        let variables = variables(command, user.as_ref(), doing)?;
        let directory = match (&command.directory, &user) {
            // No link of another user leads there; one who runs as another user can do no more than that user.
            (Some(directory), None) => self.follow(directory)?,
            _ => directory(command, user.as_ref()),
        };
        let su_words: Vec<_> = command.argv.iter().map(|word| encode::word(word.as_bytes())).collect();
        let limit = command.timeout.map_or(0, |timeout| timeout.as_secs_f64().ceil().max(1.0) as u64);
        let mut request = Request::new("run")
            .within(command.timeout.unwrap_or(UNLIMITED))
            .number(kept)
            .number(limit)
            .word(user.as_ref().map_or("", |user| &user.name))
            .optional(user.as_ref().map(|user| user.uid))
            .word(if user.is_some() { su_words.join(&b' ') } else { Vec::new() })
            .word(directory.as_os_str().as_bytes())
            .later(&command.stdin)
            .word(if command.login { "login" } else { "own" })
            .number(variables.len());
        for word in variables.iter().chain(&command.argv) {
            refuse_nul(word.as_bytes(), doing)?;
            request = request.word(word);
        }
        Ok(request)
    }
}

/// Where it runs; empty for the home directory of the login itself, which the script knows.
fn directory(command: &Command, user: Option<&Identity>) -> PathBuf {
    match (&command.directory, user) {
        (Some(directory), _) => directory.to_path_buf(),
        (None, Some(user)) if command.login => PathBuf::from(&user.home),
        (None, None) if command.login => PathBuf::new(),
        _ => PathBuf::from("/"),
    }
}

/// `NAME=VALUE` for each variable: the user's own first, so that the command's may replace them.
fn variables(command: &Command, user: Option<&Identity>, doing: &str) -> Result<Vec<String>> {
    let personal = user.into_iter().flat_map(|user| {
        [("HOME", &user.home), ("SHELL", &user.shell), ("USER", &user.name), ("LOGNAME", &user.name)]
    });
    let mut variables: Vec<_> = personal.map(|(name, value)| format!("{name}={value}")).collect();
    for (name, value) in &command.environment {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.bytes().all(fits) || name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
            return Err(Failure::new(doing, format!("sh cannot set an environment variable named {name:?}")));
        }
        variables.push(format!("{name}={value}"));
    }
    Ok(variables)
}

fn says_no_program(answer: &Answer) -> bool {
    matches!(answer.status, 126 | 127)
}

fn answer(mut reply: Reply, kept: usize) -> Option<Answer> {
    let numbers = String::from_utf8(reply.parts.pop()?).ok()?;
    let mut numbers = numbers.split_ascii_whitespace().map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (status, out, err) = (number()?, number()?, number()?);
    let [out_head, out_tail, err_head, err_tail] = <[Vec<u8>; 4]>::try_from(reply.parts).ok()?;
    Some(Answer {
        status: status as i32,
        stdout: bounded(out_head, &out_tail, out, kept),
        stderr: bounded(err_head, &err_tail, err, kept),
        total: out.saturating_add(err),
    })
}

/// Head and tail overlap when the stream was short.
fn bounded(head: Vec<u8>, tail: &[u8], total: u64, kept: usize) -> Vec<u8> {
    let rest = total.saturating_sub(head.len() as u64).min(kept as u64) as usize;
    let tail = &tail[tail.len().saturating_sub(rest)..];
    join(head, tail, total)
}
