//! A message in the middle of a run.

use crate::model::evaluated::{Evaluated, one_or_more};
use crate::model::op::Plan;
use crate::model::{Result, Value, Values};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

/// Shows a message, or what expressions come to: at least one of `message` and `var`. Never counts as a change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Debug {
    /// What to show; a list shows a line for each element.
    #[cfg_attr(feature = "controller", schemars(extend("type" = ["string", "number", "boolean", "array", "object"])))]
    message: Option<Value>,
    /// An expression, or a list of them, whose values are shown.
    #[serde(default, deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "controller", schemars(schema_with = "crate::model::evaluated::expressions"))]
    var: Vec<Evaluated>,
}

impl Kind for Debug {
    const NAME: &'static str = "debug";
    const RESULT: &'static [&'static str] = &["message", crate::step::ANY_FIELD];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("var", KeyUse::Expression)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "what the playbook sees"
[steps.debug]
message = "{{ name }} runs {{ facts.os.name }}"
var = ["facts.memory", "accounts.stdout"]
"#;
}

impl Step for Debug {
    fn check(&self) -> Result<(), WrongKey> {
        match self.message.is_none() && self.var.is_empty() {
            true => Err(WrongKey::new("", "give message, var or both")),
            false => Ok(()),
        }
    }

    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        let mut notes: Vec<String> = match &self.message {
            None => Vec::new(),
            Some(Value::Array(lines)) => lines.iter().map(shown).collect(),
            Some(one) => vec![shown(one)],
        };
        notes.extend(self.var.iter().map(|one| format!("{} = {:#}", one.expression, one.value)));
        Ok(Plan { notes, result: self.result(), ..Plan::nothing() })
    }
}

impl Debug {
    /// `message` as it is, and each expression's value under the expression.
    fn result(&self) -> Values {
        let message = self.message.iter().map(|message| ("message".to_string(), message.clone()));
        message.chain(self.var.iter().map(|one| (one.expression.clone(), one.value.clone()))).collect()
    }
}

/// Text as it is, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse};

    fn told(keys: &str) -> String {
        let plan = parse("debug", keys).unwrap().plan(&host(&[])).unwrap();
        assert!(plan.is_empty());
        plan.notes.join("\n")
    }

    #[test]
    fn tells_messages_and_values() {
        assert_eq!(told("message = 'hi'"), "hi");
        assert_eq!(told("message = ['hi', 7, { a = 1 }]"), "hi\n7\n{\"a\":1}");
        assert_eq!(told("var = { expression = 'a.b', value = [1] }"), "a.b = [\n  1\n]");
        assert_eq!(told("message = 'hi'\nvar = [{ expression = 'a', value = 'b' }]"), "hi\na = \"b\"");
    }

    #[test]
    fn needs_something_to_tell() {
        let failure = parse("debug", "").err().unwrap();
        assert_eq!(failure.to_string(), "read the keys of debug: give message, var or both");
    }
}
