//! The `%` tokens, `~` and `${NAME}` of an ssh configuration.

use crate::model::failure::{Failure, Result};
use std::path::{Path, PathBuf};

/// What the tokens stand for while one host is looked up.
pub struct Tokens<'a> {
    pub hostname: &'a str,
    pub name: &'a str,
    pub port: u16,
    pub user: &'a str,
    pub local_user: &'a str,
    pub home: &'a Path,
    pub jump: &'a str,
}

impl Tokens<'_> {
    /// A path with `~`, tokens and `${NAME}` replaced.
    pub fn path(&self, written: &str) -> Result<PathBuf> {
        let written = self.environment(written)?;
        let expanded = self.expand(&written)?;
        Ok(tilde(&expanded, self.home))
    }

    /// A text with its tokens replaced.
    pub fn expand(&self, written: &str) -> Result<String> {
        let mut out = String::new();
        let mut letters = written.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            match letters.next().and_then(|token| self.token(token)) {
                Some(value) => out.push_str(&value),
                None => {
                    let why = format!("`{written}` has a % that is not followed by a known token");
                    return Err(
                        Failure::new("read the ssh configuration", why).hint("write %% for a percent sign")
                    );
                }
            }
        }
        Ok(out)
    }

    fn token(&self, token: char) -> Option<String> {
        Some(match token {
            '%' => "%".to_string(),
            'h' => self.hostname.to_string(),
            'n' | 'k' => self.name.to_string(),
            'p' => self.port.to_string(),
            'r' => self.user.to_string(),
            'u' => self.local_user.to_string(),
            'd' => self.home.display().to_string(),
            'i' => rustix::process::getuid().as_raw().to_string(),
            'l' => local_host_name(),
            'L' => local_host_name().split('.').next().unwrap_or_default().to_string(),
            'j' => self.jump.to_string(),
            'C' => self.connection_digest(),
            _ => return None,
        })
    }

    /// SHA-1 of `%l%h%p%r%j`, which people use in the names of sockets.
    fn connection_digest(&self) -> String {
        use sha1::Digest;
        let text = format!("{}{}{}{}{}", local_host_name(), self.hostname, self.port, self.user, self.jump);
        sha1::Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn environment(&self, written: &str) -> Result<String> {
        let Some((before, rest)) = written.split_once("${") else { return Ok(written.to_string()) };
        let Some((name, after)) = rest.split_once('}') else { return Ok(written.to_string()) };
        let value = std::env::var(name).map_err(|_| {
            Failure::new("read the ssh configuration", format!("`{written}` needs ${name}, which is not set"))
        })?;
        Ok(format!("{before}{value}{}", self.environment(after)?))
    }
}

/// `~` and `~/x` under `home`; everything else as it stands.
pub fn tilde(written: &str, home: &Path) -> PathBuf {
    match written.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(written),
    }
}

fn local_host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens<'static> {
        let home = Path::new("/home/ann");
        Tokens {
            hostname: "10.0.0.1",
            name: "web1",
            port: 2222,
            user: "deploy",
            local_user: "ann",
            home,
            jump: "",
        }
    }

    #[test]
    fn every_token_has_its_value() {
        assert_eq!(
            tokens().expand("%h %n %p %r %u %d %%").unwrap(),
            "10.0.0.1 web1 2222 deploy ann /home/ann %"
        );
        assert_eq!(tokens().path("~/.ssh/%r_%n").unwrap(), Path::new("/home/ann/.ssh/deploy_web1"));
        assert_eq!(tokens().expand("%C").unwrap().len(), 40);
    }

    #[test]
    fn an_unknown_token_is_an_error() {
        assert!(tokens().expand("%z").unwrap_err().why.contains("known token"));
        assert!(tokens().expand("50%").is_err());
    }
}
