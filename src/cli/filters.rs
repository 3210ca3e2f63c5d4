//! `windlass filters [NAME]`: the filters, tests and functions of templates.

use super::{Done, Global, Stop, answer, answer_json};
use crate::model::nearest::did_you_mean;
use crate::model::{Failure, Value};
use crate::report::{Format, style};
use crate::template::reference::{ENTRIES, Entry, Sort};
use serde_json::json;

/// List the filters, tests and functions of templates, each with an example
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only this one
    name: Option<String>,
}

/// Prints the list, or what has this name.
pub fn run(args: Args, global: &Global) -> Done {
    let wanted = |entry: &&Entry| args.name.as_ref().is_none_or(|name| entry.name == name);
    let entries: Vec<&Entry> = ENTRIES.iter().filter(wanted).collect();
    match (&args.name, global.format()) {
        (Some(name), _) if entries.is_empty() => Err(unknown(name)),
        (_, Format::Human) => answer(&list(&entries)),
        _ => answer_json(&Value::Array(entries.iter().map(|entry| described(entry)).collect())),
    }
}

fn unknown(name: &str) -> Stop {
    let failure = Failure::new(format!("describe {name}"), "there is no such filter, test or function");
    let hint = did_you_mean(name, ENTRIES.iter().map(|entry| entry.name));
    Stop::misused(failure.hint(hint.unwrap_or_else(|| "windlass filters lists them".to_string())))
}

fn list(entries: &[&Entry]) -> String {
    let width = style::widest(entries.iter().map(|entry| entry.name));
    let of = |sort: Sort, title: &str| {
        let of_sort = entries.iter().filter(|entry| entry.sort == sort);
        let lines: String = of_sort.map(|entry| line(entry, width)).collect();
        if lines.is_empty() { lines } else { format!("{title}:\n{lines}\n") }
    };
    let all = of(Sort::Filter, "filters") + &of(Sort::Test, "tests") + &of(Sort::Function, "functions");
    all.trim_end().to_string() + "\n"
}

fn line(entry: &Entry, width: usize) -> String {
    let result = entry.result().map(|result| format!("  => {result}")).unwrap_or_default();
    format!("  {}  {}{result}\n", style::padded(entry.name, width), entry.example)
}

fn described(entry: &Entry) -> Value {
    json!({ "name": entry.name, "sort": entry.sort.as_str(), "example": entry.example, "result": entry.result() })
}
