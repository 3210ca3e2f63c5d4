//! Which ports are looked at, and who may hold them, as a playbook writes it.

use super::holder::Holder;
use crate::model::Value;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A port as it is written: `3001`, `"53/udp"`; TCP when nothing is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenPort {
    /// Its number.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
}

/// Who may hold a port.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// Nobody.
    Free,
    /// Anything, but something.
    Held,
    /// A container of this name, or of this compose service.
    Container(String),
    /// A unit of systemd's; `.service` may be left out.
    Unit(String),
    /// A process of this name.
    Process(String),
}

/// Any of these.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Expected {
    written: String,
    any: Vec<Expect>,
}

impl Expected {
    /// Whether those who hold it are all expected.
    pub fn accepts(&self, holders: &[Holder]) -> bool {
        let fits = |holder: &Holder| self.any.iter().any(|expect| expect.fits(holder));
        match holders {
            [] => self.any.contains(&Expect::Free),
            holders => holders.iter().all(fits),
        }
    }
}

impl Expect {
    fn read(text: &str) -> Result<Self, String> {
        match text.split_once(' ').map(|(kind, name)| (kind, name.trim())) {
            None if text == "free" => Ok(Expect::Free),
            None if text == "held" => Ok(Expect::Held),
            Some(("container", name)) if !name.is_empty() => Ok(Expect::Container(name.to_string())),
            Some(("unit", name)) if !name.is_empty() => Ok(Expect::Unit(name.to_string())),
            Some(("process", name)) if !name.is_empty() => Ok(Expect::Process(name.to_string())),
            _ => Err(format!(
                "{text:?} is none of free, held, container NAME, unit NAME, process NAME; several are joined by ` or `"
            )),
        }
    }

    /// What is not needed, and what cannot be known, is never expected.
    fn fits(&self, holder: &Holder) -> bool {
        match (self, holder) {
            (_, Holder::Orphan { .. } | Holder::Unclear { .. }) | (Expect::Free, _) => false,
            (Expect::Held, _) => true,
            (Expect::Container(wanted), Holder::Container { name, service, .. }) => {
                wanted == name || wanted == service
            }
            (Expect::Unit(wanted), Holder::Unit { unit, .. }) => {
                wanted == unit || Some(wanted.as_str()) == unit.strip_suffix(".service")
            }
            (Expect::Process(wanted), Holder::Process { process, .. } | Holder::Unit { process, .. }) => {
                *wanted == process.name
            }
            _ => false,
        }
    }
}

impl TryFrom<String> for Expected {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let any = written.split(" or ").map(|one| Expect::read(one.trim())).collect::<Result<_, _>>()?;
        Ok(Expected { written, any })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written)
    }
}

impl WrittenPort {
    /// Reads `3001`, `3001/tcp`, `53/udp`.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a port such as 3001 or 53/udp");
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = ["tcp", "udp"].into_iter().find(|known| *known == protocol).ok_or_else(wrong)?;
        match port.parse() {
            Ok(port @ 1..) => Ok(WrittenPort { port, protocol }),
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for WrittenPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        WrittenPort::read(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for WrittenPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.port, self.protocol)
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for WrittenPort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "port".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"], "description": "3001 or \"53/udp\"" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Expected {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "who may hold a port".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}
