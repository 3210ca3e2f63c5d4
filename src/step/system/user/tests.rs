//! Users of a pretended host: what is run, and what the files of accounts hold afterwards.

use crate::model::op::{Op, Undo};
use crate::testing::{apply, converge, host, parse, planned, pretend_a_change, text};
use expect_test::expect;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n";
const GROUP: &str = "root:x:0:\nann:x:1000:\nsudo:x:27:\ndocker:x:998:bob,ann\n";
const SHADOW: &str = "root:*:1:0:99999:7:::\nann:!$6$salt$hash:1:0:99999:7:::\n";
const DEBIAN: &[(&str, &str)] = &[
    ("/etc/passwd", PASSWD),
    ("/etc/group", GROUP),
    ("/etc/shadow", SHADOW),
    ("/etc/login.defs", "HOME_MODE 0700\n"),
    ("/etc/skel/.profile", "umask 022\n"),
    ("/home/ann/.profile", ""),
    ("/usr/sbin/useradd", ""),
    ("/usr/sbin/usermod", ""),
    ("/usr/sbin/userdel", ""),
    ("/bin/bash", ""),
];

fn said(keys: &str) -> String {
    apply(&host(DEBIAN), "user", keys).unwrap_or_else(|failure| failure.to_string())
}

#[test]
fn makes_a_user_with_groups_home_and_password() {
    let host = host(DEBIAN);
    let keys = "name = 'deploy'\ngroups = ['sudo', 'docker']\npassword = '$6$a$b'\ncomment = 'Deployment'";
    expect![[r#"
        run useradd --no-create-home --uid 1001 --user-group --home-dir /home/deploy --shell /bin/bash --comment Deployment --password '*' deploy

        run usermod --groups sudo,docker deploy
        run chpasswd for deploy
        make directory /home/deploy
        write /home/deploy/.profile

    "#]]
    .assert_eq(&converge(&host, "user", keys).unwrap());
    assert!(text(&host, "/etc/passwd").ends_with("deploy:x:1001:1001:Deployment:/home/deploy:/bin/bash\n"));
    assert!(
        text(&host, "/etc/group")
            .ends_with("sudo:x:27:deploy\ndocker:x:998:bob,ann,deploy\ndeploy:x:1001:\n")
    );
    assert!(text(&host, "/etc/shadow").ends_with("deploy:$6$a$b:0:0:99999:7:::\n"));
}

#[test]
fn what_useradd_and_usermod_would_refuse_is_known_beforehand() {
    let hint = "hint: give another uid, or give the other user one first";
    for keys in ["name = 'deploy'\nuid = 1000", "name = 'root'\nuid = 1000"] {
        let name = &keys[8..keys.find("'\n").unwrap()];
        assert_eq!(said(keys), format!("set user {name}: the user ann has the id 1000\n  {hint}"));
    }
    expect![[r#"
        set user docker: a group of that name exists, and a new user gets one of its own
          hint: to make it the primary group, give group = "docker""#]]
    .assert_eq(&said("name = 'docker'"));
    let with_group = planned(&host(DEBIAN), "user", "name = 'docker'\ngroup = 'docker'").unwrap();
    assert!(with_group.starts_with("run useradd "), "{with_group}");
    assert!(
        said("name = 'deploy'\ngroups = ['www']").starts_with("look up group www: "),
        "before it is made"
    );
    let later = host(DEBIAN);
    pretend_a_change(&later);
    assert_eq!(
        planned(&later, "user", "name = 'deploy'\nuid = 1000").unwrap(),
        "wait until the absence of 1000 in passwd succeeds\n"
    );
    assert_eq!(
        planned(&later, "user", "name = 'deploy'\ngroup = 'www'").unwrap(),
        "wait until getent group www succeeds\n"
    );
}

#[test]
fn a_service_has_no_home_and_no_shell() {
    let said = converge(&host(DEBIAN), "user", "name = 'app'\nsystem = true\ngroup = 'sudo'").unwrap();
    expect![[r#"
        run useradd --no-create-home --uid 999 --no-user-group --gid 27 --system --home-dir /home/app --shell /bin/false --comment '' --password '*' app

    "#]]
    .assert_eq(&said);
}

#[test]
fn changes_only_what_differs() {
    assert_eq!(said("name = 'ann'\nshell = '/bin/sh'\nhome = '/home/ann'\nuid = 1000\ngroup = 'ann'"), "");
    assert_eq!(said("name = 'ann'\nshell = '/bin/bash'"), "run usermod --shell /bin/bash ann\n");
    assert_eq!(said("name = 'ann'\nuid = 7\ncomment = 'A B'"), "run usermod --uid 7 --comment 'A B' ann\n");
}

#[test]
fn the_crontab_follows_its_user_to_another_id() {
    let files = [DEBIAN, &[("/var/spool/cron/crontabs/ann", "@daily true\n")]].concat();
    let said = apply(&host(&files), "user", "name = 'ann'\nuid = 7").unwrap();
    assert_eq!(said, "run usermod --uid 7 ann\nset owner 7 of /var/spool/cron/crontabs/ann\n");
}

#[test]
fn groups_are_exact_unless_appended() {
    assert_eq!(said("name = 'ann'\ngroups = ['docker']"), "");
    assert_eq!(said("name = 'ann'\ngroups = ['sudo']"), "run usermod --groups sudo ann\n");
    assert_eq!(
        said("name = 'ann'\ngroups = ['sudo']\nappend = true"),
        "run usermod --groups docker,sudo ann\n"
    );
    assert_eq!(said("name = 'ann'\ngroups = []"), "run usermod --groups '' ann\n");
    expect![[r#"
        look up group www: the host has no such group
          hint: create it with a step of kind group, or install the package that brings it"#]]
    .assert_eq(&said("name = 'ann'\ngroups = ['www']"));
    let later = host(DEBIAN);
    pretend_a_change(&later);
    let said = planned(&later, "user", "name = 'ann'\ngroups = ['www']").unwrap();
    assert_eq!(said, "wait until getent group www succeeds\n");
}

#[test]
fn locks_and_unlocks_and_never_leaves_an_empty_password() {
    let shadow = |field: &str, keys: &str| {
        let host = host(DEBIAN);
        crate::system::System::write(
            &host,
            std::path::Path::new("/etc/shadow"),
            &mut format!("ann:{field}:1::::::\n").as_bytes(),
            &Default::default(),
        )
        .unwrap();
        host.settle();
        converge(&host, "user", &format!("name = 'ann'\n{keys}")).unwrap();
        text(&host, "/etc/shadow").split(':').nth(1).unwrap_or_default().to_string()
    };
    assert_eq!(shadow("!$6$a$b", "lock = false"), "$6$a$b");
    assert_eq!(shadow("$6$a$b", "lock = true"), "!$6$a$b");
    assert_eq!(shadow("!", "lock = false"), "*");
    assert_eq!(shadow("!$6$a$b", "password = '$6$c$d'"), "$6$c$d");
    assert_eq!(shadow("$6$a$b", "password = '$6$c$d'\nlock = true"), "!$6$c$d");
    assert_eq!(shadow("", "shell = '/bin/sh'"), "");
}

#[test]
fn a_hash_is_in_no_argument() {
    let step = parse("user", "name = 'ann'\npassword = '$6$c$d'").unwrap();
    let ops = step.plan(&host(DEBIAN)).unwrap().ops;
    let [Op::Run(run)] = &ops[..] else { panic!("{ops:?}") };
    assert_eq!(
        (run.command.argv.join(" "), &run.command.stdin[..]),
        ("chpasswd -e".to_string(), &b"ann:$6$c$d\n"[..])
    );
    let Undo::Command(undo) = &run.undo else { panic!("{:?}", run.undo) };
    assert!(!undo.argv.join(" ").contains("$6$"));
    assert_eq!(String::from_utf8_lossy(&undo.stdin), "/etc/shadow\t2\tann:!$6$salt$hash:1:0:99999:7:::\n");
}

#[test]
fn removes_a_user_with_all_traces() {
    let host = host(DEBIAN);
    let said = converge(&host, "user", "name = 'ann'\nstate = 'absent'\nremove_home = true").unwrap();
    assert_eq!(said, "run userdel ann\nremove /home/ann\n\n");
    assert_eq!(text(&host, "/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
    assert_eq!(text(&host, "/etc/group"), "root:x:0:\nsudo:x:27:\ndocker:x:998:bob\n");
    assert_eq!(self::said("name = 'nobody-here'\nstate = 'absent'"), "");
}

#[test]
fn busybox_has_other_programs() {
    let host = host(&[
        ("/etc/passwd", PASSWD),
        ("/etc/group", GROUP),
        ("/etc/shadow", SHADOW),
        ("/home/ann/x", ""),
        ("/bin/adduser", ""),
    ]);
    expect![[r#"
        run adduser -D -H -u 1001 -h /home/sam -s /bin/sh -g '' sam
        run chpasswd for sam

        run addgroup sam sudo
        make directory /home/sam

    "#]]
    .assert_eq(&converge(&host, "user", "name = 'sam'\ngroups = ['sudo']").unwrap());
    let said = apply(&host, "user", "name = 'ann'\nshell = '/bin/ash'\ngroups = []").unwrap();
    assert_eq!(said, "write /etc/passwd\nrun delgroup ann docker\n");
}

#[test]
fn keys_that_would_spoil_the_files_are_refused() {
    let refused =
        |keys: &str| parse("user", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
    expect!["read user.password: it is not a hash; `openssl passwd -6` makes one"]
        .assert_eq(&refused("name = 'ann'\npassword = 'hunter2'"));
    expect![[r#"read user.comment: it holds a : or more than one line"#]]
        .assert_eq(&refused("name = 'ann'\ncomment = 'a:b'"));
    expect!["read user.shell: bash is not an absolute path without :"]
        .assert_eq(&refused("name = 'ann'\nshell = 'bash'"));
    assert!(refused("name = 'Ann'").starts_with("read user.name: \"Ann\" is not a name"));
    assert!(refused("name = 'ann'\ngroups = ['-x']").starts_with("read user.groups[0]"));
}
