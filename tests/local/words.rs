//! What the program says is in plain words, as the manual is: no text of the sources has one of the words that have a plainer one.

use crate::manual::unplain;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the controller in which it is held. What steps and the engine say on a host is not held yet.
const HELD: &[&str] = &[
    "cli",
    "demo",
    "inventory",
    "playbook",
    "project",
    "record",
    "render",
    "report",
    "run",
    "saved_plan",
    "schedule",
    "serve",
    "ssh",
    "store",
];

/// Texts that are no prose: what programs, files and protocols call something.
const NO_PROSE: &[&str] = &["id -u nobody", "nobody:x:65534", "{nobody}", "[Tt]ry again"];

#[test]
fn what_the_program_says_is_in_plain_words() {
    let mut complaints = Vec::new();
    let is_held = |path: &Path| {
        let of = |held: &&str| {
            path.starts_with(format!("src/{held}")) || path == Path::new(&format!("src/{held}.rs"))
        };
        HELD.iter().any(of)
    };
    for path in sources().into_iter().filter(|path| is_held(path)) {
        let source = fs::read_to_string(&path).expect("it is there");
        for (line, text) in said(&source, path.starts_with("src/cli")) {
            let prose = without_placeholders(&text);
            if let Some((word, plain)) = unplain(&prose)
                && prose.trim().contains(' ')
                && !NO_PROSE.iter().any(|known| text.contains(known))
            {
                complaints.push(format!("{}:{line}: “{word}” in {text:?}: write {plain}", path.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// All sources but those of tests.
fn sources() -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut waiting = vec![PathBuf::from("src")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("it is there").map(|entry| entry.expect("a file").path())
        {
            let is_of_tests = |path: &Path| {
                let name = path
                    .file_stem()
                    .is_some_and(|name| name == "tests" || name == "conformance" || name == "testing");
                name || path.components().any(|part| part.as_os_str() == "simulation")
            };
            match entry.is_dir() {
                _ if is_of_tests(&entry) => {}
                true => waiting.push(entry),
                false if entry.extension().is_some_and(|ending| ending == "rs") => all.push(entry),
                false => {}
            }
        }
    }
    all.sort();
    all
}

/// The texts of a source before its tests, each with its line: literals, and where clap shows them, comments of documentation.
fn said(source: &str, with_help: bool) -> Vec<(usize, String)> {
    let end = source.find("\nmod tests {").unwrap_or(source.len());
    let mut texts = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in source[..end].lines().enumerate() {
        let bare = line.trim_start();
        if open.is_none() && bare.starts_with("//") {
            let help = bare.strip_prefix("/// ").filter(|_| with_help && is_shown(source, number));
            texts.extend(help.map(|help| (number + 1, help.to_string())));
            continue;
        }
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            match (&mut open, letter) {
                (Some((_, text)), '\\') => {
                    text.extend(letters.next().filter(|next| *next != 'n').or(Some(' ')))
                }
                (Some(_), '"') => texts.extend(open.take()),
                (Some((_, text)), letter) => text.push(letter),
                (None, '"') => open = Some((number + 1, String::new())),
                // A quote as a letter.
                (None, '\'') if letters.peek() == Some(&'"') => drop(letters.next()),
                (None, _) => {}
            }
        }
        if let Some((_, text)) = &mut open {
            text.push(' ');
        }
    }
    texts
}

/// Whether the comment is one that clap shows: it stands above a field with `arg`, a command, or a word of a `ValueEnum`.
fn is_shown(source: &str, number: usize) -> bool {
    let below = source.lines().skip(number).find(|line| !line.trim_start().starts_with("///"));
    below.is_some_and(|line| {
        let line = line.trim_start();
        line.starts_with("#[arg") || line.starts_with("#[derive(Debug, clap::Args)")
    })
}

/// `write {path}` without its placeholders, which are names of code.
fn without_placeholders(text: &str) -> String {
    let mut depth = 0;
    text.chars()
        .filter(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth = i32::max(depth - 1, 0),
                _ => return depth == 0,
            }
            false
        })
        .collect()
}

#[test]
fn texts_are_found_and_code_is_not() {
    let source =
        "/// Not help.\nlet folder = f(\"the {folder} is told \\\n    twice\", '\"', \"b\");\n#[arg]\n";
    let texts: Vec<String> = said(source, true).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(unplain(&without_placeholders(&texts[0])).is_some_and(|(word, _)| word == "told"), "{texts:?}");
    let help = "/// The folder of it\n#[arg(long)]\n";
    assert_eq!(said(help, true), [(1, "The folder of it".to_string())]);
    assert_eq!(said(help, false), []);
}
