//! Tells people: webhooks, commands, mail. A letter is tried a bounded number of times, each with a deadline.

use super::Schedule;
use super::files::Folder;
use super::notice::{Event, Letter, Notice};
use crate::model::{Doing, Failure, Result};
use crate::trust;
use jiff::Timestamp;
use std::fmt;
use std::path::Path;
use std::time::Duration;

mod command;
mod smtp;
mod webhook;

/// One try may take so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A table `[notify.NAME]` of `windlass.toml`.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is given.
    pub on: Vec<Event>,
    /// How.
    pub route: Route,
}

/// How a notice is sent.
#[derive(Clone, Debug)]
pub enum Route {
    /// An HTTP POST.
    Webhook(Webhook),
    /// A program here.
    Command(Command),
    /// Mail.
    Smtp(Smtp),
}

/// An HTTP POST with the notice as JSON.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to; such addresses hold keys.
    pub url: Secret,
}

/// A program that gets the notice as JSON on standard input.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// Mail, handed to a server.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// The server.
    pub host: String,
    /// Its port; the usual one of `tls` when nobody says otherwise.
    pub port: Option<u16>,
    /// Whether and how the connection is encrypted.
    pub tls: Encryption,
    /// The login name.
    pub user: Option<String>,
    /// Where the password is.
    pub password: Option<Secret>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// After a plain greeting; port 587.
    #[default]
    Upgraded,
    /// From the first byte; port 465.
    Always,
    /// Not at all; port 25.
    None,
}

/// A secret as a file names it: `env:NAME`, `file:PATH`, or the text itself. It is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// From what the file says.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// What it is. A relative path is relative to `root`.
    fn revealed(&self, root: &Path) -> Result<String> {
        match (self.0.strip_prefix("env:"), self.0.strip_prefix("file:")) {
            (Some(name), _) => std::env::var(name).doing(format!("read the secret env:{name}")),
            (_, Some(path)) => {
                let doing = format!("read the secret file:{path}");
                let text = trust::secret(&root.join(path), Some(root), doing)?;
                Ok(text.trim_end_matches(['\n', '\r']).to_string())
            }
            _ => Ok(self.0.clone()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("•••")
    }
}

impl Encryption {
    /// From its word.
    pub fn read(word: &str) -> Option<Encryption> {
        match word {
            "starttls" => Some(Encryption::Upgraded),
            "tls" => Some(Encryption::Always),
            "none" => Some(Encryption::None),
            _ => None,
        }
    }
}

impl Channel {
    /// Tells it once.
    async fn tell(&self, notice: &Notice, root: &Path) -> Result<()> {
        let told = async {
            match &self.route {
                Route::Webhook(webhook) => webhook.tell(notice, root).await,
                Route::Command(command) => command.tell(notice, root).await,
                Route::Smtp(smtp) => smtp.tell(notice, root).await,
            }
        };
        let doing = || format!("tell {}", self.name);
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(told) => {
                told.map_err(|failure| Failure { doing: doing(), why: failure.to_string(), hint: None })
            }
            Err(_) => Err(Failure::new(doing(), format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// TLS libraries ask for the process's cryptography, of which there is one.
fn use_ring() {
    // Another part of the program may have said the same before.
    let _said_before = rustls::crypto::ring::default_provider().install_default();
}

/// Tries every letter of a schedule whose time has come, and writes down what became of it. Returns a line for each. When
/// another process is at it, nothing is done.
///
/// A letter is taken out of the state after it was delivered: one whose deliverer is killed in between arrives twice, with
/// the same id, rather than never.
pub async fn deliver(
    schedule: &Schedule,
    channels: &[Channel],
    folder: &Folder,
    root: &Path,
) -> Result<Vec<String>> {
    let Some(_alone) = folder.hold(&format!("{}.letters", schedule.name))? else { return Ok(Vec::new()) };
    let state = folder.read(&schedule.name)?;
    let due = |letter: &Letter| letter.is_due(Timestamp::now());
    let letters: Vec<Letter> =
        state.map(|state| state.letters).unwrap_or_default().into_iter().filter(due).collect();
    // All at once, so that a channel that does not answer holds up no other.
    let told = futures::future::join_all(letters.iter().map(|letter| tell(letter, channels, root))).await;
    let mut lines = Vec::new();
    for (letter, told) in letters.iter().zip(told) {
        lines.push(line(letter, &told));
        let now = Timestamp::now();
        let left = told.err().and_then(|_| letter.clone().put_off(now));
        folder.change(schedule, now, |state| {
            let place = state.letters.iter().position(|other| is_same(other, letter));
            if let Some(place) = place {
                state.letters.splice(place..=place, left);
            }
        })?;
    }
    Ok(lines)
}

async fn tell(letter: &Letter, channels: &[Channel], root: &Path) -> Result<()> {
    match channels.iter().find(|channel| channel.name == letter.to) {
        Some(channel) => channel.tell(&letter.notice, root).await,
        // Trying again cannot help: the table was taken out of the file.
        None => Ok(()),
    }
}

fn is_same(one: &Letter, other: &Letter) -> bool {
    one.to == other.to && one.notice.id == other.notice.id
}

fn line(letter: &Letter, told: &Result<()>) -> String {
    let what = letter.notice.event.as_str();
    match told {
        Ok(()) => format!("notified {} that it {}", letter.to, if what == "late" { "is late" } else { what }),
        Err(failure) if letter.tries + 1 >= super::notice::TRIES => {
            format!("{failure}; given up after {} tries", letter.tries + 1)
        }
        Err(failure) => format!("{failure}; it will be tried again"),
    }
}
