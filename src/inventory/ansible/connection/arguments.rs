//! Arguments of ssh (`ansible_ssh_common_args` and its kin) as the settings that they stand for.

use super::super::words::words;
use super::{port, span};
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
    "hashknownhosts",
    "ipqos",
    "loglevel",
    "numberofpasswordprompts",
    "preferredauthentications",
    "requesttty",
    "serveralivecountmax",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
];

/// Options of one letter without a value that change nothing either; forwarding is never asked for.
const HARMLESS_LETTERS: &str = "CNTaknqtvx";

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
        if !"oJilpc".contains(letter) {
            return Err(unknown(&word));
        }
        let value = if rest.is_empty() { words.next() } else { Some(rest.to_string()) };
        let value = value.ok_or_else(|| Failure::new("", format!("`{word}` has no value")))?;
        match letter {
            "o" => option(&value, ssh)?,
            "J" => set("ProxyJump", &value, ssh)?,
            "i" => set("IdentityFile", &value, ssh)?,
            "l" => set("User", &value, ssh)?,
            "p" => set("Port", &value, ssh)?,
            _ => return Err(unknown(&word)),
        }
    }
    Ok(())
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
        "proxyjump" => first(&mut ssh.jump, value.to_string()),
        "proxycommand" => first(&mut ssh.proxy_command, value.to_string()),
        "user" => first(&mut ssh.user, value.into()),
        "port" => first(&mut ssh.port, port(value)?),
        "identityfile" => first(&mut ssh.identity, OneOrMany::One(value.to_string())),
        "identitiesonly" => first(&mut ssh.identities_only, super::truth(value)?),
        "identityagent" => first(&mut ssh.agent, value.to_string()),
        "userknownhostsfile" => {
            let files: Vec<String> = value.split_whitespace().map(str::to_string).collect();
            first(&mut ssh.known_hosts, OneOrMany::Many(files));
        }
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

fn first<T>(setting: &mut Option<T>, value: T) {
    setting.get_or_insert(value);
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
                r#"{"known_hosts":["/dev/null"],"host_key":"accept-new"}"#,
            ),
            ("-C -o ControlMaster=auto -o ControlPersist=60s -o 'LogLevel ERROR' -vv", "{}"),
            ("-o Ciphers=aes256-ctr", r#"{"options":["Ciphers=aes256-ctr"]}"#),
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
        assert_eq!(read("host"), "`host` is not an option of ssh");
    }
}
