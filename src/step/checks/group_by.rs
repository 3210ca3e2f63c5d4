//! Groups that hosts join because of what they are like. The controller makes them before it makes the jobs.

use crate::model::Result;
use crate::model::op::Plan;
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

/// Puts each host of the play into the group that `key` names for it. The group is created where the inventory does not have it.
/// Where it has it, with `vars` or in `group_vars/`, the host gets the group's variables. All steps of the playbook, earlier
/// ones too, see the group in `groups` and `group_names`. `key` may refer to variables and to facts, never to results of steps:
/// it must be known before the first step. If it refers to facts, every host of the play is connected to once more beforehand,
/// to read only those facts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupBy {
    /// The name of the group. Spaces in it become `-`.
    key: String,
    /// The names of groups that this group is a child of. Default: none.
    #[serde(default)]
    parents: Vec<String>,
}

impl Kind for GroupBy {
    const NAME: &'static str = "group_by";
    const STAYS: Option<&'static str> = Some("the host itself joins the group, before anything is run");
    const KEYS: &'static [(&'static str, KeyUse)] = &[("key", KeyUse::Group), ("parents", KeyUse::Parents)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "hosts are in a group by their operating system"
[steps.group_by]
key = "os_{{ facts.os.id }}"
parents = ["by_os"]
"#;
}

impl Step for GroupBy {
    fn check(&self) -> Result<(), WrongKey> {
        let empty = |name: &String| name.trim().is_empty();
        match (empty(&self.key), self.parents.iter().any(empty)) {
            (true, _) => Err(WrongKey::new("key", "a group needs a name")),
            (_, true) => Err(WrongKey::new("parents", "a group needs a name")),
            _ => Ok(()),
        }
    }

    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        Ok(Plan::nothing())
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse, planned};

    #[test]
    fn changes_nothing_on_the_host() {
        assert_eq!(planned(&host(&[]), "group_by", "key = 'os_debian'\nparents = ['by_os']").unwrap(), "");
    }

    #[test]
    fn a_group_has_a_name() {
        assert!(parse("group_by", "key = ' '").is_err());
        assert!(parse("group_by", "key = 'a'\nparents = ['']").is_err());
        assert!(parse("group_by", "").is_err());
    }
}
