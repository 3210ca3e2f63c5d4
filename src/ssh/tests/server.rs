//! An SSH server in this process, which does on purpose what sshd does only on a bad day.

use super::*;
use crate::model::host::HostKeyPolicy;
use crate::ssh::target::Via;
use expect_test::expect;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, Msg, Session};
use russh::{ChannelId, Preferred, Sig, SshId, cipher, kex};
use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A listening server and the key files to get in.
struct Lab {
    directory: TempDir,
    target: Target,
}

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

impl Lab {
    /// Listens and serves every connection with `config`.
    async fn start(config: impl FnOnce(&mut server::Config)) -> Lab {
        let host = new_key();
        let mut settings = server::Config {
            keys: vec![host.clone()],
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..server::Config::default()
        };
        config(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lab = Lab::files(&host, listener.local_addr().unwrap().port());
        let settings = Arc::new(settings);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(settings.clone(), stream));
            }
        });
        lab
    }

    fn files(host: &PrivateKey, port: u16) -> Lab {
        let directory = tempfile::tempdir().unwrap();
        let (id, known_hosts) = (directory.path().join("id"), directory.path().join("known_hosts"));
        new_key().write_openssh_file(&id, LineEnding::LF).unwrap();
        fs::write(&known_hosts, format!("[127.0.0.1]:{port} {}\n", host.public_key().to_openssh().unwrap()))
            .unwrap();
        let target = Target { identities: vec![id], known_hosts: vec![known_hosts], ..target(port) };
        Lab { directory, target }
    }

    async fn connect(&self) -> Result<Connection, ConnectError> {
        connect(&self.target, &Shared::new()).await
    }
}

async fn serve(config: Arc<server::Config>, stream: TcpStream) {
    if let Ok(session) = server::run_stream(config, stream, Mischief).await {
        let _ = session.await;
    }
}

/// Accepts every user except the user `stranger`, and does odd things by name of the command.
struct Mischief;

impl server::Handler for Mischief {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        _: server::VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(if user == "stranger" { Auth::reject() } else { Auth::Accept })
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        _: server::PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(if user == "stranger" { Auth::reject() } else { Auth::Accept })
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if password == "open sesame" { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _: russh::Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let handle = session.handle();
        match command {
            b"refuse" => session.channel_failure(id),
            b"late" => {
                session.channel_success(id)?;
                session.exit_status_request(id, 7)?;
                session.data(id, "after the status")?;
                session.eof(id)?;
                session.close(id)
            }
            b"mute" => session.close(id),
            b"attack" => {
                session.channel_success(id)?;
                tokio::spawn(async move {
                    let agent = handle.channel_open_agent().await.is_err();
                    let socket = handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_err();
                    let _ = handle.data(id, format!("refused: {agent} {socket}")).await;
                    let _ = handle.close(id).await;
                });
                Ok(())
            }
            _ => session.channel_success(id),
        }
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.exit_signal_request(id, signal, false, "", "")?;
        session.close(id)
    }
}

#[tokio::test]
async fn the_status_may_come_before_the_last_output() {
    let connection = Lab::start(|_| {}).await.connect().await.unwrap();
    let expected = CommandResult {
        stdout: "after the status".into(),
        exit: Some(Exit::Status(7)),
        ..CommandResult::default()
    };
    assert_eq!(run(&connection, "late", "").await, expected);
}

#[tokio::test]
async fn a_refused_command_a_signal_and_a_silent_end_are_told_apart() {
    let connection = Lab::start(|_| {}).await.connect().await.unwrap();
    let refused = run(&connection, "refuse", "").await;
    assert_eq!(refused.lost.as_deref(), Some("the server refused to run it"));
    let mut channel = connection.exec("wait").await.unwrap();
    channel.signal(Signal::Term).await.unwrap();
    assert_eq!(channel.next().await, Some(Chunk::Exit(Exit::Signal("TERM".to_string()))));
    assert_eq!(channel.next().await, None);
    assert_eq!(run(&connection, "mute", "").await, CommandResult::default());
}

#[tokio::test]
async fn what_a_server_opens_towards_us_is_refused() {
    let connection = Lab::start(|_| {}).await.connect().await.unwrap();
    assert_eq!(run(&connection, "attack", "").await.stdout, b"refused: true true");
}

