//! The URL of a database, as applications have it in `DATABASE_URL`. The password is taken out at once.

use super::Dialect;
use serde::Deserialize;
use std::fmt;

/// What pools and drivers of applications understand and a database's own client does not.
const FOR_APPLICATIONS: &[&str] = &[
    "charset",
    "connection_limit",
    "pgbouncer",
    "pool_timeout",
    "serverVersion",
    "socket_timeout",
    "statement_cache_size",
    "uselibpqcompat",
];

/// Where a database is, and who asks it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(try_from = "String")]
pub struct Database {
    /// Whose SQL it speaks.
    pub dialect: Dialect,
    /// The role; the one whom the client takes when not given.
    pub user: Option<String>,
    pub(super) password: Option<String>,
    /// A name or address; a socket of the machine when not given.
    pub host: Option<String>,
    pub(super) port: Option<u16>,
    /// The database's own name.
    pub name: String,
    pub(super) options: Vec<(String, String)>,
}

impl Database {
    /// The database of this name on the machine that asks.
    pub fn on_this_machine(dialect: Dialect, name: &str) -> Result<Self, String> {
        let scheme = match dialect {
            Dialect::Postgres => "postgres",
            Dialect::MySql => "mysql",
        };
        Database::try_from(format!("{scheme}:///{}", escaped(name)))
    }

    /// The same, asked by `user` where it does not say by whom.
    pub fn asked_by(self, user: Option<&str>) -> Result<Self, String> {
        let user = self.user.clone().or(user.map(str::to_string));
        Database { user, ..self }.checked()
    }

    /// The same with this password where it is reached over the network and has none.
    pub fn with_password_over_network(self, password: Option<&str>) -> Self {
        let given = password.filter(|_| self.host.is_some()).map(str::to_string);
        Database { password: self.password.or(given), ..self }
    }

    /// The same server's database of another name.
    pub fn named(&self, name: &str) -> Self {
        Database { name: name.to_string(), ..self.clone() }
    }

    /// Whether a client must show a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Its URL, from which [`Database`] can be made again but for the password.
    pub fn without_password(&self) -> String {
        match self.dialect {
            Dialect::Postgres => self.for_libpq(&self.name),
            Dialect::MySql => {
                let user = self.user.as_ref().map(|user| format!("{}@", escaped(user))).unwrap_or_default();
                let host = self.host.as_deref().unwrap_or_default();
                let host = if host.contains(':') { format!("[{host}]") } else { escaped(host) };
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                let pair = |(key, value): &(String, String)| format!("{}={}", escaped(key), escaped(value));
                let options: Vec<String> = self.options.iter().map(pair).collect();
                let question = if options.is_empty() { "" } else { "?" };
                format!("mysql://{user}{host}{port}/{}{question}{}", escaped(&self.name), options.join("&"))
            }
        }
    }

    /// Whether it is reached through a socket and without password: then the system's user is who counts.
    pub fn by_peer(&self) -> bool {
        self.host.is_none() && self.password.is_none()
    }

    /// Whether it can only be on the machine that asks.
    pub fn is_local(&self) -> bool {
        self.host.as_deref().is_none_or(|host| ["localhost", "127.0.0.1", "::1"].contains(&host))
    }

    /// What follows the client's name on its command line: everything but the password.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = self.connection();
        words.push(self.target(&self.name));
        words
    }

    /// The part of it that does not name the database.
    pub fn connection(&self) -> Vec<String> {
        match self.dialect {
            Dialect::Postgres => Vec::new(),
            Dialect::MySql => self.for_mysql(),
        }
    }

    /// The part of it that names a database of that server.
    pub fn target(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("--dbname={}", self.for_libpq(name)),
            Dialect::MySql => format!("--database={name}"),
        }
    }

    /// The line that gives the client its password, in a file that only it can read: `.pgpass`, or an option file.
    pub(super) fn password_line(&self) -> Option<String> {
        let password = self.password.as_ref()?.replace('\\', r"\\");
        Some(match self.dialect {
            Dialect::Postgres => format!("*:*:*:*:{}", password.replace(':', r"\:")),
            Dialect::MySql => format!("password=\"{}\"", password.replace('"', "\\\"")),
        })
    }

    fn for_libpq(&self, name: &str) -> String {
        let user = self.user.as_ref().map(|user| format!("{}@", escaped(user))).unwrap_or_default();
        let host = self.host.as_deref().unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { escaped(host) };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let pair = |(key, value): &(String, String)| match key.as_str() {
            "schema" => format!("options={}", escaped(&format!("-csearch_path={value}"))),
            _ => format!("{}={}", escaped(key), escaped(value)),
        };
        let options: Vec<String> = self.options.iter().map(pair).collect();
        let question = if options.is_empty() { "" } else { "?" };
        format!("postgresql://{user}{host}{port}/{}{question}{}", escaped(name), options.join("&"))
    }

    fn for_mysql(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.user.as_ref().map(|user| format!("--user={user}")));
        // The client takes `localhost` for a socket; who writes a host wants the network, as applications understand it.
        words.extend(self.host.as_ref().map(|host| format!("--host={host}")));
        words.extend(self.host.as_ref().map(|_| "--protocol=TCP".to_string()));
        words.extend(self.port.map(|port| format!("--port={port}")));
        words.extend(self.options.iter().map(|(key, value)| format!("--{key}={value}")));
        words
    }

    fn read(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let dialect = match scheme {
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::MySql,
            _ => return Err("it begins with neither postgres:// nor mysql://".to_string()),
        };
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = place.split_once('/').unwrap_or((place, ""));
        let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) =
            login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let (host, port) = host_and_port(address)?;
        let name = plain(name)?;
        if name.is_empty() {
            return Err("it names no database: write scheme://user@host/NAME".to_string());
        }
        Ok(Database {
            dialect,
            user: some(plain(user)?),
            password: password.map(plain).transpose()?.and_then(some),
            host: some(plain(host)?),
            port,
            name,
            options: options_of(dialect, options)?,
        })
    }
}

