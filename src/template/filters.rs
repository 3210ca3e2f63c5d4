//! Filters over text that Ansible's users expect and MiniJinja lacks or has otherwise.

use crate::model::digest::Digest;
use minijinja::value::{Kwargs, Rest, Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use regex_lite::{Captures, Regex, RegexBuilder};
use serde::Serialize;

/// Adds them all.
pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("as_text", as_text);
    environment.add_filter("bool", boolean);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("regex_search", regex_search);
    environment.add_filter("regex_findall", regex_findall);
    environment.add_filter("regex_escape", |text: &str| regex_lite::escape(text));
    environment.add_filter("to_json", to_json);
    environment.add_filter("to_nice_json", to_nice_json);
    environment.add_filter("from_json", from_json);
    environment.add_filter("b64encode", |text: &str| b64encode(text.as_bytes()));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("hash", hash);
    environment.add_filter("basename", |path: &str| split_path(path).1.to_string());
    environment.add_filter("dirname", |path: &str| split_path(path).0.to_string());
    environment.add_filter("quote", quote);
    environment.add_filter("mandatory", mandatory);
    environment.add_filter("ternary", ternary);
}

/// A regular expression with Ansible's options.
pub fn regex(pattern: &str, options: &Kwargs) -> Result<Regex, Error> {
    let ignore_case = options.get::<Option<bool>>("ignorecase")?.unwrap_or(false);
    let multi_line = options.get::<Option<bool>>("multiline")?.unwrap_or(false);
    let mut builder = RegexBuilder::new(pattern);
    let built = builder.case_insensitive(ignore_case).multi_line(multi_line).build();
    built.map_err(|error| invalid(format!("{pattern:?} is not a regular expression: {error}")))
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// Words count as what they say: MiniJinja would call every text that is not empty true.
fn boolean(value: Value) -> Result<bool, Error> {
    match value.as_str().map(str::to_lowercase).as_deref() {
        Some("yes" | "true" | "on" | "1" | "t" | "y") => Ok(true),
        Some("no" | "false" | "off" | "0" | "f" | "n" | "") => Ok(false),
        Some(other) => Err(invalid(format!("{other:?} is neither true nor false"))),
        None if value.is_undefined() => Err(Error::from(ErrorKind::UndefinedError)),
        None => Ok(value.is_true()),
    }
}

/// Numbers and booleans as they are written in TOML; what else there is stays as it is.
fn as_text(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number => Ok(value.to_string().into()),
        ValueKind::Bool => Ok(value.is_true().to_string().into()),
        _ => defined(value),
    }
}

fn regex_replace(
    text: &str,
    pattern: &str,
    replacement: Option<&str>,
    options: Kwargs,
) -> Result<String, Error> {
    let replacement = replacement.unwrap_or_default();
    let regex = regex(pattern, &options)?;
    options.assert_all_used()?;
    Ok(regex.replace_all(text, |groups: &Captures| expand(replacement, groups)).into_owned())
}

/// Puts the groups into a replacement written as in Python: `\1`, `\g<name>`, `\\`.
fn expand(replacement: &str, groups: &Captures) -> String {
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (group, after) = reference(&rest[at + 1..], groups);
        text.push_str(group);
        rest = after;
    }
    text + rest
}

/// What stands for the reference after a backslash, and what follows it.
fn reference<'a>(after: &'a str, groups: &'a Captures) -> (&'a str, &'a str) {
    let numbered = |name: &str| name.parse().ok().and_then(|number: usize| groups.get(number));
    if let Some((name, rest)) = after.strip_prefix("g<").and_then(|named| named.split_once('>')) {
        let group = numbered(name).or_else(|| groups.name(name));
        return (group.map_or("", |group| group.as_str()), rest);
    }
    let digits = after.bytes().take(2).take_while(u8::is_ascii_digit).count();
    match (digits, after.strip_prefix('\\')) {
        (0, Some(rest)) => ("\\", rest),
        (0, None) => ("\\", after),
        _ => (numbered(&after[..digits]).map_or("", |group| group.as_str()), &after[digits..]),
    }
}

