//! Our own keys: private key files, their certificates, and a cache, so that each is read and decrypted once a run.

use crate::model::failure::{Doing, Failure, Result};
use crate::trust;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey, decode_secret_key};
use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files larger than this are not keys.
const MAX_BYTES: u64 = 1 << 20;

/// The first line of an encrypted key as OpenSSL writes it.
const ENCRYPTED_PKCS8: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// A key file as far as it can be known without a passphrase.
#[derive(Clone)]
pub struct KeyFile {
    pub path: PathBuf,
    /// The public half: from the file itself, or from the `.pub` beside it.
    pub public: PublicKey,
    /// The certificate beside it.
    pub certificate: Option<Certificate>,
    /// `None`: encrypted, or only the public half is here and an agent holds the other.
    private: Option<Arc<PrivateKey>>,
    /// The encrypted text.
    locked: Option<Arc<str>>,
}

/// What trying to use a key file came to.
pub type Loaded = std::result::Result<Option<Arc<KeyFile>>, Failure>;

/// Asked for the passphrase of a key file.
pub type Passphrase = dyn Fn(&Path) -> Result<String> + Send + Sync;

/// Key files read so far, and those decrypted so far.
#[derive(Default)]
pub struct Keys {
    read: Mutex<HashMap<PathBuf, Loaded>>,
    unlocked: Mutex<HashMap<PathBuf, std::result::Result<Arc<PrivateKey>, Failure>>>,
}

impl Keys {
    /// The key file at `path`; `None` when there is none.
    pub fn load(&self, path: &Path) -> Loaded {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(path.to_path_buf()).or_insert_with(|| load(path).map(|key| key.map(Arc::new))).clone()
    }

    /// The private half, decrypted if need be. The question for a passphrase is asked once per key, however many hosts
    /// want it at the same time; the lock is held meanwhile on purpose.
    pub fn unlock(&self, key: &KeyFile, passphrase: Option<&Passphrase>) -> Result<Arc<PrivateKey>> {
        if let Some(private) = &key.private {
            return Ok(private.clone());
        }
        let mut unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = unlocked.entry(key.path.clone()).or_insert_with(|| key.decrypt(passphrase));
        answer.clone()
    }
}

impl KeyFile {
    /// Whether the private half can be had, with a passphrase or without.
    pub fn has_private(&self) -> bool {
        self.private.is_some() || self.locked.is_some()
    }

    /// Whether using it takes no passphrase.
    pub fn is_open(&self) -> bool {
        self.private.is_some()
    }

    fn decrypt(&self, passphrase: Option<&Passphrase>) -> Result<Arc<PrivateKey>> {
        let doing = format!("use the key {}", self.path.display());
        let Some(locked) = &self.locked else {
            return Err(Failure::new(doing, "only its public half is here"));
        };
        let none = || Failure::new(&doing, "no passphrase was given");
        let passphrase = passphrase.map_or_else(|| Err(none()), |ask| ask(&self.path)).map_err(|why| {
            Failure::new(&doing, format!("it is encrypted, and {}", why.why))
                .hint(format!("ssh-add {}", self.path.display()))
        })?;
        match decode_secret_key(locked, Some(&passphrase)) {
            Ok(key) => Ok(Arc::new(key)),
            // The library's own words for this are about padding or check bytes.
            Err(_) => Err(Failure::new(doing, "the passphrase is wrong, or the file is damaged")),
        }
    }
}

fn load(path: &Path) -> Result<Option<KeyFile>> {
    let doing = || format!("read the key {}", path.display());
    let beside = public_beside(path);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        // Only a public half: it names a key that the agent holds.
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let public = beside.map(|public| KeyFile {
                path: path.into(),
                public,
                certificate: certificate(path),
                private: None,
                locked: None,
            });
            return Ok(public);
        }
        Err(why) => return Err(why).doing(doing()),
    };
    let mut text = String::new();
    let meta = file.metadata().doing(doing())?;
    (&file).take(MAX_BYTES).read_to_string(&mut text).doing(doing())?;
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return Ok(Some(KeyFile {
            path: path.into(),
            public,
            certificate: None,
            private: None,
            locked: None,
        }));
    }
    trust::opened(&file, path, None, doing())?;
    if meta.uid() == rustix::process::getuid().as_raw() && meta.mode() & 0o077 != 0 {
        return Err(Failure::new(doing(), "others may read it, so it is not used")
            .hint(format!("chmod 600 {}", path.display())));
    }
    // Of this form the library says something about ASN.1.
    if text.contains(ENCRYPTED_PKCS8) {
        return locked(path, &text, beside).map(Some);
    }
    let key = decode_secret_key(&text, None);
    match key {
        Ok(key) => Ok(Some(KeyFile {
            path: path.into(),
            public: key.public_key().clone(),
            certificate: certificate(path),
            private: Some(Arc::new(key)),
            locked: None,
        })),
        Err(russh::keys::Error::KeyIsEncrypted) => locked(path, &text, beside).map(Some),
        Err(why) => Err(why).doing(doing()),
    }
}

/// An encrypted file. OpenSSH's format shows its public half; for the older ones it is in the `.pub` beside it.
fn locked(path: &Path, text: &str, beside: Option<PublicKey>) -> Result<KeyFile> {
    let inside = PrivateKey::from_openssh(text).ok().map(|key| key.public_key().clone());
    let Some(public) = inside.or(beside) else {
        return Err(Failure::new(
            format!("read the key {}", path.display()),
            "it is encrypted in an old format and has no .pub beside it",
        )
        .hint(format!("ssh-keygen -y -f {0} > {0}.pub", path.display())));
    };
    Ok(KeyFile {
        path: path.into(),
        public,
        certificate: certificate(path),
        private: None,
        locked: Some(text.into()),
    })
}

fn public_beside(path: &Path) -> Option<PublicKey> {
    read_small(&with_suffix(path, ".pub")).and_then(|text| PublicKey::from_openssh(text.trim()).ok())
}

fn certificate(path: &Path) -> Option<Certificate> {
    read_certificate(&with_suffix(path, "-cert.pub"))
}

/// The certificate in a file, if it holds one.
pub fn read_certificate(path: &Path) -> Option<Certificate> {
    read_small(path).and_then(|text| Certificate::from_openssh(text.trim()).ok())
}

fn read_small(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A public key's fingerprint, as `ssh-add -l` prints it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
