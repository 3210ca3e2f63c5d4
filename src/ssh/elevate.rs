//! Becoming another user with a password: the password is given once, only to the program that asks for it, and the input
//! of the command follows only when that program has started the command.
//!
//! The command announces itself by a random word on standard error once it runs as the other user. Until then nothing is
//! sent but the password, and that only after the prompt, which carries the same random word. So a password never ends
//! in a command's input, and the input never counts as a wrong password. It costs up to two round trips, and only where a
//! password was given.

use super::channel::{Channel, Chunk, Connection};
use super::ship::{Become, Method, NONCE};
use crate::model::failure::{Failure, Result};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// sudo, doas and su may ask a slow directory, and wait a few seconds after a wrong password.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// So much is read of what a login says before the command starts.
const WORDS_KEPT: usize = 64 * 1024;

impl Connection {
    /// Runs a command that `ship` made for `becoming`, gives the password when it is asked for, and then sends `first`.
    pub async fn exec_as(
        &self,
        becoming: Option<&Become>,
        password: Option<&str>,
        command: &str,
        first: Bytes,
    ) -> Result<Channel> {
        match becoming {
            Some(who) if who.asks() => {
                let mut channel = self.exec(command).await?;
                let waiting =
                    Waiting { who, password, answered: false, words: Vec::new(), before: Vec::new() };
                waiting.until_it_runs(&mut channel).await?;
                channel.start_sending(first);
                Ok(channel)
            }
            _ => self.exec_with_input(command, first).await,
        }
    }
}

/// A command that has not started yet.
struct Waiting<'a> {
    who: &'a Become,
    password: Option<&'a str>,
    answered: bool,
    /// What came on standard error.
    words: Vec<u8>,
    /// What is left to the reader of the channel.
    before: Vec<Chunk>,
}

impl Waiting<'_> {
    async fn until_it_runs(mut self, channel: &mut Channel) -> Result<()> {
        loop {
            let chunk = timeout(ANSWER_DEADLINE, channel.next()).await.map_err(|_| self.silent())?;
            match chunk {
                Some(Chunk::Stderr(bytes)) => {
                    self.words.extend_from_slice(&bytes);
                    if let Some(rest) = self.started() {
                        self.before.push(Chunk::Stderr(rest));
                        break;
                    }
                    self.answer(channel).await?;
                }
                Some(Chunk::Lost(failure)) => return Err(failure),
                None if self.answered => return Err(self.ended()),
                // It ended before it started; what it said says why, and the one who asked for it explains that.
                None => {
                    self.before.push(Chunk::Stderr(Bytes::from(std::mem::take(&mut self.words))));
                    break;
                }
                Some(other) => self.before.push(other),
            }
        }
        channel.put_back(self.before);
        Ok(())
    }

    /// What follows the announcement, once it has come.
    fn started(&self) -> Option<Bytes> {
        let announcement = format!("{}-go\n", *NONCE);
        let at =
            self.words.windows(announcement.len()).position(|window| window == announcement.as_bytes())?;
        Some(Bytes::copy_from_slice(&self.words[at + announcement.len()..]))
    }

    /// Answers the first prompt; a second one means that the password was wrong.
    async fn answer(&mut self, channel: &mut Channel) -> Result<()> {
        if self.words.len() > WORDS_KEPT {
            return Err(Failure::new(
                self.doing(),
                "the login prints without end instead of starting the command",
            ));
        }
        match (self.prompts(), self.answered) {
            (0, _) | (1, true) => return Ok(()),
            (_, true) => {
                let _closed_already = channel.close().await;
                return Err(self.refused());
            }
            (_, false) => self.answered = true,
        }
        let Some(password) = self.password else {
            let _closed_already = channel.close().await;
            return Err(Failure::new(
                self.doing(),
                format!("{} asks for a password", self.who.method.name()),
            )
            .hint("pass --ask-become-pass (-K), or set become_password_from"));
        };
        channel.write(Bytes::from(format!("{password}\n"))).await
    }

    /// How often the program has asked. The prompts of su and doas carry no word of ours, so they count only after an
    /// announcement that the program comes next.
    fn prompts(&self) -> usize {
        let words = String::from_utf8_lossy(&self.words);
        match self.who.method {
            Method::Su | Method::Doas => {
                let announcement = format!("{}-{}\n", *NONCE, self.who.method.name());
                let (_, asked) = words.split_once(&announcement).unwrap_or_default();
                asked.matches("assword:").count()
            }
            Method::Sudo => words.matches(&format!("{}-password:", *NONCE)).count(),
        }
    }

    fn doing(&self) -> String {
        format!("become {}", self.who.user)
    }

    fn refused(&self) -> Failure {
        let why = format!("{} refused the password", self.who.method.name());
        Failure::new(self.doing(), why).hint("type it again; on the host this counts as one failed try")
    }

    /// It ended after the password was given: usually that was wrong, but the user may also lack the right.
    fn ended(&self) -> Failure {
        let last = self.last_words();
        let wrong = ["incorrect password", "try again", "uthentication fail"];
        match last.is_empty() || wrong.iter().any(|words| last.contains(words)) {
            true => self.refused(),
            false => Failure::new(self.doing(), last),
        }
    }

    /// The last line that the program said. What follows a prompt stands in the same line, as no one typed Enter.
    fn last_words(&self) -> String {
        let words = String::from_utf8_lossy(&self.words);
        let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.unwrap_or_default();
        last.rsplit("assword:").next().unwrap_or(last).trim().to_string()
    }

    fn silent(&self) -> Failure {
        let (program, seconds) = (self.who.method.name(), ANSWER_DEADLINE.as_secs());
        let why = format!("{program} did not start the command within {seconds} s: {}", self.last_words());
        Failure::new(self.doing(), why)
    }
}
