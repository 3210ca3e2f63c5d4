//! Turns an ssh configuration file into lines: words and quotes, `Host`, `Match`, and `Include` with its patterns.

use super::{Condition, INCLUDE_DEPTH, Line, What, check_owner};
use crate::model::failure::{Doing, Failure, Result};
use crate::ssh::pattern;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// Files larger than this are not configuration.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file and what it includes. `None` when there is no such file. `guarded` files must be ours alone.
pub fn file(
    path: &Path,
    guarded: bool,
    folder: &Path,
    home: &Path,
    depth: usize,
) -> Result<Option<Vec<Line>>> {
    if depth > INCLUDE_DEPTH {
        return Err(Failure::new(format!("read {}", path.display()), "too many files include each other"));
    }
    let doing = || format!("read {}", path.display());
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why).doing(doing()),
    };
    if guarded {
        check_owner(path, &file.metadata().doing(doing())?)?;
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).doing(doing())?;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        if let Some(what) = parse(line, &place, folder, home, depth)? {
            lines.push(Line { what, place });
        }
    }
    Ok(Some(lines))
}

fn parse(line: &str, place: &str, folder: &Path, home: &Path, depth: usize) -> Result<Option<What>> {
    let Some((key, values)) = split(line).doing(format!("read {place}"))? else { return Ok(None) };
    if values.is_empty() {
        return Err(Failure::new(format!("read {place}"), format!("`{key}` has no value")));
    }
    Ok(Some(match key.as_str() {
        "host" => What::Host(values),
        "match" => What::Match(conditions(&values, place)?),
        "include" => What::Include(included(&values, folder, home, depth)?),
        _ => What::Set { key, values },
    }))
}

/// The key in lower case and the words after it. `key value`, `key=value` and `key = value` are the same.
fn split(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some((line[..end].trim_matches('"').to_ascii_lowercase(), words(rest)?)))
}

/// Words as OpenSSH splits them: both quotes, a backslash before a quote, a backslash or a space, `#` starts a comment.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        match letters.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => words.push(word(&mut letters)?),
        }
    }
}

fn word(letters: &mut std::iter::Peekable<std::str::Chars>) -> Result<String, String> {
    let (mut word, mut quote) = (String::new(), None);
    while let Some(letter) = letters.next_if(|c| quote.is_some() || !c.is_whitespace()) {
        let escaped = |next: &char| matches!(next, '"' | '\'' | '\\') || (*next == ' ' && quote.is_none());
        match letter {
            '\\' if letters.peek().is_some_and(escaped) => word.extend(letters.next()),
            '"' | '\'' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            _ => word.push(letter),
        }
    }
    if quote.is_some() { Err("a quote is not closed".to_string()) } else { Ok(word) }
}

fn conditions(words: &[String], place: &str) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (word, equals) = match word.split_once('=') {
            Some((word, argument)) => (word, Some(argument.to_string())),
            None => (word.as_str(), None),
        };
        let kind = word.trim_start_matches('!').to_ascii_lowercase();
        let argument = match (kind.as_str(), equals) {
            ("all" | "final" | "canonical", _) => String::new(),
            (_, Some(argument)) => argument,
            _ => words.next().cloned().ok_or_else(|| {
                Failure::new(format!("read {place}"), format!("`Match {kind}` needs something to match"))
            })?,
        };
        conditions.push(Condition { negated: word.starts_with('!'), kind, argument });
    }
    Ok(conditions)
}

fn included(patterns: &[String], folder: &Path, home: &Path, depth: usize) -> Result<Vec<Vec<Line>>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let pattern = match pattern.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => folder.join(pattern),
        };
        for path in expand(&pattern) {
            files.extend(file(&path, true, folder, home, depth + 1)?);
        }
    }
    Ok(files)
}

/// The files a pattern with `*` and `?` stands for, sorted, each component on its own. Hidden files are not meant.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        found = found.iter().flat_map(|folder| children(folder, &name)).collect();
    }
    found.retain(|path| path.exists());
    found
}

fn children(folder: &Path, wanted: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        pattern::matches(wanted, &name) && name.starts_with('.') == wanted.starts_with('.')
    });
    let mut paths: Vec<_> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_openssh_does() {
        for (text, expected) in [
            (r#"a "b c" d"#, vec!["a", "b c", "d"]),
            (r#"a\ b c"#, vec!["a b", "c"]),
            (r#"'it''s' "say \"x\"""#, vec!["its", "say \"x\""]),
            ("a # comment", vec!["a"]),
            ("a#b", vec!["a#b"]),
            (r"C:\x", vec![r"C:\x"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        assert!(words("\"open").is_err());
    }

    #[test]
    fn the_equals_sign_is_a_space() {
        for line in ["Port 22", "port=22", "PORT = 22", "  port\t22  "] {
            assert_eq!(split(line).unwrap(), Some(("port".into(), vec!["22".into()])), "{line}");
        }
    }
}
