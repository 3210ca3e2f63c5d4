//! Timers over a pretended host: the units' text, and what systemctl is asked to do.

use crate::system::pretend::Pretend;
use crate::systemd::question;
use crate::testing::{self, answer, answer_to, apply, parse, text};
use expect_test::expect;

const KEYS: &str = "name = 'app'\ncommand = '/bin/app --x'\ncalendar = 'daily'";

fn host(files: &[(&str, &str)], properties: &str) -> Pretend<'static> {
    let host = testing::host(files);
    answer_to(&host, question("app.timer").argv, 0, &(properties.replace(' ', "\n") + "\n"));
    host
}

fn new_host() -> Pretend<'static> {
    host(&[("/etc/systemd/system/x.service", "")], "LoadState=not-found ActiveState=inactive")
}

#[test]
fn makes_both_units_and_starts_the_timer() {
    let host = new_host();
    expect![[r#"
        write /etc/systemd/system/app.service
        write /etc/systemd/system/app.timer
        run systemctl daemon-reload
        run systemctl enable app.timer
        run systemctl start app.timer
    "#]]
    .assert_eq(&apply(&host, "timer", KEYS).unwrap());
    expect![[r#"
        # Made by windlass.
        [Unit]
        Description=app

        [Service]
        Type=oneshot
        ExecStart=/bin/app --x
        NoNewPrivileges=true
        PrivateTmp=true
        PrivateDevices=true
        ProtectSystem=strict
        ProtectHome=read-only
        ProtectKernelTunables=true
        ProtectKernelModules=true
        ProtectControlGroups=true
        RestrictSUIDSGID=true
        LockPersonality=true
    "#]]
    .assert_eq(&text(&host, "/etc/systemd/system/app.service"));
    expect![[r#"
        # Made by windlass.
        [Unit]
        Description=app

        [Timer]
        OnCalendar=daily
        Persistent=true

        [Install]
        WantedBy=timers.target
    "#]]
    .assert_eq(&text(&host, "/etc/systemd/system/app.timer"));
}

#[test]
fn every_key_is_in_its_place() {
    let host = new_host();
    let keys = r#"
        name = "app"
        description = "100 %"
        command = "/bin/app"
        every = "5m"
        jitter = "90s"
        user = "deploy"
        directory = "/srv/app"
        environment = { A = 'x "y" 5%' }
        timeout = "1h"
        writable = ["/srv/my data"]
    "#;
    apply(&host, "timer", keys).unwrap();
    let service = text(&host, "/etc/systemd/system/app.service");
    for line in [
        "Description=100 %%",
        "User=deploy",
        "WorkingDirectory=/srv/app",
        r#"Environment="A=x \"y\" 5%%""#,
        "TimeoutStartSec=3600s",
        r#"ReadWritePaths="/srv/my data""#,
    ] {
        assert!(service.lines().any(|other| other == line), "{line}: {service}");
    }
    let timer = text(&host, "/etc/systemd/system/app.timer");
    assert!(timer.contains("OnBootSec=300s\nOnUnitActiveSec=300s\nRandomizedDelaySec=90s\n\n"), "{timer}");
}

#[test]
fn another_time_restarts_the_timer() {
    let host = new_host();
    apply(&host, "timer", KEYS).unwrap();
    let told = apply(&host, "timer", &KEYS.replace("daily", "weekly")).unwrap();
    expect![[r#"
        write /etc/systemd/system/app.timer
        run systemctl daemon-reload
        run systemctl restart app.timer
    "#]]
    .assert_eq(&told);
}

#[test]
fn takes_all_of_it_away() {
    let host = new_host();
    apply(&host, "timer", KEYS).unwrap();
    expect![[r#"
        run systemctl stop app.timer
        run systemctl disable app.timer
        remove /etc/systemd/system/app.service
        remove /etc/systemd/system/app.timer
        run systemctl daemon-reload
    "#]]
    .assert_eq(&apply(&host, "timer", "name = 'app'\nstate = 'absent'").unwrap());
    assert_eq!(apply(&new_host(), "timer", "name = 'app'\nstate = 'absent'").unwrap(), "");
}

#[test]
fn a_calendar_that_systemd_does_not_understand_is_a_failure() {
    let host = new_host();
    answer(&host, "systemd-analyze calendar -- daily", 1, "Failed to parse calendar specification 'daily'\n");
    expect![[r#"
        read the calendar "daily": Failed to parse calendar specification 'daily'
          hint: `systemd-analyze calendar 'Mon..Fri 03:15'` on a host tries one"#]]
    .assert_eq(&apply(&host, "timer", KEYS).unwrap_err().to_string());
}

#[test]
fn refuses_keys_that_mean_nothing_or_smuggle_settings() {
    let refused =
        |keys: &str| parse("timer", keys).err().map(|failure| failure.to_string()).unwrap_or_default();
    assert_eq!(
        refused("name = 'a'\ncommand = '/x'"),
        "read the keys of timer: give exactly one of calendar and every"
    );
    assert_eq!(
        refused("name = 'a'\ncommand = 'x'\nevery = '1m'"),
        "read timer.command: it does not begin with the absolute path of a program"
    );
    assert_eq!(
        refused("name = 'a'\ncommand = \"/x\\nUser=root\"\nevery = '1m'"),
        "read timer.command: it is more than one line"
    );
    assert!(refused("name = 'a.timer'").starts_with("read timer.name: \"a.timer\""));
}
