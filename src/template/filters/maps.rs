//! Filters over maps, and those that ask whether there is a value.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::{Datum, Map};
use super::{folded, sorted_by, wrong};

pub const FILTERS: &[(&str, Function)] = &[
    ("default", default),
    ("d", default),
    ("mandatory", mandatory),
    ("ternary", ternary),
    ("type_debug", type_debug),
    ("items", |_, arguments| entries(arguments)),
    ("dict2items", dict2items),
    ("items2dict", items2dict),
    ("dictsort", dictsort),
    ("rekey_on_member", rekey_on_member),
    ("keys", |_, arguments| Ok(Datum::list(map_of(arguments)?.into_keys().collect()))),
    ("values", |_, arguments| Ok(Datum::list(map_of(arguments)?.into_values().collect()))),
    ("dict_kv", dict_kv),
];

/// The map before `|`, when nothing else is passed.
fn map_of(arguments: &mut Arguments) -> Result<Map> {
    let value = arguments.value()?;
    arguments.finish()?;
    value.as_map().ok_or_else(|| wrong(&value, "a map"))
}

fn default(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let other = arguments.take("default_value").unwrap_or_else(|| Datum::text(""));
    let also_empty = arguments.flag("boolean")?;
    arguments.finish()?;
    Ok(match &value {
        Datum::Undefined(_) | Datum::Omitted => other,
        _ if value.is_blank() => value,
        _ if also_empty && !value.truth()? => other,
        _ => value,
    })
}

fn mandatory(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let message = arguments.text("msg")?;
    arguments.finish()?;
    match (&value, message) {
        (Datum::Undefined(_) | Datum::Omitted, Some(message)) => Err(Fault::new(message)),
        (Datum::Omitted, None) => Err(Fault::new("a mandatory value is not set")),
        _ => value.defined(),
    }
}

fn ternary(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let yes =
        arguments.take("true_val").ok_or_else(|| Fault::wrong_arguments("it needs a value for true"))?;
    let no =
        arguments.take("false_val").ok_or_else(|| Fault::wrong_arguments("it needs a value for false"))?;
    let none = arguments.take("none_val").filter(|value| !matches!(value, Datum::None));
    arguments.finish()?;
    match (&value, none) {
        (Datum::None, Some(none)) => Ok(none),
        _ => Ok(if value.truth()? { yes } else { no }),
    }
}

fn type_debug(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    Ok(Datum::text(value.type_name()))
}

fn entries(arguments: &mut Arguments) -> Result<Datum> {
    let map = map_of(arguments)?;
    Ok(Datum::list(map.into_iter().map(|(key, value)| Datum::tuple(vec![key, value])).collect()))
}

fn dict2items(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let key_name = arguments.text("key_name")?.unwrap_or_else(|| "key".to_string());
    let value_name = arguments.text("value_name")?.unwrap_or_else(|| "value".to_string());
    arguments.finish()?;
    let map = value.as_map().ok_or_else(|| wrong(&value, "a map"))?;
    let item = |(key, value)| Datum::record([(key_name.as_str(), key), (value_name.as_str(), value)]);
    Ok(Datum::list(map.into_iter().map(item).collect()))
}

fn items2dict(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let key_name = arguments.take("key_name").unwrap_or_else(|| Datum::text("key"));
    let value_name = arguments.take("value_name").unwrap_or_else(|| Datum::text("value"));
    arguments.finish()?;
    let list = value.as_list().ok_or_else(|| wrong(&value, "a list"))?;
    let mut map = Map::new();
    for item in list {
        let part = |name: &Datum| -> Result<Datum> {
            let at = name.as_int().and_then(|at| usize::try_from(at).ok());
            let found = match (item.as_list(), item.as_map()) {
                (Some(items), _) => at.and_then(|at| items.get(at).cloned()),
                (None, Some(map)) => map.get(name).cloned(),
                (None, None) => return Err(wrong(item, "a list of maps")),
            };
            found
                .ok_or_else(|| Fault::new(format!("an item has no `{}`", name.to_text().unwrap_or_default())))
        };
        map.insert(part(&key_name)?, part(&value_name)?);
    }
    Ok(Datum::map(map))
}

fn dictsort(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let case_sensitive = arguments.flag("case_sensitive")?;
    let by = arguments.text("by")?.unwrap_or_else(|| "key".to_string());
    let reverse = arguments.flag("reverse")?;
    arguments.finish()?;
    let map = value.as_map().ok_or_else(|| wrong(&value, "a map"))?;
    let keyed = map.into_iter().map(|(key, value)| {
        let by = folded(if by == "value" { &value } else { &key }, case_sensitive);
        (by, Datum::tuple(vec![key, value]))
    });
    sorted_by(keyed.collect(), reverse).map(Datum::list)
}

fn rekey_on_member(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let key = arguments.required("key")?;
    let overwrites = arguments.text("duplicates")?.as_deref() == Some("overwrite");
    arguments.finish()?;
    let items = match value.as_map() {
        Some(map) => map.into_values().collect(),
        None => value.items()?,
    };
    let mut map = Map::new();
    for item in items {
        let entries = item.as_map().ok_or_else(|| wrong(&item, "maps"))?;
        let name = || key.to_text().unwrap_or_default();
        let member =
            entries.get(&key).cloned().ok_or_else(|| Fault::new(format!("an item has no `{}`", name())))?;
        if map.contains_key(&member) && !overwrites {
            return Err(Fault::new(format!("two items have the `{}` {}", name(), member.repr()?)));
        }
        map.insert(member, item);
    }
    Ok(Datum::map(map))
}

fn dict_kv(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let key = arguments.required("key")?;
    arguments.finish()?;
    Ok(Datum::map([(key, value)].into_iter().collect()))
}
