//! Which hosts: `prod,web*,&eu,!web03`. Unions first, then `&`, then `!`, whatever the order.

pub mod matcher;
mod reading;
mod slice;
mod terms;

use super::{Host, HostName, Inventory, ansible};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::host::SshSettings;
use crate::project::Project;
use matcher::Matcher;
use reading::Names;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use terms::terms;

/// `@file` may name files that name files; deeper than this is a loop.
const DEPTH_LIMIT: usize = 8;

/// The hosts a pattern chooses: in the order of its terms, those of a group as the group has them. One that chooses none is an
/// error.
pub fn select<'a>(
    inventory: &'a Inventory,
    pattern: &str,
    project: &Project,
) -> Result<Vec<&'a Host>, Diagnostics> {
    select_with(inventory, pattern, project, &|_| false)
}

/// What to try where no inventory names a host: as in a directory that is no project.
const NO_HOSTS: &str = "no inventory names a host here: `windlass init` creates a project, --project DIR names another one, and a \
                        name that ends with a comma is a host in no inventory: --hosts web1,";

/// The same where hosts may still join the groups for which `comes` holds: these may have no hosts, and the pattern too.
pub fn select_with<'a>(
    inventory: &'a Inventory,
    pattern: &str,
    project: &Project,
    comes: &dyn Fn(&str) -> bool,
) -> Result<Vec<&'a Host>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let chooser = Chooser { inventory, project, comes, waits: Cell::new(false) };
    let chosen = chooser.choose(pattern, 0, &mut problems);
    let known: BTreeMap<&str, &Host> =
        inventory.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let hosts: Vec<&Host> = chosen.iter().filter_map(|name| known.get(name).copied()).collect();
    if problems.is_empty() && hosts.is_empty() && !chooser.waits.get() {
        let problem = Diagnostic::elsewhere(format!("`{pattern}` chooses no host"));
        problems.push(if inventory.hosts.is_empty() { problem.hint(NO_HOSTS) } else { problem });
    }
    problems.unless_errors(hosts)
}

/// Those of `names` that a pattern chooses by themselves, without an inventory: what is kept of hosts outlives them.
pub fn among<'a>(pattern: &str, names: &[&'a str]) -> Result<BTreeSet<&'a str>, String> {
    let (mut chosen, mut has_plain) = (BTreeSet::new(), false);
    let matching = |term: &str| -> Result<BTreeSet<&'a str>, String> {
        let found = |matcher: &Matcher| names.iter().copied().filter(|name| matcher.matches(name)).collect();
        Ok(reading::choose(term, &found)?.into_iter().collect())
    };
    let terms = terms(pattern, |name| names.contains(&name));
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

/// Whether a pattern may name hosts that are in no inventory: it ends in a comma, as in Ansible.
pub fn names_addresses(pattern: &str) -> bool {
    pattern.trim_end().ends_with(',')
}

/// The hosts of a pattern that ends in a comma which no inventory has: `203.0.113.7,` or `deploy@web9.example.com:2222,`.
pub fn addresses(pattern: &str, inventory: &Inventory, ssh: &SshSettings) -> Result<Vec<Host>, Diagnostics> {
    if !names_addresses(pattern) {
        return Ok(Vec::new());
    }
    let is_known = |name: &str| inventory.host(name).is_some() || inventory.groups.contains_key(name);
    let plain = |term: &&str| {
        !term.starts_with(['&', '!', '@', '~']) && !term.contains(['*', '?']) && *term != ansible::ALL
    };
    let mut problems = Diagnostics::default();
    let mut hosts: Vec<Host> = Vec::new();
    for term in pattern.split(',').map(str::trim).filter(|term| !term.is_empty()).filter(plain) {
        if is_known(term) || term.contains('[') && !term.starts_with('[') && is_known(base(term)) {
            continue;
        }
        match typed(term, ssh) {
            Ok(typed) => hosts.extend(typed.into_iter().filter(|host| !is_known(host.name.as_str()))),
            Err(why) => problems.push(Diagnostic::elsewhere(format!("choose the host `{term}`: {why}"))),
        }
    }
    problems.unless_errors(hosts)
}

fn base(term: &str) -> &str {
    term.split('[').next().unwrap_or(term)
}

/// `[USER@]HOST[:PORT]`, with ranges.
fn typed(term: &str, ssh: &SshSettings) -> Result<Vec<Host>, String> {
    let (user, place) = match term.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, term),
    };
    let (names, port) = ansible::names_and_port(place)?;
    let own = SshSettings { user: user.map(Into::into), port, ..SshSettings::default() };
    let host = |name: &String| {
        Ok(Host {
            name: HostName::parse(name)?,
            address: name.clone(),
            address_given: false,
            ssh: own.clone().or(ssh.clone()),
            groups: Vec::new(),
            vars: Vec::new(),
            refused: Diagnostics::default(),
        })
    };
    names.iter().map(host).collect()
}

