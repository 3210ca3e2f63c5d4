//! One lookup: walks the files, decides which `Host` and `Match` blocks apply, and gathers the options.

use super::tokens::Tokens;
use super::{Condition, Config, Found, Line, Query, Setting, Statement, Values, canonical, network};
use crate::model::failure::{Failure, Result};
use crate::ssh::local::DEADLINE;
use crate::ssh::pattern::{ListMatch, match_list};

/// The conditions of `Match` that are decided by something windlass does not have.
const UNKNOWABLE: &[(&str, &str)] = &[
    ("command", "a host is given more than one command"),
    ("version", "it asks for the version of OpenSSH, and windlass is another program"),
];

/// What the configuration says of a host.
pub fn lookup(config: &Config, query: &Query) -> Result<Found> {
    let values = Values::default();
    let mut walk = Walk { config, query, values, again: false, resolved: None, asked: Vec::new() };
    walk.stronger();
    walk.files()?;
    let written = walk.hostname()?;
    let canonical = canonical::name(&written, &walk.values)?;
    if walk.again || canonical::enabled(&walk.values)? {
        walk.values.add(&Setting::new(
            "hostname",
            canonical.replace('%', "%%"),
            &"its canonical name".into(),
        ));
        walk.resolved = Some(canonical.clone());
        walk.files()?;
    }
    let mut tokens = walk.tokens(canonical.clone())?;
    // While the files are read `%k` is the name so far, afterwards the one that was given.
    if walk.values.setting("hostkeyalias").is_none() {
        tokens.alias = query.name.to_string();
    }
    Ok(Found { hostname: canonical, values: walk.values, tokens, asked: walk.asked })
}

struct Walk<'a> {
    config: &'a Config,
    query: &'a Query<'a>,
    values: Values,
    /// `Match final` was seen, so the files are walked a second time, as OpenSSH does.
    again: bool,
    /// On the second walk: the name that `HostName` and the rules for canonical names give.
    resolved: Option<String>,
    /// What commands decided.
    asked: Vec<String>,
}

