//! What must be there for a deployment to be ready: a report, item by item.

use crate::model::Result;
use crate::model::finding::{Finding, Verdict};
use crate::model::item::Item;
use crate::model::op::Plan;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;
use std::time::Duration;

mod containers;
mod environment;
mod files;
mod http;
mod services;
mod tables;

use containers::{Container, Image};
use environment::Environment;
use files::File;
use http::Page;
use services::Service;
use tables::Tables;

/// For each question; what takes longer is not ready.
const TIME: Duration = Duration::from_secs(15);

/// Looks at each item, reports what is as wanted and what is not and why, and fails when something is not. Only looks. An
/// item that is written as a text is its first key. What cannot be seen (no rights, no program to ask with) is `unknown`,
/// which does not pass. `register` gets `findings`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What must be up. One of `unit` (of systemd's), `postgres`, `mysql`, `redis` (`"127.0.0.1:5432"`, asked with the server's
    /// own client, inside `container` where that is given) or `port` (on `host`, that accepts connections).
    #[serde(default)]
    services: Vec<Item<Service>>,
    /// What must answer: `url`, with `status` (a list, 200 when not given), `matches` (a regular expression for the body),
    /// `headers`.
    #[serde(default)]
    http: Vec<Item<Page>>,
    /// Docker images that must be there: `image`.
    #[serde(default)]
    images: Vec<Item<Image>>,
    /// Containers that must run, and be healthy where they have a health check: `name`, with `healthy = true` (it must have
    /// one) and `image` (what it must have been made from).
    #[serde(default)]
    containers: Vec<Item<Container>>,
    /// Databases and their tables: `database` (a URL as seen from the host, or from inside `container`), with `count` (exactly
    /// so many), `at_least` or `names`.
    #[serde(default)]
    tables: Vec<Tables>,
    /// Files and directories that must be there: `path`, with `min_size`.
    #[serde(default)]
    files: Vec<Item<File>>,
    /// Variables that must be set, to something that is no placeholder: `names`, in `file` (lines of `NAME=value`) or of
    /// `container`. Values are never shown.
    #[serde(default)]
    env: Vec<Environment>,
}

impl Kind for Check {
    const NAME: &'static str = "check";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the shop is ready"
[steps.check]
services = ["nginx", { postgres = "127.0.0.1:5432" }, { redis = "127.0.0.1:6379", container = "cache" }, { port = 25 }]
http = ["http://127.0.0.1/health", { url = "http://127.0.0.1/", status = [200, 301], matches = "Shop" }]
images = ["shop:2.1"]
containers = ["shop", { name = "worker", healthy = true, image = "shop:2.1" }]
tables = [{ database = "postgres:///shop", count = 45 }, { database = "mysql://root@localhost/crm", names = ["users"] }]
files = ["/srv/shop/index.js", { path = "/srv/models/llama.bin", min_size = "1 GiB" }]
env = [{ file = "/srv/shop/.env", names = ["DATABASE_URL", "SECRET_KEY"] }]
"#;
}

impl Step for Check {
    fn check(&self) -> Result<(), WrongKey> {
        for (index, item) in self.services.iter().enumerate() {
            item.0.check().map_err(|why| WrongKey::new(&format!("services[{index}]"), why))?;
        }
        for (index, item) in self.http.iter().enumerate() {
            item.0.check().map_err(|why| WrongKey::new(&format!("http[{index}]"), why))?;
        }
        for (index, item) in self.tables.iter().enumerate() {
            item.check().map_err(|why| WrongKey::new(&format!("tables[{index}]"), why))?;
        }
        for (index, item) in self.env.iter().enumerate() {
            item.check().map_err(|why| WrongKey::new(&format!("env[{index}]"), why))?;
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let mut findings: Vec<Finding> = Vec::new();
        findings.extend(self.services.iter().map(|item| item.0.look(host)));
        findings.extend(self.http.iter().map(|item| item.0.look(host)));
        findings.extend(self.images.iter().map(|item| item.0.look(host)));
        findings.extend(self.containers.iter().map(|item| item.0.look(host)));
        findings.extend(self.tables.iter().flat_map(|item| item.look(host)));
        findings.extend(self.files.iter().map(|item| item.0.look(host)));
        findings.extend(self.env.iter().flat_map(|item| item.look(host)));
        if host.pretends() {
            findings.iter_mut().for_each(until_applied);
        }
        Ok(Plan::found(findings))
    }
}

/// What is seen before the changes above are made says nothing of what will be.
fn until_applied(finding: &mut Finding) {
    finding.verdict = Verdict::Unknown;
    finding.seen = format!("now, {}", finding.seen);
}

/// A look that could not be made: whatever it was for is unknown, and the rest is still looked at.
fn unseen(group: &str, what: impl std::fmt::Display, why: impl std::fmt::Display) -> Finding {
    Finding::new(group, what, Verdict::Unknown, why)
}

#[cfg(all(test, feature = "controller"))]
mod tests;