struct Chooser<'a, 'p> {
    inventory: &'a Inventory,
    project: &'p Project,
    /// Whether hosts may still join a group of this name.
    comes: &'p dyn Fn(&str) -> bool,
    /// A term names such a group, which has no hosts yet.
    waits: Cell<bool>,
}

impl<'a> Chooser<'a, '_> {
    fn choose(&self, pattern: &str, depth: usize, problems: &mut Diagnostics) -> Names<'a> {
        let terms = terms(pattern, |name| self.is_known(name));
        let of = |mark: char| terms.iter().filter_map(move |term| term.strip_prefix(mark));
        let mut chosen = Names::new();
        let mut seen = BTreeSet::new();
        let plain: Vec<_> = terms.iter().filter(|term| !term.starts_with(['&', '!'])).collect();
        for term in &plain {
            chosen.extend(self.term(term, depth, problems).into_iter().filter(|name| seen.insert(*name)));
        }
        if plain.is_empty() && !terms.is_empty() {
            chosen = self.inventory.hosts.iter().map(|host| host.name.as_str()).collect();
        }
        for term in of('&') {
            let other: BTreeSet<&str> = self.term(term, depth, problems).into_iter().collect();
            chosen.retain(|name| other.contains(name));
        }
        for term in of('!') {
            let other: BTreeSet<&str> = self.term(term, depth, problems).into_iter().collect();
            chosen.retain(|name| !other.contains(name));
        }
        chosen
    }

    fn is_known(&self, name: &str) -> bool {
        self.inventory.host(name).is_some() || self.inventory.groups.contains_key(name)
    }

    fn term(&self, term: &str, depth: usize, problems: &mut Diagnostics) -> Names<'a> {
        if let Some(file) = term.strip_prefix('@') {
            return self.file(file, depth, problems);
        }
        let mut own = Diagnostics::default();
        let found = self.named(term, &mut own);
        match found.is_empty() && (self.comes)(base(term)) {
            true => self.waits.set(true),
            false => problems.append(own),
        }
        found
    }

    /// The hosts that a term names.
    fn named(&self, term: &str, problems: &mut Diagnostics) -> Names<'a> {
        if self.is_known(term) {
            return reading::once(self.listing(&Matcher::of_names([term])));
        }
        let found = reading::choose(term, &|matcher| self.listing(matcher));
        if !found.as_ref().is_ok_and(|found| !found.is_empty())
            && let Some(typed) = self.typed(term)
        {
            return typed;
        }
        match found {
            Err(why) => {
                problems.push(Diagnostic::elsewhere(why));
                Names::new()
            }
            Ok(found) => {
                if found.is_empty() && !matches!(term, "all" | "*") {
                    problems.push(self.unknown(term));
                }
                found
            }
        }
    }

    /// `deploy@web9:2222`, where its host is among the addresses that were typed.
    fn typed(&self, term: &str) -> Option<Names<'a>> {
        let hosts = typed(term, &SshSettings::default()).ok().filter(|_| term.contains(['@', ':']))?;
        hosts.iter().map(|host| Some(self.inventory.host(host.name.as_str())?.name.as_str())).collect()
    }

    fn unknown(&self, term: &str) -> Diagnostic {
        let hosts = self.inventory.hosts.iter().map(|host| host.name.as_str());
        let names = hosts.chain(self.inventory.groups.keys().map(String::as_str));
        let problem = Diagnostic::elsewhere(format!("no host or group is called `{term}`"));
        if self.inventory.hosts.is_empty() && self.inventory.groups.is_empty() {
            return problem.hint(NO_HOSTS);
        }
        let is_address = term.contains(['.', ':']) && typed(term, &SshSettings::default()).is_ok();
        match is_address {
            true => {
                problem.hint(format!("for a host that is in no inventory, end it with a comma: `{term},`"))
            }
            false => problem.nearest(term, names),
        }
    }

    /// The hosts of the groups that match, then the hosts that match, each in the order in which the files name them.
    fn listing(&self, matcher: &Matcher) -> Names<'a> {
        let mut found = Names::new();
        if matches!(matcher, Matcher::All | Matcher::Star) {
            found.extend(self.inventory.hosts.iter().map(|host| host.name.as_str()));
        }
        if matches!(matcher, Matcher::All) {
            return found;
        }
        let groups = self.inventory.named.groups.iter().filter(|name| matcher.matches(name));
        let hosts = groups.filter_map(|name| self.inventory.groups.get(name)).flat_map(|group| &group.hosts);
        let named = self.inventory.named.hosts.iter().filter(|name| matcher.matches(name.as_str()));
        found.extend(hosts.chain(named).map(HostName::as_str));
        found
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
