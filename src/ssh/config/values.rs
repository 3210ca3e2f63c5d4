//! The options of one host as they were written, each with where it was set, and what their values mean.

use super::{Origin, keywords};
use crate::model::failure::{Failure, Result};
use crate::model::host::Span;
use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One option: `IdentityFile ~/.ssh/work`.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The keyword in lower case, and the usual one of several that mean the same.
    pub key: String,
    /// The words after it, without quotes.
    pub words: Vec<String>,
    /// The rest of the line as it stands, for options that are commands.
    pub text: String,
    /// Where it was set.
    pub origin: Origin,
}

impl Setting {
    /// An option of one value.
    pub fn new(key: &str, value: impl Into<String>, origin: &Origin) -> Setting {
        let text = value.into();
        Setting { key: key.to_string(), words: vec![text.clone()], text, origin: origin.clone() }
    }

    /// Reads `Port=2222` or `Port 2222`, as `ssh -o` does.
    pub fn parse(written: &str, origin: &Origin) -> Result<Setting> {
        let doing = format!("read the ssh option `{written}` of {origin}");
        let no_option = || Failure::new(&doing, "it is not NAME=VALUE").hint("for example: ConnectTimeout=5");
        match super::read::setting(written, origin) {
            Ok(Some(setting)) if matches!(setting.key.as_str(), "host" | "match" | "include") => {
                Err(Failure::new(&doing, format!("`{}` is possible only in a file", setting.key)))
            }
            Ok(Some(setting)) if !setting.words.is_empty() => Ok(setting),
            Ok(_) => Err(no_option()),
            Err(why) => Err(Failure::new(&doing, why)),
        }
    }

    /// The value of an option that takes exactly one.
    pub fn one_word(&self) -> Result<&str> {
        match self.words.as_slice() {
            [word] if word.is_empty() => Err(self.wrong("its value is empty")),
            [word] => Ok(word),
            [_, second, ..] => Err(self.wrong(format!("it takes one value, and `{second}` follows"))),
            [] => Err(self.wrong("it has no value")),
        }
    }

    /// An error about its value, with where it was set.
    pub fn wrong(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(format!("read `{}` of {}", keywords::spelled(&self.key), self.origin), why)
    }
}

/// The options of one host, strongest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    settings: Vec<Setting>,
    closed: Vec<String>,
}

/// Options of which every line counts, and not only the first.
const LISTS: &[&str] =
    &["certificatefile", "dynamicforward", "identityfile", "localforward", "remoteforward", "sendenv"];

impl Values {
    /// Adds a weaker setting: the first value wins, except for lists that add up.
    pub fn add(&mut self, setting: &Setting) {
        // As for ssh, `ConnectTimeout none` says nothing.
        let nothing = setting.key == "connecttimeout" && setting.text.trim().eq_ignore_ascii_case("none");
        if nothing || self.closed.contains(&setting.key) {
            return;
        }
        let mut known = self.settings.iter().filter(|known| known.key == setting.key);
        let taken = match LISTS.contains(&setting.key.as_str()) {
            true => known.any(|known| known.words == setting.words),
            false => known.next().is_some(),
        };
        if !taken {
            self.settings.push(setting.clone());
        }
    }

    /// Ends the lists that were added so far: weaker settings add nothing to them.
    pub fn close(&mut self, key: &str) {
        self.closed.push(key.to_string());
    }

