//! What a command or a login prints, kept for messages up to a bound.

use crate::model::Result;
use crate::ssh::{Chunk, Connection};
use bytes::Bytes;

/// So many bytes of it are kept.
const KEPT: usize = 16 * 1024;

/// Runs a command over a connection and returns what it prints.
pub async fn of(connection: &Connection, command: &str, input: Bytes) -> Result<String> {
    let mut channel = connection.exec_with_input(command, input).await?;
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
