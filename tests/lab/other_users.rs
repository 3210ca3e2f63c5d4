//! What another user of a host can do about paths that root works: links in that user's directories to what is root's. Each
//! kind is refused, with an agent and without one, and so are undo, restore, and what an overlay removes.

use crate::stage::Stage;

/// What is root's: a directory with a secret, and everything that may not change about it.
const LOOK: &str = "find /srv/roots -exec stat -c '%n %u %g %a %s %y' {} + | sort; cat /srv/roots/secret";

/// eve's home, with a link to root's directory, one to root's file, and one to a file that root has not.
const LINKS: &str = "grep -q '^eve:' /etc/passwd || { echo eve:x:4242:4242::/home/eve:/bin/sh >>/etc/passwd; echo eve:x:4242: >>/etc/group; mkdir /home/eve; chown 4242:4242 /home/eve; }; rm -rf /srv/roots /home/eve/* /home/eve/.ssh && mkdir -m 755 /srv/roots && cd /srv/roots && \
                     printf 'root says hello\n' >secret && chmod 600 secret && printf '{}' >data.json && mkdir inside && \
                     cd /home/eve && ln -s /srv/roots away && ln -s /srv/roots/secret file && ln -s /srv/roots/new new && \
                     ln -s /srv/roots .ssh && mkdir real && chown -h eve: * .ssh real";

/// A step by its name and its TOML.
const STEPS: &[(&str, &str)] = &[
    ("file", "file = { path = \"/home/eve/away/app.ini\", content = \"x\" }"),
    ("file through a link", "file = { path = \"/home/eve/file\", content = \"x\" }"),
    ("file that is missing", "file = { path = \"/home/eve/new\", content = \"x\" }"),
    (
        "file's owner",
        "file = { path = \"/home/eve/away/secret\", content = \"root says hello\\n\", owner = \"eve\" }",
    ),
    ("template", "template = { path = \"/home/eve/away/page\", source = \"page\" }"),
    ("line", "line = { path = \"/home/eve/file\", line = \"x\" }"),
    ("block", "block = { path = \"/home/eve/away/secret\", content = \"x\" }"),
    ("json", "json = { path = \"/home/eve/away/data.json\", set = { a = 1 } }"),
    ("directory", "directory = { path = \"/home/eve/away/sub\", owner = \"eve\" }"),
    ("directory's mode", "directory = { path = \"/home/eve/away/inside\", mode = \"0777\" }"),
    ("recurse", "directory = { path = \"/home/eve/away/inside\", owner = \"eve\", recurse = true }"),
    ("symlink", "symlink = { path = \"/home/eve/away/link\", target = \"/tmp\" }"),
    ("absent", "absent = { path = \"/home/eve/away/inside\" }"),
    ("overlay", "overlay = { source = \"tree\", dest = \"/home/eve/away\" }"),
    ("sync", "sync = { source = \"tree\", dest = \"/home/eve/away/inside\" }"),
    ("archive", "archive = { source = \"tree.tar\", dest = \"/home/eve/away\" }"),
    ("fetch", "fetch = { path = \"/home/eve/file\", to = \"stolen\" }"),
    ("fetch inside", "fetch = { path = \"/home/eve/away/secret\", to = \"stolen\" }"),
    ("stray files", "stray_files = { globs = [\"/home/eve/away/inside/sec*\"], older = \"0s\" }"),
    (
        "authorized key",
        "authorized_key = { user = \"eve\", keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJibM1QNndcvTu9EzkQ44Lmgo0rjw/elJ8PPnmQ23R+p x\"] }",
    ),
    ("release", "release = { source = \"tree\", dest = \"/home/eve/away/app\" }"),
    ("mount", "mount = { path = \"/home/eve/away\", source = \"tmpfs\", fstype = \"tmpfs\" }"),
    ("command", "command = { run = \"touch x\", directory = \"/home/eve/away\" }"),
    ("script", "script = { content = \"touch x\", directory = \"/home/eve/away\" }"),
    ("swap", "swap = { path = \"/home/eve/away/swap\", size = \"1 MiB\" }"),
];

fn stage(host: &str) -> Stage {
    let stage = Stage::on(host).with(LINKS);
    stage.project.write("templates/page", "x");
    stage.project.write("files/tree/inside/x", "x");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    tar.append_data(&mut header, "inside/x", &b"x"[..]).unwrap();
    stage.project.write("files/tree.tar", tar.into_inner().unwrap());
    stage
}

