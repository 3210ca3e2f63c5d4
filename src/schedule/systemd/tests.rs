//! Units as texts.

use super::*;
use crate::schedule::examples::{schedule, time};
use expect_test::expect;

fn site(root: &str) -> Site {
    Site {
        root: root.into(),
        program: "/usr/local/bin/windlass".into(),
        user: "1000".into(),
        writable: vec!["/srv/backups".into()],
    }
}

#[test]
fn a_schedule_is_a_timer_and_a_service() {
    let (nightly, _) =
        schedule("cron = \"0 2 * * *\"\ntimezone = \"UTC\"\njitter = \"10m\"\ncatch_up = true");
    let units = timers(&site("/srv/shop"), &[nightly], time("2026-11-21T00:00:00Z")).unwrap();
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "windlass-shop-nightly.service",
            "windlass-shop-nightly.timer",
            "windlass-shop-check.service",
            "windlass-shop-check.timer"
        ]
    );
    expect![[r##"
        # Written by `windlass schedule install` for /srv/shop
        [Unit]
        Description=windlass: schedule nightly of /srv/shop
        Wants=network-online.target
        After=network-online.target

        [Service]
        Type=oneshot
        ExecStart="/usr/local/bin/windlass" --project "/srv/shop" schedule run nightly --due
        TimeoutStartSec=21720
        TimeoutStopSec=120
        KillMode=mixed
        User=1000
        NoNewPrivileges=yes
        CapabilityBoundingSet=
        ProtectSystem=strict
        ProtectHome=read-only
        PrivateTmp=yes
        PrivateDevices=yes
        ProtectClock=yes
        ProtectControlGroups=yes
        ProtectHostname=yes
        ProtectKernelLogs=yes
        ProtectKernelModules=yes
        ProtectKernelTunables=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
        SystemCallArchitectures=native
        UMask=0077
        ReadWritePaths=-/srv/shop/.windlass
        ReadWritePaths=-/srv/shop/fetched
        ReadWritePaths=-/srv/backups
    "##]]
    .assert_eq(&units[0].text);
    expect![[r#"
        # Written by `windlass schedule install` for /srv/shop
        [Unit]
        Description=windlass: schedule nightly of /srv/shop, 0 2 * * *

        [Timer]
        OnCalendar=*-*-* 02:00:00 UTC
        AccuracySec=1s
        RandomizedDelaySec=600
        FixedRandomDelay=yes
        Persistent=yes

        [Install]
        WantedBy=timers.target
    "#]]
    .assert_eq(&units[1].text);
    assert!(is_ours(&units[0].text, Path::new("/srv/shop")));
    assert!(!is_ours(&units[0].text, Path::new("/srv/shop2")));
}

#[test]
fn nothing_in_a_path_is_special() {
    let units = server(&site("/srv/my 100% $hop"), Some("127.0.0.1:9469")).unwrap();
    assert_eq!(units[0].name, "windlass-my_100___hop-serve.service");
    let line = units[0].text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert_eq!(
        line,
        "ExecStart=\"/usr/local/bin/windlass\" --project \"/srv/my 100%% $$hop\" serve --listen 127.0.0.1:9469"
    );
    assert!(server(&site("/srv/a\"b"), None).is_err());
}
