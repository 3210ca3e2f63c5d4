//! The patterns of `include`: `*`, `?` and `[…]` in any part of a path, as glob(3) takes them.

use crate::model::Result;
use crate::model::path::HostPath;
use crate::system::{FileKind, Probe};
use crate::wanted;
use std::path::{Component, Path};

/// Whether a path is a pattern.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The paths that match, in the order in which nginx reads them.
pub fn expand(host: &dyn Probe, pattern: &HostPath) -> Result<Vec<HostPath>> {
    let mut found = vec![HostPath::from("/")];
    for part in pattern.components() {
        let Component::Normal(part) = part else { continue };
        let part = part.to_string_lossy();
        let mut next = Vec::new();
        for folder in &found {
            next.extend(below(host, folder, &part)?);
        }
        found = next;
    }
    Ok(found)
}

fn below(host: &dyn Probe, folder: &HostPath, part: &str) -> Result<Vec<HostPath>> {
    let exists = |path: &HostPath| host.stat(&wanted::followed(host, path)?);
    if !is_pattern(part) {
        let path = folder.join(part);
        return Ok(exists(&path)?.map(|_| path).into_iter().collect());
    }
    if exists(folder)?.is_none_or(|stat| stat.kind != FileKind::Dir) {
        return Ok(Vec::new());
    }
    let names = host.list(folder)?;
    let fits = |name: &&std::ffi::OsString| matches(part.as_bytes(), name.as_encoded_bytes());
    Ok(names.iter().filter(fits).map(|name| folder.join(Path::new(name))).collect())
}

/// Whether a file's name matches. A leading dot must be written.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    fits(pattern, name)
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on when what follows the last `*` does not fit: one byte more belongs to it.
    let (mut at, mut of, mut back) = (0, 0, None);
    loop {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, of));
                at += 1;
                continue;
            }
            None if of == name.len() => return true,
            Some(_) if of < name.len() => {
                if let Some(after) = one(pattern, at, name[of]) {
                    (at, of) = (after, of + 1);
                    continue;
                }
            }
            _ => {}
        }
        match back {
            Some((star, from)) if from < name.len() => {
                back = Some((star, from + 1));
                (at, of) = (star + 1, from + 1);
            }
            _ => return false,
        }
    }
}

/// Behind the part of the pattern at `at` when it takes this byte.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(at + 1),
        b'[' => match class(pattern, at) {
            Some((set, after)) => set.takes(byte).then_some(after),
            None => (byte == b'[').then_some(at + 1),
        },
        other => (other == byte).then_some(at + 1),
    }
}

/// `[abc]`, `[a-z]`, `[!a]`.
struct Class<'a> {
    negated: bool,
    inside: &'a [u8],
}

impl Class<'_> {
    fn takes(&self, byte: u8) -> bool {
        let (mut at, mut found) = (0, false);
        while at < self.inside.len() {
            let range = self.inside.get(at + 1) == Some(&b'-') && at + 2 < self.inside.len();
            let last = self.inside[if range { at + 2 } else { at }];
            found |= (self.inside[at]..=last).contains(&byte);
            at += if range { 3 } else { 1 };
        }
        found != self.negated
    }
}

fn class(pattern: &[u8], at: usize) -> Option<(Class<'_>, usize)> {
    let negated = matches!(pattern.get(at + 1), Some(b'!' | b'^'));
    let start = at + 1 + usize::from(negated);
    // A `]` right at the beginning is one of the letters.
    let length = pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')? + 1;
    Some((Class { negated, inside: &pattern[start..start + length] }, start + length + 1))
}
