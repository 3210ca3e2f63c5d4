//! A step that one host runs for all hosts of a run: who does, and how it ended there.

use super::cut::{fitted_failure, is_too_deep};
use super::outcome::StepOutcome;
use super::play::{self, LARGEST};
use super::{Failure, Value, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
#[cfg(feature = "controller")]
use std::collections::BTreeSet;

/// Who runs such a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Once {
    /// This host.
    Here,
    /// The host of this name; this one waits for it, fails with it, and has its result.
    On(String),
}

impl Once {
    /// This host runs it.
    pub fn is_here(&self) -> bool {
        *self == Once::Here
    }

    /// Another host runs it.
    pub fn is_elsewhere(&self) -> bool {
        !self.is_here()
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnceEnded {
    /// The verdict.
    pub outcome: StepOutcome,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The fields of its result.
    pub known: Values,
    /// There are more fields, which only applying gives.
    pub partial: bool,
    /// The variables that it set; none where only applying shows the value.
    pub set: BTreeMap<String, Option<Value>>,
    /// Secrets of the host that ran it which are in these values. The controller says so.
    pub secrets: Vec<String>,
}

impl OnceEnded {
    /// It failed, or was never reached.
    pub fn failed(failure: Failure) -> Self {
        OnceEnded {
            outcome: StepOutcome::Failed,
            failure: Some(failure),
            known: Values::from_iter([("failed".to_string(), true.into())]),
            partial: false,
            set: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    /// The same unless its result is too large, or too deep, to be handed on.
    pub fn fitted(mut self) -> Self {
        self.failure = self.failure.map(fitted_failure);
        let mut values = self.known.values().chain(self.set.values().flatten());
        if values.any(is_too_deep) {
            let why = "its result is nested too deeply";
            return OnceEnded::failed(Failure::new("pass on the result of a step that runs once", why));
        }
        let size = play::size(&(&self.known, &self.set));
        if size <= LARGEST {
            return self;
        }
        let why = format!("its result has {size} bytes, and other hosts get at most {LARGEST}");
        let failure = Failure::new("pass on the result of a step that runs once", why);
        OnceEnded::failed(failure.hint("let the step print less, or write it to a file"))
    }

    /// What is taken of it: a host gives other hosts values only for the variables that its step sets.
    #[cfg(feature = "controller")]
    pub fn taken(mut self, sets: &BTreeSet<String>) -> Self {
        self.set.retain(|name, _| sets.contains(name));
        OnceEnded { secrets: Vec::new(), ..self.fitted() }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    fn ended(name: &str, value: Value) -> OnceEnded {
        let set = BTreeMap::from([(name.to_string(), Some(value))]);
        let known = Values::new();
        let (outcome, secrets) = (StepOutcome::Changed, Vec::new());
        OnceEnded { outcome, failure: None, known, partial: false, set, secrets }
    }

    #[test]
    fn a_host_sets_no_variable_of_others_that_its_step_does_not_set() {
        let sets = BTreeSet::from(["version".to_string()]);
        let taken = |name: &str| ended(name, "7".into()).taken(&sets).set.into_keys().collect::<Vec<_>>();
        assert_eq!((taken("version"), taken("owner")), (vec!["version".to_string()], Vec::new()));
    }

    #[test]
    fn what_is_handed_on_is_bounded() {
        let nested = (0..50).fold(Value::from(1), |inner, _| serde_json::json!([inner]));
        assert_eq!(ended("x", nested).fitted().outcome, StepOutcome::Failed);
        assert_eq!(ended("x", "x".repeat(LARGEST).into()).fitted().outcome, StepOutcome::Failed);
        let long = OnceEnded::failed(Failure::new("do", "x".repeat(9 << 20))).fitted();
        assert!(long.failure.unwrap().why.len() < 1 << 20);
    }
}
