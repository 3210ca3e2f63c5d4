//! A project of another user: whose programs would run as root.

use crate::stage::{Host, Lab};

/// deploy's project, with a program for an inventory, and root's own, on the host. windlass is there too.
fn projects(host: &Host) {
    host.write("/usr/local/bin/windlass", std::fs::read(env!("CARGO_BIN_EXE_windlass")).unwrap());
    host.must("chmod 755 /usr/local/bin/windlass; rm -rf /srv/trust /root/.local/state/windlass/trusted");
    let program = "#!/bin/sh\nid -un >>/srv/ran\necho '{\"web\": [\"web1\"]}'\n";
    for of in ["deploy", "root"] {
        host.write(&format!("/srv/trust/{of}/inventories/list"), program);
        host.must(&format!(
            "cd /srv/trust/{of} && mkdir playbooks && chmod 755 inventories/list && chown -R {of}: ."
        ));
    }
    host.must("touch /srv/ran; chmod 666 /srv/ran");
}

/// The exit code of a line that `user` types, all that it prints, and the user that the program ran as.
fn typed(host: &Host, user: &str, line: &str) -> (i32, String, String) {
    host.must(">/srv/ran");
    let finished = host.sh(&format!("su -s /bin/sh {user} -c '{line}' 2>&1"));
    (finished.code, finished.stdout, host.must("sort -u /srv/ran"))
}

#[test]
fn a_project_of_another_user_runs_nothing_until_it_is_trusted() {
    let lab = Lab::get();
    let host = lab.host("full3");
    projects(&host);
    let below = "cd /srv/trust/deploy/playbooks && windlass hosts";
    for line in [
        below,
        "windlass --project /srv/trust/deploy hosts",
        "WINDLASS_TRUST=/srv/trust windlass --project /srv/trust/deploy hosts",
    ] {
        let (code, said, ran) = typed(&host, "root", line);
        assert_eq!((code, ran.as_str()), (5, ""), "{line}: {said}");
        assert!(said.contains("it belongs to deploy (mode 0755), and only files of root are read"), "{said}");
        assert!(
            said.contains("run windlass trust /srv/trust/deploy, or set WINDLASS_TRUST=/srv/trust/deploy"),
            "{said}"
        );
    }
    for (user, line, runs_as) in [
        ("root", format!("WINDLASS_TRUST=/srv:/srv/trust/deploy; export WINDLASS_TRUST; {below}"), "root"),
        ("deploy", below.to_string(), "deploy"),
        ("deploy", "cd /srv/trust/deploy && sudo windlass hosts".to_string(), "root"),
        ("deploy", "cd /srv/trust/root && windlass hosts".to_string(), "deploy"),
        ("root", format!("windlass trust /srv/trust/deploy && {below}"), "root"),
    ] {
        let (code, said, ran) = typed(&host, user, &line);
        assert_eq!((code, ran.as_str()), (0, runs_as), "{line}: {said}");
    }
    // A third user's file there is not the owner's.
    host.must("chown nosudo /srv/trust/deploy/inventories/list");
    let (code, said, ran) = typed(&host, "root", below);
    assert_eq!((code, ran.as_str()), (5, ""), "{said}");
    assert!(
        said.contains("belongs to nosudo")
            && said.contains("run chown root /srv/trust/deploy/inventories/list"),
        "{said}"
    );
    host.must("chown deploy /srv/trust/deploy/inventories/list");
    // umask 002: what a user's own group may write, no one else may. Another's group may not.
    host.must("chmod -R g+w /srv/trust/deploy");
    assert_eq!(typed(&host, "deploy", below).0, 0);
    host.must("chgrp nosudo /srv/trust/deploy/inventories");
    let (code, said, ran) = typed(&host, "deploy", below);
    assert_eq!((code, ran.as_str()), (5, ""), "{said}");
    assert!(said.contains("the group nosudo may write to it") && said.contains("run chmod -R g-w"), "{said}");
    let (_, said, _) = typed(&host, "root", "windlass trust --remove /srv/trust/deploy; windlass trust");
    assert_eq!(said, "no longer trusted\n");
    host.must("rm -rf /srv/trust /srv/ran /usr/local/bin/windlass");
}
