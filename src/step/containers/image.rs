//! An image of Docker's.

use crate::docker::image::{self, Image as There, repository, version_name, with_tag};
use crate::docker::{self, Docker};
use crate::model::digest::Digest;
use crate::model::mode::Mode;
use crate::model::op::{Asset, Command, Content, Meta, Op, Plan, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value, Values};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Brings an image to the host, from an archive of `docker save` here or from its registry, or removes it. An archive
/// travels only when the host does not have that very image. The image that had the name before keeps one of its own,
/// `app:windlass-0123456789ab` by its id, so that undo and `container` find it. `register` gets `id`, `version` (that
/// name), and `digests` (what registries know it by).
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name, with a tag or without: `studio:1.4`, `registry.example.com/studio`.
    name: String,
    /// A file below `files/` that `docker save` made, compressed with gzip or not. With several images in it, the one
    /// called `name` is meant.
    archive: Option<Archive>,
    /// Without an archive: `missing` (when not given) asks the registry when the host has no image of that name, `always`
    /// asks each time and counts as a change, `never` only looks.
    pull: Option<Pull>,
    /// More tags for it: `["stable"]`.
    #[serde(default)]
    tags: Vec<String>,
    /// `present` (when not given) or `absent`, which removes the name and, when it was the last one, the image.
    #[serde(default)]
    state: State,
    /// Where on the host an archive lies while Docker reads it; no other user may write there.
    #[serde(default = "stage")]
    stage: HostPath,
}

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Pull {
    /// When the host has no such image.
    Missing,
    /// Each time.
    Always,
    /// Never.
    Never,
}

/// What becomes of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// The host has it.
    #[default]
    Present,
    /// It does not.
    Absent,
}

/// An archive with what the controller has read of it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(deny_unknown_fields)]
struct Archive {
    digest: Digest,
    size: u64,
    images: Vec<Saved>,
}

/// An image inside an archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// `sha256:…`
    id: String,
    tags: Vec<String>,
}

impl Kind for Image {
    const NAME: &'static str = "image";
    const RESULT: &'static [&'static str] = &["id", "version", "digests"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("archive", KeyUse::Image)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the host has the new version"
register = "studio"
[steps.image]
name = "studio:1.4"
archive = "studio-1.4.tar.gz"           # docker save studio:1.4 | gzip > files/studio-1.4.tar.gz
tags = ["stable"]
state = "present"                       # or "absent"
stage = "/var/lib/windlass/images"

[[steps]]
name = "the host has Redis"
[steps.image]
name = "redis:7"
pull = "missing"                        # or "always", "never"
"#;
}

impl Step for Image {
    fn check(&self) -> Result<(), WrongKey> {
        docker::reference::check(&self.name).map_err(|why| WrongKey::new("name", why))?;
        for tag in &self.tags {
            let name = format!("{}:{tag}", repository(&self.name));
            docker::reference::check(&name).map_err(|why| match tag.rsplit_once(':') {
                Some((_, only)) => {
                    WrongKey::new("tags", format!("{tag:?} is more than a tag: write {only:?}"))
                }
                None => WrongKey::new("tags", why),
            })?;
        }
        if self.archive.is_some() && self.pull.is_some() {
            return Err(WrongKey::new("pull", "an image comes from an archive or from a registry"));
        }
        if self.archive.is_some() && self.name.contains('@') {
            return Err(WrongKey::new("name", "an archive's image has no digest of a registry"));
        }
        match self.archive.as_ref().map(|archive| archive.image(&self.name)) {
            Some(Err(why)) => Err(WrongKey::new("archive", why)),
            _ => Ok(()),
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        docker::plan(host, |docker| {
            let there = docker.image(&self.name)?;
            match (self.state, &self.archive) {
                (State::Absent, _) => Ok(self.plan_absence(docker, there)),
                (State::Present, Some(archive)) => self.plan_archive(docker, archive, there),
                (State::Present, None) => self.plan_pull(docker, there),
            }
        })
    }
}

impl Image {
    fn plan_absence(&self, docker: &Docker, there: Option<There>) -> Plan {
        let Some(image) = there else { return Plan::nothing() };
        let undo = match self.is_only_a_name(&image) {
            true => Undo::Command(Command::new(["docker", "image", "tag", &image.id, &self.name])),
            false => Undo::impossible("a removed image must be pulled or loaded again"),
        };
        let run = Run { undo, ..Run::from(Command::new(["docker", "image", "rm", &self.name])) };
        Plan::of(docker.ops(vec![run], &[There::absence(&self.name)]))
    }

