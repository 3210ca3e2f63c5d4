//! Where requests come in: the address of a `server`, and how to ask whether it answers.

use super::address::{Address, Port};
use super::{Backend, Configuration};
use crate::model::op::{Command, Condition, HttpCheck, Wait};
use crate::system::http::authority;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One request may take so long.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// How long to wait between two requests: a server that was just reloaded answers at once or soon.
const EVERY: Duration = Duration::from_millis(250);

/// Where a `server` takes requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entrance {
    /// What to connect to, from the host itself.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The server's first name that is one; requests ask for it.
    pub name: Option<String>,
}

impl Configuration {
    /// The `server` blocks that send requests to this place, directly or through an upstream. Those of `stream` are left
    /// out: they do not speak HTTP.
    pub fn servers_before(&self, place: &Backend) -> BTreeSet<usize> {
        let statements = match self.around(place.statement, "upstream") {
            Some(upstream) => self.passes_to(&self.statements[upstream].argument(0).unwrap_or_default()),
            None => vec![place.statement],
        };
        let http = statements.into_iter().filter(|statement| !self.is_within(*statement, "stream"));
        http.filter_map(|statement| self.around(statement, "server")).collect()
    }

    /// Where a `server` takes HTTP requests; `None` when only by socket, by QUIC or behind another proxy.
    pub fn entrance(&self, server: usize) -> Option<Entrance> {
        let own = |name: &'static str| {
            self.statements.iter().filter(move |one| one.parent == Some(server) && one.is(name))
        };
        let name = own("server_name").flat_map(|one| &one.words[1..]).map(|word| word.text().into_owned());
        let name = name.into_iter().find(|name| is_name(name));
        let anywhere =
            || Entrance { host: "127.0.0.1".to_string(), port: 80, tls: false, name: name.clone() };
        if own("listen").next().is_none() {
            return Some(anywhere());
        }
        let askable =
            own("listen").filter(|one| !["quic", "udp", "proxy_protocol"].iter().any(|word| one.has(word)));
        askable
            .filter_map(|one| {
                let address = Address::of_listen(one.words.get(1)?.exact()?)?;
                let port = if let Port::Number(number) = address.port { number } else { 80 };
                Some(Entrance { host: dialled(&address.host), port, tls: one.has("ssl"), ..anywhere() })
            })
            .next()
    }

    fn passes_to(&self, upstream: &str) -> Vec<usize> {
        let passes = self.backends().into_iter().filter(|one| self.is_upstream(one) && one.host == upstream);
        passes.map(|one| one.statement).collect()
    }
}

impl Entrance {
    /// The wait for an answer with one of these statuses to a request for `path`.
    pub fn answers(&self, path: &str, status: &[u16], within: Duration) -> Wait {
        let condition = if self.tls { self.over_tls(path, status) } else { self.plainly(path, status) };
        Wait { condition, within, every: EVERY }
    }

    fn plainly(&self, path: &str, status: &[u16]) -> Condition {
        let mut headers = BTreeMap::new();
        if let Some(name) = &self.name {
            let host = if self.port == 80 { name.clone() } else { authority(name, self.port) };
            headers.insert("Host".to_string(), host);
        }
        Condition::Http(Box::new(HttpCheck {
            url: format!("http://{}{path}", authority(&self.host, self.port)),
            method: "GET".to_string(),
            headers,
            body: None,
            status: status.to_vec(),
            matches: None,
            timeout: REQUEST_TIME,
        }))
    }

    /// The name must reach the server in the TLS handshake, while the connection goes to this very host.
    fn over_tls(&self, path: &str, status: &[u16]) -> Condition {
        let name = self.name.as_deref().unwrap_or(&self.host);
        let url = format!("https://{}{path}", authority(name, self.port));
        let mut command = Command::new(["/bin/sh", "-s", "--", url.as_str()]);
        command.stdin = include_bytes!("https.sh").to_vec();
        command.title = Some(format!("a request to {url}"));
        let status: Vec<String> = status.iter().map(u16::to_string).collect();
        command
            .environment
            .insert("CONNECT_TO".to_string(), format!("::{}", authority(&self.host, self.port)));
        command.environment.insert("STATUS".to_string(), format!(" {} ", status.join(" ")));
        command.environment.insert("SECONDS_LEFT".to_string(), REQUEST_TIME.as_secs().to_string());
        Condition::Succeeds { command }
    }
}

/// What to connect to for a `listen`: an address that stands for all is this host's own.
fn dialled(listen: &str) -> String {
    match listen {
        "*" | "0.0.0.0" => "127.0.0.1".to_string(),
        "::" => "::1".to_string(),
        other => other.to_string(),
    }
}

/// Whether a `server_name` is a plain name: no pattern, no regular expression, no catch-all, no variable.
fn is_name(name: &str) -> bool {
    let odd = |letter: char| !(letter.is_ascii_alphanumeric() || ".-_".contains(letter));
    !name.is_empty() && name != "_" && !name.starts_with('.') && !name.contains(odd)
}
