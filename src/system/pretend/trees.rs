//! Whole trees that a pretended host has copied or moved: their files stay in the host underneath, under another path.

use super::{Bytes, Entry, Pretend};
use crate::model::op::{Effect, Meta};
use crate::model::{Failure, Result};
use crate::system::System;
use std::path::{Path, PathBuf};

/// A whole tree that stands, in memory, somewhere else than on the host underneath.
pub struct Moved {
    /// Where it stands now.
    at: PathBuf,
    /// Where the host underneath has it.
    under: PathBuf,
}

/// A tree: where the host underneath has it, and what is pretended of it, by the path from its root.
type Tree = (PathBuf, Vec<(PathBuf, Entry)>);

impl Pretend<'_> {
    /// Supposes one thing that a command does to files.
    pub fn take_effect(&self, effect: &Effect) -> Result<()> {
        match effect {
            Effect::Copies { from, to } => self.suppose_copied(from, to),
            Effect::Writes { path, bytes } => self.write(path, &mut &bytes[..], &Meta::default()),
            Effect::Removes { path } => {
                let path = self.canonical(path)?;
                self.take_below(&path);
                self.put(path, Entry::Missing);
                Ok(())
            }
        }
    }

    fn suppose_copied(&self, from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (self.followed(from)?, self.canonical(to)?);
        self.expect_parent(&to)?;
        let tree = self.tree(&from)?;
        self.take_below(&to);
        self.put_tree(to, tree);
        Ok(())
    }

    /// What stands at `path` and below it: where the host underneath has it, and what is pretended of it.
    fn tree(&self, path: &Path) -> Result<Tree> {
        let own = match self.stat_raw(path)? {
            Some(stat) => Entry::There(stat, self.held(path)?.unwrap_or(Bytes::Under)),
            None => Entry::Missing,
        };
        let paths = self.paths.borrow();
        let below = paths.iter().filter_map(|(other, entry)| Some((other.strip_prefix(path).ok()?, entry)));
        let mut entries = vec![(PathBuf::new(), own)];
        entries.extend(
            below
                .filter(|(rest, _)| !rest.as_os_str().is_empty())
                .map(|(rest, entry)| (rest.into(), entry.clone())),
        );
        Ok((self.beneath(path), entries))
    }

    fn put_tree(&self, to: PathBuf, (under, entries): Tree) {
        for (rest, entry) in entries {
            // Joining nothing would end the path with a slash.
            let path = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
            self.put(path, entry);
        }
        self.moved.borrow_mut().push(Moved { at: to, under });
    }

    fn take_below(&self, path: &Path) {
        self.paths.borrow_mut().retain(|other, _| !other.starts_with(path));
    }

    /// Where the host underneath has what stands at `path` here: as the last thing that was moved there says.
    pub(super) fn beneath(&self, path: &Path) -> PathBuf {
        let moved = self.moved.borrow();
        let found = moved.iter().rev().find_map(|one| Some((one, path.strip_prefix(&one.at).ok()?)));
        match found {
            Some((one, rest)) if rest.as_os_str().is_empty() => one.under.clone(),
            Some((one, rest)) => one.under.join(rest),
            None => path.to_path_buf(),
        }
    }

    /// Lets what stands at two paths, with all that is below, change places.
    pub(super) fn exchange_trees(&self, one: PathBuf, other: PathBuf) -> Result<()> {
        for path in [&one, &other] {
            if self.stat_raw(path)?.is_none() {
                return Err(Failure::new(format!("exchange {}", path.display()), "there is nothing"));
            }
        }
        let (first, second) = (self.tree(&one)?, self.tree(&other)?);
        self.take_below(&one);
        self.take_below(&other);
        self.put_tree(one, second);
        self.put_tree(other, first);
        Ok(())
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::system::Probe;
    use crate::testing::{host, text};

    fn copies(from: &str, to: &str) -> Effect {
        Effect::Copies { from: from.into(), to: to.into() }
    }

    #[test]
    fn a_copy_has_what_the_host_and_earlier_changes_gave_the_original() {
        let under = host(&[("/srv/app/a", "one"), ("/srv/app/deep/b", "two")]);
        let host = Pretend::over(&under);
        host.write(Path::new("/srv/app/c"), &mut &b"three"[..], &Meta::default()).unwrap();
        host.remove(Path::new("/srv/app/a")).unwrap();
        host.take_effect(&copies("/srv/app", "/srv/copy")).unwrap();
        host.write(Path::new("/srv/copy/deep/b"), &mut &b"new"[..], &Meta::default()).unwrap();
        assert_eq!(host.list(Path::new("/srv/copy")).unwrap(), ["c", "deep"]);
        assert_eq!(text(&host, "/srv/copy/c") + &text(&host, "/srv/copy/deep/b"), "threenew");
        assert_eq!(text(&host, "/srv/app/deep/b"), "two");
        host.take_effect(&Effect::Removes { path: "/srv/copy".into() }).unwrap();
        assert_eq!(host.stat(Path::new("/srv/copy/deep")).unwrap(), None);
    }

    #[test]
    fn a_directory_and_a_link_change_places() {
        let under = host(&[("/srv/app/a", "old"), ("/srv/new/a", "new")]);
        under.link(Path::new("/srv/link"), Path::new("/srv/new")).unwrap();
        under.settle();
        let host = Pretend::over(&under);
        host.exchange(Path::new("/srv/app"), Path::new("/srv/link")).unwrap();
        assert_eq!(text(&host, "/srv/app/a") + &text(&host, "/srv/link/a"), "newold");
        host.write(Path::new("/srv/link/a"), &mut &b"older"[..], &Meta::default()).unwrap();
        host.exchange(Path::new("/srv/app"), Path::new("/srv/link")).unwrap();
        assert_eq!(text(&host, "/srv/app/a") + &text(&host, "/srv/link/a"), "oldernew");
        assert!(host.exchange(Path::new("/srv/app"), Path::new("/srv/none")).is_err());
    }
}
