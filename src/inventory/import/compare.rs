//! What two inventories say differently, and values as TOML has them.

use crate::inventory::ansible::{ALL, UNGROUPED, connection};
use crate::inventory::{Host, Inventory};
use crate::model::Value;
use crate::setting::Setting;
use crate::template::is_plain;
use crate::yaml::VAULTED;
use std::collections::BTreeSet;

/// A template whose value is none, which TOML has no word for.
const NONE: &str = "{{ none }}";

/// A value as TOML has it.
#[derive(Debug, PartialEq)]
pub enum Encoded {
    /// Such.
    Value(Value),
    /// It has no such value, and why.
    Impossible(String),
}

/// The value of a setting as TOML has it: none as a template, and text of programs that looks like a template as text.
pub fn encoded(setting: &Setting) -> Encoded {
    match inside(&setting.value, setting.literal) {
        Ok(value) => Encoded::Value(value),
        Err(why) => Encoded::Impossible(why),
    }
}

fn inside(value: &Value, literal: bool) -> Result<Value, String> {
    Ok(match value {
        Value::Null => NONE.into(),
        Value::String(text) if !literal && text == VAULTED => {
            return Err(
                "ansible-vault encrypted it: show it with `ansible-vault view`, and give it in [secrets]"
                    .to_string(),
            );
        }
        Value::String(text) if literal && !is_plain(text) => match text.contains("{% endraw") {
            true => return Err("its text cannot be kept apart from a template".to_string()),
            false => format!("{{% raw %}}{text}{{% endraw %}}").into(),
        },
        Value::Number(number) if number.is_u64() && number.as_i64().is_none() => {
            // TOML's numbers end before it; a template's do not.
            format!("{{{{ {number} }}}}").into()
        }
        Value::Array(list) => list.iter().map(|item| inside(item, literal)).collect::<Result<_, _>>()?,
        Value::Object(map) => {
            let entries = map.iter().map(|(key, item)| Ok((key.clone(), inside(item, literal)?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// The strongest setting of a name.
pub fn effective<'a>(host: &'a Host, name: &str) -> Option<&'a Setting> {
    host.vars.iter().rfind(|setting| setting.name == name)
}

/// The variables that a host has otherwise than it should; connection variables are compared as what they mean.
pub fn differing_vars(wanted: &Host, got: &Host, mentioned: &BTreeSet<String>) -> Vec<String> {
    let names: BTreeSet<&str> = wanted.vars.iter().map(|setting| setting.name.as_str()).collect();
    let counts = |name: &&str| !connection::is_one(name) || mentioned.contains(*name);
    let differs = |name: &&str| {
        let value = effective(got, name).map(|setting| Encoded::Value(setting.value.clone()));
        effective(wanted, name).map(encoded) != value
    };
    names.into_iter().filter(counts).filter(differs).map(str::to_string).collect()
}

/// All that differs, for people.
pub fn differences(source: &Inventory, again: &Inventory, mentioned: &BTreeSet<String>) -> Vec<String> {
    let mut all = Vec::new();
    let names =
        |inventory: &Inventory| inventory.hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>();
    if names(source) != names(again) {
        all.push(format!("hosts: {} became {}", names(source).join(", "), names(again).join(", ")));
        return all;
    }
    for (wanted, got) in source.hosts.iter().zip(&again.hosts) {
        for name in differing_vars(wanted, got, mentioned) {
            let now =
                effective(got, &name).map_or("not set".to_string(), |setting| setting.value.to_string());
            let before = effective(wanted, &name).map_or(Value::Null, |setting| setting.value.clone());
            all.push(format!("{}: the variable `{name}` is {now} and was {before}", wanted.name));
        }
        if wanted.address != got.address {
            all.push(format!("{}: the address is {} and was {}", wanted.name, got.address, wanted.address));
        }
        if wanted.ssh != got.ssh {
            all.push(format!("{}: it is reached otherwise", wanted.name));
        }
        if !wanted.refused.is_empty() {
            let why: Vec<String> = wanted.refused.iter().map(|problem| problem.message.clone()).collect();
            all.push(format!("{}: {}", wanted.name, why.join("; ")));
        }
    }
    all.extend(group_differences(source, again));
    all
}

fn group_differences(source: &Inventory, again: &Inventory) -> Vec<String> {
    let counted = |name: &&String| ![ALL, UNGROUPED].contains(&name.as_str());
    let mut all = Vec::new();
    for name in source.groups.keys().filter(counted) {
        let wanted: BTreeSet<_> = source.groups[name].hosts.iter().map(ToString::to_string).collect();
        let Some(got) = again.groups.get(name) else {
            all.push(format!("the group `{name}` is missing"));
            continue;
        };
        let got: BTreeSet<_> = got.hosts.iter().map(ToString::to_string).collect();
        if wanted != got {
            let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
            all.push(format!("the group `{name}` has {} and had {}", list(got), list(wanted)));
        }
    }
    all
}
