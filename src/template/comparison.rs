//! Compares windlass with ansible-core: every expression of `tests/language/expressions.json` (which `expressions.py` beside
//! it writes) gives the same value, or fails in both. What differs stands in `differences.txt`, each with its reason.

use super::*;
use std::path::Path;

const TABLE: &str = include_str!("../../tests/language/expressions.json");
const VARIABLES: &str = include_str!("../../tests/language/variables.json");
const DIFFERENCES: &str = include_str!("../../tests/language/differences.txt");

/// At least this share of the expressions is equal, in percent.
const GOAL: usize = 97;

/// A place to look up values that has what the expressions ask for.
#[derive(Debug)]
struct Here;

impl Outside for Here {
    fn file(&self, name: &str) -> Result<String, Fault> {
        std::fs::read_to_string(name).map_err(|error| Fault::new(error.to_string()))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(std::env::var(name).ok())
    }

    fn pipe(&self, command: &str) -> Result<String, Fault> {
        Ok(command.trim_start_matches("echo ").to_string() + "\n")
    }

    fn password(&self, _: &str, make: &dyn Fn() -> String) -> Result<String, Fault> {
        Ok(make())
    }

    fn path_is(&self, path: &str, what: &str) -> Result<bool, Fault> {
        let path = Path::new(path);
        Ok(match what {
            "file" => path.is_file(),
            "directory" => path.is_dir(),
            "link" => path.is_symlink(),
            _ => path.exists(),
        })
    }

    fn real_path(&self, path: &str) -> Result<String, Fault> {
        Ok(path.to_string())
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    fn local(&self, moment: Moment) -> Moment {
        moment
    }
}

/// What differs from the table, as a line each.
fn differing() -> (usize, Vec<(String, String)>) {
    let variables: Values = serde_json::from_str(VARIABLES).unwrap();
    let table: Vec<Values> = serde_json::from_str(TABLE).unwrap();
    let templates = Templates::new(&BTreeMap::new()).with_outside(Arc::new(Here));
    let mut differing = Vec::new();
    for row in &table {
        let source = row["source"].as_str().unwrap();
        let value = templates.value(source, &variables).map(without_omitted);
        let line = match (&value, row.get("value")) {
            (Err(_), None) => continue,
            (Ok(value), Some(expected)) if value == expected => continue,
            (Ok(value), Some(expected)) => format!("{value} instead of {expected}"),
            (Ok(value), None) => format!("{value} instead of a failure: {}", row["error"].as_str().unwrap()),
            (Err(failure), Some(expected)) => format!("fails ({}) instead of {expected}", failure.why),
        };
        differing.push((source.to_string(), line));
    }
    (table.len(), differing)
}

#[test]
fn expressions_give_what_ansible_gives() {
    let (count, differing) = differing();
    let argued: Vec<&str> = DIFFERENCES.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    let shown = |source: &String| source.replace('\n', "\\n");
    let new: Vec<String> = differing
        .iter()
        .filter(|(source, _)| !argued.contains(&shown(source).as_str()))
        .map(|(source, line)| format!("{}\n    {line}", shown(source)))
        .collect();
    let equal = count - differing.len();
    println!("{equal} of {count} expressions give what Ansible gives");
    assert!(new.is_empty(), "these differ, and differences.txt does not say why:\n{}", new.join("\n"));
    assert!(equal * 100 >= count * GOAL, "{equal} of {count}");
    let gone: Vec<&&str> =
        argued.iter().filter(|source| !differing.iter().any(|(other, _)| shown(other) == **source)).collect();
    assert!(gone.is_empty(), "these no longer differ: {gone:?}");
}
