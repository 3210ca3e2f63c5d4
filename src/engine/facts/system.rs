//! Facts about the operating system.

use super::machine::text;
use crate::model::op::Command;
use crate::model::{Result, Value};
use crate::system::Probe;
use serde_json::json;
use std::path::Path;

/// Families by what `ID` or `ID_LIKE` of os-release names.
const FAMILIES: &[(&str, &str)] = &[
    ("debian", "debian"),
    ("ubuntu", "debian"),
    ("rhel", "redhat"),
    ("fedora", "redhat"),
    ("centos", "redhat"),
    ("suse", "suse"),
    ("arch", "arch"),
    ("alpine", "alpine"),
];

/// From `/etc/os-release`, as its manual page describes it.
pub fn os(host: &dyn Probe) -> Result<Value> {
    let own = text(host, "/etc/os-release")?;
    let release = if own.is_empty() { text(host, "/usr/lib/os-release")? } else { own };
    let id = release_value(&release, "ID");
    let like = release_value(&release, "ID_LIKE").unwrap_or_default();
    let words = id.iter().map(String::as_str).chain(like.split(' '));
    let family = words.into_iter().find_map(|word| FAMILIES.iter().find(|(known, _)| word.contains(known)));
    Ok(json!({
        "id": id,
        "version": release_value(&release, "VERSION_ID"),
        "codename": release_value(&release, "VERSION_CODENAME"),
        "name": release_value(&release, "PRETTY_NAME"),
        "family": family.map(|(_, family)| family.to_string()).or(id.clone()),
    }))
}

/// One assignment of os-release, without its quotes.
fn release_value(release: &str, name: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?.trim();
    Some(value.trim_matches(['"', '\'']).to_string())
}

/// The kernel's idea of the host's name.
pub fn hostname(host: &dyn Probe) -> Result<Value> {
    line(host, "/proc/sys/kernel/hostname")
}

/// As `uname -r` prints it.
pub fn kernel(host: &dyn Probe) -> Result<Value> {
    line(host, "/proc/sys/kernel/osrelease")
}

/// As `uname -m` prints it. Kernels before 6.1 have no file for it.
pub fn arch(host: &dyn Probe) -> Result<Value> {
    match line(host, "/proc/sys/kernel/arch")? {
        Value::Null => {
            let answer = host.ask(&Command::new(["uname", "-m"]))?;
            Ok(if answer.ok() { answer.text().into() } else { Value::Null })
        }
        known => Ok(known),
    }
}

/// A random name for the time since the host was booted.
pub fn boot_id(host: &dyn Probe) -> Result<Value> {
    line(host, "/proc/sys/kernel/random/boot_id")
}

/// Where the link `/etc/localtime` points below `zoneinfo`, else what `/etc/timezone` says.
pub fn time_zone(host: &dyn Probe) -> Result<Value> {
    let target = host.stat(Path::new("/etc/localtime"))?.and_then(|stat| stat.target);
    let target = target.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default();
    match target.split_once("/zoneinfo/") {
        Some((_, zone)) => Ok(zone.into()),
        None => line(host, "/etc/timezone"),
    }
}

/// As `id` prints it: with `become` that is another one than who logged in.
pub fn user(host: &dyn Probe) -> Result<Value> {
    let said = host.ask(&Command::new(["id"]))?.text();
    let own = said.split(' ').next().and_then(|word| word.strip_prefix("uid=")).unwrap_or_default();
    let (id, name) = own.split_once('(').unwrap_or((own, ""));
    Ok(json!({ "name": name.strip_suffix(')'), "id": id.parse::<u32>().ok() }))
}

/// A file of one line; null where it is missing or empty.
fn line(host: &dyn Probe, path: &str) -> Result<Value> {
    let text = text(host, path)?;
    Ok(if text.trim().is_empty() { Value::Null } else { text.trim().into() })
}
