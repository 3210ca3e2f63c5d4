//! A wait until something on the host holds.

use crate::model::Result;
use crate::model::duration::TimeSpan;
use crate::model::op::{Command, Condition, Op, Plan};
use crate::model::path::HostPath;
use crate::model::words::Words;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Waits until a port, a path or a command is as wanted: exactly one of `port`, `path` and `command`. Fails when that
/// takes longer than `within`; never counts as a change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WaitFor {
    /// A TCP port.
    port: Option<u16>,
    /// Where the port is, as seen from the host; the host itself, `127.0.0.1`, when not given.
    host: Option<String>,
    /// A path on the host.
    path: Option<HostPath>,
    /// A regular expression: wait until the file at `path` holds a match of it.
    matches: Option<String>,
    /// A command that only looks, as a list or a line: wait until it exits 0.
    command: Option<Words>,
    /// `open` (what a port waits for when not given) or `closed`; `present` (what a path waits for) or `absent`.
    state: Option<State>,
    /// How long to wait at most; 5 minutes when not given.
    #[serde(default = "five_minutes")]
    within: TimeSpan,
    /// How long to wait between two looks; a second when not given.
    #[serde(default = "a_second")]
    every: TimeSpan,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// The port accepts connections.
    Open,
    /// The port accepts none.
    Closed,
    /// The path exists.
    Present,
    /// Nothing is at the path.
    Absent,
}

impl Kind for WaitFor {
    const NAME: &'static str = "wait_for";
    const RESULT: &'static [&'static str] = &["status", "stdout", "stderr"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the database accepts connections"
[steps.wait_for]
port = 5432
host = "db.internal"    # the host itself when not given
state = "open"          # or "closed"
within = "2m"
every = "2s"

[[steps]]
name = "the import is through"
[steps.wait_for]
path = "/var/log/import.log"        # alone, or with state = "absent": until it is there, or gone
matches = 'imported \d+ rows'

[[steps]]
name = "the cluster is healthy"
[steps.wait_for]
command = ["pg_isready", "--quiet"]
"#;
}

impl Step for WaitFor {
    fn check(&self) -> Result<(), WrongKey> {
        let given = [self.port.is_some(), self.path.is_some(), self.command.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(WrongKey::new("", "give exactly one of port, path and command"));
        }
        if self.host.is_some() && self.port.is_none() {
            return Err(WrongKey::new("host", "host is only for a port"));
        }
        self.check_matches()?;
        self.check_state()
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let condition = self.condition()?;
        let seen = host.observe(&condition)?;
        if seen.holds {
            return Ok(Plan { result: seen.details, ..Plan::nothing() });
        }
        Ok(Plan::of(vec![Op::Await { condition, within: self.within.get(), every: self.every.get() }]))
    }
}

impl WaitFor {
    fn check_matches(&self) -> Result<(), WrongKey> {
        match self.matches.as_deref().map(regex_lite::Regex::new) {
            None => Ok(()),
            Some(Err(error)) => Err(WrongKey::new("matches", error.to_string())),
            Some(Ok(_)) if self.path.is_none() => {
                Err(WrongKey::new("matches", "give the path of the file that must match"))
            }
            Some(Ok(_)) if self.state.is_some() => {
                Err(WrongKey::new("state", "matches already says what the file must be like"))
            }
            Some(Ok(_)) => Ok(()),
        }
    }

    fn check_state(&self) -> Result<(), WrongKey> {
        let fits = match self.state {
            None => true,
            Some(State::Open | State::Closed) => self.port.is_some(),
            Some(State::Present | State::Absent) => self.path.is_some(),
        };
        match fits {
            true => Ok(()),
            false => Err(WrongKey::new("state", "a port is open or closed, a path is present or absent")),
        }
    }

    fn condition(&self) -> Result<Condition> {
        if let Some(port) = self.port {
            let host = self.host.clone().unwrap_or_else(|| "127.0.0.1".to_string());
            return Ok(Condition::Port { host, port, open: self.state != Some(State::Closed) });
        }
        if let Some(path) = &self.path {
            let path = wanted::absolute(path)?;
            return Ok(match &self.matches {
                Some(pattern) => Condition::Matches { path, pattern: pattern.clone() },
                None => Condition::Path { path, exists: self.state != Some(State::Absent) },
            });
        }
        let words = self.command.as_ref().map(Words::to_vec).unwrap_or_default();
        Ok(Condition::Succeeds { command: Command::new(words) })
    }
}

fn five_minutes() -> TimeSpan {
    TimeSpan::seconds(300)
}

fn a_second() -> TimeSpan {
    TimeSpan::seconds(1)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{Sees, host, parse, planned};
    use serde_json::json;

    #[test]
    fn waits_for_what_does_not_hold() {
        for (keys, told) in [
            ("port = 80", "wait until 127.0.0.1:80 accepts connections\n"),
            ("port = 80\nhost = 'db'\nstate = 'closed'", "wait until db:80 accepts no connections\n"),
            ("path = '/a'", "wait until /a exists\n"),
            ("path = '/there'\nstate = 'absent'", "wait until /there is gone\n"),
            ("path = '/there'\nmatches = 'b+'", "wait until /there matches b+\n"),
            ("command = 'test -e /a'", "wait until test -e /a succeeds\n"),
        ] {
            assert_eq!(planned(&host(&[("/there", "a")]), "wait_for", keys).unwrap(), told);
        }
    }

    #[test]
    fn does_not_wait_for_what_holds() {
        let host = host(&[("/there", "abba")]);
        for keys in ["path = '/there'", "path = '/a'\nstate = 'absent'", "path = '/there'\nmatches = 'b+'"] {
            assert_eq!(planned(&host, "wait_for", keys).unwrap(), "");
        }
        let sees = Sees::holding(json!({}));
        assert!(parse("wait_for", "port = 80").unwrap().plan(&sees).unwrap().is_empty());
    }

    #[test]
    fn refuses_keys_that_do_not_fit_together() {
        for (keys, told) in [
            ("every = 1", "the keys of wait_for: give exactly one of port, path and command"),
            ("port = 1\npath = '/a'", "the keys of wait_for: give exactly one of port, path and command"),
            ("path = '/a'\nhost = 'b'", "wait_for.host: host is only for a port"),
            ("port = 1\nmatches = 'a'", "wait_for.matches: give the path of the file that must match"),
            (
                "path = '/a'\nmatches = 'a'\nstate = 'present'",
                "wait_for.state: matches already says what the file must be like",
            ),
            (
                "port = 1\nstate = 'absent'",
                "wait_for.state: a port is open or closed, a path is present or absent",
            ),
        ] {
            assert_eq!(parse("wait_for", keys).err().unwrap().to_string(), format!("read {told}"));
        }
    }
}
