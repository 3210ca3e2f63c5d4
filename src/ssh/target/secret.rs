//! Where a password or a passphrase comes from.

use crate::model::failure::{Failure, Result};
use crate::ssh::config::tokens::tilde;
use crate::ssh::local;
use crate::trust;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Where a password or passphrase is read from, at the moment it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    /// The environment variable of this name.
    Environment(String),
    /// The first line of this file, which only we may read.
    File(PathBuf),
    /// The first line that this command prints.
    Command(String),
    /// The person who started the run, asked by a callback.
    Prompt,
    /// The project's secret of this name, which is put in its place before it is needed.
    Age(String),
    /// It is known.
    Known(Hidden),
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

/// What the commands said so far: a password manager is asked once, however many hosts want its answer.
static COMMANDS: LazyLock<local::Commands> = LazyLock::new(local::Commands::default);

impl SecretFrom {
    /// Reads `env:NAME`, `file:PATH`, `command:PROGRAM …`, `age:NAME` and `prompt`.
    pub fn parse(from: &str, home: &Path, doing: &str) -> Result<SecretFrom> {
        match from.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(SecretFrom::Environment(name.to_string())),
            None if from == "prompt" => Ok(SecretFrom::Prompt),
            Some(("file", path)) if !path.is_empty() => Ok(SecretFrom::File(tilde(path, home))),
            Some(("age", name)) if !name.is_empty() => Ok(SecretFrom::Age(name.to_string())),
            Some(("command", command)) if !command.trim().is_empty() => {
                Ok(SecretFrom::Command(command.trim().to_string()))
            }
            // What is no place may be the password itself, so it is not shown.
            _ => {
                Err(Failure::new(doing, "`password_from` and `passphrase_from` take a place, not a password")
                    .hint(
                        "use \"env:NAME\", \"file:PATH\", \"command:PROGRAM …\", \"age:NAME\" or \"prompt\"",
                    ))
            }
        }
    }

    /// The same with the project's secret in place of its name.
    pub fn revealed(&self, reveal: &dyn Fn(&str) -> Result<String>) -> Result<SecretFrom> {
        match self {
            SecretFrom::Age(name) => reveal(name).map(|text| SecretFrom::Known(Hidden(text))),
            from => Ok(from.clone()),
        }
    }

    /// The secret, where no person has to be asked. It may block.
    pub fn read(&self, doing: &str) -> Result<String> {
        match self {
            SecretFrom::Environment(name) => std::env::var(name)
                .map_err(|_| Failure::new(doing, format!("${name}, which holds it, is not set"))),
            SecretFrom::File(path) => {
                let doing = format!("{doing}: read {}", path.display());
                Ok(first_line(&trust::secret(path, None, doing)?))
            }
            SecretFrom::Command(command) => {
                let failed = |why: &str| Failure::new(doing, format!("`{command}`: {why}"));
                let ended = COMMANDS.shell(command, local::SECRET_DEADLINE).map_err(|why| failed(&why))?;
                match ended.success {
                    true => Ok(first_line(&String::from_utf8_lossy(&ended.stdout))),
                    false => Err(failed("it failed").hint("run it by hand to see why")),
                }
            }
            SecretFrom::Prompt => Err(Failure::new(doing, "there is no terminal to type it on")),
            SecretFrom::Known(text) => Ok(text.0.clone()),
            SecretFrom::Age(name) => {
                Err(Failure::new(doing, format!("age:{name} is read only in a run of a project")))
            }
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn read(from: &str) -> Result<String, String> {
        let from = SecretFrom::parse(from, Path::new("/home/ann"), "log in").map_err(|why| why.why)?;
        from.read("log in").map_err(|why| why.why)
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "secret\nrest\n").unwrap();
        let from = format!("file:{}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&from), Err(format!("others may read {}", path.display())));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&from), Ok("secret".to_string()));
        assert_eq!(read("command:printf 'a b\\nc'"), Ok("a b".to_string()));
        assert_eq!(read("command:false"), Err("`false`: it failed".to_string()));
        assert_eq!(
            read("env:NO_SUCH_VARIABLE"),
            Err("$NO_SUCH_VARIABLE, which holds it, is not set".to_string())
        );
    }

    #[test]
    fn what_is_no_place_is_not_shown() {
        for wrong in ["hunter2", "env:", "file:", "command: ", "ask:me"] {
            assert!(!read(wrong).unwrap_err().contains("hunter2"), "{wrong}");
        }
    }
}
