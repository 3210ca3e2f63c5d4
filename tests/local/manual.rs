//! The manual (`docs/`, README.md and the pages beside it): links lead to pages and headings that exist, commands have
//! options that exist, and the generated parts are what the program prints.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program itself")]

use crate::stage::markdown::{self, Page};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod book;
mod generated;
mod shell_words;

/// The pages outside of `docs/`.
const BESIDE: &[&str] = &["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The most lines that a page may have which is read first.
const SHORT: &[(&str, usize)] = &[("README.md", 150), ("ARCHITECTURE.md", 150)];

/// Words that have a plainer one, which stands beside them.
const WORDS: &[(&[&str], &str)] = &[
    (&["tell", "tells", "told"], "report, show, print"),
    (&["somebody", "nobody", "whoever", "everybody", "anybody"], "the user, another process, no one"),
    (&["folder", "folders"], "directory"),
    (&["take back", "takes back", "took back", "taken back", "brought back"], "roll back, undo, restore"),
    (&["let in", "lets in", "letting in"], "allow"),
    (&["lay over", "lays over", "laid over", "laying over"], "copy over"),
    (&["go on with", "goes on with", "gone on with"], "resume, continue"),
    (&["see to", "sees to"], "manage, set, edit, ensure"),
    (&["lead nowhere", "leads nowhere"], "does not exist"),
    (&["in the midst", "came to it", "come to an end"], "during, finish"),
    (&["pretend", "pretends", "pretended"], "dry run"),
];

/// Runs `windlass WORDS`.
fn windlass(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
    program.args(words).current_dir("docs").env("NO_COLOR", "1").env("COLUMNS", "100");
    program.output().expect("the program runs")
}

/// What `windlass WORDS` prints.
fn printed(words: &[&str]) -> String {
    let output = windlass(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let pages: BTreeMap<PathBuf, Page> = pages().into_iter().map(|page| (page.path.clone(), page)).collect();
    complain(pages.values().flat_map(|page| {
        let broken = |(line, target): (usize, String)| {
            Some(format!("{}:{line}: {target}: {}", page.path.display(), wrong(&target, page, &pages)?))
        };
        page.links().into_iter().filter_map(broken)
    }));
}

/// Why a link of `page` leads to nothing.
fn wrong(target: &str, page: &Page, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { page.path.clone() } else { markdown::joined(&page.path, path) };
    if !path.exists() {
        return Some(format!("there is no {}", path.display()));
    }
    let has_it = |to: &Page| to.headings().iter().any(|heading| markdown::anchor(heading) == anchor);
    (!anchor.is_empty() && !pages.get(&path).is_some_and(has_it))
        .then(|| "there is no such heading".to_string())
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = Page::read(Path::new("docs/SUMMARY.md"));
    let listed: Vec<PathBuf> =
        summary.links().iter().map(|(_, target)| markdown::joined(&summary.path, target)).collect();
    let missing =
        pages().into_iter().filter(|page| page.path.starts_with("docs") && page.path != summary.path);
    complain(
        missing
            .filter(|page| !listed.contains(&page.path))
            .map(|page| format!("{}: it is not in docs/SUMMARY.md", page.path.display())),
    );
}

#[test]
fn what_is_read_first_is_short() {
    complain(SHORT.iter().filter_map(|(path, most)| {
        let lines = Page::read(Path::new(path)).text.lines().count();
        (lines > *most).then(|| format!("{path}: {lines} lines, of {most}: move some of it to docs/"))
    }));
}

/// Brought up to date by `UPDATE_EXPECT=1`.
#[test]
fn generated_parts_are_what_the_code_says() {
    let old = |page: &Page| generated::refreshed(&page.text) != page.text;
    let stale: Vec<Page> = pages().into_iter().filter(old).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        stale.iter().for_each(|page| fs::write(&page.path, generated::refreshed(&page.text)).unwrap());
        return;
    }
    complain(stale.iter().map(|page| {
        let fresh = generated::refreshed(&page.text);
        let line = page.text.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count() + 1;
        format!("{}:{line}: run this test with UPDATE_EXPECT=1", page.path.display())
    }));
}

/// Each is parsed by the program itself, which then prints help.
#[test]
fn every_command_of_the_manual_exists() {
    complain(pages().iter().flat_map(|page| {
        page.blocks("sh").into_iter().flat_map(move |(line, block)| {
            shell_words::commands(&block).into_iter().filter_map(move |words| {
                Some(format!("{}:{line}: {}", page.path.display(), refused(&words)?))
            })
        })
    }));
}

/// Why windlass does not take this command; of another program nothing is known.
fn refused(words: &[String]) -> Option<String> {
    let (name, arguments) = words.split_first()?;
    if name != "windlass" {
        return None;
    }
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let unknown = unknown_param(&arguments).map(|param| format!("{words:?}: there is no param {param}"));
    let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
    arguments.insert(end, "--help");
    let output = windlass(&arguments);
    let said = || format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    (!output.status.success()).then(said).or(unknown)
}

/// Examples of step kinds are tests of their own.
#[test]
fn every_example_of_toml_is_accepted() {
    complain(pages().iter().filter(|page| !page.path.ends_with("step-kinds.md")).flat_map(|page| {
        let refused = |(line, block): (usize, String)| {
            Some(format!("{}:{line}: {}", page.path.display(), unaccepted(file_of(&block)?, &block)?))
        };
        page.blocks("toml").into_iter().filter_map(refused)
    }));
}

/// The file of a project that an example belongs to; params of a run have none.
fn file_of(block: &str) -> Option<&'static str> {
    let has = |tables: &[&str]| block.lines().any(|line| tables.iter().any(|table| line.starts_with(table)));
    if has(&["[[steps]]", "[[plays]]", "[params."]) {
        return Some("playbooks/example.toml");
    }
    if has(&["[schedule.", "[store."]) {
        return Some("windlass.toml");
    }
    has(&["[hosts.", "[groups.", "[ssh]"]).then_some("inventories/example.toml")
}

