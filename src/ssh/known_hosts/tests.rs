//! Keys are made by ssh-keygen's rules here, so that no program is needed.

use super::knowledge::OFFERED;
use super::*;
use crate::ssh::algorithms::Algorithms;
use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, PrivateKey};
use std::time::Duration;
use std::time::UNIX_EPOCH;

fn key() -> PrivateKey {
    PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
}

fn text(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

fn identity(address: &str, port: u16) -> HostIdentity {
    HostIdentity { name: "web1".to_string(), address: address.to_string(), port, alias: false }
}

fn rules() -> Rules {
    Rules { policy: HostKeyPolicy::AcceptNew, write: true, ..Rules::default() }
}

/// What a file with these lines says when `address` at `port` shows `key`.
fn ask(
    lines: &str,
    address: &str,
    port: u16,
    shown: impl Into<PublicKeyOrCertificate>,
) -> Result<bool, String> {
    let verified =
        knowledge(lines, address, port).check(&shown.into(), SystemTime::now(), &Algorithms::default());
    verified.map(|verified| verified == Verified::Known).map_err(|failure| failure.why)
}

fn knowledge(lines: &str, address: &str, port: u16) -> Knowledge {
    let mut knowledge = Knowledge {
        identity: identity(address, port),
        files: Vec::new(),
        lines: Vec::new(),
        bare: Vec::new(),
    };
    knowledge.add(&File::parse(lines, Path::new("known_hosts")).unwrap());
    knowledge
}

#[test]
fn names_are_matched_as_sshd_8_says() {
    let key = key();
    for (names, address, port, known) in [
        ("web1", "web1", 22, true),
        ("web1", "WEB1", 22, true),
        ("WEB1", "web1", 22, true),
        ("web2,web1", "web1", 22, true),
        ("web*", "web1", 22, true),
        ("web*,!web1", "web1", 22, false),
        ("!web1,web*", "web1", 22, false),
        ("web?.example.com", "web1.example.com", 22, true),
        ("[web1]:2222", "web1", 2222, true),
        ("[web1]:2222", "web1", 22, false),
        ("[web1]:2222", "web1", 2223, false),
        ("[*]:*", "web1", 2222, true),
        ("web1", "web1", 2222, true), // the bare name is believed when the key agrees
        ("[::1]:2222", "::1", 2222, true),
    ] {
        let line = format!("{names} {} a comment\n", text(&key));
        assert_eq!(
            ask(&line, address, port, key.public_key().clone()),
            Ok(known),
            "{names} {address} {port}"
        );
    }
}

#[test]
fn hashed_names_are_found() {
    // As `ssh-keygen -H` does; a test with a real sshd reads what that program wrote.
    let hashed = |name: &str| {
        let salt = [7u8; 20];
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&salt).unwrap();
        mac.update(name.as_bytes());
        let hash: [u8; 20] = mac.finalize().into_bytes().into();
        HostPatterns::HashedName { salt: salt.to_vec(), hash }.to_string()
    };
    let key = key();
    for (name, port) in [("web1", 22), ("[web1]:2222", 2222)] {
        let line = format!("{} {}\n", hashed(name), text(&key));
        assert_eq!(ask(&line, "web1", port, key.public_key().clone()), Ok(true));
        assert_eq!(ask(&line, "web2", port, key.public_key().clone()), Ok(false));
    }
}

#[test]
fn a_changed_key_names_old_and_new_and_where() {
    let (old, new) = (key(), key());
    let why =
        ask(&format!("\n# x\nweb1 {}\n", text(&old)), "web1", 22, new.public_key().clone()).unwrap_err();
    let (old, new) = (show(old.public_key()), show(new.public_key()));
    assert_eq!(why, format!("the host key has changed: it is now {new}, and was {old} at known_hosts:3"));
}

#[test]
fn another_type_of_key_counts_as_changed() {
    let known = key();
    let other =
        PrivateKey::random(&mut rand::rng(), Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }).unwrap();
    assert!(ask(&format!("web1 {}", text(&known)), "web1", 22, other.public_key().clone()).is_err());
}

#[test]
fn a_revoked_key_is_refused_even_when_another_line_knows_it() {
    let key = key();
    let lines = format!("web1 {0}\n@revoked * {0}\n", text(&key));
    let why = ask(&lines, "web1", 22, key.public_key().clone()).unwrap_err();
    assert_eq!(why, format!("its key {} is revoked at known_hosts:2", show(key.public_key())));
}

#[test]
fn a_revocation_that_cannot_be_read_is_an_error_and_other_nonsense_is_not() {
    assert!(File::parse("@revoked * nonsense\n", Path::new("known_hosts")).is_err());
    assert!(File::parse("nonsense\nweb1 ssh-ed25519 AAAA\n@what * x y\n", Path::new("known_hosts")).is_ok());
}

