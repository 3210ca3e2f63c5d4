//! How a host is reached, as an inventory says it: the keys of an `ssh` table.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// The keys of an `ssh` table. What is absent comes from the next weaker place: host > group > file > ssh config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SshSettings {
    /// The login name, or several that are tried in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<OneOrMany>,
    /// The port of sshd; 22 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Private key files, tried in order. `~` is the home directory here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<OneOrMany>,
    /// Whether only the keys of `identity` are offered, even when the agent holds others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities_only: Option<bool>,
    /// The hosts to go through, first hop first: `user@host:port`, joined by commas, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// The command whose input and output are the connection, as `ProxyCommand` in ssh_config, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_command: Option<String>,
    /// Further options of ssh_config, such as `Ciphers=aes256-gcm@openssh.com`, as after `ssh -o`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What carries the connection: `ssh`, `local` (this machine, without SSH), `docker` or `podman` (the container of the
    /// host's address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// Whether steps become another user once logged in.
    #[serde(default, rename = "become", skip_serializing_if = "Option::is_none")]
    pub becomes: Option<bool>,
    /// The user that steps become; root by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_user: Option<String>,
    /// How steps become another user, for example `sudo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_method: Option<String>,
    /// Where the password is that becoming another user takes, as in `password_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_password_from: Option<String>,
    /// Where the login password is: `env:NAME`, `file:PATH`, `command:PROGRAM …`, `age:NAME` or `prompt`. Without it no password is
    /// ever tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_from: Option<String>,
    /// Where the passphrase of encrypted keys is, as in `password_from`; `prompt` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_from: Option<String>,
    /// The files of known host keys, in the order they are read; the first is written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<OneOrMany>,
    /// What to do with a host whose key is not known yet: `strict`, `accept-new`, or the fingerprint that its key must
    /// have (`SHA256:…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<HostKeyPolicy>,
    /// How long to wait for a connection, for example `10` or `"10s"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// How long a silent connection is left alone before it is asked for a sign of life; 0 never asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Span>,
    /// The socket of the ssh-agent, or `none`. `$SSH_AUTH_SOCK` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl SshSettings {
    /// These settings, with what they leave open taken from `weaker`.
    pub fn or(self, weaker: SshSettings) -> SshSettings {
        // A jump host and a proxy command replace each other, so the stronger place decides about both.
        let weaker = match self.jump.is_some() || self.proxy_command.is_some() {
            true => SshSettings { jump: None, proxy_command: None, ..weaker },
            false => weaker,
        };
        SshSettings {
            user: self.user.or(weaker.user),
            port: self.port.or(weaker.port),
            identity: self.identity.or(weaker.identity),
            identities_only: self.identities_only.or(weaker.identities_only),
            jump: self.jump.or(weaker.jump),
            proxy_command: self.proxy_command.or(weaker.proxy_command),
            options: [self.options, weaker.options].concat(),
            via: self.via.or(weaker.via),
            becomes: self.becomes.or(weaker.becomes),
            become_user: self.become_user.or(weaker.become_user),
            become_method: self.become_method.or(weaker.become_method),
            become_password_from: self.become_password_from.or(weaker.become_password_from),
            password_from: self.password_from.or(weaker.password_from),
            passphrase_from: self.passphrase_from.or(weaker.passphrase_from),
            known_hosts: self.known_hosts.or(weaker.known_hosts),
            host_key: self.host_key.or(weaker.host_key),
            connect_timeout: self.connect_timeout.or(weaker.connect_timeout),
            keepalive: self.keepalive.or(weaker.keepalive),
            agent: self.agent.or(weaker.agent),
        }
    }
}

/// What carries the connection to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// SSH.
    #[default]
    Ssh,
    /// Nothing: the host is this machine.
    Local,
    /// `docker exec`.
    Docker,
    /// `podman exec`.
    Podman,
}

/// What to do with a host whose key is not known. A changed key is always refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Strict,
    /// Trust it this first time and write it down.
    AcceptNew,
    /// Trust the key of this fingerprint, and no other.
    Fingerprint(String),
}

/// How a fingerprint starts.
const FINGERPRINT: &str = "SHA256:";

impl Serialize for HostKeyPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            HostKeyPolicy::Strict => "strict",
            HostKeyPolicy::AcceptNew => "accept-new",
            HostKeyPolicy::Fingerprint(fingerprint) => fingerprint,
        })
    }
}

impl<'de> Deserialize<'de> for HostKeyPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "strict" => Ok(HostKeyPolicy::Strict),
            "accept-new" => Ok(HostKeyPolicy::AcceptNew),
            // 32 bytes in base64 without padding, as `ssh-keygen -l` prints them.
            _ if text.strip_prefix(FINGERPRINT).is_some_and(|rest| rest.len() == 43 && base64(rest)) => {
                Ok(HostKeyPolicy::Fingerprint(text))
            }
            _ => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"\"strict\", \"accept-new\" or a fingerprint \"SHA256:…\" as `ssh-keygen -l` prints it",
            )),
        }
    }
}

fn base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for HostKeyPolicy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostKeyPolicy".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "\"strict\", \"accept-new\", or the fingerprint that the host's key must have: \"SHA256:…\"",
            "type": "string",
        })
    }
}

/// One string, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single value.
    One(String),
    /// Several, in order.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The values in order.
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

