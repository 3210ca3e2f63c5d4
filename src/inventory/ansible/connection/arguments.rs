//! Arguments of ssh (`ansible_ssh_common_args` and its kin) as the settings that they stand for.

use super::super::words::words;
use super::{first, port, span};
use crate::model::Failure;
use crate::model::host::{HostKeyPolicy, OneOrMany, SshSettings};

/// Options of ssh that change neither which host is reached nor how it is trusted.
const HARMLESS: &[&str] = &[
    "batchmode",
    "compression",
    "compressionlevel",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "ipqos",
    "loglevel",
    "numberofpasswordprompts",
    "requesttty",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
];

/// Options of one letter without a value that change nothing either; forwarding is never asked for.
const HARMLESS_LETTERS: &str = "CNTaknqtvx";

/// Options of one letter and a value, and what they are with `-o`.
const LETTERS: &[(&str, &str)] = &[
    ("B", "BindInterface"),
    ("J", "ProxyJump"),
    ("P", "Tag"),
    ("b", "BindAddress"),
    ("c", "Ciphers"),
    ("i", "IdentityFile"),
    ("l", "User"),
    ("m", "MACs"),
    ("p", "Port"),
];

/// Those that replace what `-o` says, wherever it stands; of two of them the later one counts.
const STRONG: &[&str] = &["B", "b", "c", "m"];

/// Options of one letter without a value.
const FLAGS: &[(&str, &str)] = &[("4", "inet"), ("6", "inet6")];

/// Adds what the arguments say. As for ssh the first setting of an option counts.
pub fn add(text: &str, ssh: &mut SshSettings) -> Result<(), Failure> {
    let words = words(text).map_err(|why| Failure::new("", why))?;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Err(Failure::new("", format!("`{word}` is not an option of ssh")));
        };
        let (letter, rest) = letters.split_at(letters.chars().next().map_or(0, char::len_utf8));
        if HARMLESS_LETTERS.contains(letter) {
            if !rest.chars().all(|letter| HARMLESS_LETTERS.contains(letter)) {
                return Err(unknown(&word));
            }
            continue;
        }
        if let Some((_, name)) = FLAGS.iter().find(|(flag, _)| *flag == letters) {
            replace("AddressFamily", name, ssh);
            continue;
        }
        let option = LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, name)| *name);
        if option.is_none() && !"oeS".contains(letter) {
            return Err(unknown(&word));
        }
        let value = if rest.is_empty() { words.next() } else { Some(rest.to_string()) };
        let value = value.ok_or_else(|| Failure::new("", format!("`{word}` has no value")))?;
        match option {
            Some(name) if STRONG.contains(&letter) => replace(name, &value, ssh),
            Some("ProxyJump") => jump(&value, ssh)?,
            Some(name) => set(name, &value, ssh)?,
            None if letter == "o" => self::option(&value, ssh)?,
            // An escape character and the socket of a shared connection.
            None => {}
        }
    }
    Ok(())
}

fn replace(name: &str, value: &str, ssh: &mut SshSettings) {
    let is_other = |option: &String| {
        option.split(['=', ' ']).next().is_none_or(|known| !known.eq_ignore_ascii_case(name))
    };
    ssh.options.retain(is_other);
    ssh.options.push(format!("{name}={value}"));
}

/// ssh ends with an error where `-J` follows another jump host or a command.
fn jump(value: &str, ssh: &mut SshSettings) -> Result<(), Failure> {
    let why = match (&ssh.jump, &ssh.proxy_command) {
        (None, None) => {
            ssh.jump = Some(value.to_string());
            return Ok(());
        }
        (Some(known), _) => format!("`-J {value}` follows the jump host `{known}`, which ssh does not allow"),
        (None, Some(_)) => format!("`-J {value}` follows a ProxyCommand, which ssh does not allow"),
    };
    Err(Failure::new("", why).hint("give one of them; commas separate the jump hosts of a chain"))
}

fn unknown(word: &str) -> Failure {
    let failure = Failure::new("", format!("`{word}` is not honoured"));
    failure.hint("remove it where it is not needed, or say it in ~/.ssh/config")
}

/// `-o Name=value`, or `-o "Name value"`.
fn option(text: &str, ssh: &mut SshSettings) -> Result<(), Failure> {
    let text = text.trim();
    let end = text.find(['=', ' ', '\t']).unwrap_or(text.len());
    let value = text[end..].trim_start().strip_prefix('=').unwrap_or(&text[end..]).trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    set(&text[..end], bare, ssh)
}

