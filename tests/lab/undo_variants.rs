//! What undo promises for the other directions of a kind: what was there is removed or changed by each step, and all of it
//! comes back. `undo_kinds` has what was not there before.

use crate::stage::Stage;
use crate::undo_kinds::{KEY, STATE, assert_same};

const HOST: &str = "full2";

/// Accounts, jobs, mounts, containers, sites, timers and a package that steps remove or change.
const BEFORE: &str = r#"
    for user in v-gone v-home v-change v-lock; do userdel -r $user 2>/dev/null; done
    for group in v-group v-gid v-extra v-extra2; do groupdel $group 2>/dev/null; done
    groupadd -g 3333 v-gid; groupadd v-group; groupadd v-extra; groupadd v-extra2
    useradd -m -s /bin/sh -G v-extra,v-group v-gone; chage -M 90 -E 2030-01-01 -W 5 v-gone; gpasswd -A v-gone v-group
    useradd -m -G v-extra v-home; echo hi >/home/v-home/x; ln /home/v-home/x /home/v-home/y; chown -R v-home: /home/v-home
    useradd -m -s /bin/sh -c 'old, comment' -G v-extra,v-group -p '$6$abc$defghij' v-change
    useradd -m -p '$6$abc$defghij' v-lock
    mkdir -p /home/v-change/.ssh; chown -R v-change: /home/v-change/.ssh
    printf 'KEY ci\n# comment\nfrom="192.0.2.4" KEY anna' >/home/v-change/.ssh/authorized_keys
    chown v-change: /home/v-change/.ssh/authorized_keys; chmod 600 /home/v-change/.ssh/authorized_keys
    printf '5 4 * * * root echo x\n' >/etc/cron.d/v-gone; chmod 640 /etc/cron.d/v-gone
    printf '9 9 * * * echo mine\n' | crontab -u v-change -
    printf '# mine\nv-lock ALL=(ALL) NOPASSWD: /bin/id\n' >/etc/sudoers.d/v-gone; chmod 440 /etc/sudoers.d/v-gone
    mkdir -p /srv/v/mnt; printf 'tmpfs\t/srv/v/mnt  tmpfs\tsize=1m 0  0 # mine\n' >>/etc/fstab
    docker rm -f v-gone v-change >/dev/null 2>&1
    docker run -d --name v-gone --label a=b lab/busybox sleep 9999; docker run -d --name v-change -e A=1 lab/busybox sleep 9999
    docker tag lab/busybox v:1; docker tag lab/busybox v:2
    echo 'net.ipv4.tcp_keepalive_time = 7000' >/etc/sysctl.d/v.conf; sysctl -qw net.ipv4.tcp_keepalive_time=7100
    printf 'server { listen 127.0.0.1:8399; return 204; }\n' >/etc/nginx/sites-available/v-gone
    ln -sf ../sites-available/v-gone /etc/nginx/sites-enabled/v-gone; systemctl restart nginx
    printf '[Service]\nExecStart=/bin/true\n' >/etc/systemd/system/v-gone.service
    printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/v-gone.timer
    systemctl daemon-reload; systemctl -q enable --now v-gone.timer
    mkdir -p /tmp/v-deb && cd /tmp/v-deb && for version in 1 2; do
        rm -rf p; mkdir -p p/DEBIAN p/etc; echo setting >p/etc/v-probe.conf; echo /etc/v-probe.conf >p/DEBIAN/conffiles
        printf "Package: v-probe\nVersion: $version\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n" >p/DEBIAN/control
        dpkg-deb --build p v$version.deb >/dev/null; cat p/DEBIAN/control
        echo Filename: ./v$version.deb; echo Size: $(stat -c %s v$version.deb); echo SHA256: $(sha256sum v$version.deb | cut -d' ' -f1); echo
    done >Packages
    echo 'deb [trusted=yes] file:/tmp/v-deb ./' >/etc/apt/sources.list.d/v.list
    apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/v.list -o Dir::Etc::sourceparts=- >/dev/null
    dpkg --purge v-probe 2>/dev/null; apt-get -q -y install v-probe=1; echo edited >>/etc/v-probe.conf
    mkdir -p /srv/v/f; cd /srv/v/f; printf 'a\nb\nc' >lines; chmod 4711 lines; ln -sfn lines link
    printf '{"a":{"b":1,"c":[1,2]}}' >j.json
