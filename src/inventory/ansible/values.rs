//! The values of one host's variables before anything is contacted: templates in them are rendered, in each other too.

use crate::model::{Failure, Result, Value, Values as Map};
use crate::setting::Setting;
use crate::template::{Datum, Names, Templates};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Variables may refer to each other this deep; beyond it they refer to themselves.
const DEPTH_LIMIT: usize = 32;

/// Names that Ansible has during a run of its own. Where an inventory is read there is no run yet.
const OF_RUNS: &[&str] = &[
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_playbook_python",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_path",
];

/// What is known of one host.
pub struct Values<'a> {
    settings: BTreeMap<&'a str, &'a Setting>,
    own: Map,
    /// What all hosts share.
    shared: BTreeMap<&'static str, &'a Value>,
    templates: &'a Templates,
}

impl<'a> Values<'a> {
    /// `settings` weakest first; `own` are the names that windlass gives itself.
    pub fn new(settings: &'a [Setting], own: Map, templates: &'a Templates) -> Values<'a> {
        let settings = settings.iter().map(|setting| (setting.name.as_str(), setting)).collect();
        Values { settings, own, shared: BTreeMap::new(), templates }
    }

    /// The same with one more name, which all hosts share.
    pub fn with(mut self, name: &'static str, value: &'a Value) -> Values<'a> {
        self.shared.insert(name, value);
        self
    }

    /// The strongest setting of a name.
    pub fn setting(&self, name: &str) -> Option<&'a Setting> {
        self.settings.get(name).copied()
    }

    /// The value of a name; nothing when it is not set.
    pub fn get(&self, name: &str) -> Result<Option<Value>> {
        self.get_within(name, DEPTH_LIMIT)
    }

    /// A template rendered.
    pub fn text(&self, source: &str) -> Result<String> {
        self.with_names(DEPTH_LIMIT, |names| self.templates.text(source, names))
    }

    /// Whether an expression holds.
    pub fn truth(&self, expression: &str) -> Result<bool> {
        self.with_names(DEPTH_LIMIT, |names| self.templates.truth(expression, names))
    }

    fn get_within(&self, name: &str, depth: usize) -> Result<Option<Value>> {
        if let Some(value) = self.own.get(name).or_else(|| self.shared.get(name).copied()) {
            return Ok(Some(value.clone()));
        }
        match self.setting(name) {
            None if OF_RUNS.contains(&name) => {
                let why = format!("`{name}` is not known here: inventories are read before a playbook is");
                let hint = "use `inventory_dir`, or lookup('env', 'NAME'), or write the value";
                Err(Failure::new(format!("look up `{name}`"), why).hint(hint))
            }
            None => Ok(None),
            Some(setting) if setting.literal => Ok(Some(setting.value.clone())),
            Some(_) if depth == 0 => {
                Err(Failure::new(format!("render the variable `{name}`"), "it refers to itself"))
            }
            Some(setting) => self.rendered(&setting.value, depth - 1).map(Some),
        }
    }

    fn rendered(&self, value: &Value, depth: usize) -> Result<Value> {
        match value {
            Value::String(text) => self.with_names(depth, |names| self.templates.value(text, names)),
            Value::Array(list) => list.iter().map(|item| self.rendered(item, depth)).collect(),
            Value::Object(map) => {
                let entries = map.iter().map(|(key, item)| Ok((key.clone(), self.rendered(item, depth)?)));
                entries.collect::<Result<Map>>().map(Value::Object)
            }
            other => Ok(other.clone()),
        }
    }

    /// Renders with these variables. One that cannot be rendered itself is the failure.
    fn with_names<T>(&self, depth: usize, render: impl FnOnce(&Seen<'_, 'a>) -> Result<T>) -> Result<T> {
        let seen = Seen { values: self, depth, failure: RefCell::default() };
        let rendered = render(&seen);
        match seen.failure.into_inner() {
            Some(failure) => Err(failure),
            None => rendered,
        }
    }
}

/// The variables as one template sees them.
struct Seen<'v, 'a> {
    values: &'v Values<'a>,
    depth: usize,
    failure: RefCell<Option<Failure>>,
}

impl Names for Seen<'_, '_> {
    fn get(&self, name: &str) -> Option<Datum> {
        match self.values.get_within(name, self.depth) {
            Ok(value) => value.as_ref().map(Datum::of),
            Err(failure) => {
                self.failure.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let settings = self.values.settings.keys().map(|name| name.to_string());
        let shared = self.values.shared.keys().map(|name| name.to_string());
        settings.chain(self.values.own.keys().cloned()).chain(shared).collect()
    }
}
