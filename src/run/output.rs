//! What a command or a login prints, kept for messages up to a bound.

use crate::model::Result;
use crate::ssh::ship::Become;
use crate::ssh::{Channel, Chunk, Connection};
use bytes::Bytes;

/// So many bytes of it are kept.
const KEPT: usize = 16 * 1024;

/// Runs a command over a connection and returns what it prints.
pub async fn of(connection: &Connection, command: &str) -> Result<String> {
    read(connection.exec(command).await?).await
}

/// The same as another user.
pub async fn of_user(
    connection: &Connection,
    becoming: Option<&Become>,
    password: Option<&str>,
    command: &str,
) -> Result<String> {
    read(connection.exec_as(becoming, password, command, Bytes::new()).await?).await
}

async fn read(mut channel: Channel) -> Result<String> {
    let _closed_already = channel.eof().await;
    let mut output = Vec::new();
    while let Some(chunk) = channel.next().await {
        match chunk {
            Chunk::Stdout(bytes) | Chunk::Stderr(bytes) => keep(&mut output, &bytes),
            Chunk::Exit(_) => {}
            Chunk::Lost(failure) => return Err(failure),
        }
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Appends as much of `bytes` as there is room for.
pub fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
