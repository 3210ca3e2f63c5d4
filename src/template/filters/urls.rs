//! URLs.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::{Machine, unknown};
use super::super::value::Datum;
use super::regex::pattern;
use super::text::escaped;

pub const FILTERS: &[(&str, Function)] =
    &[("urlencode", urlencode), ("urldecode", urldecode), ("urlsplit", urlsplit), ("urlize", urlize)];

fn encoded(text: &str, safe: &str, plus: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte as char {
            letter if letter.is_ascii_alphanumeric() || "_.-~".contains(letter) || safe.contains(letter) => {
                out.push(letter)
            }
            ' ' if plus => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Text for a path, or a map or pairs for a query.
fn urlencode(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    let pairs = match (value.as_map(), &value) {
        (Some(map), _) => map.into_iter().collect::<Vec<_>>(),
        (None, Datum::List(items) | Datum::Tuple(items)) => {
            let pair = |item: &Datum| match item.as_list() {
                Some([key, value]) => Ok((key.clone(), value.clone())),
                _ => Err(Fault::new("it needs pairs")),
            };
            items.iter().map(pair).collect::<Result<Vec<_>>>()?
        }
        _ => return Ok(Datum::text(encoded(&value.to_text()?, "/", false))),
    };
    let part = |(key, value): &(Datum, Datum)| {
        Ok(format!("{}={}", encoded(&key.to_text()?, "", true), encoded(&value.to_text()?, "", true)))
    };
    Ok(Datum::text(pairs.iter().map(part).collect::<Result<Vec<_>>>()?.join("&")))
}

fn urldecode(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let text = text.replace('+', " ");
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Ok(Datum::text(String::from_utf8_lossy(&out)))
}

fn urlsplit(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let url = arguments.value_text()?;
    let query = arguments.text("query")?.unwrap_or_default();
    arguments.finish()?;
    let parts = split(&url);
    if query.is_empty() {
        return Ok(Datum::record(parts));
    }
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    let found = parts.into_iter().find(|(name, _)| *name == query);
    found.map(|(_, value)| value).ok_or_else(|| unknown("part of a URL", &query, names))
}

fn split(url: &str) -> [(&'static str, Datum); 9] {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |scheme: &&str| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    };
    let scheme = rest.split_once(':').map(|(scheme, _)| scheme).filter(is_scheme);
    let rest = scheme.map_or(rest, |scheme| &rest[scheme.len() + 1..]);
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = netloc.rsplit_once('@').map_or((None, netloc), |(user, host)| (Some(user), host));
    let (username, password) = match user.and_then(|user| user.split_once(':')) {
        Some((name, password)) => (Some(name), Some(password)),
        None => (user, None),
    };
    let (hostname, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let optional = |text: Option<&str>| text.map_or(Datum::None, Datum::text);
    let port = port.and_then(|port| port.parse().ok()).map_or(Datum::None, Datum::Int);
    [
        ("fragment", Datum::text(fragment)),
        ("hostname", if hostname.is_empty() { Datum::None } else { Datum::text(hostname.to_lowercase()) }),
        ("netloc", Datum::text(netloc)),
        ("password", optional(password)),
        ("path", Datum::text(path)),
        ("port", port),
        ("query", Datum::text(query)),
        ("scheme", Datum::text(scheme.unwrap_or("").to_lowercase())),
        ("username", optional(username)),
    ]
}

/// Addresses in a text as links.
fn urlize(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    if arguments.int("trim_url_limit")?.is_some() {
        return Err(Fault::new("windlass does not shorten the text of a link"));
    }
    let nofollow = arguments.flag("nofollow")?;
    let target = arguments.text("target")?;
    let rel = arguments.text("rel")?.unwrap_or_default();
    arguments.finish()?;
    let mut words: Vec<&str> = rel.split_whitespace().chain(["noopener"]).collect();
    words.extend(nofollow.then_some("nofollow"));
    words.sort_unstable();
    words.dedup();
    let rel = words.join(" ");
    let quoted = |text: &str| escaped(text).replace('\\', "\\\\");
    let target = target.map_or(String::new(), |target| format!(" target=\"{}\"", quoted(&target)));
    let links = pattern(r"(?i)(https?://|www\.)[^\s<>()]*[^\s<>().,!?;:'\x22]", false, false)?;
    let addresses = pattern(r"(?<!\S)[^\s@:<>]+@\w[\w.-]*\.\w+(?!\S)", false, false)?;
    let safe = escaped(&text);
    let link = format!("<a href=\"\\g<0>\" rel=\"{}\"{target}>\\g<0></a>", quoted(&rel));
    let (linked, _) = addresses.replace(&safe, r#"<a href="mailto:\g<0>">\g<0></a>"#, usize::MAX)?;
    let (linked, _) = links.replace(&linked, &link, usize::MAX)?;
    Ok(Datum::text(linked.replace("href=\"www.", "href=\"https://www.")))
}
