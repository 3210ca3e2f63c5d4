//! What templates of connection variables look up on the controller: the environment and files of the project.

use crate::project::Project;
use crate::template::{self, Fault, Moment, Outside};
use std::path::{Path, PathBuf};

type Found<T> = Result<T, Fault>;

/// The controller before any host is contacted.
#[derive(Debug)]
pub struct BeforeContact {
    project: Project,
}

impl BeforeContact {
    /// Of this project.
    pub fn new(project: &Project) -> BeforeContact {
        BeforeContact { project: project.clone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.root.join(name)
    }
}

/// What would run a program or write a file, for every host of an inventory and each time that it is read.
fn never<T>(what: &str) -> Found<T> {
    Err(Fault::new(format!("{what} while the inventory is read"))
        .hint("give it as a variable of the environment, and use lookup('env', 'NAME')"))
}

impl Outside for BeforeContact {
    fn file(&self, name: &str) -> Found<String> {
        let read = self.project.read(Path::new(name));
        Ok(read.map_err(Fault::of)?.text.clone())
    }

    fn variable(&self, name: &str) -> Found<Option<String>> {
        template::variable(name)
    }

    fn pipe(&self, command: &str) -> Found<String> {
        never(&format!("`{command}` is not run"))
    }

    fn password(&self, path: &str, _: &dyn Fn() -> String) -> Found<String> {
        never(&format!("no password is created in {path}"))
    }

    fn path_is(&self, path: &str, what: &str) -> Found<bool> {
        let path = self.path(path);
        match what {
            "exists" => Ok(path.exists()),
            "file" => Ok(path.is_file()),
            "directory" => Ok(path.is_dir()),
            "link" => Ok(path.is_symlink()),
            "link_exists" => Ok(path.symlink_metadata().is_ok()),
            other => never(&format!("`{other}` is not looked up")),
        }
    }

    fn real_path(&self, path: &str) -> Found<String> {
        let real = self.path(path).canonicalize();
        real.map(|real| real.display().to_string()).map_err(|error| Fault::new(format!("{path}: {error}")))
    }

    fn glob(&self, pattern: &str) -> Found<Vec<String>> {
        never(&format!("files that fit `{pattern}` are not looked up"))
    }

    fn local(&self, moment: Moment) -> Moment {
        moment
    }
}
