//! Which variables a tree needs, as the controller found and the host compares.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of the places that read a variable, so many are named.
pub const PLACES: usize = 3;

/// What a tree reads of its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The directory, as it was named.
    pub source: String,
    /// How many files were read.
    pub files: usize,
    /// By name.
    pub variables: BTreeMap<String, Need>,
    /// Places that use the environment as a whole, so that it cannot be seen which variables are meant.
    pub whole: Vec<String>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// How one variable is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Something reads it and has nothing else to take.
    pub required: bool,
    /// Something reads it; otherwise an example only names it.
    pub read: bool,
    /// The first places, those that require it before others: `src/db.js:12`.
    pub places: Vec<String>,
    /// How many places there are.
    pub count: usize,
    /// What gives it a value besides the file on the host: `compose.yaml:7`.
    pub given: Option<String>,
    /// The example that names it: `.env.example:3`.
    pub example: Option<String>,
}

impl Needs {
    /// Something reads a variable.
    pub fn read(&mut self, name: &str, place: String, optional: bool) {
        let need = self.variables.entry(name.to_string()).or_default();
        need.read = true;
        need.count += 1;
        // A place that requires it says more than one that does not.
        if !optional && !need.required {
            need.required = true;
            need.places.clear();
        }
        if need.places.len() < PLACES && (need.required != optional) {
            need.places.push(place);
        }
    }

    /// Something gives it a value.
    pub fn give(&mut self, name: &str, place: String) {
        self.variables.entry(name.to_string()).or_default().given.get_or_insert(place);
    }

    /// An example names it.
    pub fn name_in_example(&mut self, name: &str, place: String) {
        self.variables.entry(name.to_string()).or_default().example.get_or_insert(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_without_a_default_makes_it_required() {
        let mut needs = Needs::default();
        needs.read("A", "a.js:1".to_string(), true);
        assert!(!needs.variables["A"].required);
        needs.read("A", "b.js:2".to_string(), false);
        needs.read("A", "c.js:3".to_string(), true);
        let need = &needs.variables["A"];
        assert_eq!((need.required, need.count, &need.places[..]), (true, 3, &["b.js:2".to_string()][..]));
    }
}
