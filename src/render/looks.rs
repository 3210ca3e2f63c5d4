//! What a host's job looks at of what other hosts give in earlier plays. A host gets only that: a value that another host has
//! given may be a secret, and each copy costs memory.

use super::others::is_open_for;
use crate::model::job::HostWork;
use crate::model::play::Given;
use crate::model::{Failure, Result, play};
use crate::playbook::check;
use crate::template::{Form, Use, is_method};
use std::collections::{BTreeMap, BTreeSet};

/// What one host gets of all other hosts is no larger than this, in bytes: it must fit into a frame.
const LARGEST: usize = 16 * 1024 * 1024;

/// What a job looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// A variable of a host that a template names.
    named: BTreeSet<(String, String)>,
    /// Variables of a host that only the template itself finds out.
    of_any: BTreeSet<String>,
}

impl Looks {
    /// Those of a job's steps and variables.
    pub fn of(work: &HostWork) -> Self {
        let mut looks = Looks::default();
        if work.shares.is_empty() {
            return looks;
        }
        // What other hosts had given before is no template.
        let work =
            HostWork { others: BTreeMap::new(), assets: Vec::new(), trees: BTreeMap::new(), ..work.clone() };
        let value = serde_json::to_value(&work).unwrap_or_default();
        check::strings_of(&value, &mut |text| looks.add(text, &work.shares));
        looks
    }

    /// What the host gets of this.
    pub fn given(&self, host: &str, given: &Given) -> Given {
        let looks =
            |name: &String| self.of_any.contains(name) || self.named.contains(&(host.into(), name.clone()));
        given
            .iter()
            .filter(|(name, _)| looks(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn add(&mut self, text: &str, shares: &[String]) {
        if !text.contains("hosts") {
            return;
        }
        let mentioned = || shares.iter().filter(|name| is_open_for(text, name)).cloned();
        for form in [Form::Text, Form::Expression] {
            let Ok(scanned) = check::scanned(text, form) else { continue };
            for Use { path, .. } in scanned.uses.iter().filter(|used| used.name == "hosts") {
                match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    [host, "vars", name, ..] if !is_method(host) && !is_method(name) => {
                        self.named.insert((host.to_string(), name.to_string()));
                    }
                    [host, ..] if !is_method(host) => {
                        self.named.extend(shares.iter().map(|name| (host.to_string(), name.clone())));
                    }
                    _ => self.of_any.extend(mentioned()),
                }
            }
        }
    }
}

/// What one host gets, unless it is too much.
pub fn fitted(others: BTreeMap<String, Given>) -> Result<BTreeMap<String, Given>> {
    let size: usize = others.values().map(play::size).sum();
    if size <= LARGEST {
        return Ok(others);
    }
    let why = format!("other hosts have given {size} bytes that it looks at, and it gets at most {LARGEST}");
    Err(Failure::new("pass results to other hosts", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;
    use crate::model::arg::Arg;
    use crate::model::job::JobStep;

    /// The names that a host gets of db1 and of web1, which both give `token` and `port`.
    fn seen(text: Arg) -> String {
        let step = JobStep { args: Some(text), register: Some("token".into()), ..JobStep::default() };
        let shares = vec!["port".to_string(), "token".to_string()];
        let looks = Looks::of(&HostWork { steps: vec![step], shares, ..HostWork::default() });
        let given = Given::from(["port", "token"].map(|name| (name.to_string(), Some(Value::from(1)))));
        let of = |host: &str| looks.given(host, &given).into_keys().collect::<Vec<_>>().join("+");
        format!("{} {}", of("db1"), of("web1"))
    }

    #[test]
    fn a_host_gets_what_its_own_steps_look_at() {
        let text = |text: &str| seen(Arg::Template(text.into()));
        assert_eq!(text("{{ token }}"), " ");
        assert_eq!(text("{{ hosts['db1'].vars.token }}"), "token ");
        assert_eq!(seen(Arg::Expression("hosts.db1.vars.port > 1".into())), "port ");
        assert_eq!(text("{{ hosts['db1'].vars[name] }}"), "port+token ");
        assert_eq!(text("{{ hosts[leader].vars.token }}"), "token token");
        assert_eq!(text("{% for host in hosts.values() %}{{ host.vars.port }}{% endfor %}"), "port port");
        assert_eq!(text("{{ hosts['db1'].address }}"), "port+token ");
    }

    #[test]
    fn what_does_not_fit_into_a_frame_is_refused() {
        let given = |size: usize| Given::from([("a".to_string(), Some(Value::from("x".repeat(size))))]);
        let of = |hosts: usize| (0..hosts).map(|host| (host.to_string(), given(1 << 20))).collect();
        assert!(fitted(of(15)).is_ok());
        assert!(fitted(of(17)).is_err());
    }
}
