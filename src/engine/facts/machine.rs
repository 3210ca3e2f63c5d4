//! Facts about what the host has: processors, memory, disks, addresses.

use crate::model::op::Command;
use crate::model::{Result, Value, Values};
use crate::system::Probe;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// `df` waits for file servers that do not answer; the other disks are not worth more than this.
const DF_TIME: Duration = Duration::from_secs(10);

/// The text of a file, empty where it is missing.
pub fn text(host: &dyn Probe, path: &str) -> Result<String> {
    let bytes = host.read(Path::new(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Those that are online.
pub fn cpus(host: &dyn Probe) -> Result<Value> {
    let online = text(host, "/sys/devices/system/cpu/online")?;
    let count = online.trim().split(',').filter_map(range_length).sum::<u64>();
    let listed =
        || Ok(text(host, "/proc/cpuinfo")?.lines().filter(|line| line.starts_with("processor")).count());
    match count {
        0 => listed().map(|count: usize| if count == 0 { Value::Null } else { count.into() }),
        count => Ok(count.into()),
    }
}

/// How many numbers `0-3` or `7` stands for.
fn range_length(range: &str) -> Option<u64> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)? + 1)
}

/// From `/proc/meminfo`. What a container may use of it is not seen.
pub fn memory(host: &dyn Probe) -> Result<Value> {
    let info = text(host, "/proc/meminfo")?;
    let bytes = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    Ok(json!({ "total": bytes("MemTotal"), "available": bytes("MemAvailable") }))
}

/// From `df`, without what is no disk; `/` is always there.
pub fn disk(host: &dyn Probe) -> Result<Value> {
    let question = Command { timeout: Some(DF_TIME), ..Command::new(["df", "-kP"]) };
    let said = host.ask(&question)?.text();
    Ok(Value::Object(said.lines().skip(1).filter_map(disk_in).collect::<Values>()))
}

/// One line of `df -kP`: device, blocks of 1024 bytes, used, free, use in percent, and where it is mounted.
fn disk_in(line: &str) -> Option<(String, Value)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [device, size, _, free, _, path @ ..] = &words[..] else { return None };
    let path = path.join(" ");
    let bytes = |blocks: &str| Some(blocks.parse::<u64>().ok()? * 1024);
    let is_disk = device.starts_with('/') || device.contains(":/") || path == "/";
    is_disk.then_some(())?;
    let about = json!({ "size": bytes(size)?, "free": bytes(free)?, "device": device });
    Some((path, about))
}

/// From `/proc/mounts`, in the order of mounting.
pub fn mounts(host: &dyn Probe) -> Result<Value> {
    Ok(text(host, "/proc/mounts")?.lines().filter_map(mount_in).collect())
}

fn mount_in(line: &str) -> Option<Value> {
    let words: Vec<&str> = line.split(' ').collect();
    let [device, path, kind, options, ..] = words[..] else { return None };
    let options: Vec<&str> = options.split(',').collect();
    // The kernel writes a space in a name as an octal escape.
    let plain = |name: &str| name.replace("\\040", " ");
    Some(json!({ "path": plain(path), "device": plain(device), "type": kind, "options": options }))
}

/// From the kernel's routing tables, which need no program to read.
pub fn addresses(host: &dyn Probe) -> Result<Value> {
    let mut found: Vec<IpAddr> = Vec::new();
    let trie = text(host, "/proc/net/fib_trie")?;
    let interfaces = text(host, "/proc/net/if_inet6")?;
    for address in local_v4(&trie).chain(interfaces.lines().filter_map(local_v6)) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found.iter().map(|address| Value::from(address.to_string())).collect())
}

/// An address of the host's own is a leaf with `/32 host LOCAL` on the next line.
fn local_v4(trie: &str) -> impl Iterator<Item = IpAddr> {
    let pairs = trie.lines().zip(trie.lines().skip(1)).filter(|(_, next)| next.trim() == "/32 host LOCAL");
    let leaves = pairs.filter_map(|(line, _)| line.trim().strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok());
    leaves.filter(|address| !address.is_loopback() && !address.is_link_local()).map(IpAddr::V4)
}

/// A line begins with the address as 32 hexadecimal digits.
fn local_v6(line: &str) -> Option<IpAddr> {
    let address = Ipv6Addr::from(u128::from_str_radix(line.split(' ').next()?, 16).ok()?);
    let useful = !address.is_loopback() && !address.is_unicast_link_local();
    useful.then_some(IpAddr::V6(address))
}
