//! Lines of `/etc/fstab` and of the kernel's list of mounts: six fields, blanks in them written as `\040`.

use crate::model::Result;
use crate::model::op::{Content, Meta, Op};
use crate::system::Probe;
use crate::wanted;
use crate::wanted::lines::Lines;

/// What is mounted at boot.
pub const FSTAB: &str = "/etc/fstab";

/// What is mounted now. A process sees its own; the host's agent is in no other place than the host.
pub const MOUNTS: &str = "/proc/self/mounts";

/// Letters that stand for something else in a field, and how they are written.
const ESCAPES: &[(&str, &str)] =
    &[("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012"), ("#", "\\043")];

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A device, `UUID=…`, a share, or a word such as `tmpfs`.
    pub source: String,
    /// Where; `none` for swap.
    pub target: String,
    /// Type of the file system.
    pub kind: String,
    /// Separated by commas.
    pub options: String,
    /// Whether dump saves it.
    pub dump: u32,
    /// When fsck looks at it.
    pub pass: u32,
}

impl Entry {
    /// From a line; `None` for comments and what is no entry.
    pub fn of(line: &str) -> Option<Self> {
        let mut fields = line.split('#').next()?.split_ascii_whitespace();
        let mut text = || fields.next().map(unescaped);
        let (source, target, kind) = (text()?, text()?, text()?);
        let options = text().unwrap_or_else(|| "defaults".to_string());
        let mut number = || fields.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Some(Entry { source, target, kind, options, dump: number(), pass: number() })
    }

    /// Its line.
    pub fn line(&self) -> String {
        let texts = [&self.source, &self.target, &self.kind, &self.options].map(|text| escaped(text));
        format!("{} {} {}", texts.join(" "), self.dump, self.pass)
    }
}

/// The entries that `text` has, first to last.
pub fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().filter_map(Entry::of)
}

/// The ops that let `/etc/fstab` have this entry in place of those of which `is_it` is true, or none of those.
pub fn edit(host: &dyn Probe, wanted: Option<&Entry>, is_it: impl Fn(&Entry) -> bool) -> Result<Vec<Op>> {
    let old = wanted::text(host, &FSTAB.into())?;
    let text = old.clone().unwrap_or_default();
    let mut lines = Lines::of(&text);
    let found = lines.last_position(|line| Entry::of(line).is_some_and(|entry| is_it(&entry)));
    match (wanted, found) {
        (Some(entry), Some(index)) if lines.get(index).and_then(Entry::of).as_ref() == Some(entry) => {}
        (Some(entry), Some(index)) => lines.replace(index, &entry.line()),
        (Some(entry), None) => lines.push(&entry.line()),
        (None, Some(_)) => lines.remove_if(|line| Entry::of(line).is_some_and(|entry| is_it(&entry))),
        (None, None) => return Ok(Vec::new()),
    }
    wanted::file(host, &FSTAB.into(), Content::Bytes(lines.text().into_bytes()), &Meta::default())
}

fn escaped(text: &str) -> String {
    ESCAPES.iter().fold(text.to_string(), |text, (letter, code)| text.replace(letter, code))
}

/// The backslash comes last, so that what it brings is not read again.
fn unescaped(text: &str) -> String {
    ESCAPES.iter().rev().fold(text.to_string(), |text, (letter, code)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        for line in
            ["UUID=1 / ext4 rw 0 1", "/a\\040b /c\\134d none bind 0 0", "//nas/x\\043y /mnt cifs a=b 0 0"]
        {
            assert_eq!(Entry::of(line).unwrap().line(), line);
        }
        assert_eq!(Entry::of("/a\\040b /c auto").unwrap().source, "/a b");
        assert_eq!(Entry::of("# /a /b ext4"), None);
        assert_eq!(Entry::of("/dev/sda1 /"), None);
    }
}