#[tokio::test]
async fn a_server_that_only_looks_like_openssh_gets_its_command_the_ordinary_way() {
    let id = SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_0.0"));
    let connection = Lab::start(|config| config.server_id = id).await.connect().await.unwrap();
    assert_eq!(run(&connection, "late", "").await.exit, Some(Exit::Status(7)));
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_the_command_that_makes_it_known() {
    let mut lab = Lab::start(|_| {}).await;
    let empty = lab.directory.path().join("empty");
    lab.target.known_hosts = vec![empty];
    let error = lab.connect().await.err().unwrap();
    assert_eq!(error.class, Class::HostKey);
    expect![[r#"
        check the host key of 127.0.0.1 port PORT: its host key is not known: ssh-ed25519 SHA256:FINGERPRINT
          hint: compare that fingerprint with the host's (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there), then: ssh-keyscan -t ed25519 -p PORT 127.0.0.1 >> FOLDER/empty; or set host_key = "accept-new""#]]
    .assert_eq(&general(&error, &lab));
}

#[tokio::test]
async fn a_changed_key_is_refused_whatever_the_policy() {
    let mut lab = Lab::start(|_| {}).await;
    let port = lab.target.port;
    let old = new_key().public_key().to_openssh().unwrap();
    fs::write(lab.directory.path().join("known_hosts"), format!("# mine\n[127.0.0.1]:{port} {old}\n"))
        .unwrap();
    lab.target.policy = HostKeyPolicy::AcceptNew;
    let error = lab.connect().await.err().unwrap();
    assert_eq!(error.class, Class::HostKey);
    expect![[r#"
        check the host key of 127.0.0.1 port PORT: the host key has changed: it is now ssh-ed25519 SHA256:FINGERPRINT, and was ssh-ed25519 SHA256:FINGERPRINT at FOLDER/known_hosts:2
          hint: another machine may be between you and the host; if it was set up anew, compare the new fingerprint there, then: ssh-keygen -f FOLDER/known_hosts -R '[127.0.0.1]:PORT'"#]]
    .assert_eq(&general(&error, &lab));
}

/// A message without what differs from run to run.
fn general(error: &ConnectError, lab: &Lab) -> String {
    let text = error.to_string().replace(&lab.target.port.to_string(), "PORT");
    let mut text = text.replace(&lab.directory.path().display().to_string(), "FOLDER");
    let mut from = 0;
    while let Some(at) = text[from..].find("SHA256:").map(|at| from + at + 7) {
        text.replace_range(at..at + 43, "FINGERPRINT");
        from = at;
    }
    text
}

#[tokio::test]
async fn refused_logins_tell_their_story_for_each_user() {
    let mut lab = Lab::start(|_| {}).await;
    lab.target.users = vec!["stranger".to_string()];
    let error = lab.connect().await.err().unwrap();
    assert_eq!(error.class, Class::Authentication);
    expect![[r#"
        log in to 127.0.0.1 port PORT as stranger: refused FOLDER/id (SHA256:FINGERPRINT); the server takes password, publickey, hostbased, keyboard-interactive
          hint: try: ssh -p PORT stranger@127.0.0.1; ssh-copy-id -p PORT stranger@127.0.0.1 adds a key, `identity` and `user` choose others"#]]
    .assert_eq(&general(&error, &lab));
    lab.target.users.push("deploy".to_string());
    assert_eq!(lab.connect().await.unwrap().worked().user, "deploy");
}

#[tokio::test]
async fn a_password_is_tried_only_where_one_is_given() {
    let mut lab = Lab::start(|_| {}).await;
    lab.target.identities = Vec::new();
    assert_eq!(lab.connect().await.err().unwrap().class, Class::Authentication);
    let file: PathBuf = lab.directory.path().join("password");
    fs::write(&file, "open sesame\n").unwrap();
    lab.target.password = Some(SecretFrom::File(file.clone()));
    let error = lab.connect().await.err().unwrap();
    assert!(error.failure.why.contains("others may read"), "{error}");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(lab.connect().await.unwrap().worked().key, "password");
    lab.target.password = Some(SecretFrom::Prompt);
    let shared = Shared::new()
        .with_password(|host, user| (host == "lab" && user == "deploy").then(|| "open sesame".into()));
    connect(&lab.target, &shared).await.unwrap();
}

#[tokio::test]
async fn a_cipher_open_to_terrapin_is_refused() {
    let lab = Lab::start(|config| {
        config.preferred = Preferred {
            cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305]),
            kex: Cow::Borrowed(&[kex::CURVE25519]),
            ..Preferred::DEFAULT
        };
    })
    .await;
    let error = lab.connect().await.err().unwrap();
    assert_eq!(error.class, Class::Protocol);
    assert!(error.failure.why.contains("no strict key exchange"), "{error}");
}

#[tokio::test]
async fn nothing_in_common_names_both_sides() {
    let lab = Lab::start(|config| {
        config.preferred = Preferred { cipher: Cow::Borrowed(&[cipher::AES_256_CBC]), ..Preferred::DEFAULT };
    })
    .await;
    let error = lab.connect().await.err().unwrap();
    assert_eq!(error.class, Class::Protocol);
    assert!(error.failure.why.starts_with("no cipher in common: we take aes256-gcm@openssh.com"), "{error}");
}

/// A listener that greets `words` and closes, `times` times, then serves as usual.
async fn greeting(words: &'static str, times: usize) -> Lab {
    let (host, listener) = (new_key(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let lab = Lab::files(&host, listener.local_addr().unwrap().port());
    let config = Arc::new(server::Config { keys: vec![host], ..server::Config::default() });
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            if number < times {
                let _ = stream.write_all(words.as_bytes()).await;
            } else {
                tokio::spawn(serve(config.clone(), stream));
            }
        }
    });
    lab
}

#[tokio::test]
async fn closed_before_the_banner_is_asked_again() {
    for words in ["Exceeded MaxStartups\r\n", ""] {
        greeting(words, 2).await.connect().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_ssh_is_named_at_once() {
    let error = greeting("HTTP/1.1 400 Bad Request\r\n\r\n", 9).await.connect().await.err().unwrap();
    assert_eq!(
        (error.class, error.failure.why.as_str()),
        (Class::Protocol, "this is not SSH: it says `HTTP/1.1 400 Bad Request`")
    );
}

#[tokio::test]
async fn hosts_that_do_not_answer_are_unreachable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Target {
        connect_timeout: Duration::from_millis(200),
        ..target(listener.local_addr().unwrap().port())
    };
    let began = Instant::now();
    let error = connect(&silent, &Shared::new()).await.err().unwrap();
    assert_eq!(
        (error.class, error.failure.why.as_str()),
        (Class::Unreachable, "connected, but no SSH banner came within 0.2 s")
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(listener);
    let error = connect(&silent, &Shared::new()).await.err().unwrap();
    assert_eq!((error.class, error.failure.why.as_str()), (Class::Unreachable, "connection refused"));
    let nowhere = Target { address: "nowhere.invalid".to_string(), ..silent };
    assert_eq!(connect(&nowhere, &Shared::new()).await.err().unwrap().class, Class::Unreachable);
}

#[tokio::test]
async fn a_proxy_command_that_fails_says_so() {
    let proxy = Some("sh -c 'echo no such tunnel >&2; exit 1'".to_string());
    let error = connect(&Target { proxy, ..target(22) }, &Shared::new()).await.err().unwrap();
    assert_eq!(error.class, Class::Unreachable);
    assert_eq!(error.failure.why, "ProxyCommand ended before the server's banner, saying `no such tunnel`");
}

#[tokio::test]
async fn a_bastion_that_cannot_be_reached_is_tried_once_for_all() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tries = tokio::spawn(async move {
        let mut tries = 0;
        while let Ok(Ok((stream, _))) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            tries += 1;
            let mut stream = stream;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400\r\n\r\n").await;
        }
        tries
    });
    let bastion = Target { name: "bastion".to_string(), ..target(port) };
    let shared = Shared::new();
    let behind = Target { jump: vec![bastion], ..target(22) };
    let ended = futures::future::join_all((0..8).map(|_| connect(&behind, &shared))).await;
    for error in ended.into_iter().map(|ended| ended.err().unwrap()) {
        assert!(error.failure.doing.starts_with("reach lab through bastion: connect to"), "{error}");
    }
    assert_eq!(tries.await.unwrap(), 1);
}

#[tokio::test]
async fn this_machine_is_a_host_without_ssh() {
    let connection = connect(&Target { via: Via::Local, ..target(1) }, &Shared::new()).await.unwrap();
    let input = "x".repeat(1_000_000);
    let result = run(&connection, "cat; echo err >&2; exit 3", input.clone()).await;
    assert_eq!((result.stdout.len(), result.stderr.as_slice()), (input.len(), &b"err\n"[..]));
    assert_eq!(result.exit, Some(Exit::Status(3)));
    assert_eq!(connection.worked().user, sshd::me());
    let mut channel = connection.exec("echo ready; exec sleep 1000").await.unwrap();
    assert_eq!(channel.next().await, Some(Chunk::Stdout(Bytes::from("ready\n"))));
    channel.signal(Signal::Term).await.unwrap();
    assert_eq!(channel.next().await, Some(Chunk::Exit(Exit::Signal("TERM".to_string()))));
    assert_eq!(channel.next().await, None);
}

#[tokio::test]
async fn a_container_that_does_not_exist_is_unreachable() {
    let container = Target { via: Via::Docker, address: "no-such-container".to_string(), ..target(1) };
    let error = connect(&container, &Shared::new()).await.err().unwrap();
    assert_eq!(error.class, Class::Unreachable);
    assert_eq!(error.failure.doing, "run a command in the container no-such-container by docker");
}
