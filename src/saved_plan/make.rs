//! Makes a plan of the jobs of a dry run and of what the hosts said.

use super::veil::Veil;
use super::{HostPart, Piece, PlannedHost, SavedPlan, SecretSource, file};
use crate::model::digest::Digest;
use crate::model::event::StepEnded;
use crate::model::job::{HostWork, Planning};
use crate::model::{Doing, Failure, Result};
use crate::redact::SHORTEST;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Files up to this size are searched for secrets, in bytes: configuration is smaller, programs and images are larger.
const SEARCHED: u64 = 1 << 20;

const DOING: &str = "make the plan";

/// All that a plan is made of.
pub struct Made<'a> {
    /// The plan without its hosts, trees, secrets and contents.
    pub plan: SavedPlan,
    /// The jobs of the dry run, in the order of its hosts.
    pub parts: Vec<HostPart>,
    /// How their steps ended, without secrets.
    pub steps: BTreeMap<String, Vec<StepEnded>>,
    /// Where a secret of a host comes from.
    pub source: &'a dyn Fn(&str, &str) -> Option<SecretSource>,
}

impl Made<'_> {
    /// Writes it. The digest names the file.
    pub fn write(mut self, path: &Path) -> Result<(SavedPlan, Digest)> {
        let secrets = self.name_secrets()?;
        let veil = Veil::of(&secrets);
        let pieces = self.pieces(&veil)?;
        self.plan.contents = pieces.iter().map(|(piece, _)| piece.clone()).collect();
        for part in &self.parts {
            let host =
                planned_host(part, &veil, &secrets, self.steps.remove(&part.host).unwrap_or_default())?;
            self.plan
                .trees
                .extend(part.work.trees.iter().map(|(digest, tree)| (digest.clone(), tree.clone())));
            self.plan.hosts.push(host);
        }
        let digest = file::write(path, &self.plan, &mut |out| {
            pieces.iter().try_for_each(|(piece, bytes)| self.copy(piece, bytes.as_deref(), out))
        })?;
        Ok((self.plan, digest))
    }

    /// All secrets of all hosts, each once; the plan names where they come from.
    fn name_secrets(&mut self) -> Result<Vec<String>> {
        let mut known = BTreeSet::new();
        let mut all = Vec::new();
        for part in &self.parts {
            for secret in part.work.secrets.iter().filter(|secret| known.insert(secret.to_string())) {
                if secret.chars().count() < SHORTEST {
                    let why = format!("a secret of {} has fewer than {SHORTEST} characters", part.host);
                    return Err(Failure::new(DOING, why)
                        .hint("it cannot be distinguished from other text; use a longer one"));
                }
                let source = (self.source)(&part.host, secret).ok_or_else(|| {
                    let why = format!("a secret of {} is not the value of a param", part.host);
                    Failure::new(DOING, why).hint("give it as a param of type secret: env:NAME or file:PATH")
                })?;
                self.plan.secrets.push(source);
                all.push(secret.clone());
            }
        }
        Ok(all)
    }

    /// What files the jobs need, each once; those that hold secrets with their bytes.
    fn pieces(&self, veil: &Veil) -> Result<Vec<(Piece, Option<Vec<u8>>)>> {
        let mut pieces: BTreeMap<Digest, (Piece, Option<Vec<u8>>)> = BTreeMap::new();
        for part in &self.parts {
            if !part.contents.backups.is_empty() {
                let failure = Failure::new(DOING, format!("a step of {} restores a backup", part.host));
                return Err(failure.hint("a plan holds all that it needs, and a backup stays in its store"));
            }
            let inline = part.work.assets.iter().map(|asset| &asset.asset.digest);
            let trees = part.contents.trees.iter().flat_map(|tree| tree.keys());
            for digest in inline.chain(part.contents.files.keys()).chain(trees) {
                if !pieces.contains_key(digest) {
                    pieces.insert(digest.clone(), piece(part, digest, veil)?);
                }
            }
        }
        Ok(pieces.into_values().collect())
    }

    fn copy(&self, piece: &Piece, bytes: Option<&[u8]>, out: &mut File) -> Result<()> {
        let doing = "write a file into the plan";
        if let Some(bytes) = bytes {
            return out.write_all(bytes).doing(doing);
        }
        let mut found = self.parts.iter().filter_map(|part| open(part, &piece.digest).ok());
        let mut content = found.next().ok_or_else(|| Failure::new(doing, "it is gone"))?;
        let copied = io::copy(&mut content, out).doing(doing)?;
        match copied == piece.size {
            true => Ok(()),
            false => {
                Err(Failure::new(doing, "a file of the project was changed meanwhile").hint("try again"))
            }
        }
    }
}

fn planned_host(
    part: &HostPart,
    veil: &Veil,
    secrets: &[String],
    steps: Vec<StepEnded>,
) -> Result<PlannedHost> {
    let own = |secret: &String| part.work.secrets.contains(secret);

    let bare = HostWork {
        assets: Vec::new(),
        trees: BTreeMap::new(),
        secrets: Vec::new(),
        planning: Planning::No,
        ..part.work.clone()
    };
    Ok(PlannedHost {
        name: part.host.clone(),
        work: veil.drape(serde_json::to_value(bare).doing(DOING)?)?,
        secrets: (0..secrets.len()).filter(|number| own(&secrets[*number])).collect(),
        assets: part.work.assets.iter().map(|asset| asset.asset.digest.clone()).collect(),
        trees: part.work.trees.keys().cloned().collect(),
        steps,
    })
}

/// A file, and its bytes when a secret in it was replaced by its place.
fn piece(part: &HostPart, digest: &Digest, veil: &Veil) -> Result<(Piece, Option<Vec<u8>>)> {
    let mut head = Vec::new();
    let mut content = open(part, digest)?;
    (&mut content).take(SEARCHED + 1).read_to_end(&mut head).doing(DOING)?;
    let rest = io::copy(&mut content, &mut io::sink()).doing(DOING)?;
    let size = head.len() as u64 + rest;
    let plain = Piece { digest: digest.clone(), size, veiled: false };
    if size > SEARCHED {
        return Ok((plain, None));
    }
    let Ok(text) = std::str::from_utf8(&head) else { return Ok((plain, None)) };
    let covered = veil.cover(text);
    match covered == text {
        true => Ok((plain, None)),
        false => {
            let size = covered.len() as u64;
            Ok((Piece { size, veiled: true, ..plain }, Some(covered.into_bytes())))
        }
    }
}

fn open<'a>(part: &'a HostPart, digest: &Digest) -> Result<Box<dyn Read + 'a>> {
    let inline = part.work.assets.iter().find(|asset| asset.asset.digest == *digest);
    match inline {
        Some(asset) => Ok(Box::new(&asset.bytes[..])),
        None => Ok(part.contents.open(digest)?),
    }
}
