//! The Debian package, installed and removed on a host.
#![expect(clippy::disallowed_methods, reason = "a script makes the package")]

use crate::stage::Lab;
use std::process::Command;

#[test]
fn a_debian_package_is_installed_works_and_is_removed_without_a_trace() {
    let lab = Lab::get();
    let host = lab.host("full2");
    let directory = tempfile::tempdir().expect("a directory");
    let made = Command::new("packaging/deb")
        .arg(env!("CARGO_BIN_EXE_windlass"))
        .arg(directory.path())
        .env("PACKAGE_LEVEL", "1")
        .output();
    let made = made.expect("the script starts");
    assert!(made.status.success(), "{made:?}");
    let deb = String::from_utf8_lossy(&made.stdout).trim().to_string();
    host.write("/tmp/windlass.deb", std::fs::read(deb).expect("it is there"));
    // What dpkg itself keeps changes with every package.
    let files = "find / -xdev -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /tmp -prune -o -path /var/cache -prune \
                 -o -name '*windlass*' -print | sort";
    let before = host.must(files);
    host.must("dpkg --install /tmp/windlass.deb");
    let version = host.must("windlass --version");
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    // The page, the completion of each shell, and the unit are where the programs look that read them.
    host.must("gzip -dc /usr/share/man/man1/windlass-run-playbook.1.gz | grep -qF -- '\\-\\-step'");
    host.must("bash -n /usr/share/bash-completion/completions/windlass");
    let completed = "WINDLASS_COMPLETE=bash _CLAP_COMPLETE_INDEX=1 _CLAP_IFS=' ' windlass -- windlass pla";
    assert_eq!(host.must(completed), "plan playbooks");
    host.must("mkdir -p /srv/fleet-of-package && touch /srv/fleet-of-package/windlass.toml");
    let unit = "windlass-serve@$(systemd-escape --path /srv/fleet-of-package).service";
    host.must("systemd-analyze verify /usr/lib/systemd/system/windlass-serve@.service");
    host.must(&format!("systemctl daemon-reload && systemctl start {unit}"));
    assert_eq!(host.must(&format!("systemctl is-active {unit}")), "active");
    host.must(&format!("systemctl stop {unit}"));
    host.must(
        "dpkg --purge windlass && rm -r /srv/fleet-of-package /tmp/windlass.deb && systemctl daemon-reload",
    );
    assert_eq!(host.must(files), before);
}
