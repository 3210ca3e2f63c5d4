//! `windlass secrets set NAME`: one secret, from the keyboard or standard input.

use super::super::{Done, Stop, answer, prompt};
use super::Draft;
use crate::model::{Doing, Failure, Value};
use crate::project::Project;
use crate::secrets::{self, Document, MAIN};
use crate::source::{Node, Source};
use std::io::{IsTerminal, Read};

/// Sets it.
pub fn run(project: &Project, name: &str, file: Option<&str>) -> Done {
    let doing = format!("set the secret `{name}`");
    check_name(name, &doing)?;
    super::recipients(project, &doing)?;
    let value = value(name, &doing)?;
    // Nothing is read before: of several that set secrets at once, each sees what the one before it wrote.
    let lock = secrets::lock(&project.root)?;
    let (file, key) = place(project, name, file)?;
    let draft = Draft::open(project, &file)?;
    let text =
        with_value(&draft.text, &key, &value).map_err(|why| Stop::Broken(Failure::new(&doing, why)))?;
    draft.replace(project, &text, &lock)?;
    answer(&format!("set {key} in secrets/{file}.toml.age\n"))
}

fn check_name(name: &str, doing: &str) -> Result<(), Stop> {
    let fits = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match name.split('.').all(fits) {
        true => Ok(()),
        false => {
            let failure = Failure::new(doing, "it is not a name");
            Err(Stop::misused(
                failure.hint("use letters, digits, `-` and `_`; a dot is between a table and its key"),
            ))
        }
    }
}

/// The file and the key in it: where the secret is already, else the file that is named, else `main`.
fn place(project: &Project, name: &str, file: Option<&str>) -> Result<(String, String), Stop> {
    let documents = project.vault.documents().map_err(Stop::misused)?;
    let in_file = |document: &Document| {
        let rest = name.strip_prefix(&document.name).and_then(|rest| rest.strip_prefix('.'));
        Some((document.name.clone(), rest?.to_string()))
    };
    let having: Vec<&Document> = documents.iter().filter(|document| document.get(name).is_some()).collect();
    if let Some(file) = file {
        return Ok((file.to_string(), name.to_string()));
    }
    match having[..] {
        [] => Ok(documents.iter().find_map(in_file).unwrap_or_else(|| (MAIN.to_string(), name.to_string()))),
        [one] => Ok(in_file(one).unwrap_or_else(|| (one.name.clone(), name.to_string()))),
        _ => {
            Err(Stop::misused(project.vault.find(name).map(drop).err().unwrap_or_else(|| {
                Failure::new(format!("find the secret `{name}`"), "several files have it")
            })))
        }
    }
}

/// What is typed, or all of standard input without the newline at its end.
fn value(name: &str, doing: &str) -> Result<String, Stop> {
    if std::io::stdin().is_terminal() {
        let typed = prompt::secret(&format!("value of {name}"));
        return typed.ok_or_else(|| Stop::misused(Failure::new(doing, "nothing was typed")));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).doing(doing).map_err(Stop::misused)?;
    let text = text.strip_suffix('\n').unwrap_or(&text).to_string();
    match text.is_empty() {
        true => Err(Stop::misused(
            Failure::new(doing, "standard input is empty")
                .hint("printf %s VALUE | windlass secrets set NAME"),
        )),
        false => Ok(text),
    }
}

/// The text with a key set: in its place, else as a new line. What else is there stays as it is.
fn with_value(text: &str, key: &str, value: &str) -> Result<String, String> {
    let written = toml::Value::from(value).to_string();
    let node = Node::parse(&Source::new("secrets", text)).map_err(|_| "the file is not TOML".to_string())?;
    let changed = match node_at(&node, key) {
        // A name typed too short must not cost all secrets below it.
        Some(known) if known.entries().is_some_and(|entries| !entries.is_empty()) => {
            let below = known.entries().into_iter().flatten().map(|entry| format!("{key}.{}", entry.key));
            let below = below.collect::<Vec<_>>().join(", ");
            return Err(format!("`{key}` is a table of secrets: {below}"));
        }
        Some(known) => {
            let mut changed = text.to_string();
            changed.replace_range(known.place.span.clone(), &written);
            changed
        }
        None => with_line(text, &node, key, &written),
    };
    let is_set = |text: &str| {
        let values = Document::parse(text).ok()?;
        let pointer = format!("/{}", key.replace('.', "/"));
        Some(values.pointer(&pointer) == Some(&Value::from(value)))
    };
    match is_set(&changed) {
        Some(true) => Ok(changed),
        // A table in the way: the file is written again, without its comments.
        _ => rewritten(text, key, value),
    }
}

fn node_at<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let found = node.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    found.or_else(|| {
        let (first, rest) = key.split_once('.')?;
        node_at(&node.entries()?.iter().find(|entry| entry.key == first)?.node, rest)
    })
}

/// At the end, or at the start where a table would take it in.
fn with_line(text: &str, node: &Node, key: &str, written: &str) -> String {
    let line = format!("{key} = {written}\n");
    let has_tables = node.entries().into_iter().flatten().any(|entry| entry.node.entries().is_some());
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match has_tables {
        true => format!("{line}{text}"),
        false => format!("{text}{gap}{line}"),
    }
}

fn rewritten(text: &str, key: &str, value: &str) -> Result<String, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|_| "the file is not TOML".to_string())?;
    let mut here = &mut table;
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or(key);
    for part in parts {
        let inner = here.entry(part).or_insert_with(|| toml::Table::new().into());
        here = inner.as_table_mut().ok_or_else(|| format!("`{part}` is a value and not a table"))?;
    }
    here.insert(last.to_string(), value.into());
    toml::to_string(&table).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_set_and_everything_else_stays() {
        let set = |text: &str, key: &str| with_value(text, key, "n\"ew").unwrap();
        assert_eq!(set("# mine\na = \"old\" # why\nb = 1\n", "a"), "# mine\na = 'n\"ew' # why\nb = 1\n");
        assert_eq!(set("b = 1", "a"), "b = 1\na = 'n\"ew'\n");
        assert_eq!(
            set("[db]\npassword = \"x\" # prod\n", "db.password"),
            "[db]\npassword = 'n\"ew' # prod\n"
        );
        assert_eq!(set("[db]\nuser = \"x\"\n", "a"), "a = 'n\"ew'\n[db]\nuser = \"x\"\n");
        let nested = set("[db]\nuser = \"x\"\n", "db.password");
        assert_eq!(
            Document::parse(&nested).unwrap().to_string(),
            r#"{"db":{"user":"x","password":"n\"ew"}}"#
        );
        for table in ["[db]\nuser = \"x\"\n", "db = { user = \"x\" }\n", "db.user = \"x\"\n"] {
            let why = "`db` is a table of secrets: db.user".to_string();
            assert_eq!(with_value(table, "db", "x"), Err(why));
        }
        assert_eq!(with_value("a = 1\n", "a.b", "x"), Err("`a` is a value and not a table".to_string()));
    }
}
