//! Packages: what the scripts in `packaging/` make of the built program, and what the packed crate holds.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests run the scripts and the tools that read packages"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a package installs beside the program, whatever its form.
const INSTALLED: &[&str] = &[
    "usr/bin/windlass",
    "usr/lib/systemd/system/windlass-serve@.service",
    "usr/share/bash-completion/completions/windlass",
    "usr/share/doc/windlass/LICENSE-MIT",
    "usr/share/doc/windlass/copyright",
    "usr/share/fish/vendor_completions.d/windlass.fish",
    "usr/share/man/man1/windlass-serve.1.gz",
    "usr/share/man/man1/windlass.1.gz",
    "usr/share/zsh/vendor-completions/_windlass",
];

/// Runs a program and returns what it prints; it must succeed.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a package, of a time that is the same each time.
fn package(script: &str, arguments: &[&str]) -> PathBuf {
    let mut command = Command::new(format!("packaging/{script}"));
    command.arg(env!("CARGO_BIN_EXE_windlass")).args(arguments).env("SOURCE_DATE_EPOCH", "1700000000");
    command.env("PACKAGE_LEVEL", "1");
    PathBuf::from(printed(&mut command).trim())
}

fn path(directory: &tempfile::TempDir) -> &str {
    directory.path().to_str().expect("it is UTF-8")
}

#[test]
fn a_debian_package_has_program_pages_completions_and_unit_and_is_the_same_each_time() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let deb = package("deb", &[path(&one)]);
    let again = package("deb", &[path(&other)]);
    assert!(fs::read(&deb).expect("it is there") == fs::read(again).expect("it is there"), "they differ");
    let listed = printed(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    for file in INSTALLED {
        let line = listed.lines().find(|line| line.ends_with(&format!(" ./{file}")));
        let line = line.unwrap_or_else(|| panic!("{file} is not in it:\n{listed}"));
        assert!(line.contains(" root/root "), "{line}");
        assert_eq!(line.starts_with("-rwxr-xr-x"), *file == "usr/bin/windlass", "{line}");
    }
    let field = |name: &str| printed(Command::new("dpkg-deb").arg("--field").arg(&deb).arg(name));
    assert_eq!(field("Package").trim(), "windlass");
    assert_eq!(field("Version").trim(), env!("CARGO_PKG_VERSION"));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));
}

#[test]
fn an_archive_is_laid_out_as_binstall_expects_it_and_is_the_same_each_time() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let target = "x86_64-unknown-linux-gnu";
    let archive = package("tarball", &[target, path(&one)]);
    let again = package("tarball", &[target, path(&other)]);
    assert!(fs::read(&archive).expect("there") == fs::read(again).expect("there"), "they differ");
    let name = format!("windlass-{}-{target}", env!("CARGO_PKG_VERSION"));
    assert!(archive.ends_with(format!("{name}.tar.gz")), "{archive:?}");
    let listed = printed(Command::new("tar").arg("--list").arg("--file").arg(&archive));
    let files: BTreeSet<&str> = listed.lines().collect();
    for file in
        ["windlass", "LICENSE-MIT", "README.md", "CHANGELOG.md", "man/windlass.1.gz", "completions/_windlass"]
    {
        assert!(files.contains(format!("{name}/{file}").as_str()), "{file} is not in it:\n{listed}");
    }
    let sums = archive.with_file_name(format!("{name}.tar.gz.sha256"));
    printed(Command::new("sha256sum").arg("--check").arg(sums).current_dir(one.path()));
    // What cargo binstall makes of the manifest is where the program is.
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").expect("there").parse().expect("TOML");
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let fill = |key: &str| {
        let text = binstall[key].as_str().expect("a text").replace("{ name }", "windlass");
        let text = text.replace("{ version }", env!("CARGO_PKG_VERSION")).replace("{ target }", target);
        text.replace("{ bin }{ binary-ext }", "windlass")
    };
    assert!(fill("pkg-url").ends_with(&format!("/{name}.tar.gz")));
    assert!(files.contains(fill("bin-dir").as_str()));
}

#[test]
fn release_notes_are_what_the_changelog_says_of_a_version() {
    let notes =
        |version: &str| Command::new("packaging/release-notes").arg(version).output().expect("it runs");
    let known = notes("Unreleased");
    let text = String::from_utf8_lossy(&known.stdout).into_owned();
    assert!(known.status.success() && text.starts_with("### ") && !text.contains("\n## "), "{text}");
    assert_eq!(notes("99.0.0").status.code(), Some(1));
}

/// Everything that the sources include at compile time must be in the packed crate, and nothing of this machine.
#[test]
fn the_packed_crate_holds_all_that_is_compiled_and_no_state() {
    let listed =
        printed(Command::new(env!("CARGO")).args(["package", "--list", "--allow-dirty", "--offline"]));
    let packed: BTreeSet<&str> = listed.lines().collect();
    for file in ["Cargo.lock", "build.rs", "README.md", "LICENSE-MIT", "packaging/deb", "docs/SUMMARY.md"] {
        assert!(packed.contains(file), "{file} is not packed");
    }
    assert!(!packed.iter().any(|file| file.starts_with("target/") || file.starts_with(".windlass")));
    let mut waiting = vec![PathBuf::from("src")];
    let mut included = 0;
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("it is there").map(|entry| entry.expect("a file").path())
        {
            if entry.is_dir() {
                waiting.push(entry);
                continue;
            }
            assert!(packed.contains(entry.to_str().expect("UTF-8")), "{entry:?} is not packed");
            let text = fs::read_to_string(&entry).unwrap_or_default();
            for name in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                included += 1;
                let file = joined(entry.parent().expect("a directory"), name);
                assert!(packed.contains(file.as_str()), "{entry:?} includes {file}, which is not packed");
            }
        }
    }
    assert!(included > 20, "{included}");
}

/// The path without `..`.
fn joined(directory: &Path, name: &str) -> String {
    let mut parts: Vec<&str> = directory.to_str().expect("UTF-8").split('/').collect();
    for part in name.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What CI calls exists: a workflow that names a script which was moved fails only on the day of a release.
#[test]
fn workflows_call_scripts_that_exist() {
    let mut called = 0;
    for workflow in ["ci", "release"] {
        let text = fs::read_to_string(format!(".github/workflows/{workflow}.yml")).expect("it is there");
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | ','));
        for script in words.filter(|word| word.starts_with("packaging/") || word.starts_with(".ci/")) {
            assert!(Path::new(script).exists(), "{workflow}.yml calls {script}");
            called += 1;
        }
    }
    assert!(called > 4, "{called}");
}