    /// Whether the image is still there without the name, and the name can be given again: a registry's digest cannot.
    fn is_only_a_name(&self, image: &There) -> bool {
        let name = with_tag(&self.name);
        let (tags, digests) =
            (image.tags.as_deref().unwrap_or_default(), image.digests.as_deref().unwrap_or_default());
        let is_ours = |digest: &String| digest.split('@').next() == Some(repository(&self.name));
        tags.contains(&name) && tags.len() > 1 && !digests.iter().any(is_ours)
    }

    fn plan_archive(&self, docker: &Docker, archive: &Archive, there: Option<There>) -> Result<Plan> {
        let id = archive.image(&self.name).map_err(|why| Failure::new("read the archive", why))?;
        let version = version_name(&self.name, id);
        // Where images have other ids than their configuration's digest, the version's name still shows it.
        let has = match docker.image(&version)? {
            None => docker.image(id)?,
            has => has,
        };
        match has {
            Some(image) => self.plan_names(docker, &image, &version, there.as_ref()),
            None => self.plan_load(docker, archive, id, there.as_ref()),
        }
    }

    /// The host has the image, perhaps under other names.
    fn plan_names(
        &self,
        docker: &Docker,
        image: &There,
        version: &str,
        before: Option<&There>,
    ) -> Result<Plan> {
        let mut tagging = Tagging::new(docker);
        tagging.keep(&self.name, before.filter(|before| before.id != image.id))?;
        for name in [version.to_string(), self.name.clone()].into_iter().chain(self.more_names()) {
            tagging.tag(&image.id, image, &name)?;
        }
        Ok(Plan { result: self.result(image), ..tagging.plan() })
    }

    fn plan_load(
        &self,
        docker: &Docker,
        archive: &Archive,
        id: &str,
        before: Option<&There>,
    ) -> Result<Plan> {
        let version = version_name(&self.name, id);
        let image = There { id: id.to_string(), ..There::default() };
        let (mut ops, path) = self.bring(docker.host(), archive)?;
        let mut tagging = Tagging::new(docker);
        tagging.keep(&self.name, before)?;
        let tags = archive.images.iter().flat_map(|saved| &saved.tags).map(String::as_str);
        tagging.runs.push(image::load(&path, id, &version, tags));
        tagging.changes.extend([image.prediction(id), image.prediction(&version)]);
        for name in std::iter::once(self.name.clone()).chain(self.more_names()) {
            tagging.tag(&version, &image, &name)?;
        }
        ops.extend(tagging.plan().ops);
        Ok(Plan::of(ops))
    }

    fn more_names(&self) -> impl Iterator<Item = String> + '_ {
        self.tags.iter().map(|tag| format!("{}:{tag}", repository(&self.name)))
    }

    /// Puts the archive where Docker can read it, unless an interrupted run already has.
    fn bring(&self, host: &dyn Probe, archive: &Archive) -> Result<(Vec<Op>, HostPath)> {
        let private = |bits: &str| wanted::meta(host, Mode::parse(bits).ok(), None, None);
        let path = self.stage.join(format!("{}.tar", archive.digest));
        let mut ops = wanted::directory(host, &self.stage, &private("0700")?)?;
        let content = Content::Asset(Asset { digest: archive.digest.clone(), size: archive.size });
        let there = host.stat(&path)?.is_some() && host.digest(&path)?.as_ref() == Some(&archive.digest);
        if !there {
            let meta = Meta { mode: Some(0o600), ..Meta::default() };
            ops.push(Op::Write { path: path.clone(), content, meta });
        }
        Ok((ops, path))
    }

