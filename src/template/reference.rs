//! The reference of filters, tests and functions: an example of each, evaluated when it is shown.

use super::{Templates, filters, functions, tests_of_values};
use crate::model::{Value, Values};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// `value | name`.
    Filter,
    /// `value is name`.
    Test,
    /// `name(…)`.
    Function,
}

/// One name.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is for.
    pub sort: Sort,
    /// Its name.
    pub name: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
}

/// A line for each: sort, name and example, separated by tabs.
const EXAMPLES: &str = include_str!("examples.txt");

/// Every name with its example, by sort and name.
pub static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| EXAMPLES.lines().filter_map(Entry::read).collect());

impl Sort {
    /// The word in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Filter => "filter",
            Sort::Test => "test",
            Sort::Function => "function",
        }
    }
}

impl Entry {
    fn read(line: &'static str) -> Option<Entry> {
        let mut parts = line.splitn(3, '\t');
        let sort = [Sort::Filter, Sort::Test, Sort::Function];
        let word = parts.next()?;
        let sort = sort.into_iter().find(|sort| sort.as_str() == word)?;
        Some(Entry { sort, name: parts.next()?, example: parts.next()? })
    }

    /// What the example gives. None for what looks at the controller's files, environment and commands.
    pub fn result(&self) -> Option<Value> {
        let looks_here = match self.sort {
            Sort::Filter => filters::LOOKUPS,
            Sort::Test => tests_of_values::LOOKUPS,
            Sort::Function => functions::LOOKUPS,
        };
        match looks_here.contains(&self.name) {
            true => None,
            false => Templates::new(&BTreeMap::new()).expression(self.example, &Values::new()).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::addresses;

    #[test]
    fn every_name_has_an_example_and_no_other_has() {
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        let shown = |sort| {
            let of_sort = ENTRIES.iter().filter(|entry| entry.sort == sort);
            sorted(of_sort.map(|entry| entry.name).collect())
        };
        assert_eq!(shown(Sort::Filter), sorted(filters::names().collect()));
        let tests = tests_of_values::names().chain(addresses::TESTS.iter().copied());
        assert_eq!(shown(Sort::Test), sorted(tests.collect()));
        let functions = functions::names().filter(|name| *name != "super").chain(["omit"]);
        assert_eq!(shown(Sort::Function), sorted(functions.collect()));
        assert_eq!(EXAMPLES.lines().count(), ENTRIES.len(), "every line is read");
    }

    #[test]
    fn every_example_uses_its_name_and_gives_something() {
        for entry in ENTRIES.iter() {
            assert!(entry.example.contains(entry.name), "{entry:?}");
            let source = Templates::new(&BTreeMap::new());
            let looks_here = [filters::LOOKUPS, tests_of_values::LOOKUPS, functions::LOOKUPS].concat();
            if !looks_here.contains(&entry.name) {
                let result = source.expression(entry.example, &Values::new());
                assert!(result.is_ok(), "{entry:?}: {result:?}");
            }
        }
    }
}
