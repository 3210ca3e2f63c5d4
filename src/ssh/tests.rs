//! Connections, against an SSH server in this process and, where only OpenSSH can prove it, against a real sshd.

mod openssh;
mod server;
pub mod sshd;

use super::*;
use bytes::Bytes;
use std::time::Duration;

/// A host on loopback of which nothing else is known.
fn target(port: u16) -> Target {
    Target::new("lab", "127.0.0.1", port, "deploy")
}

/// What a command sent and how it ended.
#[derive(Debug, Default, PartialEq)]
struct CommandResult {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit: Option<Exit>,
    lost: Option<String>,
}

async fn read(mut channel: Reader) -> CommandResult {
    let mut result = CommandResult::default();
    while let Some(chunk) = channel.next().await {
        match chunk {
            Chunk::Stdout(bytes) => result.stdout.extend(bytes),
            Chunk::Stderr(bytes) => result.stderr.extend(bytes),
            Chunk::Exit(exit) => result.exit = Some(exit),
            Chunk::Lost(failure) => result.lost = Some(failure.why),
        }
    }
    result
}

/// Runs a command with input, to its end.
async fn run(connection: &Connection, command: &str, input: impl Into<Bytes>) -> CommandResult {
    let channel = connection.exec_with_input(command, input.into()).await.unwrap();
    let (reader, mut writer) = channel.split();
    let ending = async move {
        // A command may end without taking its input.
        let _ = writer.eof().await;
    };
    tokio::join!(read(reader), ending).0
}

fn printed(stdout: &str) -> CommandResult {
    CommandResult { stdout: stdout.into(), exit: Some(Exit::Status(0)), ..CommandResult::default() }
}

#[test]
fn connections_may_be_made_and_used_in_any_task() {
    fn moves<T: Send>(_: T) {}
    fn is_shared<T: Send + Sync>() {}
    is_shared::<(Shared, Connection, Target, Config)>();
    moves(|target: Target, shared: Arc<Shared>| {
        moves(async move {
            let connection = connect(&target, &shared).await.map_err(|error| error.failure)?;
            let mut channel = connection.exec("true").await?;
            channel.write(Bytes::new()).await?;
            channel.next().await;
            connection.disconnect().await;
            Ok::<(), Failure>(())
        });
    });
}