fn set(name: &str, value: &str, ssh: &mut SshSettings) -> Result<(), Failure> {
    match name.to_lowercase().as_str() {
        // Of these two the first one counts.
        "proxyjump" if ssh.proxy_command.is_none() => first(&mut ssh.jump, value.to_string()),
        "proxycommand" if ssh.jump.is_none() => first(&mut ssh.proxy_command, value.to_string()),
        "proxyjump" | "proxycommand" => {}
        "user" => first(&mut ssh.user, value.into()),
        "port" => first(&mut ssh.port, port(value)?),
        "identityfile" => add_identity(value, ssh),
        "identitiesonly" => first(&mut ssh.identities_only, super::truth(value)?),
        // A path of the inventory itself has no tokens.
        "identityagent" if !value.contains('%') => first(&mut ssh.agent, value.to_string()),
        "stricthostkeychecking" => first(&mut ssh.host_key, policy(value)?),
        "connecttimeout" => first(&mut ssh.connect_timeout, span(value)?),
        "serveraliveinterval" => first(&mut ssh.keepalive, span(value)?),
        "forwardagent" | "forwardx11" | "forwardx11trusted" if matches!(value, "no" | "false") => {}
        other if HARMLESS.contains(&other) => {}
        // What a connection cannot honour, it says itself.
        _ => ssh.options.push(format!("{name}={value}")),
    }
    Ok(())
}

/// Every one of them counts. A path of the inventory itself has no tokens, so that one with tokens is an option.
pub fn add_identity(path: &str, ssh: &mut SshSettings) {
    if path.contains('%') {
        return ssh.options.push(format!("IdentityFile=\"{path}\""));
    }
    let known = ssh.identity.take();
    let mut all: Vec<String> = known.map(|known| known.as_slice().to_vec()).unwrap_or_default();
    if !all.iter().any(|known| known == path) {
        all.push(path.to_string());
    }
    ssh.identity = Some(if all.len() == 1 { OneOrMany::One(all.remove(0)) } else { OneOrMany::Many(all) });
}

/// A host key that changed is refused whatever this says.
fn policy(value: &str) -> Result<HostKeyPolicy, Failure> {
    match value {
        "yes" | "ask" | "true" => Ok(HostKeyPolicy::Strict),
        "no" | "off" | "false" | "accept-new" => Ok(HostKeyPolicy::AcceptNew),
        _ => Err(super::wrong(value, "yes, ask, no, off or accept-new")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut ssh = SshSettings::default();
        match add(text, &mut ssh) {
            Ok(()) => serde_json::to_string(&ssh).unwrap(),
            Err(failure) => failure.why,
        }
    }

    #[test]
    fn arguments_are_settings() {
        let table = [
            ("-J ops@bastion:2222 -o Port=23 -oPort=24", r#"{"port":23,"jump":"ops@bastion:2222"}"#),
            (
                r#"-o ProxyCommand="ssh -W %h:%p -q ops@203.0.113.9""#,
                r#"{"proxy_command":"ssh -W %h:%p -q ops@203.0.113.9"}"#,
            ),
            (
                "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                r#"{"options":["UserKnownHostsFile=/dev/null"],"host_key":"accept-new"}"#,
            ),
            ("-C -o ControlMaster=auto -o ControlPersist=60s -o 'LogLevel ERROR' -vv", "{}"),
            (
                "-4 -i a -i b -o IdentityFile=a -b 10.0.0.1 -S none",
                r#"{"identity":["a","b"],"options":["AddressFamily=inet","BindAddress=10.0.0.1"]}"#,
            ),
            ("-o ProxyCommand=none -o ProxyJump=b", r#"{"proxy_command":"none"}"#),
            (
                "-o PreferredAuthentications=publickey -o ServerAliveCountMax=9",
                r#"{"options":["PreferredAuthentications=publickey","ServerAliveCountMax=9"]}"#,
            ),
            ("-o Ciphers=aes256-ctr", r#"{"options":["Ciphers=aes256-ctr"]}"#),
            (
                "-l ann -o User=bob -p 23 -o Port=24 -P work",
                r#"{"user":"ann","port":23,"options":["Tag=work"]}"#,
            ),
            ("-o User=bob -l ann -o Port=24 -p 23", r#"{"user":"bob","port":24}"#),
            // These letters are stronger than `-o`, before and after it.
            (
                "-b 10.0.0.1 -o Ciphers=a -c b -c c -o BindAddress=10.0.0.2 -4 -6",
                r#"{"options":["BindAddress=10.0.0.1","Ciphers=c","BindAddress=10.0.0.2","AddressFamily=inet6"]}"#,
            ),
            ("-i a -i ~/.ssh/%h", r#"{"identity":"a","options":["IdentityFile=\"~/.ssh/%h\""]}"#),
            ("-J a,b -o ProxyCommand=x", r#"{"jump":"a,b"}"#),
        ];
        for (written, expected) in table {
            assert_eq!(read(written), expected, "{written}");
        }
    }

    #[test]
    fn what_is_not_honoured_is_named() {
        assert_eq!(read("-A"), "`-A` is not honoured");
        assert_eq!(read("-F x.conf"), "`-F` is not honoured");
        assert_eq!(read("-o"), "`-o` has no value");
        assert_eq!(read("-J a -J b"), "`-J b` follows the jump host `a`, which ssh does not allow");
        assert_eq!(read("-o ProxyCommand=x -J b"), "`-J b` follows a ProxyCommand, which ssh does not allow");
        assert_eq!(read("host"), "`host` is not an option of ssh");
    }
}
