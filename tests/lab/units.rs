//! Units of every way to be enabled: what is asked is so afterwards, a second run finds nothing to do, and an undo restores
//! every link.

use crate::stage::Stage;
use crate::undo_kinds::assert_same;

/// Unit files: one that is enabled through its socket, one with a socket beside it, one in a directory of its own, an alias,
/// instances, and one that also has a script of init.
const UNITS: &str = r#"
    unit() { printf '%s\n' '[Service]' 'ExecStart=/bin/sleep 1000' '[Install]' "$@"; }
    cd /etc/systemd/system; mkdir -p /opt/e2e; cp /etc/init.d/cron /etc/init.d/e2e-script
    unit Also=e2e.socket >e2e-through.service
    unit WantedBy=multi-user.target Also=e2e.socket >e2e-both.service
    unit WantedBy=multi-user.target Alias=e2e-alias.service >/opt/e2e/e2e-elsewhere.service
    unit WantedBy=multi-user.target Also=e2e-more@%i.service >e2e-each@.service
    unit WantedBy=multi-user.target >e2e-more@.service
    unit WantedBy=multi-user.target >e2e-script.service
    unit WantedBy=multi-user.target >/usr/lib/systemd/system/e2e-own.service
    printf '%s\n' '[Socket]' 'ListenStream=/run/e2e.sock' 'Service=e2e-both.service' '[Install]' 'WantedBy=sockets.target' >e2e.socket
    systemctl daemon-reload
"#;

