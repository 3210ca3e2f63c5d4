//! Changes of files that can be made together: with one entry of the journal's disk time, and few syncs.

use crate::model::op::Op;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// So many changes are made together at most: what is intended and not yet done stays small, and progress is seen.
const CHANGES: usize = 1000;

/// How many ops from the beginning of `ops` can be made together; 0 when the first one changes no file.
///
/// How each is rolled back is written down before any of them is made, so none may depend on an earlier one's effect:
/// the same path does not come twice, and of two paths one inside the other the outer is only a directory that is made,
/// dressed, or removed once it is empty.
pub fn length(ops: &[Op]) -> usize {
    let mut touched = Touched::default();
    let fits = |op: &&Op| op.path().is_some_and(|path| touched.add(path, leaves_inside_alone(op)));
    ops.iter().take(CHANGES).take_while(fits).count()
}

fn leaves_inside_alone(op: &Op) -> bool {
    matches!(op, Op::Dir { .. } | Op::Meta { .. } | Op::RemoveEmpty { .. })
}

/// Paths that changes of a batch touch.
#[derive(Default)]
pub struct Touched {
    paths: BTreeMap<PathBuf, bool>,
}

impl Touched {
    /// Adds a path unless a change of it depends on an earlier one. `harmless`: the change leaves what is inside the
    /// path as it is.
    pub fn add(&mut self, path: &Path, harmless: bool) -> bool {
        let has_harm = |above: &Path| self.paths.get(above).is_some_and(|harmless| !harmless);
        if self.paths.contains_key(path) || path.ancestors().skip(1).any(has_harm) {
            return false;
        }
        let mut after = self.paths.range(path.to_path_buf()..);
        if !harmless && after.next().is_some_and(|(next, _)| next.starts_with(path)) {
            return false;
        }
        self.paths.insert(path.to_path_buf(), harmless);
        true
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::model::op::{Command, Content, Meta};

    fn write(path: &str) -> Op {
        Op::Write { path: path.into(), content: Content::Bytes(Vec::new()), meta: Meta::default() }
    }

    fn dir(path: &str) -> Op {
        Op::Dir { path: path.into(), meta: Meta::default() }
    }

    fn remove(path: &str) -> Op {
        Op::Remove { path: path.into() }
    }

    #[test]
    fn what_does_not_depend_on_each_other_goes_together() {
        assert_eq!(length(&[dir("/a"), dir("/a/b"), write("/a/b/c"), write("/a.b"), remove("/z")]), 5);
        assert_eq!(length(&[write("/a"), write("/b"), write("/a")]), 2);
        assert_eq!(length(&[write("/a/b"), remove("/a")]), 1);
        assert_eq!(length(&[remove("/a"), dir("/a")]), 1);
        assert_eq!(length(&[remove("/a/b"), remove("/a/c"), Op::RemoveEmpty { path: "/a".into() }]), 3);
        assert_eq!(length(&[remove("/a"), write("/a/b")]), 1);
        assert_eq!(length(&[Op::from(Command::new(["true"])), write("/a")]), 0);
        assert_eq!(length(&[write("/a"), Op::from(Command::new(["true"]))]), 1);
        let link = Op::Link { path: "/a".into(), target: "/b".into() };
        assert_eq!(length(&[link, write("/a/b")]), 1);
    }

    #[test]
    fn a_batch_has_an_end() {
        let many: Vec<Op> = (0..3000).map(|number| write(&format!("/{number}"))).collect();
        assert_eq!(length(&many), CHANGES);
    }
}
