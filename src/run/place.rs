//! Places an agent on a host that has none, in the first of its directories that takes it.

use super::output;
use super::tools::{JobTask, Tools};
use crate::agent_binary::{AgentBinary, Packing};
use crate::model::Failure;
use crate::model::run::HostEvent;
use crate::report::transfers::Ongoing;
use crate::ssh::ship::{self, Bare};
use crate::ssh::{Chunk, Connection, Exit, Writer};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// `find.sh` looks at so many directories; a host may name any number.
const DIRECTORIES: usize = 5;

/// An upload ends after this, whatever the host does; a link of 64 kbit/s takes a third of it.
const TIME: Duration = Duration::from_secs(900);

/// It is sent in pieces of this size, in bytes, so that the progress can show how far it is.
const PIECE: usize = 64 * 1024;

/// Why no agent is there now.
pub enum NotPlaced {
    /// The connection was cut while it was uploaded. Nothing was started.
    Cut(Failure),
    /// No directory took it; the last one's reason.
    Refused(Failure),
}

/// Uploads `agent`. A directory that does not take it, because its disk is full or because nothing can be executed there
/// after all, is left as it was, and the next one is tried.
pub async fn place(
    connection: &Connection,
    task: &JobTask,
    tools: &Tools,
    agent: &AgentBinary,
    bare: &Bare,
) -> Result<(), NotPlaced> {
    let (packing, bytes) = agent.packed(&bare.unpacks).map_err(NotPlaced::Refused)?;
    let input = Bytes::from(bytes.into_owned());
    let mut refused = Failure::new("place the agent", "no directory there allows execution");
    for directory in bare.directories.iter().take(DIRECTORIES) {
        tools.events.send(&task.name, HostEvent::Uploading { bytes: input.len() as u64 }).await;
        let transfer = tools.transfers.start(&task.name, Some(input.len() as u64));
        let upload = Upload { agent, packing, input: input.clone(), transfer };
        match upload.into(connection, task, directory).await {
            Err(NotPlaced::Refused(why)) => refused = why,
            placed_or_cut => return placed_or_cut,
        }
    }
    Err(NotPlaced::Refused(refused))
}

/// An agent on its way to a host.
struct Upload<'a> {
    agent: &'a AgentBinary,
    packing: Packing,
    input: Bytes,
    transfer: Ongoing,
}

impl Upload<'_> {
    async fn into(self, connection: &Connection, task: &JobTask, directory: &str) -> Result<(), NotPlaced> {
        let becoming = task.becoming.as_ref();
        let command =
            ship::place(self.agent, self.packing, directory, becoming).map_err(NotPlaced::Refused)?;
        match timeout(TIME, upload(connection, task, &command, self.input, self.transfer)).await {
            Ok(Ok(said)) => said.judge(directory),
            Ok(Err(failure)) if connection.alive() => Err(NotPlaced::Refused(failure)),
            Ok(Err(failure)) => Err(NotPlaced::Cut(failure)),
            Err(_) => {
                let why = format!("it was not there after {} s", TIME.as_secs());
                Err(NotPlaced::Cut(Failure::new(format!("place the agent in {directory}"), why)))
            }
        }
    }
}

/// What the host said about an upload, and how it ended.
struct Said {
    words: Vec<u8>,
    status: Option<u32>,
}

async fn upload(
    connection: &Connection,
    task: &JobTask,
    command: &str,
    input: Bytes,
    transfer: Ongoing,
) -> Result<Said, Failure> {
    let (becoming, password) = (task.becoming.as_ref(), task.password.as_deref());
    let (mut reader, writer) = connection.exec_as(becoming, password, command, Bytes::new()).await?.split();
    let sending = tokio::spawn(send(writer, input, transfer));
    let mut said = Said { words: Vec::new(), status: None };
    while let Some(chunk) = reader.next().await {
        match chunk {
            Chunk::Stdout(bytes) | Chunk::Stderr(bytes) => output::keep(&mut said.words, &bytes),
            Chunk::Exit(Exit::Status(code)) => said.status = Some(code),
            Chunk::Exit(Exit::Signal(_)) => {}
            Chunk::Lost(failure) => return Err(failure),
        }
    }
    sending.abort();
    Ok(said)
}

/// What the host says about an upload that it does not take comes from the other direction.
async fn send(mut writer: Writer, mut input: Bytes, transfer: Ongoing) {
    while !input.is_empty() {
        let piece = input.split_to(PIECE.min(input.len()));
        let size = piece.len();
        if writer.write(piece).await.is_err() {
            return;
        }
        transfer.add(size);
    }
    let _closed_already = writer.eof().await;
}

impl Said {
    fn judge(self, directory: &str) -> Result<(), NotPlaced> {
        let words = String::from_utf8_lossy(&self.words);
        if words.lines().any(|line| line == ship::PLACED) {
            return Ok(());
        }
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let ended = self
            .status
            .map_or_else(|| "no exit status".to_string(), |status| format!("exit status {status}"));
        let failure = Failure::new(format!("place the agent in {directory}"), format!("{ended}: {last}"))
            .hint("check whether the disk of the host is full; the agent needs about 6 MB there");
        Err(NotPlaced::Refused(failure))
    }
}
