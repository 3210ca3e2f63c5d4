//! The places of a configuration that say to which address requests go, and on which address they come in.

use super::address::{Address, Port, variables};
use super::{Configuration, Edit, Span};
use std::collections::BTreeSet;

/// The directives whose first argument is where requests go.
const PASSES: &[&str] =
    &["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass"];

/// A place that names an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The directive, by its number in the configuration.
    pub statement: usize,
    /// The file, by its number in the configuration.
    pub file: usize,
    /// The directive's name: `proxy_pass`, `server` (of an upstream), `set` (of a variable that one of the others
    /// uses), `listen`.
    pub directive: String,
    /// Its host: a name, an address without brackets, the name of an upstream, `$variables`. Empty for a variable that
    /// holds a port alone.
    pub host: String,
    /// Its port, written or implied; `None` where there is none to know: an upstream's name, a variable.
    pub port: Option<u16>,
    /// Host and port in the file.
    pub address: Span,
    /// The port's digits in the file; empty, behind the host, where the port is only implied.
    pub digits: Span,
}

impl Backend {
    /// Whether it names this address. Names and addresses are compared as written, `localhost` and `127.0.0.1` as the
    /// same.
    pub fn is_at(&self, host: &str, port: u16) -> bool {
        self.port == Some(port) && same_host(&self.host, host)
    }

    /// The edit that gives it another port.
    pub fn with_port(&self, port: u16) -> Edit {
        let text = if self.digits.is_empty() { format!(":{port}") } else { port.to_string() };
        Edit { file: self.file, span: self.digits.clone(), text }
    }

    /// The edit that puts `host:port` in the place of its address, whatever that was. Scheme and path stay.
    pub fn with_address(&self, address: &str) -> Edit {
        Edit { file: self.file, span: self.address.clone(), text: address.to_string() }
    }
}

impl Configuration {
    /// Every place that says to which address requests go, in the order of the files. A socket is none.
    pub fn backends(&self) -> Vec<Backend> {
        let mut found: Vec<Backend> =
            (0..self.statements.len()).filter_map(|statement| self.backend(statement)).collect();
        let used: BTreeSet<String> = found.iter().flat_map(|one| variables(&one.host)).collect();
        let ports = self.port_variables();
        let set = (0..self.statements.len()).filter_map(|index| self.of_variable(index, &used, &ports));
        found.extend(set);
        found.sort_by_key(|one| (one.file, one.address.start, one.statement));
        found
    }

    /// Every `listen` of a `server`.
    pub fn listens(&self) -> Vec<Backend> {
        let all = 0..self.statements.len();
        let listens =
            all.filter(|index| self.statements[*index].is("listen") && self.is_within(*index, "server"));
        let named = listens.filter_map(|index| {
            let address = Address::of_listen(self.statements[index].words.get(1)?.exact()?)?;
            Some(self.place_of(index, 1, address, Some(80)))
        });
        named.collect()
    }

    /// The `upstream` of this name.
    pub fn upstream(&self, name: &str) -> Option<usize> {
        self.statements.iter().position(|one| one.is("upstream") && one.argument(0).as_deref() == Some(name))
    }

    /// Whether requests to this place go to the upstream of the name it holds.
    pub fn is_upstream(&self, backend: &Backend) -> bool {
        PASSES.contains(&backend.directive.as_str()) && self.upstream(&backend.host).is_some()
    }

    fn backend(&self, index: usize) -> Option<Backend> {
        let statement = &self.statements[index];
        let name = statement.name();
        let address = Address::parse(statement.words.get(1)?.exact()?)?;
        if PASSES.contains(&name.as_str()) {
            let implied = match address.scheme.as_str() {
                "https" | "grpcs" => Some(443),
                "http" | "grpc" => Some(80),
                _ => None,
            };
            let implied = implied.filter(|_| self.upstream(&address.host).is_none());
            return Some(self.place_of(index, 1, address, implied));
        }
        let parent = statement.parent.map(|parent| &self.statements[parent]);
        let of_upstream = name == "server" && parent.is_some_and(|parent| parent.is("upstream"));
        of_upstream.then(|| self.place_of(index, 1, address, Some(80)))
    }

    /// `set $backend 127.0.0.1:3001;` and `set $port 3001;`, when a place uses the variable.
    fn of_variable(
        &self,
        index: usize,
        used: &BTreeSet<String>,
        ports: &BTreeSet<String>,
    ) -> Option<Backend> {
        let statement = &self.statements[index];
        let name = variables(&statement.argument(0).filter(|_| statement.is("set"))?).into_iter().next()?;
        let value = statement.words.get(2)?.exact()?;
        if ports.contains(&name) {
            let address = Address::of_listen(value).filter(|one| one.host == "*")?;
            return Some(Backend { host: String::new(), ..self.place_of(index, 2, address, None) });
        }
        let address = Address::parse(value).filter(|_| used.contains(&name))?;
        Some(self.place_of(index, 2, address, None))
    }

    /// The variables that stand where a port belongs.
    fn port_variables(&self) -> BTreeSet<String> {
        let passes = self.statements.iter().filter(|one| PASSES.contains(&one.name().as_str()));
        let addresses = passes.filter_map(|one| Address::parse(&one.argument(0)?));
        let names =
            addresses.filter_map(|one| if let Port::Variable(name) = one.port { Some(name) } else { None });
        names.collect()
    }

    fn place_of(&self, index: usize, word: usize, address: Address, implied: Option<u16>) -> Backend {
        let statement = &self.statements[index];
        let port = match &address.port {
            Port::Number(number) => Some(*number),
            Port::Left => implied.filter(|_| variables(&address.host).is_empty()),
            Port::Variable(_) => None,
        };
        let word = &statement.words[word];
        Backend {
            statement: index,
            file: statement.file,
            directive: statement.name(),
            port,
            address: word.place(address.whole),
            digits: word.place(address.digits),
            host: address.host,
        }
    }
}

/// Whether two hosts, as written, are the same one.
fn same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| match host.to_ascii_lowercase().as_str() {
        "localhost" | "127.0.0.1" | "::1" => "localhost".to_string(),
        other => other.to_string(),
    };
    plain(one) == plain(other)
}
