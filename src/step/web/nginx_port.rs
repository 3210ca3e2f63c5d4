//! A port in nginx's configuration, moved: the few digits that name it, and nothing else.

use crate::model::duration::TimeSpan;
use crate::model::op::{Condition, Content, Meta, Op, Plan, Wait};
use crate::model::path::HostPath;
use crate::model::{Failure, Result, Value};
use crate::nginx::{Backend, Configuration, Edit, Layout, Nginx, Serving, usual};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// A site answers through few servers; of one that has more only so many are asked.
const PROBES: usize = 16;

/// How long to wait between two looks at the new port.
const EVERY: Duration = Duration::from_millis(250);

/// Moves a port in nginx's configuration: in `proxy_pass`, `grpc_pass`, `fastcgi_pass`, `uwsgi_pass`, `scgi_pass`,
/// `memcached_pass`, the `server` lines of upstreams, the variables that one of these uses, and in `listen` when asked.
/// The files are read as nginx reads them, so that comments, other numbers, log paths and everything else stay byte for
/// byte. nginx tests the result and reloads; that new workers serve, and that the site answers through them, is seen,
/// not assumed. When any of it fails the files are put back, nginx is reloaded with them, and its log says why.
/// `register` gets `places`, `file:line` of each directive that names the port.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NginxPort {
    /// A site's file, or `/etc/nginx/nginx.conf`. What it includes belongs to it, and so do the upstreams that it names
    /// wherever they stand.
    file: HostPath,
    /// The port that is named now.
    from: u16,
    /// The port that is to be named.
    to: u16,
    /// Also in `listen` directives; false when not given.
    #[serde(default)]
    listen: bool,
    /// Only where requests go to these hosts, as they are written there: `127.0.0.1`, `app`. All when not given.
    #[serde(default)]
    addresses: Vec<String>,
    /// The path that is asked for, through nginx, at every server concerned; `/` when not given. `""` asks nothing, and
    /// does not look whether something accepts connections at the new port either.
    #[serde(default = "slash")]
    probe: String,
    /// The statuses that are fine; all below 500 when not given.
    #[serde(default = "usual::below_500")]
    status: Vec<u16>,
    /// How long the new port and the answer may take; 10 seconds when not given.
    #[serde(default = "usual::ten_seconds")]
    within: TimeSpan,
    /// The program; `nginx` when not given.
    #[serde(default = "usual::nginx")]
    program: String,
    /// Its main file, when it is not the one that `nginx -V` prints.
    config: Option<HostPath>,
}

impl Kind for NginxPort {
    const NAME: &'static str = "nginx_port";
    const RESULT: &'static [&'static str] = &["places"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx sends requests to the app's new port"
[steps.nginx_port]
file = "/etc/nginx/sites-available/app"     # or /etc/nginx/nginx.conf: includes are followed
from = 3001
to = 3002
listen = false                              # true: also in `listen` directives
addresses = ["127.0.0.1", "localhost"]      # only where requests go there; all when left out
probe = "/health"                           # asked through nginx afterwards; "" asks nothing
status = [200, 204]
within = "20s"
program = "nginx"
config = "/etc/nginx/nginx.conf"
"#;
}

impl Step for NginxPort {
    fn check(&self) -> Result<(), WrongKey> {
        for (key, port) in [("from", self.from), ("to", self.to)] {
            if port == 0 {
                return Err(WrongKey::new(key, "0 is no port"));
            }
        }
        if self.from == self.to {
            return Err(WrongKey::new("to", format!("{} is the port that is named already", self.to)));
        }
        if !self.probe.is_empty() && !self.probe.starts_with('/') {
            return Err(WrongKey::new("probe", format!("{:?} is no path: it must begin with /", self.probe)));
        }
        if self.status.is_empty() {
            return Err(WrongKey::new("status", "name at least one status that is fine"));
        }
        Ok(())
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let nginx = Nginx { program: self.program.clone(), config: self.config.clone() };
        let (layout, configuration) = nginx.look(host)?;
        let site = Site::of(self, host, &configuration)?;
        let moving = site.naming(self.from);
        let mut plan = match moving.is_empty() {
            true => self.plan_moved(host, &nginx, &layout, &site)?,
            false => {
                nginx.expect_sound(host)?;
                self.plan_move(host, &nginx, &layout, &site, &moving)?
            }
        };
        let mut named = moving;
        named.extend(site.naming(self.to));
        let places: BTreeSet<String> = named.iter().map(|one| configuration.place(one.statement)).collect();
        plan.result.insert("places".to_string(), places.into_iter().map(Value::from).collect());
        plan.notes.extend(site.left_alone());
        Ok(plan)
    }
}

