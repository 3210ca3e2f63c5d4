//! Lists of what Docker holds, each entry as it describes it, and what it will say once some are gone.

use crate::docker::{Docker, instant};
use crate::model::op::{Answer, Command, Prediction};
use crate::model::{Doing, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const CONTAINERS: &[&str] = &["docker", "container", "ls", "--all", "--no-trunc", "--quiet"];

const CONTAINER: &[&str] = &[
    "docker",
    "container",
    "inspect",
    "--size",
    "--format",
    r#"{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"status":{{json .State.Status}},"finished":{{json .State.FinishedAt}},"created":{{json .Created}},"size":{{json .SizeRw}}}"#,
];

const IMAGES: &[&str] = &["docker", "image", "ls", "--no-trunc", "--quiet"];

const IMAGE: &[&str] = &[
    "docker",
    "image",
    "inspect",
    "--format",
    r#"{"id":{{json .ID}},"tags":{{json .RepoTags}},"size":{{json .Size}},"created":{{json .Created}},"tagged":{{json .Metadata.LastTagTime}},"layers":{{json .RootFS.Layers}}}"#,
];

const CACHE: &[&str] = &["docker", "system", "df", "--verbose", "--format", "{{json .BuildCache}}"];

const VOLUMES: &[&str] = &["docker", "volume", "ls", "--quiet", "--filter", "dangling=true"];

/// Entries that are asked about at once: their answers must be short enough to be kept whole. An image lists its layers.
const CONTAINERS_AT_ONCE: usize = 80;
const IMAGES_AT_ONCE: usize = 20;

/// A volume without a name is called by so many hexadecimal digits.
const NAMELESS: usize = 64;

/// Entries by id, each with its line.
pub struct Listing {
    list: &'static [&'static str],
    inspect: &'static [&'static str],
    at_once: usize,
    entries: Vec<(String, String)>,
}

impl Listing {
    /// Every container.
    pub fn of_containers(docker: &Docker) -> Result<Listing> {
        Listing::read_all(docker, CONTAINERS, CONTAINER, CONTAINERS_AT_ONCE)
    }

    /// Every image that has a name, or that nothing is based on.
    pub fn of_images(docker: &Docker) -> Result<Listing> {
        Listing::read_all(docker, IMAGES, IMAGE, IMAGES_AT_ONCE)
    }

    fn read_all(
        docker: &Docker,
        list: &'static [&'static str],
        inspect: &'static [&'static str],
        at_once: usize,
    ) -> Result<Listing> {
        let text = docker.text(&Command::new(list.iter().copied()))?;
        // An image is listed once for each of its names.
        let mut known = BTreeSet::new();
        let ids: Vec<String> = text.lines().filter(|id| known.insert(*id)).map(str::to_string).collect();
        let mut entries = Vec::new();
        for some in ids.chunks(at_once) {
            let text = docker.text(&question(inspect, some.iter().map(String::as_str)))?;
            entries.extend(some.iter().cloned().zip(text.lines().map(str::to_string)));
        }
        Ok(Listing { list, inspect, at_once, entries })
    }

    /// Each entry's line, read.
    pub fn read<T: DeserializeOwned>(&self, doing: &str) -> Result<Vec<T>> {
        self.entries.iter().map(|(_, line)| serde_json::from_str(line).doing(doing)).collect()
    }

    /// What is left of it.
    pub fn without(&self, gone: impl Fn(&str) -> bool) -> Listing {
        let entries = self.entries.iter().filter(|(id, _)| !gone(id)).cloned().collect();
        Listing { entries, ..*self }
    }

    /// What Docker will answer when this is what there is.
    pub fn predictions(&self) -> Vec<Prediction> {
        let ids: String = self.entries.iter().map(|(id, _)| format!("{id}\n")).collect();
        let mut predictions = vec![answered(Command::new(self.list.iter().copied()), ids)];
        for some in self.entries.chunks(self.at_once) {
            let lines: String = some.iter().map(|(_, line)| format!("{line}\n")).collect();
            let question = question(self.inspect, some.iter().map(|(id, _)| id.as_str()));
            predictions.push(answered(question, lines));
        }
        predictions
    }
}

fn question<'a>(inspect: &'static [&'static str], ids: impl Iterator<Item = &'a str>) -> Command {
    Command::new(inspect.iter().copied().chain(ids))
}

fn answered(question: Command, text: String) -> Prediction {
    Prediction { argv: question.argv, answer: Answer::said(0, text) }
}

/// An entry of the build cache, in Docker's own words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cached {
    last_used_at: String,
    in_use: String,
    shared: String,
    size: String,
}

impl Cached {
    /// Whether nothing uses it, and did so last before this time.
    pub fn may_go(&self, before: i64) -> bool {
        let used = self.last_used_at.split(' ').take(2).collect::<Vec<_>>().join("T") + "Z";
        self.in_use != "true" && instant::read(&used).is_some_and(|at| at <= before)
    }

    /// What it takes by itself.
    pub fn bytes(&self) -> u64 {
        if self.shared == "true" { 0 } else { read_bytes(&self.size).unwrap_or(0) }
    }
}

/// Every entry of the build cache.
pub fn build_cache(docker: &Docker) -> Result<Vec<Cached>> {
    let text = docker.text(&Command::new(CACHE.iter().copied()))?;
    let cache: Option<Vec<Cached>> = serde_json::from_str(&text).doing("read what docker system df says")?;
    Ok(cache.unwrap_or_default())
}

/// What Docker will answer when this is its build cache.
pub fn cache_prediction(left: &[&Cached]) -> Prediction {
    answered(Command::new(CACHE.iter().copied()), serde_json::to_string(left).unwrap_or_default())
}

/// Volumes that nobody gave a name and no container uses.
pub fn nameless_volumes(docker: &Docker) -> Result<Vec<String>> {
    let text = docker.text(&Command::new(VOLUMES.iter().copied()))?;
    let nameless = |name: &&str| name.len() == NAMELESS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(text.lines().filter(nameless).map(str::to_string).collect())
}

/// What Docker will answer when these volumes are unused.
pub fn volumes_prediction(left: &[String]) -> Prediction {
    answered(Command::new(VOLUMES.iter().copied()), left.iter().map(|name| format!("{name}\n")).collect())
}

/// As Docker writes sizes: `33B`, `12.3MB`, in thousands.
fn read_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let factor = match &text[digits..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return None,
    };
    text[..digits].parse::<f64>().ok().map(|number| (number * factor) as u64)
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_docker_s() {
        assert_eq!(
            ["33B", "12.3MB", "1.2GB", "x", ""].map(read_bytes),
            [Some(33), Some(12_300_000), Some(1_200_000_000), None, None]
        );
    }

    #[test]
    fn cache_goes_when_it_was_not_used_for_long() {
        let entry = |in_use: &str| Cached {
            last_used_at: "2026-11-21 05:32:34.96329586 +0000 UTC".into(),
            in_use: in_use.into(),
            shared: "false".into(),
            size: "3B".into(),
        };
        assert!(entry("false").may_go(1_795_239_154) && !entry("false").may_go(1_795_239_153));
        assert!(!entry("true").may_go(i64::MAX));
    }
}
