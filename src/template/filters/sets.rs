//! Filters that treat lists as sets, and those that combine items.

use super::super::arithmetic::ITEMS_LIMIT;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::value::{Datum, Map};

pub const FILTERS: &[(&str, Function)] = &[
    ("difference", |_, arguments| two(arguments, |one, other| !other.contains_key(one), false)),
    ("intersect", |_, arguments| two(arguments, |one, other| other.contains_key(one), false)),
    ("union", |_, arguments| two(arguments, |_, _| true, true)),
    ("symmetric_difference", |_, arguments| symmetric(arguments)),
    ("product", |_, arguments| product(arguments)),
    ("permutations", |_, arguments| arranged(arguments, true)),
    ("combinations", |_, arguments| arranged(arguments, false)),
];

fn set(items: Vec<Datum>) -> Map {
    items.into_iter().map(|item| (item, Datum::None)).collect()
}

/// Items of the first list that fit the second; with `both`, those of the second follow.
fn two(arguments: &mut Arguments, keeps: fn(&Datum, &Map) -> bool, both: bool) -> Result<Datum> {
    let one = set(arguments.value()?.items()?);
    let other = set(arguments.required("other")?.items()?);
    arguments.finish()?;
    let mut kept: Map = one.into_iter().filter(|(item, _)| keeps(item, &other)).collect();
    if both {
        kept.extend(other);
    }
    Ok(Datum::list(kept.into_keys().collect()))
}

fn symmetric(arguments: &mut Arguments) -> Result<Datum> {
    let one = set(arguments.value()?.items()?);
    let other = set(arguments.required("other")?.items()?);
    arguments.finish()?;
    let left = one.keys().filter(|item| !other.contains_key(*item));
    let right = other.keys().filter(|item| !one.contains_key(*item));
    Ok(Datum::list(left.chain(right).cloned().collect()))
}

fn too_many() -> Fault {
    Fault::new(format!("it gives more than {ITEMS_LIMIT} items"))
}

fn product(arguments: &mut Arguments) -> Result<Datum> {
    let mut lists = vec![arguments.value()?.items()?];
    let repeat = arguments.named("repeat").and_then(|repeat| repeat.as_int()).unwrap_or(1).clamp(0, 20);
    for list in arguments.rest() {
        lists.push(list.items()?);
    }
    arguments.finish()?;
    let mut rows: Vec<Vec<Datum>> = vec![Vec::new()];
    for list in (0..repeat).flat_map(|_| &lists) {
        if rows.len().saturating_mul(list.len()) > ITEMS_LIMIT {
            return Err(too_many());
        }
        let longer = |row: &Vec<Datum>| {
            list.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()).collect::<Vec<_>>()
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Datum::list(rows.into_iter().map(Datum::tuple).collect()))
}

/// Every choice of so many items; in every order when `ordered`.
fn arranged(arguments: &mut Arguments, ordered: bool) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let size = arguments.count("r")?;
    arguments.finish()?;
    let size = match (size, ordered) {
        (Some(size), _) => size,
        (None, true) => items.len(),
        (None, false) => {
            return Err(Fault::wrong_arguments("it needs the number of items in each combination"));
        }
    };
    let mut rows = Vec::new();
    choose(&items, size, ordered, &mut Vec::new(), &mut rows)?;
    Ok(Datum::list(rows))
}

fn choose(
    items: &[Datum],
    size: usize,
    ordered: bool,
    chosen: &mut Vec<usize>,
    rows: &mut Vec<Datum>,
) -> Result<()> {
    if chosen.len() == size {
        if rows.len() >= ITEMS_LIMIT {
            return Err(too_many());
        }
        rows.push(Datum::tuple(chosen.iter().map(|at| items[*at].clone()).collect()));
        return Ok(());
    }
    let start = if ordered { 0 } else { chosen.last().map_or(0, |last| last + 1) };
    for at in start..items.len() {
        if !chosen.contains(&at) {
            chosen.push(at);
            choose(items, size, ordered, chosen, rows)?;
            chosen.pop();
        }
    }
    Ok(())
}
