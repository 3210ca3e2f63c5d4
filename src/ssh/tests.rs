//! Connections, against an SSH server in this process and, where only OpenSSH can prove it, against a real sshd.

mod openssh;
mod server;
mod sshd;

use super::*;
use bytes::Bytes;

/// What a command sent and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Told {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit: Option<Exit>,
    lost: Option<String>,
}

async fn read(mut channel: Reader) -> Told {
    let mut told = Told::default();
    while let Some(chunk) = channel.next().await {
        match chunk {
            Chunk::Stdout(bytes) => told.stdout.extend(bytes),
            Chunk::Stderr(bytes) => told.stderr.extend(bytes),
            Chunk::Exit(exit) => told.exit = Some(exit),
            Chunk::Lost(failure) => told.lost = Some(failure.why),
        }
    }
    told
}

/// Runs a command with input, to its end.
async fn run(connection: &Connection, command: &str, input: impl Into<Bytes>) -> Told {
    let channel = connection.exec_with_input(command, input.into()).await.unwrap();
    let (reader, mut writer) = channel.split();
    let ending = async move {
        // A command may end without taking its input.
        let _ = writer.eof().await;
    };
    tokio::join!(read(reader), ending).0
}

fn printed(stdout: &str) -> Told {
    Told { stdout: stdout.into(), exit: Some(Exit::Status(0)), ..Told::default() }
}