/// The first match, or the groups asked for (`'\\1'`, `'\\g<name>'`) as a list; none when nothing matches.
fn regex_search(text: &str, pattern: &str, groups: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    let regex = regex(pattern, &options)?;
    options.assert_all_used()?;
    let Some(found) = regex.captures(text) else { return Ok(Value::from(())) };
    if groups.is_empty() {
        return Ok(Value::from(&found[0]));
    }
    Ok(groups.iter().map(|group| Value::from(expand(&group.to_string(), &found))).collect())
}

/// All matches: the only group when there is one, lists of groups when there are more.
fn regex_findall(text: &str, pattern: &str, options: Kwargs) -> Result<Value, Error> {
    let regex = regex(pattern, &options)?;
    options.assert_all_used()?;
    Ok(regex.captures_iter(text).map(|found| groups_of(&found)).collect())
}

fn groups_of(found: &Captures) -> Value {
    let group = |number| Value::from(found.get(number).map_or("", |group| group.as_str()));
    match found.len() {
        1 => group(0),
        2 => group(1),
        count => (1..count).map(group).collect(),
    }
}

fn to_json(value: Value) -> Result<String, Error> {
    serde_json::to_string(&defined(value)?).map_err(|error| invalid(error.to_string()))
}

/// Indented by four spaces unless `indent` says otherwise, as Ansible does.
fn to_nice_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent = " ".repeat(options.get::<Option<u8>>("indent")?.unwrap_or(4).into());
    options.assert_all_used()?;
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    defined(value)?.serialize(&mut serializer).map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))
}

fn from_json(text: &str) -> Result<Value, Error> {
    let value: crate::model::Value =
        serde_json::from_str(text).map_err(|error| invalid(format!("this is not JSON: {error}")))?;
    Ok(Value::from(Serde(value)))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn b64encode(bytes: &[u8]) -> String {
    bytes.chunks(3).flat_map(four_letters).collect()
}

fn four_letters(three: &[u8]) -> [char; 4] {
    let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    let letter = |at: usize| match at > three.len() {
        true => '=',
        false => char::from(BASE64[(bits >> (18 - 6 * at)) as usize & 63]),
    };
    [letter(0), letter(1), letter(2), letter(3)]
}

fn b64decode(text: &str) -> Result<String, Error> {
    let letters = text.trim_end_matches('=').bytes().filter(|byte| !byte.is_ascii_whitespace());
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for letter in letters {
        let value = BASE64.iter().position(|known| *known == letter);
        let value = value.ok_or_else(|| invalid("this is not base64"))?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid("what was encoded as base64 is not text"))
}

fn hash(text: &str, algorithm: Option<&str>) -> Result<String, Error> {
    match algorithm.unwrap_or("sha256") {
        "sha256" => Ok(Digest::of(text.as_bytes()).as_str().to_string()),
        other => Err(invalid(format!("{other} is not known; sha256 is"))),
    }
}

/// Folder and name, as Python's `os.path.split`.
fn split_path(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((folder, name)) => (folder.trim_end_matches('/'), name),
        None => ("", path),
    }
}

/// The text as one word of a shell's command line.
fn quote(value: Value) -> Result<String, Error> {
    let text = defined(value)?.to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => Ok(text),
        false => Ok(format!("'{}'", text.replace('\'', "'\"'\"'"))),
    }
}

fn mandatory(value: Value, message: Option<&str>) -> Result<Value, Error> {
    match message {
        Some(message) if value.is_undefined() => Err(invalid(message)),
        _ => defined(value),
    }
}

fn ternary(value: Value, yes: Value, no: Value, none: Option<Value>) -> Result<Value, Error> {
    match none {
        Some(none) if value.is_none() => Ok(none),
        _ => Ok(if defined(value)?.is_true() { yes } else { no }),
    }
}

/// Refuses a value that is undefined.
pub fn defined(value: Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(Error::from(ErrorKind::UndefinedError)) } else { Ok(value) }
}
