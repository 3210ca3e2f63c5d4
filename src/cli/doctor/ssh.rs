//! What of ssh matters: the configuration, the keys, the ssh-agent, known_hosts.

use super::Examined;
use crate::model::counted::counted;
use crate::ssh::{Config, Paths};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the ssh-agent may take to answer.
const AGENT_DEADLINE: Duration = Duration::from_secs(2);

/// The message that asks an ssh-agent for its keys, and the type of the answer (draft-miller-ssh-agent).
const REQUEST_IDENTITIES: [u8; 5] = [0, 0, 0, 1, 11];
const IDENTITIES_ANSWER: u8 = 12;

/// Configuration, keys, ssh-agent and known_hosts.
pub fn all() -> Vec<Examined> {
    let paths = Paths::standard();
    let directory = paths.home.join(".ssh");
    let keys = private_keys(&directory);
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
    vec![
        configuration(&paths),
        key_files(&directory, &keys),
        agent(socket.as_deref(), &keys),
        known_hosts(&directory),
    ]
}

fn configuration(paths: &Paths) -> Examined {
    match Config::load(paths) {
        Ok(_) => {
            Examined::fine("ssh config", "can be read; `windlass hosts -v` shows what it means for each host")
        }
        Err(failure) => Examined::failure("ssh config", &failure),
    }
}

/// The files `id_*` that have a public half beside them, or begin as private keys do.
fn private_keys(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_key = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("id_") && !name.ends_with(".pub") && path.is_file()
    };
    let mut keys: Vec<PathBuf> = entries.filter(is_key).collect();
    keys.sort();
    keys
}

fn key_files(directory: &Path, keys: &[PathBuf]) -> Examined {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    if let Some(open) = keys.iter().find(|path| mode(path) & 0o077 != 0) {
        let seen = format!("{} has mode {:04o}: other users may read it", open.display(), mode(open));
        return Examined::wrong("keys", seen, format!("chmod 600 {}", open.display()));
    }
    match keys {
        [] => Examined::odd(
            "keys",
            format!("{} holds none", directory.display()),
            "create one with `ssh-keygen -t ed25519`, or name one with `identity` in the inventory",
        ),
        keys => Examined::fine("keys", joined(keys)),
    }
}

fn joined(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn agent(socket: Option<&Path>, keys: &[PathBuf]) -> Examined {
    const AGENT: &str = "ssh-agent";
    let Some(socket) = socket else {
        return match keys {
            [] => Examined::odd(
                AGENT,
                "SSH_AUTH_SOCK is not set",
                "start one with `eval $(ssh-agent)`, then `ssh-add`",
            ),
            _ => Examined::fine(AGENT, "SSH_AUTH_SOCK is not set; key files are used"),
        };
    };
    match ask(socket) {
        Ok(0) => Examined::odd(
            AGENT,
            format!("{} answers and holds no keys", socket.display()),
            "add one with `ssh-add`",
        ),
        Ok(keys) => Examined::fine(AGENT, format!("{} answers; keys: {keys}", socket.display())),
        Err(error) => Examined::wrong(
            AGENT,
            format!("{} does not answer: {error}", socket.display()),
            "start a new one with `eval $(ssh-agent)`, or unset SSH_AUTH_SOCK",
        ),
    }
}

/// How many keys the agent holds.
fn ask(socket: &Path) -> io::Result<u32> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(AGENT_DEADLINE))?;
    stream.set_write_timeout(Some(AGENT_DEADLINE))?;
    stream.write_all(&REQUEST_IDENTITIES)?;
    // Length, type, number of keys.
    let mut answer = [0; 9];
    stream.read_exact(&mut answer)?;
    match answer {
        [_, _, _, _, IDENTITIES_ANSWER, number @ ..] => Ok(u32::from_be_bytes(number)),
        _ => Err(io::Error::other("it is no ssh-agent")),
    }
}

fn known_hosts(directory: &Path) -> Examined {
    const KNOWN_HOSTS: &str = "known_hosts";
    let path = directory.join("known_hosts");
    let lines = match fs::read(&path) {
        Ok(bytes) => bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
            .count(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => {
            let seen = format!("{} cannot be read: {error}", path.display());
            return Examined::wrong(KNOWN_HOSTS, seen, format!("look at it with `ls -l {}`", path.display()));
        }
    };
    match lines {
        0 => Examined::odd(
            KNOWN_HOSTS,
            "no hosts, and unknown hosts are refused",
            "`windlass hosts PATTERN --scan` shows fingerprints to compare; --write-known-hosts keeps them",
        ),
        lines => Examined::fine(KNOWN_HOSTS, counted(lines, "line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use std::os::unix::net::UnixListener;
    use std::thread;

    #[test]
    fn keys_that_others_may_read_are_wrong() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(key_files(directory.path(), &private_keys(directory.path())).state, State::Odd);
        let key = directory.path().join("id_ed25519");
        fs::write(&key, "key").unwrap();
        fs::write(directory.path().join("id_ed25519.pub"), "public").unwrap();
        for (mode, state) in [(0o644, State::Wrong), (0o600, State::Fine)] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(key_files(directory.path(), &private_keys(directory.path())).state, state, "{mode:o}");
        }
    }

    #[test]
    fn an_agent_is_asked_for_its_keys() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent");
        assert_eq!(agent(Some(&socket), &[]).state, State::Wrong, "there is none");
        let listener = UnixListener::bind(&socket).unwrap();
        let answers = thread::spawn(move || {
            for keys in [2, 0] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = [0; 5];
                stream.read_exact(&mut question).unwrap();
                stream.write_all(&[0, 0, 0, 5, IDENTITIES_ANSWER, 0, 0, 0, keys]).unwrap();
            }
            let (stream, _) = listener.accept().unwrap();
            drop(stream);
        });
        assert_eq!(agent(Some(&socket), &[]).state, State::Fine);
        assert_eq!(agent(Some(&socket), &[]).state, State::Odd, "no keys");
        assert_eq!(agent(Some(&socket), &[]).state, State::Wrong, "it hangs up");
        answers.join().unwrap();
    }

    #[test]
    fn known_hosts_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(known_hosts(directory.path()).state, State::Odd);
        fs::write(directory.path().join("known_hosts"), "# a\nhost key\n\nother key\n").unwrap();
        assert_eq!(known_hosts(directory.path()).seen, "2 lines");
    }
}
