//! The recipients that secrets are encrypted to: age keys and ssh keys.

use super::ssh_keys::SshRecipient;
use std::io::Write;

/// Those who can read a file.
pub struct Recipients(Vec<Box<dyn age::Recipient>>);

impl Recipients {
    /// Reads `age1…`, `ssh-ed25519 …` and `ssh-rsa …`; at the end of an ssh key its comment.
    pub fn parse(texts: &[String]) -> Result<Recipients, String> {
        texts.iter().map(|text| one(text.trim())).collect::<Result<_, _>>().map(Recipients)
    }

    /// A text as a file for them.
    pub fn encrypt(&self, text: &str) -> Result<Vec<u8>, String> {
        let all = self.0.iter().map(|recipient| &**recipient);
        let encryptor = age::Encryptor::with_recipients(all).map_err(|why| why.to_string())?;
        let mut bytes = Vec::new();
        let written = encryptor.wrap_output(&mut bytes).and_then(|mut writer| {
            writer.write_all(text.as_bytes())?;
            writer.finish().map(drop)
        });
        written.map(|()| bytes).map_err(|why| why.to_string())
    }
}

fn one(text: &str) -> Result<Box<dyn age::Recipient>, String> {
    match text {
        text if text.starts_with("age1") => match text.parse::<age::x25519::Recipient>() {
            Ok(recipient) => Ok(Box::new(recipient)),
            Err(_) => Err(format!("`{text}` is not a whole age recipient")),
        },
        text if text.starts_with("ssh-") => Ok(Box::new(SshRecipient::parse(text)?)),
        // It may be a private key, so it is not shown.
        _ => Err("a recipient is an age key (`age1…`) or an ssh public key (`ssh-ed25519 …`, `ssh-rsa …`)"
            .to_string()),
    }
}
