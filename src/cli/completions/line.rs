//! The command line that is being typed: which project, inventory and playbook it speaks of.

use crate::cli::no_project;
use crate::inventory::Inventory;
use crate::playbook::Playbook;
use crate::project::Project;
use std::path::{Path, PathBuf};

/// The words that are there so far, the one at the cursor included.
pub struct Line {
    words: Vec<String>,
}

impl Line {
    /// That of this process: a shell's script gives it behind `--`.
    pub fn of_process() -> Line {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        Line { words: words.map(|word| word.to_string_lossy().into_owned()).collect() }
    }

    /// The project, or the current directory where there is none. Nothing is asked: secrets that need a passphrase stay
    /// closed.
    pub fn project(&self) -> Option<Project> {
        let here = std::env::current_dir().ok()?;
        let named = self.values("--project", "--project").pop();
        if named.is_none() && !Project::is_near(&here) {
            return Some(no_project(&here));
        }
        Project::find(named.as_deref().map(Path::new), &here).ok()
    }

    /// The inventory as far as it is files: a program that prints one may take long, and is not run for a Tab.
    pub fn inventory(&self) -> Option<Inventory> {
        let named = self.values("-i", "--inventory").into_iter().map(PathBuf::from).collect::<Vec<_>>();
        Inventory::load_files(&self.project()?, &named).ok()
    }

    /// The playbook that is to be run or planned.
    pub fn playbook(&self) -> Option<Playbook> {
        let at = self.words.iter().position(|word| word == "playbook")?;
        Playbook::find(&self.project()?, self.words.get(at + 1)?).ok()
    }

    /// The kind of the one step that is to be run.
    pub fn step_kind(&self) -> Option<&str> {
        let at = self.words.iter().position(|word| word == "step")?;
        self.words.get(at + 1).map(String::as_str)
    }

    /// What is given for an option: `-i a`, `--inventory a`, `--inventory=a`.
    fn values(&self, short: &str, long: &str) -> Vec<String> {
        let pairs = self.words.iter().zip(self.words.iter().skip(1));
        let behind =
            pairs.filter(|(word, _)| *word == short || *word == long).map(|(_, value)| value.clone());
        let joined = self
            .words
            .iter()
            .filter_map(|word| Some(word.strip_prefix(long)?.strip_prefix('=')?.to_string()));
        behind.chain(joined).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_each_of_their_forms() {
        let words = "windlass run -i a --inventory b --inventory=c --inventories=d".split(' ');
        let line = Line { words: words.map(str::to_string).collect() };
        assert_eq!(line.values("-i", "--inventory"), ["a", "b", "c"]);
    }
}
