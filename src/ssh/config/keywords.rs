//! Every option that OpenSSH's client has, and what windlass does with it. An option in no row does not exist.

use super::{Setting, Values};
use crate::model::failure::{Failure, Result};
use crate::model::nearest::nearest;

/// What windlass does with an option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// It means here what it means to ssh.
    Honoured,
    /// It decides nothing about reaching a host, so it is only listed by `-v`.
    Unused,
    /// OpenSSH ignores it too.
    Gone,
    /// It decides how or whether to connect, and only these values are possible here.
    Only(&'static [&'static str]),
}

use Treatment::{Gone, Honoured, Only, Unused};

/// The options, in the order of the alphabet.
pub const KEYWORDS: &[(&str, Treatment)] = &[
    ("AddKeysToAgent", Unused),
    ("AddressFamily", Honoured),
    ("AFSTokenPassing", Gone),
    ("BatchMode", Unused),
    ("BindAddress", Honoured),
    ("BindInterface", Honoured),
    ("CanonicalDomains", Honoured),
    ("CanonicalizeFallbackLocal", Honoured),
    ("CanonicalizeHostname", Honoured),
    ("CanonicalizeMaxDots", Honoured),
    ("CanonicalizePermittedCNAMEs", Honoured),
    ("CASignatureAlgorithms", Honoured),
    ("CertificateFile", Honoured),
    ("ChannelTimeout", Unused),
    ("CheckHostIP", Only(&["no", "false"])),
    ("Cipher", Gone),
    ("Ciphers", Honoured),
    ("ClearAllForwardings", Unused),
    ("Compression", Unused),
    ("CompressionLevel", Gone),
    ("ConnectionAttempts", Honoured),
    ("ConnectTimeout", Honoured),
    ("ControlMaster", Unused),
    ("ControlPath", Unused),
    ("ControlPersist", Unused),
    ("DynamicForward", Unused),
    ("EnableEscapeCommandline", Unused),
    ("EnableSSHKeysign", Unused),
    ("EscapeChar", Unused),
    ("ExitOnForwardFailure", Unused),
    ("FallbackToRsh", Gone),
    ("FingerprintHash", Unused),
    ("ForkAfterAuthentication", Unused),
    ("ForwardAgent", Unused),
    ("ForwardX11", Unused),
    ("ForwardX11Timeout", Unused),
    ("ForwardX11Trusted", Unused),
    ("GatewayPorts", Unused),
    ("GlobalKnownHostsFile", Honoured),
    ("GlobalKnownHostsFile2", Gone),
    ("GSSAPIAuthentication", Unused),
    ("GSSAPIClientIdentity", Unused),
    ("GSSAPIDelegateCredentials", Unused),
    ("GSSAPIKexAlgorithms", Unused),
    ("GSSAPIKeyExchange", Unused),
    ("GSSAPIRenewalForcesRekey", Unused),
    ("GSSAPIServerIdentity", Unused),
    ("GSSAPITrustDNS", Unused),
    ("HashKnownHosts", Honoured),
    ("HostbasedAcceptedAlgorithms", Unused),
    ("HostbasedAuthentication", Unused),
    ("HostKeyAlgorithms", Honoured),
    ("HostKeyAlias", Honoured),
    ("HostName", Honoured),
    ("IdentitiesOnly", Honoured),
    ("IdentityAgent", Honoured),
    ("IdentityFile", Honoured),
    ("IgnoreUnknown", Honoured),
    ("IPQoS", Unused),
    ("KbdInteractiveAuthentication", Honoured),
    ("KbdInteractiveDevices", Unused),
    ("KerberosAuthentication", Gone),
    ("KerberosTGTPassing", Gone),
    ("KexAlgorithms", Honoured),
    ("KnownHostsCommand", Honoured),
    ("LocalCommand", Unused),
    ("LocalForward", Unused),
    ("LogLevel", Unused),
    ("LogVerbose", Unused),
    ("MACs", Honoured),
    ("NoHostAuthenticationForLocalhost", Honoured),
    ("NumberOfPasswordPrompts", Unused),
    ("ObscureKeystrokeTiming", Unused),
    ("PasswordAuthentication", Honoured),
    ("PermitLocalCommand", Unused),
    ("PermitRemoteOpen", Unused),
    ("PKCS11Provider", Unused),
    ("Port", Honoured),
    ("PreferredAuthentications", Honoured),
    ("Protocol", Gone),
    ("ProxyCommand", Honoured),
    ("ProxyJump", Honoured),
    ("ProxyUseFdpass", Only(&["no", "false"])),
    ("PubkeyAcceptedAlgorithms", Honoured),
    ("PubkeyAuthentication", Honoured),
    ("RefuseConnection", Honoured),
    ("RekeyLimit", Unused),
    ("RemoteCommand", Unused),
    ("RemoteForward", Unused),
    ("RequestTTY", Unused),
    ("RequiredRSASize", Honoured),
    ("RevokedHostKeys", Honoured),
    ("RhostsAuthentication", Gone),
    ("RhostsRSAAuthentication", Gone),
    ("RSAAuthentication", Gone),
    ("SecurityKeyProvider", Unused),
    ("SendEnv", Unused),
    ("ServerAliveCountMax", Honoured),
    ("ServerAliveInterval", Honoured),
    ("SessionType", Unused),
    ("SetEnv", Honoured),
    ("StdinNull", Unused),
    ("StreamLocalBindMask", Unused),
    ("StreamLocalBindUnlink", Unused),
    ("StrictHostKeyChecking", Honoured),
    ("SyslogFacility", Unused),
    ("Tag", Honoured),
    ("TCPKeepAlive", Unused),
    ("Tunnel", Unused),
    ("TunnelDevice", Unused),
    ("UpdateHostKeys", Unused),
    ("UsePrivilegedPort", Gone),
    ("User", Honoured),
    ("UserKnownHostsFile", Honoured),
    ("UserKnownHostsFile2", Gone),
    ("UseRoaming", Gone),
    ("UseRsh", Gone),
    ("VerifyHostKeyDNS", Unused),
    ("VersionAddendum", Unused),
    ("VisualHostKey", Unused),
    ("WarnWeakCrypto", Unused),
    ("XAuthLocation", Unused),
];

