//! Filters over IP addresses: `ipaddr` and its family, as the collection ansible.utils has them.

use super::super::addresses::Network;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::{Machine, unknown};
use super::super::value::Datum;

pub const FILTERS: &[(&str, Function)] = &[
    ("ipaddr", |_, arguments| family(arguments, None)),
    ("ipv4", |_, arguments| family(arguments, Some(4))),
    ("ipv6", |_, arguments| family(arguments, Some(6))),
    ("ipwrap", ipwrap),
    ("ipmath", ipmath),
    ("ipcut", ipcut),
    ("ipv6form", ipv6form),
    ("ip4_hex", ip4_hex),
];

/// What `ipaddr` is asked for.
const QUERIES: &[&str] = &[
    "",
    "6to4",
    "address",
    "address/prefix",
    "bool",
    "broadcast",
    "cidr",
    "first_usable",
    "gateway",
    "gw",
    "host",
    "host/prefix",
    "hostmask",
    "hostnet",
    "int",
    "ip",
    "ip/prefix",
    "ip_netmask",
    "ipv4",
    "ipv6",
    "last_usable",
    "link-local",
    "lo",
    "loopback",
    "multicast",
    "net",
    "next_usable",
    "netmask",
    "network",
    "network_id",
    "network/prefix",
    "network_netmask",
    "network_wildcard",
    "peer",
    "prefix",
    "previous_usable",
    "private",
    "public",
    "range_usable",
    "revdns",
    "router",
    "size",
    "size_usable",
    "subnet",
    "type",
    "unicast",
    "v4",
    "v6",
    "version",
    "wildcard",
    "wrap",
];

/// An address or a network as it was given.
#[derive(Clone)]
pub struct Given {
    /// With its prefix, or alone.
    pub network: Network,
    /// With a prefix.
    is_network: bool,
    value: Datum,
}

fn family(arguments: &mut Arguments, version: Option<u8>) -> Result<Datum> {
    let value = arguments.value()?;
    let query = arguments.text("query")?.unwrap_or_default();
    let version = match arguments.int("version")? {
        Some(4) => Some(4),
        Some(6) => Some(6),
        _ => version,
    };
    arguments.text("alias")?;
    arguments.finish()?;
    ipaddr(&value, &query, version)
}

pub const FALSE: Datum = Datum::Bool(false);

/// The answer to a query; false for what is no address.
fn ipaddr(value: &Datum, query: &str, version: Option<u8>) -> Result<Datum> {
    if let Some(items) = value.as_list() {
        let mut found = Vec::new();
        for item in items {
            let answer = ipaddr(item, query, version)?;
            if answer.truth()? {
                found.push(answer);
            }
        }
        return Ok(Datum::list(found));
    }
    let Some(given) = given(value, version)? else { return Ok(FALSE) };
    if version.is_some_and(|version| version != given.network.version) {
        return Ok(FALSE);
    }
    if QUERIES.contains(&query) {
        return answer(&given, query);
    }
    if let Ok(at) = query.parse::<i128>() {
        return Ok(nth(&given, at));
    }
    match Network::parse(query) {
        Some(network) => Ok(if network.holds(given.network) { given.value } else { Datum::None }),
        None => Err(unknown("query", query, QUERIES.iter().copied())),
    }
}

pub fn given(value: &Datum, version: Option<u8>) -> Result<Option<Given>> {
    if matches!(value, Datum::Bool(_) | Datum::None) || !value.truth()? {
        return Ok(None);
    }
    let text = value.to_text()?;
    let number = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u128>().ok())?
    };
    let of_number = |ip: u128, prefix: Option<u32>| {
        let version = if ip <= u128::from(u32::MAX) && version != Some(6) { 4 } else { 6 };
        let network = Network::address(version, ip);
        Network { prefix: prefix.unwrap_or(network.prefix), ..network }
    };
    if let Some(ip) = number(&text) {
        let network = of_number(ip, None);
        return Ok(Some(Given { network, is_network: false, value: Datum::text(network.to_string()) }));
    }
    if let Some(network) = Network::parse(&text) {
        return Ok(Some(Given { network, is_network: text.contains('/'), value: Datum::text(text) }));
    }
    let parts =
        text.split_once('/').and_then(|(ip, prefix)| Some((number(ip)?, prefix.parse::<u32>().ok()?)));
    Ok(parts.map(|(ip, prefix)| {
        let network = of_number(ip, Some(prefix));
        Given { network, is_network: true, value: Datum::text(network.to_string()) }
    }))
}

fn nth(given: &Given, at: i128) -> Datum {
    let network = given.network;
    if network.size() == 1 {
        let text = if given.is_network { network.to_string() } else { network.written(network.ip) };
        return Datum::text(text);
    }
    match member(network, at) {
        Some(ip) => Datum::text(format!("{}/{}", network.written(ip), network.prefix)),
        None => FALSE,
    }
}

/// The address at a place in a network; from the end when it is negative.
pub fn member(network: Network, at: i128) -> Option<u128> {
    let size = network.size();
    let at = if at < 0 { size.checked_sub(at.unsigned_abs())? } else { at.unsigned_abs() };
    (at < size).then(|| network.first() + at)
}

