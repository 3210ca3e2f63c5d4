//! Whether a port answers, asked with what the host has: bash, nc, or the kernel's table of listeners.

use super::Shell;
use crate::model::op::{Answer, Command};
use crate::model::{Failure, Result};
use crate::system::{Probe, http};
use std::path::Path;
use std::time::Duration;

/// How long a port may take to accept.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A socket that listens, in the kernel's table.
const LISTENING: &str = "0A";

/// Opens a connection and closes it; the inner error says what was seen.
pub fn look(host: &Shell, name: &str, port: u16) -> Result<Result<(), String>> {
    let digits = port.to_string();
    let authority = http::authority(name, port);
    let bash = ["bash", "-c", r#"exec 3<>"/dev/tcp/$1/$2""#, "bash", name, &digits];
    for argv in [&bash[..], &["nc", "-z", "-w", "3", name, &digits]] {
        let command = Command { timeout: Some(CONNECT_LIMIT), ..Command::new(argv.iter().copied()) };
        let answer = host.ask(&command)?;
        if answer.status != 127 && !is_misunderstood(&answer) {
            return Ok(told(&answer, &authority));
        }
    }
    if !matches!(name, "127.0.0.1" | "localhost" | "0.0.0.0" | "::1") {
        return Err(Failure::new(format!("connect to {authority}"), "the host has neither bash nor nc")
            .hint("install netcat there, for example with a step of kind package"));
    }
    let listens = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().map(|table| host.read(Path::new(table)));
    let listens = listens.collect::<Result<Vec<_>>>()?.into_iter().flatten();
    let open = listens.into_iter().any(|table| is_listened_to(&String::from_utf8_lossy(&table), port));
    Ok(if open { Ok(()) } else { Err(format!("{authority} refused the connection")) })
}

fn told(answer: &Answer, authority: &str) -> Result<(), String> {
    let said = answer.last_words().unwrap_or_default();
    match answer.status {
        0 => Ok(()),
        124 => Err(format!("{authority} did not answer within {} s", CONNECT_LIMIT.as_secs())),
        // nc says nothing at all when it is refused and not asked to be verbose.
        _ if said.is_empty() || said.ends_with("Connection refused") => {
            Err(format!("{authority} refused the connection"))
        }
        _ => Err(format!("{authority} cannot be reached: {}", super::told::last_part(&said))),
    }
}

fn is_misunderstood(answer: &Answer) -> bool {
    let said = String::from_utf8_lossy(&answer.stderr);
    said.contains("invalid option") || said.contains("unrecognized option") || said.contains("sage:")
}

fn is_listened_to(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>()).any(|columns| {
        columns.get(1).is_some_and(|local| local.ends_with(&port)) && columns.get(3) == Some(&LISTENING)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_listeners_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:0016 00000000:0000 0A 0\n   1: 0100007F:0017 0100007F:9999 01 0\n";
        assert!(is_listened_to(table, 22));
        assert!(!is_listened_to(table, 23));
    }
}
