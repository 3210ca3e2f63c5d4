//! Our own keys: age identities, plain or encrypted with a passphrase, and ssh private keys. Never printed.

use super::config::{home, usual_identities};
use super::origin::{SecretOrigin, printed, tilde};
use super::ssh_keys::SshIdentity;
use crate::model::{Failure, Result};
use crate::trust;
use age::DecryptError;
use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

/// A key or a secrets file is never longer.
pub const MAX_BYTES: u64 = 16 << 20;

/// Asks the person at the keyboard for a passphrase; `None` without a terminal.
pub type AskPassphrase = fn(&str) -> Option<String>;

/// The keys that there are to read with.
#[derive(Default)]
pub struct Identities {
    all: Vec<Box<dyn age::Identity + Send + Sync>>,
    /// Where they are, for messages.
    places: Vec<String>,
}

impl Identities {
    /// Reads the keys that `[secrets] identity` names; without any, those in the usual files that exist.
    pub fn read(named: &[String], root: &Path, ask: Option<AskPassphrase>) -> Result<Identities> {
        let mut identities = Identities::default();
        if named.is_empty() {
            for path in usual_identities(&home()).into_iter().filter(|path| path.exists()) {
                identities.add(&path.display().to_string(), &text_of(&path)?, ask)?;
            }
            return Ok(identities);
        }
        for name in named {
            let doing = format!("read the identity {name}");
            let of_file = |path: &str| text_of(&root.join(tilde(path, &home())));
            let text = match SecretOrigin::of_text(name) {
                Some(SecretOrigin::Environment(variable)) => std::env::var(&variable)
                    .map_err(|_| Failure::new(doing, format!("the variable {variable} is not set")))?,
                Some(SecretOrigin::Command(argv)) => printed(&argv, root, &doing)?,
                Some(SecretOrigin::File(path)) => of_file(&path)?,
                Some(SecretOrigin::Age(_)) | None => of_file(name)?,
            };
            identities.add(name, &text, ask)?;
        }
        Ok(identities)
    }

    /// Reads the keys in a text.
    pub fn add(&mut self, place: &str, text: &str, ask: Option<AskPassphrase>) -> Result<()> {
        let doing = || format!("read the identity {place}");
        let start = text.trim_start();
        if start.starts_with("age-encryption.org/") || start.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
        {
            let opened = with_passphrase(place, start.as_bytes(), ask)?;
            return self.add(place, &opened, None);
        }
        match keys(text, place, ask) {
            Ok(found) => self.all.extend(found),
            Err(why) => return Err(Failure::new(doing(), why)),
        }
        self.places.push(place.to_string());
        Ok(())
    }

    /// A file's text.
    pub fn decrypt(&self, bytes: &[u8], doing: &str) -> Result<String> {
        if self.all.is_empty() {
            let failure = Failure::new(doing, "it is encrypted, and there is no identity to read it with");
            return Err(failure
                .hint("name one in windlass.toml: [secrets] identity = \"PATH\", or \"command:PROGRAM …\""));
        }
        let identities = self.all.iter().map(|identity| &**identity as &dyn age::Identity);
        opened(bytes, identities).map_err(|why| self.refused(doing, &why))
    }

    fn refused(&self, doing: &str, why: &DecryptError) -> Failure {
        let places = self.places.join(", ");
        match why {
            DecryptError::NoMatchingKeys => {
                Failure::new(doing, format!("it is not encrypted to any identity that is here ({places})"))
                    .hint("have someone who can read it add your public key to [secrets] recipients and run `windlass secrets rotate`")
            }
            DecryptError::KeyDecryptionFailed => {
                Failure::new(doing, format!("the passphrase of an identity is wrong or was not given ({places})"))
                    .hint("run it on a terminal, or use an identity without a passphrase: `identity = \"command:…\"`")
            }
            why => Failure::new(doing, format!("it cannot be decrypted: {why}")).hint("restore the file from version control"),
        }
    }
}

fn text_of(path: &Path) -> Result<String> {
    trust::secret(path, None, format!("read the identity {}", path.display()))
}

/// Messages name lines and never show them.
fn keys(
    text: &str,
    place: &str,
    ask: Option<AskPassphrase>,
) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, String> {
    if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        let question = format!("passphrase of {place}");
        let answer: OnceLock<Option<String>> = OnceLock::new();
        let passphrase = move || answer.get_or_init(|| ask.and_then(|ask| ask(&question))).clone();
        return Ok(vec![Box::new(SshIdentity::parse(text, passphrase)?)]);
    }
    if text.contains("-----BEGIN") {
        return Err(format!("it is a key in an old format; `ssh-keygen -p -f {place}` writes it anew"));
    }
    let mut found: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
    let lines = text.lines().map(str::trim).enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let key: Result<age::x25519::Identity, _> = line.parse();
        found.push(Box::new(key.map_err(|_| format!("line {} is no AGE-SECRET-KEY-1…", at + 1))?));
    }
    match found.is_empty() {
        true => Err("there is no key in it".to_string()),
        false => Ok(found),
    }
}

fn with_passphrase(place: &str, bytes: &[u8], ask: Option<AskPassphrase>) -> Result<String> {
    let doing = format!("read the identity {place}");
    let passphrase = ask.and_then(|ask| ask(&format!("passphrase of {place}"))).ok_or_else(|| {
        Failure::new(&doing, "it is encrypted with a passphrase, and there is no terminal to ask on")
    })?;
    let identity = age::scrypt::Identity::new(SecretString::from(passphrase));
    let identities = std::iter::once(&identity as &dyn age::Identity);
    opened(bytes, identities)
        .map_err(|_| Failure::new(doing, "the passphrase is wrong, or the file is damaged"))
}

fn opened<'a>(
    bytes: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<String, DecryptError> {
    let mut text = String::new();
    let mut reader = age::Decryptor::new_buffered(ArmoredReader::new(bytes))?.decrypt(identities)?;
    reader.by_ref().take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
