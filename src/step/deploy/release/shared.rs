//! What the app itself writes and every release shares: uploads, a database, `.env`. It is moved once to a directory
//! beside the releases, and each release has a link to it.

use super::shelf::Shelf;
use crate::model::op::{Meta, Op};
use crate::model::path::HostPath;
use crate::model::tree::Inside;
use crate::model::tree::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::step::WrongKey;
use crate::system::{FileKind, Probe};
use crate::wanted;
use serde::Deserialize;

/// A path that every release shares. One that ends with `/` is a directory, made where it is missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "controller", schemars(with = "String"))]
#[serde(try_from = "String")]
pub struct Shared {
    path: Inside,
    is_dir: bool,
}

impl TryFrom<String> for Shared {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.strip_suffix('/').unwrap_or(&text);
        Ok(Shared { path: Inside::new(bare.to_string())?, is_dir: bare.len() < text.len() })
    }
}

/// Refuses what is inside another: it is shared with it already.
pub fn check(all: &[Shared]) -> Result<(), WrongKey> {
    let inside =
        |one: &Shared| all.iter().any(|other| one != other && one.path.as_path().starts_with(&other.path));
    match all.iter().position(inside) {
        Some(index) => Err(WrongKey::new(&format!("shared[{index}]"), "it is inside another one of them")),
        None => Ok(()),
    }
}

/// The source has no say in what is shared.
pub fn patterns(all: &[Shared]) -> Result<Vec<Pattern>> {
    let pattern = |shared: &Shared| Pattern::try_from(format!("/{}", shared.path));
    all.iter()
        .map(pattern)
        .collect::<Result<_, String>>()
        .map_err(|why| Failure::new("leave out what is shared", why))
}

/// What makes every shared path of a tree a link. What stands there is moved without ever being missing: it changes
/// places with a link that was made where it is to be.
pub fn ops(host: &dyn Probe, shelf: &Shelf, tree: &HostPath, all: &[Shared]) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for shared in all {
        ops.extend(one(host, shelf, tree, shared, &ops)?);
    }
    Ok(ops)
}

fn one(host: &dyn Probe, shelf: &Shelf, tree: &HostPath, shared: &Shared, before: &[Op]) -> Result<Vec<Op>> {
    let place = HostPath::from(format!("{}.shared", shelf.dest)).join(&shared.path);
    let path = tree.join(&shared.path);
    let (there, kept) = (host.stat(&path)?, host.stat(&place)?);
    let is_linked = there.as_ref().is_some_and(|stat| stat.target.as_deref() == Some(place.as_path()));
    if is_linked && (kept.is_some() || !shared.is_dir) {
        return Ok(Vec::new());
    }
    let mut ops = parents(host, &place, before)?;
    ops.extend(parents(host, &path, before)?);
    let link = |path: &HostPath| Op::Link { path: path.clone(), target: place.clone() };
    match (there, kept) {
        (None, None) if shared.is_dir => {
            let like = host.stat(tree)?.map(|stat| stat.meta()).unwrap_or_default();
            ops.extend([Op::Dir { path: place.clone(), meta: Meta { mode: None, ..like } }, link(&path)]);
        }
        (None, _) => ops.push(link(&path)),
        (Some(stat), None) if stat.kind != FileKind::Link => {
            ops.extend([link(&place), Op::Exchange { one: path.clone(), other: place.clone() }]);
        }
        (Some(stat), _) if stat.kind == FileKind::Link => ops.push(link(&path)),
        (Some(stat), Some(_)) => {
            let why = format!("a {} is there, and {place} is there too", stat.kind.as_str());
            return Err(Failure::new(format!("share {path}"), why)
                .hint("see which one is right and remove the other"));
        }
        (Some(_), None) => ops.push(link(&path)),
    }
    Ok(ops)
}

/// Directories above a path, but for those that are to be made already.
fn parents(host: &dyn Probe, path: &HostPath, before: &[Op]) -> Result<Vec<Op>> {
    Ok(wanted::parents(host, path)?.into_iter().filter(|op| !before.contains(op)).collect())
}
