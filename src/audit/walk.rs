//! The files of a tree, bounded.

use crate::javascript::view::View;
use crate::model::tree::Inside;
use crate::model::tree::pattern::Pattern;
use crate::model::{Failure, Result};
use crate::system::FileKind;
use std::path::{Path, PathBuf};

/// More files than this are no source tree; what hosts hold besides is chosen away with `exclude`.
const FILES_LIMIT: usize = 50_000;

/// Deeper directories are a mistake, or made to catch who walks them.
const DEPTH_LIMIT: usize = 64;

/// The regular files below the view's root, sorted, with their whole paths, without what `exclude` chooses.
/// Links are not followed: what they point to is audited where it is.
pub fn files(view: &View<'_>, exclude: &[Pattern]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(view.root().to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let names = view.names(&folder)?.ok_or_else(|| {
            Failure::new(format!("list {}", folder.display()), "it cannot be listed")
                .hint("become root there")
        })?;
        for path in names.iter().map(|name| folder.join(name)) {
            if is_excluded(view, &path, exclude) {
                continue;
            }
            match view.stat(&path)?.map(|stat| stat.kind) {
                Some(FileKind::File) => files.push(path),
                Some(FileKind::Dir) if depth < DEPTH_LIMIT => folders.push((path, depth + 1)),
                _ => {}
            }
            if files.len() > FILES_LIMIT {
                let why = format!("it has more than {FILES_LIMIT} files");
                return Err(Failure::new(format!("look through {}", view.root().display()), why)
                    .hint("use exclude to leave out what is not source code"));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_excluded(view: &View<'_>, path: &Path, exclude: &[Pattern]) -> bool {
    let inside = path.strip_prefix(view.root()).ok().and_then(|path| Inside::new(path).ok());
    inside.is_some_and(|inside| exclude.iter().any(|pattern| pattern.matches(&inside)))
}
