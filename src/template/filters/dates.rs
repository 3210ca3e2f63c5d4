//! Dates and times.

use super::super::arithmetic::in_calendar;
use super::super::call::{Arguments, Function};
use super::super::fault::{Fault, Result};
use super::super::machine::Machine;
use super::super::moment::Moment;
use super::super::value::Datum;

pub const FILTERS: &[(&str, Function)] = &[("strftime", strftime), ("to_datetime", to_datetime)];

/// `'%Y-%m-%d' | strftime(seconds)`: now, when no seconds are given.
fn strftime(machine: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let format = arguments.value_text()?;
    let second = arguments.take("second").filter(|second| !matches!(second, Datum::None));
    let utc = arguments.flag("utc")?;
    arguments.finish()?;
    let moment = match second {
        None => Moment::now(),
        Some(second) => {
            let seconds = second.as_float().or_else(|| second.as_text()?.trim().parse().ok());
            // Whole seconds, as in Python.
            Moment::of_seconds(seconds.ok_or_else(|| Fault::new("it needs a number of seconds"))?.floor())
        }
    };
    let moment = in_calendar(Some(moment))?;
    let moment = if utc { moment } else { machine.templates.outside().local(moment) };
    Ok(Datum::text(moment.format(&format)))
}

fn to_datetime(_: &mut Machine, arguments: &mut Arguments) -> Result<Datum> {
    let text = arguments.value_text()?;
    let format = arguments.text("format")?.unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".to_string());
    arguments.finish()?;
    Moment::parse(&text, &format).map(Datum::Moment)
}
