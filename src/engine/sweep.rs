//! Clears up after a run that was cut off: a process that is killed while files wait beside their places leaves them there.

use super::entry::{Entry, Left, Reversal};
use super::guard::Watch;
use super::journal;
use super::state_dir::StateDir;
use crate::model::Result;
use crate::model::job::RunId;
use crate::model::path::HostPath;
use crate::system::{self, Probe, System};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

/// Enough of a journal's end to hold its last line, in bytes.
const TAIL: u64 = 64 * 1024;

/// Removes what `run` left beside the files that it was about to write, unless it came to its end. The host's lock must
/// be ours: its holder may be about to use such a file.
pub fn sweep(host: &dyn System, state: &StateDir, run: &RunId) -> Result<()> {
    if has_ended(host, &state.journal(run))? {
        return Ok(());
    }
    for (folder, names) in about_to_write(&journal::read(host, state, run)?.unwrap_or_default()) {
        let (folder, within) = folder;
        host.together(within.as_ref().map(HostPath::as_path), &mut || {
            remove_left(host, &folder, &|name| names.iter().any(|of| system::is_temporary_of(name, of)))
        })?;
    }
    let undo = state.saved(run);
    remove_left(host, &undo, &|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Removes what is left beside the files of the state directory itself.
pub fn sweep_state(host: &dyn System, state: &StateDir) -> Result<()> {
    let is_left = |name: &OsString| {
        let stems = [&state.unfinished(), &state.epochs(), &state.handlers()]
            .map(|path| path.file_name().map(OsString::from));
        stems.iter().flatten().any(|of| system::is_temporary_of(name, of))
    };
    remove_left(host, state.path(), &is_left)?;
    remove_left(host, &state.armed(), &|name| name.as_encoded_bytes().starts_with(b"."))
}

/// A run without a journal changed nothing.
fn has_ended(host: &dyn Probe, journal: &HostPath) -> Result<bool> {
    let Some(stat) = host.stat(journal)? else { return Ok(true) };
    let tail = host.read_at(journal, stat.size.saturating_sub(TAIL), TAIL as usize)?;
    let last = tail.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    Ok(last.is_some_and(|line| matches!(serde_json::from_slice(line), Ok(Entry::End { .. }))))
}

/// A directory, and the one below which no link may be followed on the way there.
type Where = (HostPath, Option<HostPath>);

/// The names of files that were about to be written, by directory.
fn about_to_write(entries: &[Entry]) -> BTreeMap<Where, BTreeSet<OsString>> {
    let mut folders: BTreeMap<Where, BTreeSet<OsString>> = BTreeMap::new();
    for entry in entries {
        let (paths, within) = match entry {
            Entry::Intent {
                reversal: Reversal::Restore { path, left: Left::File(_) | Left::Link(_), .. },
                within,
                ..
            } => (vec![path.clone()], within.clone()),
            Entry::Undoing { writes, within } => (writes.clone(), within.clone()),
            Entry::Armed { change, .. } => (guard_files(entries, *change), None),
            _ => continue,
        };
        for path in paths {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let place = (HostPath::from(parent), within.clone());
            folders.entry(place).or_default().insert(name.to_os_string());
        }
    }
    folders
}

/// What arming the changes after this one writes outside of the state directory.
fn guard_files(entries: &[Entry], change: u32) -> Vec<HostPath> {
    let run = entries.iter().find_map(|entry| match entry {
        Entry::Start { run, .. } => Some(run.clone()),
        _ => None,
    });
    run.map(|run| Watch { run, change }.unit_files()).unwrap_or_default()
}

fn remove_left(host: &dyn System, folder: &Path, is_left: &dyn Fn(&OsString) -> bool) -> Result<()> {
    if host.stat(folder)?.is_none_or(|stat| stat.kind != system::FileKind::Dir) {
        return Ok(());
    }
    for name in host.list(folder)?.iter().filter(|name| is_left(name)) {
        host.remove(&folder.join(name))?;
    }
    Ok(())
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::engine::state_dir::StateDir;
    use crate::model::job::RunId;
    use crate::testing::host;
    use std::path::Path;

    const INTENT: &str = r#"{"intent":{"change":1,"step":0,"what":"write","back":{"restore":{"path":"/d/a","before":[],"left":{"file":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}}}}"#;

    /// What is left of two files after a run with this journal.
    fn left(journal: &str) -> [bool; 3] {
        let paths = [
            "/d/.a.windlass-0123abcd",
            "/d/.b.windlass-0123abcd",
            "/var/lib/windlass/runs/1-a/undo/.x.windlass-1",
        ];
        let mut files = vec![("/var/lib/windlass/runs/1-a/journal", journal)];
        files.extend(paths.map(|path| (path, "")));
        let host = host(&files);
        let run = RunId::try_from("1-a".to_string()).unwrap();
        super::sweep(&host, &StateDir::at("/var/lib/windlass".into()), &run).unwrap();
        paths.map(|path| crate::system::Probe::stat(&host, Path::new(path)).unwrap().is_some())
    }

    #[test]
    fn only_what_a_cut_off_run_was_about_to_write_is_removed() {
        assert_eq!(left(&format!("{INTENT}\n")), [false, true, false]);
        assert_eq!(left(&format!("{INTENT}\n{{\"torn")), [false, true, false]);
        assert_eq!(left(&format!("{INTENT}\n{{\"end\":{{\"outcome\":\"changed\"}}}}\n")), [true, true, true]);
    }

    #[test]
    fn what_a_killed_undo_was_about_to_write_is_removed() {
        assert_eq!(left("{\"undoing\":{\"writes\":[\"/d/b\"]}}\n"), [true, false, false]);
    }
}
