//! Ways to a host other than a socket, and what decides about its key, against a real sshd.

use super::super::sshd::{Sshd, run as program};
use super::super::*;
use crate::model::host::HostKeyPolicy;
use crate::ssh::revoked::Revoked;
use crate::ssh::scan::{Standing, scan};
use crate::ssh::target::Socket;
use russh::keys::{Certificate, PublicKey};
use std::fs;

/// The fingerprint of the key that this sshd shows.
fn fingerprint(sshd: &Sshd) -> String {
    let shown = program("ssh-keygen", &["-lf", &sshd.path("host.pub").display().to_string()]);
    String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_string()
}

async fn refusal(target: &Target) -> ConnectError {
    connect(target, &Shared::new()).await.err().expect("it must not connect")
}

#[tokio::test]
async fn a_proxy_command_is_the_connection_and_ends_with_it() {
    let sshd = Sshd::start("");
    let (config, pid) = (sshd.path("sshd_config"), sshd.path("pid"));
    let proxy =
        format!("sh -c 'echo $$ > {}; exec /usr/sbin/sshd -i -f {}'", pid.display(), config.display());
    // The address leads nowhere: only the command can have reached the host.
    let target = Target { address: "198.51.100.1".to_string(), proxy: Some(proxy), ..sshd.target() };
    let known = fs::read_to_string(sshd.path("known_hosts")).unwrap();
    fs::write(sshd.path("known_hosts"), known.replace("127.0.0.1", "198.51.100.1")).unwrap();
    let connection = connect(&target, &Shared::new()).await.unwrap();
    let input = "x".repeat(3_000_000);
    assert_eq!(run(&connection, "cat", input.clone()).await.stdout.len(), input.len());
    let process = format!("/proc/{}", fs::read_to_string(pid).unwrap().trim());
    assert!(fs::exists(&process).unwrap());
    connection.disconnect().await;
    let gone = async {
        while fs::read_to_string(format!("{process}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the command ends with the connection");
}

#[tokio::test]
async fn sockets_are_bound_as_asked() {
    let sshd = Sshd::start("");
    let from = |address: &str| Socket { bind_address: Some(address.to_string()), ..Socket::default() };
    let connection =
        connect(&Target { socket: from("127.0.0.9"), ..sshd.target() }, &Shared::new()).await.unwrap();
    let told = run(&connection, "echo $SSH_CONNECTION", "").await;
    assert!(told.stdout.starts_with(b"127.0.0.9 "), "{told:?}");
    let on = |interface: &str| Socket { bind_interface: Some(interface.to_string()), ..Socket::default() };
    connect(&Target { socket: on("lo"), ..sshd.target() }, &Shared::new()).await.unwrap();
    let error = refusal(&Target { socket: on("nosuch0"), ..sshd.target() }).await;
    assert!(error.failure.why.starts_with("cannot use the interface nosuch0"), "{error}");
    let error = refusal(&Target { socket: from("198.51.100.77"), ..sshd.target() }).await;
    assert!(error.failure.why.starts_with("cannot use the address 198.51.100.77 here"), "{error}");
}

#[tokio::test]
async fn variables_are_set_for_each_command() {
    let sshd = Sshd::start("AcceptEnv WINDLASS_TEST");
    let environment =
        vec![("WINDLASS_TEST".to_string(), "a b".to_string()), ("OTHER".to_string(), "x".to_string())];
    let connection = connect(&Target { environment, ..sshd.target() }, &Shared::new()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(run(&connection, "echo \"$WINDLASS_TEST$OTHER\"", "").await, printed("a b\n"));
    }
}

#[tokio::test]
async fn a_pinned_fingerprint_decides() {
    let sshd = Sshd::start("");
    let pinned = |fingerprint: &str| Target {
        policy: HostKeyPolicy::Fingerprint(fingerprint.to_string()),
        known_hosts: Vec::new(),
        ..sshd.target()
    };
    connect(&pinned(&fingerprint(&sshd)), &Shared::new()).await.unwrap();
    let wrong = format!("SHA256:{}", "a".repeat(43));
    let error = refusal(&pinned(&wrong)).await;
    assert_eq!(error.class, Class::HostKey);
    assert!(error.failure.why.ends_with(&format!("and the inventory says {wrong}")), "{error}");
    let revoked = Target { revoked: Some(sshd.path("host.pub")), ..pinned(&fingerprint(&sshd)) };
    assert!(refusal(&revoked).await.failure.why.contains("is revoked in"));
}

#[tokio::test]
async fn a_revoked_key_is_refused_although_it_is_known() {
    let sshd = Sshd::start("");
    for revoked in ["host.pub", "known_hosts", "missing"] {
        let error = refusal(&Target { revoked: Some(sshd.path(revoked)), ..sshd.target() }).await;
        assert_eq!(error.class, Class::HostKey, "{revoked}: {error}");
    }
    connect(&Target { revoked: Some(sshd.path("id.pub")), ..sshd.target() }, &Shared::new()).await.unwrap();
}

#[tokio::test]
async fn a_command_says_which_keys_are_known() {
    let sshd = Sshd::start("");
    let log = sshd.path("log");
    let script = sshd.path("keys.sh");
    let host = fs::read_to_string(sshd.path("host.pub")).unwrap();
    fs::write(&script, format!("echo \"$@\" >> {}\necho \"$2 {}\"\n", log.display(), host.trim())).unwrap();
    let command = |more: &str| Target {
        known_hosts: Vec::new(),
        known_hosts_command: Some(format!("/bin/sh {} %I %H %t {more}", script.display())),
        ..sshd.target()
    };
    connect(&command("%f"), &Shared::new()).await.unwrap();
    let asked = fs::read_to_string(&log).unwrap();
    let place = format!("[127.0.0.1]:{}", sshd.port);
    let found = fingerprint(&sshd);
    assert_eq!(asked, format!("ORDER {place} NONE NONE\nHOSTNAME {place} ssh-ed25519 {found}\n"));
    assert!(refusal(&command("%z")).await.failure.why.contains("known token"));
    let failing = Target { known_hosts_command: Some("/bin/false".to_string()), ..sshd.target() };
    assert_eq!(refusal(&failing).await.failure.why, "it failed");
}

#[tokio::test]
async fn dev_null_keeps_no_keys_and_hashes_hide_names() {
    let sshd = Sshd::start("");
    let accept = |file: &str| Target {
        policy: HostKeyPolicy::AcceptNew,
        known_hosts: vec![file.into()],
        ..sshd.target()
    };
    connect(&accept("/dev/null"), &Shared::new()).await.unwrap();
    let file = sshd.path("hashed").display().to_string();
    let hashed = Target { hash_known_hosts: true, ..accept(&file) };
    for _ in 0..2 {
        connect(&hashed, &Shared::new()).await.unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("|1|") && text.lines().count() == 1, "{text}");
    let place = format!("[127.0.0.1]:{}", sshd.port);
    program("ssh-keygen", &["-F", &place, "-f", &file]);
}

#[tokio::test]
async fn a_password_goes_to_no_new_host_that_was_not_confirmed() {
    let sshd = Sshd::start("");
    let target = Target {
        policy: HostKeyPolicy::AcceptNew,
        known_hosts: vec![sshd.path("new")],
        password: Some(SecretFrom::Environment("NO_SUCH_VARIABLE".to_string())),
        ..sshd.target()
    };
    let error = refusal(&target).await;
    assert_eq!(error.class, Class::HostKey);
    let advice = error.failure.hint.clone().unwrap();
    assert!(advice.contains(&format!("host_key = \"{}\"", fingerprint(&sshd))), "{error}");
    for (answer, connects) in [(Some(false), false), (None, false), (Some(true), true)] {
        let wanted = format!("ssh-ed25519 {}", fingerprint(&sshd));
        let shared = Shared::new().with_confirmation(move |host, key| {
            assert_eq!((host, key), ("lab", wanted.as_str()));
            answer
        });
        assert_eq!(connect(&target, &shared).await.is_ok(), connects, "{answer:?}");
    }
    // It is known from now on.
    connect(&target, &Shared::new()).await.unwrap();
}

#[tokio::test]
async fn a_scan_shows_keys_and_writes_new_ones_on_request() {
    let sshd = Sshd::start("");
    let key = format!("ssh-ed25519 {}", fingerprint(&sshd));
    let known = scan(&sshd.target(), &Shared::new(), true).await.unwrap();
    assert_eq!((known.key.as_str(), known.standing), (key.as_str(), Standing::Known));
    let new = Target { known_hosts: vec![sshd.path("new")], ..sshd.target() };
    let standing = async |write: bool| scan(&new, &Shared::new(), write).await.unwrap().standing;
    assert_eq!(standing(false).await, Standing::New);
    assert!(!sshd.path("new").exists());
    assert_eq!(standing(true).await, Standing::Written);
    assert_eq!(standing(true).await, Standing::Known);
    let changed = fs::read_to_string(sshd.path("id.pub")).unwrap();
    fs::write(sshd.path("new"), format!("[127.0.0.1]:{} {changed}", sshd.port)).unwrap();
    assert!(matches!(standing(true).await, Standing::Wrong(why) if why.why.contains("has changed")));
}

#[tokio::test]
async fn one_connection_to_a_bastion_carries_many_hosts() {
    let (bastion, host) = (Sshd::start(""), Sshd::start(""));
    let target = Target { jump: vec![bastion.target()], ..host.target() };
    let shared = Shared::new();
    let connections =
        futures::future::try_join_all((0..12).map(|_| connect(&target, &shared))).await.unwrap();
    let through = |connection: &Connection| connection.through.clone().unwrap();
    assert!(connections.iter().all(|other| Arc::ptr_eq(&through(other), &through(&connections[0]))));
    for connection in &connections {
        assert_eq!(run(connection, "echo in", "").await, printed("in\n"));
    }
    // When the bastion dies, each host says why it is lost.
    drop(bastion);
    let killed = through(&connections[0]).exec("kill -9 $PPID").await;
    drop(killed);
    for connection in &connections {
        let said = match connection.exec("cat").await {
            Ok(channel) => read(channel.split().0).await.lost.expect("the connection is lost"),
            Err(failure) => failure.why,
        };
        assert!(said.starts_with("the connection through lab was lost: "), "{said}");
    }
}

#[tokio::test]
async fn many_keys_are_offered_without_tripping_max_auth_tries() {
    let sshd = Sshd::start("MaxAuthTries 6\nLogLevel VERBOSE");
    let names: Vec<String> = (0..13).map(|number| format!("key{number}")).collect();
    for name in &names {
        let path = sshd.path(name).display().to_string();
        program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path]);
    }
    let mut identities: Vec<_> = names.iter().map(|name| sshd.path(name)).collect();
    identities.push(sshd.path("id"));
    let target = Target { identities, ..sshd.target() };
    let shared = Shared::new();
    connect(&target, &shared).await.unwrap();
    // Next time the key that worked comes first.
    assert!(shared.remembered(&target).is_some());
    connect(&target, &shared).await.unwrap();
    let none = Target { identities: target.identities[..13].to_vec(), ..target };
    let error = connect(&none, &Shared::new()).await.err().unwrap();
    assert!(error.failure.why.contains("/key0 (") && error.failure.why.contains("/key12 ("), "{error}");
    assert!(!error.failure.why.contains("hung up"), "{error}");
}

