//! JSON and base64, and quotes for shells.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::show::float;
use super::super::value::{Datum, Map};
use super::{json, sorted_by};

pub const FILTERS: &[(&str, Function)] = &[
    ("to_json", |_, arguments| to_json(arguments, false)),
    ("to_nice_json", |_, arguments| to_json(arguments, true)),
    ("tojson", tojson),
    ("from_json", from_json),
    ("b64encode", b64encode),
    ("b64decode", b64decode),
    ("quote", quote),
    ("as_text", as_text),
];

/// How JSON is written.
struct Style {
    indent: Option<usize>,
    sorted: bool,
    ascii: bool,
    between: String,
    after_key: String,
}

fn to_json(arguments: &mut Arguments, nice: bool) -> Result<Datum> {
    let value = arguments.value()?;
    let indent = arguments.count("indent")?;
    let indent = if nice { Some(indent.unwrap_or(4)) } else { indent };
    let flag = |value: Option<Datum>, usual: bool| value.map_or(Ok(usual), |value| value.truth());
    let sorted = flag(arguments.named("sort_keys"), nice)?;
    let ascii = flag(arguments.named("ensure_ascii"), true)?;
    let separators = arguments.named("separators");
    for ignored in ["preprocess_unsafe", "vault_to_text", "profile"] {
        arguments.named(ignored);
    }
    arguments.finish()?;
    let usual = [if indent.is_some() { "," } else { ", " }, ": "].map(str::to_string);
    let [between, after_key] = match separators.as_ref().and_then(Datum::as_list) {
        Some([between, after_key]) => [between.to_text()?, after_key.to_text()?],
        _ => usual,
    };
    let style = Style { indent, sorted, ascii, between, after_key };
    let mut out = String::new();
    write_json(&value, &style, 0, &mut out)?;
    Ok(Datum::text(out))
}

/// As Jinja has it: keys in order, and nothing in it that HTML could take for a tag.
fn tojson(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let indent = arguments.count("indent")?;
    arguments.finish()?;
    let between = if indent.is_some() { "," } else { ", " };
    let style = Style {
        indent,
        sorted: true,
        ascii: true,
        between: between.to_string(),
        after_key: ": ".to_string(),
    };
    let mut out = String::new();
    write_json(&value, &style, 0, &mut out)?;
    let safe = [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("'", "\\u0027")];
    Ok(Datum::text(safe.iter().fold(out, |out, (sign, code)| out.replace(sign, code))))
}

fn write_json(value: &Datum, style: &Style, depth: usize, out: &mut String) -> Result<()> {
    match value {
        Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
        Datum::None | Datum::Omitted => out.push_str("null"),
        Datum::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Datum::Int(number) => out.push_str(&number.to_string()),
        Datum::Float(number) => out.push_str(&match number {
            number if number.is_nan() => "NaN".to_string(),
            number if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_string()
            }
            number => float(*number),
        }),
        Datum::Text(text) => write_text(text, style.ascii, out),
        Datum::List(items) | Datum::Tuple(items) => {
            write_all(items.iter(), ["[", "]"], style, depth, out, |item, out| {
                write_json(item, style, depth + 1, out)
            })?;
        }
        Datum::Moment(_) | Datum::Length(_) => {
            write_text(&value.to_text()?.replacen(' ', "T", 1), style.ascii, out)
        }
        other => {
            let map = other.as_map().ok_or_else(|| Fault::new(format!("{} cannot be JSON", other.what())))?;
            let entries = if style.sorted { sorted_entries(map)? } else { map.into_iter().collect() };
            write_all(entries.iter(), ["{", "}"], style, depth, out, |(key, value), out| {
                write_text(&key_text(key)?, style.ascii, out);
                out.push_str(&style.after_key);
                write_json(value, style, depth + 1, out)
            })?;
        }
    }
    Ok(())
}

fn key_text(key: &Datum) -> Result<String> {
    Ok(match key {
        Datum::None => "null".to_string(),
        Datum::Bool(boolean) => boolean.to_string(),
        other => other.to_text()?,
    })
}

/// The entries of a map in the order of their keys.
pub fn sorted_entries(map: Map) -> Result<Vec<(Datum, Datum)>> {
    let keyed = map.into_iter().map(|(key, value)| (key.clone(), Datum::tuple(vec![key, value]))).collect();
    let pair = |pair: Datum| match pair.as_list() {
        Some([key, value]) => (key.clone(), value.clone()),
        _ => (Datum::None, Datum::None),
    };
    Ok(sorted_by(keyed, false)?.into_iter().map(pair).collect())
}

fn write_all<T>(
    items: impl ExactSizeIterator<Item = T>,
    [open, close]: [&str; 2],
    style: &Style,
    depth: usize,
    out: &mut String,
    mut write: impl FnMut(T, &mut String) -> Result<()>,
) -> Result<()> {
    out.push_str(open);
    let is_empty = items.len() == 0;
    let newline = |depth: usize, out: &mut String| {
        if let Some(indent) = style.indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(&style.between);
        }
        newline(depth + 1, out);
        write(item, out)?;
    }
    if !is_empty {
        newline(depth, out);
    }
    out.push_str(close);
    Ok(())
}

fn write_text(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            letter
                if (letter as u32) < 0x20 || (ascii && !letter.is_ascii()) || letter == '\x7f' && ascii =>
            {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

fn from_json(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.named("profile");
    arguments.finish()?;
    json::read(&value.to_text()?)
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let padded = [part[0], *part.get(1).unwrap_or(&0), *part.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for at in 0..4 {
            let digit = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= part.len() { digit as char } else { '=' });
        }
    }
    text
}

fn b64encode(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.text("encoding")?;
    let url = arguments.flag("urlsafe")?;
    arguments.finish()?;
    let encoded = base64(text.as_bytes());
    Ok(Datum::text(if url { encoded.replace('+', "-").replace('/', "_") } else { encoded }))
}

fn b64decode(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.text("encoding")?;
    arguments.flag("urlsafe")?;
    arguments.finish()?;
    let not_base64 = || Fault::new("this is not base64");
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let letter = match letter {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
        let digit = LETTERS.iter().position(|known| *known == letter).ok_or_else(not_base64)?;
        (bits, count) = (bits << 6 | digit as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let lost = Fault::new("the bytes in it are no UTF-8 text");
    String::from_utf8(bytes).map(Datum::text).map_err(|_| lost)
}

/// Text as one word of a shell.
pub fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "@%_-+=:,./".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', "'\"'\"'")),
    }
}

fn quote(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    let text = if matches!(value, Datum::None) { String::new() } else { value.to_text()? };
    Ok(Datum::text(quoted(&text)))
}

/// Numbers and booleans as text; what else there is stays as it is.
fn as_text(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    Ok(match &value {
        Datum::Int(_) | Datum::Float(_) | Datum::Bool(_) => Datum::text(value.to_text()?),
        _ => value,
    })
}
