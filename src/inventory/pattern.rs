//! Which hosts: `prod,web*,&eu,!web03`. Unions first, then `&`, then `!`, whatever the order.

use super::name::expand;
use super::{Host, Inventory};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::project::Project;
use regex_lite::Regex;
use std::collections::BTreeSet;
use std::path::Path;

/// `@file` may name files that name files; deeper than this is a loop.
const DEPTH_LIMIT: usize = 8;

/// The hosts a pattern chooses, in the inventory's order. One that chooses none is an error.
pub fn select<'a>(
    inventory: &'a Inventory,
    pattern: &str,
    project: &Project,
) -> Result<Vec<&'a Host>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let chosen = Chooser { inventory, project }.choose(pattern, 0, &mut problems);
    let hosts: Vec<_> = inventory.hosts.iter().filter(|host| chosen.contains(host.name.as_str())).collect();
    if problems.is_empty() && hosts.is_empty() {
        problems.push(Diagnostic::elsewhere(format!("`{pattern}` chooses no host")));
    }
    problems.unless_errors(hosts)
}

/// Those of `names` that a pattern chooses by themselves, without an inventory: what is kept of hosts outlives them.
pub fn among<'a>(pattern: &str, names: &[&'a str]) -> Result<BTreeSet<&'a str>, String> {
    let (mut chosen, mut has_plain) = (BTreeSet::new(), false);
    let matching = |term: &str| -> Result<BTreeSet<&'a str>, String> {
        let matcher = Matcher::of(term)?;
        Ok(names.iter().copied().filter(|name| matcher.matches(name)).collect())
    };
    let terms = terms(pattern);
    for term in terms.iter().filter(|term| !term.starts_with(['&', '!', '@'])) {
        chosen.extend(matching(term)?);
        has_plain = true;
    }
    if !has_plain && !terms.iter().any(|term| term.starts_with('@')) {
        chosen.extend(names);
    }
    for term in &terms {
        match (term.strip_prefix('&'), term.strip_prefix('!')) {
            (Some(term), _) => {
                let other = matching(term)?;
                chosen.retain(|name| other.contains(name));
            }
            (_, Some(term)) => {
                let other = matching(term)?;
                chosen.retain(|name| !other.contains(name));
            }
            _ => {}
        }
    }
    Ok(chosen)
}

struct Chooser<'a> {
    inventory: &'a Inventory,
    project: &'a Project,
}

type Names<'a> = BTreeSet<&'a str>;

impl<'a> Chooser<'a> {
    fn choose(&self, pattern: &str, depth: usize, problems: &mut Diagnostics) -> Names<'a> {
        let terms = terms(pattern);
        let of = |mark: char| terms.iter().filter_map(move |term| term.strip_prefix(mark));
        let mut chosen = Names::new();
        let plain: Vec<_> = terms.iter().filter(|term| !term.starts_with(['&', '!'])).collect();
        for term in &plain {
            chosen.extend(self.term(term, depth, problems));
        }
        if plain.is_empty() && !terms.is_empty() {
            chosen = self.inventory.hosts.iter().map(|host| host.name.as_str()).collect();
        }
        for term in of('&') {
            let other = self.term(term, depth, problems);
            chosen.retain(|name| other.contains(name));
        }
        for term in of('!') {
            let other = self.term(term, depth, problems);
            chosen.retain(|name| !other.contains(name));
        }
        chosen
    }

    fn term(&self, term: &str, depth: usize, problems: &mut Diagnostics) -> Names<'a> {
        if let Some(file) = term.strip_prefix('@') {
            return self.file(file, depth, problems);
        }
        let matcher = match Matcher::of(term) {
            Ok(matcher) => matcher,
            Err(why) => {
                problems.push(Diagnostic::elsewhere(why));
                return Names::new();
            }
        };
        let found = self.matching(&matcher);
        if found.is_empty() && term != "all" {
            let hosts = self.inventory.hosts.iter().map(|host| host.name.as_str());
            let names = hosts.chain(self.inventory.groups.keys().map(String::as_str));
            problems.push(
                Diagnostic::elsewhere(format!("no host or group is called `{term}`")).nearest(term, names),
            );
        }
        found
    }

    fn matching(&self, matcher: &Matcher) -> Names<'a> {
        let groups = self.inventory.groups.iter().filter(|(name, _)| matcher.matches(name));
        let of_groups = groups.flat_map(|(_, group)| group.hosts.iter().map(|name| name.as_str()));
        let hosts = self.inventory.hosts.iter().map(|host| host.name.as_str());
        hosts.filter(|name| matcher.matches(name)).chain(of_groups).collect()
    }

    /// Patterns from a file, a line each: what a run prints as failed can be given to the next one.
    fn file(&self, file: &str, depth: usize, problems: &mut Diagnostics) -> Names<'a> {
        if depth == DEPTH_LIMIT {
            problems.push(Diagnostic::elsewhere(format!("`@{file}` names files that name each other")));
            return Names::new();
        }
        let read = self.project.read(Path::new(file)).map_err(Diagnostics::from);
        let Some(source) = problems.keep(read) else { return Names::new() };
        let lines =
            source.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        self.choose(&lines.collect::<Vec<_>>().join(","), depth + 1, problems)
    }
}

enum Matcher {
    All,
    Regex(Regex),
    Globs(Vec<String>),
}

impl Matcher {
    fn of(term: &str) -> Result<Matcher, String> {
        match term.strip_prefix('~') {
            _ if term == "all" || term == "*" => Ok(Matcher::All),
            // Anchored at the beginning, as in Ansible.
            Some(regex) => Regex::new(&format!("^(?:{regex})"))
                .map(Matcher::Regex)
                .map_err(|error| format!("`{regex}` is not a regular expression: {error}")),
            None => expand(term).map(Matcher::Globs),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::All => true,
            Matcher::Regex(regex) => regex.is_match(name),
            Matcher::Globs(globs) => globs.iter().any(|glob| glob_matches(glob.as_bytes(), name.as_bytes())),
        }
    }
}

/// `*` is anything, `?` one character. Linear: it goes back only to the last star.
fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut pos, mut star) = (0, 0, None);
    while pos < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == name[pos] => (at, pos) = (at + 1, pos + 1),
            _ => match star {
                None => return false,
                Some((star_at, star_pos)) => {
                    star = Some((star_at, star_pos + 1));
                    (at, pos) = (star_at + 1, star_pos + 1);
                }
            },
        }
    }
    glob[at..].iter().all(|letter| *letter == b'*')
}

/// Splits at commas that are in no brackets.
fn terms(pattern: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = pattern.split(|letter: char| {
        depth += i32::from("[({".contains(letter)) - i32::from("])}".contains(letter));
        letter == ',' && depth <= 0
    });
    split.map(str::trim).filter(|term| !term.is_empty()).collect()
}
