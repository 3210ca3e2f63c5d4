//! Accounts, rules, jobs and the rest of a host's own settings, on hosts where the real programs decide: what `--check`
//! says, what is done, that a second run does nothing, and that undo leaves every byte as it was.

use crate::stage::{Host, Project, Stage};

/// A key that nobody has.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJibM1QNndcvTu9EzkQ44Lmgo0rjw/elJ8PPnmQ23R+p nobody";

/// Everything that the kinds touch, with modes and owners. What ends in `-` is the account programs' own last copy.
const SNAPSHOT: &str = r#"
    find /etc /home /srv -xdev ! -name '*-' ! -name '.pwd.lock' ! -name '*.cache' | sort | while read -r path; do
        if [ -L "$path" ]; then printf '%s -> %s\n' "$path" "$(readlink "$path")"
        elif [ -f "$path" ]; then printf '%s %s\n' "$(stat -c '%n %a %u %g' "$path")" "$(sha256sum <"$path")"
        else stat -c '%n %a %u %g' "$path"; fi
    done
"#;

/// Runs the playbook under `--check`, then twice, looks, takes it back, and compares the host with what it was.
#[track_caller]
fn there_and_back(host: &Host, project: &Project, playbook: &str, look: impl FnOnce()) {
    let before = host.must(SNAPSHOT);
    let check = project.play(playbook, &host.name, "--check").exits(0);
    assert_eq!(host.must(SNAPSHOT), before, "--check changes nothing");

    let apply = project.play(playbook, &host.name, "").exits(0);
    let expected: Vec<(&str, &str)> =
        apply.steps(&host.name).into_iter().map(|(name, outcome)| (name, as_predicted(outcome))).collect();
    assert_eq!(check.steps(&host.name), expected);
    look();

    let again = project.play(playbook, &host.name, "").exits(0);
    assert_eq!(again.outcome(&host.name), "ok", "{:?}", again.steps(&host.name));

    let undone = project.windlass(["runs", "undo", &apply.run()]);
    assert_eq!(undone.code, 0, "{undone:?}");
    let after = host.must(SNAPSHOT);
    let differing: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(after, before, "differing: {differing:#?}");
}

fn as_predicted(outcome: &str) -> &str {
    if outcome == "changed" { "would_change" } else { outcome }
}

#[test]
fn a_hosts_own_settings_are_made_and_taken_back_byte_for_byte() {
    let Stage { host, project } = Stage::on("full2");
    host.must("rm -f /var/spool/cron/crontabs/deploy");
    let name = host.must("hostname");
    let playbook = format!(
        r#"
        [[steps]]
        [steps.group]
        name = "e2e-team"

        [[steps]]
        [steps.user]
        name = "e2e"
        groups = ["e2e-team", "adm"]
        password = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."
        comment = "End to End"

        [[steps]]
        [steps.user]
        name = "nosudo"
        groups = ["e2e-team"]
        append = true
        shell = "/bin/sh"
        lock = true

        [[steps]]
        [steps.authorized_key]
        user = "e2e"
        keys = ["{KEY}"]

        [[steps]]
        [steps.sudoers]
        name = "e2e"
        group = "e2e-team"
        commands = ["/usr/bin/id -u"]
        nopasswd = true

        [[steps]]
        [steps.sysctl]
        settings = {{ "net.ipv4.tcp_keepalive_time" = 1234 }}

        [[steps]]
        [steps.hostname]
        name = "e2e.example.com"

        [[steps]]
        [steps.timezone]
        name = "Asia/Tokyo"

        [[steps]]
        [steps.mount]
        path = "/srv/e2e memory"
        source = "tmpfs"
        fstype = "tmpfs"
        options = "size=1m,mode=0700"

        [[steps]]
        [steps.cron]
        name = "e2e"
        schedule = "5 4 * * *"
        command = "true"

        [[steps]]
        [steps.cron]
        name = "e2e"
        schedule = "@daily"
        command = "true"
        user = "deploy"
        crontab = true

        [[steps]]
        [steps.timer]
        name = "e2e"
        command = "/usr/bin/touch /run/e2e-timer"
        calendar = "*-*-* 03:15:00"
        harden = false
        "#
    );
    there_and_back(&host, &project, &playbook, || {
        assert_eq!(host.must("id -nG e2e"), "e2e adm e2e-team");
        assert_eq!(host.must("id -nG nosudo"), "nosudo e2e-team");
        assert_eq!(
            host.must("stat -c '%a %U' /home/e2e/.ssh /home/e2e/.ssh/authorized_keys"),
            "700 e2e\n600 e2e"
        );
        assert_eq!(host.must("passwd --status nosudo | cut -d' ' -f2"), "L");
        assert_eq!(host.must("runuser -u e2e -- sudo -n id -u"), "0");
        assert_ne!(host.sh("runuser -u e2e -- sudo -n id -g").code, 0);
        assert_eq!(host.must("cat /proc/sys/net/ipv4/tcp_keepalive_time"), "1234");
        assert_eq!(host.must("hostname; hostname --short; date +%Z"), "e2e.example.com\ne2e\nJST");
        assert_eq!(host.must("findmnt -n -o FSTYPE,SIZE '/srv/e2e memory'"), "tmpfs    1M");
        assert_eq!(host.must("crontab -u deploy -l"), "# windlass: e2e\n@daily true");
        assert_eq!(
            host.must("systemctl is-active e2e.timer; systemctl is-enabled e2e.timer"),
            "active\nenabled"
        );
        host.must("systemctl start e2e.service && test -e /run/e2e-timer && rm /run/e2e-timer");
        host.must("visudo -c");
    });
    assert_eq!(host.must("hostname"), name);
    assert_ne!(host.must("cat /proc/sys/net/ipv4/tcp_keepalive_time"), "1234");
    assert_ne!(host.sh("mountpoint '/srv/e2e memory'").code, 0);
    assert_ne!(host.sh("crontab -u deploy -l").code, 0);
    assert!(host.must("systemctl show -p LoadState e2e.timer").ends_with("not-found"));
}

