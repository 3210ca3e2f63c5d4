//! Connections, against an SSH server in this process and, where only OpenSSH can prove it, against a real sshd.

mod openssh;
mod server;
mod sshd;

use super::*;
use crate::model::host::HostKeyPolicy;
use bytes::Bytes;
use std::time::Duration;

/// A host on loopback of which nothing else is known.
fn target(port: u16) -> Target {
    Target {
        name: "lab".to_string(),
        address: "127.0.0.1".to_string(),
        port,
        known_port: None,
        users: vec!["deploy".to_string()],
        identities: Vec::new(),
        identities_named: true,
        identities_only: false,
        certificates: Vec::new(),
        agent: None,
        known_hosts: Vec::new(),
        host_key_alias: None,
        policy: HostKeyPolicy::Strict,
        connect_timeout: Duration::from_secs(10),
        keepalive: Some(target::KEEPALIVE),
        keepalive_max: target::KEEPALIVE_MAX,
        password: None,
        jump: Vec::new(),
        notes: Vec::new(),
    }
}

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
