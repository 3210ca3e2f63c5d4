//! Variables that get their values in the middle of a run.

use crate::model::op::Plan;
use crate::model::{Result, Values};
use crate::step::{ANY_FIELD, Kind, Step};
use crate::system::Probe;
use serde::Deserialize;

/// Gives variables values, which may come from results and facts. Each key is the name of a variable. Later steps, their
/// templates and handlers see the value on this host until the end of the run. It is as strong as a registered result: only
/// `--var` is stronger. In a loop each element sees what the elements before it have set. Never counts as a change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Set(Values);

impl Kind for Set {
    const NAME: &'static str = "set";
    const STAYS: Option<&'static str> = Some("it gives variables of its own host values");
    const RESULT: &'static [&'static str] = &[ANY_FIELD];
    const SETS: bool = true;
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "how many workers fit"
[steps.set]
workers = "{{ [facts.cpus, 8] | min }}"
url = "https://{{ facts.hostname }}.example.com/"
"#;
}

impl Step for Set {
    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        Ok(Plan { result: self.0.clone(), ..Plan::nothing() })
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse};

    #[test]
    fn changes_nothing_and_gives_its_values() {
        let plan = parse("set", "port = 80\nnames = ['a']").unwrap().plan(&host(&[])).unwrap();
        assert!(plan.is_empty());
        assert_eq!(serde_json::to_string(&plan.result).unwrap(), r#"{"port":80,"names":["a"]}"#);
    }
}
