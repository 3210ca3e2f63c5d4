//! Whether the links of an archive stay inside what it unpacks.

use crate::model::tree::{Entry, Inside, TreeNode};
use crate::system::walk::LINK_LIMIT;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The links of an archive, by path.
pub struct Links<'a>(BTreeMap<&'a Path, &'a Path>);

impl<'a> Links<'a> {
    /// Those among the entries.
    pub fn of(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let link = |entry: &'a Entry| match &entry.what {
            TreeNode::Link(target) => Some((entry.path.as_path(), target.as_path())),
            _ => None,
        };
        Links(entries.filter_map(link).collect())
    }

    /// Why the link at `path` could lead out, also through other links; `None` when it stays inside.
    pub fn leads_out(&self, path: &Inside, target: &Path) -> Option<&'static str> {
        let mut place = path.as_path().parent().unwrap_or(Path::new("")).to_path_buf();
        self.walk(&mut place, target, &mut 0).err()
    }

    fn walk(&self, place: &mut PathBuf, target: &Path, links: &mut usize) -> Result<(), &'static str> {
        for part in target.components() {
            match part {
                Component::RootDir | Component::Prefix(_) => return Err("it leads to an absolute path"),
                Component::CurDir => {}
                Component::ParentDir if place.as_os_str().is_empty() => {
                    return Err("it leads out of the archive");
                }
                Component::ParentDir => drop(place.pop()),
                Component::Normal(name) => self.enter(place, Path::new(name), links)?,
            }
        }
        Ok(())
    }

    fn enter(&self, place: &mut PathBuf, name: &Path, links: &mut usize) -> Result<(), &'static str> {
        place.push(name);
        let Some(target) = self.0.get(place.as_path()) else { return Ok(()) };
        *links += 1;
        if *links > LINK_LIMIT {
            return Err("it goes through too many other links");
        }
        place.pop();
        self.walk(place, target, links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why the first of these links leads out; `a > b` is a link a to b.
    fn first(links: &[&str]) -> Option<&'static str> {
        let entry = |link: &&str| {
            let (path, target) = link.split_once(" > ").unwrap();
            let what = TreeNode::Link(target.into());
            Entry { path: Inside::new(path).unwrap(), what, mode: 0o777 }
        };
        let entries: Vec<Entry> = links.iter().map(entry).collect();
        let TreeNode::Link(target) = &entries[0].what else { unreachable!() };
        Links::of(entries.iter()).leads_out(&entries[0].path, target)
    }

    #[test]
    fn links_that_stay_inside_are_fine() {
        assert_eq!(first(&["a > b"]), None);
        assert_eq!(first(&["a/b/c > ../../d/./e"]), None);
        assert_eq!(first(&["a/b > ../c/d", "c > e/f"]), None);
    }

    #[test]
    fn links_that_lead_out_are_found_also_through_others() {
        let out = Some("it leads out of the archive");
        assert_eq!(first(&["a > .."]), out);
        assert_eq!(first(&["a/b > ../../c"]), out);
        assert_eq!(first(&["a > b/../../c", "b > d/e"]), None);
        assert_eq!(first(&["a > b/../c", "b > ."]), out);
        assert_eq!(first(&["x/y/a > b/../../z", "x/y/b > ../.."]), out);
        assert_eq!(first(&["a > /etc"]), Some("it leads to an absolute path"));
        assert_eq!(first(&["a > b", "b > /etc"]), Some("it leads to an absolute path"));
        assert_eq!(first(&["a > b", "b > a"]), Some("it goes through too many other links"));
    }
}
