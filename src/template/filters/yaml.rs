//! YAML: read, and written as PyYAML writes it.

use super::super::arithmetic::fitting;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::show::float;
use super::super::value::{Datum, Map};
use super::encode::sorted_entries;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

pub const FILTERS: &[(&str, Function)] = &[
    ("to_yaml", |_, arguments| to_yaml(arguments, false)),
    ("to_nice_yaml", |_, arguments| to_yaml(arguments, true)),
    ("from_yaml", from_yaml),
    ("from_yaml_all", from_yaml_all),
];

/// An alias may repeat at most this many values: a few lines can stand for very many.
const VALUES_LIMIT: usize = 1_000_000;

/// Maps and lists may be nested this deep.
const DEPTH_LIMIT: usize = 200;

fn from_yaml(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    let Datum::Text(text) = &value else { return Ok(value) };
    let mut documents = read(text)?;
    match documents.len() {
        0 => Ok(Datum::None),
        1 => Ok(documents.swap_remove(0)),
        count => Err(Fault::new(format!("it has {count} documents")).hint("use `| from_yaml_all`")),
    }
}

fn from_yaml_all(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    match &value {
        Datum::None => Ok(Datum::list(Vec::new())),
        Datum::Text(text) => read(text).map(Datum::list),
        _ => Ok(value),
    }
}

/// The documents of a YAML text, by the rules of YAML 1.1 that Ansible follows: `yes` is true.
pub fn read(text: &str) -> Result<Vec<Datum>> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0, depth: 0 };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                let event = reader.next()?;
                documents.push(reader.value(event)?);
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Datum>,
    values: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker();
                Err(Fault::new(format!("line {}, column {}: {}", at.line(), at.col() + 1, error.info())))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<Datum> {
        self.values += 1;
        self.depth += 1;
        if self.values > VALUES_LIMIT || self.depth > DEPTH_LIMIT {
            return Err(Fault::new("this YAML is too large or nested too deep"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.suffix.to_string());
                let value = match (style, tag.as_deref()) {
                    (_, Some("str")) => Datum::text(text),
                    (ScalarStyle::Plain, _) => resolved(&text)?,
                    (_, Some("int" | "float" | "bool" | "null")) => resolved(&text)?,
                    _ => Datum::text(text),
                };
                self.kept(anchor, value)
            }
            Event::SequenceStart(anchor, _) => {
                let items = self.items()?;
                self.kept(anchor, Datum::list(items))
            }
            Event::MappingStart(anchor, _) => {
                let map = self.map()?;
                self.kept(anchor, Datum::map(map))
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                value.ok_or_else(|| Fault::new("an alias stands for nothing"))?
            }
            _ => Datum::None,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn kept(&mut self, anchor: usize, value: Datum) -> Datum {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        value
    }

    fn items(&mut self) -> Result<Vec<Datum>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd | Event::StreamEnd => return Ok(items),
                event => items.push(self.value(event)?),
            }
        }
    }

    /// `<<` takes the entries of other maps in, under those that are written here.
    fn map(&mut self) -> Result<Map> {
        let (mut map, mut merged) = (Map::new(), Map::new());
        loop {
            let key = match self.next()? {
                Event::MappingEnd | Event::StreamEnd => break,
                event => self.value(event)?,
            };
            let event = self.next()?;
            let value = self.value(event)?;
            if key.as_text() != Some("<<") {
                map.insert(key, value);
                continue;
            }
            for other in value.as_list().map_or_else(|| vec![value.clone()], <[Datum]>::to_vec) {
                for (key, value) in other.as_map().unwrap_or_default() {
                    merged.entry(key).or_insert(value);
                }
            }
        }
        merged.extend(map);
        Ok(merged)
    }
}

/// What a plain word is: YAML 1.1's booleans and numbers. Fails for a whole number with too many digits.
pub fn resolved(text: &str) -> Result<Datum> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Datum::None,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Datum::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Datum::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => Datum::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Datum::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Datum::Float(f64::NAN),
        _ => number(text)?.unwrap_or_else(|| Datum::text(text)),
    })
}

/// A whole number of these digits, where they are digits.
fn whole(digits: &str, base: u32) -> Result<Option<i128>> {
    match !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base)) {
        true => fitting(i128::from_str_radix(digits, base).ok()).map(Some),
        false => Ok(None),
    }
}

