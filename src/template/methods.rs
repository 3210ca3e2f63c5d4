//! Methods and properties of values, as Python has them.

mod text;

use super::call::Arguments;
use super::fault::{Fault, Result};
use super::machine::unknown;
use super::moment::Moment;
use super::value::{Datum, Map};

const OF_MAPS: &[&str] = &["keys", "values", "items", "get", "copy"];

const OF_LISTS: &[&str] = &["index", "count", "copy"];

/// Methods that change the variable which holds the list or the map.
const CHANGES_LISTS: &[&str] = &["append", "extend", "insert", "pop", "remove", "sort", "reverse", "clear"];

const CHANGES_MAPS: &[&str] = &["update", "pop", "setdefault", "clear", "popitem"];

const OF_MOMENTS: &[&str] =
    &["strftime", "isoformat", "timestamp", "date", "time", "weekday", "isoweekday", "ctime"];

const MOMENT_PROPERTIES: &[&str] = &["year", "month", "day", "hour", "minute", "second", "microsecond"];

const OF_LENGTHS: &[&str] = &["total_seconds"];

const LENGTH_PROPERTIES: &[&str] = &["days", "seconds", "microseconds"];

const OF_NUMBERS: &[&str] = &["bit_length", "is_integer"];

/// Every method and property that some value has, for checks before anything is known.
pub fn all() -> impl Iterator<Item = &'static str> {
    let lists =
        [OF_MAPS, OF_LISTS, CHANGES_LISTS, CHANGES_MAPS, OF_MOMENTS, OF_LENGTHS, OF_NUMBERS, text::NAMES];
    lists.into_iter().flatten().copied().chain(["cycle", "changed"])
}

/// Whether a value has this method.
pub fn exists(value: &Datum, name: &str) -> bool {
    of(value).iter().any(|list| list.contains(&name))
}

fn of(value: &Datum) -> [&'static [&'static str]; 2] {
    match value {
        Datum::Text(_) => [text::NAMES, &[]],
        Datum::Map(_) | Datum::Object(_) | Datum::Namespace(_) => [OF_MAPS, CHANGES_MAPS],
        Datum::List(_) => [OF_LISTS, CHANGES_LISTS],
        Datum::Tuple(_) => [OF_LISTS, &[]],
        Datum::Moment(_) => [OF_MOMENTS, &[]],
        Datum::Length(_) => [OF_LENGTHS, &[]],
        Datum::Int(_) | Datum::Float(_) => [OF_NUMBERS, &[]],
        _ => [&[], &[]],
    }
}

/// A property that is no method: `.year` of a date.
pub fn property(value: &Datum, name: &str) -> Option<Datum> {
    Some(match value {
        Datum::Moment(moment) => {
            let parts = moment.parts();
            Datum::Int(match name {
                "year" => parts.year.into(),
                "month" => parts.month.into(),
                "day" => parts.day.into(),
                "hour" => parts.hour.into(),
                "minute" => parts.minute.into(),
                "second" => parts.second.into(),
                "microsecond" => parts.micro.into(),
                _ => return None,
            })
        }
        Datum::Length(length) => Datum::Int(match name {
            "days" => length.days(),
            "seconds" => length.rest_seconds(),
            "microseconds" => length.rest_micros(),
            _ => return None,
        }),
        // What `groupby` gives.
        Datum::Tuple(pair) if pair.len() == 2 && matches!(pair[1], Datum::List(_)) => match name {
            "grouper" => pair[0].clone(),
            "list" => pair[1].clone(),
            _ => return None,
        },
        _ => return None,
    })
}

