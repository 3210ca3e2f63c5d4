//! Connections from this host: whether a port answers, and plain HTTP.

use crate::model::op::{Command, HttpCheck};
use crate::model::{Failure, Result};
use crate::system::http::{self, Response, Url};
use crate::system::{Probe, reason};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a port may take to accept: it is asked from the host itself or its neighbourhood.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A name with more addresses than this is not tried further.
const ADDRESSES: usize = 8;

/// Opens a connection and closes it; the inner error says what was seen.
pub fn port(host: &dyn Probe, name: &str, port: u16) -> Result<Result<(), String>> {
    Ok(dial(host, name, port, CONNECT_LIMIT)?.map(drop))
}

/// Asks over plain HTTP; the inner error says what was seen.
pub fn http(host: &dyn Probe, check: &HttpCheck, url: &Url) -> Result<Result<Response, String>> {
    let deadline = Instant::now() + check.timeout;
    let request = http::request(check, url)?;
    Ok(match dial(host, &url.host, url.port, check.timeout)? {
        Ok(stream) => {
            exchange(stream, &request, deadline, http::is_head(check)).map_err(|seen| match seen.as_str() {
                "" => format!("{} did not answer within {} s", check.url, check.timeout.as_secs_f64()),
                _ => format!("{} {seen}", check.url),
            })
        }
        Err(seen) => Err(seen),
    })
}

fn dial(host: &dyn Probe, name: &str, port: u16, limit: Duration) -> Result<Result<TcpStream, String>> {
    let mut seen = format!("{name} has no address");
    for address in addresses(host, name)?.into_iter().take(ADDRESSES) {
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), limit) {
            Ok(stream) => return Ok(Ok(stream)),
            Err(error) => seen = format!("{} {}", http::authority(name, port), why(&error, limit)),
        }
    }
    Ok(Err(seen))
}

fn why(error: &std::io::Error, limit: Duration) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused the connection".into(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("did not answer within {} s", limit.as_secs_f64())
        }
        _ => format!("cannot be reached: {}", reason::plain(error)),
    }
}

/// The error is what the server did, or empty when it did nothing in time.
fn exchange(
    mut stream: TcpStream,
    request: &[u8],
    deadline: Instant,
    head_only: bool,
) -> Result<Response, String> {
    let words = |error: std::io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => String::new(),
        _ => format!("broke the connection: {}", reason::plain(&error)),
    };
    stream
        .set_write_timeout(Some(left(deadline)?))
        .and_then(|()| stream.write_all(request))
        .map_err(words)?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?)).map_err(words)?;
        let n = stream.read(&mut chunk).map_err(words)?;
        bytes.extend_from_slice(&chunk[..n]);
        let ended = n == 0 || bytes.len() > 2 * (http::HEAD_LIMIT + http::BODY_LIMIT);
        match http::response(&bytes, ended, head_only)? {
            Some(response) => return Ok(response),
            None if ended => return Err("closed the connection too early".into()),
            None => {}
        }
    }
}

fn left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(String::new()) } else { Ok(left) }
}

/// The addresses of a name, from the hosts file or the host's `getent`. libc's resolver is not asked: a static program
/// would have to load the host's libraries for it.
fn addresses(host: &dyn Probe, name: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let hosts = host.read(Path::new("/etc/hosts"))?.unwrap_or_default();
    let found = in_hosts_file(&String::from_utf8_lossy(&hosts), name);
    if !found.is_empty() {
        return Ok(found);
    }
    if name == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let answer =
        host.ask(&Command { timeout: Some(CONNECT_LIMIT * 5), ..Command::new(["getent", "ahosts", name]) })?;
    if answer.status == 127 {
        return Err(
            Failure::new(format!("look up {name}"), "the host has no getent").hint("write an IP address")
        );
    }
    Ok(in_ahosts(&answer.text()))
}

fn in_hosts_file(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line).split_ascii_whitespace());
    let found = lines.filter_map(|mut words| {
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    found.collect()
}

/// `getent ahosts` prints each address once for each kind of socket.
fn in_ahosts(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in text.lines().filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_in_the_hosts_file_and_in_getent() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.9 db\n10.0.0.2\tweb DB # the database\n::1 localhost\n";
        assert_eq!(in_hosts_file(hosts, "db"), ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts_file(hosts, "localhost").len(), 2);
        assert_eq!(in_ahosts("10.0.0.3 STREAM db\n10.0.0.3 DGRAM\n::3 STREAM\n").len(), 2);
    }
}