impl NginxPort {
    fn plan_move(
        &self,
        host: &dyn Probe,
        nginx: &Nginx,
        layout: &Layout,
        site: &Site<'_>,
        moving: &[Backend],
    ) -> Result<Plan> {
        let mut ops = self.await_backends(host, site, moving)?;
        let edits: Vec<Edit> = moving.iter().map(|place| place.with_port(self.to)).collect();
        for (path, bytes) in site.configuration.with(edits) {
            ops.extend(wanted::file(host, &path, Content::Bytes(bytes), &Meta::default())?);
        }
        ops.extend(nginx.reload(host, layout, &site.paths(), self.waits(site, moving))?);
        Ok(Plan::of(ops))
    }

    /// The files are as wanted. That nginx runs with them, and answers, is looked at all the same: a run that was cut off
    /// between writing and reloading left it with its old ones.
    fn plan_moved(&self, host: &dyn Probe, nginx: &Nginx, layout: &Layout, site: &Site<'_>) -> Result<Plan> {
        let named = site.naming(self.to);
        if named.is_empty() {
            return Err(site.names_neither());
        }
        let waits = self.waits(site, &named);
        match nginx.serving(host, layout, &site.paths())? {
            Serving::Supposed => Ok(Plan::nothing()),
            Serving::Stale => Ok(Plan::of(nginx.reload(host, layout, &site.paths(), waits)?)),
            Serving::Current | Serving::Unknown => Ok(Plan::of(wanted::unmet(host, waits)?)),
        }
    }

    /// Nothing is changed before something accepts connections where the requests are to go. After changes that are only
    /// pretended it is not known, and the answer through nginx shows it later.
    fn await_backends(&self, host: &dyn Probe, site: &Site<'_>, moving: &[Backend]) -> Result<Vec<Op>> {
        if self.probe.is_empty() || host.pretends() {
            return Ok(Vec::new());
        }
        let hosts: BTreeSet<&str> =
            moving.iter().filter(|one| site.must_accept(one)).map(|one| one.host.as_str()).collect();
        let waits = hosts.into_iter().map(|name| Wait {
            condition: Condition::Port { host: name.to_string(), port: self.to, open: true },
            within: self.within.get(),
            every: EVERY,
        });
        wanted::unmet(host, waits.collect())
    }

    /// The answers that the site must give through nginx.
    fn waits(&self, site: &Site<'_>, places: &[Backend]) -> Vec<Wait> {
        if self.probe.is_empty() {
            return Vec::new();
        }
        let servers: BTreeSet<usize> =
            places.iter().flat_map(|place| site.configuration.servers_before(place)).collect();
        let entrances: BTreeSet<_> = servers
            .into_iter()
            .filter_map(|server| site.configuration.entrance(server))
            .map(|mut entrance| {
                if self.listen && entrance.port == self.from {
                    entrance.port = self.to;
                }
                entrance
            })
            .collect();
        let asked = entrances.iter().take(PROBES);
        asked.map(|entrance| entrance.answers(&self.probe, &self.status, self.within.get())).collect()
    }
}

/// What belongs to the file that is named.
struct Site<'a> {
    step: &'a NginxPort,
    configuration: &'a Configuration,
    /// The files, by their numbers.
    scope: BTreeSet<usize>,
    /// The places in which a port may be moved.
    places: Vec<Backend>,
}

