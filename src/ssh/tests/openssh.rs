//! What only a real sshd, ssh-keygen and ssh-agent can prove.

mod hardware;
mod reached;

use super::sshd::{Agent, Sshd, me, run as program};
use super::*;
use crate::model::host::HostKeyPolicy;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::time::{sleep, timeout};

fn authorize(sshd: &Sshd, public: &str) {
    fs::copy(sshd.path(public), sshd.path("authorized_keys")).unwrap();
}

fn keygen(sshd: &Sshd, name: &str, arguments: &[&str]) {
    let path = sshd.path(name).display().to_string();
    program("ssh-keygen", &[&["-q", "-f", path.as_str()], arguments].concat());
}

#[tokio::test]
async fn commands_run_and_end_as_they_did() {
    let sshd = Sshd::start("");
    let connection = connect(&sshd.target(), &Shared::new()).await.unwrap();
    assert!(connection.server().starts_with("SSH-2.0-OpenSSH"));
    assert_eq!(run(&connection, "cat", "hello").await, printed("hello"));
    let both = run(&connection, "echo out; echo err >&2; exit 3", "").await;
    let expected = CommandResult {
        stdout: "out\n".into(),
        stderr: "err\n".into(),
        exit: Some(Exit::Status(3)),
        lost: None,
    };
    assert_eq!(both, expected);
    let killed = run(&connection, "kill -9 $$", "").await;
    assert_eq!(killed.exit, Some(Exit::Signal("KILL".to_string())));
    connection.disconnect().await;
}

#[tokio::test]
async fn the_first_command_is_sent_before_its_channel_is_confirmed() {
    let sshd = Sshd::start("");
    let shared = Shared::new();
    for _ in 0..20 {
        let connection = connect(&sshd.target(), &shared).await.unwrap();
        // What russh's number of the first channel is, is checked inside: the command would fail.
        assert_eq!(run(&connection, "cat; echo done", "x".repeat(100_000)).await.stdout.len(), 100_005);
        assert_eq!(run(&connection, "echo again", "").await, printed("again\n"));
    }
    assert!(early_count() > 0, "no command was ever sent early");
}

fn early_count() -> usize {
    crate::ssh::session::SENT_EARLY.load(Ordering::Relaxed)
}

#[tokio::test]
async fn megabytes_pass_both_ways() {
    let sshd = Sshd::start("");
    let connection = connect(&sshd.target(), &Shared::new()).await.unwrap();
    let input = Bytes::from((0..20_000_000u32).map(|n| (n / 7) as u8).collect::<Vec<_>>());
    let result = run(&connection, "cat", input.clone()).await;
    assert!(result.stdout == input && result.exit == Some(Exit::Status(0)));
    // A command that takes nothing must not keep its writer waiting.
    let result = run(&connection, "exec 0<&-; echo no thanks", input).await;
    assert_eq!(result, printed("no thanks\n"));
}

#[tokio::test]
async fn a_broken_connection_is_told() {
    let sshd = Sshd::start("");
    let connection = connect(&sshd.target(), &Shared::new()).await.unwrap();
    let channel = connection.exec("kill -9 $PPID; sleep 100").await.unwrap();
    let result = read(channel.split().0).await;
    assert_eq!((result.exit, result.lost.as_deref()), (None, Some("the server closed the connection")));
    assert!(!connection.alive());
}

#[tokio::test]
async fn keys_of_every_kind_log_in() {
    let sshd = Sshd::start("TrustedUserCAKeys {}/ca.pub");
    keygen(&sshd, "ca", &["-t", "ed25519", "-N", ""]);
    for (name, arguments) in [
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""][..]),
        ("rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""]),
        ("locked", &["-t", "ed25519", "-N", "secret"]),
        ("locked-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"]),
        ("locked-pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "secret"]),
    ] {
        keygen(&sshd, name, arguments);
        authorize(&sshd, &format!("{name}.pub"));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let shared = Shared::new().with_passphrase(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Some("secret".to_string())
        });
        let target = Target { identities: vec![sshd.path("id"), sshd.path(name)], ..sshd.target() };
        for _ in 0..2 {
            connect(&target, &shared).await.unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        assert_eq!(asked.load(Ordering::Relaxed), usize::from(name.starts_with("locked")), "{name}");
    }
    // Certificates: the bare keys are not authorized any more.
    authorize(&sshd, "ca.pub");
    for name in ["rsa", "ecdsa", "locked"] {
        let (ca, public) =
            (sshd.path("ca").display().to_string(), sshd.path(&format!("{name}.pub")).display().to_string());
        program("ssh-keygen", &["-q", "-s", &ca, "-I", "test", "-n", &me(), "-V", "+1h", &public]);
        let target = Target { identities: vec![sshd.path(name)], ..sshd.target() };
        let shared = Shared::new().with_passphrase(|_| Some("secret".to_string()));
        let connection =
            connect(&target, &shared).await.unwrap_or_else(|why| panic!("certificate {name}: {why}"));
        assert!(connection.worked().key.contains("certificate test"), "{:?}", connection.worked());
    }
}

