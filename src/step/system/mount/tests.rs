//! What `mount` plans, from the kernel's list and `/etc/fstab`.

use crate::system::System;
use crate::testing::{answer, apply, converge, host, parse, planned, pretend_a_change, text};
use expect_test::expect;
use std::path::Path;

const FSTAB: &str = "# ours\nUUID=1 / ext4 errors=remount-ro 0 1\n";
const MOUNTS: &str = "/dev/sda1 / ext4 rw 0 0\n";
const KEYS: &str = "path = '/srv/my data'\nsource = 'tmpfs'\nfstype = 'tmpfs'\n";

fn files() -> [(&'static str, &'static str); 3] {
    [("/etc/fstab", FSTAB), ("/proc/self/mounts", MOUNTS), ("/srv/x", "")]
}

#[test]
fn mounts_now_and_at_boot_and_takes_it_away_again() {
    let host = host(&files());
    expect![[r#"
        make directory /srv/my data
        write /etc/fstab
        run mount '/srv/my data'

    "#]]
    .assert_eq(&converge(&host, "mount", KEYS).unwrap());
    assert_eq!(text(&host, "/etc/fstab"), format!("{FSTAB}tmpfs /srv/my\\040data tmpfs defaults 0 0\n"));
    let said = converge(&host, "mount", "path = '/srv/my data'\nstate = 'absent'").unwrap();
    assert_eq!(said, "run umount '/srv/my data'\nwrite /etc/fstab\n\n");
    assert_eq!(text(&host, "/etc/fstab"), FSTAB);
}

#[test]
fn other_options_are_taken_up_without_a_break() {
    let host = host(&files());
    converge(&host, "mount", KEYS).unwrap();
    let said = converge(&host, "mount", &format!("{KEYS}options = 'size=1m'")).unwrap();
    assert_eq!(said, "write /etc/fstab\nrun mount -o remount '/srv/my data'\n\n");
    let said = converge(
        &host,
        "mount",
        "path = '/srv/my data'\nsource = '/srv/x'\nfstype = 'none'\noptions = 'bind'",
    );
    assert_eq!(said.unwrap(), "run umount '/srv/my data'\nwrite /etc/fstab\nrun mount '/srv/my data'\n\n");
}

#[test]
fn present_only_writes_and_unmounted_only_unmounts() {
    let host = host(&files());
    assert_eq!(apply(&host, "mount", &format!("{KEYS}state = 'present'")).unwrap(), "write /etc/fstab\n");
    converge(&host, "mount", KEYS).unwrap();
    let said = apply(&host, "mount", &format!("{KEYS}state = 'unmounted'")).unwrap();
    assert_eq!(said, "run umount '/srv/my data'\n");
}

#[test]
fn a_line_that_says_the_same_is_left_as_it_is_written() {
    let host = host(&[
        ("/etc/fstab", "/dev/b  /srv\text4 noatime\n"),
        ("/proc/self/mounts", "/dev/b /srv ext4 rw 0 0\n"),
    ]);
    let keys = "path = '/srv'\nsource = '/dev/b'\nfstype = 'ext4'\noptions = 'noatime'";
    assert_eq!(apply(&host, "mount", keys).unwrap(), "");
}

#[test]
fn a_mount_point_is_found_in_each_spelling() {
    let host = host(&[("/etc/fstab", FSTAB), ("/proc/self/mounts", MOUNTS), ("/srv/real/x", "")]);
    host.link(Path::new("/mnt"), Path::new("srv/real")).unwrap();
    let keys = |path: &str| format!("path = '{path}'\nsource = 'tmpfs'\nfstype = 'tmpfs'");
    expect![[r#"
        make directory /srv/real/sub
        write /etc/fstab
        run mount /mnt/sub

    "#]]
    .assert_eq(&converge(&host, "mount", &keys("/mnt/sub/")).unwrap());
    assert!(text(&host, "/proc/self/mounts").contains("tmpfs /srv/real/sub tmpfs"));
    assert_eq!(converge(&host, "mount", &keys("/mnt/./sub")).unwrap(), "");
    let said = converge(&host, "mount", "path = '/srv/real/sub'\nstate = 'absent'").unwrap();
    assert_eq!(said, "run umount /srv/real/sub\nwrite /etc/fstab\n\n");
    assert_eq!(text(&host, "/etc/fstab"), FSTAB);
}

#[test]
fn each_of_several_layers_is_unmounted() {
    let twice = "tmpfs /srv tmpfs rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
    let host = host(&[("/etc/fstab", ""), ("/proc/self/mounts", twice)]);
    let said = converge(&host, "mount", "path = '/srv'\nstate = 'absent'").unwrap();
    assert_eq!(said, "run umount /srv\nrun umount /srv\n\n");
}

#[test]
fn files_that_an_unmount_loses_are_said_to_be_lost() {
    let layers = "/dev/b /srv ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n";
    let host = host(&[("/etc/fstab", ""), ("/proc/self/mounts", layers)]);
    let plan = parse("mount", "path = '/srv'\nstate = 'absent'").unwrap().plan(&host).unwrap();
    let lost = "what is in a tmpfs is gone once it is unmounted; `mount /srv` mounts it again, empty";
    assert_eq!(plan.ops.iter().map(|op| op.no_undo()).collect::<Vec<_>>(), [Some(lost), None]);
}

#[test]
fn another_device_is_mounted_anew_and_another_name_of_it_is_not() {
    let files = [
        ("/etc/fstab", "/dev/sda1 /srv ext4 defaults 0 0\n"),
        ("/proc/self/mounts", "/dev/sda1 /srv ext4 rw 0 0\n"),
        ("/dev/sda1", ""),
        ("/dev/sdb1", ""),
        ("/dev/disk/by-uuid/x", ""),
        ("/dev/disk/by-label/x", ""),
    ];
    let host = host(&files);
    host.link(Path::new("/dev/disk/by-uuid/1"), Path::new("../../sda1")).unwrap();
    host.link(Path::new("/dev/disk/by-label/my\\x20data"), Path::new("../../sdb1")).unwrap();
    let keys = |source: &str| format!("path = '/srv'\nsource = '{source}'\nfstype = 'ext4'");
    let said = converge(&host, "mount", &keys("UUID=\"1\"")).unwrap();
    assert_eq!(said, "write /etc/fstab\nrun mount -o remount /srv\n\n");
    let said = converge(&host, "mount", &keys("LABEL=my data")).unwrap();
    assert_eq!(said, "run umount /srv\nwrite /etc/fstab\nrun mount /srv\n\n");
}

#[test]
fn what_is_not_there_to_be_mounted_is_known_beforehand() {
    let host = host(&files());
    answer(&host, "findfs LABEL=data", 1, "");
    let said = |source: &str, kind: &str| {
        let keys = format!("path = '/srv/data'\nsource = '{source}'\nfstype = '{kind}'\noptions = 'bind'");
        planned(&host, "mount", &keys).map_or_else(|failure| failure.to_string(), |_| "fine".to_string())
    };
    assert_eq!(said("/dev/sdz1", "ext4"), "mount /srv/data: the host has no /dev/sdz1");
    assert_eq!(said("/srv/no", "none"), "mount /srv/data: the host has no /srv/no");
    assert_eq!(said("LABEL=data", "ext4"), "mount /srv/data: the host has no device with LABEL=data");
    assert_eq!(
        said("nas:/x", "nfs"),
        "mount /srv/data: the host has no mount.nfs\n  hint: install what brings it, for example nfs-common"
    );
    assert_eq!([said("/srv/x", "none"), said("UUID=7", "ext4"), said("tmpfs", "tmpfs")], ["fine"; 3]);
    pretend_a_change(&host);
    assert_eq!(said("/dev/sdz1", "ext4"), "fine", "it may be made by then");
}

#[test]
fn needs_to_know_what_to_mount() {
    let failure = parse("mount", "path = '/srv'").err().unwrap();
    assert_eq!(failure.to_string(), "read mount.source: it is not given");
}

/// Runs the script for places that can be exchanged, with programs that say where and with what they are run.
#[expect(clippy::disallowed_methods, reason = "the script is tried here, with programs of the test")]
fn guarded(words: &[&str]) -> (String, bool) {
    let programs = tempfile::tempdir().unwrap();
    for name in ["mount", "umount", "findfs"] {
        let path = programs.path().join(name);
        let says = "#!/bin/sh\n[ \"$1\" = --version ] && echo util-linux && exit\n\
                    [ \"${0##*/}\" = findfs ] && echo /dev/found && exit\n\
                    for last; do :; done\necho \"${0##*/}: $last: in $(pwd -P): $*\" >&2\n";
        std::fs::write(&path, says).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut command = std::process::Command::new("/bin/sh");
    let ended = command.env("PATH", path).args(["-c", super::GUARDED, "sh"]).args(words).output().unwrap();
    (String::from_utf8(ended.stderr).unwrap(), ended.status.success())
}

#[test]
fn a_place_that_another_user_exchanged_is_left_alone() {
    let top = tempfile::tempdir().unwrap();
    let top = top.path().canonicalize().unwrap();
    std::fs::create_dir_all(top.join("home/data")).unwrap();
    std::fs::create_dir_all(top.join("roots/data")).unwrap();
    let place = top.join("home/data").display().to_string();
    let run = |action: &[&str]| guarded(&[action, &[&place, "LABEL=x", "ext4", "noatime"]].concat());
    for (action, inside, words) in [
        ("mount", "home/data", "-c -t ext4 -o noatime -- /dev/found ."),
        ("remount", "home/data", "-c -t ext4 -o remount,noatime -- /dev/found ."),
        ("umount", "home", "-c -- ./data"),
    ] {
        let (said, is_done) = run(&[action]);
        let program = action.trim_start_matches("re");
        let wanted = format!("{program}: {place}: in {}: {words}\n", top.join(inside).display());
        assert_eq!((said, is_done), (wanted, true));
    }
    // What is to be undone never happened: nothing is mounted there.
    assert_eq!(run(&["back", "umount"]), (String::new(), true));
    std::fs::rename(top.join("home"), top.join("aside")).unwrap();
    std::os::unix::fs::symlink(top.join("roots"), top.join("home")).unwrap();
    for action in [&["mount"][..], &["remount"], &["umount"], &["back", "mount"]] {
        let (said, is_done) = run(action);
        assert!(
            !is_done && said.ends_with("is not the directory that it was: another user exchanged it\n"),
            "{said}"
        );
    }
}