/// Other names that OpenSSH has for an option, in lower case.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("dsaauthentication", "pubkeyauthentication"),
    ("hostbasedkeytypes", "hostbasedacceptedalgorithms"),
    ("identityfile2", "identityfile"),
    ("keepalive", "tcpkeepalive"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("smartcarddevice", "pkcs11provider"),
    ("tisauthentication", "kbdinteractiveauthentication"),
];

/// The options whose value is the rest of the line as it stands.
const COMMANDS: &[&str] = &["knownhostscommand", "localcommand", "proxycommand", "remotecommand"];

/// Honoured options of exactly one word that is never empty, of which the value is read without a look at that.
const ONE_WORD: &[&str] = &["certificatefile", "hostname", "identityfile", "tag", "user"];

/// The usual name of an option that is given in lower case.
pub fn usual(key: &str) -> String {
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == key);
    other.map_or(key, |(_, usual)| usual).to_string()
}

/// An option the way OpenSSH's manual writes it.
pub fn spelled(key: &str) -> &str {
    row(key).map_or(key, |(name, _)| name)
}

/// Whether the option's value is a command.
pub fn is_command(key: &str) -> bool {
    COMMANDS.contains(&key)
}

fn row(key: &str) -> Option<&'static (&'static str, Treatment)> {
    KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))
}

/// Fails for options that decide about the connection and are not honoured; gives those that are not used otherwise,
/// each as `Compression (/home/ann/.ssh/config:3)`.
pub fn check(values: &Values) -> Result<Vec<String>> {
    let ignored = values.words("ignoreunknown").unwrap_or_default().join(",").to_ascii_lowercase();
    let ignored: Vec<&str> = ignored.split(',').collect();
    let mut unused = Vec::new();
    for setting in values.settings() {
        if ONE_WORD.contains(&setting.key.as_str()) {
            setting.one_word()?;
        }
        match row(&setting.key) {
            Some((_, Honoured | Gone)) => {}
            Some((name, Unused)) => unused.push(format!("{name} ({})", setting.origin)),
            Some((_, Only(possible))) => {
                let first = setting.words[0].as_str();
                if !possible.iter().any(|value| value.eq_ignore_ascii_case(first)) {
                    return Err(setting.wrong(format!("windlass cannot do `{first}`")).hint("set it to no"));
                }
            }
            None if ignored.iter().any(|pattern| crate::ssh::pattern::matches(pattern, &setting.key)) => {}
            None => return Err(no_option(setting)),
        }
    }
    Ok(unused)
}

fn no_option(setting: &Setting) -> Failure {
    let failure = Failure::new(
        format!("read {}", setting.origin),
        format!("`{}` is not an option of ssh", setting.key),
    );
    let lower: Vec<String> = KEYWORDS.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    match nearest(&setting.key, lower.iter().map(String::as_str)) {
        Some(name) => failure.hint(format!("did you mean {}?", spelled(name))),
        None => failure.hint(format!("`IgnoreUnknown {}` above it skips it, as in ssh", setting.key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_each_option_once() {
        let names: Vec<String> = KEYWORDS.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(OTHER_NAMES.iter().all(|(other, usual)| row(other).is_none() && row(usual).is_some()));
        assert!(COMMANDS.iter().all(|command| row(command).is_some()));
    }

    #[test]
    fn the_manual_names_every_option_that_is_not_used() {
        let manual = include_str!("../../../docs/reference/ssh-options.md");
        let missing: Vec<&str> = KEYWORDS
            .iter()
            .filter(|(name, treatment)| *treatment == Unused && !manual.contains(&format!("`{name}`")))
            .map(|(name, _)| *name)
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