const CLEAN: &str = r#"
    for at in /etc /run; do find $at/systemd/system -name 'e2e*' -exec rm -f {} +; done
    rm -rf /opt/e2e /etc/init.d/e2e-script /etc/rc?.d/*e2e-script /usr/lib/systemd/system/e2e-own.service
    systemctl daemon-reload
"#;

const LINKS: &str =
    "find /etc/systemd/system /run/systemd/system /etc/rc?.d -type l -printf '%p -> %l\n' | sort";

/// What is there before, the keys, how the unit is enabled afterwards, and how units are that change with it.
const CASES: &[(&str, &str, &str)] = &[
    ("", "name = 'e2e-through'\nenabled = true", "e2e-through=indirect e2e.socket=enabled"),
    (
        "systemctl enable e2e.socket",
        "name = 'e2e-through'\nenabled = false",
        "e2e-through=indirect e2e.socket=disabled",
    ),
    (
        "systemctl enable e2e.socket",
        "name = 'e2e-both'\nenabled = true",
        "e2e-both=enabled e2e.socket=enabled",
    ),
    (
        "systemctl enable e2e-both; rm /etc/systemd/system/sockets.target.wants/e2e.socket; systemctl add-wants rescue.target e2e-both.service",
        "name = 'e2e-both'\nenabled = false",
        "e2e-both=disabled e2e.socket=disabled",
    ),
    (
        "",
        "name = 'e2e-each@one'\nenabled = true",
        "e2e-each@one=enabled e2e-more@one=enabled e2e-more@two=disabled",
    ),
    (
        "systemctl link /opt/e2e/e2e-elsewhere.service",
        "name = 'e2e-elsewhere'\nenabled = false",
        "e2e-elsewhere=linked",
    ),
    (
        "systemctl link /opt/e2e/e2e-elsewhere.service",
        "name = 'e2e-elsewhere'\nenabled = true",
        "e2e-elsewhere=enabled",
    ),
    (
        "systemctl enable /opt/e2e/e2e-elsewhere.service",
        "name = 'e2e-elsewhere'\nenabled = false",
        "e2e-elsewhere=linked",
    ),
    (
        "systemctl enable --runtime e2e-both",
        "name = 'e2e-both'\nenabled = false",
        "e2e-both=disabled e2e.socket=disabled",
    ),
    (
        "systemctl enable --runtime e2e-both",
        "name = 'e2e-both'\nenabled = true",
        "e2e-both=enabled e2e.socket=enabled",
    ),
    (
        "systemctl enable --runtime e2e-both; systemctl enable e2e-both",
        "name = 'e2e-both'\nenabled = false",
        "e2e-both=disabled e2e.socket=disabled",
    ),
    (
        "systemctl mask --runtime e2e-own",
        "name = 'e2e-own'\nmasked = false\nenabled = true",
        "e2e-own=enabled",
    ),
    ("systemctl mask --runtime e2e-own", "name = 'e2e-own'\nmasked = true", "e2e-own=masked"),
    (
        "systemctl enable e2e-own; systemctl mask e2e-own; systemctl mask --runtime e2e-own",
        "name = 'e2e-own'\nmasked = false",
        "e2e-own=enabled",
    ),
    ("systemctl enable e2e-own", "name = 'e2e-own'\nenabled = false\nmasked = true", "e2e-own=masked"),
    ("systemctl enable e2e-script", "name = 'e2e-script'\nenabled = false", "e2e-script=disabled"),
    ("systemctl disable e2e-script", "name = 'e2e-script'\nenabled = true", "e2e-script=enabled"),
];

#[test]
fn every_way_to_be_enabled_is_changed_and_restored() {
    let stage = Stage::on("full1");
    let host = &stage.host;
    for (before, keys, expected) in CASES {
        host.must(CLEAN);
        host.must(&format!("{UNITS}\nexec >/dev/null 2>&1\n{before}"));
        let links = host.must(LINKS);
        let playbook = format!("[[steps]]\n[steps.service]\n{keys}\n");
        let first = stage.converges(&playbook);
        let (run, changed) = (first.run(), first.outcome("full1") == "changed");
        for part in expected.split(' ') {
            let (unit, state) = part.split_once('=').expect("UNIT=STATE");
            let found = host.must(&format!("systemctl is-enabled {unit} || true"));
            assert_eq!(found.trim(), state, "{unit} after {keys}, where before: {before}");
        }
        if changed {
            stage.project.report(&format!("runs undo {run}")).exits(0);
        }
        assert_same(&links, &host.must(LINKS));
    }
    host.must(CLEAN);
}

/// One start in ten minutes is all that systemd allows of `e2e-rare`; `e2e-broken` never stays up.
const RARE: &str = r#"
    rare() { printf '%s\n' '[Unit]' 'StartLimitBurst=1' 'StartLimitIntervalSec=600' '[Service]' "$@"; }
    rare 'ExecStart=/bin/sleep 1000' >/etc/systemd/system/e2e-rare.service
    rare Type=oneshot 'ExecStart=/bin/sh -c "echo no disk; exit 3"' >/etc/systemd/system/e2e-broken.service
    systemctl daemon-reload; echo one >/etc/e2e-rare; systemctl start e2e-rare
"#;

const CONFIGURED: &str = r#"
    [[steps]]
    file = { path = "/etc/e2e-rare", content = "TEXT" }
    notify = "restart"
    [[handlers]]
    name = "restart"
    service = { name = "e2e-rare", state = "restarted" }
"#;

#[test]
fn a_unit_that_was_started_often_is_started_again_by_runs_and_undos() {
    let stage = Stage::on("full1").with(CLEAN).with(RARE);
    for text in ["two", "three"] {
        stage.play(&CONFIGURED.replace("TEXT", text), "").exits(0);
    }
    let broken =
        stage.play("[[steps]]\nservice = { name = 'e2e-broken', state = 'restarted' }\n", "").exits(2);
    assert!(broken.failure("full1").contains("no disk"), "{}", broken.failure("full1"));
    let again =
        stage.play("[[steps]]\nservice = { name = 'e2e-broken', state = 'restarted' }\n", "").exits(2);
    assert!(again.failure("full1").contains("no disk"), "{}", again.failure("full1"));
    let last = stage.play(&CONFIGURED.replace("TEXT", "four"), "").exits(0);
    stage.project.report(&format!("runs undo {}", last.run())).exits(0);
    assert_eq!(stage.host.read("/etc/e2e-rare").as_deref(), Some("three"));
    assert_eq!(stage.host.must("systemctl is-active e2e-rare").trim(), "active");
    stage.host.must(&format!("systemctl stop e2e-rare; rm /etc/e2e-rare\n{CLEAN}"));
}
