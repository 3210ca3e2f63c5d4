//! The programs and files that a command of this machine names, before it runs: what they do is what we do.

use super::check;
use crate::model::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Refuses a line of shell text that names a program, or any file, that is not believed. Relative paths are relative to
/// `directory`. What the shell itself makes of it (`$HOME/bin/x`) is not looked through.
pub fn line(line: &str, directory: &Path) -> Result<()> {
    let apart = |letter: char| letter.is_whitespace() || "\"'`;|&<>(){}=$\\".contains(letter);
    line.split(apart).filter(|word| !word.is_empty()).try_for_each(|word| one(word, directory))
}

/// Refuses a command of words likewise.
pub fn words(words: &[String], directory: &Path) -> Result<()> {
    words.iter().try_for_each(|word| one(word, directory))
}

fn one(word: &str, directory: &Path) -> Result<()> {
    match found(word, directory) {
        Some(path) => check(&path, None, format!("use {}", path.display())),
        None => Ok(()),
    }
}

/// The file that a word names: by its path, or as a program of `PATH`.
fn found(word: &str, directory: &Path) -> Option<PathBuf> {
    if let Some(rest) = word.strip_prefix("~/") {
        return Some(PathBuf::from(std::env::var_os("HOME")?).join(rest)).filter(|path| path.is_file());
    }
    if word.contains('/') {
        return Some(directory.join(word)).filter(|path| path.is_file());
    }
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| directory.join(folder).join(word)).find(is_program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn programs_that_others_may_write_do_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("give");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o777)).unwrap();
        for text in ["./give x", "A=1 sh ./give", "true && './give'", &format!("cat <{}", program.display())]
        {
            let why = line(text, directory.path()).unwrap_err().why;
            assert!(why.starts_with("everyone may write to it (owner "), "{text}: {why}");
        }
        assert!(words(&["sh".into(), "./give".into()], directory.path()).is_err());
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        for text in ["./give x", "printf 'a b' >/dev/null", "~/nothing there", ""] {
            assert_eq!(line(text, directory.path()), Ok(()), "{text}");
        }
    }
}
