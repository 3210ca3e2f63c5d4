//! Names of hosts and groups, and ranges of them: `web[01-20]`, `db[1,3,5-7]`, `rack[a-c]`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use unicode_width::UnicodeWidthChar;

/// One name with a range in it stands for at most this many.
const RANGE_LIMIT: usize = 20_000;

/// A name that is safe in messages, file names and commands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// Letters of any alphabet, digits and `. - _ :`, at most 253 bytes, a letter, digit or `_` first; or an address of IPv6
    /// such as `::1` and `fe80::1%eth0`.
    pub fn parse(text: &str) -> Result<HostName, String> {
        let fits = |letter: char| is_letter(letter) || ".-_:".contains(letter);
        let first = |letter: char| is_letter(letter) || letter == '_';
        let is_name = text.starts_with(first) && text.chars().all(fits);
        if !is_name && !is_ipv6(text) {
            return Err(format!(
                "`{text}` is no name: letters, digits and `.-_:` are allowed, a letter or digit first"
            ));
        }
        match text.len() {
            0..=253 if text != "all" => Ok(HostName(text.to_string())),
            0..=253 => Err("`all` is every host; call it something else".to_string()),
            _ => Err("a name has at most 253 characters".to_string()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters that are written from right to left: they would turn round the line of output that a name stands in.
const RIGHT_TO_LEFT: &[RangeInclusive<char>] = &[
    '\u{590}'..='\u{8ff}',
    '\u{fb1d}'..='\u{fdff}',
    '\u{fe70}'..='\u{feff}',
    '\u{10800}'..='\u{10fff}',
    '\u{1e800}'..='\u{1efff}',
];

/// The one letter that is shown as a space though it has a width: HANGUL CHOSEONG FILLER.
const FILLER: char = '\u{115f}';

/// Digits of ASCII, and letters as Ansible's inventories have them, which are seen and leave other letters where they are.
fn is_letter(letter: char) -> bool {
    let turns = || RIGHT_TO_LEFT.iter().any(|range| range.contains(&letter));
    let is_seen = || letter.width().is_some_and(|width| width > 0) && letter != FILLER;
    letter.is_ascii_alphanumeric() || (letter.is_alphabetic() && is_seen() && !turns())
}

/// An address of IPv6, perhaps with the interface that it belongs to.
fn is_ipv6(text: &str) -> bool {
    let (address, interface) = text.split_once('%').unwrap_or((text, "lo"));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    address.parse::<Ipv6Addr>().is_ok() && !interface.is_empty() && interface.bytes().all(fits)
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        HostName::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

/// The names that a text with ranges stands for, in order. A text without one stands for itself.
pub fn expand(text: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('[') else {
        return match text.contains(']') {
            true => Err(format!("`{text}` has a `]` without a `[`")),
            false => Ok(vec![text.to_string()]),
        };
    };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("`{text}` has a `[` without a `]`"))?;
    let ends = expand(after)?;
    let mut middles = Vec::new();
    for part in range.split(',') {
        middles.extend(steps_of(part.trim())?);
        if middles.len().saturating_mul(ends.len()) > RANGE_LIMIT {
            return Err(format!("`{text}` stands for more than {RANGE_LIMIT} names"));
        }
    }
    Ok(middles
        .iter()
        .flat_map(|middle| ends.iter().map(move |end| format!("{before}{middle}{end}")))
        .collect())
}

/// The elements of `01-20`, `01:20`, `01:20:4`, `a-c` or `7`.
fn steps_of(part: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`[{part}]` is no range; write it like [01-20] or [1,3,5-7]");
    let Some((from, to)) = part.split_once(['-', ':']) else {
        let fits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return if fits { Ok(vec![part.to_string()]) } else { Err(wrong()) };
    };
    let (to, step) = match to.split_once(':') {
        Some((to, step)) => (to, step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
        None => (to, 1),
    };
    if let (&[from], &[to]) = (from.as_bytes(), to.as_bytes())
        && from.is_ascii_lowercase()
        && to.is_ascii_lowercase()
        && from <= to
    {
        return Ok((from..=to).step_by(step).map(|letter| char::from(letter).to_string()).collect());
    }
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let (first, last) = number(from).zip(number(to)).ok_or_else(wrong)?;
    match last.checked_sub(first) {
        None => Err(format!("`[{part}]` ends before it begins")),
        Some(count) if count as usize / step >= RANGE_LIMIT => {
            Err(format!("`[{part}]` stands for more than {RANGE_LIMIT} names"))
        }
        Some(_) => Ok((first..=last)
            .step_by(step)
            .map(|number| format!("{number:0width$}", width = from.len()))
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> String {
        expand(text).map_or_else(|why| why, |names| names.join(" "))
    }

    #[test]
    fn ranges_expand() {
        assert_eq!(list("web[08-11]"), "web08 web09 web10 web11");
        assert_eq!(list("web[8-11].x"), "web8.x web9.x web10.x web11.x");
        assert_eq!(list("db[1,3,5-6]"), "db1 db3 db5 db6");
        assert_eq!(list("r[a-b]s[1:2]"), "ras1 ras2 rbs1 rbs2");
        assert_eq!(list("app-[01:09:4]"), "app-01 app-05 app-09");
        assert_eq!(list("r[a-e:2]"), "ra rc re");
        assert_eq!(list("plain"), "plain");
    }

    #[test]
    fn wrong_ranges_say_why() {
        assert_eq!(list("web[3-1]"), "`[3-1]` ends before it begins");
        assert_eq!(list("web[1-"), "`web[1-` has a `[` without a `]`");
        assert_eq!(list("web1]"), "`web1]` has a `]` without a `[`");
        assert_eq!(list("web[]"), "`[]` is no range; write it like [01-20] or [1,3,5-7]");
        assert_eq!(list("web[1-99999999]"), "`[1-99999999]` stands for more than 20000 names");
        assert_eq!(list("w[1-999][1-999]"), "`w[1-999][1-999]` stands for more than 20000 names");
    }

    #[test]
    fn names_are_safe() {
        for name in [
            "web1",
            "203.0.113.10",
            "a-b_c.example.com",
            "2001:db8::1",
            "::1",
            "fe80::1%eth0",
            "hä1",
            "сервер-2",
            "ホスト1",
        ] {
            assert!(HostName::parse(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-oProxyCommand=x",
            "../x",
            "a b",
            "a\u{1b}",
            "all",
            "a\u{308}",
            "\u{308}a",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{3164}b",
            "a\u{115f}b",
            "a\u{a0}b",
            "שרת",
            "½",
            "a/b",
            ".",
            ":1",
            "::1%",
            "::1%a;b",
            "a%b",
        ] {
            assert!(HostName::parse(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9\\[\\],:-]{0,20}") {
            let _ = expand(&text).map(|names| assert!(names.len() <= RANGE_LIMIT));
        }
    }
}
