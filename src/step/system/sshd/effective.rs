//! What sshd makes of a configuration, in its own words: `sshd -T`.

use crate::model::failure::BECOME_ROOT;
use crate::model::op::Command;
use crate::model::{Failure, Result};
use crate::system::Probe;
use std::collections::BTreeMap;
use std::time::Duration;

/// sshd opens its input again, which a pipe with a name would not survive.
pub const ASK: &str = "cat | sshd -T -f /dev/stdin";

/// sshd only reads files for that.
const TIME: Duration = Duration::from_secs(20);

/// Every keyword, in lower case, with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective(BTreeMap<String, Vec<String>>);

/// What sshd makes of this text; `None` where changes were only pretended and there is no sshd yet. A text that it
/// refuses is a failure that says why.
pub fn of(host: &dyn Probe, text: &str) -> Result<Option<Effective>> {
    let question = Command {
        stdin: text.as_bytes().to_vec(),
        timeout: Some(TIME),
        title: Some("sshd -T".to_string()),
        ..Command::new(["/bin/sh", "-c", ASK])
    };
    let answer = host.ask(&question)?;
    if answer.ok() {
        return Ok(Some(Effective::read(&answer.text())));
    }
    if answer.status == 127 && host.pretends() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    let why = said.lines().rfind(|line| line.contains("/dev/stdin")).map(str::to_string);
    let why = why.or(answer.last_words()).unwrap_or_else(|| format!("exit status {}", answer.status));
    let failure = Failure::new("test the configuration of sshd", why.replace("/dev/stdin", "it"));
    Err(match answer.status {
        127 => failure.hint("install openssh-server first"),
        _ if said.contains("ermission denied") => failure.hint(BECOME_ROOT),
        _ => failure.hint("nothing was changed; `man sshd_config` on the host knows its keywords and values"),
    })
}

impl Effective {
    /// Reads what `sshd -T` prints.
    pub fn read(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
            all.entry(keyword.to_ascii_lowercase()).or_default().push(value.trim().to_string());
        }
        // Lists come in the order of the files, which makes no difference.
        all.values_mut().for_each(|values| values.sort());
        Effective(all)
    }

    /// The values of a keyword, however it is written.
    pub fn get(&self, keyword: &str) -> &[String] {
        self.0.get(&keyword.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The values for people.
    pub fn shown(&self, keyword: &str) -> String {
        match self.get(keyword) {
            [] => "unset".to_string(),
            values => values.join(" and "),
        }
    }

    /// Whether a keyword has this one value.
    pub fn is(&self, keyword: &str, value: &str) -> bool {
        self.get(keyword) == [value]
    }

    /// The ports that sshd listens on.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.get("port").iter().filter_map(|port| port.parse().ok()).collect();
        ports.sort();
        ports
    }
}
