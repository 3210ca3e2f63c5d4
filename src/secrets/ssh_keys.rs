//! Ssh keys as recipients and identities of age: the stanzas `ssh-ed25519` and `ssh-rsa` of age's format, as the program
//! `age` writes and reads them. The age crate's own would link a second version of RSA and more of older crates.

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, hkdf};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use curve25519_dalek::edwards::CompressedEdwardsY;
use rsa::Oaep;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256, Sha512};
use ssh_key::private::KeypairData;
use ssh_key::public::KeyData;
use std::collections::HashSet;
use x25519_dalek::{PublicKey, StaticSecret};

const ED25519: &str = "ssh-ed25519";
const RSA: &str = "ssh-rsa";
const ED25519_LABEL: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
const RSA_LABEL: &[u8] = b"age-encryption.org/v1/ssh-rsa";

/// As for age: smaller moduli can be factored.
const RSA_BITS: usize = 2048;

/// An ssh public key that files are encrypted to.
pub struct SshRecipient {
    /// The key in SSH's wire format.
    blob: Vec<u8>,
    half: PublicHalf,
}

enum PublicHalf {
    /// On Curve25519, in its Montgomery form.
    Ed25519([u8; 32]),
    Rsa(Box<rsa::RsaPublicKey>),
}

impl SshRecipient {
    /// Reads a line of a `.pub` file.
    pub fn parse(text: &str) -> Result<SshRecipient, String> {
        let broken = |_| format!("`{text}` is not an ssh public key");
        let key = ssh_key::PublicKey::from_openssh(text).map_err(broken)?;
        let blob = key.to_bytes().map_err(broken)?;
        let half = match key.key_data() {
            KeyData::Ed25519(key) => {
                let point = CompressedEdwardsY(key.0).decompress();
                let point = point.ok_or_else(|| format!("`{text}` is not a point of its curve"))?;
                PublicHalf::Ed25519(point.to_montgomery().to_bytes())
            }
            KeyData::Rsa(key) => {
                let key = rsa::RsaPublicKey::try_from(key).map_err(broken)?;
                if key.size() * 8 < RSA_BITS {
                    return Err(format!("the RSA key `{text}` has fewer than {RSA_BITS} bits"));
                }
                PublicHalf::Rsa(Box::new(key))
            }
            _ => return Err(format!("age has no `{}` keys: use an ed25519 or RSA key", key.algorithm())),
        };
        Ok(SshRecipient { blob, half })
    }
}

impl age::Recipient for SshRecipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let file_key = file_key.expose_secret();
        let stanza = match &self.half {
            PublicHalf::Ed25519(point) => {
                let own = StaticSecret::from(rand::random::<[u8; 32]>());
                let shown = PublicKey::from(&own);
                let key = wrapping_key(&self.blob, &own, point, &shown, point);
                let args = vec![tag(&self.blob), BASE64.encode(shown.as_bytes())];
                Stanza { tag: ED25519.to_string(), args, body: aead_encrypt(&key, file_key) }
            }
            PublicHalf::Rsa(key) => {
                let padding = Oaep::<Sha256>::new_with_label(RSA_LABEL);
                let body = key.encrypt(&mut rand::rng(), padding, file_key);
                let body = body.map_err(|why| EncryptError::Io(std::io::Error::other(why.to_string())))?;
                Stanza { tag: RSA.to_string(), args: vec![tag(&self.blob)], body }
            }
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// The key that a file's key is encrypted with: `secret` is ours, `other` the other side's public key.
fn wrapping_key(
    blob: &[u8],
    secret: &StaticSecret,
    other: &[u8; 32],
    ephemeral: &PublicKey,
    recipient: &[u8; 32],
) -> [u8; 32] {
    let tweak = StaticSecret::from(hkdf(blob, ED25519_LABEL, &[]));
    let agreed = secret.diffie_hellman(&PublicKey::from(*other));
    let shared = tweak.diffie_hellman(&PublicKey::from(*agreed.as_bytes()));
    let salt = [ephemeral.as_bytes().as_slice(), recipient].concat();
    hkdf(&salt, ED25519_LABEL, shared.as_bytes())
}

/// By which a stanza is recognized.
fn tag(blob: &[u8]) -> String {
    BASE64.encode(&Sha256::digest(blob)[..4])
}

/// An ssh private key that files are read with. An encrypted one asks for its passphrase when a file is for it.
pub struct SshIdentity {
    blob: Vec<u8>,
    key: ssh_key::PrivateKey,
    passphrase: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

impl SshIdentity {
    /// Reads a private key as `ssh-keygen` writes it.
    pub fn parse(
        text: &str,
        passphrase: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Result<SshIdentity, String> {
        let key = ssh_key::PrivateKey::from_openssh(text)
            .map_err(|why| format!("it is not a whole ssh key: {why}"))?;
        match key.public_key().key_data() {
            KeyData::Ed25519(_) | KeyData::Rsa(_) => {}
            _ => return Err(format!("age has no `{}` keys: use an ed25519 or RSA key", key.algorithm())),
        }
        let blob = key.public_key().to_bytes().map_err(|why| why.to_string())?;
        Ok(SshIdentity { blob, key, passphrase: Box::new(passphrase) })
    }

    fn unlocked(&self) -> Result<ssh_key::PrivateKey, DecryptError> {
        if !self.key.is_encrypted() {
            return Ok(self.key.clone());
        }
        let passphrase = (self.passphrase)().ok_or(DecryptError::KeyDecryptionFailed)?;
        self.key.decrypt(passphrase).map_err(|_| DecryptError::KeyDecryptionFailed)
    }

    fn open(&self, stanza: &Stanza) -> Result<FileKey, DecryptError> {
        let opened = match self.unlocked()?.key_data() {
            KeypairData::Ed25519(pair) => {
                let ephemeral = stanza.args.get(1).and_then(|text| BASE64.decode(text).ok());
                let ephemeral: Option<[u8; 32]> = ephemeral.and_then(|bytes| bytes.try_into().ok());
                let ephemeral = ephemeral.ok_or(DecryptError::InvalidHeader)?;
                let mut scalar = [0; 32];
                scalar.copy_from_slice(&Sha512::digest(pair.private.to_bytes())[..32]);
                let secret = StaticSecret::from(scalar);
                let own = PublicKey::from(&secret);
                let shown = PublicKey::from(ephemeral);
                let key = wrapping_key(&self.blob, &secret, &ephemeral, &shown, own.as_bytes());
                aead_decrypt(&key, FILE_KEY_BYTES, &stanza.body)
                    .map_err(|_| DecryptError::DecryptionFailed)?
            }
            KeypairData::Rsa(pair) => {
                let key =
                    rsa::RsaPrivateKey::try_from(pair).map_err(|_| DecryptError::KeyDecryptionFailed)?;
                let padding = Oaep::<Sha256>::new_with_label(RSA_LABEL);
                let opened = key.decrypt_blinded(&mut rand::rng(), padding, &stanza.body);
                opened.map_err(|_| DecryptError::DecryptionFailed)?
            }
            _ => return Err(DecryptError::KeyDecryptionFailed),
        };
        let bytes: [u8; FILE_KEY_BYTES] = opened.try_into().map_err(|_| DecryptError::DecryptionFailed)?;
        Ok(FileKey::new(Box::new(bytes)))
    }
}

impl age::Identity for SshIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let wanted = match self.key.public_key().key_data() {
            KeyData::Ed25519(_) => ED25519,
            _ => RSA,
        };
        let is_ours = stanza.tag == wanted && stanza.args.first() == Some(&tag(&self.blob));
        is_ours.then(|| self.open(stanza))
    }
}
