//! `windlass hosts -v`: how each host would be reached, with the place that decided each option.

use crate::inventory::Host;
use crate::report::escape;
use crate::report::style::{self, Style, Tone, padded};
use crate::ssh::Config;
use crate::ssh::explain::{self, Decided};

/// A table of options for each host, then what the ssh configuration says and windlass does not use.
pub fn shown(hosts: &[&Host], config: &Config, style: Style) -> String {
    let mut text = String::new();
    let mut targets = Vec::new();
    for host in hosts {
        text += &format!("{}\n", host.name);
        match explain::of(host.name.as_str(), host.given_address(), &host.ssh, config) {
            Ok((target, options)) => {
                text += &table(&options, style);
                targets.push(target);
            }
            Err(failure) => {
                text += &format!("  cannot be reached: {}\n", escape::block(&failure.to_string()))
            }
        }
    }
    let unused = explain::unused(&targets);
    if !unused.is_empty() {
        text += &format!("not used: {}\n", unused.join(", "));
    }
    for asked in explain::asked(&targets) {
        text += &format!("{asked}\n");
    }
    text
}

/// A column is at most so wide.
const VALUE_WIDTH: usize = 60;

fn table(options: &[Decided], style: Style) -> String {
    let row = |decided: &Decided| {
        let value = escape::line(&decided.value).into_owned();
        [format!("  {}", decided.option), value, escape::line(&decided.origin).into_owned()]
    };
    let title = ["  option", "value", "decided by"].map(str::to_string);
    let rows: Vec<[String; 3]> = std::iter::once(title).chain(options.iter().map(row)).collect();
    let options = style::widest(rows.iter().map(|[option, ..]| option.as_str()));
    // Lists of algorithms are hundreds of characters long: they widen no column.
    let values = rows.iter().map(|[_, value, _]| value.as_str()).filter(|value| value.len() <= VALUE_WIDTH);
    let values = style::widest(values);
    let line = |(number, [option, value, origin]): (usize, &[String; 3])| {
        let line = format!("{}  {}  {origin}", padded(option, options), padded(value, values));
        let line = line.trim_end();
        if number == 0 { style.paint(Tone::Faint, line) + "\n" } else { format!("{line}\n") }
    };
    rows.iter().enumerate().map(line).collect()
}