#[tokio::test]
async fn a_server_with_less_patience_is_offered_the_other_keys_over_new_connections() {
    let sshd = Sshd::start("MaxAuthTries 2\nLogLevel VERBOSE");
    let mut identities: Vec<_> = (0..6).map(|number| sshd.path(&format!("key{number}"))).collect();
    for path in &identities {
        program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path.display().to_string()]);
    }
    identities.push(sshd.path("id"));
    connect(&Target { identities, ..sshd.target() }, &Shared::new()).await.unwrap();
}

#[test]
fn lists_of_ssh_keygen_revoke_keys_and_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let keygen = |arguments: &[&str]| program("ssh-keygen", &[&["-q"], arguments].concat());
    for name in ["ca", "a", "b", "c", "d"] {
        keygen(&["-t", "ed25519", "-N", "", "-C", name, "-f", &path(name)]);
    }
    for (serial, name) in [("7", "a"), ("20", "b"), ("300", "c"), ("1000", "d")] {
        keygen(&[
            "-s",
            &path("ca"),
            "-h",
            "-I",
            name,
            "-n",
            "web1",
            "-z",
            serial,
            &path(&format!("{name}.pub")),
        ]);
    }
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    let public = |name: &str| PublicKey::from_openssh(read(&format!("{name}.pub")).trim()).unwrap();
    let certificate =
        |name: &str| Certificate::from_openssh(read(&format!("{name}-cert.pub")).trim()).unwrap();
    let revoked = |spec: &str, with_authority: bool| {
        fs::write(path("spec"), spec).unwrap();
        let authority = path("ca.pub");
        let by: &[&str] = if with_authority { &["-s", &authority] } else { &[] };
        keygen(&[&["-k", "-f", &path("krl")], by, &[&path("spec")]].concat());
        let revoked = Revoked::read(std::path::Path::new(&path("krl"))).unwrap();
        let names = ["a", "b", "c", "d"].into_iter();
        let keys: String = names.clone().filter(|name| revoked.has(&public(name).into())).collect();
        let certificates: String = names.filter(|name| revoked.has(&certificate(name).into())).collect();
        format!("{keys}/{certificates}")
    };
    assert_eq!(revoked(&format!("key: {}\n", read("a.pub").trim()), false), "a/a");
    assert_eq!(revoked(&format!("sha1: {}\n", read("b.pub").trim()), false), "b/b");
    assert_eq!(revoked(&format!("sha256: {}\n", read("b.pub").trim()), false), "b/b");
    assert_eq!(revoked("serial: 7\n", true), "/a");
    assert_eq!(revoked("serial: 10-400\n", true), "/bc");
    assert_eq!(revoked("serial: 7\nserial: 9\nserial: 20\nserial: 21\n", true), "/ab");
    assert_eq!(revoked("id: d\n", true), "/d");
    // A whole authority.
    assert_eq!(revoked(&format!("key: {}\n", read("ca.pub").trim()), false), "/abcd");
}
