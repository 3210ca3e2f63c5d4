//! A compose project on a host: which program works it, what its files ask for, and which containers it has.

use super::config::Config;
use crate::docker::{Docker, commands};
use crate::model::op::{Answer, Command, Prediction};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::wanted;
use std::collections::BTreeMap;
use std::time::Duration;

/// Beyond its own limit a script that waits is given this long to say so.
const SLACK: Duration = Duration::from_secs(30);

/// Lines of each failing service's log that are looked through for the reason.
const LOG_LINES: &str = "60";

/// Lines of what compose says of a wrong file that are reported.
const LINES_TOLD: usize = 10;

/// What is asked of a project's containers.
const FORMAT: &str = concat!(
    r#"{{.ID}} {{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.config-hash"}} "#,
    r#"{{.State}} {{.Label "com.docker.compose.oneoff"}} {{.Image}} {{.Status}}"#,
);

/// A project.
pub struct Project {
    /// `docker compose` or `docker-compose`.
    program: Vec<String>,
    folder: HostPath,
    files: Vec<String>,
    /// Its name, which its containers have as a label.
    pub name: String,
}

/// One of its containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// In full.
    pub id: String,
    /// Which service it is of.
    pub service: String,
    /// Of the configuration it was made from.
    pub hash: String,
    /// `running`, `exited` …
    pub state: String,
    /// The image's name, or its id when the name means another one by now.
    pub image: String,
    /// For people: `Up 3 minutes (healthy)`, `Exited (0) 2 days ago`.
    pub status: String,
}

/// Docker's plugin, else the program that was there before it.
fn program(host: &dyn Probe) -> Result<&'static [&'static str]> {
    let plugin = host.ask(&Command::new(["docker", "compose", "version", "--short"]))?;
    if plugin.ok() {
        return Ok(&["docker", "compose"]);
    }
    let older = host.ask(&Command::new(["docker-compose", "version", "--short"]))?;
    // What a pretended step may install is not there yet.
    if older.ok() || host.pretends() {
        return Ok(&["docker-compose"]);
    }
    let why = match plugin.status {
        Answer::NO_PROGRAM => "the host has no compose: neither Docker nor docker-compose is installed",
        _ => "the host has no compose: Docker lacks the plugin, and there is no docker-compose",
    };
    let hint = "install docker-compose-plugin from Docker's own packages, or docker-compose (Debian) or docker-compose-v2 (Ubuntu)";
    Err(Failure::new("look for docker compose", why).hint(hint))
}

impl Project {
    /// Finds the program and the project's name.
    pub fn find(docker: &Docker, folder: &HostPath, files: &[String], name: Option<&str>) -> Result<Project> {
        let host = docker.host();
        if host.stat(folder)?.is_none() {
            return Err(Failure::new(format!("look at {folder}"), "there is no such directory"));
        }
        let program = program(host)?.iter().map(|word| word.to_string()).collect();
        let name = match name {
            Some(name) => name.to_string(),
            None => name_of(docker, folder)?,
        };
        Ok(Project { program, folder: folder.clone(), files: files.to_vec(), name })
    }

    /// A command of compose's for this project.
    pub fn command(&self, words: &[&str], services: &[String]) -> Command {
        let mut argv = self.program.clone();
        argv.extend(["--project-name".to_string(), self.name.clone()]);
        argv.extend(self.files.iter().flat_map(|file| ["--file".to_string(), file.clone()]));
        argv.extend(words.iter().map(|word| word.to_string()));
        argv.extend(services.iter().cloned());
        Command { directory: Some(self.folder.clone()), ..Command::new(argv) }
    }

    /// The services that the files ask for, with the hash of each one's configuration.
    pub fn services(&self, docker: &Docker) -> Result<BTreeMap<String, String>> {
        let question = self.command(&["config", "--hash", "*"], &[]);
        let answer = docker.ask(&question)?;
        if !answer.ok() {
            return Err(self.refused(&answer));
        }
        let pair =
            |line: &str| line.split_once(' ').map(|(name, hash)| (name.to_string(), hash.trim().to_string()));
        Ok(answer.text().lines().filter_map(pair).collect())
    }

