//! What the program says, here and on hosts, is in plain words, as the manual is: no text of the sources, no shipped
//! playbook and no page of the reference has one of the words that have a plainer one.

use crate::manual::unplain;
use std::fs;
use std::path::{Path, PathBuf};

/// Texts that are no prose: what programs, files and protocols call something.
const NO_PROSE: &[&str] = &["id -u nobody", "nobody:x:65534", "{nobody}", "[Tt]ry again"];

#[test]
fn what_the_program_says_is_in_plain_words() {
    let mut complaints = Vec::new();
    for path in sources() {
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

/// The reference is partly made of comments in the code, and `windlass playbooks NAME --source` shows a playbook as it is.
#[test]
fn the_reference_and_shipped_playbooks_are_in_plain_words() {
    let shown = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md" || ending == "toml");
    let mut complaints = Vec::new();
    for directory in ["docs/reference", "playbooks"] {
        let entries =
            fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("a file").path());
        for path in entries.filter(shown) {
            let text = fs::read_to_string(&path).expect("it is text");
            for (number, line) in text.lines().enumerate() {
                if let Some((word, plain)) = unplain(line) {
                    complaints.push(format!("{}:{}: “{word}”: write {plain}", path.display(), number + 1));
                }
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
    // So many `#` end the text with its quote. In a text that has some a backslash is a letter.
    let mut hashes = 0;
    for (number, line) in source[..end].lines().enumerate() {
        let bare = line.trim_start();
        if open.is_none() && bare.starts_with("//") {
            let help = bare.strip_prefix("/// ").filter(|_| with_help && is_shown(source, number));
            texts.extend(help.map(|help| (number + 1, help.to_string())));
            continue;
        }
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            let following = letters.clone().take_while(|next| *next == '#').count();
            match (&mut open, letter) {
                (Some((_, text)), '\\') if hashes == 0 => {
                    text.extend(letters.next().filter(|next| *next != 'n').or(Some(' ')))
                }
                (Some(_), '"') if following >= hashes => {
                    texts.extend(open.take());
                    hashes = 0;
                }
                (Some((_, text)), letter) => text.push(letter),
                (None, '"') => open = Some((number + 1, String::new())),
                // A quote as a letter.
                (None, '\'') if letters.peek() == Some(&'"') => drop(letters.next()),
                (None, 'r') => hashes = following,
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
    let raw = "f(r##\"say \"#a\" told\"##, r#\"\\\"#, \"b\");\n";
    let texts: Vec<String> = said(raw, false).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["say \"#a\" told", "\\", "b"]);
    let help = "/// The folder of it\n#[arg(long)]\n";
    assert_eq!(said(help, true), [(1, "The folder of it".to_string())]);
    assert_eq!(said(help, false), []);
}
