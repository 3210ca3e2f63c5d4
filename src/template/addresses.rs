//! IP addresses and networks, hardware addresses, and the tests over them (`x is ansible.utils.ip`).

use super::call::Arguments;
use super::fault::Result;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the length of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// 4 or 6.
    pub version: u8,
    /// The address as a number.
    pub ip: u128,
    /// How many bits name the network.
    pub prefix: u32,
}

impl Network {
    /// How many bits an address has.
    pub fn bits(self) -> u32 {
        if self.version == 4 { 32 } else { 128 }
    }

    /// `address` or `address/prefix`, where the prefix may be a netmask.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let (version, ip) = match address.parse().ok()? {
            IpAddr::V4(address) => (4, u128::from(u32::from(address))),
            IpAddr::V6(address) => (6, u128::from(address)),
        };
        let whole = Network { version, ip, prefix: if version == 4 { 32 } else { 128 } };
        let prefix = match prefix {
            None => whole.prefix,
            Some(digits) => match digits.parse::<u32>() {
                Ok(prefix) => prefix,
                Err(_) => prefix_of_mask(Network::parse(digits).filter(|mask| mask.version == version)?)?,
            },
        };
        (prefix <= whole.prefix).then_some(Network { prefix, ..whole })
    }

    /// The address of this number, alone.
    pub fn address(version: u8, ip: u128) -> Network {
        Network { version, ip, prefix: if version == 4 { 32 } else { 128 } }
    }

    /// The bits that name hosts.
    pub fn host_mask(self) -> u128 {
        let host_bits = self.bits() - self.prefix;
        if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 }
    }

    /// The bits that name the network.
    pub fn mask(self) -> u128 {
        let all = if self.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
        all & !self.host_mask()
    }

    /// Its first address.
    pub fn first(self) -> u128 {
        self.ip & self.mask()
    }

    /// Its last address.
    pub fn last(self) -> u128 {
        self.ip | self.host_mask()
    }

    /// How many addresses it has; as many as fit.
    pub fn size(self) -> u128 {
        self.host_mask().saturating_add(1)
    }

    /// The first and the last address that hosts can have.
    pub fn usable(self) -> (u128, u128) {
        match self.size() {
            1 | 2 => (self.first(), self.last()),
            _ => (self.first() + 1, self.last() - 1),
        }
    }

    /// The network without a host.
    pub fn cidr(self) -> Network {
        Network { ip: self.first(), ..self }
    }

    /// Whether all of `other` lies in it.
    pub fn holds(self, other: Network) -> bool {
        self.version == other.version && self.first() <= other.first() && other.last() <= self.last()
    }

    /// An address of the same version, written.
    pub fn written(self, ip: u128) -> String {
        match self.version {
            4 => Ipv4Addr::from(ip as u32).to_string(),
            _ => Ipv6Addr::from(ip).to_string(),
        }
    }

    fn is_in(self, networks: &[&str]) -> bool {
        let alone = Network::address(self.version, self.ip);
        networks.iter().filter_map(|network| Network::parse(network)).any(|network| network.holds(alone))
    }

    /// Whether the internet routes it, by IANA's registries.
    pub fn is_global(self) -> bool {
        let exceptions = ["192.0.0.9", "192.0.0.10", "192.88.99.0/24"];
        let special = [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "::/128",
            "::1/128",
            "::ffff:0:0/96",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "fc00::/7",
            "fe80::/10",
        ];
        self.is_in(&exceptions) || !self.is_in(&special)
    }

    /// Whether it is the host itself.
    pub fn is_loopback(self) -> bool {
        self.is_in(&["127.0.0.0/8", "::1"])
    }

    /// Whether it names a group of hosts.
    pub fn is_multicast(self) -> bool {
        self.is_in(&["224.0.0.0/4", "ff00::/8"])
    }

    /// Whether it reaches only hosts of the same wire.
    pub fn is_link_local(self) -> bool {
        self.is_in(&["169.254.0.0/16", "fe80::/10"])
    }

    /// Whether it is written like a netmask or the opposite of one.
    pub fn is_mask(self) -> bool {
        let all = if self.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
        let host = all & !self.ip;
        host & host.wrapping_add(1) == 0 || self.ip & self.ip.wrapping_add(1) == 0
    }

    /// Its name in the DNS.
    pub fn reverse_name(self) -> String {
        match self.version {
            4 => {
                let parts: Vec<String> =
                    (self.ip as u32).to_be_bytes().iter().rev().map(u8::to_string).collect();
                format!("{}.in-addr.arpa.", parts.join("."))
            }
            _ => {
                let digits: Vec<String> =
                    format!("{:032x}", self.ip).chars().rev().map(String::from).collect();
                format!("{}.ip6.arpa.", digits.join("."))
            }
        }
    }
}

