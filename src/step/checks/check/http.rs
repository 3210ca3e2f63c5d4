//! Whether pages answer as wanted, as seen from the host.

use super::{TIME, unseen};
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Condition, HttpCheck};
use crate::system::Probe;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A page.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// `http://` or `https://`, as the host sees it.
    url: String,
    /// Statuses that are fine; only 200 when not given.
    #[serde(default = "only_200")]
    status: Vec<u16>,
    /// A regular expression of which the body must hold a match.
    matches: Option<String>,
    /// Sent with the request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl From<String> for Page {
    fn from(url: String) -> Self {
        Page { url, status: only_200(), matches: None, headers: BTreeMap::new() }
    }
}

impl Page {
    /// Refuses what cannot be asked.
    pub fn check(&self) -> Result<(), String> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(format!("{:?} does not begin with http:// or https://", self.url));
        }
        match self.matches.as_deref().map(regex_lite::Regex::new) {
            Some(Err(error)) => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Whether it answers.
    pub fn look(&self, host: &dyn Probe) -> Finding {
        let check = HttpCheck {
            url: self.url.clone(),
            method: "GET".to_string(),
            headers: self.headers.clone(),
            body: None,
            status: self.status.clone(),
            matches: self.matches.clone(),
            timeout: TIME,
        };
        match host.observe(&Condition::Http(Box::new(check))) {
            Err(failure) => unseen("http", &self.url, failure).wanted(self.wanted()),
            Ok(seen) => {
                let finding =
                    Finding::new("http", &self.url, Verdict::of(seen.holds), seen.seen).wanted(self.wanted());
                match seen.details.get("status") {
                    Some(status) => finding.detail("status", status.clone()),
                    None => finding,
                }
            }
        }
    }

    fn wanted(&self) -> String {
        let status: Vec<String> = self.status.iter().map(u16::to_string).collect();
        match &self.matches {
            Some(pattern) => format!("{}, with a body that matches {pattern}", status.join(" or ")),
            None => status.join(" or "),
        }
    }
}

fn only_200() -> Vec<u16> {
    vec![200]
}
