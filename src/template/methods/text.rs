//! Methods of text.

use super::super::call::Arguments;
use super::super::fault::{Fault, Result};
use super::super::format::{braces, padded};
use super::super::value::{Datum, Map};

/// The methods that text has.
pub const NAMES: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

/// Calls one of them; `None` when there is none of this name.
pub fn call(text: &str, name: &str, arguments: &mut Arguments) -> Result<Option<Datum>> {
    let found = changed(text, name, arguments)?.map(Datum::text);
    let found = found.or_else(|| judged(text, name).map(Datum::Bool));
    Ok(Some(match (found, name) {
        (Some(value), _) => value,
        (None, "startswith" | "endswith") => Datum::Bool(at_end(text, name == "startswith", arguments)?),
        (None, "find" | "rfind" | "index" | "rindex") => position(text, name, arguments)?,
        (None, "count") => {
            let part = arguments.required_text("part")?;
            Datum::count(if part.is_empty() { text.chars().count() + 1 } else { text.matches(&part).count() })
        }
        (None, "split" | "rsplit") => split(text, name == "rsplit", arguments)?,
        (None, "splitlines") => splitlines(text, arguments.flag("keepends")?),
        (None, "partition" | "rpartition") => partition(text, name == "rpartition", arguments)?,
        (None, "join") => {
            let parts = arguments.required("parts")?.items()?;
            let texts = parts.iter().map(|part| {
                part.as_text().ok_or_else(|| {
                    Fault::new(format!("`join` needs texts, and one is {}", part.what()))
                        .hint("use the filter `| join`")
                })
            });
            Datum::text(texts.collect::<Result<Vec<_>>>()?.join(text))
        }
        // Text has no bytes of its own here; what is done with them (digests, base64) takes text.
        (None, "encode") => {
            arguments.rest();
            Datum::text(text)
        }
        _ => return Ok(None),
    }))
}

/// The methods that give text.
fn changed(text: &str, name: &str, arguments: &mut Arguments) -> Result<Option<String>> {
    Ok(Some(match name {
        "capitalize" => capitalized(text),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        "title" => titled(text),
        "swapcase" => text.chars().map(swapped).collect(),
        "strip" | "lstrip" | "rstrip" => {
            stripped(text, name, arguments.text("chars")?.as_deref()).to_string()
        }
        "replace" => {
            let (old, new) = (arguments.required_text("old")?, arguments.required_text("new")?);
            match arguments.int("count")?.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => text.replacen(&old, &new, count),
                None => text.replace(&old, &new),
            }
        }
        "removeprefix" => {
            let part = arguments.required_text("prefix")?;
            text.strip_prefix(part.as_str()).unwrap_or(text).to_string()
        }
        "removesuffix" => {
            let part = arguments.required_text("suffix")?;
            text.strip_suffix(part.as_str()).unwrap_or(text).to_string()
        }
        "center" | "ljust" | "rjust" => {
            let width = arguments.count("width")?.unwrap_or(0).min(super::super::arithmetic::SIZE_LIMIT);
            let fill = arguments.text("fill")?.and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let align = match name {
                "center" => return Ok(Some(centered(text, width, fill))),
                "ljust" => '<',
                _ => '>',
            };
            padded(text, width, fill, align)
        }
        "zfill" => {
            let width = arguments.count("width")?.unwrap_or(0).min(super::super::arithmetic::SIZE_LIMIT);
            match text.strip_prefix(['-', '+']) {
                Some(digits) => text[..1].to_string() + &padded(digits, width.saturating_sub(1), '0', '>'),
                None => padded(text, width, '0', '>'),
            }
        }
        "expandtabs" => {
            let width = arguments.count("tabsize")?.unwrap_or(8);
            expanded(text, width)
        }
        "format" => {
            let positional = arguments.rest();
            let named: Map =
                arguments.rest_named().into_iter().map(|(name, value)| (Datum::text(name), value)).collect();
            braces(text, &positional, &named, &get)?
        }
        "format_map" => {
            let map = arguments.required("mapping")?.as_map().unwrap_or_default();
            braces(text, &[], &map, &get)?
        }
        _ => return Ok(None),
    }))
}

/// Looks up a part of a value for `{0.key}` and `{0[1]}`.
fn get(value: &Datum, key: &Datum) -> Result<Datum> {
    let at = key.as_int().and_then(|at| usize::try_from(at).ok());
    let found = match (value.as_list(), at) {
        (Some(items), Some(at)) => items.get(at).cloned(),
        _ => value.as_map().and_then(|map| map.get(key).cloned()),
    };
    let found = found.or_else(|| super::property(value, key.as_text()?));
    found.ok_or_else(|| Fault::new(format!("{} has no {}", value.what(), key.repr().unwrap_or_default())))
}

/// As Python centers: the odd space is on the left.
fn centered(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let some = |count: usize| fill.to_string().repeat(count);
    format!("{}{text}{}", some(left), some(missing - left))
}

/// The first letter upper case, the others lower case.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &letters.as_str().to_lowercase()
}

/// Every word with a capital letter; a word is whatever stands between letters that are none.
fn titled(text: &str) -> String {
    let mut inside = false;
    let mut out = String::new();
    for letter in text.chars() {
        match (letter.is_alphabetic(), inside) {
            (true, false) => out.extend(letter.to_uppercase()),
            (true, true) => out.extend(letter.to_lowercase()),
            (false, _) => out.push(letter),
        }
        inside = letter.is_alphabetic();
    }
    out
}

fn swapped(letter: char) -> char {
    let other =
        if letter.is_uppercase() { letter.to_lowercase().next() } else { letter.to_uppercase().next() };
    other.unwrap_or(letter)
}

