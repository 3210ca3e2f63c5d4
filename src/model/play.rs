//! What a host hears when one of its plays starts, and what it hands on to the plays of others.

use super::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a host has given variables and results that other hosts look at; none where only applying tells it.
pub type Given = BTreeMap<String, Option<Value>>;

/// A play may start, or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlayStart {
    /// Why it is not started on any host any more.
    pub refusal: Option<String>,
    /// What other hosts have given so far, by their names.
    pub others: BTreeMap<String, Given>,
}

impl PlayStart {
    /// It is not started.
    pub fn refused(why: impl Into<String>) -> Self {
        PlayStart { refusal: Some(why.into()), ..PlayStart::default() }
    }
}
