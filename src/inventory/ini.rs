//! Ansible's INI inventories: `[group]`, `[group:children]`, `[group:vars]`, hosts with `key=value` behind them.

use super::ansible::{connection, set_host, settings};
use super::file::{File, FileGroup, FileHost};
use super::name::{HostName, expand};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Value, Values};
use crate::setting::Origin;
use crate::source::{Place, Source};
use std::sync::Arc;

/// Reads an INI inventory.
pub fn read(stem: &str, source: &Arc<Source>, problems: &mut Diagnostics) -> File {
    let mut reader = Reader {
        file: File { stem: stem.to_string(), ..File::default() },
        section: Section::Hosts(None),
        problems,
    };
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let shown = line.trim_end();
        let place = Place { source: Arc::clone(source), span: start..start + shown.len() };
        reader.line(shown.trim(), &place);
        start += line.len();
    }
    reader.file
}

struct Reader<'a> {
    file: File,
    section: Section,
    problems: &'a mut Diagnostics,
}

/// What the lines of a section are; the group by its place in the file's list, `None` being all hosts.
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
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return self.header(header, place);
        }
        match self.section {
            Section::Hosts(group) => self.host(line, group, place),
            Section::Children(Some(group)) => {
                self.file.groups[group].children.push((line.to_string(), place.clone()))
            }
            // Every group is a child of `all`.
            Section::Children(None) => {}
            Section::Vars(group) => self.var(line, group, place),
        }
    }

    fn header(&mut self, header: &str, place: &Place) {
        let (name, what) = header.split_once(':').unwrap_or((header, "hosts"));
        let group = match name {
            "all" | "ungrouped" => None,
            _ => Some(self.group(name, place)),
        };
        match what {
            "hosts" => self.section = Section::Hosts(group),
            "children" => self.section = Section::Children(group),
            "vars" => self.section = Section::Vars(group),
            other => self.problems.push(
                Diagnostic::error(format!("a section cannot be `:{other}`"), place)
                    .nearest(other, ["children", "vars"]),
            ),
        }
    }

    fn group(&mut self, name: &str, place: &Place) -> usize {
        let groups = &mut self.file.groups;
        groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(FileGroup::named(name, place.clone()));
            groups.len() - 1
        })
    }

    fn host(&mut self, line: &str, group: Option<usize>, place: &Place) {
        let words = words(line);
        let Some((pattern, pairs)) = words.split_first() else { return };
        let vars: Values = pairs.iter().filter_map(|pair| pair.split_once('=')).map(typed).collect();
        let names = expand(pattern)
            .and_then(|names| names.iter().map(|name| HostName::parse(name)).collect::<Result<Vec<_>, _>>());
        match names {
            Err(why) => self.problems.push(Diagnostic::error(why, place)),
            Ok(names) => names.into_iter().for_each(|name| self.add(name, vars.clone(), group, place)),
        }
    }

    fn add(&mut self, name: HostName, vars: Values, group: Option<usize>, place: &Place) {
        if let Some(group) = group {
            self.file.groups[group].hosts.push((name.to_string(), place.clone()));
        }
        let hosts = &mut self.file.hosts;
        let at = hosts.iter().position(|host| host.name == name).unwrap_or_else(|| {
            hosts.push(FileHost::named(name, place.clone()));
            hosts.len() - 1
        });
        if !vars.is_empty() {
            set_host(&mut hosts[at], vars, place);
        }
    }

    fn var(&mut self, line: &str, group: Option<usize>, place: &Place) {
        let Some((name, value)) = line.split_once('=').map(typed) else {
            let problem = Diagnostic::error("a line of `:vars` is `name=value`", place);
            return self.problems.push(problem);
        };
        let vars = Values::from_iter([(name, value)]);
        let (_, ssh) = connection(&vars);
        match group.map(|at| &mut self.file.groups[at]) {
            Some(group) => {
                group.vars.extend(settings(&vars, place, &Origin::Group(group.name.clone())));
                group.ssh = ssh.or(group.ssh.clone());
            }
            None => {
                self.file.vars.extend(settings(&vars, place, &Origin::File(self.file.stem.clone())));
                self.file.ssh = ssh.or(self.file.ssh.clone());
            }
        }
    }
}

/// Booleans and integers keep their type; quotes go.
fn typed((name, value): (&str, &str)) -> (String, Value) {
    let value = value.trim();
    let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let typed = match (bare, value) {
        (Some(bare), _) => bare.into(),
        (None, "true" | "True") => true.into(),
        (None, "false" | "False") => false.into(),
        (None, _) => value.parse::<i64>().map_or_else(|_| value.into(), Value::from),
    };
    (name.trim().to_string(), typed)
}

/// Splits at white space that is not in quotes; a `#` that begins a word ends the line.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match quote {
            None if letter.is_whitespace() => words.push(String::new()),
            None if letter == '#' && words.last().is_some_and(String::is_empty) => break,
            _ => {
                if quote == Some(letter) {
                    quote = None;
                } else if quote.is_none() && (letter == '"' || letter == '\'') {
                    quote = Some(letter);
                }
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).collect()
}
