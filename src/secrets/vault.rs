//! The secrets of one project: read when one is used, once, and kept in memory until windlass ends.

use super::config::{Config, home};
use super::files::{self, Sealed};
use super::identities::{AskPassphrase, Identities};
use super::origin::{SecretOrigin, printed, tilde, without_newline};
use crate::model::nearest::did_you_mean;
use crate::model::{Doing, Failure, Result, Value};
use crate::source::{Node, Source};
use crate::trust;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Reveals the secrets of a project. Copies share what was read.
#[derive(Clone, Default)]
pub struct Vault(Arc<Inner>);

#[derive(Default)]
struct Inner {
    root: PathBuf,
    config: Config,
    ask: Option<AskPassphrase>,
    documents: OnceLock<Result<Vec<Document>>>,
    printed: Mutex<HashMap<Vec<String>, Result<String>>>,
}

/// A secrets file, decrypted.
#[derive(Clone)]
pub struct Document {
    /// `main` of `secrets/main.toml.age`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// As it is encrypted.
    pub sealed: Vec<u8>,
    /// TOML.
    pub text: String,
    values: Value,
}

impl fmt::Debug for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the vault of {}", self.0.root.display())
    }
}

impl Vault {
    /// Of the project in `root`. `ask` is asked for passphrases.
    pub fn new(root: &Path, config: &Config, ask: Option<AskPassphrase>) -> Vault {
        Vault(Arc::new(Inner { root: root.to_path_buf(), config: config.clone(), ask, ..Inner::default() }))
    }

    /// Our own keys.
    pub fn identities(&self) -> Result<Identities> {
        Identities::read(&self.0.config.identities, &self.0.root, self.0.ask)
    }

    /// All files, decrypted. They are read once.
    pub fn documents(&self) -> Result<&[Document]> {
        let read = || {
            let sealed = files::all(&self.0.root)?;
            let identities = if sealed.is_empty() { Identities::default() } else { self.identities()? };
            sealed.into_iter().map(|sealed| Document::open(sealed, &identities)).collect()
        };
        self.0.documents.get_or_init(read).as_deref().map_err(Clone::clone)
    }

    /// The secret of this name: `KEY` or `TABLE.KEY` of any file, or `FILE.KEY`.
    pub fn find(&self, name: &str) -> Result<(&Document, &Value)> {
        let doing = || format!("find the secret `{name}`");
        let documents = self.documents()?;
        let found: Vec<_> =
            documents.iter().filter_map(|document| Some((document, document.get(name)?))).collect();
        match found[..] {
            [one] => Ok(one),
            [] => {
                let names: Vec<String> = documents.iter().flat_map(Document::names).collect();
                let failure = Failure::new(doing(), format!("no file in {}/ has it", files::FOLDER));
                let hint = did_you_mean(name, names.iter().map(String::as_str));
                Err(failure.hint(hint.unwrap_or_else(|| format!("add it: windlass secrets set {name}"))))
            }
            [(first, _), (second, _), ..] => {
                let why = format!("{} and {} both have it", first.path.display(), second.path.display());
                Err(Failure::new(doing(), why).hint(format!("write age:{}.{name}", first.name)))
            }
        }
    }

    /// The secret that an origin names. `name` is what it is called where it is used.
    pub fn reveal(&self, origin: &SecretOrigin, name: &str) -> Result<Value> {
        match origin {
            SecretOrigin::Age(secret) => self.find(secret).map(|(_, value)| value.clone()),
            SecretOrigin::Environment(variable) => {
                let doing = format!("read the secret `{name}` from env:{variable}");
                std::env::var(variable).map(Value::from).doing(doing)
            }
            SecretOrigin::File(path) => {
                let doing = format!("read the secret `{name}` from file:{path}");
                let path = self.0.root.join(tilde(path, &home()));
                let text = trust::secret(&path, Some(&self.0.root), doing)?;
                Ok(without_newline(&text).into())
            }
            SecretOrigin::Command(argv) => self.printed(argv, name).map(Value::from),
        }
    }

    /// The same as text; what is no text is written as JSON.
    pub fn text(&self, origin: &SecretOrigin, name: &str) -> Result<String> {
        let value = self.reveal(origin, name)?;
        Ok(value.as_str().map_or_else(|| value.to_string(), str::to_string))
    }

    /// What a command prints. It runs once; another caller who wants the same meanwhile waits.
    fn printed(&self, argv: &[String], name: &str) -> Result<String> {
        let mut known = self.0.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || printed(argv, &self.0.root, &format!("read the secret `{name}`"));
        known.entry(argv.to_vec()).or_insert_with(run).clone()
    }
}

impl Document {
    fn open(sealed: Sealed, identities: &Identities) -> Result<Document> {
        let doing = format!("read {}", sealed.path.display());
        let text = identities.decrypt(&sealed.bytes, &doing)?;
        let values = Document::parse(&text).map_err(|why| Failure::new(doing, why))?;
        Ok(Document { name: sealed.name, path: sealed.path, sealed: sealed.bytes, text, values })
    }

    /// The values of a text. A message names the line and does not show it.
    pub fn parse(text: &str) -> Result<Value, String> {
        let parsed = Node::parse(&Source::new("secrets", text));
        parsed.map(|node| node.value()).map_err(|problems| {
            let place = problems.iter().find_map(|problem| problem.place.clone());
            let line = place.map_or(String::new(), |place| format!("line {}: ", place.line_and_column().0));
            format!("{line}it is not TOML")
        })
    }

    /// The value of a name, with the file's own name in front or without.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let own = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('.'));
        value_at(&self.values, name).or_else(|| value_at(&self.values, own?))
    }

    /// The names of all values that are not tables.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        add_names(&self.values, "", &mut names);
        names
    }
}

fn value_at<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let table = value.as_object()?;
    table.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        value_at(table.get(first)?, rest)
    })
}

fn add_names(value: &Value, before: &str, names: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        match value.is_object() {
            true => add_names(value, &format!("{before}{key}."), names),
            false => names.push(format!("{before}{key}")),
        }
    }
}

/// The texts in a value, which output and record must not show.
pub fn texts_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(list) => list.iter().flat_map(texts_in).collect(),
        Value::Object(map) => map.values().flat_map(texts_in).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}
