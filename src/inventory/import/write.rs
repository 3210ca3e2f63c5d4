//! The draft as TOML.

use super::draft::{Draft, Said, is_group_name};
use crate::model::Value;
use crate::model::host::SshSettings;
use std::fmt::Write;

/// A line of a list is at most so long.
const LINE: usize = 110;

/// The text of the file.
pub fn text(draft: &Draft) -> String {
    let mut out = format!("# Imported from {} by `windlass import ansible`.\n", draft.origin);
    said(&mut out, "", &draft.all);
    for (name, address, of_host) in &draft.hosts {
        head(&mut out, &format!("hosts.{}", key(name)));
        if let Some(address) = address {
            line(&mut out, "address", &Value::from(address.as_str()));
        }
        said(&mut out, &format!("hosts.{}.", key(name)), of_host);
    }
    for (name, members, of_group) in &draft.groups {
        if !is_group_name(name) {
            comment(&mut out, &format!("the group {name:?} is left out: no group can be called so"));
            continue;
        }
        head(&mut out, &format!("groups.{}", key(name)));
        list(&mut out, "hosts", &members.hosts);
        list(&mut out, "children", &members.children);
        said(&mut out, &format!("groups.{}.", key(name)), of_group);
    }
    out
}

fn said(out: &mut String, before: &str, said: &Said) {
    said.left_out.iter().for_each(|why| comment(out, why));
    if said.ssh != SshSettings::default() {
        head(out, &format!("{before}ssh"));
        let settings = serde_json::to_value(&said.ssh).unwrap_or_default();
        settings.as_object().into_iter().flatten().for_each(|(name, value)| line(out, name, value));
    }
    if !said.vars.is_empty() {
        head(out, &format!("{before}vars"));
        said.vars.iter().for_each(|(name, value)| line(out, name, value));
    }
}

fn head(out: &mut String, name: &str) {
    // Writing to a string does not fail.
    let _always = write!(out, "\n[{name}]\n");
}

fn comment(out: &mut String, text: &str) {
    let _always = writeln!(out, "# not imported: {}", text.replace(['\n', '\r'], " "));
}

fn line(out: &mut String, name: &str, value: &Value) {
    let _always = writeln!(out, "{} = {}", key(name), toml_of(value));
}

/// A list, broken into lines where it is long.
fn list(out: &mut String, name: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let quoted: Vec<String> = names.iter().map(|name| toml_of(&Value::from(name.as_str()))).collect();
    let short = format!("{name} = [{}]", quoted.join(", "));
    let _always = match short.len() <= LINE {
        true => writeln!(out, "{short}"),
        false => writeln!(out, "{name} = [\n  {},\n]", quoted.join(",\n  ")),
    };
}

fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_string(),
        false => toml::Value::from(name).to_string(),
    }
}

fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| "\"\"".to_string(), |value| value.to_string())
}
