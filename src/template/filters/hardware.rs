//! Hardware addresses, and the IPv6 addresses that are made of them.

use super::super::addresses::hardware;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::value::Datum;
use super::network::{FALSE, network_of};

pub const FILTERS: &[(&str, Function)] = &[("hwaddr", hwaddr), ("macaddr", hwaddr), ("slaac", slaac)];

fn hwaddr(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let query = arguments.text("query")?.unwrap_or_default();
    arguments.text("alias")?;
    arguments.finish()?;
    let Some(address) = hardware(&value.to_text()?) else {
        return match query.as_str() {
            "" | "bool" => Ok(Datum::None),
            _ => Err(Fault::new(format!("`{}` is no hardware address", value.to_text()?))),
        };
    };
    let digits = format!("{address:012x}");
    let grouped = |size: usize, separator: &str| {
        let parts: Vec<&str> = (0..12 / size).map(|at| &digits[at * size..(at + 1) * size]).collect();
        parts.join(separator)
    };
    let short = || {
        let part = |at: usize| format!("{:x}", address >> (40 - 8 * at) & 0xff);
        (0..6).map(part).collect::<Vec<_>>().join(":")
    };
    Ok(match query.as_str() {
        "" => value,
        "bool" => Datum::Bool(true),
        "int" => Datum::Int(address.into()),
        "bare" => Datum::text(digits.to_uppercase()),
        "cisco" => Datum::text(grouped(4, ".")),
        "eui48" | "win" => Datum::text(grouped(2, "-").to_uppercase()),
        "linux" => Datum::text(grouped(2, ":")),
        "pgsql" | "postgresql" | "psql" => Datum::text(grouped(6, ":")),
        "unix" => Datum::text(short()),
        other => return Err(Fault::new(format!("there is no form `{other}` of a hardware address"))),
    })
}

fn slaac(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let value = arguments.value()?;
    let address = arguments.text("query")?.and_then(|text| hardware(&text));
    arguments.finish()?;
    let found = network_of(&value)?.filter(|network| network.version == 6).zip(address);
    let Some((network, address)) = found else { return Ok(FALSE) };
    let interface = (address >> 24 << 40 | 0xff_fe00_0000 | address & 0xff_ffff) ^ 1 << 57;
    Ok(Datum::text(network.written(network.first() | u128::from(interface))))
}
