//! `combine`: maps on top of each other.

use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::{Datum, Map};

pub const FILTERS: &[(&str, Function)] = &[("combine", combine)];

/// How two lists under one key are combined.
#[derive(Clone, Copy)]
enum Lists {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendUnique,
    PrependUnique,
}

fn combine(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let recursive = arguments.named("recursive").map_or(Ok(false), |flag| flag.truth())?;
    let lists = match arguments.named("list_merge").map(|merge| merge.to_text()).transpose()?.as_deref() {
        None | Some("replace") => Lists::Replace,
        Some("keep") => Lists::Keep,
        Some("append") => Lists::Append,
        Some("prepend") => Lists::Prepend,
        Some("append_rp") => Lists::AppendUnique,
        Some("prepend_rp") => Lists::PrependUnique,
        Some(other) => {
            let fault = Fault::new(format!("`list_merge` cannot be `{other}`"));
            return Err(fault.hint("it is replace, keep, append, prepend, append_rp or prepend_rp"));
        }
    };
    let mut result = Map::new();
    for value in arguments.rest() {
        let several = value.as_list().map(<[Datum]>::to_vec);
        for value in several.unwrap_or_else(|| vec![value]) {
            let map =
                value.as_map().ok_or_else(|| Fault::wrong_type(format!("{} is no map", value.what())))?;
            result = merged(result, map, recursive, lists);
        }
    }
    arguments.finish()?;
    Ok(Datum::map(result))
}

fn merged(mut under: Map, over: Map, recursive: bool, lists: Lists) -> Map {
    for (key, value) in over {
        let both = match (under.get(&key), &value) {
            (Some(below), _) if recursive && below.as_map().is_some() && value.as_map().is_some() => {
                let (below, above) = (below.as_map().unwrap_or_default(), value.as_map().unwrap_or_default());
                Datum::map(merged(below, above, recursive, lists))
            }
            (Some(Datum::List(below)), Datum::List(above)) => Datum::list(merged_lists(below, above, lists)),
            _ => value,
        };
        under.insert(key, both);
    }
    under
}

fn merged_lists(below: &[Datum], above: &[Datum], lists: Lists) -> Vec<Datum> {
    let without = |list: &[Datum], others: &[Datum]| -> Vec<Datum> {
        list.iter().filter(|item| !others.contains(item)).cloned().collect()
    };
    match lists {
        Lists::Replace => above.to_vec(),
        Lists::Keep => below.to_vec(),
        Lists::Append => [below, above].concat(),
        Lists::Prepend => [above, below].concat(),
        Lists::AppendUnique => [without(below, above), above.to_vec()].concat(),
        Lists::PrependUnique => [above.to_vec(), without(below, above)].concat(),
    }
}