fn only_networks(given: &Given) -> Result<()> {
    match given.is_network {
        true => Ok(()),
        false => Err(Fault::new(format!("`{}` is no network", given.value.to_text()?))
            .hint("write it with its prefix: 192.0.2.1/24")),
    }
}

fn answer(given: &Given, query: &str) -> Result<Datum> {
    let Given { network, is_network, value } = given;
    let (network, size) = (*network, network.size());
    let text = |text: String| Ok(Datum::text(text));
    let ip = |ip: u128| Ok(Datum::text(network.written(ip)));
    let when = |holds: bool| Ok(if holds { value.clone() } else { Datum::None });
    let is_host = network.ip != network.first();
    let (first, last) = network.usable();
    match query {
        "" if *is_network => text(network.to_string()),
        "" => ip(network.ip),
        "bool" => Ok(Datum::Bool(true)),
        "address" | "ip" => match size == 1 || is_host || size == 2 || network.version == 6 {
            true => ip(network.ip),
            false => Ok(Datum::None),
        },
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            let edge = size > 2
                && (network.ip == network.first() || network.ip == network.last() && network.version == 4);
            if edge { Ok(FALSE) } else { text(network.to_string()) }
        }
        "broadcast" => {
            if size > 2 {
                ip(network.last())
            } else {
                Ok(Datum::None)
            }
        }
        "cidr" => text(network.to_string()),
        "host" => match size == 1 || is_host || size == 2 {
            true => text(network.to_string()),
            false => Ok(Datum::None),
        },
        "hostmask" | "wildcard" => ip(network.host_mask()),
        "int" if *is_network => text(format!("{}/{}", network.ip, network.prefix)),
        "int" => Datum::unsigned(network.ip),
        "ip/prefix" => match size == 2 || (size > 1 && is_host) {
            true => text(network.to_string()),
            false => Ok(Datum::None),
        },
        "ip_netmask" => match size == 2 || (size > 1 && is_host) {
            true => text(format!("{} {}", network.written(network.ip), network.written(network.mask()))),
            false => Ok(Datum::None),
        },
        "ipv4" | "v4" => Ok(as_version_4(given)),
        "ipv6" | "v6" => Ok(as_version_6(given)),
        "first_usable" => {
            only_networks(given)?;
            if size > 1 { ip(first) } else { Ok(Datum::None) }
        }
        "last_usable" => {
            only_networks(given)?;
            if size > 1 { ip(last) } else { Ok(Datum::None) }
        }
        "range_usable" => {
            only_networks(given)?;
            if size > 1 {
                text(format!("{}-{}", network.written(first), network.written(last)))
            } else {
                Ok(Datum::None)
            }
        }
        "next_usable" | "previous_usable" => {
            only_networks(given)?;
            let step = if query == "next_usable" { 1 } else { -1 };
            Ok(beside(network, step))
        }
        "peer" => peer(given),
        "link-local" => when(network.is_link_local()),
        "loopback" | "lo" => when(network.is_loopback()),
        "multicast" => when(network.is_multicast()),
        "unicast" => when(!network.is_multicast()),
        "private" => when(!network.is_global()),
        "public" => when(
            network.is_global() && !network.is_multicast() && !network.is_loopback() && !network.is_mask(),
        ),
        "net" => {
            if size > 1 && !is_host {
                text(network.to_string())
            } else {
                Ok(Datum::None)
            }
        }
        "netmask" => ip(network.mask()),
        "network" | "network_id" => ip(network.first()),
        "network/prefix" | "subnet" => text(network.cidr().to_string()),
        "network_netmask" => {
            text(format!("{} {}", network.written(network.first()), network.written(network.mask())))
        }
        "network_wildcard" => {
            text(format!("{} {}", network.written(network.first()), network.written(network.host_mask())))
        }
        "prefix" => Ok(Datum::Int(network.prefix.into())),
        "revdns" => text(network.reverse_name()),
        "size" => Datum::unsigned(size),
        "size_usable" => Datum::unsigned(match size {
            1 => 0,
            2 => 2,
            size => size - 2,
        }),
        "type" => Ok(Datum::text(if size > 1 && !is_host { "network" } else { "address" })),
        "version" => Ok(Datum::Int(network.version.into())),
        "6to4" => Ok(six_to_four(given)),
        _ => match (network.version, is_network) {
            (6, false) => text(format!("[{}]", network.written(network.ip))),
            (6, true) => text(format!("[{}]/{}", network.written(network.ip), network.prefix)),
            _ => Ok(value.clone()),
        },
    }
}

fn as_version_4(given: &Given) -> Datum {
    let network = given.network;
    if network.version == 4 {
        return given.value.clone();
    }
    let mapped = network.ip >> 32 == 0xffff || network.ip >> 32 == 0;
    match mapped && network.prefix >= 96 {
        true => Datum::text(
            Network { version: 4, ip: network.ip & u128::from(u32::MAX), prefix: network.prefix - 96 }
                .to_string(),
        ),
        false => FALSE,
    }
}

