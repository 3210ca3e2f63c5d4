//! The parts of the manual that are made from the program, from shipped playbooks and from comments in the code.

use super::printed;
use crate::stage::markdown::{END, MADE};
use std::fmt::Write as _;
use std::fs;

/// The page with its generated parts as they should be.
pub fn refreshed(page: &str) -> String {
    let marker = format!("\n{MADE}");
    let mut parts = page.split(&marker);
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (what, rest) = part.split_once(" -->\n").expect("a marker ends its line");
        let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{what}: {END} is missing"));
        write!(text, "{marker}{what} -->\n\n{}\n\n{END}{after}", made(what).trim()).unwrap();
    }
    text
}

fn made(what: &str) -> String {
    match what.split(' ').collect::<Vec<_>>()[..] {
        ["commands"] => commands(&[], &[]),
        ["step", "kinds"] => step_kinds(),
        ["facts"] => facts(),
        ["params", playbook] => params(playbook),
        ["fields", name, file] => fields(name, file),
        ["differences"] => differences(),
        _ => panic!("{what}: nothing is made from this"),
    }
}

/// The help of a command and of those below it. Options that all commands have are shown once, at the top.
fn commands(command: &[&str], known: &[String]) -> String {
    let help = printed(&[command, &["--help"]].concat());
    let help: String = help.lines().map(|line| line.trim_end().to_string() + "\n").collect();
    let below: Vec<&str> =
        section(&help, "Commands:").filter_map(entry).filter(|name| *name != "help").collect();
    let mut text = String::new();
    if command.is_empty() || below.is_empty() {
        let title = [&["windlass"], command].concat().join(" ");
        write!(text, "## {title}\n\n```text\n{}```\n\n", without(&help, known)).unwrap();
    }
    let known = if command.is_empty() { options(&help) } else { known.to_vec() };
    below.iter().for_each(|name| text += &commands(&[command, &[name]].concat(), &known));
    text
}

fn section<'a>(help: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    let lines = help.lines().skip_while(move |line| *line != title).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    lines.into_iter()
}

/// The name of a line of the list of commands; lines that continue one have none.
fn entry(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("  ")?;
    if rest.starts_with(' ') { None } else { rest.split(' ').next() }
}

/// The lines that name options.
fn options(help: &str) -> Vec<String> {
    help.lines().filter(|line| is_option(line)).map(str::to_string).collect()
}

/// Options are indented by two or six, values of one by more.
fn is_option(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with('-') && line.len() - text.len() <= 6
}

/// The help without these options.
fn without(help: &str, known: &[String]) -> String {
    let mut left_out = false;
    let mut text = String::new();
    for line in help.lines() {
        if is_option(line) {
            left_out = known.iter().any(|option| option == line);
        }
        if !left_out {
            text += line;
            text.push('\n');
        }
    }
    text.trim_end().to_string() + "\n"
}

/// A list of the kinds for each of their groups, then a part for each kind.
fn step_kinds() -> String {
    let list = printed(&["steps"]);
    let mut text = String::new();
    for group in list.split("\n\n").filter(|group| group.contains(":\n")) {
        let (title, rows) = group.split_once(":\n").expect("a group has a title");
        write!(text, "## Kinds: {title}\n\n| kind | what it does |\n|---|---|\n").unwrap();
        let rows: Vec<(&str, &str)> = rows.lines().filter_map(|row| row.trim().split_once("  ")).collect();
        for (kind, about) in &rows {
            writeln!(text, "| [`{kind}`](#{kind}) | {} |", cell(about.trim())).unwrap();
        }
        rows.iter().for_each(|(kind, _)| text += &step_kind(kind));
        text.push('\n');
    }
    text
}

fn step_kind(kind: &str) -> String {
    let page = printed(&["steps", kind]);
    let (_, page) = page.split_once("\n\n").expect("a page has a title");
    let (about, example) = page.split_once("\nexample:\n").expect("a page has an example");
    let mut text = format!("\n### {kind}\n\n");
    for part in about.split("\n\n") {
        match part.split_once(":\n").filter(|(_, rows)| rows.starts_with("* ") || rows.starts_with("  ")) {
            Some((_, rows)) => text += &keys(rows),
            None => writeln!(text, "{}\n", outside_code(part.trim())).unwrap(),
        }
    }
    write!(text, "```toml\n{}\n```\n", example.trim()).unwrap();
    text
}

