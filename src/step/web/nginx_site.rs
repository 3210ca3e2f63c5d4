//! A site of nginx: its file, whether it is enabled, and that nginx serves it.

use crate::model::duration::TimeSpan;
use crate::model::op::{Content, Meta, Op, Plan, Wait};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::nginx::{self, Configuration, Layout, Nginx, Serving, usual};
use crate::step::{KeyUse, Kind, Step, WrongKey};
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Manages a site of nginx: a file in `sites-available` with a link in `sites-enabled`, or a `.conf` file in `conf.d`,
/// whichever nginx's main file includes. nginx tests what has changed and reloads; that new workers serve is seen, not
/// assumed. When that fails the old site is put back, nginx is reloaded with it, and its log says why. `register` gets
/// `path`, the site's file.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NginxSite {
    /// The file's name; in `conf.d` it gets `.conf`.
    name: String,
    /// A template below `templates/` of the project, which makes the file.
    source: Option<String>,
    /// What the file holds.
    content: Option<String>,
    /// `present` when not given.
    #[serde(default)]
    state: State,
    /// A path that is asked for at every server of the file afterwards, through nginx; nothing when not given.
    probe: Option<String>,
    /// The statuses that are fine; all below 500 when not given.
    #[serde(default = "usual::below_500")]
    status: Vec<u16>,
    /// How long the answer may take; 10 seconds when not given.
    #[serde(default = "usual::ten_seconds")]
    within: TimeSpan,
    /// The program; `nginx` when not given.
    #[serde(default = "usual::nginx")]
    program: String,
    /// Its main file, when it is not the one that `nginx -V` prints.
    config: Option<HostPath>,
}

/// What becomes of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum State {
    /// nginx serves it.
    #[default]
    Present,
    /// Its file is kept, and nginx does not read it.
    Disabled,
    /// Its file is gone.
    Absent,
}

impl Kind for NginxSite {
    const NAME: &'static str = "nginx_site";
    const RESULT: &'static [&'static str] = &["path"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Template)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx serves the app's site"
[steps.nginx_site]
name = "app"
source = "nginx/site.conf.j2"   # a file below templates/
probe = "/health"               # asked through nginx afterwards
status = [200, 204]
within = "20s"
program = "nginx"
config = "/etc/nginx/nginx.conf"

[[steps]]
name = "health checks have a place to ask"
[steps.nginx_site]
name = "health"
content = "server { listen 127.0.0.1:8090; location / { return 204; } }\n"

[[steps]]
name = "Debian's example is out of the way"
[steps.nginx_site]
name = "default"
state = "disabled"              # or "absent"
"#;
}

impl Step for NginxSite {
    fn check(&self) -> Result<(), WrongKey> {
        if self.name.is_empty() || self.name.starts_with('.') || self.name.contains(['/', '\0']) {
            return Err(WrongKey::new("name", format!("{:?} is not the name of a site's file", self.name)));
        }
        match (self.state, &self.source, &self.content) {
            (State::Present, None, None) => Err(WrongKey::new("", "give source or content")),
            (State::Absent, Some(_), _) | (State::Absent, _, Some(_)) => {
                Err(WrongKey::new("state", "what is absent has neither source nor content"))
            }
            (_, Some(_), Some(_)) => Err(WrongKey::new("content", "source is given too; one is enough")),
            _ if self.status.is_empty() => {
                Err(WrongKey::new("status", "name at least one status that is fine"))
            }
            _ => match &self.probe {
                Some(path) if !path.starts_with('/') => {
                    Err(WrongKey::new("probe", format!("{path:?} is no path: it must begin with /")))
                }
                _ => Ok(()),
            },
        }
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let nginx = Nginx { program: self.program.clone(), config: self.config.clone() };
        let (layout, main) = nginx.look_at_main(host)?;
        let places = self.places(&layout, &main)?;
        let mut plan = match self.state {
            State::Present => self.plan_present(host, &nginx, &layout, &places)?,
            State::Disabled => self.plan_hidden(host, &nginx, &layout, &places, self.keep(host, &places)?)?,
            State::Absent => self.plan_hidden(host, &nginx, &layout, &places, gone(host, &places.kept)?)?,
        };
        plan.result.insert("path".to_string(), places.file(self.state).to_string().into());
        Ok(plan)
    }
}

/// Where the files of a site are.
struct SiteFiles {
    /// What nginx reads.
    read: HostPath,
    /// The file of a site that is not enabled.
    kept: HostPath,
    /// Whether `read` is a link to `kept`.
    linked: bool,
}

impl SiteFiles {
    fn file(&self, state: State) -> &HostPath {
        if self.linked || state == State::Disabled { &self.kept } else { &self.read }
    }
}

impl NginxSite {
    /// The directories that the main file includes say how this nginx keeps its sites.
    fn places(&self, layout: &Layout, main: &Configuration) -> Result<SiteFiles> {
        let folder = HostPath::from(layout.config.parent().unwrap_or(Path::new("/")));
        let patterns =
            main.statements.iter().filter(|one| one.is("include")).filter_map(|one| one.argument(0));
        let patterns: Vec<String> = patterns.map(|pattern| folder.join(pattern).to_string()).collect();
        let inside = |name: &str| patterns.iter().find(|pattern| parent_of(pattern).ends_with(name));
        let doing = || format!("look where {} keeps its sites", self.program);
        let (pattern, linked) = match (inside("sites-enabled"), inside("conf.d")) {
            (Some(pattern), _) => (pattern, true),
            (None, Some(pattern)) => (pattern, false),
            (None, None) => {
                let why = format!("{} includes neither sites-enabled nor conf.d", layout.config);
                return Err(Failure::new(doing(), why).hint("write the file with a step of kind template"));
            }
        };
        let bare = self.name.strip_suffix(".conf").unwrap_or(&self.name);
        let name = if linked { self.name.clone() } else { format!("{bare}.conf") };
        if !nginx::is_included(pattern, &name) {
            let why = format!("{} includes {pattern}, which {name} does not match", layout.config);
            return Err(Failure::new(doing(), why).hint("give the site a name that matches"));
        }
        let enabled = parent_of(pattern);
        let kept = match linked {
            true => enabled.with_file_name("sites-available").join(&name),
            false => enabled.join(format!("{name}.disabled")),
        };
        Ok(SiteFiles { read: enabled.join(name).into(), kept: kept.into(), linked })
    }

