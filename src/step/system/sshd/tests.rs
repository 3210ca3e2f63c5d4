//! Settings into files, what sshd makes of them, and who is kept from locking everybody out.

use super::effective::Effective;
use super::files::Files;
use super::logins;
use crate::model::path::HostPath;
use crate::testing::{answer_to, apply, host, parse, planned, text};
use expect_test::expect;

const MAIN: &str =
    "# Debian\nInclude /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\nMatch User forced\n  X11Forwarding no\n";
const OFF: &str = "options = { PasswordAuthentication = false, Port = [22, 2222] }";

fn question() -> Vec<String> {
    ["/bin/sh", "-c", super::effective::ASK].map(str::to_string).to_vec()
}

/// What sshd says to everything it is asked.
fn sshd(host: &crate::system::pretend::Pretend<'_>, said: &str) {
    answer_to(host, question(), 0, said);
}

#[test]
fn settings_go_into_a_file_of_their_own() {
    let host = host(&[("/etc/ssh/sshd_config", MAIN)]);
    sshd(&host, "port 22\nport 2222\npasswordauthentication no\nkbdinteractiveauthentication no\n");
    expect![[r#"
        make directory /etc/ssh/sshd_config.d
        write /etc/ssh/sshd_config.d/00-windlass.conf
        run systemctl restart ssh
    "#]]
    .assert_eq(&apply(&host, "sshd", OFF).unwrap());
    expect![[r#"
        PasswordAuthentication no
        Port 22
        Port 2222
    "#]]
    .assert_eq(&text(&host, "/etc/ssh/sshd_config.d/00-windlass.conf"));
    assert_eq!(text(&host, "/etc/ssh/sshd_config"), MAIN);
}

#[test]
fn what_others_wrote_there_stays() {
    let path = "/etc/ssh/sshd_config.d/00-windlass.conf";
    let ours =
        "# ours\nMaxAuthTries 3\npasswordauthentication=yes\nMatch User a\nPasswordAuthentication yes\n";
    let host = host(&[("/etc/ssh/sshd_config", MAIN), (path, ours)]);
    sshd(&host, "port 22\npasswordauthentication no\n");
    apply(&host, "sshd", OFF).unwrap();
    expect![[r#"
        # ours
        MaxAuthTries 3
        PasswordAuthentication no
        Port 22
        Port 2222
        Match User a
        PasswordAuthentication yes
    "#]]
    .assert_eq(&text(&host, path));
}

#[test]
fn where_nothing_is_included_a_block_comes_first() {
    let host = host(&[("/etc/ssh/sshd_config", "PasswordAuthentication yes\n")]);
    sshd(&host, "port 22\npasswordauthentication no\n");
    apply(&host, "sshd", OFF).unwrap();
    apply(&host, "sshd", "options = { Port = 22, MaxAuthTries = 4 }").unwrap();
    expect![[r#"
        # BEGIN WINDLASS
        PasswordAuthentication no
        Port 22
        MaxAuthTries 4
        # END WINDLASS
        PasswordAuthentication yes
    "#]]
    .assert_eq(&text(&host, "/etc/ssh/sshd_config"));
}

#[test]
fn what_sshd_refuses_changes_nothing() {
    let host = host(&[("/etc/ssh/sshd_config", MAIN)]);
    answer_to(&host, question(), 255, "/dev/stdin line 3: Bad configuration option: Prot\n");
    expect![[r#"
        test the configuration of sshd: it line 3: Bad configuration option: Prot
          hint: nothing was changed; `man sshd_config` on the host knows its keywords and values"#]]
    .assert_eq(&planned(&host, "sshd", "options = { Prot = 2 }").unwrap_err().to_string());
}

#[test]
fn the_whole_configuration_is_tested_in_sshds_order() {
    let other = "/etc/ssh/sshd_config.d/50-cloud.conf";
    let host = host(&[("/etc/ssh/sshd_config", MAIN), (other, "\nport 22\n")]);
    let files = Files::look(&host, &"/etc/ssh/sshd_config".into(), &drop_in()).unwrap();
    expect![[r#"
        # Debian
        Port 1
        Include /etc/ssh/sshd_config.d/50-cloud.conf
        UsePAM yes
        Match User forced
          X11Forwarding no
    "#]]
    .assert_eq(&files.candidate("Port 1\n"));
    assert_eq!(
        files.who_sets(&host, "Port").unwrap().as_deref(),
        Some("/etc/ssh/sshd_config.d/50-cloud.conf:2")
    );
}

fn drop_in() -> HostPath {
    "/etc/ssh/sshd_config.d/00-windlass.conf".into()
}

/// Whether passwords may be turned off.
fn may_turn_off(after: &str, files: &[(&str, &str)]) -> Result<(), String> {
    let before = Effective::read("passwordauthentication yes\nkbdinteractiveauthentication no\n");
    let keys = "authorizedkeysfile .ssh/authorized_keys\npasswordauthentication no\nkbdinteractiveauthentication no\n";
    let after = Effective::read(&format!("{keys}{after}"));
    let users = "root:x:0:0::/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/sh\nftp:x:9:9::/srv:/usr/sbin/nologin\n";
    let all: Vec<_> = files.iter().copied().chain([("/etc/passwd", users)]).collect();
    logins::expect_one(&host(&all), &before, &after).map_err(|failure| failure.why)
}

#[test]
fn passwords_stay_while_nobody_has_a_key() {
    let root = "pubkeyauthentication yes\npermitrootlogin without-password\n";
    let deploy = "pubkeyauthentication yes\npermitrootlogin no\n";
    let nobody = "no user who may log in has an authorized key";
    assert_eq!(may_turn_off(root, &[]).unwrap_err(), nobody);
    assert_eq!(may_turn_off(root, &[("/root/.ssh/authorized_keys", "# none\n\n")]).unwrap_err(), nobody);
    assert_eq!(may_turn_off(root, &[("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA a\n")]), Ok(()));
    assert_eq!(
        may_turn_off(deploy, &[("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA a\n")]).unwrap_err(),
        nobody
    );
    assert_eq!(
        may_turn_off(deploy, &[("/home/deploy/.ssh/authorized_keys", "ssh-ed25519 AAAA a\n")]),
        Ok(())
    );
    assert_eq!(
        may_turn_off(deploy, &[("/srv/.ssh/authorized_keys", "ssh-ed25519 AAAA a\n")]).unwrap_err(),
        nobody
    );
    let only_root = format!("{deploy}allowusers root\n");
    assert_eq!(may_turn_off(&only_root, &[("/home/deploy/.ssh/authorized_keys", "k")]).unwrap_err(), nobody);
    let authority = format!("{deploy}trustedusercakeys /etc/ssh/ca.pub\n");
    assert_eq!(may_turn_off(&authority, &[]), Ok(()));
    assert!(
        may_turn_off("pubkeyauthentication no\n", &[]).unwrap_err().starts_with("keys are turned off too")
    );
}

#[test]
fn what_is_no_setting_is_refused() {
    for (keys, why) in [
        ("options = {}", "name at least one setting"),
        ("options = { Match = 'User a' }", "it is no setting"),
        ("options = { 'Port 23' = 22 }", "is no keyword of sshd"),
        ("options = { Port = 22 }\nwithin = '1s'", "between 5 seconds and 10 minutes"),
    ] {
        let refused = parse("sshd", keys).map(drop).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let refused = parse("sshd", "options = { Banner = \"a\\nPort 23\" }").map(drop).unwrap_err().to_string();
    assert!(refused.contains("one line of text"), "{refused}");
}

#[test]
fn a_change_is_armed_unless_told_otherwise() {
    let host = host(&[("/etc/ssh/sshd_config", MAIN)]);
    sshd(&host, "port 22\n");
    let plan = |keys: &str| parse("sshd", keys).unwrap().plan(&host).unwrap().guard;
    assert_eq!(plan("options = { Port = 22 }\nwithin = '20s'").unwrap().within.as_secs(), 20);
    assert_eq!(plan("options = { Port = 22 }\narmed = false"), None);
}
