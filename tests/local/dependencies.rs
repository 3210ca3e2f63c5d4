//! What windlass links: licences, crates and sources, as `deny.toml` allows them. cargo-deny reads the same file; its
//! advisories are asked for in `.ci/run`, since they need a network.
#![expect(clippy::disallowed_methods, reason = "cargo itself knows what is linked")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Where crates may come from; anything else is an unknown registry or a git repository.
const REGISTRIES: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

#[test]
fn what_is_linked_is_allowed() {
    let rules = rules();
    let packages = linked(&words(&rules["graph"]["targets"]));
    assert!(packages.len() > 1, "cargo lists no packages");
    let checks = [licence, banned, foreign, open];
    let broken = |package: &Value| -> Vec<String> {
        let found = checks.iter().filter_map(|check| check(&rules, package));
        found.map(|why| format!("{} {}: {why}", package["name"], package["version"])).collect()
    };
    assert_eq!(packages.iter().flat_map(broken).collect::<Vec<_>>(), Vec::<String>::new());
}

fn licence(rules: &toml::Value, package: &Value) -> Option<String> {
    let licence = package["license"].as_str().unwrap_or_default();
    let allowed = words(&rules["licenses"]["allow"]);
    (!allows(&allowed, licence)).then(|| format!("the licence {licence:?} is not in deny.toml"))
}

fn banned(rules: &toml::Value, package: &Value) -> Option<String> {
    let banned = rules["bans"]["deny"].as_array().expect("deny.toml lists banned crates");
    let ban = banned.iter().find(|ban| ban["crate"].as_str() == package["name"].as_str())?;
    Some(format!("banned: {}", ban["reason"].as_str().unwrap_or_default()))
}

/// From elsewhere than the registry.
fn foreign(_: &toml::Value, package: &Value) -> Option<String> {
    let Some(source) = package["source"].as_str() else { return not_ours(package) };
    (!REGISTRIES.contains(&source)).then(|| format!("it comes from {source}"))
}

/// A dependency of ours that takes any version.
fn open(_: &toml::Value, package: &Value) -> Option<String> {
    let ours = package["source"].is_null();
    let dependencies = package["dependencies"].as_array().expect("a list");
    let open = dependencies.iter().find(|dependency| ours && dependency["req"] == "*")?;
    Some(format!("{} has no version", open["name"]))
}

/// A package without a source lies in a directory: that is windlass alone.
fn not_ours(package: &Value) -> Option<String> {
    (package["name"] != "windlass").then(|| "it lies in a directory".to_string())
}

fn rules() -> toml::Value {
    let text = fs::read_to_string("deny.toml").expect("deny.toml is there");
    toml::from_str(&text).expect("deny.toml is TOML")
}

fn words(list: &toml::Value) -> BTreeSet<String> {
    let list = list.as_array().expect("a list in deny.toml");
    list.iter().map(|word| word.as_str().expect("a word").to_string()).collect()
}

/// Every package that is linked, or compiled to link, for one of these systems.
fn linked(targets: &BTreeSet<String>) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args("metadata --format-version 1 --locked --all-features".split(' '));
    for target in targets {
        cargo.args(["--filter-platform", target]);
    }
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

/// Whether an SPDX expression can be met with the allowed licences alone. No licence at all is not.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut rest = spaced.split_whitespace().peekable();
    either(allowed, &mut rest) && rest.next().is_none()
}

type Words<'a, 'b> = &'a mut std::iter::Peekable<std::str::SplitWhitespace<'b>>;

fn either(allowed: &BTreeSet<String>, rest: Words) -> bool {
    let mut met = both(allowed, rest);
    while rest.next_if_eq(&"OR").is_some() {
        met |= both(allowed, rest);
    }
    met
}

fn both(allowed: &BTreeSet<String>, rest: Words) -> bool {
    let mut met = one(allowed, rest);
    while rest.next_if_eq(&"AND").is_some() {
        met &= one(allowed, rest);
    }
    met
}

fn one(allowed: &BTreeSet<String>, rest: Words) -> bool {
    match rest.next() {
        Some("(") => {
            let met = either(allowed, rest);
            met && rest.next() == Some(")")
        }
        Some(licence) => {
            // An exception makes another licence, which deny.toml would have to name.
            let excepted = rest.next_if_eq(&"WITH").and_then(|_| rest.next());
            excepted.is_none() && allowed.contains(licence)
        }
        None => false,
    }
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed = BTreeSet::from(["MIT", "ISC"].map(str::to_string));
    for met in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(GPL-3.0 OR MIT) AND ISC", "X WITH Y OR MIT"] {
        assert!(allows(&allowed, met), "{met}");
    }
    for broken in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT WITH Y", "MIT ISC"] {
        assert!(!allows(&allowed, broken), "{broken}");
    }
}
