//! Filters over lists.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::{Machine, undefined};
use super::super::value::{Datum, Map};
use super::{attribute_of, wrong};

pub const FILTERS: &[(&str, Function)] = &[
    ("first", |_, arguments| end(arguments, true)),
    ("last", |_, arguments| end(arguments, false)),
    ("list", list),
    ("length", length),
    ("count", length),
    ("join", join),
    ("reverse", reverse),
    ("batch", batch),
    ("slice", slice),
    ("flatten", flatten),
    ("zip", |_, arguments| zip(arguments, false)),
    ("zip_longest", |_, arguments| zip(arguments, true)),
    ("subelements", subelements),
    ("extract", extract),
    ("chain", chain),
];

fn end(arguments: &mut Arguments, first: bool) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    arguments.finish()?;
    let item = if first { items.first() } else { items.last() };
    Ok(item.cloned().unwrap_or_else(|| undefined("", Vec::new())))
}

fn list(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    value.items().map(Datum::list)
}

fn length(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    value.length().map(Datum::count)
}

fn join(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let separator = arguments.text("d")?.unwrap_or_default();
    let path = arguments.take("attribute").filter(|path| !matches!(path, Datum::None));
    arguments.finish()?;
    let text = |item: &Datum| match &path {
        Some(path) => attribute_of(machine, item, path)?.to_text(),
        None => item.to_text(),
    };
    Ok(Datum::text(items.iter().map(text).collect::<Result<Vec<_>>>()?.join(&separator)))
}

fn reverse(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    arguments.finish()?;
    if let Datum::Text(text) = &value {
        return Ok(Datum::text(text.chars().rev().collect::<String>()));
    }
    let mut items = value.items()?;
    items.reverse();
    Ok(Datum::list(items))
}

fn batch(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let size = arguments
        .count("linecount")?
        .filter(|size| *size > 0)
        .ok_or_else(|| Fault::wrong_arguments("it needs a size"))?;
    let fill = arguments.take("fill_with").filter(|fill| !matches!(fill, Datum::None));
    arguments.finish()?;
    let filled = |part: &[Datum]| {
        let mut part = part.to_vec();
        if let Some(fill) = &fill {
            part.resize(size, fill.clone());
        }
        Datum::list(part)
    };
    Ok(Datum::list(items.chunks(size).map(filled).collect()))
}

fn slice(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let count = arguments
        .count("slices")?
        .filter(|count| *count > 0)
        .ok_or_else(|| Fault::wrong_arguments("it needs a number"))?;
    let fill = arguments.take("fill_with").filter(|fill| !matches!(fill, Datum::None));
    arguments.finish()?;
    let (size, longer) = (items.len() / count, items.len() % count);
    let mut parts = Vec::new();
    let mut at = 0;
    for part in 0..count.min(super::super::arithmetic::ITEMS_LIMIT) {
        let end = at + size + usize::from(part < longer);
        let mut items = items[at..end].to_vec();
        if let Some(fill) = fill.as_ref().filter(|_| longer > 0 && part >= longer) {
            items.push(fill.clone());
        }
        parts.push(Datum::list(items));
        at = end;
    }
    Ok(Datum::list(parts))
}

fn flatten(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?;
    let levels = arguments.int("levels")?;
    let skip_nulls = arguments.take("skip_nulls").map_or(Ok(true), |flag| flag.truth())?;
    arguments.finish()?;
    let items = items.items()?;
    let mut flat = Vec::new();
    flatten_into(&items, levels, skip_nulls, &mut flat);
    Ok(Datum::list(flat))
}

fn flatten_into(items: &[Datum], levels: Option<i128>, skip_nulls: bool, flat: &mut Vec<Datum>) {
    for item in items {
        let is_null = matches!(item, Datum::None) || matches!(item.as_text(), Some("None" | "null"));
        match item.as_list() {
            _ if is_null && skip_nulls => {}
            Some(inside) if levels.is_none_or(|levels| levels >= 1) => {
                flatten_into(inside, levels.map(|levels| levels - 1), skip_nulls, flat);
            }
            _ => flat.push(item.clone()),
        }
    }
}

fn zip(arguments: &mut Arguments, longest: bool) -> Result<Datum> {
    let mut lists = vec![arguments.value()?.items()?];
    let fill = arguments.named("fillvalue").unwrap_or(Datum::None);
    for list in arguments.rest() {
        lists.push(list.items()?);
    }
    arguments.named("strict");
    arguments.finish()?;
    let lengths = lists.iter().map(Vec::len);
    let length = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let row =
        |at: usize| Datum::tuple(lists.iter().map(|list| list.get(at).unwrap_or(&fill).clone()).collect());
    Ok(Datum::list((0..length).map(row).collect()))
}

fn subelements(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let path = arguments.required("subelements")?;
    let skips = arguments.flag("skip_missing")?;
    arguments.finish()?;
    let elements = match value.as_map() {
        Some(map) => map.into_values().collect(),
        None => value.items()?,
    };
    let path = match path.as_list() {
        Some(parts) => parts.iter().map(Datum::to_text).collect::<Result<Vec<_>>>()?.join("."),
        None => path.to_text()?,
    };
    let mut pairs = Vec::new();
    for element in elements {
        let part = attribute_of(machine, &element, &Datum::text(&path))?;
        if matches!(part, Datum::Undefined(_)) && skips {
            continue;
        }
        if matches!(part, Datum::Undefined(_)) {
            return Err(Fault::new(format!("an item has no `{path}`"))
                .hint("leave such items out with skip_missing=true"));
        }
        let Datum::List(items) = &part else { return Err(wrong(&part, &format!("a list in `{path}`"))) };
        pairs.extend(items.iter().map(|item| Datum::tuple(vec![element.clone(), item.clone()])));
    }
    Ok(Datum::list(pairs))
}

/// `key | extract(container, morekeys)`.
fn extract(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let key = arguments.value()?;
    let mut value = arguments.required("container")?;
    let more = arguments.take("morekeys").filter(|more| !matches!(more, Datum::None));
    arguments.finish()?;
    let more = match &more {
        Some(more) => more.as_list().map_or_else(|| vec![more.clone()], <[Datum]>::to_vec),
        None => Vec::new(),
    };
    for key in std::iter::once(key).chain(more) {
        let name = key.to_text()?;
        value = machine.index(&value, &key, || name.clone())?;
    }
    Ok(value)
}

/// Lists one after the other, or maps on top of each other.
fn chain(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let first = arguments.value()?;
    let rest = arguments.rest();
    arguments.finish()?;
    if let Some(mut map) = first.as_map() {
        rest.iter().filter_map(Datum::as_map).for_each(|other| map.extend(other));
        return Ok(Datum::map(map as Map));
    }
    let mut items = first.items()?;
    for list in rest {
        items.extend(list.items()?);
    }
    Ok(Datum::list(items))
}
