//! Whether environment variables are set, to something that someone has filled in. Values are never shown.

use super::TIME;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::system::Probe;
use crate::wanted;
use regex_lite::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Values that examples have, and that nobody replaced.
const PLACEHOLDER: &str = r"(?i)^(your[-_ ].*|.*[-_ ]here|change[-_ ]?me.*|replace[-_ ]?(me|this|with).*|x{3,}|<.*>|\[.*\]|todo|tbd|fixme|\.\.\.|…)$";

/// Variables in one place: exactly one of `file` and `container`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// A file with lines of `NAME=value`.
    file: Option<HostPath>,
    /// A container, as it was started.
    container: Option<String>,
    /// The variables that must be set.
    names: Vec<String>,
}

impl Environment {
    /// Refuses an item without a place.
    pub fn check(&self) -> Result<(), String> {
        match (self.file.is_some() != self.container.is_some(), self.names.is_empty()) {
            (false, _) => Err("give exactly one of file and container".to_string()),
            (true, true) => Err("name at least one variable".to_string()),
            (true, false) => Ok(()),
        }
    }

    /// Whether they are set.
    pub fn look(&self, host: &dyn Probe) -> Vec<Finding> {
        let place = self.place();
        let lines = match self.lines(host) {
            Ok(lines) => lines,
            Err((verdict, why)) => {
                let found = |name: &String| Finding::new("env", format!("{name} in {place}"), verdict, &why);
                return self.names.iter().map(|name| found(name).wanted("set")).collect();
            }
        };
        let values = read(&lines);
        self.names.iter().map(|name| judge(name, &place, values.get(name.as_str()).copied())).collect()
    }

    fn place(&self) -> String {
        match (&self.file, &self.container) {
            (Some(file), _) => file.to_string(),
            (None, container) => format!("container {}", container.as_deref().unwrap_or_default()),
        }
    }

    fn lines(&self, host: &dyn Probe) -> Result<String, (Verdict, String)> {
        if let Some(file) = &self.file {
            return match wanted::text(host, file) {
                Ok(Some(text)) => Ok(text),
                Ok(None) => Err((Verdict::Fail, "the file is not there".to_string())),
                Err(failure) => Err((Verdict::Unknown, failure.to_string())),
            };
        }
        let container = self.container.as_deref().unwrap_or_default();
        let form = "{{range .Config.Env}}{{println .}}{{end}}";
        let argv = ["docker", "container", "inspect", "--format", form, "--", container];
        match host.ask(&Command { timeout: Some(TIME), ..Command::new(argv) }) {
            Ok(answer) if answer.ok() => Ok(answer.text()),
            Ok(answer) => {
                let why = answer.last_words().unwrap_or_else(|| format!("docker exits {}", answer.status));
                let missing = why.to_lowercase().contains("no such container");
                Err((if missing { Verdict::Fail } else { Verdict::Unknown }, why))
            }
            Err(failure) => Err((Verdict::Unknown, failure.to_string())),
        }
    }
}

/// Names and values, quotes taken off; of a name that is set twice, the last.
fn read(lines: &str) -> BTreeMap<&str, &str> {
    lines.lines().filter_map(variable).collect()
}

fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    (!name.starts_with('#')).then(|| (name.trim(), unquoted(value.trim())))
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn judge(name: &str, place: &str, value: Option<&str>) -> Finding {
    let placeholder = |value: &str| Regex::new(PLACEHOLDER).is_ok_and(|pattern| pattern.is_match(value));
    let (verdict, seen) = match value {
        None => (Verdict::Fail, "it is not set"),
        Some("") => (Verdict::Fail, "it is empty"),
        Some(value) if placeholder(value) => (Verdict::Fail, "it is still a placeholder"),
        Some(_) => (Verdict::Pass, "it is set"),
    };
    Finding::new("env", format!("{name} in {place}"), verdict, seen).wanted("set")
}
