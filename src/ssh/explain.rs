//! How a host would be reached, option by option, and which line decided: `windlass hosts HOST -v`.

use super::config::{Config, Values};
use super::target::{Family, Method, SecretFrom, Target};
use crate::model::host::HostKeyPolicy;

/// One option: `port 2222 (/home/ann/.ssh/config:3)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The option as ssh_config names it.
    pub option: &'static str,
    pub value: String,
    /// The file and line, `the inventory`, `the command line` or `default`.
    pub origin: String,
}

/// The options of a host that is reached as `target` says.
pub fn explain(target: &Target, values: &Values) -> Vec<Decided> {
    let mut all = Explained { values, all: Vec::new() };
    all.put("HostName", &target.address);
    all.put("Port", target.port);
    all.put("User", target.users.join(" or "));
    for hop in &target.jump {
        all.put("ProxyJump", format!("{}@{}:{}", hop.users[0], hop.address, hop.port));
    }
    all.some("ProxyCommand", target.proxy.as_ref());
    all.some("Tag", values.setting("tag").map(|setting| &setting.words[0]));
    all.socket(target);
    all.login(target);
    all.host_key(target);
    all.algorithms(target);
    for (name, value) in &target.environment {
        all.put("SetEnv", format!("{name}={value}"));
    }
    all.all
}

/// Reads the configuration again for one host, with where each option was set.
pub fn of(
    name: &str,
    address: Option<&str>,
    settings: &crate::model::host::SshSettings,
    config: &Config,
) -> crate::model::Result<(Target, Vec<Decided>)> {
    let target = Target::resolve(name, address, settings, config)?;
    let values = super::target::values(name, address, settings, config)?;
    let decided = explain(&target, &values);
    Ok((target, decided))
}

struct Explained<'a> {
    values: &'a Values,
    all: Vec<Decided>,
}

impl Explained<'_> {
    fn put(&mut self, option: &'static str, value: impl ToString) {
        let setting = self.values.setting(&option.to_ascii_lowercase());
        let origin = setting.map_or("default".to_string(), |setting| setting.origin.to_string());
        self.all.push(Decided { option, value: value.to_string(), origin });
    }

    fn some(&mut self, option: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(option, value);
        }
    }

    /// A list of which each line may come from elsewhere.
    fn files(&mut self, option: &'static str, files: &[std::path::PathBuf]) {
        let key = option.to_ascii_lowercase();
        let origins: Vec<String> = self
            .values
            .list(&key)
            .filter(|setting| !setting.words[0].eq_ignore_ascii_case("none"))
            .map(|setting| setting.origin.to_string())
            .collect();
        for (index, file) in files.iter().enumerate() {
            let origin = origins.get(index).cloned().unwrap_or_else(|| "default".to_string());
            self.all.push(Decided { option, value: file.display().to_string(), origin });
        }
    }

    fn socket(&mut self, target: &Target) {
        let family = match target.socket.family {
            Family::Any => "any",
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        self.put("AddressFamily", family);
        self.some("BindAddress", target.socket.bind_address.as_ref());
        self.some("BindInterface", target.socket.bind_interface.as_ref());
        self.put("ConnectTimeout", format!("{} s", target.connect_timeout.as_secs_f64()));
        self.put("ConnectionAttempts", target.attempts);
        let keepalive = target.keepalive.map(|time| format!("{} s", time.as_secs_f64()));
        self.put("ServerAliveInterval", keepalive.unwrap_or_else(|| "never".to_string()));
        self.put("ServerAliveCountMax", target.keepalive_max);
    }

    fn login(&mut self, target: &Target) {
        let methods = target.methods.iter().map(|method| match method {
            Method::PublicKey => "publickey",
            Method::Password => "password",
            Method::KeyboardInteractive => "keyboard-interactive",
        });
        self.put("PreferredAuthentications", methods.collect::<Vec<_>>().join(","));
        self.files("IdentityFile", &target.identities);
        self.files("CertificateFile", &target.certificates);
        self.put("IdentitiesOnly", if target.identities_only { "yes" } else { "no" });
        self.put(
            "IdentityAgent",
            target.agent.as_ref().map_or("none".into(), |path| path.display().to_string()),
        );
        let place = |from: &SecretFrom| match from {
            SecretFrom::Environment(name) => format!("env:{name}"),
            SecretFrom::File(path) => format!("file:{}", path.display()),
            SecretFrom::Command(command) => format!("command:{command}"),
            SecretFrom::Prompt => "prompt".to_string(),
            SecretFrom::Age(name) => format!("age:{name}"),
            SecretFrom::Known(_) => "known".to_string(),
        };
        if let Some(from) = &target.password {
            let origin = "the inventory".to_string();
            self.all.push(Decided { option: "password_from", value: place(from), origin });
        }
    }

    fn host_key(&mut self, target: &Target) {
        let policy = match &target.policy {
            HostKeyPolicy::Strict => "yes".to_string(),
            HostKeyPolicy::AcceptNew => "accept-new".to_string(),
            HostKeyPolicy::Fingerprint(fingerprint) => fingerprint.clone(),
        };
        self.put("StrictHostKeyChecking", policy);
        let files: Vec<String> = target.known_hosts.iter().map(|file| file.display().to_string()).collect();
        self.put("UserKnownHostsFile", files.join(" "));
        self.some("HostKeyAlias", target.host_key_alias.as_ref());
        self.some("KnownHostsCommand", target.known_hosts_command.as_ref());
        self.some("RevokedHostKeys", target.revoked.as_ref().map(|path| path.display().to_string()));
        self.put("HashKnownHosts", if target.hash_known_hosts { "yes" } else { "no" });
    }

    fn algorithms(&mut self, target: &Target) {
        fn joined<T: AsRef<str>>(names: &[T]) -> String {
            names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
        }
        let algorithms = &target.algorithms;
        self.put("Ciphers", joined(&algorithms.ciphers));
        self.put("MACs", joined(&algorithms.macs));
        self.put("KexAlgorithms", joined(&algorithms.kex));
        self.put("HostKeyAlgorithms", joined(&algorithms.host_keys));
        self.put("PubkeyAcceptedAlgorithms", joined(&algorithms.public_keys));
    }
}

/// The options that no host uses, once each: `Compression (/home/ann/.ssh/config:3)`.
pub fn unused<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Vec<String> {
    let all = targets.into_iter().flat_map(|target| target.jump.iter().chain([target]));
    let unused: std::collections::BTreeSet<&String> = all.flat_map(|target| &target.unused).collect();
    unused.into_iter().cloned().collect()
}

/// What people should know of the configuration that these targets were resolved by, a line each.
pub fn notes<'a>(targets: impl IntoIterator<Item = &'a Target> + Clone) -> Vec<String> {
    let unused = unused(targets.clone());
    let listed = format!("options of the ssh configuration that are not used: {}", unused.join(", "));
    Some(listed).filter(|_| !unused.is_empty()).into_iter().chain(asked(targets)).collect()
}

/// What commands of the configuration decided, once each: `Match exec "…" succeeded (/home/ann/.ssh/config:3)`.
pub fn asked<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Vec<String> {
    let all = targets.into_iter().flat_map(|target| target.jump.iter().chain([target]));
    let asked: std::collections::BTreeSet<&String> = all.flat_map(|target| &target.asked).collect();
    asked.into_iter().cloned().collect()
}