impl From<&str> for OneOrMany {
    fn from(one: &str) -> Self {
        OneOrMany::One(one.to_string())
    }
}

// Written by hand, because serde's `untagged` answers a wrong value with "did not match any variant".
impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMany;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a string or a list of strings")
            }
            fn visit_str<E: de::Error>(self, one: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(one.to_string()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Strings)
    }
}

/// A length of time, written as seconds (`10`) or with units (`"10s"`, `"1m30s"`, `"2h"`, `"500ms"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// Reads `10`, `10s`, `1m30s`, `500ms`, `2h`, `1d`, `1w`, as OpenSSH does, plus milliseconds.
    pub fn parse(text: &str) -> Option<Span> {
        let mut rest = text.trim();
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let unit_ms: u64 = unit_ms(&rest[..letters])?;
            rest = &rest[letters..];
            total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
        }
        Some(Span(total))
    }
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_millis() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            _ => serializer.serialize_str(&format!("{}ms", self.0.as_millis())),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Time;
        impl Visitor<'_> for Time {
            type Value = Span;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a number of seconds or a string like \"10s\"")
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                u64::try_from(seconds)
                    .map(|seconds| Span(Duration::from_secs(seconds)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_secs(seconds)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Time)
    }
}

#[cfg(feature = "controller")]
impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "a number of seconds or a string like \"10s\", \"1m30s\", \"500ms\"",
            "type": ["integer", "string"],
            "minimum": 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SshSettings, String> {
        serde_json::from_str(json).map_err(|why| why.to_string())
    }

    #[test]
    fn reads_one_or_many_and_both_kinds_of_time() {
        let one = read(r#"{"user": "deploy", "connect_timeout": 10, "become": true}"#).unwrap();
        assert_eq!(one.user.unwrap().as_slice(), ["deploy"]);
        assert_eq!(one.connect_timeout, Some(Span(Duration::from_secs(10))));
        assert_eq!(one.becomes, Some(true));
        let many =
            read(r#"{"user": ["deploy", "root"], "keepalive": "1m30s", "host_key": "accept-new"}"#).unwrap();
        assert_eq!(many.user.unwrap().as_slice(), ["deploy", "root"]);
        assert_eq!(many.keepalive, Some(Span(Duration::from_secs(90))));
        assert_eq!(many.host_key, Some(HostKeyPolicy::AcceptNew));
    }

    #[test]
    fn says_what_it_expected() {
        let wrong = read(r#"{"user": 3}"#).unwrap_err();
        assert!(
            wrong.starts_with("invalid type: integer `3`, expected a string or a list of strings"),
            "{wrong}"
        );
        let wrong = read(r#"{"keepalive": "soon"}"#).unwrap_err();
        assert!(wrong.contains("expected a number of seconds or a string like \"10s\""), "{wrong}");
        assert!(read(r#"{"hostkey": "strict"}"#).unwrap_err().contains("unknown field `hostkey`"));
    }

    #[test]
    fn a_host_key_is_a_policy_or_a_fingerprint() {
        let fingerprint = format!("SHA256:{}", "a".repeat(43));
        let read = |policy: &str| read(&format!(r#"{{"host_key": "{policy}"}}"#)).map(|ssh| ssh.host_key);
        assert_eq!(read(&fingerprint), Ok(Some(HostKeyPolicy::Fingerprint(fingerprint.clone()))));
        assert_eq!(read("strict"), Ok(Some(HostKeyPolicy::Strict)));
        for wrong in ["ask", "SHA256:short", "MD5:00:11", &format!("{fingerprint}=")] {
            assert!(read(wrong).unwrap_err().contains("accept-new"), "{wrong}");
        }
    }

    #[test]
    fn options_of_host_and_group_add_up_and_the_hosts_come_first() {
        let with = |option: &str| SshSettings { options: vec![option.to_string()], ..SshSettings::default() };
        assert_eq!(with("Port=1").or(with("Port=2")).options, ["Port=1", "Port=2"]);
    }

    #[test]
    fn a_jump_host_replaces_a_weaker_proxy_command() {
        let host = SshSettings { jump: Some("bastion".to_string()), ..SshSettings::default() };
        let group = SshSettings { proxy_command: Some("nc %h %p".to_string()), ..SshSettings::default() };
        assert_eq!(host.clone().or(group.clone()).proxy_command, None);
        assert_eq!(group.or(host).jump, None);
    }

    #[test]
    fn times_are_bounded() {
        assert_eq!(Span::parse("500ms"), Some(Span(Duration::from_millis(500))));
        assert_eq!(Span::parse(""), None);
        assert_eq!(Span::parse("s"), None);
        assert_eq!(Span::parse("99999999999999999999"), None);
        assert_eq!(Span::parse("9999999999999999999w"), None);
        assert_eq!(Span::parse("10é"), None);
    }

    #[test]
    fn the_stronger_layer_wins_and_the_weaker_fills_in() {
        let host = SshSettings { port: Some(2222), ..SshSettings::default() };
        let file = SshSettings { port: Some(22), user: Some("deploy".into()), ..SshSettings::default() };
        let both = host.or(file);
        assert_eq!((both.port, both.user), (Some(2222), Some("deploy".into())));
    }

    #[test]
    fn written_and_read_again_it_is_the_same() {
        let text = r#"{"user":["a","b"],"become":true,"host_key":"strict","connect_timeout":"1500ms","keepalive":15}"#;
        assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
    }
}
