//! Expressions that must be true.

use crate::model::evaluated::{Evaluated, one_or_more};
use crate::model::finding::{Finding, Verdict};
use crate::model::op::Plan;
use crate::model::{Failure, Result};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

/// Fails unless every expression is true. Never counts as a change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Assert {
    /// An expression, or a list of them.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "controller", schemars(schema_with = "crate::model::evaluated::expressions"))]
    that: Vec<Evaluated>,
    /// What to say when one is false; which one it was is said in any case.
    message: Option<String>,
    /// What to say when all are true.
    success: Option<String>,
    /// Report each expression as a finding of this group, in the run's report, and not only the ones that are false.
    group: Option<String>,
}

impl Kind for Assert {
    const NAME: &'static str = "assert";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("that", KeyUse::Expression)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the host is one this playbook knows"
[steps.assert]
that = [
  "facts.os.id in ['debian', 'ubuntu']",
  "facts.memory.total > 500 * 1024 * 1024",
]
message = "this playbook is for Debian and Ubuntu with half a gigabyte of memory"
success = "{{ facts.os.name }} will do"

[[steps]]
name = "the host is large enough"
[steps.assert]
that = ["facts.cpus >= 2", "facts.memory.total >= 2 * 1024 ** 3"]
group = "size"          # a report shows each, and how many of them hold
"#;
}

impl Step for Assert {
    fn check(&self) -> Result<(), WrongKey> {
        match self.that.is_empty() {
            true => Err(WrongKey::new("that", "give at least one expression")),
            false => Ok(()),
        }
    }

    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        if let Some(group) = &self.group {
            return Ok(Plan::found(self.findings(group)));
        }
        let wrong: Vec<&Evaluated> = self.that.iter().filter(|one| !one.is_true()).collect();
        if wrong.is_empty() {
            return Ok(Plan { notes: self.success.iter().cloned().collect(), ..Plan::nothing() });
        }
        let said: Vec<String> = wrong.iter().map(|one| describe(one)).collect();
        let failure = Failure::new("assert", said.join("; "));
        Err(match &self.message {
            Some(message) => Failure { why: format!("{message} ({})", failure.why), ..failure },
            None => failure,
        })
    }
}

impl Assert {
    fn findings(&self, group: &str) -> Vec<Finding> {
        let finding = |one: &Evaluated| {
            let verdict = Verdict::of(one.is_true());
            let finding = Finding::new(group, &one.expression, verdict, format!("it is {}", one.value));
            Finding { hint: self.message.clone().filter(|_| !one.is_true()), ..finding }
        };
        self.that.iter().map(finding).collect()
    }
}

/// What is wrong with one, its value shown as it is.
fn describe(one: &Evaluated) -> String {
    format!("{} is {}", one.expression, one.value)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{found, host, parse};

    const TRUE: &str = "{ expression = 'a == 1', value = true }";
    const FALSE: &str = "{ expression = 'b == 2', value = false }";
    const EMPTY: &str = "{ expression = 'names', value = [] }";

    fn asserted(keys: &str) -> String {
        match parse("assert", keys).and_then(|step| step.plan(&host(&[]))) {
            Ok(plan) => plan.notes.join("\n"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn is_content_when_all_are_true() {
        assert_eq!(asserted(&format!("that = {TRUE}")), "");
        assert_eq!(asserted(&format!("that = [{TRUE}, {TRUE}]\nsuccess = 'fine'")), "fine");
    }

    #[test]
    fn names_what_is_false() {
        assert_eq!(asserted(&format!("that = {FALSE}")), "assert: b == 2 is false");
        assert_eq!(
            asserted(&format!("that = [{TRUE}, {FALSE}, {EMPTY}]\nmessage = 'not this host'")),
            "assert: not this host (b == 2 is false; names is [])"
        );
    }

    #[test]
    fn tells_each_as_a_finding_of_its_group() {
        let keys = format!("that = [{TRUE}, {FALSE}]\nmessage = 'buy a larger one'\ngroup = 'size'");
        assert_eq!(
            found(&host(&[]), "assert", &keys).unwrap(),
            "pass    size a == 1: it is true\nfail    size b == 2: it is false\n"
        );
    }

    #[test]
    fn needs_an_expression() {
        assert_eq!(asserted("that = []"), "read assert.that: give at least one expression");
    }
}
