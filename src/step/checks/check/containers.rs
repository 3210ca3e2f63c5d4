//! Whether images are there, and containers run and are healthy.

use super::{TIME, unseen};
use crate::model::Value;
use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Answer, Command};
use crate::system::Probe;
use serde::Deserialize;

/// An image.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name, with a tag or digest.
    image: String,
}

/// A container.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name.
    name: String,
    /// Whether it must have a health check that says so; without, one that it has must not say otherwise.
    #[serde(default)]
    healthy: bool,
    /// The image that it must have been made from, by the name it was given then.
    image: Option<String>,
}

impl From<String> for Image {
    fn from(image: String) -> Self {
        Image { image }
    }
}

impl From<String> for Container {
    fn from(name: String) -> Self {
        Container { name, healthy: false, image: None }
    }
}

impl Image {
    /// Whether it is there.
    pub fn look(&self, host: &dyn Probe) -> Finding {
        let (group, what) = ("images", &self.image);
        match inspect(host, "image", "{{.Id}}", what) {
            Inspected::Told(id) => {
                let short = id.trim_start_matches("sha256:").get(..12).unwrap_or_default();
                Finding::new(group, what, Verdict::Pass, format!("it is there ({short})"))
                    .detail("id", id.as_str())
            }
            Inspected::Missing => Finding::new(group, what, Verdict::Fail, "it is not there")
                .hint(format!("docker pull {what}")),
            Inspected::Unseen(why) => unseen(group, what, why),
        }
        .wanted("is there")
    }
}

impl Container {
    /// Whether it runs, and is healthy.
    pub fn look(&self, host: &dyn Probe) -> Finding {
        let form = r#"{"state":{{json .State}},"image":{{json .Config.Image}},"restarts":{{.RestartCount}}}"#;
        let finding = match inspect(host, "container", form, &self.name) {
            Inspected::Told(told) => self.judge(&serde_json::from_str(&told).unwrap_or_default()),
            Inspected::Missing => {
                Finding::new("containers", &self.name, Verdict::Fail, "there is no container of that name")
            }
            Inspected::Unseen(why) => unseen("containers", &self.name, why),
        };
        let healthy = if self.healthy { "runs, healthy" } else { "runs" };
        match &self.image {
            Some(image) => finding.wanted(format!("{healthy}, of {image}")),
            None => finding.wanted(healthy),
        }
    }

    fn judge(&self, told: &Value) -> Finding {
        let state = &told["state"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (status, health, image) =
            (word(&state["Status"]), word(&state["Health"]["Status"]), word(&told["image"]));
        let health_fits = if self.healthy {
            health == "healthy"
        } else {
            matches!(health.as_str(), "" | "none" | "healthy")
        };
        let image_fits = self.image.as_ref().is_none_or(|wanted| *wanted == image);
        let mut seen = status.clone();
        match (status.as_str(), health.as_str()) {
            ("exited" | "dead", _) => seen += &format!(" (exit status {})", state["ExitCode"]),
            (_, "") if self.healthy => seen += ", it has no health check",
            (_, "") => {}
            (_, health) => seen += &format!(", {health}"),
        }
        if !image_fits {
            seen += &format!(", of {image}");
        }
        let verdict = Verdict::of(status == "running" && health_fits && image_fits);
        Finding::new("containers", &self.name, verdict, seen)
            .hint(format!("docker logs --tail 20 {} shows more", self.name))
            .detail("status", status)
            .detail("health", health)
            .detail("image", image)
            .detail("restarts", told["restarts"].clone())
    }
}

/// What docker says of an object.
enum Inspected {
    Told(String),
    Missing,
    Unseen(String),
}

fn inspect(host: &dyn Probe, what: &str, form: &str, name: &str) -> Inspected {
    let argv = ["docker", what, "inspect", "--format", form, "--", name];
    match host.ask(&Command { timeout: Some(TIME), ..Command::new(argv) }) {
        Err(failure) => Inspected::Unseen(failure.to_string()),
        Ok(answer) if answer.ok() => Inspected::Told(answer.text()),
        Ok(answer) if is_missing(&answer) => Inspected::Missing,
        Ok(answer) => {
            let why = answer.last_words().unwrap_or_else(|| match answer.status {
                127 => "there is no docker".to_string(),
                status => format!("docker gives no answer (exit status {status})"),
            });
            Inspected::Unseen(why)
        }
    }
}

fn is_missing(answer: &Answer) -> bool {
    let said = String::from_utf8_lossy(&answer.stderr).to_lowercase();
    said.contains("no such image") || said.contains("no such container")
}
