//! What is let in: as people write it in TOML, and one rule for each port and source.

use crate::model::Value;
use serde::{Deserialize, Deserializer, de};
use std::net::IpAddr;

/// An entry of `allow`.
#[derive(Clone, Debug, PartialEq)]
pub struct Allow {
    ports: Vec<Ports>,
    protocol: Protocol,
    /// Empty: everywhere.
    from: Vec<Source>,
}

/// One port, or those from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// What the port is one of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// An address, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    address: IpAddr,
    /// `None`: this address alone.
    prefix: Option<u8>,
}

/// One port or range, from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub ports: Ports,
    pub protocol: Protocol,
    pub from: Option<Source>,
}

impl Allow {
    /// A rule for each port and source.
    pub fn rules(&self) -> Vec<Rule> {
        let of = |ports: &Ports, from: Option<Source>| Rule { ports: *ports, protocol: self.protocol, from };
        let each = self.ports.iter().flat_map(|ports| match self.from.is_empty() {
            true => vec![of(ports, None)],
            false => self.from.iter().map(|from| of(ports, Some(*from))).collect(),
        });
        each.collect()
    }
}

impl Rule {
    /// A TCP port for everybody.
    pub fn tcp(port: u16) -> Self {
        Rule { ports: Ports { first: port, last: port }, protocol: Protocol::Tcp, from: None }
    }

    /// Whether it says who reaches this TCP port.
    pub fn is_about(&self, port: u16) -> bool {
        self.protocol == Protocol::Tcp && (self.ports.first..=self.ports.last).contains(&port)
    }
}

impl Protocol {
    /// As every firewall calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

impl Ports {
    /// `80`, or the range with `between` in the middle.
    pub fn shown(self, between: &str) -> String {
        match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}{between}{}", self.first, self.last),
        }
    }

    /// Whether some port is one of both.
    pub fn meets(self, other: Ports) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether all of the other's ports are among these.
    pub fn hold(self, other: Ports) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Reads `80` or `8000-8100`.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a port; write 80, \"443/udp\" or \"8000-8100\"");
        let port = |text: &str| text.trim().parse().ok().filter(|port| *port > 0).ok_or_else(wrong);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ports = Ports { first: port(first)?, last: port(last)? };
        if ports.first <= ports.last { Ok(ports) } else { Err(wrong()) }
    }
}

impl Source {
    /// `10.0.0.0/8`.
    pub fn shown(self) -> String {
        match self.prefix {
            None => self.address.to_string(),
            Some(prefix) => format!("{}/{prefix}", self.address),
        }
    }

    /// What nftables calls its family.
    pub fn family(self) -> &'static str {
        if self.address.is_ipv4() { "ip" } else { "ip6" }
    }

    /// Whether all addresses of the other are in this network.
    pub fn holds(self, other: Source) -> bool {
        let bits = |source: Source| if source.address.is_ipv4() { 32 } else { 128 };
        let (prefix, others) = (self.prefix.unwrap_or(bits(self)), other.prefix.unwrap_or(bits(other)));
        self.address.is_ipv4() == other.address.is_ipv4()
            && prefix <= others
            && masked(other.address, prefix) == masked(self.address, prefix)
    }

    /// Reads an address or a network.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither an address nor a network such as \"10.0.0.0/8\"");
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        match prefix {
            Some(prefix) if prefix > bits => Err(wrong()),
            // Everywhere else a whole address is written without.
            Some(prefix) if prefix == bits => Ok(Source { address, prefix: None }),
            _ => Ok(Source { address: masked(address, prefix.unwrap_or(bits)), prefix }),
        }
    }
}

/// The network that an address with this prefix is in: nftables and ufw tell it so, too.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::from((u32::from(v4) & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::from((u128::from(v6) & mask).to_be_bytes())
        }
    }
}

/// The table form of an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    port: Value,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    from: Value,
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn read(value: Value) -> Result<Allow, String> {
    match value {
        Value::Object(_) => {
            let table: Table = serde_json::from_value(value).map_err(|error| error.to_string())?;
            let ports = each(&table.port).map(|port| Ports::read(&port?)).collect::<Result<Vec<_>, _>>()?;
            let from = each(&table.from).map(|from| Source::read(&from?)).collect::<Result<_, _>>()?;
            match ports.is_empty() {
                true => Err("port is an empty list".to_string()),
                false => Ok(Allow { ports, protocol: table.protocol, from }),
            }
        }
        short => {
            let text = word(&short)?;
            let (ports, protocol) = match text.split_once('/') {
                None => (text.as_str(), Protocol::Tcp),
                Some((ports, "tcp")) => (ports, Protocol::Tcp),
                Some((ports, "udp")) => (ports, Protocol::Udp),
                Some((_, other)) => return Err(format!("{other:?} is neither tcp nor udp")),
            };
            Ok(Allow { ports: vec![Ports::read(ports)?], protocol, from: Vec::new() })
        }
    }
}

/// A value, or each of a list; nothing of null.
fn each(value: &Value) -> impl Iterator<Item = Result<String, String>> + '_ {
    let list = match value {
        Value::Null => &[],
        Value::Array(list) => &list[..],
        one => std::slice::from_ref(one),
    };
    list.iter().map(word)
}

fn word(value: &Value) -> Result<String, String> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.trim().to_string()),
        other => Err(format!("{other} is neither a number nor a text")),
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Allow {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "allowed".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "80, \"443/udp\", \"8000-8100\", or a table with port, protocol and from",
            "type": ["integer", "string", "object"],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}