/// Every step of the table in one run, which goes on after a failure.
fn nothing_follows_a_users_link(host: &str, system: &str) {
    let stage = stage(host);
    let before = stage.host.must(LOOK);
    let step = |(name, toml): &(&str, &str)| format!("[[steps]]\nname = \"{name}\"\n{toml}\n");
    let playbook = format!("on_failure = \"continue\"\n{}", STEPS.iter().map(step).collect::<String>());
    for options in ["--check", ""] {
        let report = stage.play(&playbook, options).exits(2);
        assert_eq!(report.system(host), system);
        let mut lost = Vec::new();
        for (name, _) in STEPS {
            let step = report.step(host, name);
            let failure = step["failure"].to_string();
            if step["outcome"] != "failed" || !failure.contains("link") || !failure.contains("/home/eve/") {
                lost.push(format!("{name} {options}: {} {failure}", step["outcome"]));
            }
        }
        assert!(lost.is_empty(), "{}", lost.join("\n"));
        assert_eq!(stage.host.must(LOOK), before);
        assert!(!stage.project.path().join("fetched").exists(), "root's file was fetched");
    }
}

#[test]
fn nothing_follows_a_users_link_with_an_agent() {
    nothing_follows_a_users_link("small1", "agent");
}

#[test]
fn nothing_follows_a_users_link_through_sh() {
    nothing_follows_a_users_link("noexec1", "sh");
}

