//! `Match localnetwork`: whether this machine has an address in one of some networks.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address of this machine lies in one of `networks`, a list such as `10.0.0.0/8,2001:db8::/32`.
pub fn is_local(networks: &str) -> Result<bool, String> {
    let addresses = addresses();
    let mut found = false;
    for network in networks.split(',') {
        let (base, bits) = parse(network)?;
        found |= addresses.iter().any(|address| contains(base, bits, *address));
    }
    Ok(found)
}

fn parse(network: &str) -> Result<(IpAddr, u32), String> {
    let wrong = || format!("`{network}` is not a network like 10.0.0.0/8");
    let (base, bits) = network.split_once('/').unwrap_or((network, ""));
    let base: IpAddr = base.parse().map_err(|_| wrong())?;
    let width = if base.is_ipv4() { 32 } else { 128 };
    let bits = if bits.is_empty() { width } else { bits.parse().map_err(|_| wrong())? };
    // As in OpenSSH, bits beside the mask are a mistake.
    if bits > width || number(base) & !mask(bits, width) & mask(width, width) != 0 {
        return Err(wrong());
    }
    Ok((base, bits))
}

fn contains(base: IpAddr, bits: u32, address: IpAddr) -> bool {
    let width = if base.is_ipv4() { 32 } else { 128 };
    base.is_ipv4() == address.is_ipv4() && (number(base) ^ number(address)) & mask(bits, width) == 0
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u32::from(four).into(),
        IpAddr::V6(six) => six.into(),
    }
}

/// The first `bits` of `width` bits.
fn mask(bits: u32, width: u32) -> u128 {
    let all = if width == 32 { u128::from(u32::MAX) } else { u128::MAX };
    if bits == 0 { 0 } else { (all << (width - bits)) & all }
}

/// The addresses of this machine, from the kernel's own tables.
fn addresses() -> Vec<IpAddr> {
    let four = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let six = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut all: Vec<IpAddr> = local_leaves(&four).map(IpAddr::V4).collect();
    all.extend(six.lines().filter_map(sixteen_bytes).map(IpAddr::V6));
    all
}

/// The leaves of the table whose route is `/32 host LOCAL`: one for each address.
fn local_leaves(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    table.lines().filter_map(move |line| {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            leaf = address.parse().ok();
        }
        leaf.filter(|_| line.trim() == "/32 host LOCAL")
    })
}

fn sixteen_bytes(line: &str) -> Option<Ipv6Addr> {
    u128::from_str_radix(line.split(' ').next()?, 16).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_loopback() {
        assert_eq!(is_local("127.0.0.0/8"), Ok(true));
        assert_eq!(is_local("198.51.100.0/24,127.0.0.1"), Ok(true));
        assert_eq!(is_local("198.51.100.0/24"), Ok(false));
        assert_eq!(is_local("2001:db8::/32"), Ok(false));
    }

    #[test]
    fn a_network_that_is_none_is_an_error() {
        for wrong in ["", "10.0.0.0/33", "10.0.0.1/8", "example.com", "10.0.0.0/x"] {
            assert!(is_local(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("0.0.0.0/0").unwrap().1, 0);
        assert!(contains("::".parse().unwrap(), 0, "2001:db8::1".parse().unwrap()));
    }
}