#[test]
fn users_are_removed_and_come_back_as_they_were() {
    let Stage { host, project } = Stage::on("full2");
    host.must(
        "userdel -r e2e-old 2>/dev/null; useradd -m -G adm,sudo -p '$6$a$b' e2e-old && touch /home/e2e-old/letter \
         && useradd e2e-younger",
    );
    let playbook = "[[steps]]\n[steps.user]\nname = \"e2e-old\"\nstate = \"absent\"\nremove_home = true";
    there_and_back(&host, &project, playbook, || {
        assert_ne!(host.sh("id e2e-old || test -e /home/e2e-old").code, 0);
        assert!(!host.must("cat /etc/group /etc/shadow /etc/subuid").contains("e2e-old"));
    });
    assert_eq!(host.must("id -nG e2e-old"), "e2e-old adm sudo");
    host.must("userdel -r e2e-old 2>/dev/null; userdel e2e-younger");
}

/// Debian's busybox has no program for accounts; the line of a user that is there can be changed all the same.
#[test]
fn without_programs_for_accounts_what_exists_is_changed_and_nothing_made() {
    let Stage { host, project } = Stage::on("small1");
    let playbook = format!(
        "[[steps]]\n[steps.user]\nname = \"nobody\"\nshell = \"/bin/sh\"\n\
         [[steps]]\n[steps.authorized_key]\nuser = \"deploy\"\nkeys = [\"{KEY}\"]\n"
    );
    there_and_back(&host, &project, &playbook, || {
        assert!(host.must("grep ^nobody: /etc/passwd").ends_with(":/bin/sh"));
        assert!(host.must("cat /home/deploy/.ssh/authorized_keys").ends_with(KEY));
    });
    let before = host.must(SNAPSHOT);
    let report = project.play("[[steps]]\n[steps.user]\nname = \"e2e\"", "small1", "").exits(2);
    assert!(report.failure("small1").starts_with("make user e2e: the host has neither useradd nor adduser"));
    assert_eq!(host.must(SNAPSHOT), before);
}

#[test]
fn a_broken_rule_is_never_written() {
    let Stage { host, project } = Stage::on("full2");
    let before = host.must(SNAPSHOT);
    let broken = "[[steps]]\n[steps.sudoers]\nname = \"e2e\"\ncontent = \"\"\"\n# fine\ndeploy ALL=(ALL NOPASSWD\n\"\"\"";
    let report = project.play(broken, "full2", "").exits(2);
    let failure = report.failure("full2");
    assert!(failure.starts_with("check /etc/sudoers.d/e2e: e2e:2:"), "{failure}");
    assert!(failure.contains("syntax error"), "{failure}");
    assert_eq!(host.must(SNAPSHOT), before);
}

#[test]
fn a_container_has_no_swap_of_its_own_and_the_error_says_so() {
    let Stage { host, project } = Stage::on("full2");
    let report =
        project.play("[[steps]]\n[steps.swap]\npath = \"/e2e-swap\"\nsize = \"1 MiB\"", "full2", "").exits(2);
    let failure = report.failure("full2");
    assert!(failure.starts_with("run swapon /e2e-swap: "), "{failure}");
    assert!(
        failure.contains("the file system cannot hold a swap file") || failure.contains("a container"),
        "{failure}"
    );
    assert_ne!(host.sh("ls /e2e-swap*").code, 0, "what it had made is gone");
    assert!(!host.must("cat /proc/swaps /etc/fstab").contains("e2e-swap"));
}