impl TryFrom<String> for Database {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Database::read(&text)?.checked()
    }
}

impl Database {
    fn checked(self) -> Result<Self, String> {
        let database = self;
        let controlled = |text: &str| text.chars().any(char::is_control);
        // A password may begin with a dash; what becomes a word of a command line may not.
        let named = [&database.user, &database.host, &Some(database.name.clone())];
        let odd = named.into_iter().flatten().any(|text| text.starts_with('-') || controlled(text));
        match odd || database.password.as_deref().is_some_and(controlled) {
            true => Err("a part of it begins with - or holds a control character".to_string()),
            false => Ok(database),
        }
    }
}

/// What people call it: name and host. Neither role nor password.
impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(out, "{} on {host}", self.name),
            None => write!(out, "{}", self.name),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Database({:?}, {self})", self.dialect)
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn host_and_port(address: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    if host.contains(',') {
        return Err("it names several hosts: name the one that can be written to".to_string());
    }
    let number = |port: &str| port.parse().map_err(|_| format!("{port:?} is no port"));
    Ok((host, port.filter(|port| !port.is_empty()).map(number).transpose()?))
}

fn options_of(dialect: Dialect, text: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (plain(key)?, plain(value)?);
        match (dialect, key.as_str()) {
            (_, key) if FOR_APPLICATIONS.contains(&key) => {}
            (_, "password") => return Err("the password belongs in front of the @".to_string()),
            (Dialect::Postgres, _) => options.push((key, value)),
            (_, "socket" | "ssl-ca" | "ssl-cert" | "ssl-key" | "ssl-mode" | "connect-timeout") => {
                options.push((key, value))
            }
            (_, other) => {
                return Err(format!("the mysql client has no setting {other:?} that windlass knows"));
            }
        }
    }
    Ok(options)
}

/// A part of a URL with its `%41`s read.
pub fn plain(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            // A lone % is what it is: people write passwords as they are.
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 once its %-codes are read".to_string())
}

fn escaped(text: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Database, String> {
        Database::try_from(text.to_string())
    }

    fn arguments(text: &str) -> String {
        read(text).unwrap().arguments().join(" ")
    }

    #[test]
    fn what_a_client_is_told_never_holds_the_password() {
        for (url, told) in [
            ("postgres:///app", "--dbname=postgresql:///app"),
            ("postgresql://al:pw@db:5433/app", "--dbname=postgresql://al@db:5433/app"),
            (
                "postgres://al:p%40%3A@[::1]/app?sslmode=require&schema=web&pool_timeout=5",
                "--dbname=postgresql://al@[::1]/app?sslmode=require&options=-csearch_path%3Dweb",
            ),
            ("postgres:///app?host=/run/pg%20x", "--dbname=postgresql:///app?host=%2Frun%2Fpg%20x"),
            ("mysql:///shop", "--database=shop"),
            ("mysql://al:pw@db:3307/shop", "--user=al --host=db --protocol=TCP --port=3307 --database=shop"),
            ("mariadb://al@/shop?socket=/run/m.sock", "--user=al --socket=/run/m.sock --database=shop"),
        ] {
            assert_eq!(arguments(url), told, "{url}");
        }
    }

    #[test]
    fn a_password_is_written_as_its_file_wants_it() {
        let line = |url| read(url).unwrap().password_line();
        assert_eq!(line("postgres://a:x%3Ay%5Cz@h/d").unwrap(), r"*:*:*:*:x\:y\\z");
        assert_eq!(line("mysql://a:x%22y%5Cz#@h/d").unwrap(), r#"password="x\"y\\z#""#);
        assert_eq!(line("postgres://a:100%@h/d").unwrap(), "*:*:*:*:100%");
        assert_eq!(line("postgres://a@h/d"), None);
    }

    #[test]
    fn it_is_shown_without_its_password() {
        let database = read("postgres://al:hunter2@db.internal/app").unwrap();
        assert_eq!(
            format!("{database} {database:?}"),
            "app on db.internal Database(Postgres, app on db.internal)"
        );
    }

    #[test]
    fn refuses_what_it_cannot_reach() {
        for (url, why) in [
            ("sqlite:///x.db", "it begins with neither postgres:// nor mysql://"),
            ("postgres://db", "it names no database: write scheme://user@host/NAME"),
            ("postgres://a,b/app", "it names several hosts: name the one that can be written to"),
            ("postgres://db:x/app", "\"x\" is no port"),
            ("postgres://db/app?password=x", "the password belongs in front of the @"),
            ("mysql://db/app?x=y", "the mysql client has no setting \"x\" that windlass knows"),
            ("mysql://-e@db/app", "a part of it begins with - or holds a control character"),
            ("mysql://a:b%0A@db/app", "a part of it begins with - or holds a control character"),
        ] {
            assert_eq!(read(url).unwrap_err(), why, "{url}");
        }
        assert!(read("postgres://a:-pw@db/app").is_ok());
    }
}
