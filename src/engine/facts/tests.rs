//! Facts over a pretended host: files and answers before, the fact as JSON.

use super::{FACTS, names, read};
use crate::system::System as _;
use crate::system::pretend::Pretend;
use crate::testing::{answer, host};
use std::path::Path;

fn fact(host: &Pretend<'_>, name: &str) -> String {
    read(name, host).expect("a fact").expect("a readable host").to_string()
}

fn from(name: &str, path: &str, text: &str) -> String {
    fact(&host(&[(path, text)]), name)
}

#[test]
fn every_fact_is_described_and_survives_an_empty_host() {
    assert_eq!(names().len(), FACTS.len());
    for row in FACTS {
        assert!(!row.about.is_empty() && names().contains(&row.name));
        (row.read)(&host(&[])).unwrap_or_else(|failure| panic!("{}: {failure}", row.name));
    }
    assert!(read("weather", &host(&[])).is_none());
}

#[test]
fn the_operating_system() {
    let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    assert_eq!(
        from("os", "/etc/os-release", debian),
        r#"{"id":"debian","version":"12","codename":"bookworm","name":"Debian GNU/Linux 12 (bookworm)","family":"debian"}"#
    );
    let mint = from("os", "/usr/lib/os-release", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
    assert!(mint.contains(r#""family":"debian""#), "{mint}");
    assert!(from("os", "/etc/os-release", "ID=rocky\nID_LIKE='rhel centos fedora'\n").contains("redhat"));
    assert!(from("os", "/etc/os-release", "ID=void\n").contains(r#""family":"void""#));
}

#[test]
fn what_one_line_of_a_file_says() {
    assert_eq!(from("hostname", "/proc/sys/kernel/hostname", "web1\n"), r#""web1""#);
    assert_eq!(from("kernel", "/proc/sys/kernel/osrelease", "6.1.0\n"), r#""6.1.0""#);
    assert_eq!(from("arch", "/proc/sys/kernel/arch", "aarch64\n"), r#""aarch64""#);
    assert_eq!(from("boot_id", "/proc/sys/kernel/random/boot_id", "a-b\n"), r#""a-b""#);
    assert_eq!(fact(&host(&[]), "kernel"), "null");
}

#[test]
fn what_a_program_says_where_no_file_does() {
    let host = host(&[]);
    answer(&host, "uname -m", 0, "x86_64\n");
    answer(&host, "id", 0, "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n");
    assert_eq!(fact(&host, "arch"), r#""x86_64""#);
    assert_eq!(fact(&host, "user"), r#"{"name":"www-data","id":33}"#);
}

#[test]
fn the_time_zone() {
    assert_eq!(from("time_zone", "/etc/timezone", "Etc/UTC\n"), r#""Etc/UTC""#);
    let host = host(&[("/etc/timezone", "old\n")]);
    host.link(Path::new("/etc/localtime"), Path::new("/usr/share/zoneinfo/Europe/Berlin")).unwrap();
    assert_eq!(fact(&host, "time_zone"), r#""Europe/Berlin""#);
}

#[test]
fn processors_and_memory() {
    assert_eq!(from("cpus", "/sys/devices/system/cpu/online", "0-3,7\n"), "5");
    assert_eq!(from("cpus", "/proc/cpuinfo", "processor: 0\nmodel: x\nprocessor: 1\n"), "2");
    let info = "MemTotal:        1024 kB\nMemFree:  1 kB\nMemAvailable:    512 kB\n";
    assert_eq!(from("memory", "/proc/meminfo", info), r#"{"total":1048576,"available":524288}"#);
}

#[test]
fn disks_and_mounts() {
    let host =
        host(&[("/proc/mounts", "/dev/vda1 / ext4 rw,relatime 0 0\ntmpfs /mnt/a\\040b tmpfs ro 0 0\n")]);
    let said = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 40 60 40% /\ntmpfs 5 0 5 0% /run\n/dev/vdb 10 1 9 10% /srv/my data\n";
    answer(&host, "df -kP", 0, said);
    assert_eq!(
        fact(&host, "disk"),
        r#"{"/":{"size":102400,"free":61440,"device":"/dev/vda1"},"/srv/my data":{"size":10240,"free":9216,"device":"/dev/vdb"}}"#
    );
    assert_eq!(
        fact(&host, "mounts"),
        r#"[{"path":"/","device":"/dev/vda1","type":"ext4","options":["rw","relatime"]},{"path":"/mnt/a b","device":"tmpfs","type":"tmpfs","options":["ro"]}]"#
    );
}

#[test]
fn addresses_without_loopback_and_link_local_ones() {
    let trie = "  |-- 127.0.0.1\n    /32 host LOCAL\n  |-- 10.0.0.0\n    /24 link UNICAST\n  |-- 10.0.0.7\n    /32 host LOCAL\n  |-- 10.0.0.7\n    /32 host LOCAL\n";
    let v6 = "fe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000007 02 40 00 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
    let host = host(&[("/proc/net/fib_trie", trie), ("/proc/net/if_inet6", v6)]);
    assert_eq!(fact(&host, "addresses"), r#"["10.0.0.7","2001:db8::7"]"#);
}

#[test]
fn programs() {
    assert_eq!(fact(&host(&[]), "docker"), r#"{"installed":false,"running":false,"version":null}"#);
    let host = host(&[
        ("/usr/bin/dockerd", ""),
        ("/run/docker.pid", "42\n"),
        ("/proc/42/stat", ""),
        ("/run/systemd/system/x", ""),
    ]);
    answer(&host, "docker --version", 0, "Docker version 27.3.1, build ce12230\n");
    assert_eq!(fact(&host, "docker"), r#"{"installed":true,"running":true,"version":"27.3.1"}"#);
    assert_eq!(fact(&host, "nginx"), r#"{"installed":false,"running":false}"#);
    assert_eq!(fact(&host, "systemd"), "true");
}
