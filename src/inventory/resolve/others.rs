//! What templates of connection variables may look at beyond their own host: `hostvars` and `groups`, as under Ansible.

use super::Whole;
use crate::inventory::HostName;
use crate::inventory::ansible::values::Values;
use crate::model::Value;
use crate::model::Values as Map;
use crate::secrets::texts_in;
use crate::setting::Setting;
use crate::template::is_plain;
use std::collections::BTreeMap;

impl<'a> Whole<'a> {
    /// Adds them where a variable of the host mentions one. They are made once, for all hosts.
    pub(super) fn with_others<'b>(
        &'b self,
        values: Values<'b>,
        vars: &[Setting],
        order: &[&'a str],
    ) -> Values<'b> {
        let mentions = |name: &str| {
            let texts =
                vars.iter().filter(|setting| !setting.literal).flat_map(|setting| texts_in(&setting.value));
            texts.into_iter().any(|text| !is_plain(&text) && text.contains(name))
        };
        if !mentions("hostvars") && !mentions("groups") {
            return values;
        }
        let (hostvars, groups) = self.others.get_or_init(|| (self.hostvars(order), self.groups_by_name()));
        values.with("hostvars", hostvars).with("groups", groups)
    }

    fn hostvars(&self, order: &[&'a str]) -> Value {
        let of = |name: &&HostName| (name.to_string(), self.plain_vars(name, order));
        Value::Object(self.in_order.iter().map(of).collect())
    }

    /// The variables of a host; those that are templates themselves are not among them.
    fn plain_vars(&self, name: &HostName, order: &[&'a str]) -> Value {
        let settings = self.settings(name, &self.groups_of(name, order));
        let strongest: BTreeMap<String, Setting> =
            settings.into_iter().map(|setting| (setting.name.clone(), setting)).collect();
        let is_known =
            |setting: &Setting| setting.literal || texts_in(&setting.value).iter().all(|text| is_plain(text));
        let known = strongest.into_iter().filter(|(_, setting)| is_known(setting));
        let mut vars: Map = known.map(|(name, setting)| (name, setting.value)).collect();
        vars.insert("inventory_hostname".to_string(), Value::from(name.as_str()));
        Value::Object(vars)
    }

    fn groups_by_name(&self) -> Value {
        let hosts = |group: &str| {
            let members = self.in_order.iter().filter(|host| self.is_in(host, group));
            members.map(|host| Value::from(host.as_str())).collect::<Value>()
        };
        Value::Object(self.members.keys().map(|group| (group.to_string(), hosts(group))).collect())
    }
}