fn keys(rows: &str) -> String {
    let mut text = "| key | type | |\n|---|---|---|\n".to_string();
    for row in rows.lines() {
        let (mark, row) = row.split_at(2);
        let columns: Vec<&str> = row.splitn(2, "  ").flat_map(|part| part.trim().splitn(2, "  ")).collect();
        let [name, kind, about @ ..] = &columns[..] else { continue };
        let required = if mark == "* " { ", required" } else { "" };
        let about = about.first().unwrap_or(&"").trim();
        writeln!(text, "| `{name}`{required} | {} | {} |", cell(kind), cell(about)).unwrap();
    }
    text + "\n"
}

fn facts() -> String {
    let mut text = "| fact | |\n|---|---|\n".to_string();
    for (name, about) in printed(&["steps", "facts"]).lines().filter_map(|line| line.split_once("  ")) {
        writeln!(text, "| `{name}` | {} |", cell(about.trim())).unwrap();
    }
    text
}

/// The names of a shipped playbook's params, in the order of its file.
pub fn params_of(playbook: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("playbooks/{playbook}.toml")).ok()?;
    let tables = text.lines().filter_map(|line| line.strip_prefix("[params.")?.strip_suffix(']'));
    Some(tables.map(str::to_string).collect())
}

fn params(playbook: &str) -> String {
    let path = format!("playbooks/{playbook}.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"));
    let tables: toml::Table = toml::from_str(&text).expect("the playbook is TOML");
    let mut page = "| param | type | default | |\n|---|---|---|---|\n".to_string();
    for name in params_of(playbook).unwrap_or_default() {
        let param = &tables["params"][name.as_str()];
        let word = |key: &str| param.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let default = match param.get("default") {
            Some(value) => format!("`{value}`"),
            None if param.get("required").is_some() => "required".to_string(),
            None => String::new(),
        };
        let (kind, help) = (word("type"), cell(word("help")));
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", cell(&default)).unwrap();
    }
    page
}

/// The fields of a struct with what their comments say.
fn fields(name: &str, file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("read {file}: {error}"));
    let (_, text) = text.split_once(&format!("pub struct {name}")).expect("the struct is there");
    let (text, _) = text.split_once("\n}").expect("the struct ends");
    let mut page = "| field | |\n|---|---|\n".to_string();
    let mut about: Vec<&str> = Vec::new();
    let mut renamed = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            about.push(comment.trim());
        } else if let Some((_, name)) = line.split_once("rename = \"") {
            renamed = name.split('"').next();
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(':')) {
            let about = std::mem::take(&mut about).join(" ").replace("[`", "`").replace("`]", "`");
            writeln!(page, "| `{}` | {} |", renamed.take().unwrap_or(field), cell(&about)).unwrap();
        }
    }
    page
}

/// Each reason with the expressions below it.
fn differences() -> String {
    let text = fs::read_to_string("tests/language/differences.txt").expect("the list is there");
    let mut page = String::new();
    for part in text.split("\n\n").filter(|part| part.contains("\n= ")) {
        let (reason, expressions) = part.split_once("\n= ").expect("a reason and expressions");
        writeln!(page, "- {}\n\n  ```text", outside_code(&reason.replace('\n', " "))).unwrap();
        expressions.trim_end().split("\n= ").for_each(|line| writeln!(page, "  {line}").unwrap());
        page += "  ```\n\n";
    }
    page
}

/// Text as a cell of a table.
fn cell(text: &str) -> String {
    outside_code(text).replace('|', "\\|")
}

/// Text in which `<` outside of backticks opens no tag.
fn outside_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let escaped =
        parts.map(|(index, part)| if index % 2 == 0 { part.replace('<', "&lt;") } else { part.to_string() });
    escaped.collect::<Vec<_>>().join("`")
}