    fn plan_pull(&self, docker: &Docker, there: Option<There>) -> Result<Plan> {
        match (there, self.pull.unwrap_or(Pull::Missing)) {
            (Some(image), Pull::Missing | Pull::Never) => self.plan_tags(docker, &image),
            (None, Pull::Never) => {
                let failure =
                    Failure::new(format!("look at image {}", self.name), "the host does not have it");
                Err(failure.hint("give archive, or another pull"))
            }
            (before, pull) => self.ask_registry(docker, before.as_ref(), pull),
        }
    }

    /// What the registry has is not known before: nothing is predicted, so that check mode says so.
    fn ask_registry(&self, docker: &Docker, before: Option<&There>, pull: Pull) -> Result<Plan> {
        let mut tagging = Tagging::new(docker);
        tagging.keep(&self.name, before)?;
        let mut runs = tagging.runs;
        runs.push(image::pull(&self.name, before.map(|before| before.id.as_str())));
        if pull == Pull::Always {
            for name in self.more_names() {
                let before = docker.image(&name)?;
                runs.push(image::tag(&self.name, &name, before.as_ref().map(|before| before.id.as_str())));
            }
        }
        Ok(Plan { once: pull == Pull::Always, ..Plan::of(runs.into_iter().map(Op::from).collect()) })
    }

    /// The name means the right image: what is left are the other tags.
    fn plan_tags(&self, docker: &Docker, image: &There) -> Result<Plan> {
        let mut tagging = Tagging::new(docker);
        for name in self.more_names() {
            tagging.tag(&image.id, image, &name)?;
        }
        Ok(Plan { result: self.result(image), ..tagging.plan() })
    }

    fn result(&self, image: &There) -> Values {
        let mut values = Values::new();
        values.insert("id".to_string(), image.id.as_str().into());
        values.insert("version".to_string(), version_name(&self.name, &image.id).into());
        let digests = image.digests.clone().unwrap_or_default();
        values.insert("digests".to_string(), digests.into_iter().map(Value::from).collect());
        values
    }
}

impl Archive {
    /// The id of the image that is meant.
    fn image(&self, name: &str) -> std::result::Result<&str, String> {
        if let [only] = &self.images[..] {
            return Ok(&only.id);
        }
        let called = |saved: &&Saved| saved.tags.iter().any(|tag| *tag == with_tag(name));
        let there: Vec<&str> = self.images.iter().flat_map(|saved| &saved.tags).map(String::as_str).collect();
        let found = self.images.iter().find(called).map(|saved| saved.id.as_str());
        found.ok_or_else(|| format!("it holds no {}, but {}", with_tag(name), there.join(", ")))
    }
}

/// Names given to images, with what they meant before.
struct Tagging<'a> {
    docker: &'a Docker<'a>,
    runs: Vec<Run>,
    changes: Vec<Prediction>,
}

impl<'a> Tagging<'a> {
    fn new(docker: &'a Docker<'a>) -> Self {
        Tagging { docker, runs: Vec::new(), changes: Vec::new() }
    }

    /// Lets `name` mean `image`, which Docker knows as `source`.
    fn tag(&mut self, source: &str, image: &There, name: &str) -> Result<()> {
        let before = self.docker.image(name)?;
        if before.as_ref().is_some_and(|before| before.id == image.id) {
            return Ok(());
        }
        self.runs.push(image::tag(source, name, before.as_ref().map(|before| before.id.as_str())));
        self.changes.push(image.prediction(name));
        Ok(())
    }

    /// Gives what `name` means now a name of its own, before the name goes on.
    fn keep(&mut self, name: &str, before: Option<&There>) -> Result<()> {
        match before.filter(|_| !name.contains('@')) {
            Some(before) => self.tag(&before.id, before, &version_name(name, &before.id)),
            None => Ok(()),
        }
    }

    fn plan(self) -> Plan {
        Plan::of(self.docker.ops(self.runs, &self.changes))
    }
}

fn stage() -> HostPath {
    HostPath::from("/var/lib/windlass/images")
}

#[cfg(all(test, feature = "controller"))]
mod tests;
