//! The `%` tokens, `~` and `${NAME}` of an ssh configuration.

use crate::model::failure::{Failure, Result};
use crate::model::hexadecimal;
use std::path::{Path, PathBuf};

/// What the tokens stand for while one host is looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens {
    /// Where the connection goes.
    pub hostname: String,
    /// The name that was given.
    pub name: String,
    /// The name in known_hosts.
    pub alias: String,
    pub port: u16,
    pub user: String,
    pub local_user: String,
    pub home: PathBuf,
    pub jump: String,
    /// Only `%h` and `%%` are tokens, and `%h` is the name: so it is in `HostName`.
    pub only_host: bool,
}

impl Tokens {
    /// A path with `~`, tokens and `${NAME}` replaced.
    pub fn path(&self, written: &str) -> Result<PathBuf> {
        let written = self.environment(written)?;
        let expanded = self.expand(&written)?;
        Ok(tilde(&expanded, &self.home))
    }

    /// A command for a shell with its tokens replaced, refused when a name in it could end a word or start a command.
    pub fn command(&self, written: &str) -> Result<String> {
        let names = [
            ('h', &self.hostname),
            ('n', &self.name),
            ('k', &self.alias),
            ('r', &self.user),
            ('u', &self.local_user),
        ];
        let after_doubled = written.replace("%%", "");
        for (_, value) in names.iter().filter(|(token, _)| after_doubled.contains(&format!("%{token}"))) {
            if value.starts_with('-') || value.contains(special) {
                let why = format!("`{}` is not passed to a shell", value.escape_debug());
                return Err(Failure::new("replace the tokens of a command", why));
            }
        }
        self.expand(written)
    }

    /// A text with its tokens replaced.
    pub fn expand(&self, written: &str) -> Result<String> {
        self.expand_with(written, &[])
    }

    /// The same with further tokens.
    pub fn expand_with(&self, written: &str, more: &[(char, String)]) -> Result<String> {
        let more = |token: char| more.iter().find(|(name, _)| *name == token).map(|(_, value)| value.clone());
        let mut out = String::new();
        let mut letters = written.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            match letters.next().and_then(|token| more(token).or_else(|| self.token(token))) {
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
            _ if self.only_host => return None,
            'n' => self.name.to_string(),
            'k' => self.alias.to_string(),
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
        hexadecimal::of(&sha1::Sha1::digest(text))
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

/// Letters that mean something to a shell.
fn special(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "'\"`$\\;&|<>(){}*?!#".contains(letter)
}

/// `~` and `~/x` under `home`, `~ann/x` under the home directory of that user; everything else as it stands.
pub fn tilde(written: &str, home: &Path) -> PathBuf {
    let Some(rest) = written.strip_prefix('~') else { return PathBuf::from(written) };
    let (user, below) = rest.split_once('/').unwrap_or((rest, ""));
    let home = match user {
        "" => Some(home.to_path_buf()),
        user => super::home_of(user),
    };
    match (home, below.trim_start_matches('/')) {
        (None, _) => PathBuf::from(written),
        (Some(home), "") => home,
        (Some(home), below) => home.join(below),
    }
}

fn local_host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            hostname: "10.0.0.1".to_string(),
            name: "web1".to_string(),
            alias: "boat".to_string(),
            port: 2222,
            user: "deploy".to_string(),
            local_user: "ann".to_string(),
            home: "/home/ann".into(),
            ..Tokens::default()
        }
    }

    #[test]
    fn every_token_has_its_value() {
        assert_eq!(
            tokens().expand("%h %n %k %p %r %u %d %%").unwrap(),
            "10.0.0.1 web1 boat 2222 deploy ann /home/ann %"
        );
        assert_eq!(tokens().path("~/.ssh/%r_%n").unwrap(), Path::new("/home/ann/.ssh/deploy_web1"));
        assert_eq!(tokens().expand("%C").unwrap().len(), 40);
    }

    #[test]
    fn a_tilde_is_the_home_of_this_user_or_of_another() {
        let home = Path::new("/home/ann");
        assert_eq!(tilde("~", home), Path::new("/home/ann"));
        assert_eq!(tilde("~//x", home), Path::new("/home/ann/x"));
        assert_eq!(tilde("~root/.ssh/id", home), Path::new("/root/.ssh/id"));
        assert_eq!(tilde("~nosuchuser/x", home), Path::new("~nosuchuser/x"));
        assert_eq!(tilde("a~b", home), Path::new("a~b"));
    }

    #[test]
    fn an_unknown_token_is_an_error() {
        assert!(tokens().expand("%z").unwrap_err().why.contains("known token"));
        assert!(tokens().expand("50%").is_err());
    }

    #[test]
    fn a_name_that_a_shell_would_read_is_refused() {
        assert_eq!(tokens().command("nc %h %p").unwrap(), "nc 10.0.0.1 2222");
        for name in ["a;b", "$(x)", "a b", "-oX", "`x`", "a\nb"] {
            let tokens = Tokens { hostname: name.to_string(), ..tokens() };
            assert!(tokens.command("nc %h").unwrap_err().why.contains("is not passed to a shell"), "{name}");
        }
        // One that is not used harms nothing.
        let tokens = Tokens { user: "corp\\ann".to_string(), ..tokens() };
        assert_eq!(tokens.command("nc %h %%r").unwrap(), "nc 10.0.0.1 %r");
        assert!(tokens.command("nc %h %r").is_err());
    }
}
