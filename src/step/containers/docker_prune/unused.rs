//! Which containers and images are not in use. Pure: it decides from what Docker said.

use crate::docker::image::{VERSION_PREFIX, repository};
use crate::docker::{instant, kept};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A container.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Container {
    /// In full.
    pub id: String,
    /// With a `/` in front.
    pub name: String,
    /// Its image's id.
    pub image: String,
    status: String,
    finished: String,
    created: String,
    size: Option<u64>,
}

/// An image.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Image {
    /// `sha256:…`
    pub id: String,
    /// With what it is based on, in bytes.
    pub size: u64,
    tags: Option<Vec<String>>,
    created: String,
    tagged: String,
    layers: Option<Vec<String>>,
}

impl Container {
    /// Whether it ended before `before`. One that was replaced has its own time. One that was never started has not ended:
    /// what made it may be about to start it.
    pub fn may_go(&self, now: i64, before: i64) -> bool {
        let ended = matches!(self.status.as_str(), "exited" | "dead");
        let old = || self.ended_at().is_some_and(|at| at <= before);
        match kept::until(&self.name) {
            Some(until) => (ended || self.status == "created") && until <= now,
            None => ended && old(),
        }
    }

    fn ended_at(&self) -> Option<i64> {
        instant::read(&self.finished).or_else(|| instant::read(&self.created))
    }

    /// For people: `ended 3 days ago`.
    pub fn ended(&self, now: i64) -> String {
        let what = if self.status == "created" { "created and never started" } else { "ended" };
        match self.ended_at() {
            Some(at) => format!("{what} {}", ago(now - at)),
            None => what.to_string(),
        }
    }

    /// What it has written itself.
    pub fn size(&self) -> u64 {
        self.size.unwrap_or(0)
    }
}

impl Image {
    fn tags(&self) -> &[String] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// When it was made or got a name last. A build of long ago that was only brought today is new here.
    pub fn at(&self) -> i64 {
        let times = [&self.tagged, &self.created].map(|text| instant::read(text));
        times.into_iter().flatten().max().unwrap_or(i64::MAX)
    }

    /// What `docker image rm` takes: all its names, else its id.
    pub fn handles(&self) -> Vec<&str> {
        match self.tags() {
            [] => vec![&self.id],
            tags => tags.iter().map(String::as_str).collect(),
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self.tags() {
            [] => self.id.get(..19).unwrap_or(&self.id).to_string(),
            tags => tags.join(", "),
        }
    }

    /// Whether another image that stays is made on top of it: its bytes stay in any case.
    fn is_below(&self, other: &Image) -> bool {
        let (own, others) =
            (self.layers.as_deref().unwrap_or_default(), other.layers.as_deref().unwrap_or_default());
        self.id != other.id && !own.is_empty() && others.starts_with(own)
    }
}

/// The images that may go, what is built on others first.
pub fn images(all: Vec<Image>, containers: &[Container], before: i64, keep_versions: usize) -> Vec<Image> {
    let used: BTreeSet<&str> = containers.iter().map(|container| container.image.as_str()).collect();
    let versions = versions(&all, keep_versions);
    let needed = |image: &Image| {
        used.contains(image.id.as_str()) || versions.contains(&image.id) || image.at() > before
    };
    let (staying, mut gone): (Vec<Image>, Vec<Image>) = all.into_iter().partition(needed);
    gone.retain(|image| !staying.iter().any(|other| image.is_below(other)));
    gone.sort_by_key(|image| std::cmp::Reverse(image.layers.as_ref().map_or(0, Vec::len)));
    gone
}

/// The ids that undo needs: of each repository the newest version and so many before it.
fn versions(all: &[Image], keep: usize) -> BTreeSet<String> {
    let mut by_repository: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
    for image in all {
        let named = image.tags().iter().filter(|tag| tag.contains(&format!(":{VERSION_PREFIX}")));
        named.for_each(|tag| by_repository.entry(repository(tag)).or_default().push(image));
    }
    let newest = by_repository.into_values().flat_map(|mut versions| {
        versions.sort_by_key(|image| std::cmp::Reverse(image.at()));
        versions.into_iter().take(keep + 1).map(|image| image.id.clone())
    });
    newest.collect()
}

/// For people: `3 days ago`.
pub fn ago(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..60 => return "just now".to_string(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}
