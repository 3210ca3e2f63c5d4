//! The schema of an inventory.

use super::{named, secrets, table, text, texts, vars};
use crate::model::Value;
use crate::model::host::SshSettings;
use serde_json::{Map, json};

/// The whole schema.
pub fn document() -> Value {
    let mut definitions = Map::new();
    ssh_into(&mut definitions);
    let ssh = json!({ "$ref": "#/$defs/ssh" });
    let host = table(&[
        ("address", text(), "Where the host is. Default: HostName of the ssh configuration, else its name."),
        ("vars", vars(), "Variables of this host."),
        ("ssh", ssh.clone(), "How this host is reached."),
        ("secrets", secrets(), "Where secret variables of this host come from."),
    ]);
    let group = table(&[
        ("hosts", texts(), "Hosts of the group; ranges such as `web[01-20]` expand."),
        ("children", texts(), "Groups whose hosts are in this group too."),
        ("groups", texts(), "The same as `children`."),
        ("vars", vars(), "Variables of the group's hosts."),
        ("ssh", ssh.clone(), "How the group's hosts are reached."),
        ("secrets", secrets(), "Where secret variables of the group's hosts come from."),
        (
            "when",
            text(),
            "An expression over a host's variables: hosts for which it is true are in the group.",
        ),
    ]);
    let table = table(&[
        ("vars", vars(), "Variables of every host of this file."),
        ("ssh", ssh, "How every host of this file is reached."),
        ("secrets", secrets(), "Where secret variables of every host of this file come from."),
        ("hosts", named(host), "Hosts by name; ranges such as `web[01-20]` expand."),
        ("groups", named(group), "Groups by name."),
    ]);
    super::document("windlass inventory", table, definitions)
}

/// Adds the definition `ssh`.
pub fn ssh_into(definitions: &mut Map<String, Value>) {
    let schema = super::moved("ssh", schemars::schema_for!(SshSettings).to_value(), definitions);
    definitions.insert("ssh".to_string(), schema);
}
