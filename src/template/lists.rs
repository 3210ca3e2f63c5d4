//! Filters over lists and maps that Ansible's users expect and MiniJinja lacks.

use super::filters::defined;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

/// Adds them all.
pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("combine", combine);
    environment.add_filter("dict2items", dict2items);
    environment.add_filter("items2dict", items2dict);
    environment.add_filter("difference", difference);
    environment.add_filter("intersect", intersect);
    environment.add_filter("union", union);
    environment.add_filter("flatten", flatten);
    environment.add_filter("path_join", path_join);
    environment.add_filter("join", join);
}

type Pairs = Vec<(Value, Value)>;

fn pairs(map: &Value) -> Result<Pairs, Error> {
    if map.kind() != ValueKind::Map {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("a {} is not a map", map.kind())));
    }
    map.try_iter()?.map(|key| Ok((key.clone(), map.get_item(&key)?))).collect()
}

fn items(list: Value) -> Result<Vec<Value>, Error> {
    Ok(defined(list)?.try_iter()?.collect())
}

/// Maps laid over each other, the last strongest; with `recursive=true` the maps inside them too.
fn combine(map: Value, others: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    let recursive = options.get::<Option<bool>>("recursive")?.unwrap_or(false);
    options.assert_all_used()?;
    others.iter().try_fold(defined(map)?, |map, other| over(&map, other, recursive))
}

fn over(map: &Value, other: &Value, recursive: bool) -> Result<Value, Error> {
    let mut merged = pairs(map)?;
    for (key, value) in pairs(other)? {
        match merged.iter_mut().find(|(there, _)| *there == key) {
            None => merged.push((key, value)),
            Some((_, there)) if recursive && both_maps(there, &value) => *there = over(there, &value, true)?,
            Some((_, there)) => *there = value,
        }
    }
    Ok(Value::from_pairs(merged))
}

fn both_maps(one: &Value, other: &Value) -> bool {
    one.kind() == ValueKind::Map && other.kind() == ValueKind::Map
}

fn names_of(options: &Kwargs) -> Result<(String, String), Error> {
    let key = options.get::<Option<String>>("key_name")?.unwrap_or_else(|| "key".to_string());
    let value = options.get::<Option<String>>("value_name")?.unwrap_or_else(|| "value".to_string());
    options.assert_all_used()?;
    Ok((key, value))
}

fn dict2items(map: Value, options: Kwargs) -> Result<Value, Error> {
    let (key_name, value_name) = names_of(&options)?;
    let item = |(key, value)| Value::from_pairs([(key_name.clone(), key), (value_name.clone(), value)]);
    Ok(pairs(&defined(map)?)?.into_iter().map(item).collect())
}

fn items2dict(list: Value, options: Kwargs) -> Result<Value, Error> {
    let (key_name, value_name) = names_of(&options)?;
    let pair = |item: Value| Ok((defined(item.get_attr(&key_name)?)?, defined(item.get_attr(&value_name)?)?));
    let pairs: Pairs = items(list)?.into_iter().map(pair).collect::<Result<_, Error>>()?;
    Ok(Value::from_pairs(pairs))
}

fn difference(list: Value, other: Value) -> Result<Value, Error> {
    let (list, other) = (items(list)?, items(other)?);
    Ok(unique(list.into_iter().filter(|item| !other.contains(item))))
}

fn intersect(list: Value, other: Value) -> Result<Value, Error> {
    let (list, other) = (items(list)?, items(other)?);
    Ok(unique(list.into_iter().filter(|item| other.contains(item))))
}

fn union(list: Value, other: Value) -> Result<Value, Error> {
    Ok(unique(items(list)?.into_iter().chain(items(other)?)))
}

fn unique(items: impl Iterator<Item = Value>) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    items.for_each(|item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
    });
    Value::from(kept)
}

/// Lists inside the list become part of it, down to `levels` deep, or however deep they are.
fn flatten(list: Value, levels: Option<u32>, options: Kwargs) -> Result<Value, Error> {
    let levels = levels.or(options.get::<Option<u32>>("levels")?).unwrap_or(u32::MAX);
    options.assert_all_used()?;
    let mut flat = Vec::new();
    add_flat(list, levels, &mut flat)?;
    Ok(Value::from(flat))
}

fn add_flat(list: Value, levels: u32, flat: &mut Vec<Value>) -> Result<(), Error> {
    for item in items(list)? {
        match item.kind() == ValueKind::Seq && levels > 0 {
            true => add_flat(item, levels - 1, flat)?,
            false => flat.push(item),
        }
    }
    Ok(())
}

fn path_join(parts: Value) -> Result<String, Error> {
    let mut path = std::path::PathBuf::new();
    match parts.as_str() {
        Some(part) => path.push(part),
        None => items(parts)?.iter().for_each(|part| path.push(part.to_string())),
    }
    Ok(path.to_string_lossy().into_owned())
}

/// MiniJinja's own takes an undefined list for an empty one.
fn join(list: Value, joiner: Option<&str>, options: Kwargs) -> Result<String, Error> {
    let joiner = joiner.or(options.get::<Option<&str>>("d")?).unwrap_or_default();
    let attribute = options.get::<Option<&str>>("attribute")?;
    let part = |item: Value| match attribute {
        Some(name) => item.get_attr(name).and_then(defined),
        None => defined(item),
    };
    let parts = items(list)?.into_iter().map(|item| part(item).map(|part| part.to_string()));
    let text = parts.collect::<Result<Vec<_>, Error>>()?.join(joiner);
    options.assert_all_used().map(|()| text)
}