impl Walk<'_> {
    /// What is stronger than the files: the command line, then the inventory.
    fn stronger(&mut self) {
        for setting in &self.config.command_line {
            self.values.add(setting);
        }
        // `HostName` among the options of a host is as if it were typed, and stronger than its address.
        let named = self.query.inventory.iter().any(|setting| setting.key == "hostname");
        if let Some(address) = self.query.address.filter(|_| !named) {
            self.values.add(&Setting::new("hostname", address.replace('%', "%%"), &"the inventory".into()));
        }
        for setting in self.query.inventory {
            self.values.add(setting);
        }
        // Keys that the inventory names replace those of the files.
        if self.query.inventory.iter().any(|setting| setting.key == "identityfile") {
            self.values.close("identityfile");
        }
    }

    fn files(&mut self) -> Result<()> {
        let config = self.config;
        config.files.iter().try_for_each(|file| self.lines(file, true))
    }

    fn lines(&mut self, lines: &[Line], may_apply: bool) -> Result<()> {
        let mut active = may_apply;
        for line in lines {
            match &line.statement {
                Statement::Host(patterns) => active = may_apply && self.host_matches(patterns),
                Statement::Match(conditions) => {
                    active = self.all_match(conditions, may_apply, &line.origin)?
                }
                Statement::Include(files) => {
                    files.iter().try_for_each(|file| self.lines(file, active))?;
                }
                Statement::Set(setting) if active => self.values.add(setting),
                Statement::Set(_) => {}
            }
        }
        Ok(())
    }

    /// The names `Host` is compared with: what was typed and the inventory's address, and on the second walk `HostName`.
    fn host_matches(&self, patterns: &[String]) -> bool {
        let names = match &self.resolved {
            Some(resolved) => vec![resolved.as_str()],
            None => std::iter::once(self.query.name).chain(self.query.address).collect(),
        };
        match_list(patterns.iter().map(String::as_str), &names) == ListMatch::Included
    }

    fn all_match(&mut self, conditions: &[Condition], may_apply: bool, origin: &str) -> Result<bool> {
        let mut all = may_apply;
        for condition in conditions {
            self.again |= condition.kind == "final";
            // What cannot change the answer any more is not asked: a command may take its time.
            all = all && self.holds(condition, origin)? != condition.negated;
        }
        Ok(all)
    }

    fn holds(&mut self, condition: &Condition, origin: &str) -> Result<bool> {
        let argument = condition.argument.as_str();
        // As in OpenSSH, host names are compared with patterns in lower case, and users as they are.
        let listed = |names: &[&str]| match_list(argument.split(','), names) == ListMatch::Included;
        let lower = argument.to_ascii_lowercase();
        let host_listed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match_list(lower.split(','), &names) == ListMatch::Included
        };
        Ok(match condition.kind.as_str() {
            "all" => true,
            "canonical" | "final" => self.resolved.is_some(),
            "host" => host_listed(&[&self.hostname()?]),
            "originalhost" => {
                let names: Vec<&str> = std::iter::once(self.query.name).chain(self.query.address).collect();
                host_listed(&names)
            }
            "user" => listed(&[&self.remote_user()]),
            "localuser" => listed(&[&self.config.paths.user]),
            "tagged" => listed(&[self.values.word("tag")?.unwrap_or_default()]),
            // Everything windlass does on a host is a command.
            "sessiontype" => listed(&["exec"]),
            "localnetwork" => network::is_local(argument).map_err(|why| at(origin, why))?,
            "exec" => self.exec(argument, origin)?,
            other => return Err(unknown(other, origin)),
        })
    }

    fn exec(&mut self, command: &str, origin: &str) -> Result<bool> {
        let command = self.tokens(self.hostname()?)?.command(command).map_err(|why| at(origin, why.why))?;
        let ended = self.config.commands.shell(&command, DEADLINE);
        let ended = ended.map_err(|why| at(origin, format!("`Match exec \"{command}\"`: {why}")))?;
        let answer = if ended.success { "succeeded" } else { "failed" };
        self.asked.push(format!("`Match exec \"{command}\"` {answer} ({origin})"));
        Ok(ended.success)
    }

    /// The name so far, with `%h` in it replaced by the name that was given.
    fn hostname(&self) -> Result<String> {
        if let Some(resolved) = &self.resolved {
            return Ok(resolved.clone());
        }
        match self.values.setting("hostname") {
            None => Ok(self.query.name.to_string()),
            Some(written) => {
                let tokens = Tokens { only_host: true, ..self.tokens(self.query.name.to_string())? };
                tokens.expand(&written.words[0]).map_err(|why| written.wrong(why.why))
            }
        }
    }

    fn remote_user(&self) -> String {
        let user = self.values.setting("user").map(|setting| &setting.words[0]);
        user.unwrap_or(&self.config.paths.user).clone()
    }

    fn tokens(&self, hostname: String) -> Result<Tokens> {
        let alias = self.values.word("hostkeyalias")?.unwrap_or(&hostname).to_string();
        let jump = self.values.proxy().filter(|proxy| proxy.key == "proxyjump");
        Ok(Tokens {
            alias,
            hostname,
            name: self.query.name.to_string(),
            port: self.values.port()?.unwrap_or(22),
            user: self.remote_user(),
            local_user: self.config.paths.user.clone(),
            home: self.config.paths.home.clone(),
            jump: jump.map(|jump| jump.words.join(" ")).unwrap_or_default(),
            only_host: false,
        })
    }
}

fn at(origin: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("read {origin}"), why)
}

fn unknown(kind: &str, origin: &str) -> Failure {
    match UNKNOWABLE.iter().find(|(known, _)| *known == kind) {
        Some((_, why)) => at(origin, format!("windlass cannot decide `Match {kind}`: {why}")),
        None => at(origin, format!("`Match {kind}` is not a condition that OpenSSH has")),
    }
}