/// What `windlass lint` says against an example, in a project that has the files and tables that examples name.
fn unaccepted(file: &str, block: &str) -> Option<String> {
    let project = tempfile::tempdir().expect("a directory for the project");
    let root = project.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("it is in the project")).unwrap();
        fs::write(path, text).unwrap();
    };
    write("windlass.toml", "[store.offsite]\nurl = \"/srv/backups\"\n");
    write(
        "inventories/prod.toml",
        "[hosts.web1]\n[hosts.db1]\n[hosts.lb1]\n[groups.web]\nhosts = [\"web1\"]\n",
    );
    write("playbooks/app.toml", "[params.app]\n[params.port]\n[[steps]]\ndebug = { message = \"x\" }\n");
    for path in
        ["templates/motd", "templates/shop.conf", "templates/nginx/site.conf.j2", "files/app/index.js"]
    {
        write(path, "");
    }
    write(file, block);
    let output = windlass(&["lint", "--project", root.to_str().expect("text")]);
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// A variable of `windlass run playbook NAME -e VARIABLE=…` that the shipped playbook has not.
fn unknown_param(arguments: &[&str]) -> Option<String> {
    let ["run", "playbook", name, rest @ ..] = arguments else { return None };
    let known = generated::params_of(name)?;
    let given =
        rest.windows(2).filter(|pair| ["-e", "--var"].contains(&pair[0]) && !pair[1].starts_with('@'));
    let names = given.map(|pair| pair[1].split('=').next().unwrap_or_default().to_string());
    names.into_iter().find(|name| !known.contains(name))
}

#[test]
fn the_manual_is_in_plain_words() {
    complain(pages().iter().flat_map(|page| {
        page.prose().into_iter().filter_map(|(line, text)| {
            let (word, plain) = unplain(&text)?;
            Some(format!("{}:{line}: “{word}”: write {plain}", page.path.display()))
        })
    }));
}

pub fn unplain(text: &str) -> Option<(&'static str, &'static str)> {
    let letters = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: Vec<String> =
        text.chars().map(letters).collect::<String>().split(' ').map(str::to_string).collect();
    let text =
        format!(" {} ", words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
    let rows = WORDS.iter().flat_map(|(words, plain)| words.iter().map(move |word| (*word, *plain)));
    rows.into_iter().find(|(word, _)| text.contains(&format!(" {word} ")))
}

/// All pages, in order.
fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = BESIDE.iter().map(PathBuf::from).collect();
    let mut waiting = vec![PathBuf::from("docs")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("the manual is there") {
            let path = entry.expect("a file").path();
            match path.extension().is_some_and(|ending| ending == "md") {
                true => paths.push(path),
                false if path.is_dir() => waiting.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

fn complain(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn a_wrong_word_link_or_option_is_found() {
    assert_eq!(unplain("The folder's owner"), Some(("folder", "directory")));
    assert_eq!(unplain("a folderless tale"), None);
    let words = |line: &str| shell_words::commands(line).remove(0);
    assert!(
        refused(&words("windlass runs list --frobnicate")).is_some_and(|why| why.contains("--frobnicate"))
    );
    assert!(refused(&words("windlass run playbook fix-dns --hosts a -e nosuch=1")).is_some());
    assert_eq!(refused(&words("windlass run playbook fix-dns --hosts a -e prove=false")), None);
    assert_eq!(refused(&words("windlass run command --hosts a -- ls --frobnicate")), None);
    let wrong = "[[steps]]\n[steps.fiel]\npath = \"/x\"\n";
    assert!(unaccepted(file_of(wrong).unwrap(), wrong).is_some_and(|why| why.contains("fiel")));
}
