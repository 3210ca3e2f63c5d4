//! Keys of a pretended host's users: which lines change, and which stay as they were.

use crate::model::op::Meta;
use crate::system::System;
use crate::system::pretend::Pretend;
use crate::testing::{apply, host, parse, planned, pretend_a_change, text};
use expect_test::expect;
use std::path::Path;

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
const FILE: &str = "/home/ann/.ssh/authorized_keys";
const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJibM1QNndcvTu9EzkQ44Lmgo0rjw/elJ8PPnmQ23R+p";
const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK4aBNUbCXgw1tDMOBXQAB9LrGrdauH43iOcR5b/SP6t";

/// A host on which ann has these keys, with the modes that sshd wants.
fn with_keys(keys: &str) -> Pretend<'static> {
    let host = host(&[("/etc/passwd", PASSWD), (FILE, keys)]);
    for (path, mode) in [("/home/ann/.ssh", 0o700), (FILE, 0o600)] {
        let meta = Meta { mode: Some(mode), owner: Some(1000), group: Some(1000) };
        host.set_meta(Path::new(path), &meta).unwrap();
    }
    host.settle();
    host
}

fn edited(before: &str, keys: &str) -> String {
    let host = with_keys(before);
    match apply(&host, "authorized_key", &format!("user = 'ann'\n{keys}")) {
        Ok(_) => text(&host, FILE),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn makes_folder_and_file_as_sshd_wants_them() {
    let host = host(&[("/etc/passwd", PASSWD), ("/home/ann/.profile", "")]);
    let told = apply(&host, "authorized_key", &format!("user = 'ann'\nkeys = ['{ONE} ann']")).unwrap();
    assert_eq!(told, "make directory /home/ann/.ssh\nwrite /home/ann/.ssh/authorized_keys\n");
    assert_eq!(text(&host, FILE), format!("{ONE} ann\n"));
    let told = apply(&host, "authorized_key", "user = 'ann'\nkeys = []\nstate = 'absent'").unwrap();
    assert_eq!(told, "");
}

#[test]
fn a_key_that_is_there_keeps_its_line() {
    let before = format!("# ours\nno-pty {ONE} old comment\n\n");
    assert_eq!(edited(&before, &format!("keys = ['{ONE} new']")), before);
    let restricted = format!("keys = ['from=\"10.0.0.0/8, 1.2.3.4\" {ONE} new']");
    let after = format!("# ours\nfrom=\"10.0.0.0/8, 1.2.3.4\" {ONE} old comment\n\n");
    assert_eq!(edited(&before, &restricted), after);
}

#[test]
fn exclusive_takes_out_keys_and_nothing_else() {
    let before = format!("# ours\n{TWO} gone\nnot a key\n{ONE}");
    assert_eq!(
        edited(&before, &format!("keys = ['{ONE} a']\nexclusive = true")),
        format!("# ours\nnot a key\n{ONE}")
    );
    assert_eq!(
        edited(&before, &format!("keys = ['''{TWO}\n{ONE}''']\nstate = 'absent'")),
        "# ours\nnot a key\n"
    );
}

#[test]
fn open_modes_are_closed_and_strict_ones_left() {
    let host = with_keys(&format!("{ONE}\n"));
    host.set_meta(Path::new(FILE), &Meta { mode: Some(0o664), ..Meta::default() }).unwrap();
    host.set_meta(Path::new("/home/ann/.ssh"), &Meta { mode: Some(0o500), ..Meta::default() }).unwrap();
    let told = apply(&host, "authorized_key", &format!("user = 'ann'\nkeys = ['{ONE}']")).unwrap();
    assert_eq!(told, "set mode 0600 of /home/ann/.ssh/authorized_keys\n");
}

#[test]
fn a_link_that_the_user_may_have_made_is_refused() {
    let host = host(&[("/etc/passwd", PASSWD), ("/home/ann/x", "")]);
    host.link(Path::new("/home/ann/.ssh"), Path::new("/root/.ssh")).unwrap();
    let failure = apply(&host, "authorized_key", &format!("user = 'ann'\nkeys = ['{ONE}']")).unwrap_err();
    assert_eq!(failure.why, "a symbolic link is there, not a directory");
}

#[test]
fn what_is_no_whole_public_key_is_refused() {
    let refused = |key: &str| {
        let keys = format!("user = 'ann'\nkeys = ['{ONE}', '''{key}''']");
        parse("authorized_key", &keys).err().map(|failure| failure.to_string()).unwrap_or_default()
    };
    expect![
        "read authorized_key.keys[1]: the ssh-ed25519 key is not whole: a part of it was lost on the way here"
    ]
    .assert_eq(&refused(&TWO[..TWO.len() - 8]));
    let wrong = TWO.replace("ssh-ed25519", "ssh-rsa");
    expect!["read authorized_key.keys[1]: it says ssh-rsa, but the key is of type ssh-ed25519"]
        .assert_eq(&refused(&wrong));
    expect!["read authorized_key.keys[1]: this is a private key; give the public one, from the file that ends in .pub"]
        .assert_eq(&refused("-----BEGIN OPENSSH PRIVATE KEY-----"));
    expect!["read authorized_key.keys[1]: a quote of its options is not closed"]
        .assert_eq(&refused("from=\"x ssh-rsa AAAA"));
    expect!["read authorized_key.keys[1]: it is not a public key"].assert_eq(&refused("anna"));
    expect!["read authorized_key.keys: with exclusive, no key at all would lock the user out"].assert_eq(
        &parse("authorized_key", "user = 'ann'\nkeys = []\nexclusive = true").err().unwrap().to_string(),
    );
}

#[test]
fn a_user_that_is_missing_is_a_failure_or_not_known_yet() {
    let host = host(&[("/etc/passwd", PASSWD)]);
    let keys = format!("user = 'sam'\nkeys = ['{ONE}']");
    expect![[r#"
        look up user sam: the host has no such user
          hint: create it with a step of kind user first"#]]
    .assert_eq(&apply(&host, "authorized_key", &keys).unwrap_err().to_string());
    pretend_a_change(&host);
    assert_eq!(planned(&host, "authorized_key", &keys).unwrap(), "wait until getent passwd sam succeeds\n");
}