/// What a run wrote into a directory of the user's is undone only there.
fn undo_does_not_follow_a_link_that_came_later(host: &str) {
    let stage = stage(host);
    stage.host.must(
        "cd /home/eve/real && printf old >old && printf 'a\\n' >lines && mkdir gone && printf x >gone/x && chown -R eve: .",
    );
    let playbook = "[[steps]]\nfile = { path = \"/home/eve/real/old\", content = \"new\" }\n\
                    [[steps]]\nfile = { path = \"/home/eve/real/made\", content = \"new\" }\n\
                    [[steps]]\nline = { path = \"/home/eve/real/lines\", line = \"b\" }\n\
                    [[steps]]\ndirectory = { path = \"/home/eve/real/sub\" }\n\
                    [[steps]]\nabsent = { path = \"/home/eve/real/gone\" }\n\
                    [[steps]]\noverlay = { source = \"tree\", dest = \"/home/eve/real/tree\" }\n";
    stage.play(playbook, "").exits(0);
    // The same names are root's, with the content that the run left.
    stage.host.must(
        "cp -a /home/eve/real/. /srv/roots && chown -R root: /srv/roots && cd /home/eve && mv real aside && \
         ln -s /srv/roots real && chown -h eve: real",
    );
    let before = stage.host.must(LOOK);
    let undone = stage.project.windlass(["runs", "undo", "last", "--hosts", host]);
    assert_eq!(undone.code, 2, "{undone:?}");
    assert!(
        undone.stdout.contains("is a symbolic link") || undone.stderr.contains("is a symbolic link"),
        "{undone:?}"
    );
    assert_eq!(stage.host.must(LOOK), before);
    // Where it was it can still be undone.
    stage.host.must("cd /home/eve && rm real && mv aside real");
    let undone = stage.project.windlass(["runs", "undo", "last", "--hosts", host]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(stage.host.must("cd /home/eve/real && cat old lines gone/x; ls"), "olda\nxgone\nlines\nold");
    assert_eq!(stage.host.must(LOOK), before);
}

#[test]
fn undo_does_not_follow_a_link_that_came_later_with_an_agent() {
    undo_does_not_follow_a_link_that_came_later("small1");
}

#[test]
fn undo_does_not_follow_a_link_that_came_later_through_sh() {
    undo_does_not_follow_a_link_that_came_later("noexec1");
}

#[test]
fn an_overlay_removes_nothing_through_a_link_that_came_later() {
    for host in ["small1", "noexec1"] {
        let stage = stage(host);
        let playbook =
            "[[steps]]\noverlay = { source = \"tree\", dest = \"/home/eve/real\", owner = \"eve\" }\n";
        stage.project.write("files/tree/sub/secret", "root says hello\n");
        stage.play(playbook, "").exits(0);
        stage.host.must("cd /home/eve/real && rm -r sub && ln -s /srv/roots sub && chown -h eve: sub");
        std::fs::remove_dir_all(stage.project.path().join("files/tree/sub")).unwrap();
        let before = stage.host.must(LOOK);
        // Whether the run ends well or not, root's file stays.
        stage.play(playbook, "");
        assert_eq!(stage.host.must(LOOK), before, "{host}");
    }
}

#[test]
fn a_restore_does_not_follow_a_link_that_came_later() {
    let stage = stage("small1");
    stage.host.must("cd /home/eve/real && mkdir data && printf x >data/x && chown -R eve: .");
    stage.play("[[steps]]\nbackup = { name = \"it\", files = [\"/home/eve/real/data\"] }\n", "").exits(0);
    let before = stage.host.must(LOOK);
    stage.host.must("cd /home/eve && mv real aside && ln -s /srv/roots real && chown -h eve: real");
    for kind in [
        "restore = { backup = \"small1/it\" }",
        "restore = { backup = \"small1/it\", to = \"/home/eve/away/data\" }",
        "backup = { name = \"other\", files = [\"/home/eve/real/inside\"] }",
    ] {
        let report = stage.play(&format!("[[steps]]\n{kind}\n"), "").exits(2);
        assert!(report.failure("small1").contains("symbolic link"), "{report:#?}");
        assert_eq!(stage.host.must(LOOK), before);
    }
    // Where it came from it is put back, and the old one is kept; undone, that is back.
    stage.host.must("cd /home/eve && rm real && mv aside real && printf changed >real/data/x");
    stage.play("[[steps]]\nrestore = { backup = \"small1/it\", replace = true }\n", "").exits(0);
    assert_eq!(
        stage.host.must("cd /home/eve/real && cat data/x data.before-*/x; stat -c %U data"),
        "xchangedeve"
    );
    let undone = stage.project.windlass(["runs", "undo", "last", "--hosts", "small1"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(stage.host.must("cd /home/eve/real && cat data/x; ls -A"), "changeddata");
}

/// While a release is put together, its owner exchanges a directory of the live tree for one that was a link in the copy.
#[test]
fn a_release_copies_nothing_through_a_link_of_its_copy() {
    let stage = stage("small1");
    stage.host.must(
        "mkdir -p /home/eve/app/keep && cd /home/eve/app && printf 1 >keep/x && ln -s /srv/roots sub && chown -hR eve: .",
    );
    let before = stage.host.must(LOOK);
    // The check runs between the copy and the second look at what was written meanwhile.
    stage.project.write(
        "playbooks/it.toml",
        "[[steps]]\n[steps.release]\nsource = \"tree\"\ndest = \"/home/eve/app\"\n\
         check = [[\"sh\", \"-c\", \"cd /home/eve/app && rm -f sub && mkdir -p sub keep/deep && printf evil >sub/secret && printf evil >sub/planted && printf 2 >keep/deep/y\"]]\n",
    );
    let report = stage.project.report("run playbook it --hosts small1");
    assert_eq!(stage.host.must(LOOK), before, "{report:#?}");
    assert!(!stage.host.must("ls /srv/roots").contains("planted"));
}

/// eve made the directory of releases herself, with links where windlass is about to write.
#[test]
fn a_release_and_a_swap_file_are_not_made_in_a_directory_of_another_user() {
    for host in ["small1", "noexec1"] {
        let stage = stage(host);
        stage.host.must(
            "mkdir -p /home/eve/app /home/eve/app.releases && cd /home/eve/app.releases && \
             for name in 0002.since 0002.json.new 0002.part 0002.json; do ln -s /srv/roots/secret $name; done && \
             ln -s /srv/roots/secret ../real/swap.windlass && chown -hR eve: /home/eve/app /home/eve/app.releases ../real",
        );
        let before = stage.host.must(LOOK);
        for kind in [
            "release = { source = \"tree\", dest = \"/home/eve/app\" }",
            "swap = { path = \"/home/eve/real/swap\", size = \"1 MiB\" }",
        ] {
            let report = stage.play(&format!("[[steps]]\n{kind}\n"), "").exits(2);
            let failure = report.failure(host);
            assert!(failure.contains("belongs to another user") || failure.contains("link"), "{failure}");
            assert_eq!(stage.host.must(LOOK), before, "{host}: {kind}");
        }
    }
}

/// As eve, exchanges the directory of releases, and a part of what serves, for links to root's until a file says stop.
const EXCHANGE: &str = "cat >/home/eve/exchange <<'END'
cd /home/eve
until [ -e /tmp/eve-stops ]; do
    mv app.releases aside && ln -s /srv/roots app.releases; rm app.releases; mv aside app.releases
    mv app/sub app/aside; ln -s /srv/roots app/sub; rm app/sub; mv app/aside app/sub
done
END
rm -f /tmp/eve-stops; chown eve: /home/eve/exchange
as_eve='su -s /bin/sh eve -c'
! setpriv --reuid 4242 true 2>/dev/null || as_eve='setpriv --reuid 4242 --regid 4242 --clear-groups sh -c'
($as_eve 'exec sh /home/eve/exchange' </dev/null >/dev/null 2>&1 &)";

#[test]
fn a_release_and_its_undo_work_nothing_through_a_link_that_came_later() {
    for host in ["small1", "noexec1"] {
        let stage = stage(host);
        stage.host.must(
            "mkdir -p /home/eve/app/sub /srv/roots/0002 && echo 1 >/srv/roots/0002/x && touch /srv/roots/0002.since && \
             cd /home/eve/app && echo 1 >x && echo mine >sub/secret && chown -hR eve: /home/eve",
        );
        let release = "[[steps]]\nrelease = { source = \"tree\", dest = \"/home/eve/app\" }\n";
        stage.play(release, "").exits(0);
        stage.host.must(
            "cd /home/eve && mv app.releases aside && ln -s /srv/roots app.releases && chown -h eve: app.releases",
        );
        let before = stage.host.must(LOOK);
        let undone = stage.project.windlass(["runs", "undo", "last", "--hosts", host]);
        assert_eq!((undone.code, stage.host.must(LOOK)), (2, before.clone()), "{undone:?}");
        stage.host.must("cd /home/eve && rm app.releases && mv aside app.releases");
        stage.host.must(EXCHANGE);
        for number in 0..6 {
            stage.project.write("files/tree/inside/x", format!("{number}"));
            stage.play(release, "");
        }
        stage.host.must("touch /tmp/eve-stops");
        assert_eq!(stage.host.must(LOOK), before, "{host}");
        let copies = "find /home/eve -type f -exec grep -l 'root says' {} + || true";
        assert_eq!(stage.host.must(copies), "", "{host}");
    }
}

/// What eve puts at a mount point's path after the run is left alone by the undo, and nothing of root's is unmounted.
#[test]
fn a_mount_in_a_users_directory_is_undone_there_and_nowhere_else() {
    // What a try before this one may have left mounted.
    drop(Stage::on("full2").with("umount /home/eve/*/data /srv/roots/data 2>/dev/null; true"));
    let stage = stage("full2");
    stage.host.must("mkdir /srv/roots/data && mount -t tmpfs tmpfs /srv/roots/data");
    let mounts = "grep -c ' /srv/roots/data ' /proc/self/mounts; grep ' /home/eve' /proc/self/mounts | cut -d' ' -f2,3";
    let step = "mount = { path = \"/home/eve/real/data\", source = \"tmpfs\", fstype = \"tmpfs\", options = \"size=1m\" }";
    let playbook = format!("[[steps]]\n{step}\n");
    let first = stage.play(&playbook, "").exits(0).run();
    assert_eq!(stage.host.must(mounts), "1\n/home/eve/real/data tmpfs");
    let second = stage.play(&playbook.replace("size=1m", "size=2m"), "").exits(0).run();
    assert!(stage.host.must("grep /home/eve /proc/self/mounts").contains("size=2048k"));
    let undo = |run: &str| stage.project.windlass(["runs", "undo", run]);
    assert_eq!(undo(&second).code, 0);
    assert!(stage.host.must("grep /home/eve /proc/self/mounts").contains("size=1024k"));
    let exchange = "cd /home/eve && mv real aside && ln -s /srv/roots real && chown -h eve: real";
    stage.host.must(exchange);
    let undone = undo(&first);
    assert_eq!(undone.code, 2, "{undone:?}");
    let said = format!("{}{}", undone.stdout, undone.stderr);
    assert!(said.contains("another user exchanged it"), "{said}");
    assert_eq!(stage.host.must(mounts), "1\n/home/eve/aside/data tmpfs");
    stage.host.must("cd /home/eve && rm real && mv aside real");
    assert_eq!(undo(&first).code, 0);
    assert_eq!(stage.host.must(mounts), "1");
    stage.host.must("umount /srv/roots/data");
}
