//! Filters that choose items of lists, or look at a part of each.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::{Machine, undefined};
use super::super::tests_of_values;
use super::super::value::{Datum, Map};
use super::{folded, sorted_by};

pub const FILTERS: &[(&str, Function)] = &[
    ("map", map),
    ("select", |machine, arguments| select(machine, arguments, false, true)),
    ("reject", |machine, arguments| select(machine, arguments, false, false)),
    ("selectattr", |machine, arguments| select(machine, arguments, true, true)),
    ("rejectattr", |machine, arguments| select(machine, arguments, true, false)),
    ("groupby", groupby),
    ("sort", sort),
    ("unique", unique),
    ("min", |machine, arguments| extreme(machine, arguments, false)),
    ("max", |machine, arguments| extreme(machine, arguments, true)),
    ("attr", attr),
    ("sum", sum),
];

/// A part of a value by a dotted path: `address.city`, `0`.
pub fn attribute_of(machine: &Machine, item: &Datum, path: &Datum) -> Result<Datum> {
    if path.as_int().is_some() {
        return machine.index(item, path, || path.to_text().unwrap_or_default());
    }
    let path = path.to_text()?;
    let mut value = item.clone();
    for part in path.split('.') {
        value = match part.parse::<i128>() {
            Ok(at) => machine.index(&value, &Datum::Int(at), || path.clone())?,
            Err(_) => machine.attribute(&value, part, || path.clone()),
        };
    }
    Ok(value)
}

fn map(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    if let Some(path) = arguments.named("attribute") {
        let other = arguments.named("default");
        arguments.finish()?;
        let part = |item: &Datum| match (attribute_of(machine, item, &path)?, &other) {
            (Datum::Undefined(_), Some(other)) => Ok(other.clone()),
            (value, _) => Ok(value),
        };
        return items.iter().map(part).collect::<Result<Vec<_>>>().map(Datum::list);
    }
    let name = arguments.required_text("filter")?;
    let name = name.rsplit('.').next().unwrap_or(&name).to_string();
    let (rest, named) = (arguments.rest(), arguments.rest_named());
    let applied = items.into_iter().map(|item| {
        let arguments = Arguments::new(rest.clone(), named.clone()).with_value(item);
        machine.apply_filter(&name, arguments)
    });
    applied.collect::<Result<Vec<_>>>().map(Datum::list)
}

fn select(machine: &mut Machine, arguments: &mut Arguments, by_part: bool, keeps: bool) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let path = if by_part { Some(arguments.required("attribute")?) } else { None };
    let test = arguments.text("test")?;
    let (rest, named) = (arguments.rest(), arguments.rest_named());
    let mut chosen = Vec::new();
    for item in items {
        let part = match &path {
            Some(path) => attribute_of(machine, &item, path)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some(test) => {
                let test = test.rsplit('.').next().unwrap_or(test);
                tests_of_values::apply(
                    machine,
                    test,
                    Arguments::new(rest.clone(), named.clone()).with_value(part),
                )?
            }
            None => part.truth()?,
        };
        if holds == keeps {
            chosen.push(item);
        }
    }
    Ok(Datum::list(chosen))
}

/// The keys that items are sorted by: themselves, or parts of them (`age,name`).
fn keyed(
    machine: &Machine,
    items: Vec<Datum>,
    path: Option<Datum>,
    case_sensitive: bool,
) -> Result<Vec<(Datum, Datum)>> {
    let key = |item: &Datum| -> Result<Datum> {
        let Some(path) = &path else { return Ok(folded(item, case_sensitive)) };
        let parts: Vec<Datum> = match path {
            Datum::Text(text) if text.contains(',') => {
                text.split(',').map(|part| Datum::text(part.trim())).collect()
            }
            other => vec![other.clone()],
        };
        let keys = parts.iter().map(|part| {
            let key = attribute_of(machine, item, part)?.defined()?;
            Ok(folded(&key, case_sensitive))
        });
        let mut keys = keys.collect::<Result<Vec<_>>>()?;
        Ok(if keys.len() == 1 { keys.swap_remove(0) } else { Datum::list(keys) })
    };
    items.into_iter().map(|item| Ok((key(&item)?, item))).collect()
}

fn sort(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let (reverse, case_sensitive) = (arguments.flag("reverse")?, arguments.flag("case_sensitive")?);
    let path = arguments.take("attribute").filter(|path| !matches!(path, Datum::None));
    arguments.finish()?;
    sorted_by(keyed(machine, items, path, case_sensitive)?, reverse).map(Datum::list)
}

fn unique(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let case_sensitive = arguments.flag("case_sensitive")?;
    let path = arguments.take("attribute").filter(|path| !matches!(path, Datum::None));
    arguments.finish()?;
    let mut seen = Map::new();
    let mut kept = Vec::new();
    for (key, item) in keyed(machine, items, path, case_sensitive)? {
        if seen.insert(key, Datum::None).is_none() {
            kept.push(item);
        }
    }
    Ok(Datum::list(kept))
}

fn extreme(machine: &mut Machine, arguments: &mut Arguments, largest: bool) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let case_sensitive = arguments.flag("case_sensitive")?;
    let path = arguments.take("attribute").filter(|path| !matches!(path, Datum::None));
    arguments.finish()?;
    let sorted = sorted_by(keyed(machine, items, path, case_sensitive)?, largest)?;
    Ok(sorted.into_iter().next().unwrap_or_else(|| undefined("", Vec::new())))
}

/// Groups in the order of their keys, each a pair that also has the names `grouper` and `list`.
fn groupby(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let path = arguments.required("attribute")?;
    let other = arguments.take("default");
    let case_sensitive = arguments.flag("case_sensitive")?;
    arguments.finish()?;
    let mut groups: indexmap::IndexMap<Datum, (Datum, Vec<Datum>)> = indexmap::IndexMap::new();
    for item in items {
        let key = match (attribute_of(machine, &item, &path)?, &other) {
            (Datum::Undefined(_), Some(other)) => other.clone(),
            (key, _) => key.defined()?,
        };
        groups.entry(folded(&key, case_sensitive)).or_insert_with(|| (key, Vec::new())).1.push(item);
    }
    let keyed = groups
        .into_iter()
        .map(|(folded, (key, items))| (folded, Datum::tuple(vec![key, Datum::list(items)])))
        .collect();
    sorted_by(keyed, false).map(Datum::list)
}

fn attr(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let name = arguments.required_text("name")?;
    arguments.finish()?;
    // The entries of a map are no attributes of it.
    match value.as_map() {
        Some(_) => Ok(undefined(name, Vec::new())),
        None => Ok(machine.attribute(&value, &name, || name.clone())),
    }
}

fn sum(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let path = arguments.take("attribute").filter(|path| !matches!(path, Datum::None));
    let mut total = arguments.take("start").unwrap_or(Datum::Int(0));
    arguments.finish()?;
    for item in items {
        let part = match &path {
            Some(path) => attribute_of(machine, &item, path)?,
            None => item,
        };
        if part.as_text().is_some() && total.as_text().is_none() {
            return Err(Fault::wrong_type("text cannot be added up")
                .hint("make numbers of it first: `| map('int') | sum`"));
        }
        total = super::super::arithmetic::apply(super::super::tree::Operator::Add, &total, &part)?;
    }
    Ok(total)
}