fn as_version_6(given: &Given) -> Datum {
    let network = given.network;
    match network.version {
        6 => given.value.clone(),
        _ => Datum::text(
            Network { version: 6, ip: 0xffff << 32 | network.ip, prefix: network.prefix + 96 }.to_string(),
        ),
    }
}

fn six_to_four(given: &Given) -> Datum {
    let network = given.network;
    if network.version == 4 {
        if network.size() > 1 && network.ip == network.first() {
            return FALSE;
        }
        let [a, b, c, d] = (network.ip as u32).to_be_bytes();
        return Datum::text(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1/48"));
    }
    let inside = network.ip >> 112 == 0x2002 && (!given.is_network || network.ip != network.first());
    if inside { given.value.clone() } else { FALSE }
}

fn peer(given: &Given) -> Result<Datum> {
    only_networks(given)?;
    let network = given.network;
    let text = |ip: u128| Ok(Datum::text(network.written(ip)));
    match (network.size(), network.ip % 4) {
        (2, _) => text(network.ip ^ 1),
        (4, 0) => Err(Fault::new("the network address of a /30 has no peer")),
        (4, 3) => Err(Fault::new("the broadcast address of a /30 has no peer")),
        (4, _) => text(network.ip ^ 3),
        _ => Err(Fault::new("only networks of two hosts have peers")),
    }
}

/// The usable address so many steps away; none when it is not usable.
pub fn beside(network: Network, steps: i128) -> Datum {
    let (first, last) = network.usable();
    let ip =
        network.ip.checked_add_signed(steps).filter(|ip| (first..=last).contains(ip) && network.size() > 1);
    ip.map_or(Datum::None, |ip| Datum::text(network.written(ip)))
}

fn ipwrap(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.text("query")?;
    arguments.finish()?;
    let wrapped = |value: &Datum| match ipaddr(value, "wrap", None) {
        Ok(Datum::Text(text)) => Datum::Text(text),
        _ => value.clone(),
    };
    Ok(match value.as_list() {
        Some(items) => Datum::list(items.iter().map(wrapped).collect()),
        None => wrapped(&value),
    })
}

pub fn parsed(text: &str) -> Result<Network> {
    Network::parse(text).ok_or_else(|| Fault::new(format!("`{text}` is no IP address")))
}

fn ipmath(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let network = parsed(&arguments.value_text()?)?;
    let amount = arguments.required("amount")?;
    arguments.finish()?;
    let amount = amount.as_int().ok_or_else(|| super::wrong(&amount, "a whole number"))?;
    let limit = if network.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
    let ip = network.ip.checked_add_signed(amount).filter(|ip| *ip <= limit);
    ip.map(|ip| Datum::text(network.written(ip))).ok_or_else(|| Fault::new("there is no such address"))
}

fn ipcut(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let network = parsed(&arguments.value_text()?)?;
    let amount =
        arguments.int("amount")?.ok_or_else(|| Fault::wrong_arguments("it needs a number of bits"))?;
    arguments.finish()?;
    let bits = format!("{:0width$b}", network.ip, width = network.bits() as usize);
    let count = (amount.unsigned_abs() as usize).min(bits.len());
    let cut = if amount < 0 { &bits[bits.len() - count..] } else { &bits[..count] };
    let (width, separator) = if network.version == 4 { (8, ".") } else { (16, ":") };
    let part = |part: &[u8]| {
        let number = part.iter().fold(0u32, |number, bit| number << 1 | u32::from(*bit == b'1'));
        if network.version == 4 { number.to_string() } else { format!("{number:x}") }
    };
    Ok(Datum::text(cut.as_bytes().chunks(width).map(part).collect::<Vec<_>>().join(separator)))
}

fn ipv6form(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let network = parsed(&arguments.value_text()?)?;
    let form = arguments.text("format")?.unwrap_or_default();
    arguments.finish()?;
    let digits = format!("{:032x}", network.ip);
    let parts = || (0..8).map(|at| &digits[at * 4..at * 4 + 4]);
    match (form.as_str(), network.version) {
        ("compress", _) | ("expand", 4) => Ok(Datum::text(network.written(network.ip))),
        ("expand", _) => Ok(Datum::text(parts().collect::<Vec<_>>().join(":"))),
        ("x509", 6) => {
            let short = |part: &str| {
                Some(part.trim_start_matches('0')).filter(|part| !part.is_empty()).unwrap_or("0").to_string()
            };
            Ok(Datum::text(parts().map(short).collect::<Vec<_>>().join(":")))
        }
        _ => Err(Fault::new(format!("there is no form `{form}`")).hint("it is expand, compress or x509")),
    }
}

fn ip4_hex(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let network = parsed(&arguments.value_text()?)?;
    let delimiter = arguments.text("delimiter")?.unwrap_or_default();
    arguments.finish()?;
    let digits = (network.ip as u32).to_be_bytes().map(|byte| format!("{byte:02x}"));
    Ok(Datum::text(digits.join(&delimiter)))
}

/// The network of a value: of an address its own, of a network the whole.
pub fn network_of(value: &Datum) -> Result<Option<Network>> {
    Ok(given(value, None)?.map(|given| given.network))
}
