//! `SHA256SUMS` of a backup: what `sha256sum -c` reads. Its presence is the catalogue's entry, so it is read strictly:
//! byte for byte what we would write, or it is damaged.

use crate::model::digest::Digest;
use std::collections::BTreeMap;

/// The name of the file.
pub const SUMS: &str = "SHA256SUMS";

/// More files than that no backup has; in bytes of the text.
pub const SUMS_LIMIT: u64 = 4 << 20;

/// The files of a backup with their digests, in the order of their names. `SHA256SUMS` itself is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(pub BTreeMap<String, Digest>);

impl Sums {
    /// The text of the file.
    pub fn text(&self) -> String {
        self.0.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
    }

    /// Reads the text; `None` when it is not exactly what [`Sums::text`] gives.
    pub fn parse(text: &str) -> Option<Sums> {
        let line = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            Some((name.to_string(), Digest::try_from(digest.to_string()).ok()?))
        };
        let sums = Sums(text.lines().map(line).collect::<Option<_>>()?);
        (sums.text() == text && !sums.0.is_empty()).then_some(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_would_write_is_read() {
        let names = ["a.tar.zst", "manifest.json"];
        let sums = Sums(names.map(|name| (name.to_string(), Digest::of(name.as_bytes()))).into());
        let text = sums.text();
        assert_eq!(Sums::parse(&text), Some(sums));
        for wrong in [
            text.replace("  ", " "),
            text.replace('\n', "\r\n"),
            text.trim_end().to_string(),
            text.to_uppercase(),
            text.lines().rev().map(|line| format!("{line}\n")).collect(),
            format!("{text}{text}"),
            String::new(),
        ] {
            assert_eq!(Sums::parse(&wrong), None, "{wrong}");
        }
    }
}