    /// What its files ask for. What compose does not say is none: this is for what is known beforehand.
    pub fn config(&self, host: &dyn Probe) -> Result<Config> {
        if host.pretends() {
            return Ok(Config::default());
        }
        let asked = host.ask(&self.command(&["config"], &[]))?;
        Ok(match asked.ok() {
            true => Config::read(&self.name, &String::from_utf8_lossy(&asked.stdout)),
            false => Config::default(),
        })
    }

    /// The names of its containers.
    pub fn names(&self, host: &dyn Probe) -> Result<Vec<String>> {
        Ok(host.ask(&self.listing(&[], "{{.Names}}"))?.text().lines().map(str::to_string).collect())
    }

    /// What compose says of its files: all of it, since the line that matters is seldom the last.
    fn refused(&self, answer: &Answer) -> Failure {
        let said = [&answer.stderr[..], &answer.stdout[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(LINES_TOLD).collect();
        Failure::new(format!("read the compose project in {}", self.folder), lines.join("\n    "))
    }

    /// Its containers, without those of `compose run`.
    pub fn members(&self, docker: &Docker) -> Result<Vec<Member>> {
        Ok(docker.text(&self.question())?.lines().filter_map(Member::read).collect())
    }

    fn question(&self) -> Command {
        self.listing(&["--no-trunc"], FORMAT)
    }

    /// The question for all its containers, a line each.
    fn listing(&self, options: &[&str], format: &str) -> Command {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let list = ["docker", "container", "ls", "--all"];
        Command::new([&list, options, &["--filter", &filter, "--format", format]].concat())
    }

    /// What Docker will answer once these are its containers.
    pub fn prediction(&self, members: &[Member]) -> Prediction {
        let lines: String = members.iter().map(Member::line).collect();
        Prediction { argv: self.question().argv, answer: Answer::said(0, lines) }
    }

    /// Succeeds once these services are ready, all of them when there are none.
    pub fn proof(&self, within: Duration, stays: Duration, services: &[String], jobs: &[String]) -> Command {
        let [limit, stays] = [within, stays].map(|time| time.as_secs().to_string());
        let [services, jobs] = [services, jobs].map(|names| format!(" {} ", names.join(" ")));
        let words = [self.name.as_str(), &limit, &stays, &services, &jobs];
        Command { timeout: Some(within + SLACK), ..commands::script(include_bytes!("ready.sh"), words) }
    }

    /// The last log lines of the services that fail.
    pub fn failing_log(&self) -> Command {
        commands::script(include_bytes!("log.sh"), [self.name.as_str(), LOG_LINES])
    }
}

impl Member {
    fn read(line: &str) -> Option<Member> {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        let [id, service, hash, state, oneoff, image, status] = words[..] else { return None };
        let [id, service, hash, state, image, status] =
            [id, service, hash, state, image, status].map(String::from);
        (oneoff != "True").then_some(Member { id, service, hash, state, image, status })
    }

    fn line(&self) -> String {
        let Member { id, service, hash, state, image, status } = self;
        format!("{id} {service} {hash} {state} False {image} {status}\n")
    }

    /// Whether it runs, or will again by itself in a moment.
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "restarting" | "paused")
    }

    /// Whether it has done its work and ended well.
    pub fn is_done(&self) -> bool {
        self.status.starts_with("Exited (0)")
    }

    /// Whether its image's name means another image by now.
    pub fn is_outdated(&self) -> bool {
        self.image.starts_with("sha256:")
    }
}

/// As compose finds it: from the directory's `.env`, from the file, else the directory's own name.
fn name_of(docker: &Docker, folder: &HostPath) -> Result<String> {
    let set = |file: &str, key: &str| -> Result<Option<String>> {
        let text = wanted::text(docker.host(), &folder.join(file))?.unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(key).map(|rest| rest.trim().to_string()));
        Ok(value.map(|value| value.trim_matches(['"', '\'']).to_string()).filter(|value| !value.is_empty()))
    };
    if let Some(name) = set(".env", "COMPOSE_PROJECT_NAME=")? {
        return Ok(name);
    }
    for file in ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"] {
        if let Some(name) = set(file, "name:")? {
            return Ok(name);
        }
    }
    let last = folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let fits =
        |letter: &char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(*letter);
    Ok(last.chars().filter(fits).collect())
}
