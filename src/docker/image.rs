//! An image as `docker image inspect` describes it.

use super::{Docker, absent, commands, is_absent};
use crate::model::op::{Advice, Answer, Command, Prediction, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Doing, Failure, Result};
use serde::{Deserialize, Serialize};

/// What is asked of an image.
const FORMAT: &str = r#"{"id":{{json .ID}},"tags":{{json .RepoTags}},"digests":{{json .RepoDigests}}}"#;

/// An image on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// `sha256:…`
    pub id: String,
    /// Its names with tags.
    pub tags: Option<Vec<String>>,
    /// Its names with the digests that registries know it by.
    pub digests: Option<Vec<String>>,
}

impl Docker<'_> {
    /// The image that a name, with or without a tag, or an id means.
    pub fn image(&self, name: &str) -> Result<Option<Image>> {
        let question = question(name);
        let answer = self.ask(&question)?;
        match answer.ok() {
            true => {
                serde_json::from_str(&answer.text()).doing("read what docker image inspect says").map(Some)
            }
            false if is_absent(&answer) => Ok(None),
            false => Err(refused(&question, &answer)),
        }
    }

    /// The image that something is to be made from.
    pub fn expect_image(&self, name: &str) -> Result<Image> {
        self.image(name)?.ok_or_else(|| {
            Failure::new(format!("look at image {name}"), "the host does not have it")
                .hint("bring it with a step of kind image first")
        })
    }
}

impl Image {
    /// What Docker will answer once this is what `name` means.
    pub fn prediction(&self, name: &str) -> Prediction {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Prediction { argv: question(name).argv, answer: Answer::said(0, text) }
    }

    /// What Docker will answer once `name` means nothing.
    pub fn absence(name: &str) -> Prediction {
        absent(question(name), "image", name)
    }
}

/// The question what `name` means.
pub fn question(name: &str) -> Command {
    Command::new(["docker", "image", "inspect", "--format", FORMAT, name])
}

/// Lets `name` mean the image `source`; `before` is the id of what it meant.
pub fn tag(source: &str, name: &str, before: Option<&str>) -> Run {
    let undo = Undo::Command(back(name, before));
    Run { undo, ..Run::from(Command::new(["docker", "image", "tag", source, name])) }
}

/// Reads an archive, which is gone afterwards. The image in it gets this one name, and the archive's own `tags` mean
/// what they meant before.
pub fn load<'a>(archive: &HostPath, id: &str, name: &str, tags: impl IntoIterator<Item = &'a str>) -> Run {
    let archive = archive.to_string();
    let mut command = commands::script(include_bytes!("load.sh"), [&archive, id, name]);
    command.argv.extend(tags.into_iter().map(str::to_string));
    Run { undo: Undo::Command(back(name, None)), ..Run::from(command) }
}

/// Asks the registry for an image; `before` is the id of what the name meant.
pub fn pull(name: &str, before: Option<&str>) -> Run {
    let undo = Undo::Command(back(name, before));
    let hints = PULL_HINTS.iter().map(|(text, hint)| (text.to_string(), hint.to_string())).collect();
    let advice = Advice { hints, question: None };
    Run { undo, advice, ..Run::from(Command::new(["docker", "image", "pull", "--quiet", name])) }
}

/// What to try, by what Docker says.
const PULL_HINTS: &[(&str, &str)] = &[
    ("denied", "log in there with `docker login`, or bring it as an archive of docker save"),
    ("unauthorized", "log in there with `docker login`, or bring it as an archive of docker save"),
    ("no such host", "the host cannot reach the registry: bring it as an archive of docker save"),
    ("lookup ", "the host cannot reach the registry: bring it as an archive of docker save"),
    ("dial tcp", "the host cannot reach the registry: bring it as an archive of docker save"),
];

fn back(name: &str, before: Option<&str>) -> Command {
    match before {
        Some(id) => Command::new(["docker", "image", "tag", id, name]),
        None => commands::script(include_bytes!("back.sh"), ["untag", name]),
    }
}

/// A name without its tag and digest: `reg:5000/app` of `reg:5000/app:1.4`.
pub fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// A name with the tag that Docker takes when none is given.
pub fn with_tag(name: &str) -> String {
    match repository(name) == name {
        true => format!("{name}:latest"),
        false => name.to_string(),
    }
}

/// The name under which a version is kept once another one has taken its place: `app:windlass-0123456789ab`.
pub fn version_name(name: &str, id: &str) -> String {
    let hash = id.strip_prefix("sha256:").unwrap_or(id);
    format!("{}:{VERSION_PREFIX}{}", repository(name), hash.get(..12).unwrap_or(hash))
}

/// How tags of kept versions begin.
pub const VERSION_PREFIX: &str = "windlass-";

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_repository_and_tag() {
        for (name, repository_of, tagged) in [
            ("app", "app", "app:latest"),
            ("app:1.4", "app", "app:1.4"),
            ("reg:5000/team/app", "reg:5000/team/app", "reg:5000/team/app:latest"),
            ("reg:5000/app:1", "reg:5000/app", "reg:5000/app:1"),
            ("app@sha256:aa", "app", "app@sha256:aa"),
        ] {
            assert_eq!((repository(name), with_tag(name).as_str()), (repository_of, tagged));
        }
        assert_eq!(version_name("app:1", "sha256:0123456789abcdef"), "app:windlass-0123456789ab");
    }
}
