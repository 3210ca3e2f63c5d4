//! The table of faults, `tests/faults.toml`: its tests exist, and the manual's page is made of it.

use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    faults: Vec<Fault>,
    untried: Vec<Untried>,
    seen: Vec<Seen>,
}

/// What a longer trial showed last.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    command: String,
    figures: String,
}

/// What no test does to a real host.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Untried {
    fault: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    fault: String,
    promise: String,
    /// Each is the test's program and its name.
    tests: Vec<String>,
}

#[test]
fn every_fault_is_shown_by_tests_that_exist() {
    for fault in table().faults {
        assert!(!fault.tests.is_empty(), "{}: no test shows it", fault.fault);
        fault.tests.iter().for_each(|test| assert!(exists(test), "{}: there is no test {test}", fault.fault));
    }
}

/// Brought up to date by `UPDATE_EXPECT=1`.
#[test]
fn the_manuals_page_is_made_of_the_table() {
    let mut page = String::from(
        "# Faults\n\nWhat windlass promises when something fails, and the tests that show it. This page is made of\n\
         `tests/faults.toml`. `./tests/run NAME` runs one test; those of `lab` run on real hosts.\n\n\
         | fault | promise | tests |\n|---|---|---|\n",
    );
    let Table { faults, untried, seen } = table();
    for Fault { fault, promise, tests } in faults {
        let names: Vec<String> = tests.iter().map(|test| format!("`{}`", name(test))).collect();
        writeln!(page, "| {fault} | {promise} | {} |", names.join(", ")).unwrap();
    }
    page += "\n## Not tried on real hosts\n\n| fault | why, and what stands for it |\n|---|---|\n";
    for Untried { fault, why } in untried {
        writeln!(page, "| {fault} | {why} |").unwrap();
    }
    page += "\n## More of it\n\n`tests/soak` tries more of these than the tests do, on a lab that is up, and prints the figures. \
             These were seen last:\n\n| command | figures |\n|---|---|\n";
    for Seen { command, figures } in seen {
        writeln!(page, "| `{command}` | {figures} |").unwrap();
    }
    expect_test::expect_file!["../../docs/faults.md"].assert_eq(&page);
}

fn table() -> Table {
    let text = fs::read_to_string("tests/faults.toml").expect("the table is there");
    toml::from_str::<Table>(&text).expect("the table is TOML")
}

fn name(test: &str) -> &str {
    test.split_once(' ').expect("a program and a name").1
}

/// Whether the source of the test's module, or a macro's list in it, has a function of this name.
fn exists(test: &str) -> bool {
    let (program, name) = test.split_once(' ').expect("a program and a name");
    let (modules, function) = name.rsplit_once("::").expect("a module and a function");
    let root = if program == "windlass" { "src".to_string() } else { format!("tests/{program}") };
    // Tests of a module stand in its file, in `tests.rs` beside it, or in a directory of them.
    let mut path = modules.replace("::", "/");
    loop {
        let file = format!("{root}/{path}.rs");
        if defines(Path::new(&file), function) {
            return true;
        }
        let Some((above, _)) = path.rsplit_once('/') else { return false };
        path = above.to_string();
    }
}

fn defines(file: &Path, function: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("fn {function}(")) || text.contains(&format!(" {function},"))
}
