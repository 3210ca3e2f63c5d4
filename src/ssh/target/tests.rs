//! What becomes of settings, file by file: the inventory over the ssh configuration over the defaults.

use super::*;
use crate::ssh::config::Paths;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Resolves `name` with inventory settings written as TOML, over an ssh configuration.
fn resolve_with(name: &str, address: Option<&str>, settings: &str, config: &str) -> Result<Target> {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("config");
    fs::write(&own, config).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    let paths = Paths { home: "/home/ann".into(), user: "ann".to_string(), own: Some(own), system: None };
    let settings: SshSettings = toml::from_str(settings).unwrap();
    Target::resolve(name, address, &settings, &Config::load(&paths).unwrap())
}

#[test]
fn without_a_word_it_is_what_ssh_would_do_except_that_it_never_waits_for_ever() {
    let target = resolve_with("web1", None, "agent = 'none'", "").unwrap();
    assert_eq!((target.address.as_str(), target.port, target.users), ("web1", 22, vec!["ann".to_string()]));
    assert_eq!(target.identities[2], Path::new("/home/ann/.ssh/id_ed25519"));
    assert!(!target.identities_named && target.agent.is_none() && target.jump.is_empty());
    assert_eq!(target.known_hosts[0], Path::new("/home/ann/.ssh/known_hosts"));
    assert_eq!((target.policy, target.connect_timeout), (HostKeyPolicy::Strict, CONNECT_TIMEOUT));
    assert_eq!((target.keepalive, target.keepalive_max), (Some(KEEPALIVE), 3));
}

#[test]
fn a_stuck_write_is_given_up_soon_after_the_keepalive_of_its_host() {
    let limit = |settings| resolve_with("web1", None, settings, "").unwrap().write_limit();
    assert_eq!(limit("keepalive = 1"), Duration::from_secs(5));
    for settings in ["", "keepalive = 60", "keepalive = 0"] {
        assert_eq!(limit(settings), Duration::from_secs(75), "{settings}");
    }
}

#[test]
fn the_inventory_wins_over_the_ssh_configuration() {
    let settings = "user = ['a', 'b']\nport = 2200\nidentity = '~/k'\nhost_key = 'accept-new'\nkeepalive = 0\nconnect_timeout = '3s'";
    let config = "Host *\n User c\n Port 1\n IdentityFile /other\n ConnectTimeout 9\n HostName elsewhere\n";
    let target = resolve_with("web1", Some("10.0.0.1"), settings, config).unwrap();
    assert_eq!((target.name.as_str(), target.address.as_str(), target.port), ("web1", "10.0.0.1", 2200));
    assert_eq!(
        (target.users, target.identities),
        (vec!["a".to_string(), "b".to_string()], vec!["/home/ann/k".into()])
    );
    assert_eq!((target.policy, target.keepalive), (HostKeyPolicy::AcceptNew, None));
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
}

#[test]
fn jump_hosts_are_resolved_like_hosts_and_keep_their_own_user() {
    let config = "Host bastion\n HostName 192.0.2.1\n User jumper\n Port 2022\n ProxyJump outer\nHost web1\n ProxyJump bastion,x@inner:23\n";
    let target = resolve_with("web1", None, "user = 'deploy'\nidentity = '/k'", config).unwrap();
    let hops: Vec<_> =
        target.jump.iter().map(|hop| format!("{}@{}:{}", hop.users[0], hop.address, hop.port)).collect();
    assert_eq!(hops, ["ann@outer:22", "jumper@192.0.2.1:2022", "x@inner:23"]);
    assert!(target.jump.iter().all(|hop| hop.identities == [PathBuf::from("/k")] && hop.jump.is_empty()));
    assert!(resolve_with("web1", None, "jump = 'none'", config).unwrap().jump.is_empty());
}

#[test]
fn a_jump_host_that_jumps_through_itself_is_an_error() {
    let failure = resolve_with("web1", None, "", "Host *\n ProxyJump bastion\n").unwrap_err();
    assert_eq!(failure.why, "more than 8 jump hosts follow each other, the last is `bastion`");
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_contacted() {
    let why = |settings: &str, config: &str| resolve_with("web1", None, settings, config).unwrap_err().why;
    assert_eq!(
        why("password_from = 'secret'", ""),
        "`password_from` and `passphrase_from` take a place, not a password"
    );
    assert_eq!(why("jump = 'a:b'", ""), "`a:b` is not a jump host like user@host:22");
    let odd = resolve_with("web1", Some("-oProxyCommand=x"), "", "").unwrap_err();
    assert_eq!(odd.why, "`-oproxycommand=x` is not a host name");
}

#[test]
fn hops_are_split_as_ssh_j_does() {
    let split = |hop: &str| jump::split(hop).map(|(user, host, port)| format!("{user:?} {host} {port:?}"));
    for (hop, expected) in [
        ("a", Some("None a None")),
        ("u@a:22", Some("Some(\"u\") a Some(22)")),
        ("u@d@a", Some("Some(\"u@d\") a None")),
        ("[::1]:22", Some("None ::1 Some(22)")),
        ("::1", Some("None ::1 None")),
        ("ssh://u@a:7/", Some("Some(\"u\") a Some(7)")),
        ("@a", None),
        ("", None),
        ("a:99999", None),
    ] {
        assert_eq!(split(hop).as_deref(), expected, "{hop}");
    }
}
