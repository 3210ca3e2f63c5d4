//! `windlass secrets`: the encrypted files `secrets/*.toml.age` of a project.

use super::{Done, Global, Stop, answer, answer_json};
use crate::model::{Failure, Value};
use crate::project::Project;
use crate::report::Format;
use crate::secrets::{Document, Lock, MAIN, Recipients, path_of};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

mod edit;
mod init;
mod rotate;
mod set;

/// Keep secrets in the project, encrypted with age: secrets/*.toml.age
///
/// A playbook or inventory uses one by `[secrets]` with `NAME = "age:NAME"`. The recipients of files are in windlass.toml:
/// [secrets] recipients (age and ssh public keys), and the key to read them with: identity (a file, an ssh key, or
/// "command:PROGRAM …")
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start keeping secrets: create a key where there is none, and write [secrets] into windlass.toml
    Init {
        /// The recipients of files, instead of a key of your own: `age1…`, `ssh-ed25519 …`, or a .pub file
        #[arg(long = "recipient", value_name = "KEY|FILE")]
        recipients: Vec<String>,
        /// The key to read them with, where it is not one of the usual files
        #[arg(long, value_name = "FILE|command:…")]
        identity: Option<String>,
    },
    /// Edit a file in $VISUAL or $EDITOR; the decrypted text is in a private directory meanwhile
    Edit {
        /// Its name: `main` is secrets/main.toml.age
        #[arg(default_value = MAIN)]
        file: String,
    },
    /// List the names of all secrets, or print one
    Show {
        /// The secret to print; a table is printed as JSON
        name: Option<String>,
    },
    /// Set a secret to what is typed, or read from standard input; never given as an argument
    Set {
        /// Its name: `KEY`, or `TABLE.KEY`
        name: String,
        /// The file for a new secret [default: main]
        #[arg(long, value_name = "NAME")]
        file: Option<String>,
    },
    /// Encrypt all files again, for the recipients that windlass.toml names now
    Rotate {
        /// Even when none of your own keys can read them afterwards
        #[arg(long)]
        force: bool,
    },
}

/// Does it.
pub fn run(args: Args, global: &Global) -> Done {
    let project = global.open_project()?;
    match args.command {
        Command::Init { recipients, identity } => init::run(&project, &recipients, identity.as_deref()),
        Command::Edit { file } => edit::run(&project, &file),
        Command::Show { name: None } => list(&project, global),
        Command::Show { name: Some(name) } => show(&project, &name, global),
        Command::Set { name, file } => set::run(&project, &name, file.as_deref()),
        Command::Rotate { force } => rotate::run(&project, force),
    }
}

fn list(project: &Project, global: &Global) -> Done {
    let documents = project.vault.documents().map_err(Stop::misused)?;
    let all = documents.iter().flat_map(|document| {
        document.names().into_iter().map(|name| (name, document.name.as_str())).collect::<Vec<_>>()
    });
    if global.format() != Format::Human {
        let all = all.map(|(name, file)| json!({ "name": name, "file": file }));
        return answer_json(&Value::from_iter(all));
    }
    let listed: String = all.map(|(name, file)| format!("{name}  ({file})\n")).collect();
    match listed.is_empty() {
        true => answer("this project has no secrets; start with: windlass secrets init\n"),
        false => answer(&listed),
    }
}

fn show(project: &Project, name: &str, global: &Global) -> Done {
    let (_, value) = project.vault.find(name).map_err(Stop::misused)?;
    match (global.format(), value) {
        (Format::Human, Value::String(text)) => answer(&format!("{text}\n")),
        _ => answer_json(value),
    }
}

/// The recipients of this project's files.
fn recipients(project: &Project, doing: &str) -> Result<Recipients, Stop> {
    let texts = &project.config.secrets.recipients;
    if texts.is_empty() {
        let failure = Failure::new(doing, "windlass.toml names no recipients");
        return Err(Stop::misused(failure.hint("start with: windlass secrets init")));
    }
    Recipients::parse(texts).map_err(|why| Stop::misused(Failure::new(doing, why)))
}

/// A file that is to be changed: its text, and its bytes as they were read. Empty where it is new.
struct Draft {
    path: PathBuf,
    sealed: Option<Vec<u8>>,
    text: String,
}

impl Draft {
    fn open(project: &Project, file: &str) -> Result<Draft, Stop> {
        let documents = project.vault.documents().map_err(Stop::misused)?;
        if let Some(Document { path, sealed, text, .. }) = documents.iter().find(|known| known.name == file) {
            return Ok(Draft { path: path.clone(), sealed: Some(sealed.clone()), text: text.clone() });
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if file.is_empty() || !file.bytes().all(fits) {
            let failure = Failure::new(format!("name a secrets file {file:?}"), "it is not a plain name");
            return Err(Stop::misused(
                failure.hint("use letters, digits, `-` and `_`; `main` is secrets/main.toml.age"),
            ));
        }
        Ok(Draft { path: path_of(&project.root, file), sealed: None, text: String::new() })
    }

    /// Encrypts a text and puts it in the file's place, unless someone else has changed the file meanwhile.
    fn replace(&self, project: &Project, text: &str, lock: &Lock) -> Result<(), Stop> {
        let doing = format!("write {}", self.path.display());
        let bytes = recipients(project, &doing)?.encrypt(text).map_err(|why| Failure::new(&doing, why))?;
        let now = if self.path.exists() { Some(crate::secrets::read(&self.path)?) } else { None };
        if now != self.sealed {
            let failure = Failure::new(doing, "it has changed since it was read");
            return Err(Stop::Broken(failure.hint("do it again, with the file as it is now")));
        }
        Ok(lock.replace(&self.path, &bytes)?)
    }
}
