//! Filters over networks: their parts, their members, what lies in them.

use super::super::addresses::Network;
use super::super::arithmetic::ITEMS_LIMIT;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;
use super::network::{FALSE, beside, given, member, network_of, parsed};

pub const FILTERS: &[(&str, Function)] = &[
    ("ipsubnet", ipsubnet),
    ("nthhost", nthhost),
    ("network_in_network", |_, arguments| within(arguments, false)),
    ("network_in_usable", |_, arguments| within(arguments, true)),
    ("reduce_on_network", reduce_on_network),
    ("next_nth_usable", |_, arguments| neighbour(arguments, 1)),
    ("previous_nth_usable", |_, arguments| neighbour(arguments, -1)),
    ("usable_range", usable_range),
    ("cidr_merge", cidr_merge),
];

fn ipsubnet(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let query = arguments.take("query").map_or(Ok(String::new()), |query| query.to_text())?;
    let index = arguments
        .take("index")
        .map_or(Ok(None), |index| Ok(index.as_int().or(index.to_text()?.parse::<i128>().ok())))?;
    arguments.finish()?;
    let Some(given) = given(&value, None)? else { return Ok(FALSE) };
    let is_network = given.network.size() > 1 && given.network.ip == given.network.first();
    let network = given.network.cidr();
    if query.is_empty() {
        return Ok(Datum::text(network.to_string()));
    }
    match query.parse::<u32>() {
        Ok(prefix) if prefix > network.bits() => Ok(FALSE),
        Ok(prefix) if is_network || network.size() > 1 => smaller(network, prefix, index),
        Ok(prefix) => Ok(larger(network, prefix, index)),
        Err(_) => place_in(network, parsed(&query)?),
    }
}

/// A network parted into smaller ones: how many there are, or one of them.
fn smaller(network: Network, prefix: u32, index: Option<i128>) -> Result<Datum> {
    let more = prefix.checked_sub(network.prefix).filter(|more| *more < 127);
    let more = more.ok_or_else(|| Fault::new(format!("a /{} holds no /{prefix}", network.prefix)))?;
    let count = 1i128 << more;
    let Some(index) = index else { return Ok(Datum::text(count.to_string())) };
    let index = if index < 0 { index + count } else { index };
    if !(0..count).contains(&index) {
        return Ok(FALSE);
    }
    let ip = network.first() + ((index as u128) << (network.bits() - prefix));
    Ok(Datum::text(Network { ip, prefix, ..network }.to_string()))
}

/// The networks around an address, from the one of this prefix down to its own.
fn larger(network: Network, prefix: u32, index: Option<i128>) -> Datum {
    let count = i128::from(network.prefix) - i128::from(prefix);
    let index = index.unwrap_or(0);
    let index = if index < 0 { index + count } else { index };
    match (0..count).contains(&index) {
        true => Datum::text(Network { prefix: prefix + index as u32, ..network }.cidr().to_string()),
        false => FALSE,
    }
}

/// Which of the parts of a larger network a network is, counted from 1.
fn place_in(network: Network, around: Network) -> Result<Datum> {
    if !around.holds(network) {
        return Err(Fault::new(format!("{network} is not in the subnet {}", around.cidr())));
    }
    let place = (network.first() - around.first()) >> (network.bits() - network.prefix);
    Ok(Datum::text((place + 1).to_string()))
}

fn cidr_merge(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let action = arguments.text("action")?.unwrap_or_else(|| "merge".to_string());
    arguments.finish()?;
    let mut networks = items.iter().map(|item| parsed(&item.to_text()?)).collect::<Result<Vec<_>>>()?;
    match action.as_str() {
        "span" => Ok(spanned(&networks).map_or(Datum::None, |network| Datum::text(network.to_string()))),
        "merge" => {
            networks.iter_mut().for_each(|network| *network = network.cidr());
            Ok(Datum::list(merged(networks).iter().map(|network| Datum::text(network.to_string())).collect()))
        }
        other => Err(Fault::new(format!("there is no action `{other}`")).hint("it is merge or span")),
    }
}

/// The smallest network around all of them.
fn spanned(networks: &[Network]) -> Option<Network> {
    if let [one] = networks {
        return Some(*one);
    }
    let first = networks.iter().min()?.cidr();
    (0..=first.prefix)
        .rev()
        .map(|prefix| Network { prefix, ..first }.cidr())
        .find(|around| networks.iter().all(|network| around.holds(*network)))
}

fn merged(mut networks: Vec<Network>) -> Vec<Network> {
    networks.sort();
    let mut kept: Vec<Network> = Vec::new();
    for network in networks {
        if kept.last().is_some_and(|last| last.holds(network)) {
            continue;
        }
        kept.push(network);
        // Two halves are one network.
        while let [.., one, other] = kept.as_slice() {
            let both = Network { prefix: one.prefix.saturating_sub(1), ..*one };
            if one.prefix != other.prefix || one.prefix == 0 || both.first() != one.ip || !both.holds(*other)
            {
                break;
            }
            kept.truncate(kept.len() - 2);
            kept.push(both);
        }
    }
    kept
}

fn within(arguments: &mut Arguments, usable: bool) -> Result<Datum> {
    let value = parsed(&arguments.value_text()?)?;
    let test = parsed(&arguments.required_text("test")?)?;
    arguments.finish()?;
    let (first, last) = if usable { value.usable() } else { (value.first(), value.last()) };
    Ok(Datum::Bool(value.version == test.version && first <= test.first() && test.last() <= last))
}

fn reduce_on_network(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let items = arguments.value()?.items()?;
    let network = parsed(&arguments.required_text("network")?)?;
    arguments.finish()?;
    let mut kept = Vec::new();
    for item in items {
        if network_of(&item)?.is_some_and(|own| network.holds(own)) {
            kept.push(item);
        }
    }
    Ok(Datum::list(kept))
}

fn usable_range(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    arguments.finish()?;
    let network = parsed(&text)?;
    if network.ip != network.first() {
        return Err(
            Fault::new(format!("`{text}` has a host")).hint(format!("the network is {}", network.cidr()))
        );
    }
    if network.size() > ITEMS_LIMIT as u128 {
        return Err(Fault::new(format!("it has more than {ITEMS_LIMIT} addresses")));
    }
    let all = (network.first()..=network.last()).map(|ip| Datum::text(network.written(ip))).collect();
    Ok(Datum::record([
        ("usable_ips", Datum::list(all)),
        ("number_of_ips", Datum::Int(network.size() as i128)),
    ]))
}

fn nthhost(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let at = arguments
        .take("query")
        .map_or(Ok(None), |query| Ok(query.as_int().or(query.to_text()?.parse().ok())))?;
    arguments.finish()?;
    let found = network_of(&value)?.zip(at.filter(|at| *at != 0));
    Ok(found.and_then(|(network, at)| Some(network.written(member(network, at)?))).map_or(FALSE, Datum::text))
}

fn neighbour(arguments: &mut Arguments, direction: i128) -> Result<Datum> {
    let value = arguments.value()?;
    let offset = arguments.int("offset")?.ok_or_else(|| Fault::wrong_arguments("it needs a whole number"))?;
    arguments.finish()?;
    Ok(match network_of(&value)? {
        Some(network) => beside(network, direction * offset),
        None => FALSE,
    })
}
