//! The keys of an `ssh` table, as the options of ssh_config that they stand for.

use crate::model::failure::Result;
use crate::model::host::{HostKeyPolicy, OneOrMany, SshSettings};
use crate::ssh::config::{Origin, Setting};

/// The options that the inventory gives a host.
pub fn options(settings: &SshSettings) -> Result<Vec<Setting>> {
    let origin: Origin = "the inventory".into();
    let mut all = Vec::new();
    let mut set = |key: &str, value: &str| all.push(Setting::new(key, value, &origin));
    let first = settings.user.as_ref().and_then(|users| users.as_slice().first());
    optional(first, |user| set("user", user));
    optional(settings.port, |port| set("port", &port.to_string()));
    for identity in settings.identity.as_ref().map(OneOrMany::as_slice).unwrap_or_default() {
        set("identityfile", &literal(identity));
    }
    optional(settings.identities_only, |only| set("identitiesonly", if only { "yes" } else { "no" }));
    optional(settings.jump.as_deref(), |jump| set("proxyjump", jump));
    optional(settings.proxy_command.as_deref(), |command| set("proxycommand", command));
    optional(settings.connect_timeout, |time| set("connecttimeout", &format!("{}ms", time.0.as_millis())));
    optional(settings.agent.as_deref(), |agent| set("identityagent", &literal(agent)));
    optional(settings.host_key.as_ref().and_then(checking), |checking| {
        set("stricthostkeychecking", checking)
    });
    if let Some(files) = &settings.known_hosts {
        let words = files.as_slice().iter().map(|file| literal(file)).collect();
        all.push(Setting { words, ..Setting::new("userknownhostsfile", "", &origin) });
        all.push(Setting::new("globalknownhostsfile", "none", &origin));
    }
    for option in &settings.options {
        all.push(Setting::parse(option, &origin)?);
    }
    Ok(all)
}

fn optional<T>(value: Option<T>, set: impl FnOnce(T)) {
    if let Some(value) = value {
        set(value);
    }
}

/// A path of the inventory has no `%` tokens.
fn literal(path: &str) -> String {
    path.replace('%', "%%")
}

fn checking(policy: &HostKeyPolicy) -> Option<&'static str> {
    match policy {
        HostKeyPolicy::Strict => Some("yes"),
        HostKeyPolicy::AcceptNew => Some("accept-new"),
        HostKeyPolicy::Fingerprint(_) => None,
    }
}