impl<'a> Site<'a> {
    fn of(step: &'a NginxPort, host: &dyn Probe, configuration: &'a Configuration) -> Result<Self> {
        let file = configuration.file(host, &step.file)?.ok_or_else(|| not_read(step, host))?;
        let scope = configuration.scope(file);
        let all = configuration.backends();
        let upstreams: BTreeSet<usize> = all
            .iter()
            .filter(|one| scope.contains(&one.file) && configuration.is_upstream(one))
            .filter_map(|one| configuration.upstream(&one.host))
            .collect();
        let belongs = |one: &Backend| {
            scope.contains(&one.file)
                || configuration
                    .around(one.statement, "upstream")
                    .is_some_and(|upstream| upstreams.contains(&upstream))
        };
        let mut places: Vec<Backend> =
            all.into_iter().filter(belongs).filter(|one| step.may_move(one)).collect();
        if step.listen {
            places.extend(configuration.listens().into_iter().filter(|one| scope.contains(&one.file)));
        }
        Ok(Site { step, configuration, scope, places })
    }

    fn naming(&self, port: u16) -> Vec<Backend> {
        self.places.iter().filter(|one| one.port == Some(port)).cloned().collect()
    }

    /// The files whose bytes matter: the site's own and those of its upstreams.
    fn paths(&self) -> Vec<HostPath> {
        let files: BTreeSet<usize> =
            self.scope.iter().copied().chain(self.places.iter().map(|one| one.file)).collect();
        files.into_iter().map(|file| self.configuration.files[file].path.clone()).collect()
    }

    /// Whether something must accept TCP connections at a place: not behind `listen`, a name that only nginx knows, UDP,
    /// or an upstream's server that is not used now.
    fn must_accept(&self, place: &Backend) -> bool {
        let statement = &self.configuration.statements[place.statement];
        let unused = ["down", "backup"].iter().any(|word| statement.has(word));
        let known = !place.host.is_empty() && !place.host.contains('$');
        known
            && !unused
            && place.directive != "listen"
            && !self.configuration.is_within(place.statement, "stream")
    }

    fn names_neither(&self) -> Failure {
        let NginxPort { file, from, to, .. } = self.step;
        let named: Vec<String> = self.places.iter().filter_map(|one| self.shown(one)).collect();
        let failure = Failure::new(
            format!("move port {from} to {to} in {file}"),
            format!("nothing there sends requests to port {from}, nor to {to}"),
        );
        match named.is_empty() {
            true => failure.hint("name the file that holds the proxy_pass, or nginx.conf"),
            false => failure.hint(format!("it names {}", named.join(", "))),
        }
    }

    fn shown(&self, place: &Backend) -> Option<String> {
        let port = place.port?;
        Some(format!("port {port} ({} at {})", place.directive, self.configuration.place(place.statement)))
    }

    /// Where the port may come from a `map` or the like, which holds values of every sort: said, not touched.
    fn left_alone(&self) -> Vec<String> {
        let blocks = ["map", "geo", "split_clients"];
        let port = format!(":{}", self.step.from);
        let inside = self.configuration.statements.iter().enumerate().filter(|(index, one)| {
            let block = one.parent.map(|parent| &self.configuration.statements[parent]);
            let values = block.is_some_and(|block| blocks.iter().any(|name| block.is(name)));
            values
                && self.scope.contains(&one.file)
                && one.words.iter().any(|word| word.text().ends_with(&port))
                && *index > 0
        });
        let told = inside.map(|(index, _)| {
            format!(
                "left alone: {} names port {} in a table of values",
                self.configuration.place(index),
                self.step.from
            )
        });
        told.collect()
    }
}

impl NginxPort {
    fn may_move(&self, place: &Backend) -> bool {
        let port = place.port.unwrap_or_default();
        self.addresses.is_empty() || self.addresses.iter().any(|address| place.is_at(address, port))
    }
}

fn not_read(step: &NginxPort, host: &dyn Probe) -> Failure {
    let doing = format!("move port {} to {} in {}", step.from, step.to, step.file);
    match host.stat(&step.file) {
        Ok(None) => Failure::new(doing, "there is no such file"),
        Err(failure) => failure,
        Ok(Some(_)) => Failure::new(doing, "nginx does not read this file: nothing includes it")
            .hint("name a file that is included, or enable the site first with a step of kind nginx_site"),
    }
}

fn slash() -> String {
    "/".to_string()
}

#[cfg(all(test, feature = "controller"))]
mod tests;
