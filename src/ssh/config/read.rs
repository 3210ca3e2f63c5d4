//! Turns an ssh configuration file into lines: words and quotes, `Host`, `Match`, and `Include` with its patterns.

use super::{Condition, INCLUDE_DEPTH, Line, Origin, Setting, Statement, keywords};
use crate::model::failure::{Doing, Failure, Result};
use crate::model::glob::Glob;
use crate::trust;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// Files larger than this are not configuration.
const MAX_BYTES: u64 = 1 << 20;

/// Where `Include` looks.
pub struct Directory<'a> {
    /// The directory of relative names.
    pub include: &'a Path,
    /// What `~` stands for; `None` in the system's file, which may not use it.
    pub home: Option<&'a Path>,
}

/// Reads a file and what it includes. `None` when there is no such file.
pub fn file(path: &Path, directory: &Directory, depth: usize) -> Result<Option<Vec<Line>>> {
    if depth > INCLUDE_DEPTH {
        return Err(Failure::new(format!("read {}", path.display()), "too many files include each other"));
    }
    let doing = || format!("read {}", path.display());
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why).doing(doing()),
    };
    trust::opened(&file, path, None, doing())?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).doing(doing())?;
    // ssh reads bytes: a comment in another encoding is no mistake.
    let text = String::from_utf8_lossy(&bytes);
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::new(doing(), format!("it is larger than {MAX_BYTES} bytes")));
    }
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let origin: Origin = format!("{}:{}", path.display(), number + 1).into();
        if let Some(statement) = parse(line, &origin, directory, depth)? {
            lines.push(Line { statement, origin });
        }
    }
    Ok(Some(lines))
}

fn parse(line: &str, origin: &Origin, directory: &Directory, depth: usize) -> Result<Option<Statement>> {
    let Some(setting) = setting(line, origin).doing(format!("read {origin}"))? else { return Ok(None) };
    if setting.words.is_empty() {
        let why = format!("`{}` has no value", keywords::spelled(&setting.key));
        return Err(Failure::new(format!("read {origin}"), why));
    }
    Ok(Some(match setting.key.as_str() {
        "host" => Statement::Host(setting.words),
        "match" => Statement::Match(conditions(&setting.words, origin)?),
        "include" => Statement::Include(included(&setting.words, origin, directory, depth)?),
        _ => Statement::Set(setting),
    }))
}

/// The key and the words after it. `key value`, `key=value` and `key = value` are the same.
pub fn setting(line: &str, origin: &Origin) -> Result<Option<Setting>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let key = keywords::usual(&line[..end].trim_matches('"').to_ascii_lowercase());
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    // Commands are taken as they stand: their quotes are the shell's.
    let words = if keywords::is_command(&key) { vec![rest.to_string()] } else { words(rest)? };
    let words = if rest.is_empty() { Vec::new() } else { words };
    Ok(Some(Setting { key, words, text: rest.to_string(), origin: origin.clone() }))
}

/// Words as OpenSSH splits them: both quotes, a backslash before a quote, a backslash or a space, `#` starts a comment.
pub fn words(text: &str) -> Result<Vec<String>, String> {
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

/// Conditions as `host web*`, `host=web*` or `host = web*`.
fn conditions(words: &[String], origin: &str) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (word, mut argument) = match word.split_once('=') {
            Some((word, argument)) => {
                (word, Some(argument.to_string()).filter(|argument| !argument.is_empty()))
            }
            None => (word.as_str(), None),
        };
        let kind = word.trim_start_matches('!').to_ascii_lowercase();
        let takes_none = matches!(kind.as_str(), "all" | "final" | "canonical");
        if !takes_none && argument.is_none() {
            let next = words.next().map(|word| word.strip_prefix('=').unwrap_or(word).to_string());
            argument = if next.as_deref() == Some("") { words.next().cloned() } else { next };
        }
        let argument = argument.filter(|argument| !argument.is_empty() || kind == "tagged");
        if !takes_none && argument.is_none() {
            let why = format!("`Match {kind}` needs something to match");
            return Err(Failure::new(format!("read {origin}"), why));
        }
        let negated = word.starts_with('!');
        conditions.push(Condition { negated, kind, argument: argument.unwrap_or_default() });
    }
    stands_alone(&conditions, origin)?;
    Ok(conditions)
}

/// `all` stands alone, or after one other condition, as ssh has it.
fn stands_alone(conditions: &[Condition], origin: &str) -> Result<()> {
    let all = conditions.iter().position(|condition| condition.kind == "all");
    match all {
        None => Ok(()),
        Some(at) if at <= 1 && conditions.len() == at + 1 => Ok(()),
        Some(_) => Err(Failure::new(
            format!("read {origin}"),
            "`Match all` cannot be combined with other conditions",
        )),
    }
}

fn included(
    patterns: &[String],
    origin: &str,
    directory: &Directory,
    depth: usize,
) -> Result<Vec<Vec<Line>>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let path = match (pattern.strip_prefix("~/"), directory.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (None, _) if !pattern.starts_with('~') => directory.include.join(pattern),
            _ => {
                let why = format!("`Include {pattern}` cannot be used here");
                return Err(Failure::new(format!("read {origin}"), why).hint("write the whole path"));
            }
        };
        for path in expand(&path) {
            files.extend(file(&path, directory, depth + 1)?);
        }
    }
    Ok(files)
}

/// The files that a pattern with `*`, `?` and `[a-z]` stands for, sorted, each component on its own. Hidden files are
/// not meant.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !name.contains(['*', '?', '[', '\\']) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        found = found.iter().flat_map(|directory| children(directory, &name)).collect();
    }
    found.retain(|path| path.exists());
    found
}

fn children(directory: &Path, wanted: &str) -> Vec<PathBuf> {
    let glob = Glob::of_shell(wanted);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        glob.matches(&name) && name.starts_with('.') == wanted.starts_with('.')
    });
    let mut paths: Vec<_> = named.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Reads the lines of a file, for the tests that feed it anything.
#[cfg(any(test, fuzzing))]
pub fn lines_any(text: &str) {
    for line in text.lines() {
        if let Ok(Some(setting)) = setting(line, &"x".into()) {
            drop(conditions(&setting.words, "x"));
        }
    }
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
            let setting = setting(line, &"x:1".into()).unwrap().unwrap();
            assert_eq!((setting.key.as_str(), setting.words), ("port", vec!["22".to_string()]), "{line}");
        }
    }

    #[test]
    fn commands_keep_their_quotes_and_signs() {
        let setting = setting("ProxyCommand = nc -x 'a b' %h %p # all", &"x:1".into()).unwrap().unwrap();
        assert_eq!(setting.text, "nc -x 'a b' %h %p # all");
    }

    #[test]
    fn conditions_take_their_argument_with_and_without_an_equals_sign() {
        let read = |text: &str| {
            let read = conditions(&words(text).unwrap(), "x:1").map_err(|why| why.why)?;
            let shown =
                |c: &Condition| format!("{}{} {}", if c.negated { "!" } else { "" }, c.kind, c.argument);
            Ok::<_, String>(read.iter().map(shown).collect::<Vec<_>>().join("; "))
        };
        for text in ["host a user b", "host=a user=b", "host = a user =b", "Host a USER \"b\""] {
            assert_eq!(read(text).unwrap(), "host a; user b", "{text}");
        }
        assert_eq!(read("!host a,b final").unwrap(), "!host a,b; final ");
        assert_eq!(read("final all").unwrap(), "final ; all ");
        for text in ["all host a", "host a user b all", "host", "host a user"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
