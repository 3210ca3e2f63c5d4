//! What a host hears when one of its plays starts, and what it hands on to the plays of others.

use super::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a host has given variables and results that other hosts look at; none where only applying shows it.
pub type Given = BTreeMap<String, Option<Value>>;

/// What a host hands on is no larger than this, in bytes: each of the others gets a copy.
pub const LARGEST: usize = 1024 * 1024;

/// The size in bytes of what is handed on.
pub fn size(given: &impl Serialize) -> usize {
    serde_json::to_vec(given).map_or(usize::MAX, |bytes| bytes.len())
}

/// What is taken of it: a host hands on only what other hosts look at, and nothing that is too large or too deep.
#[cfg(feature = "controller")]
pub fn taken(mut given: Given, shares: &[String]) -> Given {
    given.retain(|name, value| shares.contains(name) && !value.as_ref().is_some_and(super::cut::is_too_deep));
    if size(&given) <= LARGEST { given } else { Given::new() }
}

/// A play may start, or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlayStart {
    /// Why it is not started on any host any more.
    pub refusal: Option<String>,
    /// What other hosts have given so far, by their names.
    pub others: BTreeMap<String, Given>,
    /// Secrets of those hosts that are in it.
    pub secrets: Vec<String>,
}

impl PlayStart {
    /// It is not started.
    pub fn refused(why: impl Into<String>) -> Self {
        PlayStart { refusal: Some(why.into()), ..PlayStart::default() }
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_look_at_is_taken_of_a_host() {
        let given = |name: &str, value: &str| Given::from([(name.to_string(), Some(value.into()))]);
        let shares = ["token".to_string()];
        assert_eq!(taken(given("token", "7"), &shares), given("token", "7"));
        assert_eq!(taken(given("port", "7"), &shares), Given::new());
        assert_eq!(taken(given("token", &"x".repeat(LARGEST)), &shares), Given::new());
        let nested = (0..50).fold(Value::from(1), |inner, _| serde_json::json!([inner]));
        assert_eq!(taken(Given::from([("token".to_string(), Some(nested))]), &shares), Given::new());
    }
}
