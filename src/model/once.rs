//! A step that one host runs for all hosts of a run: who does, and how it ended there.

use super::outcome::StepOutcome;
use super::play::{self, LARGEST};
use super::{Failure, Value, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        }
    }

    /// The same unless its result is too large to be handed on.
    pub fn fitted(self) -> Self {
        let size = play::size(&(&self.known, &self.set));
        if size <= LARGEST {
            return self;
        }
        let why = format!("its result has {size} bytes, and other hosts get at most {LARGEST}");
        let failure = Failure::new("hand on the result of a step that runs once", why);
        OnceEnded::failed(failure.hint("let the step print less, or write it to a file"))
    }
}
