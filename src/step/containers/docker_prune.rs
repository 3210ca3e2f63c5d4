//! What Docker holds and nobody needs any more.

mod listing;
mod unused;

use crate::docker::{self, Docker};
use crate::model::Result;
use crate::model::duration::TimeSpan;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Command, Plan, Prediction, Run, Undo};
use crate::model::size::decimal;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use listing::Listing;
use serde::Deserialize;
use unused::{Container, Image};

/// Removes what Docker holds and nothing uses: containers that ended long ago, images that no container uses, build
/// cache. It never removes what runs, an image that a container uses or is based on, a replaced container before its time,
/// or the newest versions that `image` keeps for undo. With `apply = false` it only reports what would go and how much that
/// frees, as findings. Undo cannot restore any of it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DockerPrune {
    /// Containers that ended longer ago than this: `"48h"`. One that was created and never started stays. None when not
    /// given.
    containers: Option<TimeSpan>,
    /// Images that were made and named longer ago than this and that no container uses, stopped ones included. None when
    /// not given.
    images: Option<TimeSpan>,
    /// Of each image so many versions before the newest are kept for undo; 1 when not given.
    #[serde(default = "one")]
    keep_versions: usize,
    /// Build cache that was not used for so long. None when not given.
    build_cache: Option<TimeSpan>,
    /// Whether volumes without a name that no container uses go too. Those with a name never do.
    #[serde(default)]
    volumes: bool,
    /// `false` only shows.
    #[serde(default = "yes")]
    apply: bool,
}

impl Kind for DockerPrune {
    const NAME: &'static str = "docker_prune";
    const RESULT: &'static [&'static str] = &["count", "bytes"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "what Docker no longer needs goes"
[steps.docker_prune]
containers = "48h"
images = "48h"
keep_versions = 1
build_cache = "7d"
volumes = false
apply = true            # false: only show what would go
"#;
}

impl Step for DockerPrune {
    fn check(&self) -> Result<(), WrongKey> {
        let asked =
            self.containers.is_some() || self.images.is_some() || self.build_cache.is_some() || self.volumes;
        match asked {
            true => Ok(()),
            false => {
                Err(WrongKey::new("", "give at least one of containers, images, build_cache and volumes"))
            }
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        docker::plan(host, |docker| {
            let mut going = Removal::nothing(docker, self.apply);
            let staying = self.containers(&mut going)?;
            self.images(&mut going, &staying)?;
            self.build_cache(&mut going)?;
            self.volumes(&mut going)?;
            Ok(going.plan())
        })
    }
}

impl DockerPrune {
    /// Adds the containers that go; those that stay.
    fn containers(&self, going: &mut Removal<'_>) -> Result<Vec<Container>> {
        let listing = Listing::of_containers(going.docker)?;
        let now = going.docker.now()?;
        let containers: Vec<Container> = listing.read("read what docker container inspect says")?;
        let Some(age) = self.containers else { return Ok(containers) };
        let before = now - age.get().as_secs() as i64;
        let (gone, staying): (Vec<_>, Vec<_>) =
            containers.into_iter().partition(|one| one.may_go(now, before));
        let left = listing.without(|id| gone.iter().any(|one| one.id == id));
        for one in &gone {
            let run = removal(["docker", "container", "rm", &one.id], "a removed container is not kept");
            let seen = format!("{}, {} on disk", one.ended(now), decimal(one.size()));
            going.add(
                "container",
                one.name.trim_start_matches('/'),
                seen,
                one.size(),
                run,
                left.predictions(),
            );
        }
        Ok(staying)
    }

    fn images(&self, going: &mut Removal<'_>, containers: &[Container]) -> Result<()> {
        let Some(age) = self.images else { return Ok(()) };
        let now = going.docker.now()?;
        let listing = Listing::of_images(going.docker)?;
        let images: Vec<Image> = listing.read("read what docker image inspect says")?;
        let gone = unused::images(images, containers, now - age.get().as_secs() as i64, self.keep_versions);
        let left = listing.without(|id| gone.iter().any(|one| one.id == id));
        for one in &gone {
            let mut words = vec!["docker", "image", "rm"];
            words.extend(one.handles());
            let seen = format!(
                "no container uses it, named {}, up to {}",
                unused::ago(now - one.at()),
                decimal(one.size)
            );
            going.add(
                "image",
                &one.shown(),
                seen,
                one.size,
                removal(words, "a removed image must be pulled or loaded again"),
                left.predictions(),
            );
        }
        Ok(())
    }

    fn build_cache(&self, going: &mut Removal<'_>) -> Result<()> {
        let Some(age) = self.build_cache else { return Ok(()) };
        let before = going.docker.now()? - age.get().as_secs() as i64;
        let cache = listing::build_cache(going.docker)?;
        let gone: Vec<&listing::Cached> = cache.iter().filter(|one| one.may_go(before)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let until = format!("until={}s", age.get().as_secs());
        let words = ["docker", "builder", "prune", "--all", "--force", "--filter", &until];
        let run = removal(words, "removed build cache is made again by the next build");
        let size: u64 = gone.iter().map(|one| one.bytes()).sum();
        let seen = format!("{} entries not used for {age}, {}", gone.len(), decimal(size));
        let left: Vec<&listing::Cached> = cache.iter().filter(|one| !one.may_go(before)).collect();
        going.add("docker", "build cache", seen, size, run, vec![listing::cache_prediction(&left)]);
        Ok(())
    }

    fn volumes(&self, going: &mut Removal<'_>) -> Result<()> {
        if !self.volumes {
            return Ok(());
        }
        for name in listing::nameless_volumes(going.docker)? {
            let run = removal(["docker", "volume", "rm", &name], "the data of a removed volume is not kept");
            let left = vec![listing::volumes_prediction(&[])];
            going.add("volume", &name, "no name, and no container uses it".to_string(), 0, run, left);
        }
        Ok(())
    }
}

/// A removal, and why nothing undoes it.
fn removal<S: Into<String>>(words: impl IntoIterator<Item = S>, no_undo: &str) -> Run {
    Run { undo: Undo::impossible(no_undo), ..Run::from(Command::new(words)) }
}

/// What goes, as it is collected.
struct Removal<'a> {
    docker: &'a Docker<'a>,
    apply: bool,
    plan: Plan,
    bytes: u64,
    runs: Vec<Run>,
    after: Vec<Prediction>,
}

impl<'a> Removal<'a> {
    fn nothing(docker: &'a Docker<'a>, apply: bool) -> Self {
        Removal { docker, apply, plan: Plan::nothing(), bytes: 0, runs: Vec::new(), after: Vec::new() }
    }

    fn add(&mut self, group: &str, what: &str, seen: String, size: u64, run: Run, after: Vec<Prediction>) {
        self.bytes += size;
        let finding =
            Finding::new(group, what, Verdict::Info, seen).cell(decimal(size)).detail("bytes", size);
        self.plan.findings.push(finding);
        if self.apply {
            self.runs.push(run);
            self.after.extend(after);
        }
    }

    /// Commands are made last, when everything was asked: each predicts all answers.
    fn plan(mut self) -> Plan {
        self.plan.ops = self.docker.ops(std::mem::take(&mut self.runs), &self.after);
        let count = self.plan.findings.len();
        self.plan.result.insert("count".to_string(), count.into());
        self.plan.result.insert("bytes".to_string(), self.bytes.into());
        if count > 0 {
            let total = format!("{count} would go, which frees up to {}", decimal(self.bytes));
            self.plan.notes.push(if self.apply { total.replace("would go", "go") } else { total });
        }
        self.plan
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[cfg(all(test, feature = "controller"))]
mod tests;