#[tokio::test]
async fn agents_sign_with_keys_and_certificates() {
    let sshd = Sshd::start("TrustedUserCAKeys {}/ca.pub");
    keygen(&sshd, "ca", &["-t", "ed25519", "-N", ""]);
    keygen(&sshd, "rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    let agent = Agent::start(sshd.directory.path(), &["id", "rsa"]);
    for name in ["id", "rsa"] {
        authorize(&sshd, &format!("{name}.pub"));
        let target = Target {
            identities: Vec::new(),
            identities_named: false,
            agent: Some(agent.socket.clone()),
            ..sshd.target()
        };
        connect(&target, &Shared::new()).await.unwrap_or_else(|why| panic!("{name}: {why}"));
        // Only a public half here: the agent has the other, and no other key of it is offered.
        fs::create_dir(sshd.path(&format!("only-{name}"))).unwrap();
        let public = sshd.path(&format!("only-{name}/key"));
        fs::copy(sshd.path(&format!("{name}.pub")), format!("{}.pub", public.display())).unwrap();
        let target =
            Target { identities: vec![public], identities_named: true, identities_only: true, ..target };
        connect(&target, &Shared::new()).await.unwrap_or_else(|why| panic!("only {name}: {why}"));
    }
    authorize(&sshd, "ca.pub");
    let (ca, public) = (sshd.path("ca").display().to_string(), sshd.path("rsa.pub").display().to_string());
    program("ssh-keygen", &["-q", "-s", &ca, "-I", "test", "-n", &me(), &public]);
    let agent = Agent::start(
        &{
            let directory = sshd.path("second");
            fs::create_dir(&directory).unwrap();
            for f in ["rsa", "rsa.pub", "rsa-cert.pub"] {
                fs::copy(sshd.path(f), directory.join(f)).unwrap();
            }
            directory
        },
        &["rsa"],
    );
    let target = Target {
        identities: Vec::new(),
        identities_named: false,
        agent: Some(agent.socket.clone()),
        ..sshd.target()
    };
    let connection = connect(&target, &Shared::new()).await.unwrap();
    assert!(connection.worked().key.contains("certificate test"));
}

#[tokio::test]
async fn users_are_tried_in_order_and_the_key_that_worked_is_remembered() {
    let sshd = Sshd::start("");
    keygen(&sshd, "other", &["-t", "ed25519", "-N", ""]);
    let target = Target {
        users: vec!["nobody-here".to_string(), me()],
        identities: vec![sshd.path("other"), sshd.path("id")],
        ..sshd.target()
    };
    let result = Arc::new(Mutex::new(Vec::new()));
    let log = result.clone();
    let shared = Shared::new().with_memory(HashMap::new(), move |place, worked| {
        log.lock().unwrap().push((place.to_string(), worked.clone()))
    });
    for _ in 0..2 {
        assert_eq!(connect(&target, &shared).await.unwrap().worked().user, me());
    }
    let result = result.lock().unwrap();
    assert_eq!(result.len(), 1);
    assert_eq!(result[0].0, format!("127.0.0.1:{}", sshd.port));
}

#[tokio::test]
async fn a_refusal_lists_what_was_tried_and_what_would_be_taken() {
    let sshd = Sshd::start("");
    keygen(&sshd, "other", &["-t", "ed25519", "-N", ""]);
    keygen(&sshd, "locked", &["-t", "ed25519", "-N", "secret"]);
    authorize(&sshd, "locked.pub");
    let identities = vec![sshd.path("other"), sshd.path("locked"), sshd.path("absent")];
    let error = connect(&Target { identities, ..sshd.target() }, &Shared::new()).await.err().unwrap();
    assert_eq!(error.class, Class::Authentication);
    let text = error.to_string();
    for part in [
        "refused",
        "/other (SHA256:",
        "/locked (SHA256:",
        "encrypted, and no passphrase was given",
        "/absent: no such file",
        "the server takes publickey",
        "ssh-copy-id",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn jump_hosts_of_any_depth_are_passed() {
    let (one, two, three) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    let target = Target { jump: vec![one.target(), two.target()], ..three.target() };
    let connection = connect(&target, &Shared::new()).await.unwrap();
    let input = "x".repeat(5_000_000);
    assert_eq!(run(&connection, "cat", input.clone()).await.stdout.len(), input.len());
    drop(two);
    let result = timeout(Duration::from_secs(30), run_or_lost(&connection)).await.unwrap();
    assert!(result.is_err(), "{result:?}");
    let away = Target { port: 1, ..three.target() };
    let error = connect(&Target { jump: vec![one.target()], ..away }, &Shared::new()).await.err().unwrap();
    assert_eq!(error.class, Class::Unreachable);
    assert!(
        error.to_string().starts_with("connect from lab to 127.0.0.1 port 1: the server refused"),
        "{error}"
    );
}

/// While much is written, much arrives: through a bastion both share one connection, and neither may wait for the other.
#[tokio::test]
async fn megabytes_pass_both_ways_through_bastions() {
    let (one, two, three) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    let target = Target { jump: vec![one.target(), two.target()], ..three.target() };
    let connection = connect(&target, &Shared::new()).await.unwrap();
    let input = Bytes::from(vec![7; 20_000_000]);
    let passed = timeout(Duration::from_secs(60), async {
        for _ in 0..3 {
            assert_eq!(run(&connection, "cat", input.clone()).await.stdout.len(), input.len());
        }
    });
    passed.await.expect("reading and writing wait for each other");
}

/// A host behind a bastion stops taking anything, so that all on the way is full, and dies.
#[tokio::test]
async fn a_host_that_dies_behind_a_bastion_is_noticed_while_it_is_written_to() {
    let (bastion, host) = (Sshd::start(""), Sshd::start(""));
    let target = Target { jump: vec![bastion.target()], ..host.target() };
    let connection = connect(&target, &Shared::new()).await.unwrap();
    let session = String::from_utf8(run(&connection, "echo $PPID", "").await.stdout).unwrap();
    let mut channels = Vec::new();
    for _ in 0..8 {
        channels.push(connection.exec("cat > /dev/null").await.unwrap());
    }
    program("kill", &["-STOP", session.trim()]);
    let written = channels.into_iter().map(|channel| async {
        let (reader, mut writer) = channel.split();
        // More than the window of one channel, and of all together more than the bastion takes.
        let writing = async move { writer.write(Bytes::from(vec![0; 4 << 20])).await };
        tokio::join!(read(reader), writing).1
    });
    let killed = async {
        sleep(Duration::from_secs(1)).await;
        program("kill", &["-KILL", session.trim()]);
    };
    let ended = timeout(Duration::from_secs(30), async {
        tokio::join!(futures::future::join_all(written), killed).0
    });
    let ended = ended.await.expect("the connection waits for a host that is dead");
    assert!(ended.iter().all(std::result::Result::is_err), "{ended:?}");
    assert!(!connection.alive());
}

/// After its jump host was killed a connection ends, even when it is writing.
async fn run_or_lost(connection: &Connection) -> crate::model::failure::Result<()> {
    let channel = connection.exec("kill -9 $PPID; cat > /dev/null").await?;
    let (reader, mut writer) = channel.split();
    let writing = async move {
        loop {
            writer.write(Bytes::from(vec![0; 1 << 20])).await?;
        }
    };
    tokio::select! {
        result = read(reader) => Err(Failure::new("read", result.lost.unwrap_or_default())),
        sent = writing => sent,
    }
}

#[tokio::test]
async fn a_busy_sshd_is_asked_again() {
    let sshd = Sshd::start("MaxStartups 2");
    let (target, shared) = (sshd.target(), Shared::new());
    // Two logins that never happen keep sshd full until it is asked a second time.
    let stuck = [0, 1].map(|_| std::net::TcpStream::connect(("127.0.0.1", sshd.port)).unwrap());
    let freed = async move {
        sleep(Duration::from_millis(300)).await;
        drop(stuck);
    };
    let (connection, ()) = tokio::join!(connect(&target, &shared), freed);
    assert_eq!(run(&connection.unwrap(), "echo in", "").await, printed("in\n"));
}

#[tokio::test]
async fn sixty_logins_at_one_sshd_all_succeed() {
    let sshd = Sshd::start("");
    let (target, shared) = (sshd.target(), Shared::new());
    let logins = (0..60).map(|n| {
        let (target, shared) = (&target, &shared);
        async move { run(&connect(target, shared).await.unwrap(), &format!("echo {n}"), "").await }
    });
    for (n, result) in futures::future::join_all(logins).await.into_iter().enumerate() {
        assert_eq!(result, printed(&format!("{n}\n")));
    }
}

#[tokio::test]
async fn host_certificates_vouch_for_hosts() {
    let sshd = Sshd::start("HostCertificate {}/host-cert.pub");
    keygen(&sshd, "ca", &["-t", "ed25519", "-N", ""]);
    let sign = |principal: &str| {
        let (ca, host) = (sshd.path("ca").display().to_string(), sshd.path("host.pub").display().to_string());
        program(
            "ssh-keygen",
            &["-q", "-s", &ca, "-I", "lab-host", "-h", "-n", principal, "-V", "-1h:+1h", &host],
        );
    };
    let ca = fs::read_to_string(sshd.path("ca.pub")).unwrap();
    fs::write(sshd.path("known_hosts"), format!("@cert-authority [127.0.0.*]:* {ca}")).unwrap();
    sign("127.0.0.1");
    // sshd reads the certificate when a connection comes, since it starts itself again for each.
    connect(&sshd.target(), &Shared::new()).await.unwrap();
    sign("elsewhere");
    let error = connect(&sshd.target(), &Shared::new()).await.err().unwrap();
    assert_eq!(error.class, Class::HostKey);
    assert!(
        error.failure.why.contains("certificate `lab-host` is for [elsewhere], not for 127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn new_hosts_are_learned_in_a_form_openssh_reads() {
    let sshd = Sshd::start("");
    let learned = sshd.path("new/known_hosts");
    let target =
        Target { known_hosts: vec![learned.clone()], policy: HostKeyPolicy::AcceptNew, ..sshd.target() };
    let shared = Shared::new();
    futures::future::try_join_all((0..8).map(|_| connect(&target, &shared))).await.map(drop).unwrap();
    assert_eq!(fs::read_to_string(&learned).unwrap().lines().count(), 1);
    let strict = Target { policy: HostKeyPolicy::Strict, ..target };
    connect(&strict, &Shared::new()).await.unwrap();
    program("ssh-keygen", &["-q", "-H", "-f", &learned.display().to_string()]);
    assert!(fs::read_to_string(&learned).unwrap().starts_with("|1|"));
    connect(&strict, &Shared::new()).await.unwrap();
    let (port, file) = (sshd.port.to_string(), format!("UserKnownHostsFile={}", learned.display()));
    let key = sshd.path("id").display().to_string();
    program(
        "ssh",
        &["-F", "none", "-p", &port, "-i", &key, "-o", &file, "-o", "BatchMode=yes", "127.0.0.1", "true"],
    );
}

/// Prints medians of `true` through our layer and through OpenSSH's client, in turns.
#[tokio::test(flavor = "multi_thread")]
async fn measure_a_login_and_a_command() {
    let sshd = Sshd::start("");
    let (target, shared) = (sshd.target(), Shared::new());
    let (port, key) = (sshd.port.to_string(), sshd.path("id").display().to_string());
    let file = format!("UserKnownHostsFile={}", sshd.path("known_hosts").display());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..41 {
        let began = Instant::now();
        let connection = connect(&target, &shared).await.unwrap();
        assert_eq!(run(&connection, "true", "").await.exit, Some(Exit::Status(0)));
        ours.push(began.elapsed());
        connection.disconnect().await;
        let began = Instant::now();
        program(
            "ssh",
            &["-F", "none", "-p", &port, "-i", &key, "-o", &file, "-o", "BatchMode=yes", "127.0.0.1", "true"],
        );
        theirs.push(began.elapsed());
    }
    ours.sort();
    theirs.sort();
    println!("median of 41: windlass {:?}, ssh {:?}", ours[20], theirs[20]);
}