/// The prefix that a netmask, or a host mask, stands for.
fn prefix_of_mask(mask: Network) -> Option<u32> {
    let bits = mask.bits();
    let fits = |prefix: &u32| {
        let network = Network { prefix: *prefix, ..mask };
        network.mask() == mask.ip || (network.host_mask() == mask.ip && mask.ip != 0)
    };
    (0..=bits).find(fits)
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.written(self.ip), self.prefix)
    }
}

/// A hardware address in any of its spellings.
pub fn hardware(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split([':', '-', '.']).collect();
    let width = match parts.len() {
        1 => 12,
        2 => 6,
        3 => 4,
        6 => 2,
        _ => return None,
    };
    let fits =
        |part: &&str| (1..=width).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !parts.iter().all(fits) || (parts.len() == 1 && parts[0].len() != 12) {
        return None;
    }
    let digits: String = parts.iter().map(|part| format!("{part:0>width$}")).collect();
    u64::from_str_radix(&digits, 16).ok()
}

/// The tests that this file knows.
pub const TESTS: &[&str] = &[
    "ip",
    "ip_address",
    "ipv4",
    "ipv4_address",
    "ipv6",
    "ipv6_address",
    "ipv4_netmask",
    "ipv4_hostmask",
    "mac",
    "private",
    "public",
    "loopback",
    "multicast",
    "unspecified",
    "in_network",
    "in_any_network",
    "subnet_of",
    "supernet_of",
];

/// Applies one of them; `None` when there is none of this name.
pub fn test(name: &str, arguments: &mut Arguments) -> Option<Result<bool>> {
    TESTS.contains(&name).then(|| judged(name, arguments))
}

fn judged(name: &str, arguments: &mut Arguments) -> Result<bool> {
    let text = arguments.value_text()?;
    let network = Network::parse(&text);
    let is = |judge: &dyn Fn(Network) -> bool| network.is_some_and(judge);
    let alone = !text.contains('/');
    if matches!(name, "in_network" | "in_any_network" | "subnet_of" | "supernet_of") {
        let other = arguments.required("network")?;
        let others = match other.as_list() {
            Some(list) => list.iter().map(|item| item.to_text()).collect::<Result<Vec<_>>>()?,
            None => vec![other.to_text()?],
        };
        let mut others = others.iter().filter_map(|other| Network::parse(other));
        return Ok(match name {
            "supernet_of" => others.any(|other| is(&|own| own.holds(other))),
            _ => others.any(|other| is(&|own| other.holds(own))),
        });
    }
    Ok(match name {
        "ip" => network.is_some(),
        "ip_address" => network.is_some() && alone,
        "ipv4" => is(&|own| own.version == 4),
        "ipv4_address" => is(&|own| own.version == 4) && alone,
        "ipv6" => is(&|own| own.version == 6),
        "ipv6_address" => is(&|own| own.version == 6) && alone,
        "ipv4_netmask" => is(&|own| {
            own.version == 4
                && prefix_of_mask(own).is_some_and(|prefix| Network { prefix, ..own }.mask() == own.ip)
        }),
        "ipv4_hostmask" => is(&|own| {
            own.version == 4
                && prefix_of_mask(own).is_some_and(|prefix| Network { prefix, ..own }.host_mask() == own.ip)
        }),
        "mac" => hardware(&text).is_some(),
        "private" => is(&|own| !own.is_global() && !own.is_multicast()),
        "public" => is(&|own| own.is_global() && !own.is_multicast()),
        "loopback" => is(&|own| own.is_loopback()),
        "multicast" => is(&|own| own.is_multicast()),
        _ => is(&|own| own.ip == 0),
    })
}
