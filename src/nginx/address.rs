//! An address inside a word: `127.0.0.1:3001`, `http://[::1]:3001/api/`, `$backend`, `app`.

use std::ops::Range;

/// An address, and where it stands in the word's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http`, `grpcs` …; empty when none was written.
    pub scheme: String,
    /// A name, an IPv4 address, an IPv6 address without its brackets, the name of an upstream, or `$variables`.
    pub host: String,
    /// The port.
    pub port: Port,
    /// Host and port, in bytes of the value.
    pub whole: Range<usize>,
    /// The port's digits; empty, behind the host, when none was written.
    pub digits: Range<usize>,
}

/// The port of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// As written.
    Number(u16),
    /// None was written.
    Left,
    /// `$variable`, without the dollar sign.
    Variable(String),
}

impl Address {
    /// The address that a value holds. `None` for sockets (`unix:…`) and for what is no address.
    pub fn parse(value: &str) -> Option<Self> {
        let start = value.find("://").map_or(0, |at| at + 3);
        let scheme = value[..start].trim_end_matches("://").to_ascii_lowercase();
        let rest = &value[start..];
        if rest.starts_with("unix:") {
            return None;
        }
        let length = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, behind) = split_host(&rest[..length])?;
        let (port, digits) = match rest[behind..length].strip_prefix(':') {
            None if behind == length => (Port::Left, 0),
            None => return None,
            Some(text) => port(text)?,
        };
        let from = start + behind + usize::from(port != Port::Left);
        let digits = from..from + digits;
        Some(Address { scheme, host: host.to_string(), port, whole: start..digits.end, digits })
    }

    /// What a `listen` names: a port alone is a port of every address.
    pub fn of_listen(value: &str) -> Option<Self> {
        let is_range = value.contains('-') && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        match value.parse() {
            Ok(number) => Some(Address {
                scheme: String::new(),
                host: "*".to_string(),
                port: Port::Number(number),
                whole: 0..value.len(),
                digits: 0..value.len(),
            }),
            Err(_) if is_range => None,
            Err(_) => Address::parse(value),
        }
    }

    /// The variables of host and port, without dollar signs and braces.
    pub fn variables(&self) -> Vec<String> {
        let mut names = variables(&self.host);
        if let Port::Variable(name) = &self.port {
            names.push(name.clone());
        }
        names
    }
}

/// Splits off the host: its text, and the length of what it takes with its brackets.
fn split_host(authority: &str) -> Option<(&str, usize)> {
    let (host, length) = match authority.strip_prefix('[') {
        Some(inside) => {
            let end = inside.find(']')?;
            (&inside[..end], end + 2)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            (&authority[..end], end)
        }
    };
    (!host.is_empty()).then_some((host, length))
}

/// The port that a text begins with, and how long it is. Variables may follow it (`:3001$request_uri`), nothing else.
fn port(text: &str) -> Option<(Port, usize)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length > 0 {
        let alone = length == text.len() || text[length..].starts_with('$');
        return text[..length].parse().ok().filter(|_| alone).map(|number| (Port::Number(number), length));
    }
    let name = variables(text).into_iter().next()?;
    let written = [format!("${name}"), format!("${{{name}}}")]
        .into_iter()
        .find(|one| text.starts_with(one.as_str()))?;
    Some((Port::Variable(name), written.len()))
}

/// The names of the variables in a text.
pub fn variables(text: &str) -> Vec<String> {
    let word = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let names = text
        .split('$')
        .skip(1)
        .map(|rest| rest.strip_prefix('{').unwrap_or(rest).chars().take_while(word).collect::<String>());
    names.filter(|name| !name.is_empty()).collect()
}
