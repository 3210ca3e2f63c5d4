//! A failure, put the way the person who reads it needs it: what was being done, why it failed, what to try.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something could not be done. All texts are lower case without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done, for example `write /etc/nginx/nginx.conf`.
    pub doing: String,
    /// Why it failed, for example `no space left on device`.
    pub why: String,
    /// What to try next, when we know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What to try where rights are missing.
pub const BECOME_ROOT: &str = "become root: -b, or become = true";

/// The result of anything that can fail in a way a person should read about.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure while doing `doing`, because of `why`.
    pub fn new(doing: impl fmt::Display, why: impl fmt::Display) -> Self {
        Failure { doing: doing.to_string(), why: plain(&why.to_string()), hint: None }
    }

    /// The same failure with something to try.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.doing, self.why)?;
        match &self.hint {
            Some(hint) => write!(out, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Adds what was being done to an error of a library or of the operating system.
pub trait Doing<T> {
    /// `doing` is a short phrase with the object, for example `read inventories/prod.toml`.
    fn doing(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|why| Failure::new(doing, why))
    }
}

/// An error of the operating system, as Rust prints it, without its number and capital letter.
pub fn plain(why: &str) -> String {
    let is_number = |rest: &str| rest.find(')').is_some_and(|at| at + 1 == rest.len());
    let Some((text, _)) = why.split_once(" (os error ").filter(|(_, rest)| is_number(rest)) else {
        return why.to_string();
    };
    lowered(text)
}

/// The text with a small first letter.
pub fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_to_try() {
        let failure = Failure::new("write /etc/motd", "no space left on device").hint("free space on /");
        assert_eq!(failure.to_string(), "write /etc/motd: no space left on device\n  hint: free space on /");
        let refused = std::fs::read("/nosuch").doing("read /nosuch").unwrap_err();
        assert_eq!(refused.to_string(), "read /nosuch: no such file or directory");
    }
}
