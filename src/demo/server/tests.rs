//! The server, spoken to by russh's client.

use super::{FolderHost, Server, USER};
use russh::client::{self, AuthResult};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{ChannelMsg, Sig};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use tempfile::TempDir;

/// A client that trusts only `host_key`.
struct Client {
    host_key: PublicKey,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(key.public_key().key_data() == self.host_key.key_data())
    }
}

/// A server over a new folder with `/bin/sh` and the usual programs to be found.
struct Lone {
    server: Server,
    folder: TempDir,
    key: PrivateKey,
    host_key: PublicKey,
}

/// What a command printed.
#[derive(Debug, Default, PartialEq)]
struct CommandOutput {
    stdout: String,
    stderr: String,
    status: Option<u32>,
    /// The name of the signal that ended it.
    signal: Option<String>,
}

impl Lone {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("usr")).unwrap();
        std::os::unix::fs::symlink("/bin", folder.path().join("usr/bin")).unwrap();
        let (key, host_key) = (new_key(), new_key());
        let host = FolderHost {
            folder: folder.path().to_path_buf(),
            host_key: host_key.clone(),
            client_key: key.public_key().clone(),
        };
        let server = Server::start(host).await.unwrap();
        Lone { server, folder, key, host_key: host_key.public_key().clone() }
    }

    async fn log_in(&self, user: &str, key: &PrivateKey) -> (client::Handle<Client>, AuthResult) {
        let trusting = Client { host_key: self.host_key.clone() };
        let mut connection =
            client::connect(Arc::default(), self.server.address, trusting).await.expect("it listens");
        let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
        let result = connection.authenticate_publickey(user, key).await.unwrap();
        (connection, result)
    }

    async fn channel(&self) -> (client::Handle<Client>, russh::Channel<client::Msg>) {
        let (connection, result) = self.log_in(USER, &self.key).await;
        assert!(result.success());
        let channel = connection.channel_open_session().await.unwrap();
        (connection, channel)
    }

    async fn run(&self, command: &str, stdin: Vec<u8>) -> CommandOutput {
        let (_connection, channel) = self.channel().await;
        channel.exec(true, command).await.unwrap();
        let (mut messages, out) = channel.split();
        let send = async {
            out.data_bytes(stdin).await.unwrap();
            out.eof().await.unwrap();
        };
        let ((), told) = tokio::join!(send, listen(&mut messages));
        told
    }
}

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

async fn listen(messages: &mut russh::ChannelReadHalf) -> CommandOutput {
    let mut told = CommandOutput::default();
    while let Some(message) = messages.wait().await {
        match message {
            ChannelMsg::Data { data } => told.stdout.push_str(&String::from_utf8_lossy(&data)),
            ChannelMsg::ExtendedData { data, .. } => told.stderr.push_str(&String::from_utf8_lossy(&data)),
            ChannelMsg::ExitStatus { exit_status } => told.status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => told.signal = Some(format!("{signal_name:?}")),
            _ => {}
        }
    }
    told
}

#[tokio::test]
async fn runs_a_command_and_tells_its_streams_and_status() {
    let told = Lone::new().await.run("echo out; echo err >&2; exit 3", Vec::new()).await;
    assert_eq!(
        told,
        CommandOutput { stdout: "out\n".into(), stderr: "err\n".into(), status: Some(3), signal: None }
    );
}

#[tokio::test]
async fn carries_a_megabyte_there_and_back() {
    let megabyte = "0123456789abcdef".repeat(65_536);
    let told = Lone::new().await.run("cat", megabyte.clone().into_bytes()).await;
    assert!(told.stdout == megabyte, "{} bytes came back", told.stdout.len());
    assert_eq!(told.status, Some(0));
}

#[tokio::test]
async fn output_is_sent_while_nobody_reads_the_input() {
    let told = Lone::new()
        .await
        .run("head -c 2000000 /dev/zero | tr '\\0' x; cat >/dev/null", vec![7; 1_000_000])
        .await;
    assert_eq!((told.stdout.len(), told.status), (2_000_000, Some(0)));
}

#[tokio::test]
async fn a_command_lives_in_the_folder_with_nothing_of_our_environment() {
    let lone = Lone::new().await;
    let told = lone.run("pwd; echo $HOME; env | cut -d= -f1 | sort | tr '\\n' ' '", Vec::new()).await;
    expect_test::expect![[r#"
        FOLDER
        FOLDER/root
        HOME LC_ALL LOGNAME PATH PWD SHELL TMPDIR USER WINDLASS_ROOT XDG_CACHE_HOME XDG_STATE_HOME "#]]
    .assert_eq(&told.stdout.replace(lone.folder.path().to_str().unwrap(), "FOLDER"));
}

#[tokio::test]
async fn another_key_and_another_user_are_refused() {
    let lone = Lone::new().await;
    assert!(!lone.log_in(USER, &new_key()).await.1.success());
    assert!(!lone.log_in("somebody", &lone.key).await.1.success());
}

#[tokio::test]
async fn a_shell_is_refused() {
    let lone = Lone::new().await;
    let (_connection, mut channel) = lone.channel().await;
    channel.request_shell(true).await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)));
}

#[tokio::test]
async fn a_signal_reaches_the_whole_group() {
    let lone = Lone::new().await;
    let (_connection, mut channel) = lone.channel().await;
    channel.exec(true, "sleep 60 & echo started; wait").await.unwrap();
    while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {}
    channel.signal(Sig::TERM).await.unwrap();
    let (mut messages, _out) = channel.split();
    assert_eq!(listen(&mut messages).await.signal.as_deref(), Some("TERM"));
}

#[tokio::test]
async fn dropping_the_server_kills_what_runs() {
    let lone = Lone::new().await;
    let (_connection, mut channel) = lone.channel().await;
    channel.exec(true, "mkfifo alive && echo started && exec sleep 60 >alive").await.unwrap();
    while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {}
    let alive = lone.folder.path().join("alive");
    // Opening it waits for the command to have it open; reading it ends when the last one that has it open has ended.
    let mut alive = tokio::task::spawn_blocking(|| File::open(alive)).await.unwrap().unwrap();
    drop(lone.server);
    let ended = tokio::task::spawn_blocking(move || alive.read_to_end(&mut Vec::new()));
    assert_eq!(ended.await.unwrap().unwrap(), 0);
    let (mut messages, _out) = channel.split();
    assert_eq!(listen(&mut messages).await.status, None);
}
