//! A URL that must answer as wanted.

use crate::model::Result;
use crate::model::duration::TimeSpan;
use crate::model::op::{Condition, HttpCheck, Op, Plan};
use crate::model::words::{self, Word};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Asks a URL from the host and fails unless it answers as wanted; it never counts as a change. `register` gets
/// `status`, `body` and `headers`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `http://` or `https://`, as the host sees it: `http://127.0.0.1:3000/health` is the host itself.
    url: String,
    /// `GET` when not given.
    #[serde(default = "get")]
    method: String,
    /// Sent with the request.
    #[serde(default)]
    headers: BTreeMap<String, Word>,
    /// Sent with the request.
    body: Option<String>,
    /// Statuses that are fine; only 200 when not given.
    #[serde(default = "only_200")]
    status: Vec<u16>,
    /// A regular expression of which the body must hold a match.
    matches: Option<String>,
    /// How long to try until it answers as wanted; 0, which is one try, when not given.
    #[serde(default)]
    within: TimeSpan,
    /// How long to wait between two tries; a second when not given.
    #[serde(default = "a_second")]
    every: TimeSpan,
    /// For one request; 10 seconds when not given.
    #[serde(default = "ten_seconds")]
    timeout: TimeSpan,
}

impl Kind for Http {
    const NAME: &'static str = "http";
    const RESULT: &'static [&'static str] = &["status", "body", "headers"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the app answers"
register = "health"
[steps.http]
url = "http://127.0.0.1:{{ app_port }}/health"
method = "POST"
headers = { Content-Type = "application/json", Host = "{{ domain }}" }
body = '{"deep": true}'
status = [200, 204]
matches = '"database": *"up"'
within = "1m"           # keep trying so long
every = "2s"
timeout = "5s"          # for one request
"#;
}

impl Step for Http {
    fn check(&self) -> Result<(), WrongKey> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            let why = format!("{:?} does not begin with http:// or https://", self.url);
            return Err(WrongKey::new("url", why));
        }
        if self.status.is_empty() {
            return Err(WrongKey::new("status", "name at least one status that is fine"));
        }
        match self.matches.as_deref().map(regex_lite::Regex::new) {
            Some(Err(error)) => Err(WrongKey::new("matches", error.to_string())),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let condition = Condition::Http(Box::new(self.request()));
        let seen = host.observe(&condition)?;
        if seen.holds {
            return Ok(Plan { result: seen.details, ..Plan::nothing() });
        }
        let (within, every) = (self.within.get(), self.every.get());
        Ok(Plan { result: seen.details, ..Plan::of(vec![Op::Await { condition, within, every }]) })
    }
}

impl Http {
    fn request(&self) -> HttpCheck {
        HttpCheck {
            url: self.url.clone(),
            method: self.method.to_uppercase(),
            headers: words::environment(&self.headers),
            body: self.body.clone(),
            status: self.status.clone(),
            matches: self.matches.clone(),
            timeout: self.timeout.get(),
        }
    }
}

fn get() -> String {
    "GET".to_string()
}

fn only_200() -> Vec<u16> {
    vec![200]
}

fn a_second() -> TimeSpan {
    TimeSpan::seconds(1)
}

fn ten_seconds() -> TimeSpan {
    TimeSpan::seconds(10)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::model::op::{Condition, Op};
    use crate::testing::{Sees, host, parse, planned};
    use serde_json::json;

    #[test]
    fn what_answers_as_wanted_is_registered() {
        let sees = Sees::holding(json!({ "status": 200, "body": "up" }));
        let plan = parse("http", "url = 'http://a/'").unwrap().plan(&sees).unwrap();
        assert!(plan.is_empty());
        assert_eq!(plan.result["body"], "up");
    }

    #[test]
    fn what_does_not_is_waited_for() {
        let told = planned(&host(&[]), "http", "url = 'http://a/health'\nwithin = '1m'").unwrap();
        assert_eq!(told, "wait until http://a/health answers as wanted\n");
    }

    #[test]
    fn the_request_is_what_the_keys_say() {
        let keys = "url = 'http://a/'\nmethod = 'post'\nheaders = { X = 1 }\nbody = 'b'\nstatus = [204]\nmatches = 'c'\nwithin = 3\nevery = '500ms'\ntimeout = 2";
        let plan = parse("http", keys).unwrap().plan(&host(&[])).unwrap();
        let Op::Await { condition: Condition::Http(check), within, every } = &plan.ops[0] else {
            panic!("{plan:?}")
        };
        assert_eq!((within.as_secs(), every.as_millis()), (3, 500));
        assert_eq!(
            serde_json::to_value(check).unwrap(),
            json!({ "url": "http://a/", "method": "POST", "headers": { "X": "1" }, "body": "b", "status": [204],
                    "matches": "c", "timeout": { "secs": 2, "nanos": 0 } })
        );
    }

    #[test]
    fn refuses_what_cannot_be_asked() {
        let refused = |keys| parse("http", keys).err().unwrap().to_string();
        assert_eq!(refused("url = 'a/b'"), "read http.url: \"a/b\" does not begin with http:// or https://");
        assert_eq!(
            refused("url = 'http://a'\nstatus = []"),
            "read http.status: name at least one status that is fine"
        );
        assert!(refused("url = 'http://a'\nmatches = '('").starts_with("read http.matches: "));
    }
}