#[test]
fn the_known_type_of_key_is_asked_for_first() {
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 }).unwrap();
    let algorithms = knowledge(&format!("web1 {}", text(&key)), "web1", 22).offered(&Algorithms::default());
    assert_eq!(algorithms.plain[0], Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 });
    assert_eq!(algorithms.plain.len(), OFFERED.len());
    assert!(algorithms.certificates.is_empty());
    let authority =
        knowledge(&format!("@cert-authority * {}", text(&key)), "web1", 22).offered(&Algorithms::default());
    assert_eq!(authority.certificates, OFFERED);
}

struct Cert {
    names: &'static [&'static str],
    from: i64,
    to: i64,
    kind: CertType,
}

/// A certificate of `host` by `authority`, valid from and to so many seconds from now.
fn certificate(authority: &PrivateKey, host: &PrivateKey, cert: &Cert) -> Certificate {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let (from, to) = ((now + cert.from) as u64, (now + cert.to) as u64);
    let mut builder = Builder::new_with_random_nonce(&mut rand::rng(), host.public_key(), from, to).unwrap();
    builder.cert_type(cert.kind).unwrap().key_id("web").unwrap();
    for name in cert.names {
        builder.valid_principal(*name).unwrap();
    }
    if cert.names.is_empty() {
        builder.all_principals_valid().unwrap();
    }
    builder.sign(authority).unwrap()
}

#[test]
fn certificates_count_when_all_of_them_is_right() {
    const GOOD: Cert = Cert { names: &["web1"], from: -60, to: 60, kind: CertType::Host };
    let (authority, host, stranger) = (key(), key(), key());
    let trusted = format!("@cert-authority web* {}\n", text(&authority));
    let said = |lines: &str, signer: &PrivateKey, cert: Cert| {
        ask(lines, "web1", 2222, certificate(signer, &host, &cert))
    };
    assert_eq!(said(&trusted, &authority, GOOD), Ok(true));
    assert_eq!(said(&trusted, &authority, Cert { names: &["web*"], ..GOOD }), Ok(true));
    assert_eq!(said(&trusted, &stranger, GOOD), Ok(false));
    assert_eq!(said(&format!("web1 {}", text(&host)), &stranger, GOOD), Ok(true), "the key inside is known");
    for (cert, why) in [
        (Cert { names: &["web2"], ..GOOD }, "is for [web2], not for web1"),
        (Cert { names: &[], ..GOOD }, "is for [], not for web1"),
        (Cert { from: -600, to: -300, ..GOOD }, "expired 5 minutes ago"),
        (Cert { from: 300, to: 600, ..GOOD }, "is not valid yet"),
        (Cert { kind: CertType::User, ..GOOD }, "is a user's, not a host's"),
    ] {
        assert_eq!(said(&trusted, &authority, cert), Err(format!("its certificate `web` {why}")));
    }
    let revoked = format!("{trusted}@revoked * {}\n", text(&authority));
    assert!(said(&revoked, &authority, GOOD).unwrap_err().contains("is revoked"));
}

#[test]
fn new_keys_are_written_once_however_many_come_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ssh/known_hosts");
    let keys: Vec<_> = (0..20).map(|_| key()).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (file, keys) = (&file, &keys);
            scope.spawn(move || {
                // Each thread is a controller of its own, with its own memory.
                let store = KnownHosts::default();
                for (number, key) in keys.iter().enumerate().cycle().skip(thread * 5).take(20) {
                    let known = store
                        .about(&identity(&format!("web{number}"), 22), std::slice::from_ref(file))
                        .unwrap();
                    store.verify(&known, &key.public_key().clone().into(), &rules()).unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 20);
}

#[test]
fn somebody_else_may_have_learned_another_key_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    let store = KnownHosts::default();
    let known = store.about(&identity("web1", 22), std::slice::from_ref(&file)).unwrap();
    fs::write(&file, format!("web1 {}", text(&key()))).unwrap();
    let shown = key().public_key().clone().into();
    assert!(store.verify(&known, &shown, &rules()).unwrap_err().why.contains("has changed"));
    // A last line without its newline is not run into.
    let other = store.about(&identity("web2", 22), std::slice::from_ref(&file)).unwrap();
    store.verify(&other, &shown, &rules()).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
}

#[test]
fn thousands_of_hosts_are_found_quickly() {
    let line = text(&key());
    let lines: String = (0..5000).map(|n| format!("web{n} {line}\n")).collect();
    let file = File::parse(&lines, Path::new("known_hosts")).unwrap();
    let began = std::time::Instant::now();
    assert!((0..5000).all(|n| file.lines(&format!("web{n}")).len() == 1));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