fn stripped<'a>(text: &'a str, name: &str, chars: Option<&str>) -> &'a str {
    let strips = |letter: char| chars.map_or(letter.is_whitespace(), |chars| chars.contains(letter));
    match name {
        "strip" => text.trim_matches(strips),
        "lstrip" => text.trim_start_matches(strips),
        _ => text.trim_end_matches(strips),
    }
}

fn expanded(text: &str, width: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for letter in text.chars() {
        match letter {
            '\t' if width > 0 => {
                let spaces = width - column % width;
                out.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            '\t' => {}
            letter => {
                out.push(letter);
                column = if letter == '\n' { 0 } else { column + 1 };
            }
        }
    }
    out
}

/// The methods that ask what text is made of.
fn judged(text: &str, name: &str) -> Option<bool> {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let cased = |is: fn(char) -> bool| {
        text.chars().any(is)
            && !text.chars().any(|letter| {
                letter.is_alphabetic() && !is(letter) && letter.to_lowercase().ne(letter.to_uppercase())
            })
    };
    Some(match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" | "isdigit" | "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            let starts = text.starts_with(|letter: char| letter == '_' || letter.is_alphabetic());
            starts && all(|letter| letter == '_' || letter.is_alphanumeric())
        }
        "islower" => cased(char::is_lowercase),
        "isupper" => cased(char::is_uppercase),
        "isspace" => all(char::is_whitespace),
        "istitle" => text.chars().any(char::is_alphabetic) && titled(text) == text,
        _ => return None,
    })
}

/// Whether text begins or ends with a part, or with one of several.
fn at_end(text: &str, start: bool, arguments: &mut Arguments) -> Result<bool> {
    let part = arguments.required("part")?;
    let from = arguments.int("start")?.unwrap_or(0);
    let letters: Vec<char> = text.chars().collect();
    let from =
        if from < 0 { from + letters.len() as i128 } else { from }.clamp(0, letters.len() as i128) as usize;
    let text: String = letters[from..].iter().collect();
    let parts = match &part {
        Datum::Tuple(parts) => parts.as_ref().clone(),
        _ => vec![part],
    };
    let fits = |part: &Datum| {
        let part =
            part.as_text().ok_or_else(|| Fault::wrong_type(format!("it needs text, not {}", part.what())))?;
        Ok(if start { text.starts_with(part) } else { text.ends_with(part) })
    };
    let fits: Result<Vec<bool>> = parts.iter().map(fits).collect();
    Ok(fits?.contains(&true))
}

fn position(text: &str, name: &str, arguments: &mut Arguments) -> Result<Datum> {
    let part = arguments.required_text("part")?;
    let start = arguments.count("start")?.unwrap_or(0);
    let skipped = text.char_indices().nth(start).map_or(text.len(), |(at, _)| at);
    let found = match name.starts_with('r') {
        true => text[skipped..].rfind(&part),
        false => text[skipped..].find(&part),
    };
    match found {
        Some(at) => Ok(Datum::count(text[..skipped + at].chars().count())),
        None if name.ends_with("index") => Err(Fault::new(format!("{part:?} is not in the text"))),
        None => Ok(Datum::Int(-1)),
    }
}

/// As Python splits: without a separator at white space, which then also goes at the ends.
fn split(text: &str, from_right: bool, arguments: &mut Arguments) -> Result<Datum> {
    let separator = arguments.text("sep")?;
    let limit = arguments.int("maxsplit")?.filter(|limit| *limit >= 0).map(|limit| limit as usize);
    let parts = match (separator, from_right) {
        (Some(separator), _) if separator.is_empty() => return Err(Fault::new("the separator is empty")),
        (Some(separator), false) => match limit {
            Some(limit) => text.splitn(limit + 1, &separator).map(Datum::text).collect(),
            None => text.split(&separator).map(Datum::text).collect(),
        },
        (Some(separator), true) => match limit {
            Some(limit) => {
                let mut parts: Vec<Datum> = text.rsplitn(limit + 1, &separator).map(Datum::text).collect();
                parts.reverse();
                parts
            }
            None => text.split(&separator).map(Datum::text).collect(),
        },
        (None, from_right) => words(text, limit, from_right),
    };
    Ok(Datum::list(parts))
}

fn words(text: &str, limit: Option<usize>, from_right: bool) -> Vec<Datum> {
    let Some(limit) = limit else { return text.split_whitespace().map(Datum::text).collect() };
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while parts.len() < limit {
        let cut = if from_right { rest.rfind(char::is_whitespace) } else { rest.find(char::is_whitespace) };
        let Some(at) = cut else { break };
        let length = rest[at..].chars().next().map_or(1, char::len_utf8);
        let (left, right) = (rest[..at].trim_end(), rest[at + length..].trim_start());
        parts.push(Datum::text(if from_right { right } else { left }));
        rest = if from_right { left } else { right };
    }
    if !rest.is_empty() {
        parts.push(Datum::text(rest));
    }
    if from_right {
        parts.reverse();
    }
    parts
}

fn splitlines(text: &str, keep: bool) -> Datum {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        lines.push(Datum::text(&rest[..if keep { at + length } else { at }]));
        rest = &rest[at + length..];
    }
    if !rest.is_empty() {
        lines.push(Datum::text(rest));
    }
    Datum::list(lines)
}

fn partition(text: &str, from_right: bool, arguments: &mut Arguments) -> Result<Datum> {
    let separator = arguments.required_text("sep")?;
    let parts = if from_right { text.rsplit_once(&separator) } else { text.split_once(&separator) };
    let parts = match (parts, from_right) {
        (Some((left, right)), _) => [left, &separator, right],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    };
    Ok(Datum::tuple(parts.map(Datum::text).to_vec()))
}