fn number(text: &str) -> Result<Option<Datum>> {
    let (sign, digits): (i32, &str) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    if !digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        return Ok(None);
    }
    let plain = digits.replace('_', "");
    let whole = match plain.as_str() {
        hex if hex.starts_with("0x") => whole(&hex[2..], 16)?,
        bits if bits.starts_with("0b") => whole(&bits[2..], 2)?,
        octal
            if octal.len() > 1
                && octal.starts_with('0')
                && octal.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            whole(&octal[1..], 8)?
        }
        sixty if sixty.contains(':') => sexagesimal(sixty)?,
        decimal => whole(decimal, 10)?,
    };
    if let Some(whole) = whole {
        return Ok(Some(Datum::Int(i128::from(sign) * whole)));
    }
    // YAML 1.1 wants a point in a number with an exponent, and a sign in the exponent.
    let (mantissa, exponent) = plain
        .split_once(['e', 'E'])
        .map_or((plain.as_str(), None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let fits = mantissa.contains('.')
        && mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && exponent.is_none_or(|exponent| exponent.starts_with(['+', '-']));
    let number = plain.parse::<f64>().ok().filter(|_| fits && plain != ".");
    Ok(number.map(|number| Datum::Float(f64::from(sign) * number)))
}

/// `1:30` is ninety.
fn sexagesimal(text: &str) -> Result<Option<i128>> {
    let parts = text.split(':').map(|part| whole(part, 10)).collect::<Result<Option<Vec<i128>>>>()?;
    let parts = parts.filter(|parts| parts.iter().skip(1).all(|part| (0..60).contains(part)));
    let add = |total: i128, part: i128| fitting(total.checked_mul(60).and_then(|sum| sum.checked_add(part)));
    parts.map(|parts| parts.into_iter().try_fold(0, add)).transpose()
}

fn to_yaml(arguments: &mut Arguments, nice: bool) -> Result<Datum> {
    let value = arguments.value()?;
    let indent = if nice {
        arguments.count("indent")?.unwrap_or(4)
    } else {
        arguments.named("indent").and_then(|indent| indent.as_int()).unwrap_or(2) as usize
    };
    let flow =
        arguments.named("default_flow_style").unwrap_or(if nice { Datum::Bool(false) } else { Datum::None });
    let sorted = arguments.named("sort_keys").map_or(Ok(true), |flag| flag.truth())?;
    let width = arguments.named("width").and_then(|width| width.as_int()).unwrap_or(80);
    let starts = arguments.named("explicit_start").map_or(Ok(false), |flag| flag.truth())?;
    for ignored in
        ["allow_unicode", "canonical", "explicit_end", "line_break", "encoding", "dump_skip_unknown"]
    {
        arguments.named(ignored);
    }
    arguments.finish()?;
    let flow = match flow {
        Datum::None => None,
        other => Some(other.truth()?),
    };
    let mut writer = super::super::yaml_writer::Writer::new(indent.clamp(2, 9), width.max(20) as usize, flow);
    let value = if sorted { in_order(&value)? } else { value };
    writer.document(&value, starts)?;
    Ok(Datum::text(writer.finish()))
}

/// The same value with the keys of its maps in order.
fn in_order(value: &Datum) -> Result<Datum> {
    if let Some(items) = value.as_list() {
        return items.iter().map(in_order).collect::<Result<Vec<_>>>().map(Datum::list);
    }
    let Some(map) = value.as_map() else { return Ok(value.clone()) };
    // Keys of different types stay as they are, as in PyYAML.
    let entries = sorted_by_key(map.clone()).unwrap_or_else(|_| map.into_iter().collect());
    let entries = entries.into_iter().map(|(key, value)| Ok((key, in_order(&value)?)));
    entries.collect::<Result<Map>>().map(Datum::map)
}

/// Case matters here, other than in lists of a template.
fn sorted_by_key(map: Map) -> Result<Vec<(Datum, Datum)>> {
    sorted_entries(map)
}

/// A number or a boolean as YAML has it.
pub fn plain(value: &Datum) -> Option<String> {
    Some(match value {
        Datum::None | Datum::Omitted => "null".to_string(),
        Datum::Bool(boolean) => boolean.to_string(),
        Datum::Int(number) => number.to_string(),
        Datum::Float(number) if number.is_nan() => ".nan".to_string(),
        Datum::Float(number) if number.is_infinite() => {
            if *number > 0.0 { ".inf" } else { "-.inf" }.to_string()
        }
        Datum::Float(number) => match float(*number) {
            text if text.contains('e') && !text.contains('.') => text.replacen('e', ".0e", 1),
            text => text,
        },
        _ => return None,
    })
}
