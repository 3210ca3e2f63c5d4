//! What templates look up on the controller: files of the project, the environment, commands, passwords.

use super::files::Files;
use crate::model::glob::Glob;
use crate::model::op::Command;
use crate::model::path::HostPath;
use crate::project::Project;
use crate::system::local::Local;
use crate::system::{Probe, reason};
use crate::template::{self, Fault, Moment, Outside};
use crate::trust;
use jiff::tz::TimeZone;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A command that a template runs here may take so long; many hosts may wait for it.
const COMMAND_TIME: Duration = Duration::from_secs(60);

/// At most this many files may fit a pattern.
const GLOB_LIMIT: usize = 10_000;

/// The controller, seen from a project.
#[derive(Debug)]
pub struct Controller {
    project: Project,
}

type Found<T> = Result<T, Fault>;

impl Controller {
    /// Of this project.
    pub fn new(project: &Project) -> Controller {
        Controller { project: project.clone() }
    }

    /// Below `files/`, `templates/` or the project itself; an absolute path is itself.
    fn find(&self, name: &str) -> PathBuf {
        let root = &self.project.root;
        let paths = [root.join("files").join(name), root.join(name)];
        let found = paths.iter().find(|path| path.exists());
        found.unwrap_or(&paths[1]).clone()
    }

    fn absolute(&self, path: &str) -> PathBuf {
        self.project.root.join(path)
    }
}

impl Outside for Controller {
    fn file(&self, name: &str) -> Found<String> {
        let text = Files::new(&self.project).text(name);
        text.map_err(Fault::of)
    }

    fn variable(&self, name: &str) -> Found<Option<String>> {
        template::variable(name)
    }

    fn pipe(&self, command: &str) -> Found<String> {
        trust::program::line(command, &self.project.root).map_err(Fault::of)?;
        let question = Command {
            directory: Some(HostPath::from(self.project.root.clone())),
            timeout: Some(COMMAND_TIME),
            environment: std::env::vars().collect(),
            ..Command::new(["/bin/sh", "-c", command])
        };
        let answer = Local::new().ask(&question).map_err(|failure| Fault::new(failure.why))?;
        if answer.status != 0 {
            let said = String::from_utf8_lossy(&answer.stderr);
            let said = said.lines().last().map_or(String::new(), |line| format!(": {line}"));
            return Err(Fault::new(format!("`{command}` ended with status {}{said}", answer.status)));
        }
        String::from_utf8(answer.stdout).map_err(|_| Fault::new(format!("`{command}` prints no UTF-8 text")))
    }

    fn password(&self, path: &str, make: &dyn Fn() -> String) -> Found<String> {
        if path == "/dev/null" {
            return Ok(make());
        }
        let path = self.absolute(path);
        let failed =
            |error: std::io::Error| Fault::new(format!("{}: {}", path.display(), reason::plain(&error)));
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let made = make();
        // Only one of several runs makes it; the others read what it made.
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                writeln!(file, "{made}").and_then(|()| file.sync_all()).map_err(failed)?;
                Ok(made)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let shown = path.display().to_string();
                let mut text = String::new();
                let mut file = trust::open(&path, Some(&self.project.root), &shown).map_err(Fault::of)?;
                file.read_to_string(&mut text).map_err(failed)?;
                let line = text.lines().next().unwrap_or_default();
                Ok(line.split(" salt=").next().unwrap_or_default().to_string())
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn path_is(&self, path: &str, what: &str) -> Found<bool> {
        let path = self.find(path);
        Ok(match what {
            "file" => path.is_file(),
            "directory" => path.is_dir(),
            "link" => path.is_symlink(),
            "link_exists" => path.symlink_metadata().is_ok(),
            "mount" => is_mount(&path),
            _ => path.exists(),
        })
    }

    fn real_path(&self, path: &str) -> Found<String> {
        Ok(real_path(&self.absolute(path)).display().to_string())
    }

    fn glob(&self, pattern: &str) -> Found<Vec<String>> {
        let whole = self.find(pattern);
        let mut found = vec![PathBuf::from("/")];
        for part in whole.components().skip(1) {
            let part = part.as_os_str().to_string_lossy();
            found = found.iter().flat_map(|path| matching(path, &part)).collect();
            if found.len() > GLOB_LIMIT {
                return Err(Fault::new(format!("more than {GLOB_LIMIT} files fit `{pattern}`")));
            }
        }
        let mut files: Vec<String> =
            found.into_iter().filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
        files.sort();
        Ok(files)
    }

    fn local(&self, moment: Moment) -> Moment {
        let seconds = moment.0.div_euclid(1_000_000);
        let timestamp =
            i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let offset = timestamp.map_or(0, |timestamp| TimeZone::system().to_offset(timestamp).seconds());
        Moment(moment.0 + i128::from(offset) * 1_000_000)
    }
}

fn is_mount(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    match (device(path), device(&path.join(".."))) {
        (Ok(own), Ok(above)) => own.0 != above.0 || own == above,
        _ => false,
    }
}

/// The entries of a directory that a part of a pattern names.
fn matching(directory: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        return vec![directory.join(part)];
    }
    let glob = Glob::new(part);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| part.starts_with('.') || !name.starts_with('.'))
        .filter(|name| glob.matches(name))
        .map(|name| directory.join(name))
        .collect()
}

/// Where a path leads, as `os.path.realpath` of Python has it: what does not exist is taken as it is written.
fn real_path(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            component => {
                real.push(component);
                real = fs::canonicalize(&real).unwrap_or(real);
            }
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_paths_are_those_of_python() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/inside")).unwrap();
        std::os::unix::fs::symlink("a/inside", top.join("link")).unwrap();
        for (path, real) in [
            ("link", "a/inside"),
            ("link/..", "a"),
            ("link/no/x", "a/inside/no/x"),
            ("no/../a", "a"),
            ("no/./x/../y", "no/y"),
        ] {
            assert_eq!(real_path(&top.join(path)), top.join(real), "{path}");
        }
        assert_eq!(real_path(Path::new("/no-such-directory/../b")), Path::new("/b"));
    }
}
