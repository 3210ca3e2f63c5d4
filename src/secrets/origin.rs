//! Where a secret comes from: `env:NAME`, `file:PATH`, `command:PROGRAM …` or `{ command = […] }`, `age:NAME`.

use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value};
use crate::system::Probe;
use crate::system::local::Local;
use crate::trust;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A password manager may ask its owner, who needs time.
const COMMAND_TIME: Duration = Duration::from_secs(120);

/// Where a secret comes from. It is read at the moment it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// The environment variable of this name.
    Environment(String),
    /// The text of this file, without the newline at its end. A relative path is relative to the project.
    File(String),
    /// What this program prints, without the newline at its end.
    Command(Vec<String>),
    /// The secret of this name in `secrets/*.toml.age`.
    Age(String),
}

impl SecretOrigin {
    /// Reads a place; `None` for a text that is none, and so may be the secret itself.
    pub fn of_text(text: &str) -> Option<SecretOrigin> {
        let (kind, rest) = text.split_once(':')?;
        let rest = rest.trim();
        Some(match kind {
            _ if rest.is_empty() => return None,
            "env" => SecretOrigin::Environment(rest.to_string()),
            "file" => SecretOrigin::File(rest.to_string()),
            "command" => SecretOrigin::Command(["/bin/sh", "-c", rest].map(str::to_string).to_vec()),
            "age" => SecretOrigin::Age(rest.to_string()),
            _ => return None,
        })
    }

    /// Reads a value of a `[secrets]` table: a text, or `{ command = ["pass", "show", "x"] }`.
    pub fn of_value(value: &Value) -> Option<SecretOrigin> {
        if let Some(text) = value.as_str() {
            return SecretOrigin::of_text(text);
        }
        let argv = value.as_object().filter(|table| table.len() == 1)?.get("command")?;
        match argv {
            Value::String(text) => SecretOrigin::of_text(&format!("command:{text}")),
            Value::Array(words) if !words.is_empty() => {
                let words = words.iter().map(|word| word.as_str().map(str::to_string));
                words.collect::<Option<_>>().map(SecretOrigin::Command)
            }
            _ => None,
        }
    }
}

/// What a program prints, without the newline at its end. It runs in the project's folder, with our environment.
pub fn printed(argv: &[String], root: &Path, doing: &str) -> Result<String> {
    trust::program::words(argv, root)?;
    let question = Command {
        directory: Some(HostPath::from(root.to_path_buf())),
        timeout: Some(COMMAND_TIME),
        environment: std::env::vars().collect(),
        ..Command::new(argv.to_vec())
    };
    let answer = Local::new().ask(&question)?;
    let program = argv.iter().rfind(|_| argv[0] == "/bin/sh").unwrap_or(&argv[0]);
    if answer.status != 0 {
        let said = String::from_utf8_lossy(&answer.stderr);
        let said = said.trim().lines().last().map_or(String::new(), |line| format!(": {line}"));
        let why = format!("`{program}` ended with status {}{said}", answer.status);
        return Err(Failure::new(doing, why).hint("run it by hand to see why"));
    }
    let text = String::from_utf8(answer.stdout);
    let text = text.map_err(|_| Failure::new(doing, format!("`{program}` prints no UTF-8 text")))?;
    Ok(without_newline(&text).to_string())
}

/// A text without the newline at its end.
pub fn without_newline(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// `~/…` is below the home directory.
pub fn tilde(path: &str, home: &Path) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest))
}
