//! What undo promises, for every step kind: the host is as before, byte for byte, or what is left is listed with a reason.
//!
//! A table has every kind. All steps run as one playbook, are undone as one run, and the host is compared once. Another one
//! has every shipped playbook.

use crate::stage::{Report, Stage};
use std::collections::BTreeSet;

const HOST: &str = "full2";

/// Everything that is compared.
pub const STATE: &str = include_str!("state.sh");

/// What becomes of a kind's changes.
enum Undone {
    /// This step's changes are all undone.
    Whole(&'static str),
    /// This step's change cannot be undone, for this reason. The command puts it right afterwards.
    Left(&'static str, &'static str, &'static str),
    /// It only looks, or asks.
    ChangesNothing,
    /// It is not part of this run, because of this.
    Elsewhere(&'static str),
}
use Undone::{ChangesNothing, Elsewhere, Left, Whole};

/// A key that no one has.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJibM1QNndcvTu9EzkQ44Lmgo0rjw/elJ8PPnmQ23R+p no one";

const KINDS: &[(&str, Undone)] = &[
    ("file", Whole("path = '/srv/e2e/file'\ncontent = 'new'\nmode = '0600'\nowner = 'deploy'")),
    ("template", Whole("path = '/srv/e2e/new/template'\nsource = 'e2e.j2'")),
    ("directory", Whole("path = '/srv/e2e/acl'\nmode = '0700'\nowner = 'deploy'")),
    ("symlink", Whole("path = '/srv/e2e/labelled'\ntarget = 'elsewhere'\nforce = true")),
    ("absent", Whole("path = '/srv/e2e/tree'")),
    ("line", Whole("path = '/srv/e2e/lines'\nline = 'added'")),
    ("block", Whole("path = '/srv/e2e/lines'\nname = 'e2e'\ncontent = 'in a block'")),
    ("json", Whole("path = '/srv/e2e/data.json'\nmerge = { a = 2 }")),
    ("overlay", Whole("source = 'tree'\ndest = '/srv/e2e/overlay'")),
    ("sync", Whole("source = 'tree'\ndest = '/srv/e2e/sync'")),
    ("archive", Whole("source = 'tree.tar'\ndest = '/srv/e2e/archive'")),
    ("fetch", ChangesNothing),
    (
        "stray_files",
        Left(
            "globs = ['/srv/e2e/stray/one*']\nolder = '0s'",
            "removed stray files are not kept",
            "echo stray >/srv/e2e/stray/one",
        ),
    ),
    ("package", Whole("name = 'e2e-probe'")),
    ("service", Whole("name = 'cron'\nstate = 'stopped'\nenabled = false")),
    ("user", Whole("name = 'e2e'\ngroups = ['e2e-team']\ncomment = 'End to End'")),
    ("group", Whole("name = 'e2e-team'")),
    ("authorized_key", Whole("user = 'deploy'\nkeys = ['KEY']")),
    ("sudoers", Whole("name = 'e2e'\ngroup = 'adm'\ncommands = ['/usr/bin/id -u']\nnopasswd = true")),
    ("cron", Whole("name = 'e2e'\nschedule = '@daily'\ncommand = 'true'\nuser = 'deploy'\ncrontab = true")),
    ("timer", Whole("name = 'e2e'\ncommand = '/bin/true'\ncalendar = '*-*-* 03:15:00'")),
    ("sysctl", Whole("settings = { 'net.ipv4.tcp_keepalive_time' = 1234 }")),
    ("hostname", Whole("name = 'e2e.example.com'")),
    ("timezone", Whole("name = 'Asia/Tokyo'")),
    ("swap", Elsewhere("swapon is refused in containers; its undo is tested beside the kind")),
    ("mount", Whole("path = '/srv/e2e/memory'\nsource = 'tmpfs'\nfstype = 'tmpfs'")),
    ("sshd", Whole("options = { MaxAuthTries = 5 }")),
    ("firewall", Whole("allow = [80]")),
    ("reboot", Elsewhere("nothing of a boot is to be undone")),
    (
        "command",
        Left("argv = ['touch', '/srv/e2e/by-command']", "its step gives no undo", "rm /srv/e2e/by-command"),
    ),
    ("script", Whole("content = 'touch /srv/e2e/by-script'\nundo = ['rm', '/srv/e2e/by-script']")),
    ("port", Elsewhere("only a port of an orphan is freed: port_audit.rs")),
    ("disk", ChangesNothing),
    ("resources", ChangesNothing),
    ("check", ChangesNothing),
    ("wait", ChangesNothing),
    ("wait_for", ChangesNothing),
    ("http", ChangesNothing),
    ("assert", ChangesNothing),
    ("debug", ChangesNothing),
    ("set", Elsewhere("it changes nothing on hosts")),
    ("flush_handlers", Elsewhere("it only runs handlers, whose steps are undone as others")),
    ("group_by", Elsewhere("it changes nothing on hosts")),
    ("nginx_site", Whole("name = 'e2e'\ncontent = 'server { listen 127.0.0.1:8391; return 204; }'")),
    ("nginx_port", Whole("file = '/etc/nginx/sites-available/e2e-port'\nfrom = 3391\nto = 3392\nprobe = ''")),
    ("compose_port", Whole("file = '/srv/e2e/compose/docker-compose.yml'\nfrom = 3001\nto = 3002")),
    ("image", Whole("name = 'e2e:gone'\nstate = 'absent'")),
    (
        "container",
        Whole(
            "name = 'e2e'\nimage = 'lab/busybox'\ncommand = ['sleep', '999']\nstays = '0s'\nstop_timeout = 0",
        ),
    ),
    ("compose", Elsewhere("containers.rs")),
    ("blue_green", Elsewhere("blue_green.rs")),
    ("docker_prune", Elsewhere("cleanup.rs")),
    ("backup", ChangesNothing),
    ("restore", Elsewhere("backup.rs")),
    ("sql", Elsewhere("the same reason for every change: sql has no undo")),
    ("migrate", Elsewhere("migrate.rs")),
    ("release", Whole("source = 'tree'\ndest = '/srv/e2e/app'")),
    ("tree_audit", ChangesNothing),
    ("env_audit", ChangesNothing),
    ("imports_audit", ChangesNothing),
];

/// What the steps find: files with an ACL, a capability, attributes and hard links, services, a package of our own.
const BEFORE: &str = r#"
    rm -rf /srv/e2e /etc/nginx/sites-*/e2e*; docker rm -f e2e 2>/dev/null; crontab -r -u deploy 2>/dev/null
    mkdir -p /srv/e2e/tree/deep /srv/e2e/acl /srv/e2e/stray /srv/e2e/compose /srv/e2e/overlay /srv/e2e/app && cd /srv/e2e; echo live >app/live
    printf old >file; ln file file-too; printf 'a\nb\n' >lines; echo '{ "a" :1}' >data.json; echo old >overlay/one
    echo x >tree/one; ln tree/one tree/two; ln tree/one outside; echo y >tree/deep/y; chmod 2750 tree/deep
    echo stray >stray/one; echo l >labelled; cp /bin/true tree/capable; setcap cap_net_raw+ep tree/capable
    printf 'services:\n  web:\n    image: x\n    ports: ["3001:80"]\n' >compose/docker-compose.yml
    python3 -c '
import os, struct
entry = lambda tag, bits, who=0xffffffff: struct.pack("<HHI", tag, bits, who)
acl = struct.pack("<I", 2) + entry(1, 6) + entry(2, 6, 1) + entry(4, 4) + entry(16, 6) + entry(32, 0)
for path in ("tree/deep/y", "labelled", "file"): os.setxattr(path, "system.posix_acl_access", acl)
default = struct.pack("<I", 2) + entry(1, 7) + entry(2, 7, 1) + entry(4, 5) + entry(16, 7) + entry(32, 5)
os.setxattr("acl", "system.posix_acl_default", default)'
    echo '1 2 3 4 5 echo ours' | crontab -u deploy -
    printf 'server { listen 127.0.0.1:8392; location / { proxy_pass http://127.0.0.1:3391; } }\n' >/etc/nginx/sites-available/e2e-port
    ln -s ../sites-available/e2e-port /etc/nginx/sites-enabled/e2e-port
    systemctl reset-failed; systemctl restart nginx; systemctl enable --now cron 2>/dev/null
    docker image tag lab/busybox e2e:gone
    mkdir -p /tmp/e2e-deb && cd /tmp/e2e-deb && for name in e2e-probe e2e-library; do
        mkdir -p $name/DEBIAN $name/etc
        { printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n' $name
          [ $name = e2e-library ] || echo 'Depends: e2e-library'; } >$name/DEBIAN/control
        echo setting >$name/etc/$name.conf; echo /etc/$name.conf >$name/DEBIAN/conffiles; dpkg-deb --build $name >/dev/null
        cat $name/DEBIAN/control; echo Filename: ./$name.deb; echo Size: $(stat -c %s $name.deb)
        echo SHA256: $(sha256sum $name.deb | cut -d' ' -f1); echo
    done >Packages
    echo 'deb [trusted=yes] file:/tmp/e2e-deb ./' >/etc/apt/sources.list.d/e2e.list
    apt-get update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/e2e.list -o Dir::Etc::sourceparts=- >/dev/null
    dpkg --purge e2e-probe e2e-library 2>/dev/null; true
"#;

const AFTER: &str = "rm -rf /srv/e2e /tmp/e2e-deb /etc/apt/sources.list.d/e2e.list /etc/nginx/sites-*/e2e*; \
     docker image rm e2e:gone; crontab -r -u deploy; rm -f /root/state.sh";

/// The steps of the table, by a name of their own each. Groups come before the users who are in them.
fn playbook() -> String {
    let step = |(kind, undone): &(&str, Undone)| match undone {
        Whole(keys) | Left(keys, ..) => {
            Some(format!("[[steps]]\nname = '{kind}'\n[steps.{kind}]\n{}\n", keys.replace("KEY", KEY)))
        }
        ChangesNothing => None,
        Elsewhere(why) => {
            assert!(!why.is_empty(), "{kind}");
            None
        }
    };
    let group_first = |(kind, _): &&(&str, Undone)| *kind == "group";
    let first = KINDS.iter().filter(group_first);
    first.chain(KINDS.iter().filter(|one| !group_first(one))).filter_map(step).collect()
}

fn left() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    KINDS.iter().filter_map(|(kind, undone)| match undone {
        Left(_, why, repair) => Some((*kind, *why, *repair)),
        _ => None,
    })
}

#[test]
fn every_kind_is_undone_or_says_what_is_left() {
    let Stage { host, project } = Stage::on(HOST).with(BEFORE);
    every_kind_is_in_the_table(&project);
    write_sources(&project);
    project.write("files/tree.tar", host.bytes("tar -C /srv/e2e -c lines file"));
    host.write("/root/state.sh", STATE);
    let before = host.must("sh /root/state.sh");

    let report = project.play(&playbook(), HOST, "");
    assert_eq!(report.code, 0, "{}", report.failure(HOST));
    let unchanged: Vec<_> =
        report.steps(HOST).into_iter().filter(|(_, outcome)| *outcome != "changed").collect();
    assert!(unchanged.is_empty(), "each step changes something: {unchanged:?}");
    let recap = project.windlass(["runs", "show", "last"]).stdout;
    left().for_each(|(_, why, _)| assert!(recap.contains(why), "known before an undo: {why}: {recap}"));

    let undone = project.report("runs undo last").exits(2);
    lists_what_is_left(&undone);
    left().for_each(|(_, _, repair)| drop(host.must(repair)));
    let after = host.must("sh /root/state.sh");
    host.must(AFTER);
    assert_same(&before, &after);
}

/// What becomes of a shipped playbook's changes. `Whole` has its params.
const PLAYBOOKS: &[(&str, Undone)] = &[
    ("backup", ChangesNothing),
    ("blue-green", Elsewhere("blue_green.rs")),
    ("cleanup", Elsewhere("it only removes: cleanup.rs")),
    ("deploy-overlay", Whole("-e source=tree -e dest=/srv/e2e/app")),
    ("env-audit", ChangesNothing),
    ("fix-dns", Whole("-e prove=false")),
    ("imports-audit", ChangesNothing),
    ("migrate", Elsewhere("migrate.rs")),
    ("nginx-port", Whole("-e file=/etc/nginx/sites-available/e2e-port -e from=3391 -e to=3392 -e probe=")),
    ("overlay", Whole("-e source=tree -e dest=/srv/e2e/site")),
    ("port-audit", Elsewhere("only a port of an orphan is freed: port_audit.rs")),
    ("provision", Elsewhere("provision.rs")),
    ("readiness", ChangesNothing),
    ("resources", ChangesNothing),
    ("restore", Elsewhere("backup.rs")),
    ("rollback", Elsewhere("release.rs")),
    ("tree-audit", ChangesNothing),
];

#[test]
fn every_shipped_playbook_is_undone() {
    let shipped = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks")).unwrap();
    let shipped: BTreeSet<String> =
        shipped.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into()).collect();
    let table: BTreeSet<String> = PLAYBOOKS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(shipped, table, "a new playbook must say what undo does with it");

    let Stage { host, project } = Stage::on(HOST).with(BEFORE);
    write_sources(&project);
    host.write("/root/state.sh", STATE);
    let mut before = host.must("sh /root/state.sh");
    for (name, undone) in PLAYBOOKS {
        let Whole(params) = undone else { continue };
        let report = project.report(&format!("run playbook {name} --hosts {HOST} {params}")).exits(0);
        assert_eq!(report.outcome(HOST), "changed", "{name}");
        project.report("runs undo last").exits(0);
        let after = host.must("sh /root/state.sh");
        assert_same(&before, &after);
        before = after;
    }
    host.must(AFTER);
}

fn write_sources(project: &crate::stage::Project) {
    project.write("templates/e2e.j2", "{{ 1 + 1 }}\n");
    project.write("files/tree/one", "new\n");
    project.write("files/tree/deep/two", "new\n");
}

/// A new kind must say what undo does with it.
fn every_kind_is_in_the_table(project: &crate::stage::Project) {
    let listed = project.windlass(["steps"]).stdout;
    let kinds = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let kinds: BTreeSet<&str> = kinds.collect();
    let table: BTreeSet<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, table);
}

fn lists_what_is_left(undone: &Report) {
    assert_eq!(undone.outcome(HOST), "partly_undone");
    let failure = undone.failure(HOST);
    let count = format!("{} of ", left().count());
    assert!(failure.contains(&format!(": {count}")), "{failure}");
    left().for_each(|(kind, why, _)| assert!(failure.contains(why), "{kind}: {why}: {failure}"));
}

#[track_caller]
pub fn assert_same(before: &str, after: &str) {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), after.lines().collect());
    let gone: Vec<_> = old.difference(&new).collect();
    let come: Vec<_> = new.difference(&old).collect();
    assert!(gone.is_empty() && come.is_empty(), "before: {gone:#?}\nafter: {come:#?}");
}