/// The keys, properties and methods of a value, for hints.
pub fn keys(value: &Datum) -> Vec<String> {
    let own: Vec<String> = match value {
        Datum::Map(map) => map.keys().filter_map(|key| key.as_text().map(str::to_string)).collect(),
        Datum::Object(object) => object.keys(),
        Datum::Moment(_) => MOMENT_PROPERTIES.iter().map(|name| name.to_string()).collect(),
        Datum::Length(_) => LENGTH_PROPERTIES.iter().map(|name| name.to_string()).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(of(value).into_iter().flatten().map(|name| name.to_string())).collect()
}

/// Calls a method.
pub fn call(value: &Datum, name: &str, arguments: &mut Arguments) -> Result<Datum> {
    let result = match value {
        Datum::Undefined(missing) => return Err(Fault::undefined(missing)),
        Datum::Text(text) => text::call(text, name, arguments)?,
        Datum::List(items) | Datum::Tuple(items) => of_list(value, items, name, arguments)?,
        Datum::Moment(moment) => of_moment(*moment, name, arguments)?,
        Datum::Length(length) if name == "total_seconds" => Some(Datum::Float(length.total_seconds())),
        Datum::Int(number) if name == "bit_length" => {
            Some(Datum::Int((128 - number.unsigned_abs().leading_zeros()).into()))
        }
        Datum::Float(number) if name == "is_integer" => Some(Datum::Bool(number.fract() == 0.0)),
        other => match other.as_map() {
            Some(map) => of_map(&map, name, arguments)?,
            None => None,
        },
    };
    let result = result.ok_or_else(|| {
        let known = keys(value);
        let fault = unknown("method", name, known.iter().map(String::as_str));
        Fault { why: format!("{} has no method `{name}`", value.what()), ..fault }
    })?;
    arguments
        .finish()
        .map_err(|fault| Fault { why: format!("the method `{name}`: {}", fault.why), ..fault })?;
    Ok(result)
}

fn of_map(map: &Map, name: &str, arguments: &mut Arguments) -> Result<Option<Datum>> {
    Ok(Some(match name {
        "keys" => Datum::list(map.keys().cloned().collect()),
        "values" => Datum::list(map.values().cloned().collect()),
        "items" => {
            let pair = |(key, value): (&Datum, &Datum)| Datum::tuple(vec![key.clone(), value.clone()]);
            Datum::list(map.iter().map(pair).collect())
        }
        "get" => {
            let key = arguments.required("key")?;
            let other = arguments.take("default").unwrap_or(Datum::None);
            map.get(&key).cloned().unwrap_or(other)
        }
        "copy" => Datum::map(map.clone()),
        _ => return Ok(None),
    }))
}

fn of_list(value: &Datum, items: &[Datum], name: &str, arguments: &mut Arguments) -> Result<Option<Datum>> {
    Ok(Some(match name {
        "index" => {
            let wanted = arguments.required("value")?;
            let start = arguments.count("start")?.unwrap_or(0);
            let at = items.iter().skip(start).position(|item| *item == wanted);
            let at = at.ok_or_else(|| {
                Fault::new(format!("{} is not in the list", wanted.repr().unwrap_or_default()))
            })?;
            Datum::count(at + start)
        }
        "count" => {
            let wanted = arguments.required("value")?;
            Datum::count(items.iter().filter(|item| **item == wanted).count())
        }
        "copy" => value.clone(),
        _ => return Ok(None),
    }))
}

fn of_moment(moment: Moment, name: &str, arguments: &mut Arguments) -> Result<Option<Datum>> {
    let micros = if moment.parts().micro > 0 { ".%f" } else { "" };
    Ok(Some(match name {
        "strftime" => moment.format(&arguments.required_text("format")?).into(),
        "isoformat" => {
            let separator = arguments.text("sep")?.unwrap_or_else(|| "T".to_string());
            moment.format(&format!("%Y-%m-%d{separator}%H:%M:%S{micros}")).into()
        }
        "timestamp" => Datum::Float(moment.seconds()),
        "date" => moment.format("%Y-%m-%d").into(),
        "time" => moment.format(&format!("%H:%M:%S{micros}")).into(),
        "weekday" => Datum::Int(moment.weekday().into()),
        "isoweekday" => Datum::Int((moment.weekday() + 1).into()),
        "ctime" => moment.format("%c").into(),
        _ => return Ok(None),
    }))
}

/// Whether a method changes the list or the map it is called on.
pub fn changes(value: &Datum, name: &str) -> bool {
    match value {
        Datum::List(_) => CHANGES_LISTS.contains(&name),
        Datum::Map(map) => {
            CHANGES_MAPS.contains(&name) && !matches!(map.get(&Datum::text(name)), Some(Datum::Callable(_)))
        }
        _ => false,
    }
}

/// The changed list or map, and what the method gives.
pub fn change(value: &Datum, name: &str, arguments: &mut Arguments) -> Result<(Datum, Datum)> {
    let changed = match value {
        Datum::List(items) => {
            let mut items = items.as_ref().clone();
            let result = change_list(&mut items, name, arguments)?;
            (Datum::list(items), result)
        }
        Datum::Map(map) => {
            let mut map = map.as_ref().clone();
            let result = change_map(&mut map, name, arguments)?;
            (Datum::map(map), result)
        }
        other => (other.clone(), Datum::None),
    };
    arguments.finish()?;
    Ok(changed)
}

fn change_list(items: &mut Vec<Datum>, name: &str, arguments: &mut Arguments) -> Result<Datum> {
    let place = |at: i128, length: usize| {
        if at < 0 { at + length as i128 } else { at }.clamp(0, length as i128) as usize
    };
    match name {
        "append" => items.push(arguments.required("item")?),
        "extend" => items.extend(arguments.required("items")?.items()?),
        "insert" => {
            let at = place(arguments.int("index")?.unwrap_or(0), items.len());
            items.insert(at, arguments.required("item")?);
        }
        "pop" => {
            let at = place(arguments.int("index")?.unwrap_or(-1), items.len());
            return match at < items.len() {
                true => Ok(items.remove(at)),
                false => Err(Fault::new("the list has no such item to take")),
            };
        }
        "remove" => {
            let item = arguments.required("item")?;
            let at = items.iter().position(|known| *known == item);
            items.remove(at.ok_or_else(|| Fault::new("the item is not in the list"))?);
        }
        "sort" => *items = super::filters::sorted(items, arguments.flag("reverse")?, false)?,
        "reverse" => items.reverse(),
        _ => items.clear(),
    }
    Ok(Datum::None)
}

fn change_map(map: &mut Map, name: &str, arguments: &mut Arguments) -> Result<Datum> {
    match name {
        "update" => {
            if let Some(other) = arguments.take("other") {
                let other =
                    other.as_map().ok_or_else(|| Fault::new(format!("{} is no map", other.what())))?;
                map.extend(other);
            }
            map.extend(arguments.rest_named().into_iter().map(|(name, value)| (Datum::text(name), value)));
        }
        "pop" => {
            let key = arguments.required("key")?;
            let other = arguments.take("default");
            return match (map.shift_remove(&key), other) {
                (Some(value), _) | (None, Some(value)) => Ok(value),
                (None, None) => Err(Fault::new(format!("the map has no key {}", key.repr()?))),
            };
        }
        "setdefault" => {
            let key = arguments.required("key")?;
            let other = arguments.take("default").unwrap_or(Datum::None);
            return Ok(map.entry(key).or_insert(other).clone());
        }
        "popitem" => {
            let (key, value) = map.pop().ok_or_else(|| Fault::new("the map is empty"))?;
            return Ok(Datum::tuple(vec![key, value]));
        }
        _ => map.clear(),
    }
    Ok(Datum::None)
}
