//! What a container is made from, and the command that makes it.

use super::container::SPEC_LABEL;
use crate::model::digest::Digest;
use crate::model::duration::TimeSpan;
use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::model::words::Word;
use crate::model::{Doing, Failure, Result};
use crate::system::Probe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a container is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spec {
    /// Name of the image.
    pub image: String,
    /// As `--publish` takes them.
    pub ports: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// A file with more environment on the host.
    pub env_file: Option<HostPath>,
    /// As `--volume` takes them.
    pub volumes: Vec<String>,
    /// The network it joins.
    pub network: Option<String>,
    /// As `--restart` takes it.
    pub restart: Option<String>,
    /// In place of the image's own.
    pub command: Vec<String>,
    /// Added to the image's own.
    pub labels: BTreeMap<String, String>,
    /// As whom it runs.
    pub user: Option<String>,
    /// In place of the image's own.
    pub health: Option<Health>,
    /// Between SIGTERM and SIGKILL.
    pub stop_timeout: Option<TimeSpan>,
}

/// How Docker finds out whether a container is healthy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Run by the container's own shell; healthy when it exits 0.
    command: String,
    /// Between two looks; Docker takes 30 seconds when not given.
    interval: Option<TimeSpan>,
    /// For one look; 30 seconds when not given.
    timeout: Option<TimeSpan>,
    /// Failed looks one after another that make it unhealthy; 3 when not given.
    retries: Option<u32>,
    /// While it starts a failed look does not count; 0 when not given.
    start_period: Option<TimeSpan>,
}

/// Refuses environment that a line of an environment file cannot hold; the key's path and why.
pub fn check_env(env: &BTreeMap<String, Word>) -> std::result::Result<(), (String, String)> {
    for (name, value) in env {
        let fits =
            |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.' || letter == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err((format!("env.{name}"), format!("{name:?} is no name of a variable")));
        }
        if value.as_str().contains(['\n', '\r', '\0']) {
            let why =
                "a value of more than one line cannot be given to Docker; put it into a file and mount that";
            return Err((format!("env.{name}"), why.to_string()));
        }
    }
    Ok(())
}

impl Spec {
    /// Names everything the container is made from, but for the image's bytes. Secrets go in too: it changes with them.
    pub fn digest(&self, host: &dyn Probe) -> Result<Digest> {
        let mut bytes = serde_json::to_vec(self).doing("encode what the container is made from")?;
        if let Some(path) = &self.env_file {
            let file = host.digest(path)?.ok_or_else(|| {
                Failure::new(format!("read {path}"), "there is no such file")
                    .hint("env_file is a file on the host; bring it with a step of kind file, template or env first")
            })?;
            bytes.extend_from_slice(file.as_str().as_bytes());
        }
        Ok(Digest::of(&bytes))
    }

    /// The command that makes it. Environment travels on standard input, where no list of processes shows it.
    pub fn create(&self, name: &str, digest: &Digest) -> Command {
        let mut words = Line(vec!["docker".into(), "container".into(), "create".into()]);
        words.option("--name", name);
        words.option("--label", &format!("{SPEC_LABEL}={digest}"));
        self.labels.iter().for_each(|(name, value)| words.option("--label", &format!("{name}={value}")));
        self.ports.iter().for_each(|port| words.option("--publish", port));
        self.volumes.iter().for_each(|volume| words.option("--volume", volume));
        words.some("--network", self.network.as_ref());
        words.some("--restart", self.restart.as_ref());
        words.some("--user", self.user.as_ref());
        words.some("--stop-timeout", self.stop_timeout.map(|span| span.get().as_secs()));
        self.health.iter().for_each(|health| health.add_to(&mut words));
        words.some("--env-file", self.env_file.as_ref());
        words.some("--env-file", (!self.env.is_empty()).then_some("/dev/stdin"));
        words.0.push(self.image.clone());
        words.0.extend(self.command.iter().cloned());
        Command { stdin: self.env_lines(), ..Command::new(words.0) }
    }

    fn env_lines(&self) -> Vec<u8> {
        self.env.iter().flat_map(|(name, value)| format!("{name}={value}\n").into_bytes()).collect()
    }
}

impl Health {
    fn add_to(&self, words: &mut Line) {
        words.option("--health-cmd", &self.command);
        words.some("--health-interval", self.interval);
        words.some("--health-timeout", self.timeout);
        words.some("--health-retries", self.retries);
        words.some("--health-start-period", self.start_period);
    }
}

/// Words of a command line.
struct Line(Vec<String>);

impl Line {
    fn option(&mut self, name: &str, value: &str) {
        // In one word, so that a value that begins with a dash is none the less a value.
        self.0.push(format!("{name}={value}"));
    }

    fn some(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        value.into_iter().for_each(|value| self.option(name, &value.to_string()));
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::testing::host;

    #[test]
    fn environment_is_never_an_argument() {
        let env = BTreeMap::from([("PASSWORD".to_string(), "canary".to_string())]);
        let spec = Spec { image: "app:1".into(), env, command: vec!["-v".into()], ..Spec::default() };
        let command = spec.create("app", &Digest::of(b""));
        assert!(!command.shown().contains("canary"), "{}", command.shown());
        assert_eq!(command.stdin, b"PASSWORD=canary\n");
        assert!(command.shown().ends_with("--env-file=/dev/stdin app:1 -v"), "{}", command.shown());
    }

    #[test]
    fn the_digest_changes_with_the_environment_file() {
        let spec = Spec { env_file: Some("/srv/.env".into()), ..Spec::default() };
        let digest = |text| spec.digest(&host(&[("/srv/.env", text)])).unwrap();
        assert_eq!(digest("A=1"), digest("A=1"));
        assert_ne!(digest("A=1"), digest("A=2"));
        assert!(
            spec.digest(&host(&[]))
                .unwrap_err()
                .to_string()
                .starts_with("read /srv/.env: there is no such file")
        );
    }
}