"#;

const AFTER: &str = r#"
    for user in v-gone v-home v-change v-lock; do crontab -r -u $user; userdel -r $user; done
    for group in v-group v-gid v-extra v-extra2; do groupdel $group; done
    docker rm -f v-gone v-change; docker rmi v:1 v:2; systemctl disable --now v-gone.timer; dpkg --purge v-probe
    rm -rf /srv/v /etc/cron.d/v-gone /etc/sudoers.d/v-gone /etc/sysctl.d/v.conf /etc/nginx/sites-*/v-gone
    rm -rf /etc/apt/sources.list.d/v.list /tmp/v-deb /etc/systemd/system/v-gone.* /root/state.sh
    sed -i /srv.v.mnt/d /etc/fstab; systemctl daemon-reload; systemctl reload nginx
"#;

const STEPS: &str = r#"
[[steps]]
user = { name = "v-gone", state = "absent" }
[[steps]]
user = { name = "v-home", state = "absent", remove_home = true }
[[steps]]
user = { name = "v-change", shell = "/bin/bash", comment = "new", groups = ["v-extra2"], uid = 4444, group = "v-gid", password = "$6$new$new" }
[[steps]]
user = { name = "v-lock", lock = true }
[[steps]]
group = { name = "v-group", state = "absent" }
[[steps]]
group = { name = "v-gid", gid = 3434 }
[[steps]]
authorized_key = { user = "v-change", exclusive = true, keys = ["KEY other"] }
[[steps]]
cron = { name = "v-gone", state = "absent" }
[[steps]]
cron = { name = "v", user = "v-change", crontab = true, schedule = "@daily", command = "true" }
[[steps]]
sudoers = { name = "v-gone", state = "absent" }
[[steps]]
mount = { path = "/srv/v/mnt", state = "absent" }
[[steps]]
container = { name = "v-gone", state = "absent" }
[[steps]]
container = { name = "v-change", image = "lab/busybox", env = { A = "2" }, command = ["sleep", "9998"], stays = "0s", stop_timeout = 0 }
[[steps]]
image = { name = "v:1", state = "absent" }
[[steps]]
image = { name = "v:2", tags = ["3"], pull = "never" }
[[steps]]
sysctl = { settings = { "net.ipv4.tcp_keepalive_time" = 7200 }, file = "/etc/sysctl.d/v.conf" }
[[steps]]
nginx_site = { name = "v-gone", state = "absent" }
[[steps]]
timer = { name = "v-gone", state = "absent" }
[[steps]]
package = { name = "v-probe", state = "latest" }
[[steps]]
file = { path = "/srv/v/f/lines", content = "x" }
[[steps]]
json = { path = "/srv/v/f/j.json", merge = { a = { c = [] } } }
[[steps]]
symlink = { path = "/srv/v/f/link", target = "j.json" }
"#;

/// More than `undo_kinds` compares: each account's every field, the kernel's setting.
const MORE: &str = "for of in passwd group shadow gshadow; do getent $of; done; cat /etc/subuid /etc/subgid
    sysctl -n net.ipv4.tcp_keepalive_time; crontab -l -u v-change";

#[test]
fn what_steps_remove_or_change_comes_back() {
    let Stage { host, project } = Stage::on(HOST);
    host.sh(AFTER);
    host.must(&format!("exec >/dev/null\n{}", BEFORE.replace("KEY", KEY)));
    host.write("/root/state.sh", format!("( {STATE} )\n{MORE}\n"));
    let before = host.must("sh /root/state.sh");
    let report = project.play(&STEPS.replace("KEY", KEY), HOST, "").exits(0);
    let unchanged: Vec<_> =
        report.steps(HOST).into_iter().filter(|(_, outcome)| *outcome != "changed").collect();
    assert!(unchanged.is_empty(), "each step changes something: {unchanged:?}");
    project.report("runs undo last").exits(0);
    let after = host.must("sh /root/state.sh");
    host.sh(AFTER);
    assert_same(&before, &after);
}