    /// All settings, strongest first.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The setting that decides `key`.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The settings of a list.
    pub fn list(&self, key: &str) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |setting| setting.key == key)
    }

    /// Of `ProxyJump` and `ProxyCommand` the one that was set first applies; `ProxyJump none` leaves the choice to a
    /// command all the same.
    pub fn proxy(&self) -> Option<&Setting> {
        let command = self.setting("proxycommand");
        let first =
            self.settings.iter().find(|setting| matches!(setting.key.as_str(), "proxyjump" | "proxycommand"));
        let no_jump = |first: &&Setting| first.key == "proxyjump" && first.text.eq_ignore_ascii_case("none");
        first.filter(|first| command.is_none() || !no_jump(first)).or(command)
    }

    /// An option of exactly one word.
    pub fn word(&self, key: &str) -> Result<Option<&str>> {
        match self.setting(key) {
            None => Ok(None),
            Some(setting) if setting.words.len() > 1 => {
                Err(setting.wrong(format!("it takes one value, and `{}` follows", setting.words[1])))
            }
            Some(setting) => Ok(setting.words.first().map(String::as_str)),
        }
    }

    /// The same, with `none` as nothing.
    pub fn word_or_none(&self, key: &str) -> Result<Option<&str>> {
        Ok(self.word(key)?.filter(|word| !word.eq_ignore_ascii_case("none")))
    }

    /// An option that is a command: the rest of the line as it stands. `none` is nothing.
    pub fn command(&self, key: &str) -> Option<&str> {
        let text = self.setting(key)?.text.trim();
        (!text.eq_ignore_ascii_case("none") && !text.is_empty()).then_some(text)
    }

    /// Words of one line.
    pub fn words(&self, key: &str) -> Option<&[String]> {
        self.setting(key).map(|setting| setting.words.as_slice())
    }

    /// One of some words, in lower case.
    pub fn choice(&self, key: &str, known: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(word) = self.word(key)? else { return Ok(None) };
        let choice = known.iter().find(|known| known.eq_ignore_ascii_case(word));
        let wrong = || self.wrong(key, format!("`{word}` is not one of {}", known.join(", ")));
        choice.copied().map(Some).ok_or_else(wrong)
    }

    /// `yes` or `no`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        Ok(self.choice(key, &["yes", "true", "no", "false"])?.map(|word| matches!(word, "yes" | "true")))
    }

    /// A whole number.
    pub fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>> {
        let Some(word) = self.word(key)? else { return Ok(None) };
        let number = word.parse().ok().filter(|number| range.contains(number));
        let wrong =
            || self.wrong(key, format!("`{word}` is not a number from {} to {}", range.start(), range.end()));
        number.map(Some).ok_or_else(wrong)
    }

    /// A port, by number or as `/etc/services` names it.
    pub fn port(&self) -> Result<Option<u16>> {
        let Some(word) = self.word("port")? else { return Ok(None) };
        let named = || service_port(&fs::read_to_string("/etc/services").unwrap_or_default(), word);
        let number = word.parse().ok().filter(|port| *port > 0).or_else(named);
        let wrong =
            || self.wrong("port", format!("`{word}` is not a number from 1 to 65535, and no service"));
        number.map(Some).ok_or_else(wrong)
    }

    /// A time such as `10`, `1m30s` or `none`.
    pub fn time(&self, key: &str) -> Result<Option<Duration>> {
        let Some(word) = self.word_or_none(key)? else { return Ok(None) };
        let wrong = || self.wrong(key, format!("`{word}` is not a time like 10 or 10s"));
        Span::parse(word).map(|span| Some(span.0)).ok_or_else(wrong)
    }

    /// An error about the value of `key`.
    pub fn wrong(&self, key: &str, why: impl std::fmt::Display) -> Failure {
        match self.setting(key) {
            Some(setting) => setting.wrong(why),
            None => Failure::new(format!("read `{key}`"), why),
        }
    }
}

/// The TCP port of a service, by its name or another one of it: `ssh  22/tcp  # comment`.
fn service_port(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (usual, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (usual == name || words.any(|other| other == name)).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_tcp_port() {
        let services = "# x\nssh\t22/tcp\t# SSH\ndomain 53/udp\nhttps 443/tcp www-s\n";
        let ports = ["ssh", "https", "www-s", "domain", "SSH"].map(|name| service_port(services, name));
        assert_eq!(ports, [Some(22), Some(443), Some(443), None, None]);
    }
}