    fn plan_present(
        &self,
        host: &dyn Probe,
        nginx: &Nginx,
        layout: &Layout,
        places: &SiteFiles,
    ) -> Result<Plan> {
        let bytes = self.text().unwrap_or_default().as_bytes();
        let site = Configuration::of(host, places.file(State::Present), bytes)?;
        let content = Content::Bytes(bytes.to_vec());
        let mut ops = wanted::file(host, places.file(State::Present), content, &Meta::default())?;
        match places.linked {
            true => ops.extend(link(host, places)?),
            false => ops.extend(gone(host, &places.kept)?),
        }
        let files = [places.file(State::Present).clone(), places.read.clone()];
        let waits = self.waits(&site);
        if ops.is_empty() {
            return self.plan_served(host, nginx, layout, &files, waits);
        }
        let notes = nginx.expect_sound_beside(host, &files)?.into_iter().collect();
        ops.extend(nginx.reload(host, layout, &files, waits)?);
        Ok(Plan { notes, ..Plan::of(ops) })
    }

    /// The files are as wanted; a run that was cut off before nginx was reloaded is finished.
    fn plan_served(
        &self,
        host: &dyn Probe,
        nginx: &Nginx,
        layout: &Layout,
        files: &[HostPath],
        waits: Vec<Wait>,
    ) -> Result<Plan> {
        match nginx.serving(host, layout, files)? {
            Serving::Supposed => Ok(Plan::nothing()),
            Serving::Stale => Ok(Plan::of(nginx.reload(host, layout, files, waits)?)),
            Serving::Current | Serving::Unknown => Ok(Plan::of(wanted::unmet(host, waits)?)),
        }
    }

    /// Takes away what nginx reads; `more` is what becomes of the kept file.
    fn plan_hidden(
        &self,
        host: &dyn Probe,
        nginx: &Nginx,
        layout: &Layout,
        places: &SiteFiles,
        more: Vec<Op>,
    ) -> Result<Plan> {
        let hidden = gone(host, &places.read)?;
        let served = !hidden.is_empty();
        // The link goes before the file that it points to.
        let mut ops: Vec<Op> = hidden.into_iter().chain(more).collect();
        let mut notes = Vec::new();
        if served {
            notes.extend(nginx.expect_sound_beside(host, std::slice::from_ref(&places.read))?);
            ops.extend(nginx.reload(host, layout, std::slice::from_ref(&places.read), Vec::new())?);
        }
        Ok(Plan { notes, ..Plan::of(ops) })
    }

    /// What becomes of the file of a site that is disabled: as given, else as it is now.
    fn keep(&self, host: &dyn Probe, places: &SiteFiles) -> Result<Vec<Op>> {
        let content = match self.text() {
            Some(text) => Some(text.as_bytes().to_vec()),
            None if places.linked || host.stat(&places.kept)?.is_some() => None,
            None => host.read(&places.read)?,
        };
        match content {
            Some(bytes) => wanted::file(host, &places.kept, Content::Bytes(bytes), &Meta::default()),
            None => Ok(Vec::new()),
        }
    }

    fn waits(&self, site: &Configuration) -> Vec<Wait> {
        let Some(path) = &self.probe else { return Vec::new() };
        let all = 0..site.statements.len();
        let servers = all
            .filter(|index| site.statements[*index].is("server") && site.statements[*index].parent.is_none());
        let entrances: BTreeSet<_> = servers.filter_map(|server| site.entrance(server)).collect();
        entrances.iter().map(|one| one.answers(path, &self.status, self.within.get())).collect()
    }

    fn text(&self) -> Option<&str> {
        self.source.as_deref().or(self.content.as_deref())
    }
}

/// The link that enables a site, unless one leads to its file already.
fn link(host: &dyn Probe, places: &SiteFiles) -> Result<Vec<Op>> {
    let name = places.kept.file_name().unwrap_or_default();
    let target = HostPath::from(Path::new("../sites-available").join(name));
    let there = host.stat(&places.read)?;
    match there.as_ref().map(|stat| (stat.kind, stat.target.as_deref())) {
        Some((FileKind::Link, Some(to))) if to == target.as_path() || to == places.kept.as_path() => {
            Ok(Vec::new())
        }
        None | Some((FileKind::Link, _)) => {
            let mut ops = wanted::parents(host, &places.read)?;
            ops.push(Op::Link { path: places.read.clone(), target });
            Ok(ops)
        }
        Some((kind, _)) => Err(Failure::new(
            format!("enable {}", places.read),
            format!("a {} is there, not a link to {}", kind.as_str(), places.kept),
        )
        .hint("remove it with a step of kind absent first, if it may go")),
    }
}

fn gone(host: &dyn Probe, path: &HostPath) -> Result<Vec<Op>> {
    Ok(host.stat(path)?.map(|_| Op::Remove { path: path.clone() }).into_iter().collect())
}

fn parent_of(pattern: &str) -> std::path::PathBuf {
    Path::new(pattern).parent().unwrap_or(Path::new("/")).to_path_buf()
}

#[cfg(all(test, feature = "controller"))]
mod tests;
