//! Ansible's INI inventories, by its own grammar: `[group]`, `[group:children]`, `[group:vars]`, hosts with `key=value`
//! behind them, comments behind each of them.

use super::names::names_and_port;
use super::words::words;
use super::{Draft, UNGROUPED, Variable, at, python};
use crate::diagnostic::Diagnostics;
use crate::inventory::file::File;
use crate::source::{Place, Source};
use std::sync::Arc;

/// What ends a line for Python, whose `splitlines` Ansible uses.
const LINE_ENDS: &[char] =
    &['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Reads an INI inventory.
pub fn read(stem: &str, source: &Arc<Source>, problems: &mut Diagnostics) -> File {
    let mut draft = Draft::new(stem, problems);
    let start = draft.group(UNGROUPED, &Place::whole(source));
    let declared = vec![UNGROUPED.into()];
    let mut reader = Reader { section: Section::Hosts(start), declared, pending: Vec::new(), draft };
    let mut start = 0;
    for line in source.text.split_inclusive(LINE_ENDS) {
        let shown = line.trim_end_matches(|end: char| end.is_whitespace() || LINE_ENDS.contains(&end));
        let indent = shown.len() - shown.trim_start().len();
        let place = Place { source: Arc::clone(source), span: start + indent..start + shown.len() };
        reader.line(shown.trim_start(), &place);
        start += line.len();
    }
    reader.settle(|_| true);
    reader.check_declared();
    reader.draft.file
}

struct Reader<'p> {
    draft: Draft<'p>,
    section: Section,
    /// Groups that have a section of hosts or of children; `:vars` alone makes no group.
    declared: Vec<String>,
    /// Children that have no section yet. They join their parents when it comes, which is the order that Ansible has.
    pending: Vec<(usize, String, Place)>,
}

/// What the lines of a section are, and the group that they belong to. Without one the section's head was wrong.
#[derive(Clone, Copy)]
enum Section {
    Hosts(Option<usize>),
    Children(Option<usize>),
    Vars(Option<usize>),
}

impl Reader<'_> {
    fn line(&mut self, line: &str, place: &Place) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            return;
        }
        if let Some((name, kind)) = section(line) {
            return self.head(name, kind, place);
        }
        if line.starts_with('[') && line.ends_with(']') {
            let problem = at("this is not the head of a section", place);
            return self
                .draft
                .problems
                .push(problem.hint("write [name], [name:children] or [name:vars], without spaces"));
        }
        match self.section {
            Section::Hosts(group) => self.hosts(line, group, place),
            Section::Children(group) => self.child(line, group, place),
            Section::Vars(group) => self.var(line, group, place),
        }
    }

    fn head(&mut self, name: &str, kind: &str, place: &Place) {
        let group = self.draft.group(name, place);
        self.section = match kind {
            "hosts" => Section::Hosts(group),
            "children" => Section::Children(group),
            "vars" => Section::Vars(group),
            other => {
                let problem = at(format!("a section cannot be `:{other}`"), place);
                self.draft.problems.push(problem.nearest(other, ["children", "hosts", "vars"]));
                Section::Hosts(None)
            }
        };
        if kind != "vars" {
            self.declared.push(name.to_string());
            self.settle(|child| child == name);
        }
    }

    fn hosts(&mut self, line: &str, group: Option<usize>, place: &Place) {
        let words = match words(line) {
            Ok(words) => words,
            Err(why) => return self.draft.problem(why, place),
        };
        let Some((pattern, pairs)) = words.split_first() else { return };
        let (names, port) = match names_and_port(pattern) {
            Ok(found) => found,
            Err(why) => return self.draft.problem(why, place),
        };
        let mut vars = Vec::new();
        for pair in pairs {
            let Some((name, value)) = pair.split_once('=') else {
                let message =
                    format!("`{pair}` is not a variable: write `name=value`, without spaces around the `=`");
                return self.draft.problem(message, place);
            };
            vars.push((name, python::value(value)));
        }
        for name in names {
            let Some(host) = self.draft.host(&name, port, group, place) else { return };
            for (name, value) in &vars {
                self.draft.host_var(&host, variable(name, value.clone(), place));
            }
        }
    }

    fn child(&mut self, line: &str, group: Option<usize>, place: &Place) {
        let Some(name) = group_name(line) else {
            return self.draft.problem("a line of `:children` is the name of a group", place);
        };
        match group {
            Some(group) if self.draft.groups.contains_key(name) => self.draft.child(group, name, place),
            Some(group) => self.pending.push((group, name.to_string(), place.clone())),
            None => {}
        }
    }

    /// Adds those of the pending children to their parents.
    fn settle(&mut self, which: impl Fn(&str) -> bool) {
        for (parent, child, place) in self.pending.extract_if(.., |(_, child, _)| which(child)) {
            self.draft.child(parent, &child, &place);
        }
    }

    fn var(&mut self, line: &str, group: Option<usize>, place: &Place) {
        let Some((name, value)) = line.split_once('=') else {
            return self.draft.problem("a line of `:vars` is `name=value`", place);
        };
        if let Some(group) = group {
            self.draft.group_var(group, variable(name.trim(), python::value(value.trim()), place));
        }
    }

    /// Variables of a group that has no other section are those of a misspelt one.
    fn check_declared(&mut self) {
        let undeclared = |name: &str| name != super::ALL && !self.declared.iter().any(|known| known == name);
        let only_vars = self.draft.file.groups.iter().filter(|group| undeclared(&group.name));
        let problems: Vec<_> = only_vars
            .map(|group| {
                let message = format!("`{}` has variables, and no section of hosts or children", group.name);
                at(message, &group.place).nearest(&group.name, self.declared.iter().map(String::as_str))
            })
            .collect();
        problems.into_iter().for_each(|problem| self.draft.problems.push(problem));
    }
}

fn variable(name: &str, value: crate::model::Value, place: &Place) -> Variable {
    Variable { name: name.to_string(), value, place: place.clone(), literal: false }
}

/// The name on a line of `:children`. A comment may stand behind it; a `#` inside a word is part of the name.
fn group_name(line: &str) -> Option<&str> {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, after) = (&line[..end], line[end..].trim_start());
    let name = match after.is_empty() || after.starts_with('#') {
        true => word,
        false => word.rsplit_once('#')?.0,
    };
    (!name.is_empty() && !name.contains([':', ']'])).then_some(name)
}

/// Name and kind of a section's head; a comment may stand behind it.
fn section(line: &str) -> Option<(&str, &str)> {
    let (inside, after) = line.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    if !after.is_empty() && !after.starts_with('#') {
        return None;
    }
    let (name, kind) = inside.split_once(':').unwrap_or((inside, "hosts"));
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let fits = !name.is_empty() && !name.contains(char::is_whitespace) && is_word(kind);
    fits.then_some((name, kind))
}
