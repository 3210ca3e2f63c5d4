//! The nginx site whose requests go to the container: where its address stands, and the edits that replace it.

use crate::model::op::{Content, Meta, Op};
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use crate::nginx::{Backend, Configuration};
use crate::system::Probe;
use std::collections::BTreeSet;

/// A site of nginx's.
pub struct Site {
    configuration: Configuration,
    /// The places of this site that name an address, upstreams' names left out.
    places: Vec<Backend>,
    path: HostPath,
}

impl Site {
    /// Finds the site in all that nginx reads, beginning with `main`.
    pub fn of(
        host: &dyn Probe,
        configuration: Configuration,
        main: &HostPath,
        path: &HostPath,
    ) -> Result<Site> {
        if host.stat(path)?.is_none() {
            return Err(Failure::new(format!("read {path}"), "there is no such file").hint(
                "site is the nginx file on the host whose proxy_pass or upstream leads to the container",
            ));
        }
        let file = configuration.file(host, path)?.ok_or_else(|| {
            Failure::new(
                format!("look for {path} in nginx's configuration"),
                format!("{main} does not include it"),
            )
            .hint("link it into sites-enabled, or name what nginx reads")
        })?;
        let scope = configuration.scope(file);
        let mut places = configuration.backends();
        places.retain(|place| scope.contains(&place.file) && !configuration.is_upstream(place));
        Ok(Site { configuration, places, path: path.clone() })
    }

    /// Whether requests go to this port of the host itself, and none to `other`.
    pub fn leads_to(&self, port: u16, other: Option<u16>) -> bool {
        let leads = |port: u16| self.places.iter().any(|place| place.is_at("127.0.0.1", port));
        leads(port) && !other.is_some_and(leads)
    }

    /// The ops that let requests go to `port` in place of `from`: the old container's port, or the address that is
    /// named, or the only one there is.
    pub fn lead_to(&self, port: u16, from: Option<u16>, named: Option<&str>) -> Result<Vec<Op>> {
        let old =
            from.map(|old| self.at(|place| place.is_at("127.0.0.1", old))).filter(|old| !old.is_empty());
        let places = match (old, named) {
            (Some(old), _) => old,
            (None, _) if self.leads_to(port, None) => return Ok(Vec::new()),
            (None, Some(named)) => self.named(named)?,
            (None, None) => self.only()?,
        };
        let address = format!("127.0.0.1:{port}");
        let edits = places.iter().map(|place| place.with_address(&address)).collect();
        let write = |(path, bytes)| Op::Write { path, content: Content::Bytes(bytes), meta: Meta::default() };
        Ok(self.configuration.with(edits).into_iter().map(write).collect())
    }

    /// An address that a request to nginx itself can be sent to, with the name that leads to this site: `None` when it
    /// only listens with TLS.
    pub fn entrance(&self) -> Option<(u16, Option<String>)> {
        let file = self.configuration.files.iter().position(|file| file.path == self.path);
        let statements = &self.configuration.statements;
        let listens = self.configuration.listens();
        let plain = |one: &&Backend| {
            let words = &statements[one.statement].words;
            Some(one.file) == file && !words.iter().any(|word| word.text() == "ssl")
        };
        let listen = listens.iter().find(plain)?;
        let server = self.configuration.around(listen.statement, "server");
        let name = statements.iter().find(|one| one.is("server_name") && one.parent == server);
        let name =
            name.and_then(|one| one.argument(0)).filter(|name| !name.starts_with(['_', '*', '~', '.', '$']));
        Some((listen.port?, name.filter(|name| !name.is_empty())))
    }

    fn at(&self, fits: impl Fn(&Backend) -> bool) -> Vec<Backend> {
        self.places.iter().filter(|place| fits(place)).cloned().collect()
    }

    fn named(&self, address: &str) -> Result<Vec<Backend>> {
        let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.unwrap_or((address, 80));
        let found = self.at(|place| place.is_at(host, port));
        match found.is_empty() {
            true => Err(self.refused(&format!("no place in it names {address}"))),
            false => Ok(found),
        }
    }

    /// The one address to which the site's requests go.
    fn only(&self) -> Result<Vec<Backend>> {
        let addresses: BTreeSet<(&str, Option<u16>)> =
            self.places.iter().map(|place| (place.host.as_str(), place.port)).collect();
        match addresses.len() {
            1 => Ok(self.places.clone()),
            0 => Err(self.refused("no proxy_pass and no upstream in it names an address")),
            _ => {
                let told = self.places.iter().map(|place| {
                    let port = place.port.map(|port| format!(":{port}")).unwrap_or_default();
                    format!("{}{port} ({})", place.host, self.configuration.place(place.statement))
                });
                let told: BTreeSet<String> = told.collect();
                let told: Vec<String> = told.into_iter().collect();
                Err(self
                    .refused(&format!("its requests go to several addresses: {}", told.join(", ")))
                    .hint("set replaces to the address that the container takes over"))
            }
        }
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::new(format!("find the address to replace in {}", self.path), why)
    }
}
